"""Sessions: series that are followed row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import columns, whole
from statecast._core import StatecastError
from statecast._forecast import Density


class Session:
    """A series that was read once, and is followed as its rows come.

    >>> import numpy as np, statecast
    >>> wave = np.sin(0.3 * np.arange(203))
    >>> session = statecast.Forecaster(experts="ar").session(wave[:200])
    >>> expected = session.density().mean[0]
    >>> _ = session.append(wave[200])
    >>> bool(abs(expected - wave[200]) < 0.1), session.rows
    (True, 201)
    """

    def __init__(self, inner: _core.Session) -> None:
        self._inner = inner

    @property
    def names(self) -> list[str]:
        """Names of the states."""
        return self._inner.names

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self._inner.rows

    @property
    def states(self) -> np.ndarray:
        """The rows that were read, `[rows, states]`."""
        return self._inner.states()

    def density(self) -> Density:
        """Densities of the next row, given all rows and actions before it."""
        return Density(self._inner.density())

    def append(self, states: Any, actions: Any = None) -> np.ndarray:
        """Reads rows that came.

        Args:
            states: one row `[states]`, or `[rows, states]`; a number where there is one state.
            actions: what was done in them, of the same number of rows.

        Returns:
            Log scores of the rows, each given the rows before it, `[rows, channels]`: nats per unit of the axis.
        """
        states = self._rows(states, self.names, "states")
        width = len(self._inner.action_names)
        if actions is None:
            if width:
                raise StatecastError(f"the system has {width} action(s): give them with the states")
            actions = np.empty((len(states), 0))
        else:
            actions = self._rows(actions, self._inner.action_names, "actions")
        return self._inner.append(states, np.ascontiguousarray(actions))

    @property
    def evidence(self) -> dict[str, Any]:
        """Evidence against the calibration of the densities of all appended rows, which may be looked at after every row.

        `rows`: appended rows. `evidence`: what a gambler has won by betting against the densities, in nats. `p_value`: of calibrated densities it ever falls to a
        level with a probability of at most that level. `alarm`: `None`, or when a monitor told that the densities are not calibrated (`row`),
        since when it seems so (`since`), counted from the first appended row, and of which `channel`; of calibrated densities once in 10,000
        rows on average, or less often. Channels that are constant in the context are not tested. A fork, or a session that was rolled back, begins anew.
        """
        return self._inner.evidence()

    def predict(
        self, horizon: int, *, samples: int = 100, seed: int = 0, future_actions: Any = None
    ) -> np.ndarray:
        """Sample paths `[samples, horizon, states]` after the rows that were read, under actions `[horizon, actions]`."""
        if future_actions is not None:
            future_actions = self._rows(future_actions, self._inner.action_names, "future_actions")
        return self._inner.predict(
            whole(horizon, "horizon"), whole(samples, "samples"), whole(seed, "seed"), future_actions
        )

    def fork(self) -> Session:
        """Another session with the same rows, which goes on by itself. It reads them anew."""
        return Session(self._inner.fork(None))

    def roll_back(self, rows: int = 1) -> None:
        """Forgets the last rows. The rows before them are read anew."""
        if not 0 <= rows <= self.rows - 2:
            raise StatecastError(f"{rows} of {self.rows} rows cannot be forgotten: two at least stay")
        self._inner = self._inner.fork(self.rows - rows)

    @staticmethod
    def _rows(given: Any, names: list[str], what: str) -> np.ndarray:
        values = np.asarray(given)
        if values.ndim == 0 or (values.ndim == 1 and len(names) > 1):
            given = values.reshape(1, -1)
        return columns(given, what).under(names, what).values

    def __repr__(self) -> str:
        return f"Session({self.rows} rows of {self.names})"
