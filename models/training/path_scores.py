"""Paths on the control recordings, the recorded actions given: python path_scores.py MODEL ... [--paths 60] [--windows 10]

MODEL: an exported folder, or a checkpoint of a run (its averaged weights), NAME=FILE; also with its channels drawn
independently. Beside it the experts by themselves, "scales" and the digit reading of the bundled model. CRPS in standard deviations of the context,
share of values in 90 % intervals, energy and variogram score of the rows. A path ends where its episode does.
"""

import argparse
import json
import os

import numpy as np
import torch

from hints.reading import axis_positions, scaled_actions
from joint import energy_score, variogram_score
from model_reading import ModelReading
from recordings import WINDOWS, recordings
from samplers import SAMPLERS, Samplers
from scores import paired_interval, sample_crps
from warm_start import loaded

HERE = os.path.dirname(os.path.abspath(__file__))
HORIZON, LEAST_ROWS = 20, 5


def origin(starts, context):
    """The first row from the context's end on that at least some rows of its episode follow, and the end of it."""
    begins = np.flatnonzero(starts)
    for t in range(context, len(starts)):
        later = begins[begins >= t]
        end = min(int(later[0]) if len(later) else len(starts), t + HORIZON)
        if end - t >= LEAST_ROWS and not starts[t]:
            return t, end
    return None


def scored(paths, truth, size):
    low, high = np.quantile(paths, [0.05, 0.95], axis=0)
    members = np.moveaxis(paths, 2, 0)  # [channels, members, steps]
    crps = sample_crps(members, truth.T) / size[:, None]
    scaled, seen = paths / size, truth / size
    return dict(
        crps=crps.mean(),
        coverage=((truth >= low) & (truth <= high)).mean(),
        energy=energy_score(scaled, seen).mean(),
        variogram=variogram_score(scaled, seen).mean(),
    )


def window_scores(recording, w, positions, acts, models, bundled, count):
    found = origin(recording.starts[w], recording.context)
    if not found:
        return None
    t, end = found
    x, u, starts = positions[w, :t], acts[w, :t], recording.starts[w, :t]
    truth, future, size = positions[w, t:end], acts[w, t:end], positions[w, : recording.context].std(0) + 1e-9
    samplers = Samplers(bundled, x, u, starts, end - t)
    out = {}
    for name in SAMPLERS:
        out[name] = scored(samplers.paths(name, future, count, np.random.default_rng(w)), truth, size)
    for name, reading in models.items():
        start = reading.read(x[None], u[None], starts[None], horizon=end - t)
        for arm in ("", "+independent"):
            paths = reading.paths_after(start, future[None], count, np.random.default_rng(w), coupled=not arm)
            out[name + arm] = scored(paths[0], truth, size)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="folders or checkpoints: NAME=FILE")
    parser.add_argument("--only", help="part of a recording's name")
    parser.add_argument("--paths", type=int, default=60)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--json", help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    models = {}
    for model in arguments.models:
        name, _, path = model.rpartition("=")
        models[name or os.path.basename(os.path.dirname(path))] = ModelReading.of(path, arguments.last)
    bundled, results = loaded(f"{HERE}/../builtin"), {}
    for recording in recordings([name for name in WINDOWS if not arguments.only or arguments.only in name]):
        first = np.full(len(recording.values), recording.context)
        none = np.zeros(recording.values.shape, bool)
        positions, _ = axis_positions(recording.values, first, none, none[:, 0])
        acts = scaled_actions(recording.actions, first)
        most = arguments.windows if positions.shape[2] < 12 else max(1, arguments.windows // 2)
        each = [window_scores(recording, w, positions, acts, models, bundled, arguments.paths) for w in range(min(most, len(positions)))]
        each = [scores for scores in each if scores]
        results[recording.name] = {m: {k: [s[m][k] for s in each] for k in s0} for m, s0 in each[0].items()}
        of = results[recording.name]
        print(f"{recording.name} ({len(each)})", {m: f"{np.mean(s['crps']):.4f} {np.mean(s['coverage']):.2f}" for m, s in of.items()}, flush=True)
    methods = list(next(iter(results.values())))
    print("\nCRPS in standard deviations of the context, share in 90 % intervals")
    print("\n| recording | " + " | ".join(methods) + " |\n|---" + "|---" * len(methods) + "|")
    for name, of in results.items():
        print(f"| {name} | " + " | ".join(f"{np.mean(of[m]['crps']):.4f} ({100 * np.mean(of[m]['coverage']):.0f})" for m in methods) + " |")
    for name in models:
        best = {r: min(np.mean(of[m]["crps"]) for m in SAMPLERS) for r, of in results.items()}
        for arm in (name, name + "+independent"):
            at = sum(np.mean(of[arm]["crps"]) <= 1.02 * best[r] for r, of in results.items())
            good = sum(0.86 <= np.mean(of[arm]["coverage"]) <= 0.94 for of in results.values())
            print(f"{arm}: at most 1.02 x the best of the others on {at} of {len(results)}, coverage 86-94 % on {good}")
        for key in ("energy", "variogram"):
            logs = lambda of, arm: np.log(np.array(of[arm][key]) + 1e-12)
            ratio = [logs(of, name) - logs(of, name + "+independent") for of in results.values()]
            print("  {} score, log ratio to independent draws {:+.3f} [{:+.3f}, {:+.3f}]".format(key, *paired_interval(ratio)))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()
