"""scores.json: values of the scores from other people's implementations.

python make_scores.py

CRPS of samples: scoringrules ("fair") and properscoring; energy, variogram and interval scores: scoringrules; KS distance and
p-value: scipy.stats.kstest (exact law); CRPS of a piecewise uniform density: scipy's quadrature of its definition.
"""

import json
import os

import numpy as np
import properscoring
import scipy.integrate
import scipy.stats
import scoringrules

random = np.random.default_rng(20261125)


def samples():
    cases = []
    for size in (2, 5, 40):
        sample = random.standard_t(4, size).round(6)
        observed = round(float(random.normal()), 6)
        fair = scoringrules.crps_ensemble(observed, sample, estimator="fair")
        # the plain estimate counts every pair, also those of a draw with itself
        pairs = np.abs(sample[:, None] - sample[None]).sum()
        plain = properscoring.crps_ensemble(observed, sample)
        assert abs(plain - pairs / 2 / size / (size - 1) + pairs / 2 / size**2 - fair) < 1e-9
        cases.append(dict(sample=sample.tolist(), observed=observed, crps=float(fair)))
    return cases


def energies():
    cases = []
    for size, variables in ((3, 2), (30, 4)):
        draws = random.normal(size=(size, variables)).round(6)
        observed = random.normal(size=variables).round(6)
        score = scoringrules.es_ensemble(observed, draws, estimator="fair")
        variogram = scoringrules.vs_ensemble(observed, draws, p=0.5)
        cases.append(
            dict(
                draws=draws.tolist(), observed=observed.tolist(), energy=float(score), variogram=float(variogram)
            )
        )
    return cases


def intervals():
    cases = []
    for observed in (-0.7, 0.2, 1.9):
        score = scoringrules.interval_score(observed, -0.5, 1.25, 0.1)
        cases.append(dict(low=-0.5, high=1.25, level=0.9, observed=observed, score=float(score)))
    return cases


def uniformity():
    cases = []
    for size, power in ((1, 1.0), (10, 1.0), (60, 1.3), (400, 0.9), (400, 1.0), (3000, 1.02)):
        values = (random.random(size) ** power).round(6)
        result = scipy.stats.kstest(values, "uniform", method="exact")
        cases.append(dict(values=values.tolist(), distance=float(result.statistic), p=float(result.pvalue)))
    return cases


def densities():
    """Masses on a few bins of the axis [0, 10), which reaches from low to high."""
    cases = []
    for observed_at in (0.31, 0.305, 1.2):
        bins = np.sort(random.choice(1000, 8, replace=False))
        mass = random.dirichlet(np.ones(8)).round(6)
        low, high = -2.0, 5.0
        edges = low + (high - low) * np.arange(1001) / 1000
        whole = np.zeros(1000)
        whole[bins] = mass
        cumulated = np.concatenate([[0], whole.cumsum() / whole.sum()])
        observed = low + (high - low) * observed_at

        def integrand(x):
            return (np.interp(x, edges, cumulated) - (x >= observed)) ** 2

        ends = sorted({low - 1, high + 3, observed, *edges[bins], *edges[bins + 1]})
        pieces = [
            scipy.integrate.quad(integrand, a, b, epsabs=1e-12)[0] for a, b in zip(ends[:-1], ends[1:])
        ]
        cases.append(
            dict(bins=bins.tolist(), mass=mass.tolist(), low=low, high=high, observed=observed, crps=sum(pieces))
        )
    return cases


def points():
    context = random.normal(size=40).cumsum().round(6)
    observed = random.normal(size=12).cumsum().round(6)
    forecast = (observed + 0.7 * random.normal(size=12)).round(6)
    error = np.abs(forecast - observed)
    late = np.flatnonzero(error >= 0.4 * context.std())
    return dict(
        context=context.tolist(),
        observed=observed.tolist(),
        forecast=forecast.tolist(),
        mase=error.mean() / np.abs(np.diff(context)).mean(),
        smape=200 * (error / (np.abs(forecast) + np.abs(observed))).mean(),
        r_squared=1 - (error**2).sum() / (len(observed) * observed.var()),
        rmse=np.sqrt((error**2).mean()),
        valid_steps=int(late[0]) if len(late) else len(observed),
    )


def calibration():
    values = (random.random(300) ** 1.2).round(6)
    levels = np.arange(1, 20) / 20
    return dict(
        values=values.tolist(),
        ece=np.abs(scipy.stats.ecdf(values).cdf.evaluate(levels) - levels).mean(),
        coverage_90=(np.abs(values - 0.5) <= 0.45).mean(),
    )


here = os.path.dirname(os.path.abspath(__file__))
with open(f"{here}/scores.json", "w") as file:
    json.dump(
        dict(
            samples=samples(),
            energies=energies(),
            intervals=intervals(),
            uniformity=uniformity(),
            densities=densities(),
            points=points(),
            calibration=calibration(),
        ),
        file,
    )
    file.write("\n")
