"""Control without training: returns of episodes that are planned in a model of random recordings, as Markdown.

    .venv/bin/python bench/control.py [--program target/release/statecast] [--episodes 20] [--tasks pendulum]

Every recording is made by random actions with a seed of its own; episodes start from others. The interval is that of the mean over
episodes (bootstrap). Nothing was tuned on these seeds.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Task, recorded random episodes, options.
TASKS = {
    "pendulum": (2, []),
    "cart-pole": (20, ["--experts", "linear", "--steps", "200"]),
    "mountain-car": (2, ["--experts", "fourier", "--horizon", "100", "--candidates", "32", "--iterations", "3"]),
    "cart-pole-swing-up": (8, ["--horizon", "40"]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--episodes", type=int, default=20, choices=range(2, 1001), metavar="COUNT")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    given = parser.parse_args()
    print("| task | recorded steps | random | planned | worst | 90 % intervals hold | ms a step |\n|---|---|---|---|---|---|---|")
    for task in given.tasks:
        recorded, options = TASKS[task]
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/random.npz"
            simulate = [given.program, "simulate", task, "--episodes", str(recorded), "--seed", "7", "--out", file]
            subprocess.run(list(map(str, simulate)), check=True, capture_output=True)
            command = [given.program, "control", "--env", task, "--context", file, "--episodes", str(given.episodes), "--seed", "8"]
            run = subprocess.run([*map(str, command), *options], capture_output=True, text=True)
        if run.returncode:
            print(f"| {task} | refused: {run.stderr.splitlines()[-1]} |", flush=True)
            continue
        read, planned = run.stdout.splitlines()
        steps, mean, held = re.match(r"read: (\d+) steps, mean return (\S+); .* hold (\d+) %", read).groups()
        returns, worst = re.search(r"mean return (\S+ \[.*?\]), worst (\S+)", planned).groups()
        milliseconds = re.search(r"of (\d+) ms", planned).group(1)
        print(f"| {task} | {steps} | {mean} | {returns} | {worst} | {held} % | {milliseconds} |", flush=True)


if __name__ == "__main__":
    main()
