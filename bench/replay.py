"""Forecasts of recorded runs' remaining rewards by all forecasters, as Markdown.

    .venv/bin/python bench/replay.py ../shared/data [--program target/release/statecast] [--tasks pendulum-100]

The published protocol of in-context policy evaluation (arXiv 2410.11711): the context is the first steps of a run, the
later actions are known, and rewards are an additional channel. Nothing was tuned on these recordings. Learned models "of
--train" are fitted to at least 2,000 steps of the other policies' recordings.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

STUDIED = "builtin,mixture,vicl,dicl-s,dicl-sa,linear,mlp,baselines"

# name: environment, levels, context, horizon, options. The language model is slow on 18 channels without AVX-512; two paths
# suffice for the mean, not for an interval.
TASKS = {
    "pendulum-100": ("Pendulum-v1", ["random", "medium", "expert"], 100, 99, ["--runs", "8", "--paths", "10", "--estimators", STUDIED]),
    "pendulum-50": ("Pendulum-v1", ["random", "medium", "expert"], 50, 149, ["--runs", "8", "--paths", "10", "--estimators", STUDIED]),
    "half-cheetah-500": (
        "HalfCheetah-v5", ["random", "medium", "best"], 500, 499,
        ["--runs", "2", "--paths", "2", "--estimators", "builtin,vicl,dicl-sa,linear,mlp,baselines"],
    ),
}


def shown(estimate):
    return f"{estimate['mean']:.1f} [{estimate['low']:.1f}, {estimate['high']:.1f}]"


def report(program, data, name):
    environment, levels, context, horizon, options = TASKS[name]
    for level in levels:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "replay.csv"
            files = {other: data / "trajectories" / f"{environment}__{other}.npz" for other in levels}
            train = ",".join(str(files[other]) for other in levels if other != level)
            command = [program, "replay", files[level], "--context", context, "--horizon", horizon, "--train", train,
                       "--output", output, *options]
            subprocess.run(list(map(str, command)), check=True, capture_output=True)
            manifest = json.loads(output.with_suffix(".manifest.json").read_text())
        steps = manifest["steps"]
        print(f"### {environment}, {level}: context of {context} steps, horizon {horizon}, {manifest['runs']} runs\n")
        heads = ["forecast", *(f"after {step}" for step in steps), "diff vs mean reward", "|error|", "in 90 %", "s per run"]
        print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
        for name_of, scores, seconds in manifest["estimators"]:
            held, known = scores["covered"]
            row = [name_of, *map(shown, scores["error"]), shown(scores["difference"][-1]), f"{scores['absolute_error']['mean']:.2f}",
                   f"{held} of {known}" if known else "–", f"{seconds / manifest['runs']:.1f}"]
            print("| " + " | ".join(row) + " |")
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    arguments = parser.parse_args()
    for name in arguments.tasks:
        report(arguments.program, arguments.data, name)


if __name__ == "__main__":
    main()
