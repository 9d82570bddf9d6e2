"""A predictor of GluonTS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from gluonts.dataset.common import DataEntry
from gluonts.dataset.util import forecast_start
from gluonts.model.forecast import SampleForecast
from gluonts.model.predictor import RepresentablePredictor

from statecast._forecaster import Forecaster


class StatecastPredictor(RepresentablePredictor):
    """Forecasts entries of a GluonTS dataset by sample paths.

    `target` is `[rows]` or `[variables, rows]`; `feat_dynamic_real` `[features, rows + prediction_length]` is read as
    actions, known beforehand.

    Args:
        prediction_length: steps to forecast.
        samples: paths.
        seed: of the draws.
        options: what the forecaster is made of.
    """

    def __init__(
        self, prediction_length: int, samples: int = 100, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(prediction_length=prediction_length)
        self.samples = samples
        self.seed = seed
        self.options = options
        self._forecaster = Forecaster(**(options or {}))

    def predict(self, dataset: Iterable[DataEntry], **settings: Any) -> Iterator[SampleForecast]:
        """Forecasts each entry, in order; `num_samples` may say how many paths."""
        samples = settings.get("num_samples") or self.samples
        for entry in dataset:
            yield self._of_entry(entry, samples)

    def predict_item(self, item: DataEntry) -> SampleForecast:
        """Forecasts one entry."""
        return self._of_entry(item, self.samples)

    def _of_entry(self, entry: DataEntry, samples: int) -> SampleForecast:
        target = np.asarray(entry["target"])
        rows = target.shape[-1]
        features = entry.get("feat_dynamic_real")
        seen, ahead = None, None
        if features is not None and len(features) and self._forecaster.sees_actions:
            features = np.atleast_2d(features).T
            if len(features) >= rows + self.prediction_length:
                seen, ahead = features[:rows], features[rows : rows + self.prediction_length]
        forecast = self._forecaster.forecast(
            target.T, self.prediction_length, actions=seen, future_actions=ahead, samples=samples, seed=self.seed
        )
        paths = forecast.paths if target.ndim > 1 else forecast.paths[:, :, 0]
        return SampleForecast(samples=paths, start_date=forecast_start(entry), item_id=entry.get("item_id"))
