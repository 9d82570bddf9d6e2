"""Labels of actions by inverse dynamics, into docs/missing-values.md: python bench/inverse.py

Of each recording of control, the first half of its episodes (of a single one, of its rows) has actions and teaches; the second half has none and is labelled by
`statecast impute --actions`. CRPS is the mean pinball loss (twice) of 19 quantiles over the standard deviation of the action, the mean over actions; the mean of
the known actions has their quantiles; the nearest neighbour is the action of the step whose state and change, standardised, are nearest, its CRPS the absolute error.
Of actions of few levels the share of labels that are right stands in the place of the interval.
"""

import argparse
import csv
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
LEVELS = np.arange(1, 20) / 20


def halves(path, rows):
    """The named columns of states, next states, actions and episodes, of the half that teaches and of the one that is labelled, `rows` of each at most."""
    with open(path) as file:
        names = next(csv.reader(file))
    values = np.genfromtxt(path, delimiter=",", skip_header=1)
    episodes = values[:, names.index("episode")].astype(int)
    labels = np.unique(episodes)
    first = np.isin(episodes, labels[: len(labels) // 2]) if len(labels) > 1 else np.arange(len(values)) < len(values) // 2
    for part in (first, ~first):
        own = values[part][:rows]
        yield [{name: own[:, i] for i, name in enumerate(names) if name.startswith(start)} for start in ("obs", "next", "act", "episode")]


def array(columns):
    return np.stack(list(columns.values()), 1)


def write(path, *parts):
    columns = {name: column for part in parts for name, column in part.items()}
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([[repr(x.item()) for x in row] for row in zip(*columns.values())])


def pinball(y, quantiles):
    error = y[:, None] - quantiles
    return (2 * np.maximum(LEVELS * error, (LEVELS - 1) * error)).mean(1)


def nearest(known, wanted):
    """The actions of the nearest steps."""
    features = [np.hstack([array(states), array(following) - array(states)]) for states, following, _, _ in (known, wanted)]
    scale = np.where(features[0].std(0) > 0, features[0].std(0), 1)
    a, b = (f / scale for f in features)
    distances = (b**2).sum(1)[:, None] + (a**2).sum(1) - 2 * b @ a.T
    return {name: action[distances.argmin(1)] for name, action in known[2].items()}


def scores(program, known, wanted):
    """CRPS of the program, of the mean and of the nearest neighbour, share of hits, and the program's seconds."""
    with tempfile.TemporaryDirectory() as folder:
        labelled, unlabelled, output = (Path(folder) / name for name in ("known.csv", "wanted.csv", "labels.csv"))
        write(labelled, *known)
        write(unlabelled, wanted[0], wanted[1], wanted[3])
        command = [program, "impute", unlabelled, "--actions", labelled, "--output", output]
        command += ["--time", "none", "--quantiles", ",".join(f"{q:.2f}" for q in LEVELS)]
        begin = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        with open(output) as file:
            rows = list(csv.DictReader(file))
    near, found = nearest(known, wanted), []
    for name, truth in wanted[2].items():
        own = [row for row in rows if row["variable"] == name]
        assert len(own) == len(truth)
        quantiles = np.array([[float(row[f"q{q:g}"]) for q in LEVELS.round(2)] for row in own])
        mean = np.quantile(known[2][name], LEVELS)[None]
        right = np.array([float(row["label"]) for row in own]) == truth
        inside = (quantiles[:, 1] <= truth) & (truth <= quantiles[:, 17])
        hit = right if any(column.startswith("p(") for column in rows[0]) else inside
        crps = np.array([pinball(truth, quantiles).mean(), pinball(truth, mean).mean(), abs(truth - near[name]).mean()])
        found.append([*crps / truth.std(), hit.mean()])
    return [*np.mean(found, 0), seconds]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--trajectories", type=Path, default=ROOT.parent / "shared/data/trajectories")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--document", type=Path, default=ROOT / "docs/missing-values.md")
    arguments = parser.parse_args()
    lines = ["| recording | CRPS | mean | nearest neighbour | in 80 % (levels: right) | s |", "|---|---|---|---|---|---|"]
    for path in sorted(arguments.trajectories.glob("*.csv")):
        known, wanted = halves(path, arguments.rows)
        own, mean, near, hit, seconds = scores(arguments.program, known, wanted)
        lines.append(f"| {path.stem} | {own:.4f} | {mean:.4f} | {near:.4f} | {100 * hit:.0f} % | {seconds:.1f} |")
        print(lines[-1], flush=True)
    put(arguments.document, "inverse", "\n".join(lines))


if __name__ == "__main__":
    main()
