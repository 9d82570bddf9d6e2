"""The residual axis: 1000 bins of (value - location) / scale, spaced by sinh over +-200 scales.

Of the mass of a bin at an end of the axis half lies in the bin, half beyond the end, with a density that falls with
the square of the distance: what lies outside is scored by how far.
"""

import math

import numpy as np

BINS, REACH, CURVE = 1000, 200.0, 9.0

EDGES = REACH * np.sinh(CURVE * np.linspace(-1, 1, BINS + 1)) / math.sinh(CURVE)
LOG_WIDTHS = np.log(np.diff(EDGES))


def residual_ids(z):
    """Bins of standardised residuals; what lies outside of the axis has the bin at its end."""
    place = (np.arcsinh(z * (math.sinh(CURVE) / REACH)) / CURVE + 1) / 2 * BINS
    return np.clip(np.floor(place), 0, BINS - 1).astype(np.int64)


def log_spacings(z, ids):
    """Log of what a bin's mass is divided by to be the density of z, standardised residuals in bins `ids`."""
    beyond = np.log(2 / REACH) + 2 * np.log(np.maximum(np.abs(z), REACH))
    ends = (ids == 0) | (ids == BINS - 1)
    inside = LOG_WIDTHS[ids] + np.where(ends, math.log(2.0), 0.0)
    return np.where(np.abs(z) > REACH, beyond, inside)
