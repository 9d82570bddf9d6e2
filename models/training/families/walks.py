"""Random walks and multiplicative walks (geometric Brownian motion is held out)."""

import torch

from .registry import family


@family(share=1.5, exact=0.8, curved=False)
def random_walk(draws, rows, length):
    """x_t = x_{t-1} + drift + e_t, e Gaussian (half) or heavy-tailed, skewed, uniform; drift in 40 %."""
    gauss = draws.flags(0.5, rows, 1)
    e = torch.where(gauss, draws.normal(rows, length), draws.innovations(rows, length))
    return (e + draws.or_zero(0.6, draws.normal(rows, 1) * draws.log_uniform(0.01, 0.5, rows, 1))).cumsum(1)


@family(share=0.8, exact=0.6, curved=False)
def local_trend(draws, rows, length):
    """Local linear trend: slope a (leaky) walk of size 0.003..0.1, level with noise; an integrated walk."""
    slope = torch.zeros(rows)
    keep, size = (
        1 - draws.or_zero(0.5, draws.log_uniform(0.001, 0.1, rows)),
        draws.log_uniform(0.003, 0.1, rows),
    )
    level_noise = draws.or_zero(0.4, draws.log_uniform(0.01, 1, rows))
    e = draws.innovations(rows, length).T.contiguous()
    slopes = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        slope = keep * slope + size * e[t]
        slopes[t] = slope
    return (slopes.T + level_noise[:, None] * draws.normal(rows, length)).cumsum(1)


@family(share=1.2, exact=0.6, curved=False)
def garch(draws, rows, length):
    """GARCH(1,1): s_t = w + b s_{t-1} + a e^2, a 0.02..0.3, b 0.5..0.97; returns (40 %) or their sum."""
    a = draws.uniform(0.02, 0.3, rows)
    b = torch.minimum(draws.uniform(0.5, 0.97, rows), 0.995 - a)
    e = draws.innovations(rows, length).T.contiguous()
    variance, r = torch.ones(rows), torch.zeros(rows)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        variance = ((1 - a - b) + b * variance + a * r * r).clamp(1e-3, 50)
        r = variance.sqrt() * e[t]
        y[t] = r
    return torch.where(draws.flags(0.4, rows, 1), y.T, y.T.cumsum(1))


@family(share=1.2, exact=0.7, curved=False)
def stochastic_volatility(draws, rows, length):
    """Returns exp(h_t) e_t with h an AR(1) (0.9..0.998, size 0.05..0.4) or two regimes; returns (40 %) or
    their sum.
    """
    keep, size = 1 - draws.log_uniform(0.002, 0.1, rows), draws.log_uniform(0.05, 0.4, rows)
    h, e = torch.zeros(rows), draws.normal(length, rows)
    path = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        h = keep * h + size * e[t]
        path[t] = h
    regimes = (draws.held(rows, length, 10, 200) > 0) * draws.uniform(0.7, 2, rows, 1)
    volatility = torch.exp(torch.where(draws.flags(0.3, rows, 1), regimes, path.T).clamp(-4, 4))
    returns = volatility * draws.innovations(rows, length)
    return torch.where(draws.flags(0.4, rows, 1), returns, returns.cumsum(1))


@family(share=1.5, exact=0.85, curved=False)
def cev_walk(draws, rows, length):
    """x_t = x + r(1-x) + s x^g e_t, g 0.3..0.85 (square root in 40 %), s 0.005..0.1, r 0 or 0.002..0.05;
    Gaussian e.
    """
    power = torch.where(draws.flags(0.4, rows), torch.full((rows,), 0.5), draws.uniform(0.3, 0.85, rows))
    size, back = draws.log_uniform(0.005, 0.1, rows), draws.or_zero(0.5, draws.log_uniform(0.002, 0.05, rows))
    x, e = torch.ones(rows), draws.normal(length, rows)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        x = (x + back * (1 - x) + size * x**power * e[t]).clamp(1e-3, 100)
        y[t] = x
    return y.T


@family(share=2.5, exact=0.85, curved=False)
def multiplicative_walk(draws, rows, length):
    """exp(z): z a walk with Student-t, uniform or skewed steps (never Gaussian), size 0.003..0.06, small
    drift.
    """
    kind = draws.integers(0, 3, rows, 1)
    heavy = draws.student(draws.choice([3.0, 4.0, 5.0, 8.0], rows, 1), rows, length).clamp(-12, 12)
    skewed = draws.choice([-1.0, 1.0], rows, 1) * (-torch.log(draws.uniform(1e-7, 1, rows, length)) - 1)
    step = torch.where(
        kind == 0, heavy, torch.where(kind == 1, skewed, draws.uniform(-1.73, 1.73, rows, length))
    )
    size = draws.log_uniform(0.003, 0.06, rows, 1)
    z = (size * (step + draws.or_zero(0.5, 0.1 * draws.normal(rows, 1)))).cumsum(1)
    return torch.exp(z.clamp(-5, 5))


@family(share=1.2, exact=0.8, curved=False)
def log_reverting(draws, rows, length):
    """exp(z): z Gaussian, pulled back to 0 by 0.01..0.2 of z a step, size 0.01..0.2 a step."""
    back, size = draws.log_uniform(0.01, 0.2, rows), draws.log_uniform(0.01, 0.2, rows)
    z, e = draws.normal(rows) * size / back.sqrt(), draws.normal(length, rows)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        z = z - back * z + size * e[t]
        y[t] = z
    return torch.exp(y.T.clamp(-5, 5))


@family(share=1.0, exact=0.6, curved=False)
def compound_walk(draws, rows, length):
    """A walk that moves at a share 0.03..0.6 of the steps only; steps of any law, or on a grid (counts)."""
    e = draws.innovations(rows, length)
    e = torch.where(draws.flags(0.3, rows, 1), (2 * e).round(), e)
    return (e * draws.flags(draws.log_uniform(0.03, 0.6, rows, 1), rows, length)).cumsum(1)


@family(share=0.8, exact=0.7, curved=False)
def bounded_walk(draws, rows, length):
    """A Gaussian walk reflected at two walls (folded triangle wave), range 3..60 step sizes."""
    width = draws.log_uniform(3, 60, rows, 1)
    z = draws.normal(rows, length).cumsum(1) + width * draws.uniform(0, 2, rows, 1)
    return (torch.remainder(z, 2 * width) - width).abs()
