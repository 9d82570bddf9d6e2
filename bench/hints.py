"""The reading of hints by the program and by PyTorch, in turn: seconds of the processor that one thread takes to find the
one-step densities of the same rows.

    cargo build --release
    python bench/hints.py [--program target/release/statecast] [--rounds 5]

PyTorch is the recipe's own model (models/training). It is timed from hints that are ready, without experts; the program with
all that it does to read a context: its file, experts, decoder, densities at the observed values, and the draw of one step,
less what a file of 20 rows takes. `vicl` is the program's reading of digits. Ratios are of one round, median with the lowest
and highest. The mean log densities of both sides must agree.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models" / "training"))
from model_reading import ModelReading  # noqa: E402

ROWS, FEW, AGREE = 500, 20, 0.02
ONE_STEP = ["--context", str(ROWS), "--horizon", "1", "--samples", "1"]


def oscillators(channels, rows):
    """Noisy coupled oscillators, [rows, channels]."""
    rng = np.random.default_rng(channels)
    coupling = 0.5 * rng.normal(size=(channels, channels)) / np.sqrt(channels)
    x, out = np.zeros(channels), []
    for t in range(rows):
        drive = 0.2 * np.sin(0.1 * t + np.arange(channels))
        x = 0.8 * x + 0.3 * coupling @ x + 0.05 * rng.normal(size=channels) + drive
        out.append(x)
    return np.array(out)


def read_seconds(program, method, table):
    """User seconds in which the program reads a file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [program, "forecast", table, "--method", method, "--threads", "1", *ONE_STEP]
    subprocess.run(command, check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def log_scores(program, table, folder):
    """The program's log scores of the rows."""
    out = Path(folder) / "densities.npz"
    subprocess.run([program, "density", table, "--method", "residual", "--output", out], check=True, capture_output=True)
    with np.load(out) as arrays:
        return arrays["log_score"]


@torch.no_grad()
def torch_seconds(reading, sequences):
    """User seconds of the model, and the log densities of the rows."""
    begun, logs = time.process_time(), []
    for s, (digits, residual, gate) in reading.answered(sequences):
        parts, log_weights = reading.model.mixture(s, digits, residual, gate)
        logs.append(torch.logsumexp(log_weights + parts, -1).numpy())
    return time.process_time() - begun, np.concatenate(logs)


def written(values, file):
    names = ",".join(f"obs_{c}" for c in range(values.shape[1]))
    np.savetxt(file, values, delimiter=",", header=names, comments="")
    return file


def spread(ratios):
    return f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "statecast")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reading = ModelReading.of(str(ROOT / "models" / "hints"))
    print("| channels | program, s | PyTorch, s | PyTorch / program | residual / vicl |\n|---|---|---|---|---|")
    for channels in (3, 6, 17):
        values = oscillators(channels, ROWS)
        low, high = values.min(0), values.max(0)
        positions = (1.5 + 7 * (values - low) / (high - low))[None]
        starts = (np.arange(ROWS) == 0)[None]
        sequences = reading.sequences(positions, np.zeros((1, ROWS, 0)), starts)
        ours, theirs, digits = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            table = written(values, Path(folder) / "rows.csv")
            few = written(values[:FEW], Path(folder) / "few.csv")
            scores = log_scores(arguments.program, table, folder)
            read = lambda method: read_seconds(arguments.program, method, table) - read_seconds(arguments.program, method, few)
            for _ in range(arguments.rounds):
                ours.append(read("residual"))
                seconds, logs = torch_seconds(reading, sequences)
                theirs.append(seconds)
                digits.append(read("vicl"))
        off = abs(np.nanmean(scores[1:]) - logs[:, 1:].mean())
        assert off < AGREE, f"mean log densities differ by {off}"
        ratio, by_method = np.array(theirs) / ours, np.array(ours) / digits
        print(f"| {channels} | {np.median(ours):.3f} | {np.median(theirs):.3f} | {spread(ratio)} | {spread(by_method)} |", flush=True)


if __name__ == "__main__":
    main()
