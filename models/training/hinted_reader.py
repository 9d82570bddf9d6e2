"""A model that reads hints as a forecaster of lone channels, on the bins that `reader.Reader` gives densities on. It is
told the bins alone: values are their centres.
"""

import numpy as np
import torch
from scipy.special import ndtr

from digit_reading import DigitsBeside
from encoding import BINS
from hints import EDGES
from model_reading import WIDTHS, ModelReading


class HintedReader:
    def __init__(self, folder):
        self.reading = ModelReading.of(folder)

    @torch.no_grad()
    def densities(self, bins):
        """Float32 [series, values, 1000]; row t is conditioned on the values before t."""
        positions = (bins + 0.5) / 100
        starts = np.zeros(bins.shape, bool)
        starts[:, 0] = True
        whole = self.reading.sequences(positions[..., None], np.zeros((*bins.shape, 0)), starts)
        out = []
        for s, (digits, residual, gate) in self.reading.answered(whole):
            _, log_weights = self.reading.model.mixture(s, digits, residual, gate)
            parts = zip(range(len(s)), digits, residual, log_weights)
            out += [masses(s[i], *(part.double().exp().numpy() for part in of)) for i, *of in parts]
        return self.beside_digits(positions, np.stack(out), starts).astype(np.float32)

    def beside_digits(self, positions, hinted, starts):
        beside = DigitsBeside(self.reading.model.digits, positions)
        digits = beside.digits.log_chances_behind().exp().numpy()
        at = np.floor(100 * positions).astype(int)[..., None]
        seen = [np.log(np.take_along_axis(p, at, -1)[..., 0] + 1e-12) for p in (hinted, digits)]
        out = np.empty_like(hinted)
        for t in range(positions.shape[1]):
            w = beside.share()[:, None]
            out[:, t] = w * hinted[:, t] + (1 - w) * digits[:, t]
            beside.odds_after(seen[0][:, t] - seen[1][:, t], ~starts[:, t])
        return out


def masses(s, digits, residual, weights):
    """Masses [rows, 1000] of the bins in the mixture, for one sequence."""
    edges = np.arange(BINS + 1) / 100
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
