"""Forecast the next states of a dynamical system, and how sure to be of them, without training.

A pretrained language model reads the trajectory as digits, and its next-token probabilities are the forecast's
density. Three lines forecast:

>>> import numpy as np, statecast
>>> wave = np.sin(0.3 * np.arange(200))
>>> forecast = statecast.Forecaster.builtin().forecast(wave, 20)
>>> forecast.quantile(0.9).shape
(20, 1)
"""

from statecast._control import Control, Controller, control
from statecast._core import StatecastError, __version__
from statecast._forecast import Density, Forecast
from statecast._forecaster import Forecaster
from statecast._imputation import ActionLabels, Imputation, impute, impute_actions
from statecast._recording import Episode, Recording
from statecast._session import Session
from statecast._studies import Backtest, Calibration, PolicyValues, backtest, calibrate, evaluate

__all__ = [
    "ActionLabels",
    "Backtest",
    "Calibration",
    "Control",
    "Controller",
    "Density",
    "Episode",
    "Forecast",
    "Forecaster",
    "Imputation",
    "PolicyValues",
    "Recording",
    "Session",
    "StatecastError",
    "__version__",
    "backtest",
    "calibrate",
    "control",
    "evaluate",
    "impute",
    "impute_actions",
]
