"""Untrained forecasters to compare the model with: single experts, and normals of several widths around
all of them ("scales") in a Bayesian mixture, with the digits of an exported model beside them if asked for.
"""

import math

import numpy as np
from scipy.special import ndtr

SPREADS = np.array([0.05, 0.15, 0.35, 0.6, 0.85, 1.1, 1.5, 2.5, 6.0])
SHARE, LEAST_LOG = 0.003, -30.0


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class ScalesMixture:
    """Weights [windows, channels, components] over normals around laws [windows, experts, channels], the last
    component a digit density if there is one.
    """

    def __init__(self, windows, channels, experts, digits=False):
        self.count = experts * len(SPREADS) + digits
        self.log_weights = np.full((windows, channels, self.count), -math.log(self.count))

    def normals(self, laws):
        """Centres, deviations and what is known, [windows, channels, experts * widths]."""
        n, experts, channels = laws.location.shape
        widths = np.broadcast_to(SPREADS, (n, channels, experts, len(SPREADS)))
        centre = np.broadcast_to(laws.location.transpose(0, 2, 1)[..., None], widths.shape)
        known = np.broadcast_to(laws.known.transpose(0, 2, 1)[..., None], widths.shape)
        deviation = laws.scale.transpose(0, 2, 1)[..., None] * widths
        flat = (n, channels, experts * len(SPREADS))
        return centre.reshape(flat), deviation.reshape(flat), known.reshape(flat)

    def current(self, known):
        """Log weights over what is known."""
        w = np.where(known, self.log_weights, -np.inf)
        top = w.max(-1, keepdims=True)
        return w - (np.log(np.exp(w - top).sum(-1, keepdims=True)) + top)

    def learn(self, logs, known, counts):
        """Learns the log densities that the components gave; those that are not known keep their weight."""
        weights = self.current(known)
        logs = np.where(known, logs, 0)
        top = (weights + logs).max(-1, keepdims=True)
        whole = np.log(np.exp(weights + logs - top).sum(-1, keepdims=True)) + top
        gained = np.maximum(np.where(known, logs, whole), LEAST_LOG)
        learned = np.log((1 - SHARE) * softmax(self.log_weights + gained) + SHARE / self.count)
        self.log_weights = np.where(counts[..., None], learned, self.log_weights)

    def learn_row(self, laws, x):
        """Learns a row [windows, channels] that was observed, from where every channel has a law on."""
        if laws.known.any(1).all():
            centre, deviation, known = self.normals(laws)
            self.learn(normal_log(x[..., None], centre, deviation), known, np.ones(x.shape, bool))

    def repeated(self, paths):
        other = ScalesMixture(0, 0, 1)
        other.count, other.log_weights = self.count, np.repeat(self.log_weights, paths, 0)
        return other


def normal_log(x, centre, deviation):
    return -0.5 * ((x - centre) / deviation) ** 2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)


def normal_mass(low, high, centre, deviation):
    return ndtr((high - centre) / deviation) - ndtr((low - centre) / deviation)
