"""Recalibrated intervals beside online conformal ones, into docs/forecasts.md: python bench/conformal.py [--only breaks m4 ...] [--program P]

Adaptive conformal inference (ACI, Gibbs & Candes 2021, arXiv 2106.00170), with its step size tuned by experts (DtACI, Gibbs & Candes
2022, arXiv 2208.08401), and strongly adaptive online conformal prediction (SAOCP, Bhatnagar et al. 2023, arXiv 2302.07869), written from
the papers' equations. They put an interval around the median of the same one-step density that `--recalibrate online` maps: its radius is
learned from the absolute errors of the rows before, as they are or divided by half the width of the density's own 90 % interval ("scaled").
An infinite radius counts as the largest score so far. All methods learn from the first row on; the first 100 rows are not scored.

A series is one channel of one episode. Widths and interval scores are in standard deviations of the series. Intervals are bootstraps over
series. `at equal coverage`: the width where the nominal level is chosen, afterwards, so that 90 % of all rows are covered.
"""

import argparse
import bisect
import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
UNSCORED, WINDOW, NOMINAL = 100, 50, 0.9
LEVELS = np.array([0.70, 0.80, 0.85, 0.88, 0.90, 0.92, 0.95, 0.98])


def aci(scores, level, rate=0.005):
    """Radii before each score. `rate` is that of the paper's experiments."""
    alpha, target, past, radii = 1 - level, 1 - level, [], []
    for score in scores:
        radius = quantile(past, alpha)
        radii.append(radius)
        # Equation (2): alpha[t+1] = alpha[t] + gamma (alpha - err[t]).
        alpha += rate * (target - (score > radius))
        bisect.insort(past, score)
    return np.array(radii)


def quantile(past, alpha):
    """The (1 - alpha) quantile of past scores with the correction for finite samples: the ceil((n + 1)(1 - alpha))-th."""
    if not past or alpha >= 1:
        return 0.0
    rank = int(np.ceil((len(past) + 1) * (1 - alpha)))
    return past[min(max(rank, 1), len(past)) - 1]


def dtaci(scores, level, rates=0.001 * 2.0 ** np.arange(8), length=500):
    """Algorithm 1 of arXiv 2208.08401, the version that averages; settings of its section 4 for intervals of 500 rows."""
    target = 1 - level
    eta = np.sqrt(3 / length) * np.sqrt(
        (np.log(length * len(rates)) + 2) / (level**2 * target**3 + target**2 * level**3)
    )
    share = 1 / (2 * length)
    alphas, weights, past, radii = np.full(len(rates), target), np.ones(len(rates)) / len(rates), [], []
    for score in scores:
        radii.append(quantile(past, weights @ alphas))
        # The largest alpha whose set holds the value: the share of past scores that are at least as large.
        beta = (len(past) - bisect.bisect_left(past, score) + 1) / (len(past) + 1)
        # Pinball loss of each expert, exponential weights, and a share for all.
        loss = target * (beta - alphas) - np.minimum(0, beta - alphas)
        weights = weights * np.exp(-eta * loss)
        weights = (1 - share) * weights / weights.sum() + share / len(weights)
        alphas = alphas + rates * (target - (alphas > beta))
        bisect.insort(past, score)
    return np.array(radii)


def saocp(scores, level, life=8):
    """Algorithm 1 of arXiv 2302.07869 over experts of its Algorithm 2 (scale-free online gradient descent). Its bound D on the radius is,
    as in its experiments, the largest score of the rows before those that are scored, times the root of 3."""
    bound = np.sqrt(3) * scores[:UNSCORED].max()
    born, ends, radius, squares, gains, bets = (np.zeros(0) for _ in range(6))
    radii, last = [], 0.0
    for t, score in enumerate(scores, 1):
        # Experts live for L(t) = g max {2^n: t = 0 mod 2^n} rows, and begin at the last radius.
        new = [t, t + life * (t & -t), last, 0.0, 0.0, 0.0]
        kept = ends >= t
        state = [np.append(old[kept], x) for old, x in zip((born, ends, radius, squares, gains, bets), new)]
        born, ends, radius, squares, gains, bets = state
        # Weights of coin betting, w = (sum g) (1 + sum w g) / age; the prior is 1 / (i^2 (1 + floor log2 i)) of the birth i.
        weight = gains * (1 + bets) / np.maximum(t - born, 1)
        prior = 1 / (born**2 * (1 + np.floor(np.log2(born))))
        shares = prior * np.maximum(weight, 0)
        shares = shares / shares.sum() if shares.sum() > 0 else prior / prior.sum()
        last = shares @ radius
        radii.append(last)
        loss = lambda r: np.maximum(level * (score - r), (1 - level) * (r - score))  # noqa: E731
        gain = (loss(last) - loss(radius)) / (bound * max(level, 1 - level))
        gain = np.clip(gain, -1.0 * (weight > 0), 1)
        gains, bets = gains + gain, bets + weight * gain
        # s[t+1] = s[t] - eta grad / sqrt(sum grad^2), eta = D / sqrt 3.
        gradient = np.where(score > radius, -level, 1 - level)
        squares = squares + gradient**2
        radius = np.maximum(radius - bound / np.sqrt(3) * gradient / np.sqrt(squares), 0)
    return np.array(radii)


class Series:
    """Values `[rows]` and quantiles of the density as it is, and recalibrated, at the ends of central intervals of all levels."""

    def __init__(self, values, plain, recalibrated, median):
        self.values, self.plain, self.recalibrated, self.median = values, plain, recalibrated, median
        self.std = values.std()

    def interval(self, method, level):
        if method in ("density", "recalibrated"):
            ends = self.plain if method == "density" else self.recalibrated
            return ends[:, np.flatnonzero(LEVELS == level)[0]].T
        name, _, scaled = method.partition(" ")
        low, high = self.plain[:, np.flatnonzero(LEVELS == NOMINAL)[0]].T
        scale = np.maximum((high - low) / 2, 1e-9 * self.std) if scaled else np.ones(len(low))
        scores = np.abs(self.values - self.median) / scale
        radii = dict(ACI=aci, DtACI=dtaci, SAOCP=saocp)[name](scores, level) * scale
        return np.array([self.median - radii, self.median + radii])


def measures(series, method, level):
    """Of one series: coverage, width, interval score, least coverage of windows."""
    low, high = (end[UNSCORED:] for end in series.interval(method, level))
    y = series.values[UNSCORED:]
    inside = (low <= y) & (y <= high)
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    score = (high - low + 2 / (1 - level) * missed).mean() / series.std
    parts = [inside[i : i + WINDOW].mean() for i in range(0, len(y) - WINDOW + 1, WINDOW)]
    return np.array([inside.mean(), (high - low).mean() / series.std, score, min(parts), len(y)])


METHODS = ["recalibrated", "density", "ACI", "ACI scaled", "DtACI", "DtACI scaled", "SAOCP", "SAOCP scaled"]


def table(groups):
    random = np.random.default_rng(0)
    lines = [
        "| series | method | coverage | width | interval score | least of 50 rows | width at equal coverage | diff of score to recalibrated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, all_series in groups.items():
        ours = None
        picks = random.integers(0, len(all_series), (2000, len(all_series)))
        for method in METHODS:
            found = np.array([measures(s, method, NOMINAL) for s in all_series])
            ours = found if ours is None else ours

            def estimate(values, digits):
                low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
                return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

            covered, width, score, least = found[:, :4].T
            cells = [estimate(100 * covered, 1) + " %", estimate(width, 3), estimate(score, 3), estimate(100 * least, 0) + " %"]
            cells.append(at_equal_coverage(all_series, method))
            cells.append("" if method == "recalibrated" else estimate(score - ours[:, 2], 3))
            lines.append(f"| {name}, {len(all_series)} | {method} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def at_equal_coverage(all_series, method):
    found = np.array([[measures(s, method, level) for s in all_series] for level in LEVELS])
    covered = (found[..., 0] * found[..., 4]).sum(1) / found[..., 4].sum(1)
    width = found[..., 1].mean(1)
    if not covered.min() <= NOMINAL <= covered.max():
        return "not reached"
    order = np.argsort(covered)
    return f"{np.interp(NOMINAL, covered[order], width[order]):.3f}"


def forecast(program, names, rows, actions=()):
    """One-step densities of an episode `[rows, columns]`, whose last columns are actions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.csv"
        columns = [f"x{i}" for i in range(len(names))] + [f"act{i}" for i in range(len(actions))]
        with open(path, "w") as file:
            writer = csv.writer(file)
            writer.writerows([columns, *rows.tolist()])
        read = []
        for extra in ([], ["--recalibrate", "online"]):
            to = Path(folder) / "density.npz"
            command = [program, "density", path, "--output", to, "--state", ",".join(columns[: len(names)]), *extra]
            command += ["--time", "none"]
            if actions:
                command += ["--action", ",".join(columns[len(names) :])]
            subprocess.run(list(map(str, command)), check=True, capture_output=True)
            with np.load(to) as data:
                read.append(quantiles(data))
    series = []
    for c in range(read[0].shape[1]):
        values = rows[:, c]
        if values.std() == 0:
            continue
        plain, recalibrated = read[0][:, c], read[1][:, c]
        ends = lambda q: q[:, :-1].reshape(len(q), len(LEVELS), 2)  # noqa: E731
        series.append(Series(values, ends(plain), ends(recalibrated), plain[:, -1]))
    return series


def quantiles(data):
    """Quantiles `[rows, channels, levels]` in the channels' units: both ends of each level's interval, then the median."""
    asked = np.append(np.stack([(1 - LEVELS) / 2, (1 + LEVELS) / 2], 1).ravel(), 0.5)
    u = np.linspace(-1, 1, 1001)
    grid = 200 * np.sinh(9 * u) / np.sinh(9)
    rows, channels, _ = data["density"].shape
    found = np.empty((rows, channels, len(asked)))
    for c in range(channels):
        unit = (data["high"][c] - data["low"][c]) / 10
        mass = data["density"][:, c].astype(float)
        below = np.concatenate([np.zeros((rows, 1)), np.cumsum(mass, 1)], 1)
        below /= below[:, -1:]
        for t in range(rows):
            at = np.interp(asked, below[t], grid)
            found[t, c] = data["low"][c] + unit * (data["centre"][t, c] + data["scale"][t, c] * at)
    return found


RECORDINGS = [
    ("HalfCheetah-v5__best", 1),
    ("HalfCheetah-v5__medium", 1),
    ("HalfCheetah-v5__random", 1),
    ("Hopper-v5__best", 2),
    ("Pendulum-v1__medium", 2),
    ("Pendulum-v1__random", 2),
    ("CartPole-v1__good", 2),
    ("MountainCarContinuous-v0__random", 1),
]


def recordings(program):
    series = []
    for name, episodes in RECORDINGS:
        with open(SHARED / f"data/trajectories/{name}.csv") as file:
            rows = list(csv.DictReader(file))
        states = [n for n in rows[0] if n.startswith("obs_")]
        actions = [n for n in rows[0] if n.startswith("act")]
        sizes = {}
        for row in rows:
            sizes[row["episode"]] = sizes.get(row["episode"], 0) + 1
        for episode in sorted(sizes, key=sizes.get, reverse=True)[:episodes]:
            values = [[float(r[n]) for n in states + actions] for r in rows if r["episode"] == episode]
            series += forecast(program, states, np.array(values), actions)
    return series


def etth1(program):
    with open(SHARED / "series-benchmarks/ETTh1.csv") as file:
        rows = list(csv.reader(file))
    values = np.array([[float(x) for x in row[1:]] for row in rows[1:]])[:14400][-2000:]
    return forecast(program, rows[0][1:], values)


def m4(program):
    series = []
    with open(SHARED / "series-benchmarks/Hourly-train.csv") as file:
        rows = list(csv.reader(file))[1:]
    for i in np.random.default_rng(0).choice(len(rows), 20, replace=False):
        values = np.array([float(x) for x in rows[i][1:] if x])
        series += forecast(program, ["y"], values[:, None])
    return series


def broken(seed, level, spread):
    """AR(1) with coefficient 0.8 and unit noise; from the middle on another level, or another spread of the noise."""
    random = np.random.default_rng(seed)
    x, values = 0.0, []
    for t in range(1000):
        x = 0.8 * x + random.normal() * (spread if t >= 500 else 1)
        values.append(x + (level if t >= 500 else 0))
    return np.array(values)


def breaks(program, level, spread):
    return [s for seed in range(10) for s in forecast(program, ["y"], broken(seed, level, spread)[:, None])]


GROUPS = {
    "control recordings": recordings,
    "etth1": etth1,
    "m4 hourly": m4,
    "break of level": lambda program: breaks(program, 10, 1),
    "variance x 16": lambda program: breaks(program, 0, 4),
    "variance / 16": lambda program: breaks(program, 0, 0.25),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(GROUPS))
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/forecasts.md")
    arguments = parser.parse_args()
    chosen = {name: GROUPS[name](arguments.program) for name in arguments.only}
    found = table(chosen)
    if list(chosen) == list(GROUPS):
        put(arguments.document, "conformal", found)
