"""Backtests of control recordings: scores and calibration of all methods, as Markdown tables.

    .venv/bin/python bench/recordings.py ../shared/data/trajectories [--program target/release/statecast] [--json out.json]

Two runs a recording. One step: every row behind a context of 300 rows (fewer where episodes are shorter) is predicted given
all rows of its window before it; the Kolmogorov-Smirnov distance is that of one channel of one episode, averaged. Paths: 20
steps ahead from a few origins. Each file was recorded by another policy; nothing was tuned on any of them but the default
share of the mixture.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
METHODS = "builtin,mixture,scales,quadratic,linear,ar,knn,persistence,mean,mlp"
EXPERTS = "builtin,scales,quadratic,linear,knn"

# episodes, context, and rows and windows of the one-step run, windows of the paths
RECORDINGS = {
    "HalfCheetah-v5__medium": (2, 300, 100, 7, 2),
    "HalfCheetah-v5__random": (2, 300, 100, 7, 2),
    "HalfCheetah-v5__best": (2, 300, 100, 7, 2),
    "MountainCarContinuous-v0__random": (4, 300, 100, 6, 3),
    "CartPole-v1__expert": (4, 300, 100, 2, 3),
    "Hopper-v5__best": (6, 120, 40, 1, 2),
    "Pendulum-v1__expert": (6, 120, 40, 2, 2),
    "Pendulum-v1__medium": (6, 120, 40, 2, 2),
    "Pendulum-v1__random": (6, 120, 40, 2, 2),
}


def backtest(program, recording, episodes, *arguments):
    """Rows of the one-step table and the summary's methods."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.csv"
        select = ",".join(map(str, range(episodes)))
        command = [program, "backtest", recording, "--select", select, "--models", METHODS, "--experts", EXPERTS]
        command += ["--output", output, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)
        with open(output.with_suffix(".one-step.csv")) as file:
            rows = list(csv.DictReader(file))
        return rows, json.loads(output.with_suffix(".manifest.json").read_text())["summary"]["methods"]


def ks_uniform(values):
    u = np.sort(values)
    steps = np.arange(len(u))
    return max((u - steps / len(u)).max(), ((steps + 1) / len(u) - u).max())


def one_step(rows):
    """By method: log score, coverage of 90 %, mean distance of a channel's transforms from uniform ones."""
    series = defaultdict(lambda: defaultdict(list))
    for row in rows:
        series[row["method"]][row["series"], row["channel"]].append((float(row["log_score"]), float(row["pit"])))
    found = {}
    for method, channels in series.items():
        scores = [np.array(values) for values in channels.values()]
        everything = np.concatenate(scores)
        inside = (np.abs(everything[:, 1] - 0.5) <= 0.45).mean()
        found[method] = (everything[:, 0].mean(), inside, np.mean([ks_uniform(s[:, 1]) for s in scores]), len(scores[0]))
    return found


def table(title, methods, rows, form):
    print(f"\n{title}\n\n| recording | " + " | ".join(methods) + " |\n" + "|---" * (len(methods) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(form.format(row[m]) for m in methods) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--only", nargs="*", default=list(RECORDINGS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    steps, paths = {}, {}
    for name in arguments.only:
        episodes, context, horizon, windows, origins = RECORDINGS[name]
        file = arguments.folder / f"{name}.npz"
        shape = ["--context", context, "--horizon", horizon, "--windows", windows]
        rows, _ = backtest(arguments.program, file, episodes, *shape, "--samples", 2, "--recalibrate", "online", "--origins", 0)
        steps[name] = one_step(rows)
        shape = ["--context", context, "--horizon", 20, "--windows", origins]
        _, paths[name] = backtest(arguments.program, file, episodes, *shape, "--samples", 50)
        print(f"{name} done", flush=True)
    methods = list(next(iter(steps.values())))
    of_paths = [m["name"] for m in next(iter(paths.values()))]
    pick = lambda k: {name: {m: row[m][k] for m in methods} for name, row in steps.items()}
    table("One step: log score, nats per unit of the axis", methods, pick(0), "{:+.3f}")
    table("One step: share in 90 % intervals", methods, pick(1), "{:.3f}")
    table("One step: KS of a channel's PIT", methods, pick(2), "{:.3f}")
    of = lambda key: {name: {m["name"]: key(m) for m in found} for name, found in paths.items()}
    table("20 steps: CRPS in standard deviations", of_paths, of(lambda m: m["crps"]["mean"]), "{:.3f}")
    difference = lambda m: "{mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**m["crps_difference"])
    table("20 steps: CRPS less that of builtin, with 95 % intervals over episodes", of_paths, of(difference), "{}")
    table("20 steps: energy score", of_paths, of(lambda m: m["energy"]["mean"]), "{:.3f}")
    table("20 steps: share in 90 % intervals", of_paths, of(lambda m: m["calibration"]["coverage_90"]), "{:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"one_step": steps, "paths": paths}, indent=1))


if __name__ == "__main__":
    main()
