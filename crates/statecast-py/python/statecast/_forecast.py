"""Forecasts and densities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import array
from statecast._core import StatecastError

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Density:
    """Densities of the channels in one row: probabilities of 1000 bins a channel.

    With `method="residual"` and `"vicl"` the channels are the variables.
    """

    def __init__(self, inner: _core.NextRow) -> None:
        self._inner = inner

    @property
    def names(self) -> list[str]:
        """Names of the channels."""
        return self._inner.names

    @property
    def mean(self) -> np.ndarray:
        """`[channels]`."""
        return self._inner.mean()

    @property
    def std(self) -> np.ndarray:
        """`[channels]`."""
        return self._inner.std()

    def quantile(self, level: float) -> np.ndarray:
        """`[channels]`, at a level from 0 to 1."""
        return self._inner.quantile(level)

    def cdf(self, values: Any, channel: int | str = 0) -> np.ndarray:
        """Probabilities that a channel is at most `values`, of their shape."""
        values = array(values, "values")
        return self._inner.cdf(self._channel(channel), values.reshape(-1)).reshape(values.shape)

    def bins(self, channel: int | str = 0) -> tuple[np.ndarray, np.ndarray]:
        """Ends of a channel's bins `[1001]`, in its units, and the probability of each `[1000]`."""
        edges, probabilities = self._inner.bins(self._channel(channel))
        return edges, probabilities

    def _channel(self, channel: int | str) -> int:
        return _index(channel, self.names, "channel")

    def __repr__(self) -> str:
        return f"Density({self.names})"


class Forecast:
    """How a series continues: sample paths of its variables.

    Arrays are `[horizon, variables]`, in the variables' own units. Step `t` of a forecast after `T` rows is row `T + t`. Where
    several plans of actions were given, the methods take the name of one as `future`.
    """

    def __init__(self, inner: _core.Forecast, index: Any = None) -> None:
        self._inner = inner
        self._index = index

    @property
    def episode(self) -> str:
        """Name of the episode."""
        return self._inner.episode

    @property
    def names(self) -> list[str]:
        """Names of the variables, and of the derived quantities after them."""
        return self._inner.names

    @property
    def futures(self) -> list[str | None]:
        """Names of the plans of actions; one that is `None` where there is one forecast."""
        return self._inner.futures

    @property
    def context(self) -> np.ndarray:
        """The rows that were read, `[rows, variables]`."""
        return self._inner.observed()

    @property
    def truth(self) -> np.ndarray | None:
        """The rows that were held back, `[horizon, variables]`."""
        return self._inner.truth()

    @property
    def times(self) -> Any:
        """Times of the steps: the pandas index, continued, numbers or dates of a file; numbers of rows where these are not
        known or not regular."""
        horizon = len(self.mean)
        first = self._inner.context[1]
        if self._index is not None:
            from statecast.frames import continued

            if len(self._index) >= first + horizon:
                return self._index[first : first + horizon]
            try:
                return continued(self._index, horizon)
            except StatecastError:
                return list(range(first, first + horizon))
        times = self._inner.times
        return list(range(first, first + horizon)) if None in times else times

    @property
    def paths(self) -> np.ndarray:
        """Sample paths, `[samples, horizon, variables]`."""
        return self._inner.paths(0)

    @property
    def mean(self) -> np.ndarray:
        """Means over the paths."""
        return self._inner.mean(0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviations over the paths."""
        return self._inner.std(0)

    @property
    def median(self) -> np.ndarray:
        """Medians over the paths."""
        return self.quantile(0.5)

    def future(self, name: str | None) -> np.ndarray:
        """Sample paths of a plan, `[samples, horizon, variables]`."""
        return self._inner.paths(self._future(name))

    def quantile(self, level: float, future: str | None = None) -> np.ndarray:
        """Quantiles over the paths at a level from 0 to 1."""
        return self._inner.quantile(float(level), self._future(future))

    def quantiles(self, levels: Sequence[float] = LEVELS, future: str | None = None) -> np.ndarray:
        """Quantiles at some levels, `[levels, horizon, variables]`."""
        return np.stack([self.quantile(level, future) for level in levels])

    def band(self, future: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the band that holds a variable's whole path with a probability of 90 %."""
        low, high = self._inner.band(self._future(future))
        return low, high

    @property
    def density(self) -> Density | None:
        """The exact densities of the first step."""
        inner = self._inner.next_row()
        return None if inner is None else Density(inner)

    @property
    def reading(self) -> dict[str, Any]:
        """What to know of how the context was read: its rows, clipped values, whose paths were pooled, which experts led."""
        return self._inner.reading()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the table of [`to_pandas`](Forecast.to_pandas): .csv, .json or .parquet."""
        self._inner.write(os.fspath(path))

    def to_dict(self, levels: Sequence[float] = LEVELS) -> dict[str, Any]:
        """The columns of the table: a row a step and variable, with mean, standard deviation and quantiles."""
        return self._inner.table([float(level) for level in levels])

    def to_pandas(self, levels: Sequence[float] = LEVELS) -> Any:
        """The table as a `pandas.DataFrame`."""
        import pandas

        return pandas.DataFrame(self.to_dict(levels))

    def to_polars(self, levels: Sequence[float] = LEVELS) -> Any:
        """The table as a `polars.DataFrame`."""
        import polars

        return polars.DataFrame(self.to_dict(levels))

    def to_xarray(self) -> Any:
        """The paths as an `xarray.DataArray` with dimensions `sample`, `step` and `variable`."""
        import xarray

        paths = self.paths
        coordinates = {
            "sample": np.arange(len(paths)),
            "step": np.arange(1, paths.shape[1] + 1),
            "variable": self.names,
            "time": ("step", self.times),
        }
        return xarray.DataArray(paths, dims=("sample", "step", "variable"), coords=coordinates, name="forecast")

    def to_arviz(self) -> Any:
        """The paths as posterior predictive draws of `arviz`, one variable each with dimensions `chain`, `draw` and `step`."""
        import arviz

        draws = {name: self.paths[np.newaxis, :, :, i] for i, name in enumerate(self.names)}
        if hasattr(arviz, "InferenceData"):
            return arviz.from_dict(posterior_predictive=draws)
        return arviz.from_dict({"posterior_predictive": draws})

    def plot(self, variables: Sequence[int | str] | None = None, *, axes: Any = None) -> Any:
        """Draws the context's end, the median and the 50 % and 90 % intervals with matplotlib; returns the axes."""
        from statecast._plot import plot

        return plot(self, variables, axes)

    def _future(self, name: str | None) -> int:
        return 0 if name is None else _index(name, self.futures, "future")

    def __repr__(self) -> str:
        samples, horizon, _ = self.paths.shape
        return f"Forecast({horizon} step(s) of {self.names} by {samples} path(s))"


def _index(wanted: int | str, names: Sequence[str | None], what: str) -> int:
    if isinstance(wanted, str):
        if wanted not in names:
            raise StatecastError(f"no {what} is called {wanted!r}: there are {', '.join(map(repr, names))}")
        return names.index(wanted)
    return range(len(names))[wanted]
