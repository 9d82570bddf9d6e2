"""Tails of densities beyond the ends of the axis: scipy's generalised Pareto law, and a whole density put together from it."""

import json
import os

import numpy as np
from scipy.stats import genpareto

random = np.random.default_rng(11)


def fits():
    """Shape from the mean of the smaller of two excesses, over all pairs; shrunk and limited as the library says."""
    cases = []
    for size, shape in [(1, 0.2), (3, 0.1), (12, 0.4), (60, 0.0), (400, 0.25), (400, -0.3), (300, 0.8)]:
        excesses = np.sort(genpareto.rvs(shape, scale=0.7, size=size, random_state=random))
        mean = excesses.mean()
        fitted, weight = 0.0, 0
        if size > 1:
            i, j = np.triu_indices(size, 1)
            smaller = np.minimum(excesses[i], excesses[j]).mean()  # mean / (2 - shape) times (1 - shape)
            fitted, weight = (mean - 2 * smaller) / (mean - smaller), size
        fitted = np.clip((weight * fitted + 10 * 0.25) / (weight + 10), 0.1, 0.5)
        cases.append(dict(excesses=excesses.tolist(), scale=mean * (1 - fitted), shape=fitted))
    return cases


def laws():
    cases = []
    for scale, shape in [(0.02, 0.0), (0.5, 0.25), (3.0, 0.5)]:
        law = genpareto(shape, scale=scale)
        at = scale * np.array([0.0, 0.1, 1.0, 7.0, 40.0])
        cases.append(
            dict(
                scale=scale,
                shape=shape,
                at=at.tolist(),
                density=law.pdf(at).tolist(),
                cdf=law.cdf(at).tolist(),
                levels=[0.001, 0.5, 0.9, 0.999],
                quantiles=law.ppf([0.001, 0.5, 0.9, 0.999]).tolist(),
            )
        )
    return cases


def density():
    """A random density on [0, 10); of it the shares of its end bins, and what is raised, lie beyond."""
    mass = random.gamma(0.3, size=1000)
    mass[[0, 999]] = mass.sum() * np.array([0.02, 0.05])
    mass = (mass / mass.sum()).astype(np.float32)
    ends = [dict(share=0.4, raised=0.01, scale=0.3, shape=0.1), dict(share=0.75, raised=0.2, scale=1.5, shape=0.4)]
    laws = [genpareto(end["shape"], scale=end["scale"]) for end in ends]
    bins = mass.astype(float) / mass.astype(float).sum() * (1 - sum(end["raised"] for end in ends))
    beyond = []
    for k, end in zip([0, 999], ends):
        beyond.append(end["raised"] + end["share"] * bins[k])
        bins[k] *= 1 - end["share"]
    edges = np.arange(1001) / 100
    below = beyond[0] + np.concatenate([[0], np.cumsum(bins)])

    def cdf(y):
        inside = np.interp(y, edges, below)
        return np.where(y < 0, beyond[0] * laws[0].sf(-y), np.where(y > 10, 1 - beyond[1] * laws[1].sf(y - 10), inside))

    positions = np.array([-40, -3.217, -0.004, 0.001, 0.007, 0.456, 5.123, 9.981, 9.993, 9.999, 10.003, 11.5, 17, 250])
    low = np.floor(positions * 100) / 100
    chance = np.where(
        low < 0,
        beyond[0] * (laws[0].sf(-low - 0.01) - laws[0].sf(-low)),
        np.where(low >= 10, beyond[1] * (laws[1].sf(low - 10) - laws[1].sf(low - 9.99)), cdf(low + 0.01) - cdf(low)),
    )
    levels = np.array([1e-4, 0.001, 0.015, beyond[0] + 1e-4, 0.1, 0.5, 0.7, 0.8, 0.9, 0.99, 0.999])
    grid = np.linspace(-60, 400, 4_600_001)
    quantiles = np.interp(levels, cdf(grid), grid)
    return dict(
        mass=mass.tolist(),
        ends=ends,
        positions=positions.tolist(),
        cdf=cdf(positions).tolist(),
        log_scores=np.log(chance / 0.01).tolist(),
        levels=levels.tolist(),
        quantiles=quantiles.tolist(),
    )


here = os.path.dirname(os.path.abspath(__file__))
with open(f"{here}/tails.json", "w") as file:
    json.dump(dict(fits=fits(), laws=laws(), density=density()), file)
    file.write("\n")
