"""A model that reads hints as a forecaster of lone channels, on the bins that `reader.Reader` gives densities on. From
bins alone values are their centres.
"""

import numpy as np
import torch
from scipy.special import ndtr

from encoding import BINS
from hints import EDGES
from model_reading import WIDTHS, ModelReading


class HintedReader:
    def __init__(self, folder):
        self.reading = ModelReading.of(folder)

    def densities(self, bins):
        """Float32 [series, values, 1000]; row t is conditioned on the bins before t."""
        return self.densities_at((bins + 0.5) / 100)

    @torch.no_grad()
    def densities_at(self, positions):
        """The same of values on the axis, which are not rounded to bins."""
        starts = np.zeros(positions.shape, bool)
        starts[:, 0] = True
        whole = self.reading.sequences(positions[..., None], np.zeros((*positions.shape, 0)), starts)
        hinted, density = [], []
        for s, (digits, residual, gate) in self.reading.answered(whole):
            parts, log_weights = self.reading.model.mixture(s, digits, residual, gate)
            density.append(torch.logsumexp(log_weights + parts, -1).double().numpy())
            parts = zip(range(len(s)), digits, residual, log_weights)
            hinted += [masses(s[i], *(part.double().exp().numpy() for part in of)) for i, *of in parts]
        beside = self.reading.beside(positions[..., None], np.concatenate(density), starts)
        digits = np.exp(np.concatenate(list(beside.digits.logs_of_rows())))
        weights = beside.weights[..., None]
        return (weights * np.stack(hinted) + (1 - weights) * digits).astype(np.float32)


def masses(s, digits, residual, weights):
    """Masses [rows, 1000] of the bins in the mixture, for one sequence; what lies off the axis is in the end bins."""
    edges = np.concatenate([[-np.inf], np.arange(1, BINS) / 100, [np.inf]])
    location, scale = s.location.double().numpy(), s.scale.double().numpy()
    out = weights[:, :1] * digits
    for t in range(len(out)):
        z = (edges - location[t, 0]) / scale[t, 0]
        cdf = np.interp(z, EDGES, np.concatenate([[0.0], residual[t].cumsum()]))
        out[t] += weights[t, 1] * np.diff(cdf)
        for slot in (0, 1):
            z = (edges - location[t, slot]) / scale[t, slot]
            of = slice(2 + slot * len(WIDTHS), 2 + (slot + 1) * len(WIDTHS))
            out[t] += weights[t, of] @ np.diff(ndtr(z / WIDTHS[:, None]), axis=1)
    return out
