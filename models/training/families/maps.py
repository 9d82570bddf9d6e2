"""Discrete chaotic and random maps (the logistic map is held out: nothing here is conjugate to it)."""

import torch

from .registry import family


def iterate(advance, state, length, noise, draws, bound=4.0, burn=30):
    """First component [rows, length] of state <- advance(state) + noise on the first component."""
    y = torch.empty(length, state.shape[1], device=state.device)
    kicks = draws.normal(length + burn, state.shape[1]) * noise
    for t in range(length + burn):
        state = advance(state)
        state = torch.cat([state[:1] + kicks[t], state[1:]]).clamp(-bound, bound)
        if t >= burn:
            y[t - burn] = state[0]
    return y.T


def map_noise(draws, rows):
    """Dynamic noise of a map with values of order one: none in 45 %, else 0.001..0.15."""
    return draws.or_zero(0.45, draws.log_uniform(0.001, 0.15, rows))


@family(share=1.5, exact=0.5)
def interval_maps(draws, rows, length):
    """x <- f(x): skew tent (peak 0.1..0.9), sine 0.8..1, cubic r x(1-x^2) r 2.2..3, Chebyshev cos(k acos x)
    k 2.3..4.
    """
    kind, p = draws.integers(0, 4, rows), draws.uniform(0, 1, rows)
    peak, height = 0.1 + 0.8 * p, draws.uniform(0.85, 1, rows)

    def advance(s):
        x = s[0]
        unit = x.clamp(0, 1)
        tent = height * torch.where(unit < peak, unit / peak, (1 - unit) / (1 - peak))
        sine = (0.8 + 0.2 * p) * torch.sin(torch.pi * unit)
        cubic = (2.2 + 0.8 * p) * x.clamp(-1.2, 1.2) * (1 - x.clamp(-1.2, 1.2) ** 2)
        chebyshev = torch.cos((2.3 + 1.7 * p) * torch.arccos(x.clamp(-1, 1)))
        return torch.where(
            kind == 0, tent, torch.where(kind == 1, sine, torch.where(kind == 2, cubic, chebyshev))
        )[None]

    return iterate(advance, draws.uniform(0.05, 0.95, 1, rows), length, map_noise(draws, rows), draws)


@family(share=1.5, exact=0.5)
def hump_maps(draws, rows, length):
    """Population maps: Ricker x exp(r(1-x)), Hassell r x/(1+x)^b, Maynard Smith r x/(1+x^b), skew hump r
    x^a(1-x)^b, a>=1.4.
    """
    kind, p, q = draws.integers(0, 4, rows), draws.uniform(0, 1, rows), draws.uniform(0, 1, rows)
    a, b = 1.4 + 1.2 * q, 0.6 + 0.8 * draws.uniform(0, 1, rows)
    top = (a / (a + b)) ** a * (b / (a + b)) ** b

    def advance(s):
        x = s[0].clamp(1e-4, 8)
        ricker = x * torch.exp((1.7 + 1.5 * p) * (1 - x))
        hassell = (20 + 60 * p) * x / (1 + x) ** (4 + 6 * q) * 2
        smith = (1.5 + 2.5 * p) * x / (1 + x ** (4 + 6 * q))
        unit = x.clamp(1e-4, 1)
        hump = (0.8 + 0.2 * p) / top * unit**a * (1 - unit).clamp_min(0) ** b
        return torch.where(
            kind == 0, ricker, torch.where(kind == 1, hassell, torch.where(kind == 2, smith, hump))
        )[None]

    return iterate(advance, draws.uniform(0.3, 0.9, 1, rows), length, map_noise(draws, rows), draws, bound=8)


@family(share=1.2, exact=0.5)
def planar_maps(draws, rows, length):
    """Henon (a 1..1.4, b 0.15..0.35), Lozi (a 1.3..1.75, b 0.2..0.5), delayed sine (2-lag), Gauss
    exp(-ax^2)+b, circle map.
    """
    kind, p, q = draws.integers(0, 5, rows), draws.uniform(0, 1, rows), draws.uniform(0, 1, rows)

    def advance(s):
        x, older = s
        henon = 1 - (1 + 0.4 * p) * x * x + (0.15 + 0.2 * q) * older
        lozi = 1 - (1.3 + 0.45 * p) * x.abs() + (0.2 + 0.3 * q) * older
        sine = (1.5 + p) * torch.sin(1.5 * x) - (0.2 + 0.6 * q) * older
        gauss = torch.exp(-(4.5 + 4 * p) * x * x) - 0.6 + 0.5 * q
        circle = torch.remainder(x + 0.05 + 0.9 * p + q * 0.19 * torch.sin(6.2832 * x), 1)
        y = torch.where(kind == 0, henon, torch.where(kind == 1, lozi, sine))
        return torch.stack([torch.where(kind == 3, gauss, torch.where(kind == 4, circle, y)), x])

    return iterate(advance, draws.uniform(-0.2, 0.2, 2, rows), length, map_noise(draws, rows), draws, bound=3)


@family(share=2.0, exact=0.4)
def neural_maps(draws, rows, length):
    """x_t = a x_{t-1} + (1-a) v.tanh(W x_{t-1..t-p} + b) + noise, p 1-6 lags, 8 units, gain 0.5..2.5."""
    lags, units = draws.integer(1, 7), 8
    w = draws.normal(units, lags, rows) * draws.log_uniform(0.5, 2.5, rows) / lags**0.5
    b, v = (
        draws.normal(units, rows) * 0.7,
        draws.normal(units, rows) * draws.log_uniform(0.5, 2, rows) / 2**0.5,
    )
    keep = draws.or_zero(0.5, draws.uniform(0, 0.95, rows))

    def advance(s):
        new = keep * s[0] + (1 - keep) * (v * torch.tanh((w * s).sum(1) + b)).sum(0)
        return torch.cat([new[None], s[:-1]])

    noise = draws.or_zero(0.4, draws.log_uniform(0.003, 0.3, rows))
    return iterate(advance, draws.normal(lags, rows), length, noise, draws, bound=20)


@family(share=1.2, exact=0.4)
def random_interval_maps(draws, rows, length):
    """x <- f(x), f a smooth random curve on [0,1] (3-6 random cosines, rescaled to the interval), with
    little noise.
    """
    terms = draws.integer(3, 7)
    weight = draws.normal(terms, rows) / torch.arange(1, terms + 1, device=draws.device)[:, None] ** 0.7
    phase = draws.uniform(0, 6.2832, terms, rows)
    order = torch.pi * torch.arange(1, terms + 1, device=draws.device)[:, None]
    grid = torch.linspace(0, 1, 64, device=draws.device)[:, None, None]
    curve = (weight * torch.cos(order * grid + phase)).sum(1)
    low, high = curve.amin(0), curve.amax(0)
    reach = draws.uniform(0.85, 1, rows)

    def advance(s):
        x = s[0].clamp(0, 1)
        return (reach * ((weight * torch.cos(order * x + phase)).sum(0) - low) / (high - low))[None]

    noise = draws.or_zero(0.45, draws.log_uniform(0.001, 0.1, rows))
    return iterate(advance, draws.uniform(0, 1, 1, rows), length, noise, draws)
