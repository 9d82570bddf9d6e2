"""Seeded random draws in NumPy, with the few distributions that the systems need."""

import numpy as np


class Sampler:
    """A random source: the same generator and order of calls give the same numbers."""

    def __init__(self, generator):
        self.generator = generator

    def child(self):
        """An independent sampler; how much it draws does not change this one's numbers."""
        return Sampler(self.generator.spawn(1)[0])

    def normal(self, *shape):
        return self.generator.standard_normal(shape)

    def uniform(self, low, high, *shape):
        return self.generator.uniform(low, high, shape)

    def log_uniform(self, low, high, *shape):
        return np.exp(self.generator.uniform(np.log(low), np.log(high), shape))

    def flags(self, probability, *shape):
        """True with the given probability."""
        return self.generator.random(shape) < probability

    def chance(self, probability):
        """One Python bool, shared by a group of windows."""
        return bool(self.generator.random() < probability)

    def integers(self, low, high, *shape):
        """Uniform integers low..high-1."""
        return self.generator.integers(low, high, shape)

    def integer(self, low, high):
        """One Python integer low..high-1, shared by a group of windows (a dimension, a count)."""
        return int(self.generator.integers(low, high))

    def choice(self, values, *shape):
        return np.asarray(values)[self.generator.integers(0, len(values), shape)]

    def pick(self, values, weights=None):
        """One of `values`, by weight."""
        p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
        return values[int(self.generator.choice(len(values), p=p))]

    def order(self, count):
        return self.generator.permutation(count)

    def or_zero(self, zero_share, values):
        """`values`, each replaced by 0 with probability `zero_share`."""
        return np.where(self.flags(zero_share, *values.shape), 0.0, values)

    def some(self, n, zero_share, low, high):
        """A column [n, 1] of log-uniform strengths, 0 with probability `zero_share`."""
        return self.or_zero(zero_share, self.log_uniform(low, high, n, 1))

    def rotation(self, n, d):
        """Random orthogonal matrices [n, d, d]."""
        return np.linalg.qr(self.normal(n, d, d))[0]

    def coloured(self, n, rows, d, keep):
        """Unit-variance first-order autoregressions [n, rows, d]; `keep` [n, 1] correlates the rows."""
        white, out = self.normal(rows, n, d), np.empty((n, rows, d))
        state, fresh = white[0], np.sqrt(1 - keep**2)
        for t in range(rows):
            state = keep * state + fresh * white[t]
            out[:, t] = state
        return out

    def held(self, n, rows, d, shortest=2, longest=40):
        """Uniform levels [n, rows, d] in [-1, 1], held at even or random times."""
        hold, t = self.log_uniform(shortest, longest, n, 1), np.arange(rows)
        evenly = np.floor(t / hold)
        at_random = np.cumsum(self.flags(1 / hold, n, rows), 1)
        index = np.where(self.flags(0.5, n, 1), evenly, at_random).astype(int).clip(0, rows - 1)
        return np.take_along_axis(self.uniform(-1, 1, n, rows, d), index[..., None], 1)
