"""The tables of docs/analyses.md: python bench/analyses.py [--only chains …] [--shared ../shared]

Runs `statecast markov` and `statecast training-run` for every table and puts it between its marks in the document. What
was run lies in runs/analyses, in a folder for each build of the program, and is not run again. Intervals are 95 %
bootstraps over chains or runs. About an hour on two cores.
"""

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
ROWS, CHAINS = 1000, 10
STATES = [2, 3, 4, 5, 7, 10]
TEMPERATURES = [0.5, 0.7, 1.0, 1.4, 2.0]

# Rows of runs of gradient descent, and the floor of their loss.
LAST, FLOOR = 2000, 0.3
# Functions, step sizes, noises and known rows; 20 runs each, none of which served to choose anything.
DESCENTS = [
    ("quadratic", 0.02, 0.5, 500),
    ("quadratic", 0.02, 2.0, 300),
    ("quadratic", 0.01, 1.0, 700),
    ("quadratic", 0.005, 1.0, 1000),
    ("double-well", 0.02, 0.5, 300),
    ("double-well", 0.02, 2.0, 500),
    ("double-well", 0.005, 1.0, 700),
    ("rosenbrock", 0.02, 0.3, 500),
    ("rosenbrock", 0.01, 0.5, 700),
    ("rosenbrock", 0.01, 0.1, 1000),
]
# The same, for what was chosen; 5 runs each.
CHOSEN_ON = [
    ("quadratic", 0.02, 0.5, 400),
    ("quadratic", 0.01, 2.0, 600),
    ("quadratic", 0.005, 0.5, 800),
    ("double-well", 0.02, 1.0, 400),
    ("double-well", 0.01, 0.5, 600),
    ("double-well", 0.005, 2.0, 800),
    ("rosenbrock", 0.02, 0.2, 400),
    ("rosenbrock", 0.01, 0.3, 600),
    ("rosenbrock", 0.02, 0.5, 800),
    ("rosenbrock", 0.005, 0.3, 1000),
]
# Forecasters that are pooled, and what their draws count; the last is the default.
WITHOUT_TREND = {"builtin": 1, "ar": 1, "power law": 1, "exponential": 1}
POOLS = [
    {"builtin": 1, "ar": 1},
    {"power law": 1, "exponential": 1},
    WITHOUT_TREND,
    {"ar": 1, "power law": 1, "exponential": 1, "trend": 0.5},
    {"builtin": 1, "ar": 1, "trend": 0.5},
    WITHOUT_TREND | {"trend": 1},
    WITHOUT_TREND | {"trend": 0.5},
]
# Step size, noise, rows of runs on the double well.
WELLS = [(0.02, 0.5, 1000), (0.02, 2.0, 1000), (0.05, 2.0, 500), (0.05, 3.0, 500)]


def mean(values, digits=3, sign=""):
    """Mean with its bootstrap interval."""
    values = np.asarray(values, float)
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    form = "{:" + sign + f".{digits}f" + "}"
    return f"{form.format(values.mean())} [{form.format(low)}, {form.format(high)}]"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def interval_scored(low, median, high, came):
    """Whether a 90 % interval holds what came, the median's error, the interval score."""
    outside = max(low - came, came - high, 0)
    return low <= came <= high, abs(median - came), high - low + 20 * outside


def pool_scored(run, pool):
    """The same of the draws of several forecasters together."""
    draws = {settles["name"]: np.sort(settles["draws"]) for settles in run["settles"]}
    most = max(len(draws[name]) for name in pool)
    drawn = []
    for name, weight in pool.items():
        count = max(1, round(most * weight))
        drawn.append(draws[name][(2 * np.arange(count) + 1) * len(draws[name]) // (2 * count)])
    return interval_scored(*np.quantile(np.concatenate(drawn), [0.05, 0.5, 0.95], method="hazen"), run["actual"])


def pool_name(pool):
    return ", ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in pool.items())


def settling_table(groups):
    """Scores of (function, forecaster), by function."""
    functions, rows = ["all", "quadratic", "double-well", "rosenbrock"], []
    for function, name in sorted(groups, key=lambda group: functions.index(group[0])):
        scored = np.array(groups[function, name], float)
        cells = [f"{100 * scored[:, 0].mean():.1f} %", f"{np.median(scored[:, 1]):.4f}"]
        rows.append([function, name, len(scored), *cells, mean(scored[:, 1], 4), mean(scored[:, 2])])
    head = "function | forecaster | runs | in 90 % | median error | mean error | interval score"
    return table(head.split(" | "), rows)


class Bench:
    def __init__(self, program, shared, folder):
        self.program, self.shared, self.folder = program, shared, folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, name, *arguments):
        """What a command writes as JSON."""
        output = self.folder / f"{name}.json"
        if not output.exists():
            command = [self.program, *arguments, "--output", output]
            subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        return json.loads(output.read_text())

    def chain(self, states, number):
        """The files of a sequence and of its matrix, rows uniform on all laws."""
        sequence, matrix = (self.folder / f"{kind}-{states}-{number}.csv" for kind in ("chain", "matrix"))
        rng = np.random.default_rng([states, number])
        truth = rng.dirichlet(np.ones(states), size=states)
        state, lines = 0, ["state"]
        for _ in range(ROWS):
            state = rng.choice(states, p=truth[state])
            lines.append(str(state))
        sequence.write_text("\n".join(lines) + "\n")
        np.savetxt(matrix, truth, delimiter=",", header=",".join(f"to{k}" for k in range(states)), comments="")
        return sequence, matrix

    def studied(self, states, number):
        sequence, matrix = self.chain(states, number)
        order = ",".join(map(str, range(states)))
        return self.run(
            f"markov-{states}-{number}",
            *("markov", sequence, "--state", "state", "--order", order, "--truth", matrix),
            *("--temperatures", ",".join(map(str, TEMPERATURES))),
        )

    def chains(self):
        """Inferred matrices beside counted ones."""
        rows = []
        for states in STATES:
            found = [self.studied(states, number)["study"] for number in range(CHAINS)]
            inferred = np.array([f["matrix_distance"] for f in found])
            counted = np.array([f["counted_distance"] for f in found])
            rules = {r["name"]: i for i, r in enumerate(found[0]["rules"])}
            laws = {n: [f["rules"][i]["distance"]["total_variation"] for f in found] for n, i in rules.items()}
            within = (inferred <= counted + 0.05).sum()
            rows.append(
                [states, mean(inferred), mean(counted), f"{within} of {CHAINS}"]
                + [mean(laws[name]) for name in ("builtin", "counts", "frequencies", "staying")]
            )
        head = "states | inferred | counted | within 0.05 more | distributions: builtin | counts | frequencies | staying"
        return table(head.split(" | "), rows)

    def scores(self):
        rows = []
        for states in STATES:
            found = [self.studied(states, number)["study"]["rules"] for number in range(CHAINS)]
            score = {rule["name"]: [] for rule in found[0]}
            for rules in found:
                for rule in rules:
                    score[rule["name"]].append(rule["log_score"])
            names = ("builtin", "counts", "frequencies", "staying", "truth")
            less = np.subtract(score["builtin"], score["counts"])
            exponents = [-rules[0]["power_law"]["exponent"] for rules in found]
            rows.append(
                [states]
                + [f"{np.mean(score[name]):.3f}" for name in names]
                + [mean(less, sign="+"), mean(exponents, 2)]
            )
        head = "states | builtin | counts | frequencies | staying | truth | builtin less counts | exponent"
        return table(head.split(" | "), rows)

    def labels(self):
        rows = []
        for states in STATES:
            found = [self.studied(states, number)["study"] for number in range(CHAINS)]
            first = np.array([f["rules"][0]["log_score"] for f in found])
            others = np.array([f["label_permutations"]["log_scores"] for f in found])
            rows.append(
                [
                    states,
                    mean([np.mean(f["label_permutations"]["total_variation"]) for f in found]),
                    f"{np.abs(others - first[:, None]).max():.3f}",
                    mean([f["label_permutations"]["mean_log_score"] for f in found] - first, sign="+"),
                    mean([f["label_permutations"]["mean_total_variation"] for f in found]),
                ]
            )
        head = "states | distance of distributions | largest difference of log scores | mean of all minus one | its distributions from the truth"
        return table(head.split(" | "), rows)

    def temperatures(self):
        rows = []
        for states in STATES:
            found = [self.studied(states, number) for number in range(CHAINS)]
            for i, temperature in enumerate(TEMPERATURES):
                at = [f["temperatures"][i] for f in found]
                truth = [f["study"]["chains"][2] for f in found]
                stationary = [
                    0.5 * np.abs(np.subtract(a["stationary"], t["stationary"])).sum()
                    for a, t in zip(at, truth)
                ]
                gap = [a["spectral_gap"] - t["spectral_gap"] for a, t in zip(at, truth)]
                rows.append(
                    [states, temperature]
                    + [mean([a[key] for a in at]) for key in ("log_score", "total_variation")]
                    + [mean(stationary), mean(gap, sign="+")]
                )
        head = "states | temperature | log score | distributions from the truth | stationary distribution from the truth | gap minus true gap"
        return table(head.split(" | "), rows)

    def llama2(self):
        """The chains that LLaMA-2-13B read, states from 300 to 1000."""
        folder = self.shared / "llama2-series"
        theirs = {}
        for line in (folder / "llama2_per_step.csv").read_text().splitlines()[1:]:
            name, t, logp = line.split(",")[:3]
            if name.startswith("markov") and 300 <= int(t) < ROWS:
                theirs.setdefault(name, []).append(float(logp))
        rows = []
        for name in sorted(theirs):
            arrays = np.load(folder / "series" / f"{name}.npz")
            sequence, matrix = (self.folder / f"llama2-{name}-{kind}.csv" for kind in ("states", "matrix"))
            states = arrays["state"][:ROWS]
            sequence.write_text("state\n" + "\n".join(map(str, states)) + "\n")
            head = ",".join(f"to{k}" for k in range(len(arrays["P"])))
            np.savetxt(matrix, arrays["P"], delimiter=",", header=head, comments="")
            found = self.run(
                f"llama2-{name}",
                *("markov", sequence, "--state", "state", "--truth", matrix, "--last", ROWS - 300),
                *("--order", ",".join(map(str, range(len(arrays["P"]))))),
            )
            rules = {rule["name"]: rule["log_score"] for rule in found["study"]["rules"]}
            values = [rules["builtin"], found["study"]["label_permutations"]["mean_log_score"], np.mean(theirs[name])]
            values += [rules[rule] for rule in ("counts", "frequencies", "truth")]
            rows.append([name, *values])
        rows.append(["mean", *np.mean([row[1:] for row in rows], 0)])
        rows = [[name] + [f"{value:.3f}" for value in values] for name, *values in rows]
        head = "series | builtin | builtin, mean of 5 labellings | LLaMA-2-13B | counts | frequencies | truth"
        return table(head.split(" | "), rows)

    def windows(self):
        sequence, _ = self.chain(3, 0)
        rows = []
        for window in (1, 2, 4, 6, 8, 10):
            for temperature in (0.7, 1.0, 2.0):
                found = self.run(
                    f"windows-{window}-{temperature}",
                    *("markov", sequence, "--state", "state", "--window", window, "--temperature", temperature),
                    *("--label-permutations", 0, "--temperatures", "none"),
                )["windows"]
                long = found["long_run"] or {"distribution": [], "entropy": np.nan, "second": np.nan}
                rows.append(
                    [
                        window,
                        found["windows"],
                        temperature,
                        found["class_count"],
                        found["closed"],
                        " ".join(f"{p:.3f}" for p in long["distribution"]),
                        f"{long['entropy']:.3f}",
                        f"{long['second']:.4f}",
                        f"{found['least_passage']:.1e}",
                    ]
                )
        head = (
            "window | windows | temperature | classes above 0.01 | closed classes | stationary distribution | entropy | second eigenvalue | ε"
        )
        return table(head.split(" | "), rows)

    def descents(self, number, setting, runs, *more):
        """Runs of gradient descent, with the settling value that is forecast and the one that came."""
        function, step, noise, prefix = setting
        found = self.run(
            f"settling-{number}",
            *("training-run", "--simulate", function, "--step-size", step, "--noise", noise),
            *("--runs", runs, "--steps", LAST, "--floor", FLOOR, "--prefix", prefix, "--until", LAST),
            *("--seed", number, "--samples", 50, *more),
        )
        return found["runs"]

    def settling(self):
        groups = {}
        for number, setting in enumerate(DESCENTS, 8000):
            for run in self.descents(number, setting, 20):
                for settles in run["settles"]:
                    scored = interval_scored(settles["low"], settles["median"], settles["high"], run["actual"])
                    for function in ("all", setting[0]):
                        groups.setdefault((function, settles["name"]), []).append(scored)
                for function in ("all", setting[0]):
                    scored = pool_scored(run, WITHOUT_TREND)
                    groups.setdefault((function, "pool without trend"), []).append(scored)
        return settling_table(groups)

    def pools(self):
        groups = {}
        models = ["--models", "builtin,ar,power-law,exponential,trend"]
        for number, setting in enumerate(CHOSEN_ON, 5000):
            for run in self.descents(number, setting, 5, *models):
                for pool in POOLS:
                    scored = pool_scored(run, pool)
                    for function in ("all", setting[0]):
                        groups.setdefault((function, pool_name(pool)), []).append(scored)
        return settling_table(groups)

    def weights(self):
        """What the trend's draws are to count, with persistence in the bundled model's place."""
        groups = {}
        models = ["--models", "persistence,ar,power-law,exponential,trend"]
        parts = {"persistence": 1, "ar": 1, "power law": 1, "exponential": 1}
        for number, setting in enumerate(CHOSEN_ON, 7000):
            for run in self.descents(number, setting, 40, *models):
                for weight in (0, 0.25, 0.5, 0.75, 1):
                    pool = parts | ({"trend": weight} if weight else {})
                    groups.setdefault(weight, []).append(pool_scored(run, pool))
        rows = []
        for weight, scored in groups.items():
            scored = np.array(scored, float)
            held = f"{100 * scored[:, 0].mean():.1f} %"
            rows.append([f"{weight:g}", len(scored), held, mean(scored[:, 1], 4), mean(scored[:, 2])])
        return table("trend counts | runs | in 90 % | mean error | interval score".split(" | "), rows)

    def minima(self):
        rows = []
        for seed, (step, noise, steps) in enumerate(WELLS, 2000):
            found = self.run(
                f"minima-{seed}",
                *("training-run", "--simulate", "double-well", "--minima", "x", "--step-size", step),
                *("--noise", noise, "--steps", steps, "--runs", 50, "--context-runs", 10, "--seed", seed),
            )
            for judged in found["scores"]:
                estimates = (judged["total_variation"], judged["log_score"])
                cells = [f"{e['mean']:.3f} [{e['low']:.3f}, {e['high']:.3f}]" for e in estimates]
                rows.append([step, noise, steps, judged["name"], *cells])
        head = "step size | noise | steps | forecaster | from the true shares | log score"
        return table(head.split(" | "), rows)


TABLES = ("chains", "scores", "labels", "temperatures", "llama2", "windows", "pools", "weights", "settling", "minima")


def digest(file):
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:12]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs/analyses")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/analyses.md")
    parser.add_argument("--only", nargs="*", default=TABLES)
    arguments = parser.parse_args()
    bench = Bench(arguments.program, arguments.shared, arguments.folder / digest(arguments.program))
    for name in arguments.only:
        if name == "llama2" and not (arguments.shared / "llama2-series").exists():
            print(f"llama2: {arguments.shared} is not there; its table stays as it is")
            continue
        put(arguments.document, name, getattr(bench, name)())


if __name__ == "__main__":
    main()
