"""Compares training arms and writes the tables of docs/dicl-sac.md: python bench/learning.py

Runs `statecast train compare` for every study below and puts the tables between the marks of the document. Finished
runs in runs/learning are not repeated, unfinished ones resume. About forty minutes on two cores.
"""

import argparse
import json
import subprocess
from pathlib import Path

from document import put

ROOT = Path(__file__).resolve().parents[1]
DICL = "--algorithm dicl-sac"
MODELS = [f"residual={DICL}", f"vicl={DICL} --method vicl", f"dicl-s={DICL} --method dicl-s"]

EPISODES = "--evaluation-episodes 100"
EXPERTS = "--experts linear,quadratic,fourier"
DROQ = "--layer-norm --dropout 0.01"


# Seeds of studies that do not use five.
SEEDS = {"updates-pendulum": 10, "updates-swing-up": 10, "one-update-swing-up": 10, "hopper": 2}


def update_matched(task, steps, every, starts, batch):
    """Arms with twenty updates a step and as many rows per update, a quarter of them real in branches."""
    branches = f"{DICL} {DROQ} --batch {batch // 4} --alpha 3 --branch 20 --branches 200 --branch-every 25"
    # The language model takes minutes for each run where states have five channels and thousands of rows.
    cautious = [f"stopped={branches} {EXPERTS} --max-variance 0.1", f"builtin={branches}"] if task == "pendulum" else []
    return [
        *("--env", task, "--steps", str(steps)),
        *("--arm", f"droq=--algorithm sac --batch {batch} {DROQ}"),
        *("--arm", f"sac=--algorithm sac --batch {batch}"),
        *("--arm", f"experts={branches} {EXPERTS}"),
        *(word for arm in cautious for word in ("--arm", arm)),
        *("--arm", f"truth={branches} --control truth"),
        *("--every-arm", f"--updates-per-step 20 --learning-starts {starts} --evaluate-every {every} {EPISODES}"),
    ]


def in_mujoco(task, steps):
    """Arms with five updates a step. Experts predict the reward with the state, as no rule tells it; the language model imagines
    next states of recorded transitions."""
    common = "--updates-per-step 5 --hidden 128 --learning-starts 1000 --evaluate-every 1000 --evaluation-episodes 20"
    branches = f"{DICL} {DROQ} --batch 32 --alpha 3 --branch 5 --branches 400 --branch-every 250"
    return [
        *("--env", task, "--steps", str(steps), "--threshold", "300"),
        *("--arm", f"droq=--algorithm sac --batch 128 {DROQ}"),
        *("--arm", "sac=--algorithm sac --batch 128"),
        *("--arm", f"residual={DICL} {DROQ} --batch 102 --alpha 0.25 --llm-starts 1000 --llm-every 1000 --context 200 --min-context 20"),
        *("--arm", f"experts={branches} --experts linear,quadratic"),
        *("--arm", f"truth={branches} --control truth"),
        *("--every-arm", common),
    ]


# Flags of `statecast train compare`. `hopper` needs a program that is built with the feature `mujoco`.
STUDIES = {
    "hopper": in_mujoco("hopper", 20_000),
    "pendulum": [
        *("--env", "pendulum", "--steps", "10000"),
        *("--algorithms", "sac", "--controls"),
        *(word for arm in MODELS for word in ("--arm", arm)),
        *("--every-arm", "--evaluate-every 250 --evaluation-episodes 100"),
    ],
    "swing-up": [
        *("--env", "cart-pole-swing-up", "--steps", "12000"),
        *("--algorithms", "sac", "--controls"),
        *(word for arm in MODELS for word in ("--arm", arm)),
        *("--every-arm", "--evaluate-every 1000 --evaluation-episodes 100", "--augmented", "--llm-every 64"),
    ],
    "updates-pendulum": update_matched("pendulum", 1000, 50, 200, 256),
    "updates-swing-up": [*update_matched("cart-pole-swing-up", 4000, 250, 500, 128), "--threshold", "123"],
    "one-update-swing-up": [
        *("--env", "cart-pole-swing-up", "--steps", "24000", "--arm", "sac=--algorithm sac", "--threshold", "123"),
        *("--every-arm", f"--evaluate-every 1000 {EPISODES}"),
    ],
    "ablations": [
        *("--env", "pendulum", "--steps", "6000"),
        *("--algorithms", "sac"),
        *("--arm", f"residual={DICL}"),
        *("--arm", f"residual-3-steps={DICL} --rollout 3"),
        *("--arm", f"sampled={DICL} --next sampled"),
        *("--arm", f"weighted={DICL} --weighting weighted"),
        *("--arm", f"low-variance-half={DICL} --weighting low-variance-half"),
        *("--arm", f"policy-actions={DICL} --actions policy --rollout 1"),
        *("--arm", f"dicl-sa-3-steps={DICL} --method dicl-sa --rollout 3"),
        *("--arm", f"linear-3-steps={DICL} --experts linear --rollout 3"),
        *("--arm", f"truth-3-steps={DICL} --control truth --rollout 3"),
        *("--every-arm", "--evaluate-every 250 --evaluation-episodes 100"),
    ],
}


def study(program, name, seeds, folder, at_once):
    """The summaries of a study's arms, and its threshold."""
    output = folder / f"{name}.csv"
    command = [program, "train", "compare", *STUDIES[name], "--seeds", seeds, "--out", folder / name]
    command += ["--output", output, "--report", folder / f"{name}.html"]
    command += ["--at-once", at_once] if at_once else []
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return json.loads(output.with_suffix(".manifest.json").read_text())


def interval(estimate, sign=""):
    form = "{mean:" + sign + ".1f} [{low:" + sign + ".1f}, {high:" + sign + ".1f}]"
    return form.format(**estimate)


def steps(reached):
    there = sorted(step for step in reached if step is not None)
    half = len(reached) // 2
    enough = len(there) > half
    pair = there[half - 1 : half + 1] if enough and len(reached) % 2 == 0 else there[half : half + 1]
    median = f"{sum(pair) / len(pair):.0f}" if enough else "never"
    return f"{median} ({len(there)}/{len(reached)})"


def table(found):
    first = found["arms"][0]["name"]
    header = f"arm | final return | mean return | diff vs {first} | steps to {found['threshold']:.0f} | overestimation"
    lines = [f"| {header} | seconds |", "|---" * 7 + "|"]
    for arm in found["arms"]:
        cells = [arm["name"], interval(arm["last"]), interval(arm["mean"]), interval(arm["gain"], "+")]
        cells += [steps(arm["reached"]), interval(arm["overestimation"]), f"{arm['seconds']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--seeds", type=int, help="seeds per arm; default by study")
    parser.add_argument("--at-once", type=int, help="runs at a time; default one a core")
    parser.add_argument("--only", nargs="*", default=[name for name in STUDIES if name != "hopper"])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs/learning")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/dicl-sac.md")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    text = arguments.document.read_text()
    if missing := [name for name in arguments.only if f"<!-- {name} -->" not in text]:
        parser.error(f"{arguments.document} has no place for {', '.join(missing)}")
    for name in arguments.only:
        seeds = arguments.seeds or SEEDS.get(name, 5)
        found = table(study(arguments.program, name, seeds, arguments.folder, arguments.at_once))
        put(arguments.document, name, found)


if __name__ == "__main__":
    main()
