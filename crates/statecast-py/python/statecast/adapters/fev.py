"""A model of fev's benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np

import fev
from statecast._forecaster import Forecaster

try:
    from fev import ForecastingModel as _Base
except ImportError:
    _Base = object


class StatecastModel(_Base):
    """Forecasts the windows of a fev task.

    Args:
        samples: paths.
        seed: of the draws.
        options: what the forecaster is made of.
    """

    model_name = "statecast"

    def __init__(self, *, samples: int = 100, seed: int = 0, **options: Any) -> None:
        self.samples = samples
        self.seed = seed
        self._forecaster = Forecaster(**options)

    def predict(self, task: fev.Task) -> list[Any]:
        """Predictions of all windows, as `Task.evaluation_summary` takes them."""
        return [self.predict_window(window, task) for window in task.iter_windows()]

    def predict_window(self, window: Any, task: fev.Task) -> Any:
        """Forecasts the series of a window, with covariates known beforehand as actions."""
        raise NotImplementedError
