"""Where a local linear trend goes, by dense Gaussian algebra: python tests/golden/make_trend.py [--out FOLDER]

The program filters row by row and draws paths. Here the values of all rows are one linear map of what was not known and
all noises, so that likelihoods and laws of rows to come are those of conditioned normals, and quantiles those of a
mixture of Student's laws. Writes trend.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as student

LEVELS, SLOPES = [0, 1e-3, 1e-2, 1e-1, 1], [0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
DAMPING, DIFFUSE, FOUND_IN = [np.inf, 1 / 3, 1 / 9, 1 / 30], 1e6, 2
SHARES = [0.05, 0.25, 0.5, 0.75, 0.95]


def models(every):
    """(variance of the level's steps, of the slope's, what is kept of a slope, first variance of it, prior)."""
    for level in LEVELS:
        yield level, 0.0, 1.0, 0.0, 0.5 / len(LEVELS)
        for slope in SLOPES:
            for share in DAMPING:
                prior = 0.5 / len(LEVELS) / len(SLOPES) / len(DAMPING)
                yield level, slope, np.exp(-1 / (share * every)), DIFFUSE, prior


def covariance(rows, level_steps, slope_steps, keep, first_slope):
    """Covariance of the values of all rows, in variances of the noise."""
    # What the level and the slope of each row are made of: first level, first slope, steps of both.
    level, slope = np.zeros(2 + 2 * rows), np.zeros(2 + 2 * rows)
    level[0] = slope[1] = 1
    made = []
    for row in range(rows):
        level = level + keep * slope
        slope = keep * slope
        level[2 + row] += 1
        slope[2 + rows + row] += 1
        made.append(level)
    variances = np.r_[DIFFUSE, first_slope, np.full(rows, level_steps), np.full(rows, slope_steps)]
    made = np.array(made)
    return (made * variances) @ made.T + np.eye(rows)


def laws(values, ahead, looks):
    """Weights, centres and scales [models, looks] of Student's laws of looks [looks, ahead] at the rows to come, and
    their freedom.
    """
    known, rows = len(values), len(values) + ahead
    freedom = known - FOUND_IN
    off = values - values[0]
    weights, centres, scales = [], [], []
    for level_steps, slope_steps, keep, first_slope, prior in models(rows):
        whole = covariance(rows, level_steps, slope_steps, keep, first_slope)
        seen = whole[:known, :known]

        def surprise(count):
            part = seen[:count, :count]
            return off[:count] @ np.linalg.solve(part, off[:count]), np.linalg.slogdet(part)[1]

        (all_squares, all_logs), (first_squares, first_logs) = surprise(known), surprise(FOUND_IN)
        squares, logs = all_squares - first_squares, all_logs - first_logs
        weights.append(np.log(prior) - 0.5 * (freedom * np.log(squares / freedom) + logs))
        gain = np.linalg.solve(seen, whole[:known, known:]).T
        left = whole[known:, known:] - gain @ whole[:known, known:]
        centres.append(looks @ (values[0] + gain @ off))
        scales.append(np.sqrt(np.diag(looks @ left @ looks.T) * squares / freedom))
    weights = np.exp(np.array(weights) - max(weights))
    return weights / weights.sum(), np.array(centres), np.array(scales), freedom


def quantiles(weights, centres, scales, freedom):
    """Quantiles of a mixture of Student's laws."""

    def below(x):
        return weights @ student.cdf((x - centres) / scales, freedom)

    far = 50 * scales.max() + np.ptp(centres)
    ends = weights @ centres - far, weights @ centres + far
    return [brentq(lambda x: below(x) - share, *ends, xtol=1e-12) for share in SHARES]


def case(name, values, ahead):
    """Quantiles of the first, the middle and the last row ahead, and of the mean of the last third of them."""
    rows = [0, ahead // 2, ahead - 1]
    looks = np.zeros((4, ahead))
    looks[range(3), rows] = 1
    looks[3, -(ahead // 3) :] = 1 / (ahead // 3)
    weights, centres, scales, freedom = laws(values, ahead, looks)
    found = [quantiles(weights, centres[:, k], scales[:, k], freedom) for k in range(4)]
    return dict(
        name=name, values=values.tolist(), ahead=ahead, rows=rows, shares=SHARES, quantiles=found[:3], tail=found[3]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    rng = np.random.default_rng(11)
    t = np.arange(40)
    series = {
        "standing": 2 + 0.1 * rng.normal(size=40),
        "falling": 5 - 0.08 * t + 0.1 * rng.normal(size=40),
        "slowing": 1 + 3 * np.exp(-t / 15) + 0.02 * rng.normal(size=40),
        "walking": np.cumsum(rng.normal(size=40)),
    }
    cases = [case(name, values, 30) for name, values in series.items()]
    (out / "trend.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
