"""Diagnostics of exported models on the held-out families: python diagnostics.py MODEL ...

Prints per family the frequency with which the most probable bin is a multiple of ten (0.1 by chance), and the log score
without BOS minus that with it, over eight series and values 20 to 300.
"""

import sys

import numpy as np
import torch

from encoding import BINS
from heldout import FIRST_SCORED, STEPS, bins_of, families
from reader import Reader

SERIES = 8


def main():
    for folder in sys.argv[1:]:
        reader = Reader(folder)
        print(folder)
        for name, values in families("../../../shared/digit-heldout/heldout.npz", SERIES).items():
            bins, valid = (part[:, :STEPS] for part in bins_of(values))
            counts, actual = valid[:, FIRST_SCORED:], bins[:, FIRST_SCORED:, None]
            density = reader.densities(bins)[:, FIRST_SCORED:]
            with torch.no_grad():
                logits = reader.model(torch.from_numpy(bins)).logits[..., :BINS].float()
            without = logits.log_softmax(-1).numpy()[:, FIRST_SCORED - 1 : -1]
            difference = np.take_along_axis(without - np.log(np.maximum(density, 1e-12)), actual, 2)[..., 0]
            tens = (density.argmax(-1) % 10 == 0)[counts].mean()
            print(f"  {name}: {tens:.3f} multiples of ten, {difference[counts].mean():+.4f} nats without BOS")


if __name__ == "__main__":
    main()
