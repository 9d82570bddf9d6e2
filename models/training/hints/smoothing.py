"""Exponential smoothing with a slope (Holt 1957), each channel by itself; persistence is one of its settings."""

import numpy as np

from .law import NOISE_RATE, NOISE_SHAPE, Law, best

GAINS = np.array([(1, 0), (1, 0.05), (1, 0.3), (1, 1), (0.3, 0), (0.1, 0), (0.3, 0.05)])  # of level and slope


class Smoothing:
    def __init__(self, windows, channels, actions):
        shape = (windows, len(GAINS), channels)
        self.level, self.slope, self.scores = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.shape, self.rate = np.full((windows, channels), NOISE_SHAPE), np.full(shape, NOISE_RATE)

    def law(self, past):
        location = self.level + self.slope
        freedom = np.broadcast_to(2 * self.shape[:, None], location.shape)
        known = np.broadcast_to((past.age >= 1)[:, None, None], location.shape)
        self.candidates = Law(location, np.sqrt(self.rate / self.shape[:, None]), freedom, known)
        return best(self.candidates, self.scores)

    def learn(self, past, x, observed):
        usable = (past.age >= 1)[:, None]
        counts = (usable & observed)[:, None]
        error = np.where(counts, x[:, None] - self.candidates.location, 0)
        self.scores += np.where(counts, self.candidates.log_score(x[:, None]), 0)
        self.shape += 0.5 * counts[:, 0]
        self.rate += 0.5 * error**2
        moved = self.candidates.location + GAINS[:, :1] * error
        self.level = np.where(usable[:, None], moved, x[:, None])
        self.slope = np.where(usable[:, None], self.slope + GAINS[:, :1] * GAINS[:, 1:] * error, 0)
