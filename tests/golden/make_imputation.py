"""Unknown values given all known ones, by dense Gaussian algebra: python tests/golden/make_imputation.py [--out FOLDER]

The program adds up a precision row by row and solves with what couples unknown values. Here all values are one linear
map of all noises, and the mean and covariance of the unknown ones follow from those of all by conditioning. Writes
imputation.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np


def equation(rng, channels, order, width):
    weights = rng.normal(0, 0.4, (order, channels, channels))
    if order:
        weights[0] += 0.6 * np.eye(channels)
    root = rng.normal(0, 0.5, (channels, channels)) + np.eye(channels)
    return {
        "weights": weights,
        "inputs": rng.normal(0, 0.5, (channels, width)),
        "intercept": rng.normal(0, 0.2, channels),
        "covariance": root @ root.T,
    }


def joint(equations, rows, inputs):
    """Mean and covariance of all values, row by row, of equations of falling order."""
    channels = len(equations[0]["intercept"])
    mean = np.zeros((rows, channels))
    made = np.zeros((rows, channels, rows * channels))  # of unit noises
    for t in range(rows):
        found = next(e for e in equations if len(e["weights"]) <= t)
        mean[t] = found["inputs"] @ inputs[t] + found["intercept"]
        made[t, :, t * channels : (t + 1) * channels] = np.linalg.cholesky(found["covariance"])
        for lag, weights in enumerate(found["weights"], 1):
            mean[t] += weights @ mean[t - lag]
            made[t] += np.tensordot(weights, made[t - lag], 1)
    made = made.reshape(rows * channels, -1)
    return mean.ravel(), made @ made.T


def case(seed, channels, orders, rows, width, unknown):
    rng = np.random.default_rng(seed)
    equations = [equation(rng, channels, order, width) for order in orders]
    inputs = rng.normal(0, 1, (rows, width))
    mean, covariance = joint(equations, rows, inputs)
    values = rng.multivariate_normal(mean, covariance)
    hidden = np.zeros((rows, channels), bool)
    for row, channel in unknown:
        hidden[row, channel] = True
    hidden = hidden.ravel()
    seen = ~hidden
    gain = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, hidden)]).T
    found = mean[hidden] + gain @ (values[seen] - mean[seen])
    left = covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(seen, hidden)]
    return {
        "channels": channels,
        "width": width,
        "equations": [{key: np.asarray(value).ravel().tolist() for key, value in e.items()} for e in equations],
        "orders": orders,
        "inputs": inputs.ravel().tolist(),
        "values": [None if h else v for h, v in zip(hidden, values)],
        "mean": found.tolist(),
        "covariance": left.ravel().tolist(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    everything = [(5, c) for c in range(3)]
    cases = [
        case(1, 1, [3, 1, 0], 14, 0, [(0, 0), (4, 0), (5, 0), (6, 0), (10, 0), (13, 0)]),
        case(2, 3, [2, 1, 0], 12, 2, [(0, 1), (1, 0), *everything, (6, 2), (7, 0), (7, 1), (11, 0), (11, 1), (11, 2)]),
        case(3, 2, [1, 0], 8, 1, [(0, 0), (0, 1), (1, 0), (1, 1), (3, 1), (6, 0)]),
    ]
    with open(parser.parse_args().out / "imputation.json", "w") as file:
        json.dump(cases, file)
        file.write("\n")


if __name__ == "__main__":
    main()
