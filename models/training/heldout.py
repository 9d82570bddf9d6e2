"""The held-out series on the axis: bins, validity and paths to their files."""

import hashlib
import os

import numpy as np

SCALED_ON, STEPS, FIRST_SCORED = 200, 300, 20  # values that fix the scale; values scored; first scored value


def positions_of(series, scaled_on=SCALED_ON):
    """Positions on the axis [series, values]."""
    low = series[:, :scaled_on].min(1, keepdims=True)
    high = series[:, :scaled_on].max(1, keepdims=True)
    return 1.5 + 7 * (series - low) / np.maximum(high - low, 1e-9)


def bins_of(series, scaled_on=SCALED_ON):
    """Bins and validity [series, values]; minimum and maximum of the first values map to 1.5 and 8.5, bins
    are floors.
    """
    k = np.floor(100 * positions_of(series, scaled_on))
    valid = np.cumprod((k >= 0) & (k <= 999), 1).astype(bool)
    return np.clip(k, 0, 999).astype(int), valid


def families(path, count):
    """{name: float64 [count, values]}, `train_families` (not held out) last."""
    with np.load(path) as file:
        return {name: file[name][:count].astype(np.float64) for name in file.files}


def cached(folder, name, bins, compute):
    """The arrays that `compute(bins)` returns, kept in a file that the name and the bins identify."""
    key = hashlib.sha256(np.ascontiguousarray(bins).tobytes()).hexdigest()[:12]
    path = f"{folder}/{name}-{key}.npz"
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        np.savez(path + ".new.npz", **compute(bins))
        os.replace(path + ".new.npz", path)
    with np.load(path) as file:
        return {k: file[k] for k in file.files}
