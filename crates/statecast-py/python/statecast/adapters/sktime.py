"""A forecaster of sktime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster

from statecast._forecaster import Forecaster


class StatecastForecaster(BaseForecaster):
    """Forecasts one or several series by sample paths of statecast.

    Exogenous variables `X` are read as actions: those of the steps ahead must be given to `predict`.

    Parameters
    ----------
    experts : str, optional (default=None)
        Names of forecasters to mix, such as "builtin,linear"; by default the bundled model.
    model : str, optional (default=None)
        Source of a language model, in place of the bundled one.
    samples : int, optional (default=100)
        Sample paths.
    seed : int, optional (default=0)
        Seed of the draws.
    """

    _tags = {
        "authors": ["statecast"],
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:missing_values": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:insample": False,
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": True,
        "enforce_index_type": None,
        "y_inner_mtype": "pd.DataFrame",
        "X_inner_mtype": "pd.DataFrame",
        "python_dependencies": ["statecast"],
    }

    def __init__(self, experts=None, model=None, samples=100, seed=0):
        self.experts = experts
        self.model = model
        self.samples = samples
        self.seed = seed
        super().__init__()

    def _fit(self, y, X, fh):
        self._forecaster = Forecaster(experts=self.experts, model=self.model)
        return self

    def _update(self, y, X=None, update_params=True):
        return self

    def _forecast(self, fh: Any, X: pd.DataFrame | None):
        relative = fh.to_relative(self.cutoff).to_numpy().astype(int)
        seen = self._X.loc[self._y.index] if X is not None and self._X is not None else None
        forecast = self._forecaster.forecast(
            self._y.to_numpy(),
            int(relative[-1]),
            actions=None if seen is None else seen.to_numpy(),
            future_actions=None if seen is None else X.to_numpy()[: relative[-1]],
            samples=self.samples,
            seed=self.seed,
        )
        return forecast, relative - 1

    def _predict(self, fh, X):
        forecast, rows = self._forecast(fh, X)
        return self._table(forecast.median[rows], fh)

    def _predict_quantiles(self, fh, X, alpha):
        forecast, rows = self._forecast(fh, X)
        names = self._get_varnames()
        columns = pd.MultiIndex.from_product([names, alpha])
        # [levels, rows, variables] to a column a variable and level.
        values = np.moveaxis(forecast.quantiles(alpha)[:, rows], 0, -1).reshape(len(rows), -1)
        return pd.DataFrame(values, index=self._index(fh), columns=columns)

    def _table(self, values: np.ndarray, fh: Any) -> pd.DataFrame:
        return pd.DataFrame(values, index=self._index(fh), columns=self._y.columns)

    def _index(self, fh: Any) -> Any:
        return fh.to_absolute_index(self.cutoff)

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Parameters of quick forecasters, for sktime's tests."""
        return [{"experts": "ar", "samples": 20}, {"experts": "persistence,linear", "samples": 20, "seed": 1}]
