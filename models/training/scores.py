"""Proper scores and calibration of densities on the 1000 bins, and intervals of paired differences."""

import numpy as np

BINS = 1000


def floored(density, share=1e-3):
    """Normalised and mixed with a share of the uniform density."""
    p = density.astype(np.float64)
    return (1 - share) * p / np.maximum(p.sum(2, keepdims=True), 1e-9) + share / BINS


def log_density(density, bins):
    """Nats [series, steps] on the axis [0, 10)."""
    return np.log(np.take_along_axis(density, bins[:, :, None], 2)[:, :, 0]) + np.log(100)


def crps(density, bins):
    """CRPS [series, steps] in axis units, on bins."""
    upper = np.arange(BINS)[None, None] >= bins[:, :, None]
    return 0.01 * ((density.cumsum(2) - upper) ** 2).sum(2)


def pit(density, bins, seed=0):
    """Randomised probability integral transform [series, steps]."""
    chance = np.take_along_axis(density, bins[:, :, None], 2)[:, :, 0]
    upper = np.take_along_axis(density.cumsum(2), bins[:, :, None], 2)[:, :, 0]
    return upper - chance * np.random.default_rng(seed).random(chance.shape)


def uniform_distance(u):
    """Kolmogorov-Smirnov distance of the sample u from the uniform law on [0, 1]."""
    u, n = np.sort(u), len(u)
    return max((u - np.arange(n) / n).max(), (np.arange(1, n + 1) / n - u).max())


def sample_crps(paths, truth):
    """Fair CRPS of samples: paths [..., members, steps], truth [..., steps]; mean|X-y| - mean|X-X'|/2."""
    members = paths.shape[-2]
    ordered = np.sort(paths, axis=-2)
    rank = (2 * np.arange(1, members + 1) - members - 1)[:, None]
    half_gini = (rank * ordered).sum(-2) / (members * (members - 1))
    return np.abs(paths - truth[..., None, :]).mean(-2) - half_gini


def series_mean(values, valid):
    """Mean over the valid steps of each series."""
    return (values * valid).sum(1) / np.maximum(valid.sum(1), 1)


def paired_interval(differences, level=0.95, draws=4000, seed=0):
    """(mean, low, high) of the mean over families; bootstrap over the series of each family,
    [families][series].
    """
    random = np.random.default_rng(seed)
    means = np.zeros(draws)
    for family in differences:
        means += random.choice(family, (draws, len(family))).mean(1) / len(differences)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.mean([np.mean(f) for f in differences])), float(low), float(high)
