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

# Flags of `statecast train compare`.
STUDIES = {
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


def study(program, name, seeds, folder):
    """The summaries of a study's arms, and its threshold."""
    output = folder / f"{name}.csv"
    command = [program, "train", "compare", *STUDIES[name], "--seeds", seeds, "--out", folder / name]
    command += ["--output", output, "--report", folder / f"{name}.html"]
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
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(STUDIES))
    parser.add_argument("--folder", type=Path, default=ROOT / "runs/learning")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/dicl-sac.md")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        found = table(study(arguments.program, name, arguments.seeds, arguments.folder))
        put(arguments.document, name, found)


if __name__ == "__main__":
    main()
