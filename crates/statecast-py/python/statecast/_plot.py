"""Figures of forecasts, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statecast._forecast import Forecast, _index

COLOUR = "#20639b"
BANDS = ((0.05, 0.95, 0.2, "90 %"), (0.25, 0.75, 0.35, "50 %"))


def plot(forecast: Forecast, variables: Sequence[int | str] | None, axes: Any) -> Any:
    """Draws some variables, all by default, one below the other."""
    import matplotlib.pyplot as plt

    names = forecast.names
    chosen = [_index(v, names, "variable") for v in (range(len(names)) if variables is None else variables)]
    if axes is None:
        height = 1.2 + 1.6 * len(chosen)
        _, axes = plt.subplots(len(chosen), 1, figsize=(8, height), sharex=True, squeeze=False, layout="constrained")
        axes = axes[:, 0]
    axes = np.atleast_1d(axes)
    horizon = len(forecast.mean)
    # Three horizons of the past show where the forecast comes from.
    past = forecast.context[-3 * horizon :]
    steps = np.arange(1, horizon + 1)
    bands = [(forecast.quantiles((low, high)), alpha, label) for low, high, alpha, label in BANDS]
    median = forecast.median
    for axis, v in zip(axes, chosen, strict=True):
        axis.plot(np.arange(1 - len(past), 1), past[:, v], color="0.3", linewidth=1, label="observed")
        for (low, high), alpha, label in bands:
            axis.fill_between(steps, low[:, v], high[:, v], color=COLOUR, alpha=alpha, linewidth=0, label=label)
        axis.plot(steps, median[:, v], color=COLOUR, linewidth=1.3, label="median")
        if forecast.truth is not None:
            axis.plot(steps, forecast.truth[:, v], color="0.3", linewidth=1, linestyle=":", label="held back")
        axis.set_ylabel(names[v])
    axes[-1].set_xlabel("steps ahead")
    axes[0].legend(loc="upper left", fontsize="small", ncols=5, frameon=False)
    return axes
