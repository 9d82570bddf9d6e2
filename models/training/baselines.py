"""One-step densities of simple forecasters on the 1000 bins, and their sample paths.

All work on bins [series, values] and return float32 [series, values, 1000]; row t sees the values before t.
"""

import numpy as np
from scipy.special import ndtr, stdtr

BINS = 1000
EDGES = np.arange(BINS + 1) - 0.5  # in units of bins; a value counts as the centre of its bin
UNIT = 200.0  # bins to a unit of the regressions: contexts have a range of about 3.5
START = 10  # first predicted value


class BayesianRegressions:
    """Online conjugate AR(1..8) with intercept; Student t predictions, best order so far."""

    def __init__(self, series, highest=8, ridge=1e-3):
        self.highest, self.score = highest, np.zeros((series, highest))
        self.states = []
        for p in range(1, highest + 1):
            covariance = np.repeat(np.eye(p + 1)[None] / ridge, series, 0)
            self.states.append(
                [covariance, np.zeros((series, p + 1)), np.full(series, 0.5), np.full(series, 1e-5)]
            )

    def predict(self, x, p):
        """(features, covariance @ features, 1 + leverage, location, scale, freedom) after x [series, t]."""
        covariance, mean, a, b = self.states[p - 1]
        features = np.concatenate([x[:, -p:][:, ::-1], np.ones((len(x), 1))], 1)
        spread = np.einsum("sij,sj->si", covariance, features)
        leverage = 1 + (features * spread).sum(1)
        scale = np.maximum(np.sqrt(b / a * leverage), 0.0015)
        return features, spread, leverage, (features * mean).sum(1), scale, 2 * a

    def observe(self, x, value):
        """Updates every order with the value that followed x."""
        half = 0.5 / UNIT
        for p in range(1, self.highest + 1):
            if x.shape[1] < p:
                self.score[:, p - 1] += np.log(1e-3)
                continue
            features, spread, leverage, location, scale, freedom = self.predict(x, p)
            z = (value - location) / scale
            chance = stdtr(freedom, z + half / scale) - stdtr(freedom, z - half / scale)
            self.score[:, p - 1] += np.log(chance + 1e-6)
            state, error = self.states[p - 1], value - location
            state[0] = state[0] - spread[:, :, None] * spread[:, None, :] / leverage[:, None, None]
            state[1] = state[1] + spread * (error / leverage)[:, None]
            state[2] = state[2] + 0.5
            state[3] = state[3] + 0.5 * error * error / leverage

    def orders(self, longest):
        return np.minimum(self.score.argmax(1) + 1, longest)


def autoregression(bins):
    series, steps = bins.shape
    x, model = (bins - 500) / UNIT, BayesianRegressions(series)
    density = np.zeros((series, steps, BINS), np.float32)
    edges = (EDGES - 500) / UNIT
    for t in range(1, steps):
        if t >= START:
            orders = model.orders(t)
            for p in np.unique(orders):
                *_, location, scale, freedom = model.predict(x[:, :t], p)
                s = orders == p
                z = (edges[None] - location[s, None]) / scale[s, None]
                density[s, t] = np.diff(stdtr(freedom[s, None], z), axis=1)
        model.observe(x[:, :t], x[:, t])
    return density


def autoregression_paths(bins, horizon, paths, seed=0):
    """Sample paths [series, paths, horizon] in bins: best AR, drawn from its posterior."""
    random, (series, steps) = np.random.default_rng(seed), bins.shape
    x, model = (bins - 500) / UNIT, BayesianRegressions(series)
    for t in range(1, steps):
        model.observe(x[:, :t], x[:, t])
    out = np.empty((series, paths, horizon))
    for s, p in enumerate(model.orders(steps)):
        covariance, mean, a, b = (part[s] for part in model.states[p - 1])
        noise = np.sqrt(b / random.gamma(a, size=(paths, 1)))
        root = np.linalg.cholesky((covariance + covariance.T) / 2 + 1e-12 * np.eye(p + 1))
        weights = mean + noise * (random.standard_normal((paths, p + 1)) @ root.T)
        state = np.repeat(x[s, ::-1][None, :p], paths, 0)
        for h in range(horizon):
            new = (
                (state * weights[:, :p]).sum(1) + weights[:, p] + noise[:, 0] * random.standard_normal(paths)
            )
            new = np.clip(new, -2.5, 2.5)  # the axis [0, 10)
            state = np.concatenate([new[:, None], state[:, :-1]], 1)
            out[s, :, h] = new * UNIT + 500
    return out


def random_walk_paths(bins, horizon, paths, seed=0):
    """Sample paths [series, paths, horizon] in bins: Gaussian steps of the context's size."""
    random = np.random.default_rng(seed)
    size = np.sqrt((np.diff(bins, axis=1) ** 2).mean(1))[:, None, None]
    steps = size * random.standard_normal((len(bins), paths, horizon))
    return np.clip(bins[:, -1, None, None] + steps.cumsum(2), 0, BINS - 1)


def nearest_neighbours(bins):
    """Kernel density of the successors of the nearest past states; the best of 24 settings so far."""
    series, steps = bins.shape
    density = np.zeros((series, steps, BINS), np.float32)
    settings = [(m, d, k, f) for m in (1, 3, 6) for d in (0, 1) for k in (4, 16) for f in (0.4, 1.0)]
    for s in range(series):
        x, score = bins[s].astype(float), np.zeros(len(settings))
        distances = {m: state_distances(x, m) for m in (1, 3, 6)}
        for t in range(START, steps):
            kernels = [successors(x, t, distances[m], m, *rest) for m, *rest in settings]
            weight, target, width = kernels[score.argmax()]
            density[s, t] = np.diff((weight[:, None] * ndtr((EDGES[None] - target[:, None]) / width)).sum(0))
            upper = [(w * ndtr((x[t] + 0.5 - c) / h)).sum() for w, c, h in kernels]
            lower = [(w * ndtr((x[t] - 0.5 - c) / h)).sum() for w, c, h in kernels]
            score += np.log((np.array(upper) - lower) * 0.98 + 2e-5)
    return density


def state_distances(x, lags):
    """Distances [t, t'] of the states of `lags` values that end at t and t'."""
    squares, steps = (x[:, None] - x[None]) ** 2, len(x)
    total = np.zeros((steps, steps))
    for lag in range(lags):
        total[lags - 1 :, lags - 1 :] += squares[lags - 1 - lag : steps - lag, lags - 1 - lag : steps - lag]
    return np.sqrt(total)


def successors(x, t, distance, lags, by_difference, rank, width_factor):
    """Weights, targets and width of the kernels at t, from the 20 states nearest to that of t - 1."""
    past = np.arange(lags - 1, t - 1)
    d = distance[t - 1, past]
    count = min(20, len(past))
    near = np.argpartition(d, count - 1)[:count]
    reach = np.sort(d[near])[min(rank, count) - 1] + 1.0
    weight = np.exp(-((d[near] / reach) ** 2))
    weight /= weight.sum()
    target = x[past[near] + 1] + (x[t - 1] - x[past[near]] if by_difference else 0)
    spread = np.sqrt((weight * (target - (weight * target).sum()) ** 2).sum())
    return weight, target, max(0.6, width_factor * spread)


def running_gaussian(bins, persistent):
    """Gaussian of the past values (`mean`), or of the past steps around the last value (`persistence`)."""
    series, steps = bins.shape
    density = np.zeros((series, steps, BINS), np.float32)
    for t in range(START, steps):
        past = bins[:, :t].astype(float)
        if persistent:
            centre, width = past[:, -1], np.sqrt((np.diff(past, axis=1) ** 2).mean(1))
        else:
            centre, width = past.mean(1), past.std(1)
        z = (EDGES[None] - centre[:, None]) / np.maximum(width, 0.6)[:, None]
        density[:, t] = np.diff(ndtr(z), axis=1)
    return density


def all_densities(bins):
    """The four baselines, float16 to keep the cache small."""
    densities = {
        "mean": running_gaussian(bins, False),
        "persistence": running_gaussian(bins, True),
        "ar": autoregression(bins),
        "knn": nearest_neighbours(bins),
    }
    return {name: d.astype(np.float16) for name, d in densities.items()}
