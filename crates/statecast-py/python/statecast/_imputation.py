"""Missing values, with the density of each given all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import columns, whole
from statecast._core import StatecastError


class Imputation:
    """What is known of missing values, by [`impute`](statecast.impute)."""

    _inner: _core.Imputation

    @property
    def filled(self) -> np.ndarray:
        """The states with medians for missing values, `[rows, states]`."""
        return self._inner.filled

    @property
    def holes(self) -> np.ndarray:
        """Row and column of each missing value, `[holes, 2]`, row by row."""
        return self._inner.holes

    def quantile(self, level: float) -> np.ndarray:
        """A quantile of each missing value, `[holes]`.

        Raises:
            StatecastError: if the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise StatecastError(f"`level={level}`: between 0 and 1")
        return self._inner.quantile(float(level))

    def sample(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Joint draws of all missing values, `[count, holes]`."""
        return self._inner.sample(whole(count, "count"), whole(seed, "seed"))


def impute(states: Any, actions: Any = None, *, seed: int = 0) -> Imputation:
    """Fills missing states from both sides by a linear state-space model that is fitted to them.

    >>> import numpy as np, statecast
    >>> wave = np.sin(0.3 * np.arange(100))
    >>> gone = np.where(np.arange(100) % 20 == 7, np.nan, wave)
    >>> bool(abs(statecast.impute(gone).filled[:, 0] - wave).max() < 0.01)
    True

    Args:
        states: `[rows]` or `[rows, states]`, NaN where missing: an array, list, or pandas, polars or Arrow table.
        actions: `[rows]` or `[rows, actions]`: what was done in each row, all known.
        seed: of the choice of known values that forms of the model are tried on.

    Raises:
        StatecastError: for a column without values, or a gap longer than half of the rows.
    """
    given = columns(states, "states", finite=False).values
    done = np.zeros((len(given), 0)) if actions is None else columns(actions, "actions").values
    imputation = Imputation.__new__(Imputation)
    imputation._inner = _core.impute(given, done, whole(seed, "seed"))
    return imputation
