"""One-step log densities on the control recordings: python recording_scores.py MODEL ... [--json FILE]

MODEL: an exported folder, or a checkpoint of a run (its averaged weights). Beside it stand the online experts by themselves, normals at nine
widths around all of them without training ("scales"), the same with the digits of the bundled model, and those alone.
Two columns a method: the density of the value in axis units, and that of its bin of 0.01 (4.605 at most), the fair
one on systems without noise. Differences are paired; intervals by resampling windows within recordings.
"""

import argparse
import json
import math
import os

import numpy as np
import torch
from scipy.stats import t as student

from hints import Experts
from hints.reading import axis_positions, scaled_actions
from mixing import ScalesMixture, normal_log, normal_mass
from model_reading import ModelReading
from recordings import WINDOWS, recordings
from residual import NATS_OFFSET
from scores import paired_interval
from warm_start import loaded

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("linear", "quadratic", "smoothing", "seasonal", "analogue")
LEAST = 1e-5  # density that is mixed in, so that no outcome is impossible


def bins_of(position):
    low = np.floor(100 * position) / 100
    return low, low + 0.01


def floored(density):
    return np.log((1 - 1e-4) * np.exp(np.minimum(density, 80)) + LEAST)


def untrained(recording, positions, acts, digits):
    """Log densities {method: [windows, rows, channels, 2]} of the experts and their mixtures; `digits` are the
    log probabilities [windows, rows, channels, 1000] of the bundled model.
    """
    n, rows, channels = positions.shape
    experts = Experts(n, channels, acts.shape[2], rows)
    scales, both = (ScalesMixture(n, channels, len(NAMES), more) for more in (False, True))
    next_begins = np.concatenate([recording.starts[:, 1:], np.zeros((n, 1), bool)], 1)
    seen = np.ones((n, channels), bool)
    out = {name: np.zeros((*positions.shape, 2)) for name in (*NAMES, "scales", "scales+digits")}
    for t in range(rows):
        experts.predict()
        laws, x = experts.laws, positions[:, t] - 5
        low, high = (edge - 5 for edge in bins_of(positions[:, t]))
        for e, name in enumerate(NAMES):
            law = student(laws.freedom[:, e], laws.location[:, e], laws.scale[:, e])
            mass = law.cdf(high) - law.cdf(low)
            known = laws.known[:, e]
            out[name][:, t, :, 0] = np.where(known, floored(law.logpdf(x)), math.log(LEAST))
            out[name][:, t, :, 1] = np.log(np.where(known, (1 - 1e-4) * 100 * mass, 0) + LEAST)
        centre, deviation, known = scales.normals(laws)
        logs = normal_log(x[..., None], centre, deviation)
        mass = normal_mass(low[..., None], high[..., None], centre, deviation)
        counts = (experts.past.age >= 1)[:, None] & seen
        bin_ids = np.clip(np.floor(100 * positions[:, t]), 0, 999).astype(int)
        on = (positions[:, t] >= 0) & (positions[:, t] < 10)
        digit = np.take_along_axis(digits[:, t], bin_ids[..., None], -1) + NATS_OFFSET
        digit = np.where(on[..., None], digit, math.log(LEAST))
        more_logs, more_known = np.concatenate([logs, digit], -1), np.concatenate([known, np.ones_like(known[..., :1])], -1)
        more_mass = np.concatenate([mass, np.exp(digit) / 100], -1)
        for name, mixture, l, m, k in (("scales", scales, logs, mass, known), ("scales+digits", both, more_logs, more_mass, more_known)):
            if k.any(-1).all():
                weights = mixture.current(k)
                total = np.where(k, weights + l, -np.inf)
                top = total.max(-1, keepdims=True)
                density = np.log(np.exp(total - top).sum(-1)) + top[..., 0]
                out[name][:, t, :, 0] = floored(density)
                out[name][:, t, :, 1] = np.log((1 - 1e-4) * 100 * (np.exp(weights) * np.where(k, m, 0)).sum(-1) + LEAST)
                mixture.learn(l, k, counts & (experts.past.age >= 1)[:, None])
        experts.learn(x, acts[:, t], next_begins[:, t], seen)
    return out


@torch.no_grad()
def digits_of(model, positions):
    """Log probabilities [windows, rows, channels, 1000] of the digit reading of each channel by itself."""
    n, rows, channels = positions.shape
    bins = np.clip(np.floor(100 * positions), 0, 999).astype(np.int64).transpose(0, 2, 1).reshape(-1, rows)
    ids = torch.cat([torch.full((len(bins), 1), 1000), torch.from_numpy(bins[:, :-1])], 1)
    logs = torch.cat([model(part)[..., :1000].log_softmax(-1) for part in ids.split(20)])
    return logs.view(n, channels, rows, -1).transpose(1, 2).numpy()


def scored(recording, models, bundled):
    """{method: [windows, rows, channels, 2]} and which values count."""
    first = np.full(len(recording.values), recording.context)
    none, levels = np.zeros(recording.values.shape, bool), np.zeros(recording.values.shape[::2], bool)
    positions, moves = axis_positions(recording.values, first, none, levels)
    acts = scaled_actions(recording.actions, first)
    digits = digits_of(bundled, positions)
    out = untrained(recording, positions, acts, digits)
    bin_ids = np.clip(np.floor(100 * positions), 0, 999).astype(int)
    alone = np.take_along_axis(digits, bin_ids[..., None], -1)[..., 0] + NATS_OFFSET
    out["bundled"] = np.log((1 - 1e-4) * np.exp(np.stack([alone, alone], -1)) + LEAST)
    for name, model in models.items():
        density, mass = model.one_step(positions, acts, recording.starts)
        out[name] = np.stack([floored(density), np.log((1 - 1e-4) * 100 * mass + LEAST)], -1)
    counts = (positions >= 0) & (positions < 10) & moves[:, None] & ~recording.starts[..., None]
    counts[:, : recording.context] = False
    return out, counts


def series_means(values, counts):
    """Means [windows] over the values that count; windows without one are left out."""
    n = counts.sum((1, 2))
    return ((values * counts).sum((1, 2)) / np.maximum(n, 1))[n > 0]


def table(results, column, methods, others):
    print("\n| recording | " + " | ".join(methods) + " |\n|---" + "|---" * len(methods) + "|")
    for name, of in results.items():
        print(f"| {name} ({len(of[methods[0]][column])}) | " + " | ".join(f"{of[m][column].mean():+.3f}" for m in methods) + " |")
    means = {m: np.mean([of[m][column].mean() for of in results.values()]) for m in methods}
    print("| mean | " + " | ".join(f"{means[m]:+.3f}" for m in methods) + " |")
    for other in others:
        cells = []
        for m in methods:
            each = [paired_interval([of[m][column] - of[other][column]]) for of in results.values()]
            mean, low, high = paired_interval([of[m][column] - of[other][column] for of in results.values()])
            above, below = sum(low > 0 for _, low, _ in each), sum(high < 0 for _, _, high in each)
            cells.append(f"{mean:+.3f} [{low:+.3f}, {high:+.3f}] {above}/{below}")
        print(f"| diff vs {other}, recordings above/below | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="folders or checkpoints: NAME=FILE or FILE")
    parser.add_argument("--only", help="part of a recording's name")
    parser.add_argument("--last", action="store_true", help="last weights instead of their average")
    parser.add_argument("--json", help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = {}
    for model in arguments.models:
        name, _, path = model.rpartition("=")
        models[name or os.path.basename(os.path.dirname(path))] = ModelReading.of(path, arguments.last)
    bundled = loaded(f"{HERE}/../builtin")
    results = {}
    for recording in recordings([name for name in WINDOWS if not arguments.only or arguments.only in name]):
        out, counts = scored(recording, models, bundled)
        results[recording.name] = {m: [series_means(v[..., k], counts) for k in (0, 1)] for m, v in out.items()}
        print(recording.name, {m: round(float(v[0].mean()), 3) for m, v in results[recording.name].items()}, flush=True)
    methods = ["bundled", *NAMES[:2], "scales", "scales+digits", *models]
    for column, title in ((0, "density of the value"), (1, "its bin of 0.01")):
        print(f"\nNats, {title}; windows in brackets")
        table(results, column, methods, ("linear", "scales+digits"))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({r: {m: [c.tolist() for c in v] for m, v in of.items()} for r, of in results.items()}, file)


if __name__ == "__main__":
    main()
