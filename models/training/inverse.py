"""Inverse distribution functions of many discrete laws at once."""

import numpy as np


class Inverse:
    """Of chances [sequences, bins], which need not sum to one."""

    def __init__(self, chances):
        cdf = chances.cumsum(-1)
        self.sequences, self.bins = chances.shape
        # one sorted array: sequence s takes the values from s to s + 1
        self.ends = (cdf / cdf[:, -1:] + np.arange(self.sequences)[:, None]).ravel()

    def at(self, levels):
        """Bins [..., sequences] at which levels [..., sequences] are reached."""
        rows = np.arange(self.sequences)
        found = np.searchsorted(self.ends, levels + rows, side="left") - rows * self.bins
        return found.clip(0, self.bins - 1)
