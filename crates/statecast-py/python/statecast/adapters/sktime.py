"""A forecaster of sktime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

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

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from statecast.adapters.sktime import StatecastForecaster
    >>> forecaster = StatecastForecaster(experts="ar").fit(load_airline(), fh=[1, 2, 3])
    >>> len(forecaster.predict_interval(coverage=0.9))
    3
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
        self._seen = y, X
        return self

    def _update(self, y, X=None, update_params=True):
        before = self._seen
        self._seen = tuple(new if old is None or new is None else new.combine_first(old) for new, old in zip((y, X), before))
        return self

    def _forecast(self, fh: Any, X: pd.DataFrame | None):
        relative = fh.to_relative(self.cutoff).to_numpy().astype(int)
        y, seen = self._seen
        known = X is not None and seen is not None and self._forecaster.sees_actions
        forecast = self._forecaster.forecast(
            y.to_numpy(),
            int(relative[-1]),
            actions=seen.loc[y.index].to_numpy() if known else None,
            future_actions=self._ahead(seen, X, int(relative[-1])) if known else None,
            samples=self.samples,
            seed=self.seed,
        )
        return forecast, relative - 1

    def _ahead(self, seen: pd.DataFrame, X: pd.DataFrame, steps: int) -> np.ndarray:
        """Exogenous variables of all steps, `[steps, variables]`; where a step has none, the last ones before it hold."""
        place = ForecastingHorizon(X.index, is_relative=False).to_relative(self.cutoff).to_numpy().astype(int)
        given = dict(zip(place, X.to_numpy()))
        rows, last = [], seen.to_numpy()[-1]
        for step in range(1, steps + 1):
            last = given.get(step, last)
            rows.append(last)
        return np.array(rows)

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
        return pd.DataFrame(values, index=self._index(fh), columns=self._seen[0].columns)

    def _index(self, fh: Any) -> Any:
        return fh.to_absolute_index(self.cutoff)

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Parameters of quick forecasters, for sktime's tests."""
        return [{"experts": "ar", "samples": 20}, {"experts": "persistence,linear", "samples": 20, "seed": 1}]
