"""Densities and paths of regressions of a channel on its own past, by batch algebra in NumPy: python tests/golden/make_univariate.py [--out FOLDER]

Every row's posterior is that of all rows before it in closed form; nothing is updated. Paths are simulated from the posterior
after the last row. In three cases a season of four rows is known, and that of twelve is found around it. Writes univariate.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import t as student

PERIOD, ROWS, AHEAD, DRAWS = 12, 84, 18, 200_000
INTERCEPT, RIDGE, SHAPE, RATE, KEPT, UNSCORED = 0.1, 0.1, 0.5, 5e-7, 0.99, 4
# Logarithms are in units of the axis' middle.
MIDDLE = 5.0
SHARES = 0.05, 0.25, 0.5, 0.75, 0.95
HARMONICS = 8
# Name, seasons with the ones within them, logarithms, first row that is looked at.
YEAR, QUARTER, YEAR_OF_QUARTERS = (12, []), (4, []), (12, [4])
FORMS = [
    ("ari", [], False, 20),
    ("sari", [YEAR], False, 20),
    ("log-sari", [YEAR], True, 20),
    ("sari", [QUARTER, YEAR_OF_QUARTERS], False, 50),
    ("harmonic", [YEAR], False, 20),
    ("log-harmonic", [QUARTER, YEAR_OF_QUARTERS], True, 50),
    ("harmonic-ari", [YEAR], False, 20),
    ("log-harmonic-ari", [QUARTER, YEAR_OF_QUARTERS], True, 50),
    ("ets", [YEAR], False, 40),
    ("log-ets", [QUARTER, YEAR_OF_QUARTERS], True, 50),
]
# Of ets: shares of an error that move the level, of that the slope (with what is kept of it), and of the rest the season.
LEVELS, SEASONS = (0.02, 0.1, 0.3, 0.6, 0.9), (0.02, 0.1, 0.4)
SLOPES = (0.0, 0.0), (0.01, 1.0), (0.1, 0.98), (0.3, 0.9)
FIRST_ROWS = 8


def series():
    """Positions from 1 to 9: growth times a season, with noise."""
    random = np.random.default_rng(3)
    t = np.arange(ROWS)
    season = 1 + 0.25 * np.sin(2 * np.pi * t / PERIOD) + 0.1 * np.cos(6 * np.pi * t / PERIOD)
    return np.round(2.2 * 1.012**t * season * np.exp(0.006 * random.standard_normal(ROWS)), 6)


class Regression:
    """Differences to the value `base` rows before, to the axis' middle if that is zero, on such differences and on waves."""

    def __init__(self, base, lags, needed, middle=0.0, wave=0, first=0.0):
        self.base, self.lags, self.middle, self.wave = base, lags, middle, wave
        self.harmonics = range(1, min(HARMONICS, wave // 2) + 1)
        self.prior = np.zeros(len(lags) + 1 + 2 * len(self.harmonics))
        self.prior[0] = first
        self.first = base + needed + 1

    def difference(self, y, lag):
        return y[..., -lag] - (y[..., -lag - self.base] if self.base else self.middle)

    def features(self, y):
        """Of the values after `y`; differences that reach before the first value are zero."""
        rows = y.shape[-1]
        angles = [2 * np.pi * k * rows / self.wave for k in self.harmonics]
        of = [self.difference(y, lag) if lag + self.base <= rows else np.zeros(y.shape[:-1]) for lag in self.lags]
        constant = [INTERCEPT, *(f(angle) for angle in angles for f in (np.cos, np.sin))]
        return np.stack([*of, *(np.full(y.shape[:-1], x) for x in constant)], axis=-1)

    def origin(self, y):
        return y[..., -self.base] if self.base else self.middle

    def posterior(self, y):
        """Mean, covariance per variance of the noise, and shape and rate of that variance."""
        rows = range(self.first, len(y))
        x = np.array([self.features(y[:t]) for t in rows]).reshape(len(rows), len(self.prior))
        d = np.array([y[t] - self.origin(y[:t]) for t in rows])
        covariance = np.linalg.inv(x.T @ x + RIDGE * np.eye(len(self.prior)))
        mean = covariance @ (x.T @ d + RIDGE * self.prior)
        rest = ((d - x @ mean) ** 2).sum() + RIDGE * ((mean - self.prior) ** 2).sum()
        return mean, covariance, SHAPE + len(rows) / 2, RATE + rest / 2, len(rows)

    def law(self, y):
        if len(y) < self.base:
            return None
        mean, covariance, shape, rate, seen = self.posterior(y)
        f = self.features(y)
        scale = np.sqrt(rate / shape * (1 + f @ covariance @ f))
        return (self.origin(y) + f @ mean, scale, 2 * shape) if seen else None


class Smoothing:
    """Holt and Winters' smoothing in its component form, with noise around it."""

    def __init__(self, level, slope, kept, season, periods):
        self.gains, self.periods = (level, slope, kept, season), periods
        self.first = 2 * max(periods) if periods else FIRST_ROWS

    def expected(self, y):
        """Of every value from the first on, and of the one after the last."""
        alpha, beta, kept, gamma = self.gains
        first, rows = y[..., : self.first], np.arange(self.first)
        half = self.first // 2
        slope = (first[..., half:].mean(-1) - first[..., :half].mean(-1)) / half * (kept > 0)
        level = first.mean(-1) - slope * (self.first + 1) / 2
        rest = first - level[..., None] - slope[..., None] * (rows + 1)
        seasons = []
        for period in self.periods:
            seasons.append([rest[..., rows % period == k].mean(-1) for k in range(period)])
            rest = rest - np.stack([seasons[-1][t % period] for t in rows], -1)
        found = []
        for t in range(y.shape[-1] + 1):
            now = [season[t % len(season)] for season in seasons]
            found.append(level + kept * slope + sum(now))
            if t < y.shape[-1]:
                before, value = level, y[..., t]
                level = alpha * (value - sum(now)) + (1 - alpha) * (level + kept * slope)
                slope = beta * (level - before) + (1 - beta) * kept * slope
                for season, own in zip(seasons, now):
                    others = sum(now) - own
                    season[t % len(season)] = gamma * (value - level - others) + (1 - gamma) * own
        return np.stack(found, -1)

    def posterior(self, y):
        errors = (y - self.expected(y)[:-1])[self.first :]
        return np.zeros(0), np.zeros((0, 0)), SHAPE + len(errors) / 2, RATE + (errors**2).sum() / 2, len(errors)

    def law(self, y):
        if len(y) <= self.first:
            return None
        _, _, shape, rate, _ = self.posterior(y)
        return self.expected(y)[-1], np.sqrt(rate / shape), 2 * shape

    def features(self, y):
        return np.zeros((*y.shape[:-1], 0))

    def origin(self, y):
        return self.expected(y)[..., -1]


def regressions_of(name, seasons, middle):
    """As in docs/everyday-series.md: orders 1 and 3, each season with the one within it."""
    if name.endswith("sari") or name == "ari":
        found = [Regression(1, [*range(1, order + 1)], order) for order in (1, 3)]
        for rows, within in seasons:
            for first in (0.0, 1.0):
                for order in (1, 3):
                    found.append(Regression(rows, [*range(1, order + 1), *within, rows], max([order, *within]), first=first))
        return found
    found = []
    if name.endswith("ets"):
        for periods in [[], *([*within, rows] for rows, within in seasons)]:
            for level in LEVELS:
                for slope, kept in SLOPES:
                    found += [Smoothing(level, slope, kept, gamma, periods) for gamma in (SEASONS if periods else (0.0,))]
        return found
    for rows, within in seasons:
        shortest = min([rows, *within])
        for order in (1, 3):
            last = [*range(1, order + 1)]
            if name.endswith("harmonic"):
                lags = [*last, shortest, 2 * shortest, *([rows] if within else [])]
                found.append(Regression(0, lags, shortest, middle, shortest))
            else:
                found.append(Regression(1, last, order, wave=rows))
    return found


def weighted(regressions, scores, y):
    found = [(r, r.law(y), s) for r, s in zip(regressions, scores)]
    found = [one for one in found if one[1]]
    weights = np.exp(np.array([s for *_, s in found]) - max([s for *_, s in found], default=0.0))
    return [(r, law, w) for (r, law, _), w in zip(found, weights / weights.sum())]


def case(values, name, seasons, logarithms, begin):
    read = (lambda x: MIDDLE * np.log(x / MIDDLE)) if logarithms else (lambda x: x)
    y = read(values)
    regressions = regressions_of(name, seasons, 0.0 if logarithms else MIDDLE)
    scores = np.zeros(len(regressions))
    start = max(r.first for r in regressions) + UNSCORED
    rows = []
    for t in range(len(y)):
        found = weighted(regressions, scores, y[:t])
        if found and t > begin and t % 3 == 0:
            edges = np.round(values[t] + np.array([-0.4, 0.0, 0.4]), 2)
            below = sum(w * student.cdf((read(edges) - m) / s, v) for _, (m, s, v), w in found)
            rows.append({"row": t, "positions": edges.tolist(), "below": below.tolist()})
        if t >= start:
            for i, r in enumerate(regressions):
                law = r.law(y[:t])
                score = student.logpdf((y[t] - law[0]) / law[1], law[2]) - np.log(law[1]) if law else 0.0
                scores[i] = KEPT * scores[i] + score
    # Paths are held within the range and as much again on either side.
    low, high = 2 * values.min() - values.max(), 2 * values.max() - values.min()
    random = np.random.default_rng(11)
    paths = []
    found = weighted(regressions, scores, y)
    counts = random.multinomial(DRAWS, [w for *_, w in found])
    for (r, _, _), count in zip(found, counts):
        mean, covariance, shape, rate, _ = r.posterior(y)
        noise = np.sqrt(rate / random.gamma(shape, size=count))
        root = np.linalg.cholesky(covariance)
        weights = mean + noise[:, None] * (random.standard_normal((count, len(mean))) @ root.T)
        past = np.tile(y, (count, 1))
        for _ in range(AHEAD):
            step = (r.features(past) * weights).sum(1) + noise * random.standard_normal(count)
            held = np.clip(r.origin(past) + step, *read(np.array([max(low, 1e-9), high])) if logarithms else (low, high))
            past = np.concatenate([past, held[:, None]], axis=1)
        paths.append(past[:, len(y) :])
    paths = np.concatenate(paths)
    paths = MIDDLE * np.exp(paths / MIDDLE) if logarithms else paths
    steps = [0, 5, 11, 17]
    quantiles = [np.quantile(paths[:, h], SHARES).round(6).tolist() for h in steps]
    return {"name": name, "period": seasons[0][0] if seasons else None, "rows": rows, "steps": steps, "quantiles": quantiles}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    values = series()
    golden = {"values": values.tolist(), "shares": SHARES, "cases": [case(values, *form) for form in FORMS]}
    (parser.parse_args().out / "univariate.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
