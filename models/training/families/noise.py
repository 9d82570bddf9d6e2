"""Independent draws, autoregressions, Gaussian processes and Markov chains."""

import torch

from .registry import family


@family(share=2.5, exact=0.8)
def independent(draws, rows, length):
    """Independent draws: Gaussian (2 of 8), uniform (2 of 8), Student t, gamma, two clusters, 2-8 levels."""
    kind = draws.integers(0, 8, rows, 1)
    gauss, u = draws.normal(rows, length), draws.uniform(0, 1, rows, length)
    heavy = draws.student(draws.choice([2.0, 3.0, 5.0], rows, 1), rows, length).clamp(-40, 40)
    shape = draws.log_uniform(0.3, 5, rows, 1)
    gamma = draws.gamma(shape.expand(rows, length).contiguous())
    clusters = gauss + draws.log_uniform(1, 8, rows, 1) * (u < draws.uniform(0.05, 0.95, rows, 1))
    levels = torch.floor(u * draws.integers(2, 9, rows, 1))
    y = torch.where(kind <= 1, gauss, torch.where(kind <= 3, u, heavy))
    return torch.where(kind == 5, gamma, torch.where(kind == 6, clusters, torch.where(kind == 7, levels, y)))


@family(share=3.0, exact=0.4)
def autoregressive_modes(draws, rows, length):
    """1-4 complex AR(1) modes z <- r exp(i w) z + b e, r 0.3..1, w 0..pi: any AR(p); 20 % noise-free."""
    modes = 4
    active = torch.arange(modes)[:, None] < draws.integers(1, modes + 1, rows)
    radius = torch.where(
        draws.flags(0.12, modes, rows), torch.ones(1), 1 - draws.log_uniform(1e-4, 0.7, modes, rows)
    )
    angle = draws.or_zero(0.35, draws.log_uniform(0.02, 3.1, modes, rows))
    re, im = radius * torch.cos(angle), radius * torch.sin(angle)
    size = draws.or_zero(0.2, draws.log_uniform(1e-3, 1, rows))
    size = torch.where((size == 0) & (radius.amin(0) < 0.98), torch.full((rows,), 0.1), size)
    b, c = draws.normal(2, modes, rows), draws.normal(2, modes, rows) * active
    x, v = draws.normal(2, modes, rows) * draws.log_uniform(0.05, 3, rows)
    burn = draws.integer(0, 2) * 150
    e = (draws.innovations(rows, length + burn) * size[:, None]).T.contiguous()
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length + burn):
        x, v = re * x - im * v + b[0] * e[t], im * x + re * v + b[1] * e[t]
        if t >= burn:
            y[t - burn] = (c[0] * x - c[1] * v).sum(0)
    return y.T


@family(share=1.0, exact=0.8)
def mean_reverting(draws, rows, length):
    """Gaussian AR(1) of coefficient 0.3..0.995, in 25 % with a level that moves at held times."""
    keep = torch.where(
        draws.flags(0.3, rows), draws.uniform(0.3, 0.9, rows), 1 - draws.log_uniform(0.005, 0.2, rows)
    )
    level = draws.held(rows, length, 30, 300).T * draws.or_zero(0.75, draws.log_uniform(1, 6, rows))
    x, e = draws.normal(rows) / (1 - keep * keep).sqrt(), draws.normal(length, rows)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        x = keep * x + (1 - keep) * level[t] + e[t]
        y[t] = x
    return y.T


@family(share=0.8, exact=0.6)
def threshold_regression(draws, rows, length):
    """Two-regime threshold AR(2): other coefficients and noise above and below a threshold."""
    radius, angle = draws.uniform(0.2, 0.97, 2, rows), draws.uniform(0.1, 2.5, 2, rows)
    a1, a2 = 2 * radius * torch.cos(angle), -(radius**2)
    size, level = draws.log_uniform(0.1, 1, 2, rows), draws.normal(2, rows) * 0.5
    e = draws.normal(length, rows)
    x, older = draws.normal(2, rows)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        new = a1 * x + a2 * older + level + size * e[t]
        older, x = x, torch.where(x > 0, new[0], new[1]).clamp(-50, 50)
        y[t] = x
    return y.T


@family(share=1.5, exact=0.5)
def gaussian_process(draws, rows, length):
    """Random Fourier features: smooth (Gaussian kernel), rougher (Student spectrum), periodic; scale 2..120;
    sums, products.
    """
    t = torch.arange(length, device=draws.device)[None].float()

    def one():
        kind, features = draws.integers(0, 4, rows, 1), 24
        scale, period = draws.log_uniform(2, 120, rows, 1), draws.log_uniform(4, 120, rows, 1)
        smooth = draws.log_uniform(0.3, 2, rows, 1)
        y = torch.zeros(rows, length, device=draws.device)
        for m in range(features):
            g, harmonic = draws.normal(rows, 1), (m % 12) + 1
            tail = torch.sqrt(draws.gamma(torch.full((rows, 1), 1.5)) / 1.5).clamp_min(0.05)
            free = torch.where(kind == 0, g, g / tail) / scale
            locked = 6.2832 * harmonic / period + (kind == 3) * g / (4 * scale + 40)
            weight = torch.exp(-0.5 * (0.5 * harmonic / smooth) ** 2) * draws.normal(rows, 1)
            w, a = torch.where(kind >= 2, locked, free), torch.where(kind >= 2, weight, torch.ones(1))
            y += a * torch.cos(w * t + draws.uniform(0, 6.2832, rows, 1))
        return y / (y.std(1, keepdim=True) + 1e-9)

    first, second, how = one(), one(), draws.integers(0, 4, rows, 1)
    weight = draws.log_uniform(0.05, 1, rows, 1)
    mixed = torch.where(how == 2, first + weight * second, first * (1 + weight * second))
    return torch.where(how <= 1, first, mixed)


@family(share=1.5, exact=0.6)
def markov_levels(draws, rows, length):
    """Markov chain on 2-8 levels, rows of its matrix Dirichlet (0.1..1), sticky in 40 %, emission noise in
    40 %.
    """
    states = draws.integer(2, 9)
    concentration = draws.choice([0.1, 0.3, 1.0], rows, 1, 1).expand(rows, states, states).contiguous()
    chance = draws.gamma(concentration) + 1e-6
    chance = chance / chance.sum(2, keepdim=True)
    sticky = draws.flags(0.4, rows, 1, 1)
    chance = torch.where(sticky, 0.12 * chance + 0.88 * torch.eye(states), chance).cumsum(2)
    equal = torch.arange(states).expand(rows, states).float()
    level = torch.where(draws.flags(0.4, rows, 1), equal, draws.normal(rows, states))
    every, state = torch.arange(rows, device=draws.device), draws.integers(0, states, rows)
    u, visited = (
        draws.uniform(0, 1, length, rows, 1),
        torch.empty(length, rows, dtype=torch.long, device=draws.device),
    )
    for t in range(length):
        state = (u[t] > chance[every, state]).sum(1).clamp(max=states - 1)
        visited[t] = state
    emission = draws.or_zero(0.6, draws.log_uniform(0.01, 0.4, rows, 1)) * draws.normal(rows, length)
    return level.gather(1, visited.T) + emission
