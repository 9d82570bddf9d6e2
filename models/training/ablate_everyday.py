"""What the everyday families are worth on recorded series: python ablate_everyday.py [--table]

A small model from scratch for every arm (ablation.toml), trained without one group of the everyday families, without all, or with twice
their share. Scored: log density of the values after the 200 that set the scale, of windows of 512 hours of 60 of M4's series and of ETTh1's
channels (shared/series-benchmarks), and of fresh series of the families that are no everyday ones. Differences are paired by series.
Results go to runs/everyday/ARM-SEED.json, and what is there is not run again.
"""

import argparse
import copy
import csv
import json
import os
import random
import time

import numpy as np
import torch

from config import read_config
from encoding import axis_ids, prefix_range
from families import EVERYDAY, FAMILIES
from objective import compiled_loss
from scores import paired_interval
from series import series_round
from train import HERE, Run
from validation import ValidationSet

FOLDER = f"{HERE}/runs/everyday"
SERIES = f"{HERE}/../../../shared/series-benchmarks"
VALUES, SCALED_ON, M4_SERIES, ETT_WINDOWS = 512, 200, 60, 8
SEED = 20_261_201


def group(module):
    return [name for name in EVERYDAY if FAMILIES[name].generate.__module__.endswith(module)]


def times(factor, names):
    return {name: factor * FAMILIES[name].share for name in names}


ARMS = {
    "base": {},
    "no everyday families": times(0, EVERYDAY),
    "twice as many": times(2, EVERYDAY),
    "without calendar": times(0, group("calendar")),
    "without events": times(0, group("events")),
    "without models": times(0, group("models")),
    "without seasons": times(0, group("seasons")),
}


def hourly():
    """The last values of some of M4's hourly series, `[60, 512]`."""
    with open(f"{SERIES}/Hourly-train.csv") as file:
        rows = [[float(x) for x in row[1:] if x] for row in list(csv.reader(file))[1:]]
    rows = [row[-VALUES:] for row in rows if len(row) >= VALUES]
    return np.array(random.Random(SEED).sample(rows, M4_SERIES))


def transformer():
    """Windows of the channels of ETTh1, `[56, 512]`."""
    values = np.loadtxt(f"{SERIES}/ETTh1.csv", delimiter=",", skiprows=1, usecols=range(1, 8))
    starts = np.linspace(0, len(values) - VALUES, ETT_WINDOWS).astype(int)
    return np.concatenate([values[s : s + VALUES].T for s in starts])


class Recorded(ValidationSet):
    """The same of recorded series `[series, values]`."""

    def __init__(self, values):
        y = torch.from_numpy(np.asarray(values, np.float32))
        self.ids, self.valid = axis_ids(y, *prefix_range(y, torch.full((len(y),), SCALED_ON)))
        self.valid[:, :SCALED_ON] = False


def sets():
    others = [name for name in FAMILIES if name not in EVERYDAY]
    fresh = series_round(SEED, 1024, VALUES, others)[:120].numpy()
    return {"m4": Recorded(hourly()), "etth1": Recorded(transformer()), "others": Recorded(fresh)}


def run_arm(arm, seed, tokens, validation, path):
    config = copy.deepcopy(read_config(f"{HERE}/ablation.toml"))
    config.seed = seed
    config.budget["tokens"] = tokens
    config.data["shares"] = ARMS[arm]
    run, begun = Run(config, "cpu"), time.process_time()
    loss_of = compiled_loss(run.model, config.objective, True)
    while run.tokens < tokens:
        run.step(loss_of)
    result = {"seconds": time.process_time() - begun}
    for name, recorded in validation.items():
        logs, counted = recorded.log_densities(run.average), recorded.valid.sum(1)
        result[name] = (logs.sum(1) / counted.clamp_min(1))[counted > 0].tolist()
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
    names = ("m4", "etth1", "others")
    print("| arm | M4 hourly | arm - base | ETTh1 | arm - base | other families | arm - base | CPU s |")
    print("|---" * 8 + "|")
    for arm, runs in results.items():
        cells = []
        for name in names:
            cells.append("{:+.3f}".format(np.mean([run[name] for run in runs])))
            pairs = zip(runs, results["base"])
            difference = np.mean([np.subtract(run[name], base[name]) for run, base in pairs], 0)
            cells.append("" if arm == "base" else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*paired_interval([difference])))
        print(f"| {arm} | {' | '.join(cells)} | {np.mean([run['seconds'] for run in runs]):.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--table", action="store_true", help="print the table of the finished arms only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(FOLDER, exist_ok=True)
    seeds = range(1, arguments.seeds + 1)
    if not arguments.table:
        validation = sets()
        for seed in seeds:
            for arm in ARMS:
                if not os.path.exists(path_of(arm, seed)):
                    run_arm(arm, seed, arguments.tokens, validation, path_of(arm, seed))
    print_table(seeds)


if __name__ == "__main__":
    main()
