"""Integration of many systems at once: states are [dimension, rows], paths [length, dimension, rows]."""

import torch


def integrate(rate, state, step, length, substeps=2, noise=None, draws=None, burn=0, bound=100.0):
    """Path of x' = rate(x, t, index) by RK4 with `substeps` per sample of `step` [rows]; `noise` is per
    sqrt(time).

    `index` counts samples from the first recorded one (clamped at 0 during `burn`), so that inputs can be
    held.
    """
    dimension, rows = state.shape
    path = torch.empty(length, dimension, rows, device=state.device)
    h, t = step / substeps, torch.zeros_like(step)
    for sample in range(-burn, length):
        index = max(sample, 0)
        for _ in range(substeps):
            k1 = rate(state, t, index)
            k2 = rate(state + h / 2 * k1, t + h / 2, index)
            k3 = rate(state + h / 2 * k2, t + h / 2, index)
            k4 = rate(state + h * k3, t + h, index)
            state = state + h / 6 * (k1 + 2 * (k2 + k3) + k4)
            if noise is not None:
                state = state + noise * h.sqrt() * draws.normal(dimension, rows)
            state = state.clamp(-bound, bound)
            t = t + h
        if sample >= 0:
            path[sample] = state
    return path


def pick(path, component):
    """One component of each row: path [length, dimension, rows], component [rows] -> [rows, length]."""
    rows = torch.arange(path.shape[2], device=path.device)
    return path.permute(2, 1, 0)[rows, component]
