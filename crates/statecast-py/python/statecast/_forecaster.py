"""Forecasters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import columns, whole
from statecast._core import StatecastError
from statecast._forecast import Forecast
from statecast._recording import Recording
from statecast._session import Session
from statecast.policies import callable_of

DEFAULTS: dict[str, Any] = {
    "model": None,
    "experts": None,
    "method": None,
    "recalibrated": False,
    "precision": "auto",
    "device": "cpu",
    "components": None,
    "scale": None,
    "temperature": None,
    "tolerance": None,
    "irregular": "even",
}


class Forecaster:
    """A model, baseline or mixture that forecasts.

    Use [`builtin`](Forecaster.builtin) for the bundled model and [`from_pretrained`](Forecaster.from_pretrained) for others.
    Forecasters are safe to use from several threads, and are pickled by what they are made of.

    Args:
        model: a model's source: `builtin`, a folder in Hugging Face layout, a GGUF file, `ORG/NAME` of the hub, or the
            address of a server (`http://HOST:PORT/v1#NAME`).
        experts: names of forecasters to mix, such as `"builtin,linear"`, or of one, such as `"ar"`, in place of a model.
        method: how variables become channels: `residual`, `vicl`, `dicl-s` or `dicl-sa`; by default what suits the model.
        recalibrated: whether densities are recalibrated online from their past PIT values.
        precision: of weights and products: `auto`, `f32` or `bf16`.
        device: `cpu`, `cuda:N` or `metal:N`.
        components: principal components of `dicl-s` and `dicl-sa`: a count, or a share of the variance.
        scale: how the axes that digits are written on are chosen: `minmax` of the context, `LOW,HIGH`, or `none`.
        temperature: divisor of the logits.
        tolerance: greatest error of cumulated probabilities of numbers written digit by digit.
        irregular: how rows of a file are read whose steps of time vary: `even`: paths that no action drives are drawn from rows a
            median step apart; `known`: the time to the next row is an input of what reads actions; `none`: as if all steps were
            equal.
        also: another recording of the same system, or several, which online experts read before every context.

    Raises:
        StatecastError: if a model cannot be loaded or a name makes no forecaster.
    """

    def __init__(self, *, also: Recording | Sequence[Recording] = (), **options: Any) -> None:
        unknown = sorted(options.keys() - DEFAULTS.keys())
        if unknown:
            raise TypeError(f"Forecaster has no option {', '.join(unknown)}")
        self._options = DEFAULTS | options
        self._also = [also] if isinstance(also, Recording) else list(also)
        texts = {"components", "scale"}
        given = {
            key: str(value) if key in texts and value is not None else value for key, value in self._options.items()
        }
        self._inner = _core.Forecaster(given | {"also": [recording._inner for recording in self._also]})

    @classmethod
    def builtin(cls, **options: Any) -> Forecaster:
        """The bundled model, whose paths are pooled with those of online experts."""
        return cls(**options)

    @classmethod
    def from_pretrained(cls, source: str, **options: Any) -> Forecaster:
        """A language model of a folder, GGUF file, name of the hub, or server, read by the method that suits it."""
        return cls(model=str(source), **options)

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self._inner.name

    @property
    def method(self) -> str:
        """How variables become channels."""
        return self._inner.method

    @property
    def sees_actions(self) -> bool:
        """Whether actions change what it forecasts: those of `residual` and `dicl-sa`, and experts such as `linear`, do."""
        return self._inner.sees_actions

    def forecast(
        self,
        x: Any,
        horizon: int,
        *,
        actions: Any = None,
        future_actions: Any = None,
        hold_actions: str | None = None,
        policy: Callable[[np.ndarray], np.ndarray] | None = None,
        samples: int = 100,
        seed: int = 0,
        context: int | None = None,
        with_reward: bool = False,
        holdout: bool = False,
        derived: Sequence[str] = (),
    ) -> Forecast:
        """Forecasts the rows after a series or the only episode of a recording.

        Args:
            x: `[rows]` or `[rows, variables]` (array, list, or pandas, polars or Arrow table), or a `Recording`.
            horizon: steps to forecast.
            actions: `[rows, actions]`, what was done in the rows of `x`.
            future_actions: `[horizon, actions]`, what is going to be done; a dictionary of several such plans gives a
                forecast with several futures, drawn with the same random numbers.
            hold_actions: the action of all steps to come in place of those: `last`, `zero` or `mean`.
            policy: what acts along the paths: a callable from states `[paths, states]` to actions `[paths, actions]`.
            samples: sample paths.
            seed: of the draws; equal seeds give equal paths.
            context: most rows that are read, the last ones.
            with_reward: whether the reward is forecast, too.
            holdout: whether the last `horizon` rows are held back, to be compared with.
            derived: quantities that are computed on every path, such as `"speed=sqrt(vx^2+vy^2)"`.

        Raises:
            StatecastError: if it cannot be forecast; several episodes need [`forecast_each`](Forecaster.forecast_each).
        """
        recording, index = _recording(x, actions)
        if len(recording) > 1:
            raise StatecastError(f"there are {len(recording)} episodes: choose one by only(), or use forecast_each")
        return self._forecasts(
            recording,
            index,
            horizon,
            future_actions,
            hold_actions,
            policy,
            samples,
            seed,
            context,
            with_reward,
            holdout,
            derived,
        )[0]

    def forecast_each(self, recording: Recording, horizon: int, **settings: Any) -> list[Forecast]:
        """Forecasts the rows after each episode of a recording, with the settings of [`forecast`](Forecaster.forecast).
        Episodes that are too short are left out with a warning.
        """
        given = {
            "future_actions": None,
            "hold_actions": None,
            "policy": None,
            "samples": 100,
            "seed": 0,
            "context": None,
            "with_reward": False,
            "holdout": False,
            "derived": (),
        }
        unknown = sorted(settings.keys() - given.keys())
        if unknown:
            raise TypeError(f"forecast_each has no setting {', '.join(unknown)}")
        return self._forecasts(recording, None, horizon, *(given | settings).values())

    def _forecasts(
        self,
        recording: Recording,
        index: Any,
        horizon: int,
        future_actions: Any,
        hold_actions: str | None,
        policy: Callable[[np.ndarray], np.ndarray] | None,
        samples: int,
        seed: int,
        context: int | None,
        with_reward: bool,
        holdout: bool,
        derived: Sequence[str],
    ) -> list[Forecast]:
        given = {"future_actions": future_actions, "hold_actions": hold_actions, "policy": policy}
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) > 1:
            raise StatecastError(f"{' and '.join(chosen)}: give one of them")
        steps = {
            "horizon": whole(horizon, "horizon"),
            "samples": whole(samples, "samples"),
            "seed": whole(seed, "seed"),
            "context": None if context is None else whole(context, "context"),
            "with_reward": with_reward,
            "holdout": holdout,
            "hold_actions": hold_actions,
            "future_actions": _plans(future_actions, recording.action_names),
            "policy": None if policy is None else callable_of(policy)[0],
            "derived": list(derived),
        }
        return [Forecast(found, index) for found in self._inner.forecast(recording._inner, steps)]

    def density(self, x: Any, *, actions: Any = None) -> Any:
        """The densities of the row after a series, one a channel; see [`Density`](statecast.Density)."""
        return self.session(x, actions=actions).density()

    def session(self, x: Any, *, actions: Any = None) -> Session:
        """Reads a series, or the only episode of a recording, to follow what comes after it."""
        recording, _ = _recording(x, actions)
        if len(recording) > 1:
            raise StatecastError(f"there are {len(recording)} episodes: choose one by only()")
        return Session(self._inner.session(recording._inner))

    def predict_df(self, df: Any, prediction_length: int, *settings: Any, **named: Any) -> Any:
        """Forecasts series that stand below each other in a pandas table: see [`statecast.frames.predict_df`]."""
        from statecast.frames import predict_df

        return predict_df(self, df, prediction_length, *settings, **named)

    def backtest(self, recordings: Any, **settings: Any) -> Any:
        """Scores of this forecaster beside baselines: see [`statecast.backtest`]."""
        from statecast._studies import backtest

        return backtest(recordings, [self, *settings.pop("baselines", ("linear", "persistence"))], **settings)

    def calibrate(self, recordings: Any, **settings: Any) -> Any:
        """Whether its probabilities can be trusted, as they are and recalibrated: see [`statecast.calibrate`]."""
        from statecast._studies import calibrate

        return calibrate(recordings, self._source, **settings)

    def evaluate(self, recordings: Any, policies: Any, **settings: Any) -> Any:
        """What policies are worth, by estimators that read with its language model: see [`statecast.evaluate`]."""
        from statecast._studies import evaluate

        return evaluate(recordings, policies, model=self._options["model"] or "builtin", **settings)

    @property
    def _source(self) -> str:
        """What it is made of, as the command line names it."""
        experts = self._options["experts"]
        if experts is None:
            return self._options["model"] or "builtin"
        return f"mixture({experts})" if "," in experts else experts

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self._options.items() if value != DEFAULTS[key])
        return f"Forecaster({options})"

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self._options, "also": self._also}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Forecaster.__init__(self, also=state["also"], **state["options"])


def _recording(x: Any, actions: Any) -> tuple[Recording, Any]:
    """The recording of what was given, and the index of a pandas object."""
    if isinstance(x, Recording):
        if actions is not None:
            raise StatecastError("a recording has its own actions")
        return x, None
    index = columns(x, "x").index
    return Recording(x, actions), index


def _plans(given: Any, names: list[str]) -> list[tuple[str | None, np.ndarray]]:
    """Plans of actions by their names, whose columns are in the order of the recorded ones where they have names."""
    if given is None:
        return []
    of = lambda plan, what: columns(plan, what).under(names, what).values  # noqa: E731
    if isinstance(given, Mapping):
        return [(str(name), of(plan, f"future_actions of {name}")) for name, plan in given.items()]
    return [(None, of(given, "future_actions"))]
