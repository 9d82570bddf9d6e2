"""A model of darts."""

from __future__ import annotations

from typing import Any

import numpy as np
from darts import TimeSeries
from darts.models.forecasting.forecasting_model import FutureCovariatesLocalForecastingModel

from statecast._forecaster import Forecaster


class StatecastModel(FutureCovariatesLocalForecastingModel):
    """Forecasts one series, of one or several components, by sample paths. Future covariates are read as actions.

    Parameters
    ----------
    seed
        Seed of the draws.
    options
        What the forecaster is made of, such as `experts="builtin,linear"`.
    """

    def __init__(self, seed: int = 0, **options: Any):
        super().__init__()
        self.seed = seed
        self.options = options
        self._forecaster = Forecaster(**options)
        self._seen: np.ndarray | None = None

    @property
    def supports_multivariate(self) -> bool:
        """True: components are variables that are forecast together."""
        return True

    @property
    def supports_probabilistic_prediction(self) -> bool:
        """True: samples are paths."""
        return True

    @property
    def min_train_series_length(self) -> int:
        """Fewest rows of a series."""
        return 3

    def _fit(self, series: TimeSeries, future_covariates: TimeSeries | None = None, **_: Any):
        super()._fit(series, future_covariates)
        self._seen = None if future_covariates is None else future_covariates.values()
        return self

    def _predict(
        self,
        n: int,
        future_covariates: TimeSeries | None = None,
        num_samples: int = 1,
        verbose: bool = False,
        **_: Any,
    ):
        super()._predict(n, future_covariates, num_samples)
        ahead = None
        if future_covariates is not None and self._forecaster.sees_actions:
            ahead = future_covariates.values()
        forecast = self._forecaster.forecast(
            self.training_series.values(),
            n,
            actions=None if ahead is None else self._seen,
            future_actions=ahead,
            samples=max(num_samples, 100),
            seed=self.seed,
        )
        # One sample is the point forecast.
        values = forecast.median[:, :, np.newaxis]
        if num_samples > 1:
            values = np.moveaxis(forecast.paths[:num_samples], 0, -1)
        return self._build_forecast_series(values)
