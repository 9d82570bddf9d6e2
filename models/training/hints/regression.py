"""Bayesian linear regressions of all channels on the rows before and the actions: linear and quadratic."""

import numpy as np

from .law import NOISE_RATE, NOISE_SHAPE, Law, best

LINEAR_RIDGES, QUADRATIC_RIDGES = (1e-4, 0.1), (1e-3, 0.1, 10.0)
MOST_VARIABLES = 24  # whose products enter the quadratic regression: 300 products


class Regressions:
    """Regressions [windows] of the channels on the same features by several ridges, each with the prior "level"
    (weights zero) and the prior "persistence" (weight one on the channel's own last value, feature number c of
    channel c). Conjugate normal and inverse gamma (Gelman et al., Bayesian Data Analysis, chapter 14).
    """

    def __init__(self, windows, channels, features, ridges):
        k = len(ridges)
        self.covariance = np.tile(np.eye(features), (windows, k, 1, 1)) / np.reshape(ridges, (k, 1, 1))
        self.weights = np.zeros((windows, k, 2, channels, features))
        self.weights[:, :, 1, np.arange(channels), np.arange(channels)] = 1
        self.shape = np.full((windows, channels), NOISE_SHAPE)
        self.rate = np.full((windows, k, 2, channels), NOISE_RATE)

    def law(self, features, known):
        """Candidates [windows, 2 ridges, channels], ridge by ridge."""
        self.features = features
        self.spread = (self.covariance @ features[:, None, :, None])[..., 0]
        self.leverage = 1 + np.maximum(0, (features[:, None] * self.spread).sum(-1))
        n, k, _, channels, d = self.weights.shape
        flat = self.weights.reshape(n, k * 2 * channels, d)
        self.location = (flat @ features[:, :, None]).reshape(n, k, 2, channels)
        shape = self.shape[:, None, None]
        scale = np.sqrt(self.rate / shape * self.leverage[:, :, None, None])
        freedom = np.broadcast_to(2 * shape, scale.shape)
        known = np.broadcast_to(known[:, None, None, None], scale.shape)
        return Law(*(part.reshape(n, 2 * k, channels) for part in (self.location, scale, freedom, known)))

    def learn(self, x, usable, observed):
        """Learns the row that the last law was of; rows that are not usable, channels not observed, are not."""
        counts = usable[:, None] & observed
        leverage = self.leverage[:, :, None, None]
        error = np.where(counts[:, None, None], x[:, None, None] - self.location, 0)
        step = error / leverage
        self.weights += step[..., None] * self.spread[:, :, None, None]
        self.rate += 0.5 * error * step
        self.shape += 0.5 * counts
        scaled = self.spread * (usable[:, None] / self.leverage)[..., None]
        self.covariance -= scaled[..., None] * self.spread[..., None, :]


class Linear:
    """Every channel on all channels of the last one or two rows, the actions of the last row and an intercept."""

    def __init__(self, windows, channels, actions):
        one, two = channels + actions + 1, 2 * channels + actions + 1
        self.one = Regressions(windows, channels, one, LINEAR_RIDGES)
        self.two = Regressions(windows, channels, two, LINEAR_RIDGES)
        self.scores = np.zeros((windows, 4 * len(LINEAR_RIDGES), channels))

    def law(self, past):
        one = np.ones((len(past.last), 1))
        laws = (
            self.one.law(np.concatenate([past.last, past.actions, one], 1), past.age >= 1),
            self.two.law(np.concatenate([past.last, past.row(-2), past.actions, one], 1), past.age >= 2),
        )
        parts = zip(*((law.location, law.scale, law.freedom, law.known) for law in laws))
        self.candidates = Law(*(np.concatenate(part, 1) for part in parts))
        return best(self.candidates, self.scores)

    def learn(self, past, x, observed):
        counts = (past.age >= 2)[:, None, None] & observed[:, None]
        self.scores += np.where(counts, self.candidates.log_score(x[:, None]), 0)
        self.one.learn(x, past.age >= 1, observed)
        self.two.learn(x, past.age >= 2, observed)


class Quadratic:
    """The regression on products of the channels and actions of the last row, too."""

    def __init__(self, windows, channels, actions):
        variables = min(channels + actions, MOST_VARIABLES)
        self.pairs = np.triu_indices(variables)
        features = channels + actions + len(self.pairs[0]) + 1
        self.fits = Regressions(windows, channels, features, QUADRATIC_RIDGES)
        self.scores = np.zeros((windows, 2 * len(QUADRATIC_RIDGES), channels))

    def law(self, past):
        both = np.concatenate([past.last / 3, past.actions], 1)
        products = both[:, self.pairs[0]] * both[:, self.pairs[1]]
        one = np.ones((len(both), 1))
        features = np.concatenate([past.last, past.actions, products, one], 1)
        self.candidates = self.fits.law(features, past.age >= 1)
        return best(self.candidates, self.scores)

    def learn(self, past, x, observed):
        counts = (past.age >= 1)[:, None, None] & observed[:, None]
        self.scores += np.where(counts, self.candidates.log_score(x[:, None]), 0)
        self.fits.learn(x, past.age >= 1, observed)
