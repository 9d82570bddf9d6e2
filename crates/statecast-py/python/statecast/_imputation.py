"""Missing values and missing actions, with the density of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import columns, whole
from statecast._core import StatecastError
from statecast._recording import Recording


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


class ActionLabels:
    """What is known of the actions of a recording that has none, by [`impute_actions`](statecast.impute_actions)."""

    _inner: _core.ActionLabels

    @property
    def action_names(self) -> list[str]:
        """Names of the actions."""
        return self._inner.action_names

    @property
    def steps(self) -> np.ndarray:
        """Episode and row of each labelled step, `[steps, 2]`; last rows whose next state is not known are not among them."""
        return self._inner.steps

    @property
    def labels(self) -> np.ndarray:
        """Medians, or likeliest levels, `[steps, actions]`."""
        return self._inner.labels

    @property
    def scores(self) -> list[dict[str, Any]]:
        """Of each action in episodes that were held out: `method`, `loss` (CRPS over the standard deviation, or Brier score of levels),
        `loss_of_mean` (the same of the mean) and `hit` (share in the 80 % interval, or of right levels)."""
        names = ("method", "loss", "loss_of_mean", "hit")
        return [dict(zip(names, score)) for score in self._inner.scores]

    @property
    def warnings(self) -> list[str]:
        """What makes labels doubtful, such as that they are no better than the mean."""
        return self._inner.warnings

    def quantile(self, level: float) -> np.ndarray:
        """A quantile of each action of each labelled step, `[steps, actions]`.

        Raises:
            StatecastError: if the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise StatecastError(f"`level={level}`: between 0 and 1")
        return self._inner.quantile(float(level))

    def recording(self) -> Recording:
        """The recording with its labels as actions; last rows without a label are final states."""
        return Recording._of(self._inner.recording())


def impute_actions(recording: Recording, labelled: Recording | Sequence[Recording]) -> ActionLabels:
    """Labels a recording that has no actions by inverse dynamics of others of the same system that have them.

    >>> import numpy as np, statecast
    >>> push = np.sin(1.3 * np.arange(100))
    >>> speed = np.cumsum(np.r_[0, 0.1 * push])[:-1]
    >>> known = statecast.Recording(speed, actions=push)
    >>> labels = statecast.impute_actions(statecast.Recording(speed[:50]), known)
    >>> bool(abs(labels.labels[:, 0] - push[:49]).max() < 0.05)
    True

    Args:
        recording: states without actions.
        labelled: a recording with actions, or several; their states have the same names.

    Raises:
        StatecastError: for states or actions whose names do not agree, and for fewer than 20 steps with actions.
    """
    known = [labelled] if isinstance(labelled, Recording) else list(labelled)
    labels = ActionLabels.__new__(ActionLabels)
    labels._inner = _core.impute_actions(recording._inner, [of._inner for of in known])
    return labels
