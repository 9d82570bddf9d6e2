"""Many series on several processes or machines, by Ray Data, Spark or Dask.

All three hand tables of whole series to one class, [`SeriesForecaster`], which loads its model once a process. What a
series gets does not depend on the number of workers, nor on which series stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statecast._core import StatecastError
from statecast._forecaster import Forecaster
from statecast.frames import predict_df

ERROR = "error"


class SeriesForecaster:
    """Forecasts tables of whole series: a callable from `pandas.DataFrame` to the table of `predict_df`, with a column
    `error` that says why a series has no forecast.

    Args:
        prediction_length: steps to forecast.
        options: what the forecaster is made of, such as `{"experts": "builtin,linear"}`.
        settings: of `predict_df`, such as `quantile_levels` and the names of columns.
    """

    def __init__(
        self, prediction_length: int, options: dict[str, Any] | None = None, settings: dict[str, Any] | None = None
    ) -> None:
        self._forecaster = Forecaster(**(options or {}))
        self._length = prediction_length
        self._settings = settings or {}

    def __call__(self, df: Any) -> Any:
        import pandas

        name_of_id = self._settings.get("id_column", "item_id")
        tables = []
        for name, series in df.groupby(name_of_id, sort=False):
            try:
                table = predict_df(self._forecaster, series, self._length, **self._settings)
                table[ERROR] = ""
            except StatecastError as error:
                table = pandas.DataFrame({name_of_id: [name], ERROR: [str(error)]})
            tables.append(table)
        return pandas.concat(tables, ignore_index=True)


def forecast(
    dataset: Any,
    prediction_length: int,
    *,
    options: dict[str, Any] | None = None,
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float = 1,
    **settings: Any,
) -> Any:
    """Forecasts the series of a `ray.data.Dataset` whose rows are those of `predict_df`.

    Args:
        dataset: rows of series, in any order; it is grouped by `id_column`.
        prediction_length: steps to forecast.
        options: what the forecaster is made of.
        concurrency: processes, or the least and the most of them.
        num_cpus: cores of a process, which are its threads.
        settings: of [`predict_df`](statecast.frames.predict_df).

    Returns:
        A dataset of the table of `predict_df` with a column `error`: series that cannot be forecast have one row, which says
        why, and cost the others nothing.
    """
    columns = _columns(settings)

    def of_group(df: Any) -> Any:
        return _of_process(prediction_length, options, settings, num_cpus)(df).reindex(columns=columns)

    groups = dataset.groupby(settings.get("id_column", "item_id"))
    return groups.map_groups(of_group, batch_format="pandas", concurrency=concurrency, num_cpus=num_cpus)


_PROCESS: dict[bytes, SeriesForecaster] = {}


def _of_process(
    prediction_length: int, options: dict[str, Any] | None, settings: dict[str, Any], num_cpus: float
) -> SeriesForecaster:
    """The forecaster of this process, which is made once."""
    import os
    import pickle

    key = pickle.dumps((prediction_length, options, settings))
    if key not in _PROCESS:
        os.environ.setdefault("RAYON_NUM_THREADS", str(max(1, int(num_cpus))))
        _PROCESS[key] = SeriesForecaster(prediction_length, options, settings)
    return _PROCESS[key]


def _columns(settings: dict[str, Any]) -> list[str]:
    from statecast.frames import LEVELS

    levels = [str(level) for level in settings.get("quantile_levels", LEVELS)]
    keys = [settings.get("id_column", "item_id"), settings.get("timestamp_column", "timestamp")]
    return [*keys, "target_name", "predictions", *levels, ERROR]


def pandas_function(
    prediction_length: int, *, options: dict[str, Any] | None = None, **settings: Any
) -> Callable[[Any], Any]:
    """A function from a pandas table of whole series to their forecasts, for `groupby(...).applyInPandas` of Spark and
    `groupby(...).apply` of Dask. Its columns are those of [`forecast`]; the forecaster is made once a process.
    """
    columns = _columns(settings)

    def function(df: Any) -> Any:
        return _of_process(prediction_length, options, settings, 1)(df).reindex(columns=columns)

    return function
