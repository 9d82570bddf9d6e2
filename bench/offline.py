"""Trains on recordings and writes the tables of docs/offline-rl.md: python bench/offline.py

Runs `statecast train TASK --offline` for every study, arm and seed below, and puts the tables between the marks of the
document. Finished runs in runs/offline are not repeated. The recordings are those of `--data`; HalfCheetah's policies
are evaluated in Gymnasium with MuJoCo, so that the program needs neither.
"""

import argparse
import csv
import json
import struct
import subprocess
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
BRANCHES = "--algorithm dicl-sac --batch 64 --alpha 3 --branch 5 --branch-every 500 --branches 1000"
DEEP = "--algorithm dicl-sac --alpha 0.5 --branch 5 --branch-every 1000 --branches 2000"
SMALL = "--evaluate-every 1000 --evaluation-episodes 50"
LARGE = "--evaluate-every 5000 --evaluation-episodes 0 --hidden 128"
MODELS = {
    "networks": f"{BRANCHES} --ensemble 4 --penalty 1",
    "experts": f"{BRANCHES} --experts linear,quadratic,fourier --penalty 1",
    "simulator": f"{BRANCHES} --control truth",
}
CLONES = {
    "td3-bc": "--algorithm td3-bc",
    "td3-bc, by return": "--algorithm td3-bc --return-temperature 0.1",
    "prdc": "--algorithm prdc",
    "prdc, by return": "--algorithm prdc --return-temperature 0.1",
}

# Task, recordings, flags of all arms, arms.
STUDIES = {
    "pendulum-mixed": ("pendulum", ["Pendulum-v1__medium", "Pendulum-v1__random"], SMALL, CLONES | MODELS),
    "cheetah-medium": (
        "half-cheetah",
        ["HalfCheetah-v5__medium"],
        f"{LARGE} --steps 30000 --batch 128",
        {
            "td3-bc": "--algorithm td3-bc",
            "prdc": "--algorithm prdc",
            "networks": f"{DEEP} --ensemble 4 --penalty 1 --critics 5",
        },
    ),
    "cheetah-mixed": (
        "half-cheetah",
        ["HalfCheetah-v5__medium", "HalfCheetah-v5__random"],
        f"{LARGE} --steps 30000 --batch 128",
        {
            "td3-bc": "--algorithm td3-bc",
            "prdc": "--algorithm prdc",
            "networks": f"{DEEP} --ensemble 4 --penalty 1 --critics 5",
        },
    ),
    # Branches of one step in the simulator: a model without error, whose branches end at once.
    "pendulum-edges": (
        "pendulum",
        ["Pendulum-v1__expert"],
        f"{SMALL} --algorithm dicl-sac --batch 13 --alpha 9 --branch 1 --branch-every 100 --branches 1000 --control truth",
        {
            "two critics": "",
            "ten critics": "--critics 10",
            "half of the branches from imagined states": "--imagined-starts 0.5",
            "nine in ten of them, five critics": "--imagined-starts 0.9 --critics 5",
        },
    ),
}


def layers(path):
    """Tensors of a policy file."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    read = lambda start, end, shape: np.frombuffer(data[8 + size + start : 8 + size + end], np.float32).reshape(shape)
    return {name: read(*tensor["data_offsets"], tensor["shape"]) for name, tensor in header.items()}


def in_gymnasium(path, task, episodes):
    """Mean return of a policy's mean actions in Gymnasium."""
    import gymnasium

    policy = layers(path)
    environment = gymnasium.make(task)
    returns = []
    for seed in range(episodes):
        observation, _ = environment.reset(seed=100_000 + seed)
        earned, over = 0.0, False
        while not over:
            hidden = observation
            for name in ("fc1", "fc2"):
                hidden = np.maximum(policy[f"{name}.weight"] @ hidden + policy[f"{name}.bias"], 0)
            mean = np.tanh(policy["fc_mean.weight"] @ hidden + policy["fc_mean.bias"])
            action = mean * policy["action_scale"] + policy["action_bias"]
            observation, reward, terminated, truncated, _ = environment.step(action.astype(np.float32))
            earned += reward
            over = terminated or truncated
        returns.append(earned)
    return float(np.mean(returns))


def run(program, task, recordings, flags, seed, folder):
    """Returns of the last and of the chosen policy, and the chosen one's estimated value."""
    command = [program, "train", task, *flags.split(), "--seed", seed, "--out", folder, "--offline", *recordings]
    said = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.splitlines()
    values = {}
    for line in said:
        words = line.split()
        if words[:1] == ["step"] and "value" in words:
            values[int(words[1])] = (float(words[3]), float(words[4].strip("[,")), float(words[5].strip("]")))
    chosen = max(values, key=lambda step: values[step][1])
    rows = list(csv.DictReader((folder / "evaluations.csv").open()))
    if task == "half-cheetah":
        last = in_gymnasium(folder / "last.safetensors", "HalfCheetah-v5", 10)
        picked = in_gymnasium(folder / "chosen.safetensors", "HalfCheetah-v5", 10)
    else:
        last = float(rows[-1]["return_mean"])
        picked = next(float(row["return_mean"]) for row in rows if float(row["step"]) == chosen)
    return last, picked, values[chosen]


def interval(values):
    """Mean and its 95 % bootstrap interval over seeds."""
    values = np.array(values)
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{values.mean():.1f} [{low:.1f}, {high:.1f}]"


def table(name, arguments):
    task, recordings, flags, arms = STUDIES[name]
    files = [arguments.data / f"{recording}.npz" for recording in recordings]
    lines = ["| arm | last policy | chosen policy | its value by fitted Q |", "|---|---|---|---|"]
    for recording, file in zip(recordings, files):
        data = np.load(file)
        earned = np.add.reduceat(data["reward"].astype(float), data["episode_starts"])
        lines.append(f"| recorded: {recording} | {earned.mean():.1f} | | |")
    for arm, own in arms.items():
        found = []
        for seed in range(1, arguments.seeds + 1):
            folder = arguments.folder / name / arm.replace(", ", "-").replace(" ", "-") / f"seed-{seed}"
            found.append(run(arguments.program, task, files, f"{flags} {own}", seed, folder))
        values = np.array([value for _, _, value in found]).mean(axis=0)
        value = "{:.1f} [{:.1f}, {:.1f}]".format(*values)
        lines.append(f"| {arm} | {interval([f[0] for f in found])} | {interval([f[1] for f in found])} | {value} |")
        print("\n".join(lines), flush=True)
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(STUDIES))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/trajectories")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs/offline")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/offline-rl.md")
    arguments = parser.parse_args()
    for name in arguments.only:
        put(arguments.document, name, table(name, arguments))


if __name__ == "__main__":
    main()
