"""Scores of values beyond the axis, into docs/method.md: python bench/tails.py [--program P]

The axis is that of the first 300 rows (`--scale`), so that later rows may lie beyond it; all but those are scored. `clamped` reads a value
beyond as the bin at the end, ln(100 p): not a density, as all of the line beyond has that of one bin. `tails` is `log_score` of the file.
`true` is the density that the series was drawn from. Nats per axis unit, means over the rows and channels.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
FIRST = 300


def student(seed, rows=1000):
    """AR(1) with Student noise of three degrees of freedom; values and the log density of each."""
    noise = np.random.default_rng(seed).standard_t(3, rows)
    values = np.zeros(rows)
    for t in range(1, rows):
        values[t] = 0.8 * values[t - 1] + noise[t]
    return values, np.log(2 / (np.pi * np.sqrt(3))) - 2 * np.log1p(noise**2 / 3)


def growth(seed, rows=500):
    """x[t+1] = 1.008 x[t] (1 + 0.01 noise), from 1."""
    noise = np.random.default_rng(seed).normal(size=rows)
    values = np.cumprod(1.008 * (1 + 0.01 * noise))
    before = np.concatenate([[1], values[:-1]])
    return values, -(noise**2) / 2 - np.log(np.sqrt(2 * np.pi) * 1.008 * 0.01 * before)


def channels(name, start):
    """Columns of the first episode of a file, up to 1000 rows."""
    with open(SHARED / name) as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row.get("episode") == rows[0].get("episode")][:1000]
    columns = [column for column in rows[0] if column.startswith(start) and column != "date"]
    return [(np.array([float(row[column]) for row in rows]), None) for column in columns]


SERIES = {
    "AR(1), Student-3 noise": lambda: [student(seed) for seed in range(5)],
    "growth": lambda: [growth(seed) for seed in range(5)],
    "HalfCheetah random": lambda: channels("data/trajectories/HalfCheetah-v5__random.csv", "obs_"),
    "HalfCheetah best": lambda: channels("data/trajectories/HalfCheetah-v5__best.csv", "obs_"),
    "ETTh1": lambda: channels("series-benchmarks/ETTh1.csv", ""),
}
METHODS = {"digits": ["--method", "vicl"], "ar": ["--experts", "ar"], "log-sari": ["--experts", "log-sari"]}


def scored(program, values, true, extra):
    """Of the rows after the first: whether beyond, clamped score, score with tails, true log density; `[4, rows]`."""
    low, high = values[:FIRST].min(), values[:FIRST].max()
    unit = (high - low) / 7
    with tempfile.TemporaryDirectory() as folder:
        path, to = Path(folder) / "series.csv", Path(folder) / "density.npz"
        path.write_text("y\n" + "\n".join(map(repr, map(float, values))) + "\n")
        command = [program, "density", path, "--output", to, "--state", "y", "--time", "none", f"--scale={low},{high}", *extra]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        with np.load(to) as data:
            mass, bins, tails = data["density"][:, 0].astype(float), data["observed"][:, 0], data["log_score"][:, 0]
    rows = len(bins)
    unscored = max(FIRST - (len(values) - rows), 0)
    values = values[-rows:]
    position = 1.5 + (values - low) / unit
    beyond = (position < 0) | (position >= 10)
    clamped = np.log(100 * mass[np.arange(rows), bins] / mass.sum(1))
    true = np.full(rows, np.nan) if true is None else true[-rows:] + np.log(unit)
    return np.array([beyond, clamped, tails, true])[:, unscored:]


def table(program):
    lines = [
        "| series | method | rows beyond | all: clamped | tails | beyond: clamped | tails | true |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, make in SERIES.items():
        for method, extra in METHODS.items():
            found = [scored(program, values, true, extra) for values, true in make() if values[:FIRST].std() > 0]
            beyond, clamped, tails, true = np.concatenate(found, axis=1)
            out = beyond > 0
            cell = lambda x: "" if np.isnan(x).any() or not len(x) else f"{x.mean():.3f}"  # noqa: E731
            cells = [f"{out.sum()} of {len(out)}", cell(clamped), cell(tails), cell(clamped[out]), cell(tails[out]), cell(true[out])]
            lines.append(f"| {name} | {method} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/method.md")
    arguments = parser.parse_args()
    put(arguments.document, "tails", table(arguments.program))
