"""The digit reading of channels, each by itself, alone and beside the reading of hints.

The two readings of a channel err differently: for lone channels their Bayesian mixture is better than either; along
paths of several channels digits stay where the series was when experts run away.
"""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F

from cached import Cached
from encoding import BINS, BOS, NATS_OFFSET

READING_SHARE = 0.003  # fixed share of the mixture of the two readings
LEAST_DRAWN = 0.03  # paths draw from what has this part of the largest weight at least
OFF_AXIS = math.log(1e-5)


def digits_of(positions):
    return np.clip(np.floor(100 * positions), 0, BINS - 1).astype(np.int64)


def on_axis(positions):
    return (positions >= 0) & (positions < 10)


class DigitReading:
    """Of channels [sequences, rows], each by itself."""

    @torch.no_grad()
    def __init__(self, model, positions):
        ids = torch.from_numpy(np.concatenate([np.full((len(positions), 1), BOS), digits_of(positions)], 1))
        self.model, self.cached = model, Cached(model)
        self.states = self.cached.read(F.embedding(ids, model.embedding()))
        self.head = model.head()[:BINS].detach()
        self.table = model.embedding().detach()

    @torch.no_grad()
    def log_chances(self):
        """Log probabilities [sequences, BINS] of the next digit."""
        return F.linear(self.states[:, -1], self.head).double().log_softmax(-1).numpy()

    @torch.no_grad()
    def log_chances_behind(self):
        """Those [sequences, rows, BINS] of the digits that were read at the start."""
        return F.linear(self.states[:, :-1], self.head).double().log_softmax(-1)

    @torch.no_grad()
    def read(self, positions):
        self.states = self.cached.read(F.embedding(torch.from_numpy(digits_of(positions)[:, None]), self.table))

    def repeated(self, index):
        """The same for sequences of these numbers."""
        other = copy.copy(self)
        other.cached, other.states = copy.copy(self.cached), self.states[index, -1:]
        other.cached.repeat(torch.from_numpy(index))
        return other

    def drawn(self, rng):
        cdf = np.exp(self.log_chances()).cumsum(-1)
        bins = (cdf < rng.random((len(cdf), 1)) * cdf[:, -1:]).sum(-1).clip(0, BINS - 1)
        return (bins + rng.random(len(bins))) / 100

    def log_density(self, positions):
        """Nats [sequences] of the next values."""
        at = digits_of(positions)[:, None]
        return np.where(on_axis(positions), np.take_along_axis(self.log_chances(), at, -1)[:, 0] + NATS_OFFSET, OFF_AXIS)


class DigitsBeside:
    """A digit reading in a Bayesian mixture with the reading of hints; `log_odds` are of the latter."""

    def __init__(self, model, positions):
        self.digits = DigitReading(model, positions)
        self.log_odds = np.zeros(len(positions))

    def mixed(self, positions, density, mass, starts):
        """Log densities of the mixture and its masses of the values' bins, [sequences, rows], from those of the
        reading of hints; the odds are then those behind all rows.
        """
        logs = self.digits.log_chances_behind().numpy()
        alone = np.take_along_axis(logs, digits_of(positions)[..., None], -1)[..., 0]
        own = np.where(on_axis(positions), alone + NATS_OFFSET, OFF_AXIS)
        out = np.empty_like(density), np.empty_like(mass)
        for t in range(density.shape[1]):
            w = self.share()
            out[0][:, t] = np.logaddexp(np.log(w) + density[:, t], np.log1p(-w) + own[:, t])
            out[1][:, t] = w * mass[:, t] + (1 - w) * np.where(on_axis(positions[:, t]), np.exp(alone[:, t]), 0)
            self.odds_after(density[:, t] - own[:, t], ~starts[:, t])
        return out

    def share(self):
        """Weights [sequences] of the reading of hints."""
        return 1 / (1 + np.exp(-self.log_odds))

    def odds_after(self, gained, counts=True):
        w = (1 - READING_SHARE) / (1 + np.exp(-(self.log_odds + np.clip(gained, -50, 50)))) + READING_SHARE / 2
        self.log_odds = np.where(counts, np.log(w) - np.log1p(-w), self.log_odds)

    def repeated(self, index):
        other = copy.copy(self)
        other.digits, other.log_odds = self.digits.repeated(index), self.log_odds[index]
        return other

    def drawn(self, hinted, rng):
        """Values of the mixture, from values drawn by the reading of hints."""
        share = self.share()
        rare = np.minimum(share, 1 - share) < LEAST_DRAWN * np.maximum(share, 1 - share)
        share = np.where(rare, np.round(share), share)
        return np.where(rng.random(len(hinted)) < share, hinted, self.digits.drawn(rng))

    def learn(self, positions, density):
        """Reads values that were drawn, of so high a log density in the reading of hints."""
        self.odds_after(density - self.digits.log_density(positions))
        self.digits.read(positions)


def digit_paths(reading, steps, count, rng):
    """Paths [count, steps, channels] behind the digit reading of a window's channels."""
    channels, drawn = len(reading.states), []
    paths = reading.repeated(np.arange(channels).repeat(count))
    for _ in range(steps):
        drawn.append(paths.drawn(rng))
        paths.read(drawn[-1])
    return np.stack(drawn, -1).reshape(channels, count, steps).transpose(1, 2, 0)
