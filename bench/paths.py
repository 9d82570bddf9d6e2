"""Path forecasts: the bundled model, its mixture, their recalibration and every expert, as Markdown tables.

    .venv/bin/python bench/paths.py ../shared [--program target/release/statecast] [--horizons 20 50] [--flows]

CRPS of sample paths in standard deviations of the context, one window of every episode of the recordings of
../shared/data/trajectories; with --flows of the chaotic flows of ../shared/series-benchmarks (context 512, 128 steps).
Ratios are of means over episodes, with 95 % intervals of a paired bootstrap over episodes: of the mixture to the best
expert of the recording, and of recalibrated paths to those that are not, over the first four episodes ("few"). "Held": share of outcomes in 90 % intervals.
"""

import argparse
import csv
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
EXPERTS = ["builtin", "linear", "quadratic", "fourier", "scales"]

# Episodes for recalibrated forecasts: each is made from twenty places inside of the context, too.
FEW = 4

# Context and episodes at most.
RECORDINGS = {
    "Pendulum-v1__expert": (120, 10),
    "Pendulum-v1__medium": (120, 10),
    "Pendulum-v1__random": (120, 10),
    "CartPole-v1__good": (100, 10),
    "CartPole-v1__medium": (60, 10),
    "MountainCarContinuous-v0__random": (200, 10),
    "MountainCarContinuous-v0__expert": (55, 10),
    "InvertedPendulum-v5__best": (50, 10),
    "Hopper-v5__best": (110, 6),
    "HalfCheetah-v5__random": (200, 4),
    "HalfCheetah-v5__medium": (200, 4),
    "HalfCheetah-v5__best": (200, 4),
}


def backtest(program, recording, context, horizon, samples, methods, *arguments):
    """CRPS and coverage of every method, one number an episode."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.csv"
        command = [program, "backtest", recording, *methods, "--context", context, "--horizon", horizon]
        command += ["--windows", "1", "--samples", samples, "--output", output, *arguments]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        crps, held = defaultdict(lambda: defaultdict(list)), defaultdict(lambda: defaultdict(list))
        with open(output) as file:
            for row in csv.DictReader(file):
                spread = float(row["context_std"])
                if spread > 0:
                    crps[row["method"]][row["series"]].append(float(row["crps"]) / spread)
                    inside = float(row["q0.05"]) <= float(row["observed"]) <= float(row["q0.95"])
                    held[row["method"]][row["series"]].append(inside)
    mean = lambda of: {method: np.array([np.mean(v) for v in series.values()]) for method, series in of.items()}
    return mean(crps), mean(held)


def ratio(a, b):
    """Of means, with its interval over episodes."""
    random = np.random.default_rng(0)
    picked = random.integers(0, len(a), (2000, len(a)))
    ratios = a[picked].mean(axis=1) / b[picked].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return f"{a.mean() / b.mean():.3f} [{low:.3f}, {high:.3f}]"


ALL = ["--models", ",".join([*EXPERTS, "mixture"]), "--experts", ",".join(EXPERTS)]
RECALIBRATED = ["--models", "builtin", "--recalibrate", "online"]


def scores(program, recording, context, horizon, samples, *arguments):
    """Those of all methods and, of fewer episodes, of the model with and without recalibration."""
    crps, held = backtest(program, recording, context, horizon, samples, ALL, *arguments)
    few = ["--select", ",".join(map(str, range(FEW)))] if arguments else []
    plain = backtest(program, recording, context, horizon, samples, RECALIBRATED, *few)
    for of, found in zip((crps, held), plain):
        of["recalibrated"], of["plain"] = found["builtin+recalibrated"], found["builtin"]
    return crps, held


def row(name, crps, held):
    best = min(EXPERTS, key=lambda method: crps[method].mean())
    cells = [name, str(len(crps["builtin"])), f"{crps['builtin'].mean():.4f}", f"{crps['mixture'].mean():.4f}"]
    cells += [best, ratio(crps["mixture"], crps[best]), ratio(crps["builtin"], crps[best])]
    cells += [ratio(crps["recalibrated"], crps["plain"])]
    cells += [f"{100 * held[m].mean():.0f} %" for m in ("builtin", "mixture", "plain", "recalibrated")]
    print("| " + " | ".join(cells) + " |", flush=True)


def head(title):
    print(f"\n{title}\n")
    heads = ["recording", "episodes", "builtin", "mixture", "best expert", "mixture / best", "builtin / best"]
    heads += ["recalibrated / builtin", "held: builtin", "mixture", "builtin, few", "recalibrated, few"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))


def flows(program, folder):
    head("Chaotic flows, 128 steps after 512 rows")
    rows = np.load(folder / "series-benchmarks" / "dysts_dev.npz")
    with tempfile.TemporaryDirectory() as place:
        crps, held = defaultdict(list), defaultdict(list)
        for name in rows.files:
            path = Path(place) / f"{name}.csv"
            values = rows[name][: 512 + 128]
            names = ",".join(f"x{c}" for c in range(values.shape[1]))
            np.savetxt(path, values, delimiter=",", header=names, comments="", fmt="%.9g")
            of_flow, held_of_flow = scores(program, path, 512, 128, 50)
            for method in of_flow:
                crps[method].extend(of_flow[method])
                held[method].extend(held_of_flow[method])
        row("flows", {m: np.array(v) for m, v in crps.items()}, {m: np.array(v) for m, v in held.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--horizons", type=int, nargs="+", default=[20])
    parser.add_argument("--recordings", nargs="+", default=list(RECORDINGS), choices=list(RECORDINGS))
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--flows", action="store_true")
    arguments = parser.parse_args()
    for horizon in arguments.horizons:
        head(f"{horizon} steps")
        for name in arguments.recordings:
            context, episodes = RECORDINGS[name]
            recording = arguments.shared / "data/trajectories" / f"{name}.npz"
            select = ",".join(map(str, range(episodes)))
            found = scores(arguments.program, recording, context, horizon, arguments.samples, "--select", select)
            row(name, *found)
    if arguments.flows:
        flows(arguments.program, arguments.shared)


if __name__ == "__main__":
    main()
