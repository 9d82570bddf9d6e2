"""A forecaster with the interface of scikit-learn's estimators, for series that come row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from statecast._core import StatecastError
from statecast._forecaster import Forecaster
from statecast._session import Session


class StreamForecaster:
    """Predicts each next row of a stream: `fit` on a first part, then `predict` and `partial_fit` in turn.

    >>> import numpy as np
    >>> from statecast.adapters.streaming import StreamForecaster
    >>> wave = np.sin(0.3 * np.arange(203))
    >>> stream = StreamForecaster(experts="ar").fit(wave[:200])
    >>> bool(abs(stream.predict(3)[0, 0] - wave[200]) < 0.1)
    True
    >>> stream.partial_fit(wave[200:202]).n_rows_
    202

    Args:
        samples: paths of a prediction of several steps.
        seed: of their draws.
        options: what the forecaster is made of.
    """

    def __init__(self, *, samples: int = 100, seed: int = 0, **options: Any) -> None:
        self.samples = samples
        self.seed = seed
        self.options = options

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its parameters, as scikit-learn clones by them."""
        return {"samples": self.samples, "seed": self.seed, **self.options}

    def set_params(self, **parameters: Any) -> StreamForecaster:
        """Changes parameters; the next `fit` uses them."""
        for name in ("samples", "seed"):
            if name in parameters:
                setattr(self, name, parameters.pop(name))
        self.options = self.options | parameters
        return self

    def fit(self, X: Any, y: Any = None, *, actions: Any = None) -> StreamForecaster:
        """Reads a first part `[rows, states]` with the actions taken in it; `y` is ignored."""
        self.session_: Session = Forecaster(**self.options).session(X, actions=actions)
        self.n_features_in_ = len(self.session_.names)
        return self

    def partial_fit(self, X: Any, y: Any = None, *, actions: Any = None) -> StreamForecaster:
        """Reads rows that came after; the first ones if nothing was read."""
        if not hasattr(self, "session_"):
            return self.fit(X, actions=actions)
        self._fitted().append(X, actions)
        return self

    def predict(self, horizon: int = 1, *, future_actions: Any = None) -> np.ndarray:
        """Medians of the next rows, `[horizon, states]`."""
        return np.median(self.sample(horizon, future_actions=future_actions), axis=0)

    def predict_quantiles(self, levels: Any, horizon: int = 1, *, future_actions: Any = None) -> np.ndarray:
        """Quantiles of the next rows, `[levels, horizon, states]`."""
        return np.quantile(self.sample(horizon, future_actions=future_actions), levels, axis=0)

    def sample(self, horizon: int = 1, *, future_actions: Any = None) -> np.ndarray:
        """Sample paths, `[samples, horizon, states]`."""
        session = self._fitted()
        return session.predict(horizon, samples=self.samples, seed=self.seed, future_actions=future_actions)

    def score_samples(self, X: Any, actions: Any = None) -> np.ndarray:
        """Log scores of rows that came, which are read: `[rows]`, sums over the channels in nats per unit of the axis. Low
        ones are surprises."""
        return self._fitted().append(X, actions).sum(axis=1)

    @property
    def n_rows_(self) -> int:
        """Rows that were read."""
        return self._fitted().rows

    def _fitted(self) -> Session:
        if not hasattr(self, "session_"):
            raise StatecastError("StreamForecaster has read nothing: call fit first")
        return self.session_
