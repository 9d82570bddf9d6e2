"""Off-policy evaluation of the recorded policies: all estimators beside the true values, as Markdown.

    .venv/bin/python bench/policies.py ../shared/data [--program target/release/statecast] [--seeds 3] [--tasks pendulum]

Data: the recordings of the random and the medium policy of each task (Hopper has no medium one; there the best is
one of the data). Targets: every policy of the task whose weights are there, with sampled actions; truth: discounted returns
(0.99) of fresh episodes in the simulator. Design choices were made on these policies. `cart-pole-swing-up` has others:
seven that the program trains first (into --folder), with recordings of the random policy and of a further one. Every seed repeats everything random in the estimators; errors and rank correlations are
means over seeds, coverage counts all cases. Runs that the same program finished are kept in --folder and not repeated.
"""

import argparse
import csv
import hashlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]

# title: task, environment of the files, recordings with the policies that took their actions (None: weights not there), seed of
# the policies, options. By itself the language model is slow without AVX-512, so fewer paths are enough to see what it says.
ALL = ["--estimators", "combined,builtin,mixture,linear,mlp,corrected,fqe,is,dr,on-policy,behaviour"]
ALONE = ["--estimators", "builtin,vicl,dicl-s,dicl-sa", "--paths", "12", "--contexts", "1"]
PENDULUM = ("pendulum", "Pendulum-v1", [("random", "random"), ("medium", "sac_s1_3500")], "s1")
TASKS = {
    "pendulum": (*PENDULUM, ALL),
    "pendulum, language model alone": (*PENDULUM, ALONE),
    "inverted-pendulum": ("inverted-pendulum", "InvertedPendulum-v5", [("random", None), ("medium", None)], "s1", ALL),
    "hopper": ("hopper", "Hopper-v5", [("random", None), ("best", None)], "s2", [*ALL, "--horizon", "300"]),
    "half-cheetah": (
        "half-cheetah", "HalfCheetah-v5", [("random", None), ("medium", None)], "s1",
        [*ALL, "--horizon", "300", "--paths", "24", "--contexts", "2"],
    ),
}
# Steps and seeds of policies that the program trains, the last of which only makes a recording.
TRAINED = {
    "cart-pole-swing-up": [(3000, 3), (6000, 3), (9000, 3), (12000, 3), (6000, 4), (9000, 4), (12000, 4), (6000, 5)],
}
ESTIMATORS = ["--estimators", "combined,builtin,mixture,linear,mlp,corrected,fqe,behaviour"]


def truths(data, environment, seed):
    with open(data / "values" / f"{environment}_{seed}.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["mode"] == "stoch"]
    known = {row["policy"]: float(row["discounted_mean"]) for row in rows}
    paths = {name: data / "policies" / f"{environment}__{name}.safetensors" for name in known}
    return {name: value for name, value in known.items() if paths[name].exists()}, paths


def trained(program, folder, task):
    """Trains the policies of a task, and records the random one and the last of them."""
    def run(*command):
        subprocess.run(list(map(str, [program, *command])), check=True, capture_output=True)

    policies = {}
    for steps, seed in TRAINED[task]:
        name = f"seed{seed}_{steps}"
        policies[name] = folder / task / name / "last.safetensors"
        if not policies[name].exists():
            run("train", task, "--steps", steps, "--seed", seed, "--evaluate-every", steps, "--out", policies[name].parent)
    behaviour, source = policies.popitem()
    recordings = [folder / task / "random.npz", folder / task / f"{behaviour}.npz"]
    for recording, policy in zip(recordings, ["random", source], strict=True):
        run("simulate", task, "--policy", policy, "--episodes", 20, "--seed", 1, "--out", recording)
    return policies, recordings


def finished(program, folder, title, seed, run):
    """Result of a run: of before, where this program and script finished it, or of now."""
    of_both = hashlib.sha256(Path(program).read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    path = folder / of_both / f"{title.replace(', ', '-').replace(' ', '-')}-{seed}.json"
    if not path.exists():
        result = run()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(result))
        unfinished.rename(path)
    return json.loads(path.read_text())


def evaluate_trained(program, folder, task, seed):
    policies, recordings = trained(program, folder, task)
    output = folder / task / f"values_{seed}.json"
    command = [program, "evaluate", "--env", task, "--simulate", 200, "--output", output, "--seed", seed, *ESTIMATORS]
    command += recordings
    for name, policy in policies.items():
        command += ["--policy", f"{name}={policy}"]
    begin = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    seconds = time.perf_counter() - begin
    manifest = json.loads(output.with_suffix(".manifest.json").read_text())
    return {name: truth["mean"] for name, truth in zip(policies, manifest["truth"], strict=True)}, manifest, seconds


def evaluate(program, data, title, seed):
    task, environment, recordings, of, options = TASKS[title]
    known, paths = truths(data, environment, of)
    with tempfile.TemporaryDirectory() as folder:
        truth, output = Path(folder) / "truth.csv", Path(folder) / "values.json"
        truth.write_text("policy,value\n" + "".join(f"{name},{value}\n" for name, value in known.items()))
        command = [program, "evaluate", "--env", task, "--truth", truth, "--output", output, "--seed", seed, *options]
        command += [data / "trajectories" / f"{environment}__{level}.npz" for level, _ in recordings]
        behaviours = [policy and paths.get(policy, policy) for _, policy in recordings]
        if all(behaviours):
            for behaviour in behaviours:
                command += ["--behaviour", behaviour]
        for name in known:
            command += ["--policy", f"{name}={paths[name]}"]
        begin = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        return known, json.loads(output.with_suffix(".manifest.json").read_text()), seconds


def table(heads, rows):
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def interval(values):
    """Mean with the 95 % interval of a bootstrap over the policies."""
    values = np.asarray(values)
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    return f"{values.mean():.3f} [{np.quantile(means, 0.025):.3f}, {np.quantile(means, 0.975):.3f}]"


def report(task, runs):
    known = runs[0][0]
    span = max(known.values()) - min(known.values())
    estimates = [estimate for _, manifest, _ in runs for estimate in manifest["estimates"]]
    standings = [dict(manifest["rankings"]) for _, manifest, _ in runs]
    names = list(dict.fromkeys(e["estimator"] for e in estimates))
    seconds = np.mean([seconds for *_, seconds in runs])
    print(f"### {task}\n\n{len(known)} policies, {len(runs)} seed(s), {seconds:.0f} s each.\n")
    rows, values = [], []
    for name in names:
        own = [e for e in estimates if e["estimator"] == name and e["value"]]
        if not own:
            continue
        error = [np.mean([abs(e["value"]["mean"] - known[p]) for e in own if e["policy"] == p]) / span
                 for p in known if any(e["policy"] == p for e in own)]
        covered = np.mean([e["value"]["low"] <= known[e["policy"]] <= e["value"]["high"] for e in own])
        of = [s[name] for s in standings if name in s]

        def mean(key):
            known_ones = [s[key] for s in of if s[key] is not None]
            return f"{np.mean(known_ones):.2f}" if known_ones else "–"

        rows.append([name, interval(error), mean("spearman"), mean("regret_1"), mean("regret_3"),
                     f"{100 * covered:.0f} % of {len(own)}", f"{np.mean([e['seconds'] for e in own]):.1f}"])
    table(["estimator", "error / range", "Spearman", "regret@1", "regret@3", "truth in 90 %", "s per policy"], rows)
    for policy in sorted(known, key=known.get):
        row = [policy, f"{known[policy]:.1f}"]
        for name in names:
            own = [e["value"]["mean"] for e in estimates if (e["estimator"], e["policy"]) == (name, policy) and e["value"]]
            row.append(f"{np.mean(own):.1f}" if own else "–")
        values.append(row)
    table(["policy", "truth", *names], values)
    distributions(runs)


def distributions(runs):
    """How often the bands of the returns' distribution hold what the simulator gives, for the combined estimate."""
    parts = {"quantile_10": "10 % quantile", "median": "median", "cvar_10": "mean of the worst 10 %"}
    held = {name: [] for name in parts.values()}
    for _, manifest, _ in runs:
        own = [e for e in manifest["estimates"] if e["estimator"] == "combined"]
        for estimate, truth in zip(own, manifest.get("true_returns", []), strict=False):
            if estimate["distribution"] and truth:
                for key, name in parts.items():
                    band = estimate["distribution"][key]
                    held[name].append(band["low"] <= truth[key] <= band["high"])
    if any(held.values()):
        shown = [f"{name} {100 * np.mean(hits):.0f} % of {len(hits)}" for name, hits in held.items()]
        print(f"Bands of single returns that hold the simulated ones: {', '.join(shown)}.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, *TRAINED], choices=[*TASKS, *TRAINED])
    parser.add_argument("--folder", type=Path, default=ROOT / "target/bench/policies", help="of trained policies and finished runs")
    arguments = parser.parse_args()
    program, folder = arguments.program, arguments.folder
    for task in arguments.tasks:
        runs = []
        for seed in range(arguments.seeds):
            if task in TRAINED:
                run = lambda: evaluate_trained(program, folder, task, seed)
            else:
                run = lambda: evaluate(program, arguments.data, task, seed)
            runs.append(finished(program, folder, task, seed, run))
        report(task, runs)


if __name__ == "__main__":
    main()
