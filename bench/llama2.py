"""One-step densities beside LLaMA-2-13B's on the two-digit series of Liu et al. (arXiv 2402.00795).

    .venv/bin/python bench/llama2.py ../shared/llama2-series [--program target/release/statecast] [--from 300] [--json out.json]

The series and their scorer are a local reference (see its README); nothing of them is part of this project. Every method of
`statecast density` reads the same two-digit values as LLaMA-2 did, row t given the rows before it, and its density is summed
to the 100 values (to the states of a Markov chain; of those the first 1000 rows, which the bundled model's window holds). Scores per family, means over the steps from the given one on: nats on
the axis [0, 10), coverage of the central 90 %, and the Kolmogorov-Smirnov distance of the PIT, mean over the series. A value's
place within the probability of its two digits is drawn (the same for all), for no reader can know it: where steps are smaller
than a digit, as in geometric Brownian motion, values do not lie evenly within it.
"""

import argparse
import importlib.util
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 1000  # rows: what the bundled model's window holds
EXPERTS = "builtin,ar,linear,knn,persistence,mean"
PLAIN = ["--method", "vicl"]  # language models read plain values
METHODS = {
    "builtin": [*PLAIN, "--experts", "builtin"],
    "builtin, recalibrated": [*PLAIN, "--experts", "builtin", "--recalibrate", "online"],
    **{name: ["--experts", name] for name in ["ar", "linear", "knn", "persistence", "mean"]},
    "mixture": [*PLAIN, "--experts", EXPERTS],
    "mixture, recalibrated": [*PLAIN, "--experts", EXPERTS, "--recalibrate", "online"],
}


def load_scorer(folder):
    specification = importlib.util.spec_from_file_location("llama2_score", folder / "score.py")
    scorer = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(scorer)
    return scorer


def density(program, method, values, scale):
    """Masses [rows, 1000] and the axis' ends of what the program makes of a column of values."""
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "series.csv", Path(folder) / "density.npz"
        np.savetxt(table, values, "%.2f", header="x", comments="")
        command = [program, "density", table, "--scale", scale, *METHODS[method], "--output", output]
        subprocess.run(command, check=True, capture_output=True)
        with np.load(output) as arrays:
            return arrays["density"][:, 0].astype(float), arrays["low"][0], arrays["high"][0]


def cells(program, method, series):
    """Probabilities [rows, 100 values or states]."""
    if series["kind"] == "cont":
        mass, _, _ = density(program, method, series["digit"] / 10 + 0.05, "none")
        return mass.reshape(len(mass), 100, 10).sum(2)
    mass, low, high = density(program, method, series["state"], "minmax")
    cumulated = np.concatenate([np.zeros((len(mass), 1)), mass.cumsum(1)], 1)
    states = series["P"].shape[0]
    ends = (np.arange(states + 1) - 0.5 - low) / (high - low) * 1000
    at = np.array([np.interp(ends, np.arange(1001), row) for row in cumulated])
    inside = np.diff(at, axis=1)
    return inside / inside.sum(1, keepdims=True)


def transforms(probabilities, observed):
    """Randomised PIT of observed cells."""
    at = np.arange(len(observed)), observed
    inside = probabilities[at]
    place = np.random.default_rng(0).random(len(observed))
    return probabilities.cumsum(1)[at] - inside * place


def scored(scorer, mass, series, steps):
    """Mean log score, coverage of 90 % and distance of the transforms from uniform ones."""
    score, observed = (scorer.score_cont, "digit") if series["kind"] == "cont" else (scorer.score_markov, "state")
    pit = transforms(mass, series[observed])[steps]
    return score(mass, series)["logp"][steps].mean(), (np.abs(pit - 0.5) <= 0.45).mean(), scorer.ks_uniform(pit)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=Path)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--from", dest="first", type=int, default=300)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    scorer = load_scorer(arguments.series)
    rows = {}
    theirs = np.load(arguments.series / "llama2_pdf_q8.npz")
    for name, about in scorer.index().items():
        series = scorer.load_series(name)
        series = {key: value if key in ("kind", "P") else value[:LONGEST] for key, value in series.items()}
        family = rows.setdefault(about["group"], {})
        steps = slice(arguments.first, LONGEST)
        mass = 2.0 ** (-theirs[name][:LONGEST].astype(float) / 5)
        family.setdefault("LLaMA-2-13B", []).append(scored(scorer, mass / mass.sum(1, keepdims=True), series, steps))
        for method in arguments.methods:
            mass = cells(arguments.program, method, series)
            family.setdefault(method, []).append(scored(scorer, mass, series, steps))
    methods = ["LLaMA-2-13B", *arguments.methods]
    means = {family: {m: np.mean(scores[m], 0) for m in methods} for family, scores in rows.items()}
    for title, column, form in [("Log score", 0, "{:+.3f}"), ("Coverage of 90 %", 1, "{:.3f}"), ("PIT-KS", 2, "{:.3f}")]:
        print(f"\n{title}, steps from {arguments.first} on\n\n| family | " + " | ".join(methods) + " |\n" + "|---" * (len(methods) + 1) + "|")
        for family, scores in means.items():
            print(f"| {family} | " + " | ".join(form.format(scores[m][column]) for m in methods) + " |")
    if arguments.json:
        text = {family: {m: list(map(float, s)) for m, s in scores.items()} for family, scores in means.items()}
        arguments.json.write_text(json.dumps(text, indent=1))


if __name__ == "__main__":
    main()
