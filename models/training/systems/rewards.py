"""Rewards: functions of the state before or after a step and of the action, shown after the step."""

import numpy as np


def rewards(sampler, roll, spreads):
    """One reward channel [n, rows]: row t's is of the step from row t-1, an episode's first row has 0."""
    s = sampler
    y = roll.readings
    if roll.angles:
        y = y.copy()
        y[..., list(roll.angles)] = np.cos(y[..., list(roll.angles)])
    n, rows, r = y.shape
    mean, std = spreads.of(y)
    z = np.clip((y - mean) / std, -50, 50)
    before, after = z[:, :-1], z[:, 1:]
    state = np.where(s.flags(0.6, n, 1, 1), after, before)
    u = roll.effects[:, :-1]

    def weights(sparse):
        w = s.normal(n, r) * s.flags(sparse, n, r)
        w[np.arange(n), s.integers(0, r, n)] += 1
        return w

    w, goal = weights(0.3), s.or_zero(0.5, s.normal(n, 1, r))
    effort = s.some(n, 0.3, 0.003, 0.5)
    cost = effort * (u**2).sum(2)
    first, second = (np.take_along_axis(state, s.integers(0, r, n, 1, 1), 2)[..., 0] for _ in range(2))
    away = np.einsum("nr,ntr->nt", w**2, (state - goal) ** 2)
    chosen = s.integers(0, r, n, 1, 1)
    moved = np.take_along_axis(after - before, chosen, 2)[..., 0]
    linear = np.einsum("nr,ntr->nt", w, state)
    level = s.uniform(-1, 1, n, 1)
    push = np.take_along_axis(u, s.integers(0, u.shape[2], n, 1, 1), 2)[..., 0]
    kinds = {
        "quadratic": lambda: -away - cost,
        "distance": lambda: -np.sqrt(away) - cost,
        "speed": lambda: 10 * moved - cost,
        "linear": lambda: linear - cost,
        "alive": lambda: linear - cost + s.log_uniform(0.3, 10, n, 1) * ~roll.terminated[:, 1:],
        "constant": lambda: 1.0 - roll.terminated[:, 1:] * s.choice([0, 1, 1, 10], n, 1),
        "threshold": lambda: (first > level) - cost,
        "goal": lambda: s.log_uniform(1, 100, n, 1) * roll.terminated[:, 1:] - cost,
        "tolerance": lambda: np.exp(-away) * (1 - np.minimum(cost, 1)),
        "product": lambda: first * second - cost,
        "power": lambda: first * push - cost,
    }
    names = list(kinds)
    if not roll.episodes:
        names = [name for name in names if name not in ("constant", "goal")]
    both = [kinds[name]() for name in (names[i] for i in s.integers(0, len(names), 2))]
    out = np.zeros((n, rows))
    out[:, 1:] = np.where(s.flags(0.5, n, 1), both[0], both[1])
    return np.where(roll.starts, 0.0, out)
