"""The program's densities against those of Transformers, on the held-out series."""

import os
import subprocess
import tempfile

import numpy as np

from heldout import STEPS, bins_of
from scores import log_density


def program_log_scores(program, folder, bins):
    """Log scores [series, steps] of `statecast density`; the axis is given, so bins come as their centres."""
    with tempfile.TemporaryDirectory() as scratch:
        table, output = f"{scratch}/series.csv", f"{scratch}/density.npz"
        header = ",".join(f"s{i}" for i in range(len(bins)))
        np.savetxt(table, (bins.T + 0.5) / 100, "%.3f", ",", header=header, comments="")
        command = [program, "density", table, "--model", folder, "--method", "vicl", "--state", "s*", "--scale", "none"]
        subprocess.run([*command, "--output", output], check=True, capture_output=True)
        with np.load(output) as file:
            assert (file["observed"] == bins.T).all()
            return file["log_score"].T


def compare_with_program(reader, folder, program, series):
    """Prints the largest difference of the log scores in nats; False if it is 1e-3 or more."""
    worst = 0.0
    for values in series.values():
        bins = bins_of(values)[0][:, :STEPS]
        ours = program_log_scores(program, os.path.abspath(folder), bins)
        theirs = log_density(reader.densities(bins).astype(np.float64), bins)
        worst = max(worst, np.abs(ours - theirs).max())
    print(f"\nLargest difference to the log scores of {os.path.basename(program)} density: {worst:.1e} nats")
    return worst < 1e-3
