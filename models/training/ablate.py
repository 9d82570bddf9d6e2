"""Ablations: a small model from scratch for every arm, the same data and seeds, paired on the validation set.

  python ablate.py                # all arms and seeds, about an hour on one core; resumes
  python ablate.py --table        # the table of those done

An arm is the base configuration (ablation.toml) with some settings replaced. Results go to
runs/ablation/ARM-SEED.json.
"""

import argparse
import copy
import json
import os
import tempfile
import time

import numpy as np
import torch

from config import read_config
from export import export
from objective import compiled_loss
from reader import Reader
from scores import paired_interval, sample_crps
from train import HERE, Run
from validation import ValidationSet

FOLDER = f"{HERE}/runs/ablation"
ARMS = {
    "base": {},
    "free value tables": {"model": {"waves": 0}},
    "AdamW for the matrices": {"optimizer": {"muon_rate": 0.0}},
    "decay from the start": {"budget": {"decay": 0.98}},
    "no decay": {"budget": {"decay": 0.001}},
    "last weights instead of their average": {"optimizer": {"average": 0.0}},
    "scaled by the whole window": {"data": {"whole_range": 1.0, "inside": 1.0}},
    "values that set the scale count fully": {"data": {"inside": 1.0}},
    "CRPS beside the cross-entropy": {"objective": {"crps": 1.0}},
    "20 % own draws": {"objective": {"own_draws": 0.2}},
}
CONTEXT, HORIZON, FORECASTS, PATHS = 200, 40, 60, 20


def configured(arm, seed):
    config = copy.deepcopy(read_config(f"{HERE}/ablation.toml"))
    config.seed = seed
    for section, settings in ARMS[arm].items():
        getattr(config, section).update(settings)
    return config


def rollout_crps(model, validation):
    """CRPS [forecasts, horizon] in standard deviations of the context, on series that stay on the axis."""
    whole = validation.valid[:, : CONTEXT + HORIZON].all(1)
    ids = validation.ids[whole][:FORECASTS, : CONTEXT + HORIZON].numpy()
    with tempfile.TemporaryDirectory() as folder:
        export(model, folder)
        paths = Reader(folder).paths(ids[:, :CONTEXT], HORIZON, PATHS)
    return sample_crps(paths, ids[:, CONTEXT:]) / ids[:, :CONTEXT].std(1, keepdims=True)


def run_arm(arm, seed, validation, path):
    config = configured(arm, seed)
    run, begun = Run(config, "cpu"), time.process_time()
    loss_of = compiled_loss(run.model, config.objective, True)
    while run.tokens < config.budget["tokens"]:
        run.step(loss_of)
    seconds = time.process_time() - begun
    logs, counted = validation.log_densities(run.average)[:, 20:], validation.valid[:, 20:]
    rollouts = rollout_crps(run.average, validation)
    result = dict(
        seconds=seconds,
        nats=(logs.sum(1) / counted.sum(1).clamp_min(1)).tolist(),
        near=rollouts[:, :20].mean(1).tolist(),
        far=rollouts[:, 20:].mean(1).tolist(),
    )
    with open(path + ".new", "w") as file:
        json.dump(result, file)
    os.replace(path + ".new", path)


def path_of(arm, seed):
    return f"{FOLDER}/{arm.replace(' ', '-')}-{seed}.json"


def print_table(seeds):
    results = {}
    for arm in ARMS:
        paths = [path_of(arm, seed) for seed in seeds]
        if all(os.path.exists(p) for p in paths):
            results[arm] = [json.load(open(p)) for p in paths]
    print("| arm | log density | arm - base | rollout CRPS 1-20 | 21-40 | arm - base | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for arm, runs in results.items():
        mean = {key: np.mean([run[key] for run in runs]) for key in ("nats", "near", "far", "seconds")}
        cells = []
        for key in ("nats", "far"):
            pairs = zip(runs, results["base"])
            difference = np.mean([np.subtract(run[key], base[key]) for run, base in pairs], 0)
            cells.append("" if arm == "base" else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*paired_interval([difference])))
        print(
            f"| {arm} | {mean['nats']:+.3f} | {cells[0]} | {mean['near']:.3f} | {mean['far']:.3f} "
            f"| {cells[1]} | {mean['seconds']:.0f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the table of the finished arms only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(FOLDER, exist_ok=True)
    seeds = range(1, arguments.seeds + 1)
    if not arguments.table:
        base = configured("base", 1)
        validation = ValidationSet(base.validation["series"], max(base.data["lengths"]), "cpu")
        for seed in seeds:
            for arm in ARMS:
                if not os.path.exists(path_of(arm, seed)):
                    run_arm(arm, seed, validation, path_of(arm, seed))
    print_table(seeds)


if __name__ == "__main__":
    main()
