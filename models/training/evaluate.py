"""Held-out evaluation and release gate of an exported digit model.

  python evaluate.py MODEL                          # tables against the baselines
  python evaluate.py MODEL --against ../builtin     # and against another model: exit 1 if MODEL is worse
  python evaluate.py MODEL --llama2 ../../../shared/llama2-series

One-step densities on 1000 bins of the axis [0, 10), scale from the first 200 values, steps 20 to 300, every
density mixed with 0.1 % uniform. A model that reads hints is read without them and with them, digits beside them: of
the bins alone, which is all that the others are told, and of the values as recorded. The gate holds each reading to
the same one of the other model, if that has it; the first model with hints may lose 0.04 nats. Rollouts of 40 steps
from contexts of 150 and 300 values, scaled by their context.
"""

import argparse
import json
import os
import sys

import numpy as np
import torch

from baselines import all_densities, autoregression_paths, random_walk_paths
from heldout import FIRST_SCORED, STEPS, bins_of, cached, families, positions_of
from hinted_reader import HintedReader
from llama2 import compare_with_llama2
from program import compare_with_program
from reader import Reader
from scores import (
    crps,
    floored,
    log_density,
    paired_interval,
    pit,
    sample_crps,
    series_mean,
    uniform_distance,
)

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_HELD_OUT = "train_families"
WINDOWS = [(20, 50), (50, 100), (100, 200), (200, 300)]
CONTEXTS, HORIZON, NEAR = (150, 300), 40, 20
WITH_HINTS, AS_RECORDED = " with hints", ", as recorded"
FARTHEST = -495.0, 505.0  # positions on the axis
LOSS_FOR_CHANNELS = 0.04  # nats that a model which reads channels and actions may lose on series alone


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="exported folder")
    parser.add_argument("--against", help="exported folder that MODEL must not be worse than")
    parser.add_argument("--heldout", default=f"{HERE}/../../../shared/digit-heldout/heldout.npz")
    parser.add_argument("--llama2", help="folder of LLaMA-2's densities and series (two-digit inputs)")
    parser.add_argument("--program", help="the statecast binary, whose densities must be the same")
    parser.add_argument("--series", type=int, default=20, help="series of each family")
    parser.add_argument("--paths", type=int, default=30, help="sample paths of a rollout; 0 skips rollouts")
    parser.add_argument(
        "--cache", default=f"{HERE}/data/evaluation", help="folder of the baselines' densities"
    )
    parser.add_argument("--json", help="also write all numbers to this file")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def one_step(series, readers, cache):
    """{family: {method: {"nats", "crps": per series, "windows": nats, "ks"}}}."""
    result = {}
    for family, values in series.items():
        bins, valid = bins_of(values)
        bins, valid = bins[:, :STEPS], valid[:, :STEPS]
        densities = dict(cached(cache, family, bins, all_densities))
        densities |= {name: reader.densities(bins) for name, reader in readers.items()}
        recorded = np.clip(positions_of(values)[:, :STEPS], *FARTHEST)
        for name, reader in readers.items():
            if isinstance(reader, HintedReader):
                densities[name + AS_RECORDED] = reader.densities_at(recorded)
        result[family] = {}
        for name, density in densities.items():
            p, kept = floored(density), valid[:, FIRST_SCORED:]
            logs = log_density(p, bins)
            u = pit(p, bins)
            result[family][name] = {
                "nats": series_mean(logs[:, FIRST_SCORED:], kept),
                "crps": series_mean(crps(p, bins)[:, FIRST_SCORED:], kept),
                "windows": [logs[:, a:b][valid[:, a:b]].mean() for a, b in WINDOWS],
                "ks": uniform_distance(u[:, FIRST_SCORED:][kept]),
            }
    return result


def rollouts(series, readers, paths, cache):
    """{family: {method: CRPS in standard deviations of the context [forecasts, horizon]}}."""
    result = {}
    for family, values in series.items():
        scores = {}
        for context in CONTEXTS:
            bins, _ = bins_of(values, context)
            truth = truth_on_axis(values, context)
            size = bins[:, :context].std(1)[:, None]

            def simulate(history):
                simple = {"ar": autoregression_paths, "random walk": random_walk_paths}
                return {name: sample(history, HORIZON, paths) for name, sample in simple.items()}

            samples = dict(cached(cache, f"{family}-rollout-{paths}", bins[:, :context], simulate))
            samples |= {
                name: reader.paths(bins[:, :context], HORIZON, paths) for name, reader in readers.items()
            }
            for name, sample in samples.items():
                scores.setdefault(name, []).append(sample_crps(sample, truth) / size)
        result[family] = {name: np.concatenate(parts) for name, parts in scores.items()}
    return result


def truth_on_axis(values, context):
    """The HORIZON values after the context in bins, not clamped to the axis (a bin's value is its centre)."""
    low, high = values[:, :context].min(1, keepdims=True), values[:, :context].max(1, keepdims=True)
    future = values[:, context : context + HORIZON]
    return 100 * (1.5 + 7 * (future - low) / np.maximum(high - low, 1e-9)) - 0.5


def print_table(title, header, rows):
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def print_one_step(result, model):
    methods = list(next(iter(result.values())))
    held = [f for f in result if f != NOT_HELD_OUT]

    def paired(other, names):
        mean, low, high = paired_interval(
            [result[f][model]["nats"] - result[f][other]["nats"] for f in names]
        )
        return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"

    others = [m for m in methods if m != model]
    rows = []
    for label, names in [(f, [f]) for f in result] + [("**held-out mean**", held)]:
        means = [f"{np.mean([result[f][m]['nats'].mean() for f in names]):+.3f}" for m in methods]
        rows.append([label, *means, *(paired(m, names) for m in others)])
    header = ["family", *methods, *(f"{model} - {m}" for m in others)]
    print_table("Mean log density (nats; differences with 95 % intervals over series)", header, rows)
    rows = [[f, *(" ".join(f"{w:+.2f}" for w in result[f][m]["windows"]) for m in methods)] for f in result]
    print_table("Log density by step: 20-50, 50-100, 100-200, 200-300", ["family", *methods], rows)
    for key, title in (("crps", "CRPS (axis units)"), ("ks", "PIT-KS (pooled over series and steps)")):
        rows = [[f, *(f"{np.mean(result[f][m][key]):.3f}" for m in methods)] for f in result]
        means = [f"{np.mean([np.mean(result[f][m][key]) for f in held]):.3f}" for m in methods]
        print_table(title, ["family", *methods], [*rows, ["**held-out mean**", *means]])


def print_rollouts(result, model):
    methods = list(next(iter(result.values())))
    held = [f for f in result if f != NOT_HELD_OUT]
    for title, window in ((f"1-{NEAR}", slice(0, NEAR)), (f"{NEAR + 1}-{HORIZON}", slice(NEAR, HORIZON))):
        score = {f: {m: result[f][m][:, window].mean(1) for m in methods} for f in result}
        rows = []
        for label, names in [(f, [f]) for f in result] + [("**held-out mean**", held)]:
            means = [f"{np.mean([score[f][m].mean() for f in names]):.3f}" for m in methods]
            intervals = []
            for other in (m for m in methods if m != model):
                mean, low, high = paired_interval([score[f][model] - score[f][other] for f in names])
                intervals.append(f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]")
            rows.append([label, *means, *intervals])
        header = ["family", *methods, *(f"{model} - {m}" for m in methods if m != model)]
        print_table(
            f"Rollout CRPS, horizons {title} (standard deviations of the context; lower is better)",
            header,
            rows,
        )


def gate(result, model, shipped, allowed=0.0):
    """True if the model's mean held-out log density is at most so many nats below the shipped one's."""
    held = [f for f in result if f != NOT_HELD_OUT]
    mean, low, high = paired_interval([result[f][model]["nats"] - result[f][shipped]["nats"] for f in held])
    verdict = "pass" if mean >= -allowed else "FAIL"
    print(f"\nRelease gate on the held-out families: {model} - {shipped} = {mean:+.4f} nats", end=" ")
    print(f"[{low:+.4f}, {high:+.4f}], at least {-allowed:+.2f} asked: {verdict}")
    return mean >= -allowed


def plain(value):
    """Numbers for JSON."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return np.round(np.asarray(value, float), 5).tolist()


def readers_of(folder, name, device):
    """A folder's model as a reader of digits and, if it reads hints, of both."""
    readers = {name: Reader(folder, device)}
    if os.path.exists(f"{folder}/reading.safetensors"):
        readers[name + WITH_HINTS] = HintedReader(folder)
    return readers


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    readers = readers_of(arguments.model, "model", arguments.device)
    if arguments.against:
        readers |= readers_of(arguments.against, "shipped", arguments.device)
    series = families(arguments.heldout, arguments.series)
    steps = one_step(series, readers, arguments.cache)
    print_one_step(steps, "model")
    numbers = {"one_step": plain(steps)}
    if arguments.paths:
        simulators = {name: reader for name, reader in readers.items() if isinstance(reader, Reader)}
        runs = rollouts(series, simulators, arguments.paths, arguments.cache)
        print_rollouts(runs, "model")
        numbers["rollouts"] = plain({f: {m: r.mean(0) for m, r in of.items()} for f, of in runs.items()})
    if arguments.llama2:
        for name in (name for name in readers if name.startswith("model")):
            print(f"\n{name}:")
            compare_with_llama2(readers[name], arguments.llama2)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(numbers, file)
    if arguments.program and not compare_with_program(
        readers["model"], arguments.model, arguments.program, series
    ):
        sys.exit("the program's log scores are others")
    if arguments.against and not all(
        [gate(steps, name, like(name, readers), allowed(name, readers)) for name in readers if name.startswith("model")]
    ):
        sys.exit(1)


def like(name, readers):
    """The name of the shipped model's reading to compare a reading of the model with."""
    same = name.replace("model", "shipped")
    return same if same in readers else "shipped"


def allowed(name, readers):
    """Only a first model that reads hints may lose anything on series alone."""
    first = "model" + WITH_HINTS in readers and "shipped" + WITH_HINTS not in readers
    return LOSS_FOR_CHANNELS if first else 0.0


if __name__ == "__main__":
    main()
