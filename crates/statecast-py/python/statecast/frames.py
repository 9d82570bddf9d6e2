"""Series in pandas tables: many below each other, with times and covariates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from statecast._core import StatecastError
from statecast._recording import Recording

if TYPE_CHECKING:
    from statecast._forecaster import Forecaster

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def predict_df(
    forecaster: Forecaster,
    df: Any,
    prediction_length: int,
    quantile_levels: Sequence[float] = LEVELS,
    id_column: str = "item_id",
    timestamp_column: str = "timestamp",
    target: str | Sequence[str] = "target",
    future_df: Any = None,
    *,
    samples: int = 100,
    seed: int = 0,
) -> Any:
    """Forecasts every series of a pandas table.

    Args:
        forecaster: what forecasts.
        df: a row a series and time. Other columns are covariates: those of `future_df` are known beforehand and read as
            actions, if the forecaster sees actions; the others are forecast together with the target.
        prediction_length: steps to forecast.
        quantile_levels: from 0 to 1, ascending.
        id_column: name of the column that tells series apart.
        timestamp_column: of the times; regular within a series, in any order.
        target: name of the column that is forecast, or several names.
        future_df: covariates of the steps ahead, `prediction_length` rows a series, with `id_column` and
            `timestamp_column`.
        samples: paths.
        seed: of the draws.

    Returns:
        A table with a row a series, target and step: `id_column`, `timestamp_column`, `target_name`, `predictions` (the
        median), and a column a level, named by it.

    Raises:
        StatecastError: names the series that cannot be forecast.
    """
    import pandas

    targets = [target] if isinstance(target, str) else list(target)
    _require(df, [id_column, timestamp_column, *targets], "df")
    keys = {id_column, timestamp_column}
    known: list[str] = []
    ahead = None
    if future_df is not None:
        _require(future_df, [id_column, timestamp_column], "future_df")
        known = [name for name in future_df.columns if name not in keys] if forecaster.sees_actions else []
        _require(df, known, "df")
        overlap = sorted(set(known) & set(targets))
        if overlap:
            raise StatecastError(f"future_df holds {', '.join(overlap)}, which is to be forecast")
        ahead = dict(iter(future_df.groupby(id_column, sort=False)))
    ahead_names = set() if future_df is None else set(future_df.columns)
    states = targets + [name for name in df.columns if name not in {*keys, *targets, *ahead_names}]
    tables = []
    if pandas.api.types.is_object_dtype(df[timestamp_column]) or pandas.api.types.is_string_dtype(df[timestamp_column]):
        raise StatecastError(f"{timestamp_column} holds text: make times of it by pandas.to_datetime")
    for name, series in df.groupby(id_column, sort=False):
        try:
            tables.append(
                _of_series(
                    forecaster,
                    series.sort_values(timestamp_column),
                    None if ahead is None else _ahead(ahead, name, timestamp_column, prediction_length),
                    prediction_length,
                    list(quantile_levels),
                    id_column,
                    timestamp_column,
                    states,
                    targets,
                    known,
                    samples,
                    seed,
                )
            )
        except StatecastError as error:
            raise StatecastError(f"series {name}: {error}") from None
    if not tables:
        raise StatecastError("df holds no series")
    return pandas.concat(tables, ignore_index=True)


def _of_series(
    forecaster: Forecaster,
    series: Any,
    ahead: Any,
    horizon: int,
    levels: list[float],
    id_column: str,
    timestamp_column: str,
    states: list[str],
    targets: list[str],
    known: list[str],
    samples: int,
    seed: int,
) -> Any:
    import pandas

    stamps = pandas.Index(series[timestamp_column])
    if stamps.has_duplicates:
        raise StatecastError(f"{stamps[stamps.duplicated()][0]} stands in several rows")
    times = continued(stamps, horizon)
    if ahead is not None and not pandas.Index(ahead[timestamp_column]).equals(pandas.Index(times)):
        raise StatecastError(
            f"future_df has the times {list(ahead[timestamp_column])[:3]} … where {list(times)[:3]} … follow"
        )
    recording = Recording(series[states], series[known] if known else None)
    forecast = forecaster.forecast(
        recording,
        horizon,
        future_actions=ahead[known] if known else None,
        samples=samples,
        seed=seed,
    )
    quantiles = forecast.quantiles(levels)
    median = forecast.median
    parts = []
    for name in targets:
        column = states.index(name)
        part = {
            id_column: [series[id_column].iloc[0]] * horizon,
            timestamp_column: times,
            "target_name": name,
            "predictions": median[:, column],
        }
        parts.append(
            pandas.DataFrame(part | {str(level): quantiles[i, :, column] for i, level in enumerate(levels)})
        )
    return pandas.concat(parts, ignore_index=True)


def _ahead(ahead: dict[Any, Any], name: Any, timestamp_column: str, horizon: int) -> Any:
    if name not in ahead or len(ahead[name]) != horizon:
        raise StatecastError(f"future_df has {len(ahead.get(name, ()))} rows of it, not {horizon}")
    return ahead[name].sort_values(timestamp_column)


def _require(df: Any, names: list[str], what: str) -> None:
    missing = [name for name in names if name not in df.columns]
    if missing:
        raise StatecastError(f"{what} has no column {', '.join(missing)}: its columns are {', '.join(map(str, df.columns))}")


def continued(index: Any, horizon: int) -> Any:
    """The next `horizon` entries of a pandas index: dates by their frequency, numbers by their step.

    Raises:
        StatecastError: if it is not regular.
    """
    import pandas

    if isinstance(index, pandas.PeriodIndex):
        return pandas.period_range(index[-1] + 1, periods=horizon, freq=index.freq)
    if isinstance(index, pandas.DatetimeIndex):
        frequency = index.freq or (pandas.infer_freq(index) if len(index) > 2 else None)
        if frequency is None:
            raise StatecastError("the times are not regular, so those of the forecast are not known")
        return pandas.date_range(index[-1], periods=horizon + 1, freq=frequency)[1:]
    if pandas.api.types.is_numeric_dtype(index):
        values = np.asarray(index)
        step = values[-1] - values[-2] if len(values) > 1 else 1
        if not np.allclose(np.diff(values), step):
            raise StatecastError("the times are not regular, so those of the forecast are not known")
        return pandas.Index(values[-1] + step * np.arange(1, horizon + 1))
    return pandas.RangeIndex(len(index), len(index) + horizon)
