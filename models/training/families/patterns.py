"""Repeating templates, pulses and steps."""

import torch

from .registry import family


@family(share=1.5, exact=0.5)
def template(draws, rows, length):
    """A random template of 4-32 points (lines or steps), pulse, triangle or spike, period 3..110, jitter in
    30 %.
    """
    period, kind = draws.log_uniform(3, 110, rows, 1), draws.integers(0, 5, rows, 1)
    t = torch.arange(length, device=draws.device)[None] + draws.uniform(0, 100, rows, 1)
    jitter = draws.or_zero(0.7, draws.log_uniform(0.01, 0.2, rows, 1)) * draws.normal(rows, length).cumsum(1)
    phase = torch.remainder((t + jitter) / period, 1)
    points = int(draws.choice([4, 8, 16, 32], 1))
    shape = draws.normal(rows, points)
    slot = (phase * points).floor().long() % points
    here, following = shape.gather(1, slot), shape.gather(1, (slot + 1) % points)
    line = here + (following - here) * (phase * points - (phase * points).floor())
    duty, width = draws.uniform(0.1, 0.9, rows, 1), draws.log_uniform(0.01, 0.15, rows, 1)
    triangle = torch.where(phase < duty, phase / duty, (1 - phase) / (1 - duty))
    spike = torch.exp(-0.5 * ((phase - 0.5) / width) ** 2)
    spike = spike + draws.uniform(-0.3, 0.3, rows, 1) * torch.exp(-0.5 * ((phase - duty) / 0.08) ** 2)
    y = torch.where(kind == 0, line, torch.where(kind == 1, here, (phase < duty).float()))
    return torch.where(kind == 3, triangle, torch.where(kind == 4, spike, y))


@family(share=0.8, exact=0.6)
def seasonal(draws, rows, length):
    """Two nested seasons (3-30 steps and 4-12 of them), trend, AR(1) remainder of size 0.01..0.5."""
    short, factor = draws.integers(3, 31, rows, 1), draws.integers(4, 13, rows, 1)
    t = torch.arange(length, device=draws.device)[None]
    daily, weekly = draws.normal(rows, 30), draws.normal(rows, 12) * draws.log_uniform(0.1, 1, rows, 1)
    y = daily.gather(1, t % short) + weekly.gather(1, (t // short) % factor)
    size, keep = draws.log_uniform(0.01, 0.5, rows), draws.uniform(0, 0.95, rows)
    x, e = torch.zeros(rows), draws.normal(length, rows)
    rest = torch.empty(length, rows, device=draws.device)
    for i in range(length):
        x = keep * x + size * e[i]
        rest[i] = x
    return y + rest.T + draws.or_zero(0.6, draws.normal(rows, 1) * 2) * t / length


@family(share=0.6, exact=0.6)
def held_levels(draws, rows, length):
    """Piecewise constant: Gaussian, uniform or two-level values held 2..80 steps, optional first-order
    approach.
    """
    level = draws.held(rows, length, 2, 80).T
    approach = torch.where(draws.flags(0.4, rows), torch.ones(rows), draws.log_uniform(0.03, 0.9, rows))
    x, y = torch.zeros(rows), torch.empty(length, rows, device=draws.device)
    for t in range(length):
        x = x + approach * (level[t] - x)
        y[t] = x
    return y.T
