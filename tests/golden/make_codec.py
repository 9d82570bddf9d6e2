"""Writes codec.npz: axes, bins, densities and principal components by plain NumPy.

    python make_codec.py [--out FOLDER]

Everything is float64. What has two honest ways of being computed is computed both ways and compared.
"""

import argparse
from fractions import Fraction
from math import floor, fsum
from pathlib import Path

import numpy as np

BINS = 1000
WIDTH = 0.01
LOW, SPAN = 1.5, 7.0  # the context's minimum on the axis, and the length it covers there
EDGES = np.arange(BINS + 1) / 100.0
CENTRES = (np.arange(BINS) + 0.5) / 100.0


# ---------------------------------------------------------------- axes and bins


def to_axis(x, lo, hi):
    return LOW + SPAN * (x - lo) / (hi - lo)


def to_value(y, lo, hi):
    return lo + (y - LOW) * (hi - lo) / SPAN


def bin_of(y):
    return np.clip(np.floor(100.0 * y), 0, BINS - 1).astype(np.int64)


def exact_hundredfold(x, lo, hi):
    """100 y in rational arithmetic: what the contract means, free of rounding."""
    x, lo, hi = Fraction(float(x)), Fraction(float(lo)), Fraction(float(hi))
    return 100 * (Fraction(3, 2) + 7 * (x - lo) / (hi - lo))


def channels(rng, n=128):
    """Name, values, and the fixed range if the range does not come from the values."""
    t = np.arange(n)
    edges = np.concatenate([[0.0, 7.0], np.arange(1, n - 1) * 0.05])  # 100 y = 150 + 5 i: every value on an edge
    dyadic = np.concatenate([[0.0, 7.0], 7.0 * np.arange(1, n - 1) / 128.0])  # exactly representable steps
    ends = np.full(n, 0.25)
    ends[::3], ends[1::3] = -1.0, 3.0
    beyond = 10.0 * rng.standard_normal(n)
    beyond[:8] = [-1.5 * 10 / 7, 8.5 * 10 / 7, -3.0, 13.0, 0.0, 10.0, -1e9, 1e9]  # fixed range 0..10
    # Fixed range 0..7 makes y = 1.5 + x: the ends of the axis are the values -1.5 and 8.5 exactly.
    rim = np.linspace(-2.0, 9.0, n)
    rim[:8] = [-1.5, 8.5, np.nextafter(-1.5, -2), np.nextafter(8.5, 8), -1.5 + 0.005, 8.5 - 0.005, 0.0, 7.0]
    return [
        ("sine", np.sin(0.21 * t) * 2.5 + 0.7, None),
        ("noise", rng.standard_normal(n), None),
        ("edges", edges, None),
        ("dyadic", dyadic, None),
        ("two_levels", ends, None),
        ("constant", np.full(n, 3.25), None),
        ("constant_zero", np.zeros(n), None),
        ("huge", 1e300 * rng.standard_normal(n), None),
        ("tiny_range", 1e6 + 1e-9 * np.round(40 * rng.standard_normal(n)), None),
        ("subnormal", 5e-324 * rng.integers(0, 5000, n), None),
        ("negative", -7e4 + 3e2 * rng.standard_normal(n), None),
        ("outlier", np.where(t == 77, 1e8, rng.standard_normal(n)), None),
        ("fixed_beyond", beyond, (0.0, 10.0)),
        ("fixed_rim", rim, (0.0, 7.0)),
        ("fixed_narrow", 0.4 * rng.standard_normal(n), (-0.1, 0.1)),
    ]


def make_axes(rng):
    cases = channels(rng)
    differ = {}
    out = {key: [] for key in ("values", "minimum", "maximum", "low", "high", "bins", "saturated", "near_edge", "decoded")}
    for name, x, fixed in cases:
        lo, hi = fixed if fixed else (x.min(), x.max())
        if lo == hi:
            low = high = lo
            bins, decoded = np.full(x.size, -1, dtype=np.int64), x.copy()
            saturated = near = np.zeros(x.size, bool)
        else:
            y = to_axis(x, lo, hi)
            bins, saturated = bin_of(y), (y < 0.0) | (y >= 10.0)
            exact = [exact_hundredfold(v, lo, hi) for v in x]
            exact_bins = np.array([min(max(floor(e), 0), BINS - 1) for e in exact])
            exact_saturated = np.array([e < 0 or e >= 1000 for e in exact])
            # Closer to an edge than rounding can tell: another order of the operations may give the neighbour.
            near = np.array([abs(float(e - round(e))) < 1e-9 for e in exact])
            assert np.array_equal(bins[~near], exact_bins[~near]) and np.abs(bins - exact_bins).max() <= 1
            assert np.array_equal(saturated[~near], exact_saturated[~near])
            differ[name] = int((bins != exact_bins).sum())
            low, high = to_value(0.0, lo, hi), to_value(10.0, lo, hi)
            decoded = to_value((bins + 0.5) / 100.0, lo, hi)
            if name not in ("tiny_range", "subnormal", "huge"):  # there the value grid is coarser than a bin
                again = bin_of(to_axis(decoded, lo, hi))
                assert np.array_equal(again, bins), name
        row = (x, lo, hi, low, high, bins, saturated.astype(np.uint8), near.astype(np.uint8), decoded)
        for key, item in zip(out, row):
            out[key].append(item)
    result = {f"axis_{key}": np.array(column) for key, column in out.items()}
    result["axis_fixed"] = np.array([fixed is not None for _, _, fixed in cases], dtype=np.uint8)
    order = [name for name, _, _ in cases]
    print("channels:", ", ".join(f"{i} {name}" for i, name in enumerate(order)))
    print("near an edge:", dict(zip(order, result["axis_near_edge"].sum(1).tolist())))
    print("bins that rounding moved:", {name: count for name, count in differ.items() if count})
    print("saturated:", dict(zip(order, result["axis_saturated"].sum(1).tolist())))
    return result


# ---------------------------------------------------------------- densities


def normal(mean, sd):
    p = np.exp(-0.5 * ((CENTRES - mean) / sd) ** 2)
    return p / p.sum()


def densities(rng):
    def gap():
        p = np.zeros(BINS)
        p[120:130], p[800:840] = 0.37 / 10, 0.63 / 40
        return p

    def one(k):
        p = np.zeros(BINS)
        p[k] = 1.0
        return p

    random = rng.dirichlet(np.full(BINS, 0.3))
    softmax = np.exp(3.0 * rng.standard_normal(BINS))
    heavy = 1.0 / (1.0 + ((CENTRES - 6.2) / 0.05) ** 2)
    return [
        ("flat", np.full(BINS, 1.0 / BINS)),
        ("normal_wide", normal(4.7, 1.1)),
        ("normal_sharp", normal(5.003, 0.02)),
        ("bimodal", 0.3 * normal(2.2, 0.1) + 0.7 * normal(7.9, 0.4)),
        ("bimodal_gap", gap()),
        ("one_bin", one(613)),
        ("first_bin", one(0)),
        ("last_bin", one(999)),
        ("dirichlet", random),
        ("softmax_rough", softmax / softmax.sum()),
        ("cauchy", heavy / heavy.sum()),
        ("skewed", (lambda p: p / p.sum())(np.exp(-CENTRES / 0.3))),
    ]


def cumulative(p):
    return np.concatenate([[0.0], np.cumsum(p)])


def cdf(p, y):
    return np.interp(y, EDGES, cumulative(p))


def quantile(p, level):
    """Smallest y with F(y) >= level, F linear inside a bin; bins of zero probability are stepped over."""
    total = 0.0
    for k, pk in enumerate(p):
        if pk > 0.0 and total + pk >= level:
            return k / 100.0 + WIDTH * (level - total) / pk
        total += pk
    return (np.flatnonzero(p)[-1] + 1) / 100.0


def squared(f0, f1, width):
    """Integral of the square of a line from f0 to f1."""
    return width * (f0 * f0 + f0 * f1 + f1 * f1) / 3.0


def crps(p, y):
    """Integral over the real line of (F(u) - [u >= y])^2."""
    c = cumulative(p)
    parts = []
    for k in range(BINS):
        a, b, fa, fb = EDGES[k], EDGES[k + 1], c[k], c[k + 1]
        if y <= a:
            parts.append(squared(1 - fa, 1 - fb, b - a))
        elif y >= b:
            parts.append(squared(fa, fb, b - a))
        else:
            fy = fa + (fb - fa) * (y - a) / (b - a)
            parts += [squared(fa, fy, y - a), squared(1 - fy, 1 - fb, b - y)]
    if y < 0.0:
        parts.append(-y)
    if y > 10.0:
        parts.append(y - 10.0)
    return fsum(parts)


def crps_by_expectation(p, y):
    """E|X - y| - E|X - X'| / 2, the other definition of the same number."""
    inside = (EDGES[:-1] < y) & (y < EDGES[1:])
    first = np.abs(CENTRES - y)
    first[inside] = ((y - EDGES[:-1][inside]) ** 2 + (EDGES[1:][inside] - y) ** 2) / (2 * WIDTH)
    # E|X - X'| of two points in bins i, j is the distance of the centres, or width / 3 in one bin.
    c = np.cumsum(p)
    between = 2.0 * WIDTH * np.sum(c[:-1] * (1 - c[:-1]))
    within = WIDTH / 3.0 * np.sum(p * p)
    return p @ first - (between + within) / 2


def crps_by_quadrature(p, y):
    lo, hi = min(0.0, y), max(10.0, y)
    knots = np.unique(np.concatenate([EDGES, [lo, hi, y]]))
    nodes, weights = np.polynomial.legendre.leggauss(4)
    total = 0.0
    for a, b in zip(knots[:-1], knots[1:]):
        u = 0.5 * (a + b) + 0.5 * (b - a) * nodes
        total += 0.5 * (b - a) * np.dot(weights, (cdf(p, u) - (u >= y)) ** 2)
    return total


def make_densities(rng):
    named = densities(rng)
    names = [name for name, _ in named]
    p = np.array([row for _, row in named])
    assert np.allclose(p.sum(1), 1.0, atol=1e-12)
    count = len(named)
    points = np.array([0.0, 0.004, 0.37, 1.2, 1.25, 2.2, 3.333, 4.7, 5.0, 5.003, 6.13, 6.135, 6.2, 7.77, 8.2, 9.9999, 10.0, -0.3, 10.4])
    levels = np.array([0.001, 0.005, 0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.995, 0.999])
    # Observations inside the axis: six common ones, and per density a random one and two
    # of its quantiles. None lies on an edge of a bin, so that rounding on the way to original units cannot move it.
    seen = np.empty((count, 9))
    seen[:, :6] = [0.0031, 1.2345, 5.0042, 6.1372, 8.123, 9.9999]
    seen[:, 6] = rng.uniform(0, 10, count)
    seen[:, 7] = [quantile(row, 0.4321) for row in p]
    seen[:, 8] = [quantile(row, 0.9013) for row in p]
    outside = np.array([-0.7, 11.3])

    mean = p @ CENTRES
    variance = np.array([row @ (CENTRES - m) ** 2 for row, m in zip(p, mean)]) + WIDTH**2 / 12
    for row, m, v in zip(p, mean, variance):  # against the integral of the density
        first = fsum(row * (EDGES[1:] ** 2 - EDGES[:-1] ** 2) / 2 / WIDTH)
        second = fsum(row * (EDGES[1:] ** 3 - EDGES[:-1] ** 3) / 3 / WIDTH)
        assert abs(first - m) < 1e-10 and abs(second - first**2 - v) < 1e-9
    quantiles = np.array([[quantile(row, level) for level in levels] for row in p])
    for row, qs in zip(p, quantiles):
        assert np.allclose(cdf(row, qs), levels, atol=1e-12)
    k = bin_of(seen)
    assert np.abs(100 * seen - np.round(100 * seen)).min() > 1e-3
    with np.errstate(divide="ignore"):
        score = np.log(100.0 * np.take_along_axis(p, k, 1))
    exact = np.array([[crps(row, y) for y in ys] for row, ys in zip(p, seen)])
    exact_outside = np.array([[crps(row, y) for y in outside] for row in p])
    for row, ys, cs in zip(p, np.hstack([seen, np.tile(outside, (count, 1))]), np.hstack([exact, exact_outside])):
        for y, c in zip(ys, cs):
            assert abs(crps_by_expectation(row, y) - c) < 1e-11, (y, c, crps_by_expectation(row, y))
            assert abs(crps_by_quadrature(row, y) - c) < 1e-11
    # One integration that knows nothing of bins.
    numeric = 0.0
    for a, b, step in ((0.0, 5.0, 0.0), (5.0, 10.0, 1.0)):
        u = np.linspace(a, b, 1_000_001)
        numeric += np.trapezoid((cdf(p[1], u) - step) ** 2, u)
    assert abs(numeric - crps(p[1], 5.0)) < 1e-9

    lo = np.array([-1.0, 0.0, 1e-3, -250.0, 3.0, -1.0, 0.0, 1e6, -2e-5, 17.0, -40.0, 0.5])
    hi = np.array([1.0, 7.0, 2e-3, 1300.0, 3.5, 1.0, 10.0, 1e6 + 4, 3e-5, 18.0, -38.0, 9e3])
    unit = ((hi - lo) / SPAN)[:, None]  # original units per unit of the axis
    print("densities:", ", ".join(f"{i} {name}" for i, name in enumerate(names)))
    print("log scores of minus infinity:", int(np.isinf(score).sum()))
    return {
        "density_probabilities": p, "density_mean": mean, "density_variance": variance,
        "density_cdf_points": points, "density_cdf": np.array([cdf(row, points) for row in p]),
        "density_levels": levels, "density_quantiles": quantiles,
        "density_observations": seen, "density_observation_bins": k, "density_log_score": score, "density_crps": exact,
        "density_outside": outside, "density_crps_outside": exact_outside,
        "density_minimum": lo, "density_maximum": hi,
        "density_value_mean": to_value(mean, lo, hi), "density_value_variance": variance * unit[:, 0] ** 2,
        "density_value_quantiles": to_value(quantiles, lo[:, None], hi[:, None]),
        "density_value_observations": to_value(seen, lo[:, None], hi[:, None]),
        "density_value_log_score": score - np.log(unit), "density_value_crps": exact * unit,
    }


# ---------------------------------------------------------------- principal components


def make_components(rng, rows=200, d=6, share=0.95):
    """Standardise by the context's mean and population deviation, then PCA of the correlation matrix."""
    factors = rng.standard_normal((rows + 5, 3)) * [2.0, 1.2, 0.7]
    mix = rng.standard_normal((3, d))
    scale = np.array([1e-3, 0.2, 1.0, 15.0, 4e2, 1e4])
    offset = np.array([5e-3, -1.0, 0.0, 100.0, -3e3, 2e5])
    data = (factors @ mix + 0.35 * rng.standard_normal((rows + 5, d))) * scale + offset
    context, later = data[:rows], data[rows:]
    mean, std = context.mean(0), context.std(0)
    standard = (context - mean) / std
    values, vectors = np.linalg.eigh(standard.T @ standard / rows)
    values, vectors = values[::-1], vectors[:, ::-1]
    singular = np.linalg.svd(standard, compute_uv=False) ** 2 / rows
    assert np.allclose(values, singular, rtol=1e-10) and abs(values.sum() - d) < 1e-10
    ratio = values / values.sum()
    reached = np.cumsum(ratio)
    count = int(np.argmax(reached >= share)) + 1
    assert 1 < count < d and np.abs(reached - share).min() > 5e-3, reached
    assert (-np.diff(values)).min() > 1e-2, "components must be told apart"
    kept = vectors[:, :count]
    a = std[:, None] * kept  # x = A z + b
    z = standard @ kept
    later_z = (later - mean) / std @ kept
    assert np.allclose(z.var(0), values[:count])
    # Only what the arbitrary signs of the eigenvectors leave alone is stored.
    component_variance = np.array([0.31, 0.052, 0.9, 0.07, 1.3, 0.2])[:count]
    covariance = a @ np.diag(component_variance) @ a.T
    full = std[:, None] * vectors
    print("explained variance:", values, "share:", reached, "kept:", count)
    return {
        "pca_context": context, "pca_later": later, "pca_mean": mean, "pca_std": std, "pca_explained_variance": values,
        "pca_explained_share": ratio, "pca_share": np.array([share]), "pca_count": np.array([count], dtype=np.int64),
        "pca_squared_components": z**2, "pca_projector": kept @ kept.T,
        "pca_reconstruction": z @ a.T + mean, "pca_later_reconstruction": later_z @ a.T + mean,
        "pca_later_squared_components": later_z**2,
        "pca_component_variance": component_variance, "pca_state_covariance": covariance,
        "pca_full_component_variance": np.array([0.31, 0.052, 0.9, 0.07, 1.3, 0.2]),
        "pca_full_state_covariance": full @ np.diag([0.31, 0.052, 0.9, 0.07, 1.3, 0.2]) @ full.T,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    arrays = make_axes(np.random.default_rng(11)) | make_densities(np.random.default_rng(12))
    arrays |= make_components(np.random.default_rng(13))
    np.savez_compressed(out / "codec.npz", **arrays)
    for name, array in arrays.items():
        print(f"{name:32s} {array.dtype!s:8s} {list(array.shape)}")
    print(f"codec.npz {(out / 'codec.npz').stat().st_size / 1000:.0f} kB")
