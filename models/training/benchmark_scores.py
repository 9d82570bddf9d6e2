"""M4 hourly and chaotic flows (shared/series-benchmarks): python benchmark_scores.py MODEL ... [--only m4|flows]

MODEL: an exported folder, or a checkpoint of a run (its averaged weights). WQL: twice the pinball loss over nine levels, summed over all
values, over the sum of |y|. MASE: mean absolute error of the median over that of the seasonal naive forecast inside
the training part. Flows: context 512, horizon 128, medians over the 20.
"""

import argparse
import csv
import os

import numpy as np
import torch

from hints.reading import axis_positions
from model_reading import ModelReading

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "series-benchmarks")
LEVELS = np.arange(1, 10) / 10
SEASON, AHEAD, LONGEST = 24, 48, 960  # of the hourly series; rows of context at most
CONTEXT, HORIZON = 512, 128  # of the flows


def hourly(part):
    with open(f"{FOLDER}/Hourly-{part}.csv") as file:
        return {row[0]: np.array([float(x) for x in row[1:] if x]) for row in list(csv.reader(file))[1:]}


def pinball(y, quantiles):
    error = y[..., None] - quantiles
    return 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error)


def quantiles_after(model, contexts, horizon, paths, seed=0):
    """Quantiles [windows, horizon, channels, 9] after contexts [windows, rows, channels], in their units."""
    n, rows, channels = contexts.shape
    none = np.zeros(contexts.shape, bool)
    positions, _ = axis_positions(contexts, np.full(n, rows), none, none[:, 0])
    starts = np.zeros((n, rows), bool)
    starts[:, 0] = True
    nothing = np.zeros((n, rows, 0)), np.zeros((n, horizon, 0))
    drawn = model.paths(positions, nothing[0], starts, nothing[1], paths, seed)
    low, high = contexts.min(1)[:, None, None], contexts.max(1)[:, None, None]
    values = low + (drawn - 1.5) / 7 * (high - low)
    return np.moveaxis(np.quantile(values, LEVELS, axis=1), 0, -1)


def m4(model, paths, most):
    train, test = hourly("train"), hourly("test")
    groups = {}
    for name in list(train)[:most]:
        groups.setdefault(min(LONGEST, len(train[name])), []).append(name)
    loss = size = inside = count = 0.0
    scaled = []
    for rows, names in groups.items():
        for i in range(0, len(names), 6):
            part = names[i : i + 6]
            q = quantiles_after(model, np.stack([train[n][-rows:] for n in part])[..., None], AHEAD, paths)[:, :, 0]
            for name, quantiles in zip(part, q):
                y, x = test[name], train[name]
                loss, size = loss + pinball(y, quantiles).mean(-1).sum(), size + np.abs(y).sum()
                scaled.append(np.abs(y - quantiles[:, 4]).mean() / np.abs(x[SEASON:] - x[:-SEASON]).mean())
                inside, count = inside + ((quantiles[:, 0] <= y) & (y <= quantiles[:, 8])).sum(), count + len(y)
    print(f"{len(scaled)} series: WQL {loss / size:.4f}  MASE {np.mean(scaled):.3f}  in 80 % {inside / count:.3f}", flush=True)


def flows(model, paths):
    rows = []
    for x in np.load(f"{FOLDER}/dysts_dev.npz").values():
        context, y = x[:CONTEXT], x[CONTEXT : CONTEXT + HORIZON]
        q = quantiles_after(model, context[None], HORIZON, paths)[0]
        crps = (pinball(y, q).mean(-1) / context.std(0)).mean()
        point = q[..., 4]
        smape = [200 * np.mean(np.abs(y[:h] - point[:h]) / (np.abs(y[:h]) + np.abs(point[:h]) + 1e-12)) for h in (64, 128)]
        rows.append([crps, ((q[..., 0] <= y) & (y <= q[..., 8])).mean(), *smape])
    print("{} flows: CRPS/std {:.3f}  in 80 % {:.3f}  sMAPE@64 {:.1f}  sMAPE@128 {:.1f}".format(len(rows), *np.median(rows, 0)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="folders or checkpoints")
    parser.add_argument("--only", choices=("m4", "flows"))
    parser.add_argument("--paths", type=int, default=50)
    parser.add_argument("--series", type=int, default=414, help="first series of M4")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    for path in arguments.models:
        model = ModelReading.of(path)
        print(path)
        if arguments.only != "flows":
            m4(model, arguments.paths, arguments.series)
        if arguments.only != "m4":
            flows(model, arguments.paths)


if __name__ == "__main__":
    main()
