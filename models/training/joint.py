"""The joint distribution of a row's channels: a Gaussian copula of the marginals' probability integral transforms.

Its correlations are those of the context's PIT values as normal scores, shrunk to none by how few there are.
Marginals stay exactly what they are: each path's channel takes the order statistic of independent draws at its level.
"""

import numpy as np
from scipy.special import ndtr, ndtri

SHRINKAGE = 30.0  # rows at which correlations count half
FIRST_PIT = 10  # rows whose PIT values come before the experts know anything
DRAWS = 48  # of each channel and path, among which the level chooses


class Copula:
    """Of PIT values [rows, channels]; rows with a NaN (an episode's first) do not count."""

    def __init__(self, pit):
        scores = ndtri(np.clip(pit[np.isfinite(pit).all(1)], 1e-4, 1 - 1e-4))
        n, channels = scores.shape
        self.correlation = np.eye(channels)
        if n > 2 and channels > 1:
            # a channel that is too wide or too narrow is as correlated as one that is right
            sizes = np.sqrt((scores**2).mean(0)) + 1e-9
            raw = (scores / sizes).T @ (scores / sizes) / n
            self.correlation += n / (n + SHRINKAGE) * (raw - np.diag(np.diag(raw)))
        values, vectors = np.linalg.eigh(self.correlation)
        self.root = vectors * np.sqrt(np.maximum(values, 1e-6))

    def log_density(self, pit):
        """Nats of PIT values [channels]: what the joint density gains on that of independent channels."""
        z = ndtri(np.clip(pit, 1e-4, 1 - 1e-4))
        matrix = self.root @ self.root.T
        matrix = matrix / np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
        return -0.5 * np.linalg.slogdet(matrix)[1] - 0.5 * z @ (np.linalg.solve(matrix, z) - z)

    def levels(self, rng, count):
        """Levels [count, channels], uniform for each channel."""
        z = rng.standard_normal((count, len(self.root))) @ self.root.T
        return ndtr(z / np.sqrt((self.root**2).sum(1)))


def coupled(draws, levels):
    """Draws [channels, members] put in such an order that they have the ranks of levels [members, channels]."""
    ranks = levels.argsort(0).argsort(0)
    return np.take_along_axis(np.sort(draws, -1), ranks.T, -1)


def in_order(draws, past_draws, past, counts):
    """Draws [channels, members] of a row, ranked in order of the channels: each channel by a ridge regression on what
    the channels before it leave over and a part of its own. Learned from rows before: their draws [rows, channels,
    members] and values [rows, channels], those that count.
    """
    centre, spread = past_draws.mean(-1), past_draws.std(-1) + 1e-12
    z = np.clip((past - centre) / spread, -4, 4)[counts]
    z = z / (np.sqrt((z**2).mean(0)) + 1e-12)  # as wide as the standard scores that it is applied to
    own = (draws - draws.mean(-1, keepdims=True)) / (draws.std(-1, keepdims=True) + 1e-12)
    scores = own.copy()
    for c in range(1, len(draws)):
        before = z[:, :c]
        weights = np.linalg.solve(before.T @ before + SHRINKAGE * np.eye(c), before.T @ z[:, c])
        left = np.mean((z[:, c] - before @ weights) ** 2)
        scores[c] = weights @ scores[:c] + np.sqrt(left) * own[c]
        scores[c] /= np.sqrt((scores[c] ** 2).mean()) + 1e-12
    return coupled(draws, scores.T)


def energy_score(paths, truth):
    """Energy score [steps] of paths [members, steps, channels], fair in the number of members."""
    n = len(paths)
    apart = np.linalg.norm(paths[:, None] - paths[None], axis=-1).sum((0, 1)) / (n * (n - 1))
    return np.linalg.norm(paths - truth, axis=-1).mean(0) - apart / 2


def variogram_score(paths, truth, power=0.5):
    """Variogram score [steps] (Scheuerer & Hamill 2015) over pairs of channels."""
    expected = (np.abs(paths[..., :, None] - paths[..., None, :]) ** power).mean(0)
    seen = np.abs(truth[..., :, None] - truth[..., None, :]) ** power
    return ((expected - seen) ** 2).mean((-1, -2))
