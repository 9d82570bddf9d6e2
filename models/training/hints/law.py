"""Student laws of a row's channels, the noise behind them and the choice among candidates."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

NOISE_SHAPE, NOISE_RATE = 0.5, 5e-7  # inverse-gamma prior of a noise's variance, squared axis units
MOST_LOG = math.log(1e4)  # values are known to 1e-4 axis units

# of the density, by degrees of freedom; these are one more than the observations
CONSTANTS = np.arange(0.0, 70_000.0)
with np.errstate(all="ignore"):
    CONSTANTS = gammaln((CONSTANTS + 1) / 2) - gammaln(CONSTANTS / 2) - 0.5 * np.log(CONSTANTS * np.pi)


@dataclass
class Law:
    """Location, scale and freedom of the next value, and whether there is a law at all; arrays of one shape."""

    location: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray
    known: np.ndarray

    def log_score(self, x):
        """Log density of x, not above what values are known to."""
        z, v = (x - self.location) / self.scale, self.freedom
        constant = CONSTANTS[v.astype(np.int64)]
        return np.minimum(constant - np.log(self.scale) - (v + 1) / 2 * np.log1p(z * z / v), MOST_LOG)


def best(candidates, scores):
    """Of candidates on axis 1 that of the highest score among those with a law; the later of equals."""
    order = np.where(candidates.known, scores, -np.inf)[:, ::-1]
    at = (order.shape[1] - 1 - order.argmax(1))[:, None]
    law = (candidates.location, candidates.scale, candidates.freedom, candidates.known)
    return Law(*(np.take_along_axis(part, at, 1)[:, 0] for part in law))
