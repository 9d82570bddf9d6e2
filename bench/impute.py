"""Filled values beside interpolation, into docs/missing-values.md: python bench/impute.py [--only random blocks rows]

Of the control recordings (states of the first episodes, 1000 rows at most, episodes of at least 40), of the first 3000 rows of
ETTh1 and of ten M4 hourly series, 10, 20 and 30 % of the values are removed: at random, in blocks of ten rows of one channel, and
in blocks of ten rows of all channels. `statecast impute` sees the actions; nothing was removed from them.

CRPS is the mean pinball loss (twice) of 19 quantiles over the standard deviation of the channel. Linear interpolation and the
last value have the quantiles of their own errors at values that another draw of the same pattern removes from the same channel.
Means, and geometric means of ratios, are over recordings, with 95 % bootstrap intervals.
"""

import argparse
import csv
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
LEVELS = np.arange(1, 20) / 20
ROWS, MIN_ROWS, BLOCK = 1000, 40, 10


def control(path):
    """Episodes of a control recording: states and actions of each."""
    with open(path) as file:
        names = next(csv.reader(file))
    values = np.genfromtxt(path, delimiter=",", skip_header=1)
    of = [names.index("episode")]
    states = [i for i, name in enumerate(names) if name.startswith("obs")]
    actions = [i for i, name in enumerate(names) if name.startswith("act")]
    episodes, rows = [], 0
    for label in dict.fromkeys(values[:, of[0]]):
        own = values[values[:, of[0]] == label]
        if len(own) >= MIN_ROWS and rows < ROWS:
            own = own[: ROWS - rows] if ROWS - rows >= MIN_ROWS else own[:MIN_ROWS]
            episodes.append((own[:, states], own[:, actions]))
            rows += len(own)
    return episodes


def recordings(arguments):
    """Name: episodes."""
    found = {path.stem: control(path) for path in sorted(arguments.trajectories.glob("*.csv"))}
    hours = np.genfromtxt(arguments.series / "ETTh1.csv", delimiter=",", skip_header=1)[:3000, 1:]
    found["ETTh1"] = [(hours, np.zeros((len(hours), 0)))]
    with open(arguments.series / "Hourly-train.csv") as file:
        series = list(csv.reader(file))[1:]
    for number in sorted(np.random.default_rng(0).choice(len(series), 10, replace=False)):
        values = np.array([[float(x)] for x in series[number][1:] if x])
        found[f"M4 {series[number][0]}"] = [(values, np.zeros((len(values), 0)))]
    return {name: episodes for name, episodes in found.items() if episodes}


def removed(shape, share, pattern, random):
    """Which values are removed, `[rows, channels]`."""
    rows, channels = shape
    if pattern == "random":
        return random.random(shape) < share
    width = 1 if pattern == "rows" else channels
    gone = np.zeros((rows, width), bool)
    for channel in range(width):
        for _ in range(int(round(share * rows / BLOCK))):
            start = random.integers(0, rows - BLOCK + 1)
            gone[start : start + BLOCK, channel] = True
    return np.broadcast_to(gone, shape).copy()


def point(values, gone, method):
    """A value for every one, from known ones of its channel."""
    filled = values.copy()
    for c in range(values.shape[1]):
        known, all_rows = np.flatnonzero(~gone[:, c]), np.arange(len(values))
        if len(known) == 0:
            continue
        if method == "linear":
            filled[:, c] = np.interp(all_rows, known, values[known, c])
        else:
            before = np.maximum(np.searchsorted(known, all_rows, side="right") - 1, 0)
            filled[:, c] = values[known[before], c]
    return filled


def simple(episodes, masks, others, method):
    """Quantiles of removed values, `[holes, 19]`, from errors at others that are removed besides."""
    channels = episodes[0][0].shape[1]
    errors = [[] for _ in range(channels)]
    for (values, _), gone, other in zip(episodes, masks, others):
        off = values - point(values, gone | other, method)
        for c in range(channels):
            errors[c].extend(off[other[:, c] & ~gone[:, c], c])
    spread = np.array([np.quantile(own, LEVELS) if own else np.zeros(len(LEVELS)) for own in errors])
    found = []
    for (values, _), gone in zip(episodes, masks):
        filled = point(values, gone, method)
        found.append(filled[gone][:, None] + spread[np.nonzero(gone)[1]])
    return np.concatenate(found)


def impute(program, episodes, masks):
    """Quantiles of the program, `[holes, 19]`, and its seconds."""
    channels, actions = episodes[0][0].shape[1], episodes[0][1].shape[1]
    states = [f"x{c}" for c in range(channels)]
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "x.csv", Path(folder) / "f.csv"
        with open(table, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["episode", *states, *(f"a{a}" for a in range(actions))])
            for number, ((values, done), gone) in enumerate(zip(episodes, masks)):
                for row, hidden, action in zip(values, gone, done):
                    cells = ["" if h else repr(float(x)) for x, h in zip(row, hidden)]
                    writer.writerow([number, *cells, *(repr(float(a)) for a in action)])
        command = [program, "impute", table, "--state", ",".join(states), "--time", "none", "--output", output]
        command += ["--action", ",".join(f"a{a}" for a in range(actions))] if actions else []
        command += ["--quantiles", ",".join(f"{q:.2f}" for q in LEVELS)]
        begin = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        with open(output) as file:
            rows = list(csv.DictReader(file))
    quantiles = {}
    for row in rows:
        place = int(row["episode"]), int(row["step"]), states.index(row["variable"])
        quantiles[place] = [float(row[f"q{q:g}"]) for q in LEVELS.round(2)]
    places = [(number, t, c) for number, gone in enumerate(masks) for t, c in zip(*np.nonzero(gone))]
    return np.array([quantiles[place] for place in places]), seconds


def pinball(y, quantiles):
    error = y[:, None] - quantiles
    return (2 * np.maximum(LEVELS * error, (LEVELS - 1) * error)).mean(1)


def interval(values, of=np.mean):
    """A mean with its 95 % bootstrap interval over recordings."""
    values = np.asarray(values)
    draws = np.random.default_rng(0).choice(values, (10_000, len(values)))
    low, high = np.quantile(of(draws, axis=1), [0.025, 0.975])
    return "{:.3f} [{:.3f}, {:.3f}]".format(of(values), low, high)


def geometric(values, axis=None):
    return np.exp(np.log(values).mean(axis))


def scores(arguments, episodes, share, pattern, seed):
    """CRPS of the program, of the line and of the last value, the program's share in the 80 % interval, and its seconds."""
    random, other = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    masks = [removed(values.shape, share, pattern, random) for values, _ in episodes]
    others = [removed(values.shape, share, pattern, other) for values, _ in episodes]
    truth = np.concatenate([values[gone] for (values, _), gone in zip(episodes, masks)])
    channel = np.concatenate([np.nonzero(gone)[1] for gone in masks])
    std = np.concatenate([values for values, _ in episodes]).std(0)
    scale = np.where(std > 0, std, 1)[channel]
    own, seconds = impute(arguments.program, episodes, masks)
    inside = (own[:, 1] <= truth) & (truth <= own[:, 17])
    crps = [(pinball(truth, own) / scale).mean()]
    for method in ("linear", "last"):
        crps.append((pinball(truth, simple(episodes, masks, others, method)) / scale).mean())
    return [*crps, inside.mean(), seconds]


def table(arguments, pattern):
    lines = ["| removed | CRPS | linear | last value | CRPS / linear | CRPS / last value | in 80 % | s |", "|---|---|---|---|---|---|---|---|"]
    details = [f"| {pattern}, 20 % | CRPS | linear | last value | in 80 % |", "|---|---|---|---|---|"]
    for share in (0.1, 0.2, 0.3):
        found = {}
        for seed, (name, episodes) in enumerate(recordings(arguments).items()):
            found[name] = scores(arguments, episodes, share, pattern, seed)
            print(pattern, share, name, np.round(found[name], 4), flush=True)
        own, linear, last, inside, seconds = np.array(list(found.values())).T
        cells = [interval(own), interval(linear), interval(last), interval(own / linear, geometric), interval(own / last, geometric)]
        lines.append(f"| {100 * share:.0f} % | " + " | ".join(cells) + f" | {100 * inside.mean():.0f} % | {seconds.mean():.1f} |")
        if share == 0.2:
            for name, (a, b, c, d, _) in found.items():
                details.append(f"| {name} | {a:.4f} | {b:.4f} | {c:.4f} | {100 * d:.0f} % |")
    return "\n".join([*lines, "", *details])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/statecast")
    parser.add_argument("--only", nargs="*", default=["random", "blocks", "rows"], choices=["random", "blocks", "rows"])
    parser.add_argument("--trajectories", type=Path, default=ROOT.parent / "shared/data/trajectories")
    parser.add_argument("--series", type=Path, default=ROOT.parent / "shared/series-benchmarks")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/missing-values.md")
    arguments = parser.parse_args()
    for pattern in arguments.only:
        put(arguments.document, pattern, table(arguments, pattern))


if __name__ == "__main__":
    main()
