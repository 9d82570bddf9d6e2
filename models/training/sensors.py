"""What a sensor does to a clean series: curves, sums, regimes, gaps, noise, outliers, quantisation."""

import torch


def standardised(y):
    return (y - y.mean(1, keepdim=True)) / (y.std(1, keepdim=True) + 1e-9)


def readout(draws, y, curved):
    """A static curve on 30 % of the rows with `curved` set: tanh, exp, absolute value, sine, clipping (a
    saturated sensor).
    """
    rows = len(y)
    kind, gain = draws.integers(0, 17, rows, 1), draws.log_uniform(0.3, 2, rows, 1)
    curves = [
        torch.tanh(1.5 * gain * y),
        torch.exp((0.7 * gain * y).clamp(-5, 5)),
        (y + gain - 1).abs(),
        torch.sin(gain * y),
        torch.minimum(torch.maximum(y, -gain), 0.8 * gain),
    ]
    for k, curve in enumerate(curves):
        y = torch.where(curved[:, None] & (kind == k), curve, y)
    return y


def mixed_with_another(draws, y):
    """The sum with another row (8 %), or a switch between the two at held times (7 %)."""
    rows, length = y.shape
    other = y[torch.randperm(rows, generator=draws.generator, device=draws.device)]
    weight, how = draws.log_uniform(0.1, 1, rows, 1), draws.uniform(0, 1, rows, 1)
    switched = torch.where(draws.held(rows, length, 20, 200) > 0, y, weight * other + 1 - weight)
    return torch.where(how < 0.08, y + weight * other, torch.where(how < 0.15, switched, y))


def held_samples(draws, y):
    """Samples held for 2-11 steps (4 %), or lost at random, a share 0.02..0.5, and filled with the last one
    (4 %).
    """
    rows, length = y.shape
    index = torch.arange(length, device=y.device).expand(rows, length)
    every = draws.integers(2, 12, rows, 1)
    lost = draws.flags(draws.log_uniform(0.02, 0.5, rows, 1), rows, length)
    last = torch.where(lost, torch.zeros_like(index), index).cummax(1).values
    how = draws.uniform(0, 1, rows, 1)
    source = torch.where(how < 0.04, index // every * every, torch.where(how < 0.08, last, index))
    return y.gather(1, source)


def disturbed(draws, y):
    """Observation noise of 0.001..0.4 sd (50 %), outliers of 3..12 sd at 0.3..3 % of the steps (4 %)."""
    rows, length = y.shape
    sd = y.std(1, keepdim=True)
    y = y + sd * draws.or_zero(0.5, draws.log_uniform(0.001, 0.4, rows, 1)) * draws.innovations(rows, length)
    chance = draws.or_zero(0.96, draws.log_uniform(0.003, 0.03, rows, 1))
    spikes = draws.flags(chance, rows, length) * draws.normal(rows, length) * draws.uniform(3, 12, rows, 1)
    return y + sd * spikes


def quantised(draws, y):
    """Rounding to 8..400 levels over +-3 sd (8 %)."""
    rows = len(y)
    sd = y.std(1, keepdim=True) + 1e-9
    cell = 6 * sd / draws.log_uniform(8, 400, rows, 1)
    return torch.where(draws.flags(0.08, rows, 1), (y / cell).round() * cell, y)


def sensed(draws, y, curved):
    """All effects in their physical order; [rows, length] standardised series in, readings out."""
    y = readout(draws, mixed_with_another(draws, y), curved)
    for effect in (disturbed, held_samples, quantised):
        y = effect(draws, y)
    return y
