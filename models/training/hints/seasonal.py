"""Seasonal rules, each channel by itself: what was one period ago, its growth, and a regression on both."""

import numpy as np

from .law import NOISE_RATE, NOISE_SHAPE, Law, best
from .past import PADDING

FIRST_SEARCH, LONGEST, LEAST_CORRELATION, NEAR_BEST = 16, 512, 0.2, 0.9
RIDGE, PRIORS = 0.1, np.array([(0.0, 1.0, 0.0, 0.0), (1.0, 1.0, -1.0, 0.0)])


def found_periods(x):
    """The period of each channel of x [rows, channels], 0 for none, by the autocorrelation of its differences."""
    d = np.diff(x, axis=0)
    d = d - d.mean(0)
    most = min(len(x) // 2, LONGEST)
    size = 1 << (2 * len(d) - 1).bit_length()
    spectrum = np.fft.rfft(d, size, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, size, axis=0)[: most + 1]
    squares = np.concatenate([np.zeros((1, d.shape[1])), (d**2).cumsum(0)])
    lags = np.arange(most + 1)
    norms = np.sqrt((squares[-1] - squares[lags]) * squares[len(d) - lags])
    with np.errstate(all="ignore"):
        r = np.where(norms > 0, products / norms, 0)
    inner = r[3:-1]  # lag 2 is the first that is looked at, and a maximum has neighbours
    if len(inner) < 1:
        return np.zeros(x.shape[1], np.int64)
    peaks = (inner >= r[2:-2]) & (inner >= r[4:])
    heights = np.where(peaks, inner, -np.inf)
    top = heights.max(0)
    near = peaks & (inner >= NEAR_BEST * top)
    return np.where(top >= LEAST_CORRELATION, 3 + near.argmax(0), 0)


class Candidates:
    """The four rules of a batch of channels [n], each with a period of its own."""

    def __init__(self, count):
        self.covariance = np.tile(np.eye(4) / RIDGE, (count, 1, 1))
        self.weights = np.tile(PRIORS, (count, 1, 1))
        self.shape, self.rate = np.full(count, NOISE_SHAPE), np.full((count, 4), NOISE_RATE)
        self.scores = np.zeros((count, 4))

    FIELDS = ("covariance", "weights", "shape", "rate", "scores")

    def part(self, at):
        other = Candidates(0)
        for name in self.FIELDS:
            setattr(other, name, getattr(self, name)[at])
        return other

    def put(self, at, other):
        for name in self.FIELDS:
            getattr(self, name)[at] = getattr(other, name)

    def law(self, last, season, before, known):
        """Laws [n, 4] from the last value, that of one period ago and the one before that."""
        self.features = np.stack([last, season, before, np.ones_like(last)], 1)
        self.spread = (self.covariance @ self.features[..., None])[..., 0]
        self.leverage = 1 + np.maximum(0, (self.features * self.spread).sum(1))
        fitted = (self.weights @ self.features[..., None])[..., 0]
        location = np.stack([season, season + last - before, fitted[:, 0], fitted[:, 1]], 1)
        self.levers = np.stack([np.ones_like(last)] * 2 + [self.leverage] * 2, 1)
        scale = np.sqrt(self.rate / self.shape[:, None] * self.levers)
        freedom = np.broadcast_to(2 * self.shape[:, None], scale.shape)
        self.laws = Law(location, scale, freedom, np.broadcast_to(known[:, None], scale.shape))
        return self.laws

    def learn(self, x, counts):
        self.scores += np.where(counts[:, None], self.laws.log_score(x[:, None]), 0)
        error = np.where(counts[:, None], x[:, None] - self.laws.location, 0)
        self.rate += 0.5 * error**2 / self.levers
        self.shape += 0.5 * counts
        scaled = self.spread * (counts / self.leverage)[:, None]
        self.weights += error[:, 2:, None] * scaled[:, None]
        self.covariance -= scaled[..., None] * self.spread[:, None]


class Seasonal:
    """`periods` [windows, channels]: known ones; 0 where they are to be found."""

    def __init__(self, windows, channels, actions, periods=None):
        self.channels = channels
        given = np.zeros((windows, channels)) if periods is None else periods
        self.given = np.asarray(given, np.int64).reshape(-1)
        self.periods = self.given.copy()
        self.rules = Candidates(windows * channels)

    def law(self, past):
        if past.count >= FIRST_SEARCH and past.count & (past.count - 1) == 0:
            self.search(past)
        known = (self.periods > 0) & (np.repeat(past.age, self.channels) >= self.periods + 1)
        laws = self.rules.law(*self.lagged(past, past.count), known)
        n = len(past.last)
        parts = (laws.location, laws.scale, laws.freedom, laws.known)
        shaped = Law(*(part.reshape(n, self.channels, 4).transpose(0, 2, 1) for part in parts))
        return best(shaped, self.rules.scores.reshape(n, self.channels, 4).transpose(0, 2, 1))

    def lagged(self, past, t, at=None):
        """Of row t the last value, that of one period ago and the one before that, of all channels or some."""
        at = np.arange(len(self.periods)) if at is None else at
        window, channel = at // self.channels, at % self.channels
        period = np.maximum(self.periods[at], 1)

        def value(row):
            return past.values[window, np.maximum(row + PADDING, 0), channel]

        return value(t - 1), value(t - period), value(t - 1 - period)

    def learn(self, past, x, observed):
        known = self.rules.laws.known[:, 0]
        self.rules.learn(x.reshape(-1), known & observed.reshape(-1))

    def search(self, past):
        """Finds the periods; where one changes, its rules read the episode again."""
        found = self.periods.copy()
        for window in range(len(past.last)):
            rows = past.episode(window)
            part = slice(window * self.channels, (window + 1) * self.channels)
            if rows.stop - rows.start >= FIRST_SEARCH:
                found[part] = found_periods(past.x(rows)[window])
        found = np.where(self.given > 0, self.given, found)
        changed = np.flatnonzero(found != self.periods)
        self.periods = found
        if not len(changed):
            return
        again = Candidates(len(changed))
        starts = np.array([past.episode(window).start for window in changed // self.channels])
        for t in range(starts.min(), past.count):
            known = (self.periods[changed] > 0) & (t - starts >= self.periods[changed] + 1)
            if known.any():
                again.law(*self.lagged(past, t, changed), known)
                x = past.values[changed // self.channels, t + PADDING, changed % self.channels]
                again.learn(x, known)
        self.rules.put(changed, again)
