"""The joint distribution of a row's channels, one step ahead: python joint_scores.py MODEL [--json FILE]

Channels drawn independently of each other, by a Gaussian copula of the PIT values so far, and in order, each channel
ranked by what the channels before it leave over; all have the same draws of each channel. Energy and variogram score of the rows in standard
deviations of the context, as log ratios to independent draws, and the copula's log density; means of windows, intervals
by resampling them within recordings.
"""

import argparse
import json

import numpy as np
import torch

from hints.reading import axis_positions, scaled_actions
from joint import DRAWS, FIRST_PIT, Copula, coupled, energy_score, in_order, variogram_score
from model_reading import ModelReading
from recordings import WINDOWS, recordings
from scores import paired_interval


def window_scores(draws, pit, truth, starts, context, size, rng):
    """Log ratios to independent draws {(arm, score): mean over rows}, and the copula's nats a row."""
    sums, rows = {}, 0
    counted = np.where(starts[:, None], np.nan, pit)
    for t in range(context, len(pit)):
        if starts[t]:
            continue
        copula = Copula(counted[FIRST_PIT:t])
        arms = dict(
            independent=draws[t],
            copula=coupled(draws[t], copula.levels(rng, draws.shape[-1])),
            order=in_order(draws[t], draws[FIRST_PIT:t], truth[FIRST_PIT:t], ~starts[FIRST_PIT:t]),
        )
        scores = {}
        for name, x in arms.items():
            members, seen = (x / size[:, None]).T[:, None], (truth[t] / size)[None]
            scores[name] = energy_score(members, seen)[0], variogram_score(members, seen)[0]
        for name in ("copula", "order"):
            for k, score in enumerate(("energy", "variogram")):
                ratio = np.log(scores[name][k] + 1e-12) - np.log(scores["independent"][k] + 1e-12)
                sums[name, score] = sums.get((name, score), 0) + ratio
        sums["copula", "nats"] = sums.get(("copula", "nats"), 0) + copula.log_density(pit[t])
        rows += 1
    return {key: total / max(rows, 1) for key, total in sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", help="part of a recording's name")
    parser.add_argument("--json", help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    reading, results = ModelReading.of(arguments.model), {}
    for recording in recordings([name for name in WINDOWS if not arguments.only or arguments.only in name]):
        first = np.full(len(recording.values), recording.context)
        none = np.zeros(recording.values.shape, bool)
        positions, moves = axis_positions(recording.values, first, none, none[:, 0])
        rng, each = np.random.default_rng(1), []
        acts = scaled_actions(recording.actions, first)
        for w in range(len(positions)):
            of = (part[w : w + 1] for part in (positions, acts, recording.starts))
            draws, pit = reading.one_step_draws(*of, DRAWS, rng)
            x, size = positions[w][:, moves[w]], positions[w, : recording.context].std(0)[moves[w]] + 1e-9
            draws, pit = draws[0][:, moves[w]], pit[0][:, moves[w]]
            scored = ~recording.starts[w, recording.context :]
            if x.shape[1] > 1 and scored.any():
                each.append(window_scores(draws, pit, x, recording.starts[w], recording.context, size, rng))
        if not each:
            continue
        results[recording.name] = {f"{arm} {score}": [s[arm, score] for s in each] for arm, score in each[0]}
        print(recording.name, {k: f"{np.mean(v):+.4f}" for k, v in results[recording.name].items()}, flush=True)
    print("\n| arm, score | mean | interval |\n|---|---|---|")
    for key in next(iter(results.values())):
        mean, low, high = paired_interval([of[key] for of in results.values()])
        print(f"| {key} | {mean:+.4f} | [{low:+.4f}, {high:+.4f}] |")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()
