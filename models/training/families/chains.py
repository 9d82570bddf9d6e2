"""Markov chains on a few values that are repeated exactly."""

import torch

from .registry import family

MOST = 12  # states


@family(share=16.0, exact=0.95)
def markov_chain(draws, rows, length):
    """Markov chain on 2-12 values, even in 60 %: rows of its matrix Dirichlet (0.05..3); sticky in 15 %, in
    20 % mostly to near values.
    """
    state = torch.arange(MOST)
    states = draws.integers(2, MOST + 1, rows)
    there = state < states[:, None]
    concentration = draws.log_uniform(0.05, 3, rows, 1, 1).expand(rows, MOST, MOST).contiguous()
    chance = draws.gamma(concentration) + 1e-6
    reach = torch.where(draws.flags(0.2, rows), draws.log_uniform(0.3, 3, rows), torch.inf)
    chance = chance * torch.exp(-(state[:, None] - state).abs() / reach[:, None, None]) * there[:, None]
    chance = chance / chance.sum(2, keepdim=True)
    stay = draws.or_zero(0.85, draws.uniform(0.3, 0.95, rows, 1, 1))
    chance = ((1 - stay) * chance + stay * torch.eye(MOST)).cumsum(2)
    level = torch.where(draws.flags(0.6, rows, 1), state.float(), draws.uniform(0, 1, rows, MOST))
    every, at = torch.arange(rows), draws.integers(0, 2, rows)
    u, visited = draws.uniform(0, 1, length, rows, 1), torch.empty(length, rows, dtype=torch.long)
    for t in range(length):
        at = torch.minimum((u[t] > chance[every, at]).sum(1), states - 1)
        visited[t] = at
    return level.gather(1, visited.T)
