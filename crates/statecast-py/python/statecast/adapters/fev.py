"""A model of fev's benchmarks."""

from __future__ import annotations

from typing import Any

import datasets
import fev
import numpy as np

from statecast._forecaster import Forecaster

# Metrics whose best point forecast is the mean; that of the others is the median.
OF_MEANS = {"MSE", "RMSE", "RMSSE", "RMSLE"}


class StatecastModel(fev.ForecastingModel):
    """Forecasts the windows of a fev task; covariates known beforehand are read as actions. A missing value is the last one
    before it.

    Args:
        samples: paths.
        seed: of the draws.
        options: what the forecaster is made of.
    """

    model_name = "statecast"

    def __init__(self, *, samples: int = 100, seed: int = 0, **options: Any) -> None:
        super().__init__()
        self.samples = samples
        self.seed = seed
        self._forecaster = Forecaster(**options)

    def _fit_predict(self, task: fev.Task) -> list[datasets.DatasetDict]:
        return [self._of_window(window, task) for window in task.iter_windows()]

    def _of_window(self, window: fev.EvaluationWindow, task: fev.Task) -> datasets.DatasetDict:
        past, future = window.get_input_data()
        targets = window.target_columns
        known = window.known_dynamic_columns if self._forecaster.sees_actions else []
        levels = [float(level) for level in task.quantile_levels]
        found: dict[str, list[dict[str, Any]]] = {target: [] for target in targets}
        with self._record_inference_time():
            for series, ahead in zip(past, future, strict=True):
                forecast = self._forecaster.forecast(
                    _held(series, targets),
                    window.horizon,
                    actions=_held(series, known) if known else None,
                    future_actions=_held(ahead, known) if known else None,
                    samples=self.samples,
                    seed=self.seed,
                )
                points = forecast.mean if task.eval_metric in OF_MEANS else forecast.median
                quantiles = list(forecast.quantiles(levels)) if levels else []
                for column, target in enumerate(targets):
                    row = {str(level): of[:, column] for level, of in zip(levels, quantiles, strict=True)}
                    found[target].append({"predictions": points[:, column]} | row)
        rows = {target: datasets.Dataset.from_list(of) for target, of in found.items()}
        return datasets.DatasetDict({target: of.cast(task.predictions_schema) for target, of in rows.items()})


def _held(series: dict[str, Any], names: list[str]) -> np.ndarray:
    """`[rows, names]` with the last known value where one is missing, and the first known one before it."""
    columns = []
    for name in names:
        values = np.asarray(series[name], dtype=np.float64)
        known = np.flatnonzero(np.isfinite(values))
        if len(known) == 0:
            values, known = np.zeros_like(values), np.arange(len(values))
        place = np.searchsorted(known, np.arange(len(values)), side="right") - 1
        columns.append(values[known[np.maximum(place, 0)]])
    return np.column_stack(columns)
