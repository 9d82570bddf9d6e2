"""Ablations of reading hints: the bundled model trained for a while in every arm, on the same data.

  python ablate_residual.py                # all arms, about five minutes each on one core; resumes
  python ablate_residual.py --table        # the table of those done

Scores are those of recording_scores.py (one step, nats, also within bins of 0.01) and, of series without hints, of the
validation set. Results go to runs/ablation/residual-ARM.json.
"""

import argparse
import copy
import json
import os
import time

import numpy as np
import torch

from config import read_config
from hints.reading import axis_positions, scaled_actions
from model_reading import ModelReading
from recording_scores import LEAST, floored, series_means
from recordings import recordings
from residual_run import ResidualRun, residual_loss
from scores import paired_interval
from set_of_experts import SetReading, SetRun
from train import HERE
from validation import ValidationSet
from warm_start import loaded, start_from

FOLDER, VALUES, LENGTHS = f"{HERE}/runs/ablation", 1_200_000, [256]
ARMS = {
    "base": {},
    "values in the digits' tables": {"arm": "values"},
    "one slot": {"arm": "one slot"},
    "residual axis alone": {"arm": "axis"},
    "digits out alone": {"arm": "digits"},
    "gate without Bayesian weights": {"arm": "plain gate"},
    "undisturbed hints": {"disturbed": False},
    "no teacher": {"teacher": False},
    "set of experts": {"set": True},
}


def configured(settings):
    config = copy.deepcopy(read_config(f"{HERE}/residual.toml", tokens=VALUES))
    config.data |= dict(lengths=LENGTHS, shares_at_start=[1.0], shares_at_end=[1.0], round_values=300_000, round_rows=2048)
    config.optimizer["muon_rate"] = 0.002  # short: the steps are few
    config.data |= settings
    return config


def scored(model, reader=ModelReading):
    """Means over windows {recording: [nats, within bins]}."""
    reading, out = reader(model), {}
    for recording in recordings():
        first = np.full(len(recording.values), recording.context)
        none = np.zeros(recording.values.shape, bool)
        positions, moves = axis_positions(recording.values, first, none, none[:, 0])
        density, mass = reading.one_step(positions, scaled_actions(recording.actions, first), recording.starts)
        counts = (positions >= 0) & (positions < 10) & moves[:, None] & ~recording.starts[..., None]
        counts[:, : recording.context] = False
        binned = np.log((1 - 1e-4) * 100 * mass + LEAST)
        out[recording.name] = [series_means(z, counts).tolist() for z in (floored(density), binned)]
    return out


def run_arm(name, settings):
    settings = dict(settings)
    teacher = loaded(f"{HERE}/../builtin").requires_grad_(False) if settings.pop("teacher", True) else None
    kind, reader = (SetRun, SetReading) if settings.pop("set", False) else (ResidualRun, ModelReading)
    run, begun = kind(configured(settings), "cpu"), time.process_time()
    start_from(run.model.digits, f"{HERE}/../builtin")
    run.reset_average()
    loss_of = residual_loss(run.model, run.config.objective, True, teacher)
    while run.tokens < VALUES:
        run.step(loss_of)
    model = run.average.eval()
    series = ValidationSet(80, 1024, "cpu").score(model.digits)["nats"]
    return dict(recordings=scored(model, reader), series=series, seconds=round(time.process_time() - begun))


def table():
    done = {}
    for name in ARMS:
        path = f"{FOLDER}/residual-{name.replace(' ', '_').replace(chr(39), '')}.json"
        if os.path.exists(path):
            with open(path) as file:
                done[name] = json.load(file)
    of = lambda name, k: [np.array(v[k]) for v in done[name]["recordings"].values()]
    print("| arm | density | arm - base | within bins | arm - base | series without hints | CPU s |\n|---|---|---|---|---|---|---|")
    for name, result in done.items():
        cells = []
        for k in (0, 1):
            cells.append(f"{np.mean([v.mean() for v in of(name, k)]):+.3f}")
            pair = paired_interval([a - b for a, b in zip(of(name, k), of("base", k))])
            cells.append("" if name == "base" else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*pair))
        print(f"| {name} | " + " | ".join(cells) + f" | {result['series']:+.3f} | {result['seconds']} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--arm", choices=ARMS, help="this one only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    os.makedirs(FOLDER, exist_ok=True)
    for name, settings in ARMS.items():
        path = f"{FOLDER}/residual-{name.replace(' ', '_').replace(chr(39), '')}.json"
        if arguments.table or os.path.exists(path) or arguments.arm not in (None, name):
            continue
        result = run_arm(name, settings)
        with open(path, "w") as file:
            json.dump(result, file)
        print(name, result["seconds"], flush=True)
    table()


if __name__ == "__main__":
    main()
