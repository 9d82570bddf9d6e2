"""A small model that reads hints, with random weights, and what PyTorch makes of it: python tests/golden/make_hinted.py

Writes the folder `hinted` (the model as models/training exports it) and hinted.npz: two recordings, with and without
actions, of several episodes; the log density of every value and its place in its distribution; of some rows the log
probabilities of all bins and the logits of the gate. Needs the packages of models/training/requirements.txt.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "models/training"))

from model_reading import ModelReading, distribution, values_of  # noqa: E402
from residual import ResidualModel, hint_features  # noqa: E402
from residual_export import export_residual, read_residual  # noqa: E402

# Rows whose logits are kept: the first two of an episode, one behind a value off the axis, the last.
ROWS = 41, 42, 51, -1

SHAPE = dict(hidden=64, layers=2, heads=1, inner=96, waves=4)


def random_model():
    torch.manual_seed(5)
    model = ResidualModel(**SHAPE)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" not in name and not name.startswith("digits.blocks"):
                p.copy_(torch.randn_like(p) * 0.05)
        model.gate.weight.mul_(4)
        model.hint.weight.mul_(2)
        model.digits.head.free.mul_(20)
        model.other_head.free.mul_(20)
        model.trust.fill_(0.8)
    return model


def recordings():
    """Positions [rows, channels] on the axis, actions [rows, actions] with the largest at 1, first rows of episodes."""
    rng = np.random.default_rng(3)
    rows, begins = 90, np.zeros(90, bool)
    begins[[0, 41]] = True
    u = rng.uniform(-1, 1, (rows, 2))
    u /= np.abs(u).max(0)
    x = np.zeros((rows, 3))
    for t in range(1, rows):
        x[t] = rng.normal(size=3) if begins[t] else 0.9 * x[t - 1] + [0.2 * u[t - 1, 0], 0.1 * x[t - 1, 0], 0.0]
        x[t, 2] = x[t, 0] * x[t, 1] + 0.05 * rng.normal()
    low, high = x[:60].min(0), x[:60].max(0)
    yield "driven", 1.5 + 7 * (x - low) / (high - low), u, begins
    t = np.arange(70)
    wave = 5 + 3 * np.sin(0.4 * t)[:, None] + 0.1 * rng.normal(size=(70, 1))
    wave[50] += 6.0  # off the axis
    yield "wave", wave, np.zeros((70, 0)), t == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=HERE, type=Path)
    out = parser.parse_args().out
    export_residual(random_model(), str(out / "hinted"))
    reading, arrays = ModelReading(read_residual(str(out / "hinted"))), {}
    for name, x, u, begins in recordings():
        s = reading.sequences(x[None], u[None], begins[None])
        with torch.no_grad():
            digits, bins, gate = reading.model(s, hint_features(s))
            parts, log_weights = reading.model.mixture(s, digits, bins, gate)
        arrays |= {
            f"{name}_x": x,
            f"{name}_u": u,
            f"{name}_begins": begins.astype(np.uint8),
            f"{name}_density": torch.logsumexp(log_weights + parts, -1).double().numpy(),
            f"{name}_below": distribution(s, digits, bins, log_weights, values_of(s)),
        }
        logits = {"digits": digits, "residual": bins, "gate": gate}
        arrays |= {f"{name}_{of}": of_rows[:, ROWS].float().numpy() for of, of_rows in logits.items()}
    np.savez_compressed(out / "hinted.npz", **arrays)


if __name__ == "__main__":
    main()
