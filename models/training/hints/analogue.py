"""What followed the past rows that were most like the last ones (Lorenz 1969): all channels and the actions."""

import numpy as np

from .law import NOISE_RATE, NOISE_SHAPE, Law, best

CANDIDATES = ((1, 1), (1, 4), (3, 1), (3, 4))  # rows that are compared, neighbours
MOST_ROWS, ACTION_WEIGHT, LEAST = 2000, 12.25, 1e-6


class Analogue:
    def __init__(self, windows, channels, actions):
        shape = (windows, len(CANDIDATES), channels)
        self.scores, self.rate = np.zeros(shape), np.full(shape, NOISE_RATE)
        self.shape = np.full((*shape[:2], channels), NOISE_SHAPE)

    def law(self, past):
        n, channels = past.last.shape
        location = np.zeros((n, len(CANDIDATES), channels))
        known = np.zeros((n, len(CANDIDATES)), bool)
        rows = past.recent(MOST_ROWS)
        moves = past.x(rows) - past.x(rows, -1)
        for i, (lags, k) in enumerate(CANDIDATES if moves.shape[1] else ()):
            if k == 1:
                usable = past.ages(rows) >= lags
                squared = np.where(usable, self.distances(past, rows, lags), np.inf)
                # the later of equals: the search goes on from the last row
                places, distances = nearest_of(squared[:, ::-1], 4)
            at, distance = places[:, :k], distances[:, :k]
            enough = np.isfinite(distance).all(1)
            weights = 1 / (np.where(enough[:, None], distance, 1) + LEAST)
            weights = weights / weights.sum(1, keepdims=True)
            chosen = np.take_along_axis(moves[:, ::-1], at[..., None], 1)
            location[:, i] = past.last + (weights[..., None] * chosen).sum(1)
            known[:, i] = enough & (at.shape[1] == k) & (past.age >= lags)
        known = np.broadcast_to(known[..., None], location.shape)
        self.candidates = Law(location, np.sqrt(self.rate / self.shape), 2 * self.shape, known)
        return best(self.candidates, self.scores)

    def distances(self, past, rows, lags):
        """Squared distances [windows, rows] of what stood before past rows to what stands last."""
        squared = ACTION_WEIGHT * ((past.u(rows, -1) - past.actions[:, None]) ** 2).sum(2)
        for lag in range(1, lags + 1):
            squared += ((past.x(rows, -lag) - past.row(-lag)[:, None]) ** 2).sum(2)
        return squared

    def learn(self, past, x, observed):
        known = self.candidates.known
        counts = known & observed[:, None]
        every = known.all(1, keepdims=True) & observed[:, None]
        self.scores += np.where(every, self.candidates.log_score(x[:, None]), 0)
        error = np.where(counts, x[:, None] - self.candidates.location, 0)
        self.shape = self.shape + 0.5 * counts
        self.rate += 0.5 * error**2


def nearest_of(squared, most):
    """Places and values [windows, most] of the smallest; the first of equals."""
    squared, places, values = squared.copy(), [], []
    for _ in range(min(most, squared.shape[1])):
        at = squared.argmin(1)[:, None]
        places.append(at)
        values.append(np.take_along_axis(squared, at, 1))
        np.put_along_axis(squared, at, np.inf, 1)
    return np.concatenate(places, 1), np.concatenate(values, 1)
