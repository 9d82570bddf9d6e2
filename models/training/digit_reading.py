"""The digit reading of channels, each by itself, alone and beside the reading of hints.

The two readings of a channel err differently: for lone channels their Bayesian mixture is better than either; along
paths of several channels digits stay where the series was when experts run away.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from cached import Cached
from encoding import BINS, BOS, NATS_OFFSET
from inverse import Inverse
from residual import LEAST_LOG

ALPHA = 0.003  # of the fixed share (Herbster & Warmuth 1998) between the two readings
MIN_DRAWN = 0.03  # paths draw from what has this part of the largest weight at least
MAX_GAIN = 50.0  # nats of a row that count in the odds


def digits_of(positions):
    return np.clip(np.floor(100 * positions), 0, BINS - 1).astype(np.int64)


class DigitReading:
    """Of channels [sequences, rows], each by itself; all rows but the last are read."""

    @torch.no_grad()
    def __init__(self, model, positions):
        ids = np.concatenate([np.full((len(positions), 1), BOS), digits_of(positions[:, :-1])], 1)
        self.cached = Cached(model)
        self.states = self.cached.read(F.embedding(torch.from_numpy(ids), model.embedding()))
        self.head, self.table = model.head()[:BINS].detach(), model.embedding().detach()

    @torch.no_grad()
    def logs_of_rows(self, most=8):
        """Parts [sequences, rows, BINS] of the log probabilities of the rows' digits."""
        for states in self.states.split(most):
            yield F.linear(states, self.head).double().log_softmax(-1).numpy()

    def rows(self, positions):
        """Log densities and distribution functions of the rows at positions [sequences, rows]."""
        at, out = digits_of(positions)[..., None], []
        for i, logs in enumerate(self.logs_of_rows()):
            of = slice(8 * i, 8 * i + len(logs))
            log, chances = np.take_along_axis(logs, at[of], -1)[..., 0], np.exp(logs)
            below = np.take_along_axis(chances.cumsum(-1) - chances, at[of], -1)[..., 0]
            inside = np.clip(100 * positions[of] - at[of][..., 0], 0, 1)
            out.append((log, below + inside * np.exp(log)))
        log, cdf = (np.concatenate(part) for part in zip(*out))
        return np.where((positions >= 0) & (positions < 10), log + NATS_OFFSET, LEAST_LOG), cdf

    @torch.no_grad()
    def next_logs(self):
        """Log probabilities [sequences, BINS] of the digits after what was read."""
        return F.linear(self.states[:, -1], self.head).double().log_softmax(-1).numpy()

    @torch.no_grad()
    def read(self, positions):
        """Reads one more row [sequences]."""
        self.states = self.cached.read(F.embedding(torch.from_numpy(digits_of(positions)[:, None]), self.table))

    def repeated(self, index):
        """The same for sequences of these numbers."""
        other = copy.copy(self)
        other.cached, other.states = copy.copy(self.cached), self.states[index, -1:]
        other.cached.repeat(torch.from_numpy(index))
        return other

    def drawn(self, count, rng):
        """Draws [count, sequences] of the next row."""
        bins = Inverse(np.exp(self.next_logs())).at(rng.random((count, len(self.states))))
        return (bins + rng.random(bins.shape)) / 100


class DigitsBeside:
    """A digit reading of channels [sequences, rows] in a Bayesian mixture with the reading of hints, which gave the
    rows these log densities; first rows of episodes do not count.
    """

    def __init__(self, model, positions, density, begins):
        self.digits = DigitReading(model, positions)
        self.own, self.cdf = self.digits.rows(positions)
        self.log_odds = np.zeros(len(positions))  # of the reading of hints
        self.weights = np.empty_like(density)  # of the reading of hints before each row
        for t in range(density.shape[1]):
            self.weights[:, t] = self.weight()
            self.learn_gain(density[:, t] - self.own[:, t], ~begins[:, t])
        self.inside = (positions >= 0) & (positions < 10)

    def density(self, hinted):
        """Log densities [sequences, rows] of the mixture."""
        return np.logaddexp(np.log(self.weights) + hinted, np.log1p(-self.weights) + self.own)

    def mass(self, hinted):
        """Masses of the values' bins in the mixture."""
        return self.weights * hinted + (1 - self.weights) * self.inside * np.exp(self.own - NATS_OFFSET)

    def pit(self, hinted):
        return self.weights * hinted + (1 - self.weights) * self.cdf

    def weight(self):
        """Weights [sequences] of the reading of hints for the next row."""
        return 1 / (1 + np.exp(-self.log_odds))

    def learn_gain(self, gained, counts=True):
        w = (1 - ALPHA) / (1 + np.exp(-(self.log_odds + np.clip(gained, -MAX_GAIN, MAX_GAIN)))) + ALPHA / 2
        self.log_odds = np.where(counts, np.log(w) - np.log1p(-w), self.log_odds)

    def repeated(self, index):
        other = copy.copy(self)
        other.digits, other.log_odds = self.digits.repeated(index), self.log_odds[index]
        return other

    def drawn(self, hinted, rng):
        """Draws [count, sequences] of the mixture for the next row, from draws of the reading of hints."""
        weight = self.weight()
        rare = np.minimum(weight, 1 - weight) < MIN_DRAWN * np.maximum(weight, 1 - weight)
        weight = np.where(rare, np.round(weight), weight)
        return np.where(rng.random(hinted.shape) < weight, hinted, self.digits.drawn(len(hinted), rng))

    def learn(self, positions, density):
        """Reads a row [sequences] that was drawn, of so high a log density in the reading of hints."""
        at, inside = digits_of(positions)[:, None], (positions >= 0) & (positions < 10)
        own = np.take_along_axis(self.digits.next_logs(), at, -1)[:, 0] + NATS_OFFSET
        self.learn_gain(density - np.where(inside, own, LEAST_LOG))
        self.digits.read(positions)


def digit_paths(reading, steps, count, rng):
    """Paths [count, steps, channels] after the digit reading of a window's channels."""
    channels, drawn = len(reading.states), []
    paths = reading.repeated(np.arange(channels).repeat(count))
    for _ in range(steps):
        drawn.append(paths.drawn(1, rng)[0])
        paths.read(drawn[-1])
    return np.stack(drawn, -1).reshape(channels, count, steps).transpose(1, 2, 0)
