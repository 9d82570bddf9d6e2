"""The fixed validation set: fresh series of the training families, never the held-out ones.

python validation.py MODEL ...    # what exported models score on it
"""

import sys

import torch
import torch.nn.functional as F

from encoding import BOS, NATS_OFFSET, axis_ids, prefix_range
from model import mixed_precision
from series import later
from warm_start import loaded

BUCKETS = [(20, 50), (50, 100), (100, 200), (200, 300), (300, 500), (500, 700), (700, 850), (850, 1000)]
SEED, SCALED_ON = 777_000_777, 200


def validation_round(series, length, workers=None):
    """What the set is taken from, when it is called for: one round, the same on every device."""
    return later(workers, SEED, max(2048, 2 * series), length + 1)


class ValidationSet:
    """`series` windows of `length` values scaled by the range of their first 200, read with BOS."""

    def __init__(self, series, length, device, generated=None):
        y = torch.from_numpy((generated or validation_round(series, length))())[:series, :length]
        self.ids, self.valid = axis_ids(y, *prefix_range(y, torch.full((len(y),), SCALED_ON)))
        self.ids, self.valid = self.ids.to(device), self.valid.to(device)

    @torch.no_grad()
    def log_densities(self, model, rows=8):
        """Nats [series, values], zero where a value does not count."""
        start = torch.full_like(self.ids[:, :1], BOS)
        inputs = torch.cat([start, self.ids[:, :-1]], 1)
        logs = []
        for x, y in zip(inputs.split(rows), self.ids.split(rows)):
            with mixed_precision(x.device):
                logits = model(x)
            logs.append(
                NATS_OFFSET
                - F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), reduction="none").view_as(x)
            )
        return torch.cat(logs) * self.valid

    def score(self, model):
        """Mean log density in nats (from the 20th value on), and by position."""
        logs = self.log_densities(model)

        def mean(first, last):
            return round((logs[:, first:last].sum() / self.valid[:, first:last].sum().clamp_min(1)).item(), 4)

        length = self.ids.shape[1]
        by_position = {f"{a}-{b}": mean(a, min(b, length)) for a, b in BUCKETS if a < length}
        return {"nats": mean(20, length), "by_position": by_position}


def main():
    validation = ValidationSet(160, 1024, "cpu")
    for folder in sys.argv[1:]:
        print(folder, validation.score(loaded(folder)))


if __name__ == "__main__":
    main()
