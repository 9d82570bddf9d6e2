"""Backtests, calibration and values of policies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statecast import _core
from statecast._arrays import whole
from statecast._core import StatecastError
from statecast._forecaster import Forecaster
from statecast._recording import Recording


def _frame(table: dict[str, Any]) -> Any:
    import pandas

    return pandas.DataFrame(table)


@dataclass(frozen=True)
class Backtest:
    """Scores of forecasters from many origins of recordings."""

    summary: dict[str, Any]
    """Means with 95 % intervals, by method."""
    table: dict[str, Any]
    """A row a method, series, origin, step and variable: what was forecast and observed, and its scores."""
    one_step_table: dict[str, Any]
    """A row a method, series, origin, row and channel."""

    def score(self, method: str, name: str = "crps") -> float:
        """A mean score of a method, such as `crps`, `energy` or `log_score`."""
        for scores in self.summary["summary"]["methods"]:
            if scores["name"] == method:
                if name not in scores:
                    raise StatecastError(f"no score is called {name!r}: there are {', '.join(scores)}")
                value = scores[name]["mean"] if isinstance(scores[name], dict) else scores[name]
                return math.nan if value is None else float(value)
        raise StatecastError(f"no method is called {method!r}")

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return [scores["name"] for scores in self.summary["summary"]["methods"]]

    def to_pandas(self) -> Any:
        """The table of forecasts as a `pandas.DataFrame`."""
        return _frame(self.table)

    def __repr__(self) -> str:
        lines = [f"{method}: CRPS {self.score(method):.4g} standard deviations" for method in self.methods]
        return "Backtest\n  " + "\n  ".join(lines)


@dataclass(frozen=True)
class Calibration:
    """Calibration of a forecaster's densities, as they are and recalibrated."""

    channels: list[dict[str, Any]]
    """Of one-step densities, by channel: coverage, PIT and ECE."""
    evidence: list[dict[str, Any]]
    """Evidence against the calibration of one-step densities, original and recalibrated, as [`Session.evidence`] describes it; rows
    are the tested ones of all recordings, one after the other."""
    backtest: Backtest
    """Both backtests: first the original densities."""


@dataclass(frozen=True)
class PolicyValues:
    """Estimated values of policies."""

    summary: dict[str, Any]
    """Estimates with intervals, actual returns of the recorded policies, true values where a simulator gave them."""
    table: dict[str, Any]
    """A row a policy and estimator."""
    verdict: list[str]
    """Which estimator is recommended, and the best policy by it."""

    def value(self, policy: str, estimator: str) -> tuple[float, float, float]:
        """An estimate, and its 90 % interval: mean, low, high; NaN where the estimator is not applicable."""
        rows = zip(self.table["policy"], self.table["estimator"], strict=True)
        for row, found in enumerate(rows):
            if found == (policy, estimator):
                value, low, high = (float(self.table[name][row]) for name in ("value", "low", "high"))
                return value, low, high
        raise StatecastError(f"no estimate of {policy!r} by {estimator!r}")

    @property
    def better(self) -> list[str]:
        """The policies that are better than the incumbent; their differences are in `summary["selection"]`."""
        selection = self.summary.get("selection")
        if selection is None:
            raise StatecastError("no incumbent was given")
        return [of["policy"] for of in selection["differences"] if of["is_better"]]

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`."""
        return _frame(self.table)

    def __repr__(self) -> str:
        return "\n".join(["PolicyValues", *self.verdict])


def backtest(
    recordings: Any,
    forecasters: Sequence[Forecaster | str] | Mapping[str, Forecaster] = ("builtin", "linear", "persistence"),
    *,
    context: int,
    horizon: int,
    windows: int = 5,
    samples: int = 100,
    seed: int = 0,
    with_reward: bool = False,
    recalibrated: bool = False,
) -> Backtest:
    """Forecasts recordings from many origins, and scores what was forecast.

    Args:
        recordings: a `Recording`, an array `[rows, variables]`, or a dictionary of them by name.
        forecasters: forecasters, or names such as `builtin`, `ar` or `mixture(builtin,linear)`, or a dictionary of
            forecasters under names of your own; the first one is that to which the others are compared.
        context: rows that are read before an origin.
        horizon: steps after it.
        windows: origins in each episode, evenly spaced.
        samples: paths.
        seed: of the draws.
        with_reward: whether the reward is forecast, too.
        recalibrated: whether methods given by name are recalibrated as well.
    """
    given: list[_core.Forecaster | str]
    if isinstance(forecasters, Mapping):
        given = [made._inner.named(str(name)) for name, made in forecasters.items()]
    else:
        given = [made._inner if isinstance(made, Forecaster) else str(made) for made in forecasters]
    origins = _origins(context, horizon, windows, samples, seed, with_reward)
    return Backtest(*_core.backtest(_named(recordings), given, origins, recalibrated))


def calibrate(
    recordings: Any,
    forecaster: str = "builtin",
    *,
    context: int,
    horizon: int,
    windows: int = 5,
    samples: int = 100,
    seed: int = 0,
    with_reward: bool = False,
) -> Calibration:
    """Measures whether a forecaster's probabilities can be trusted; the arguments are those of `backtest`."""
    origins = _origins(context, horizon, windows, samples, seed, with_reward)
    channels, evidence, tables = _core.calibrate(_named(recordings), str(forecaster), origins)
    return Calibration(channels, evidence, Backtest(*tables))


def evaluate(
    recordings: Any,
    policies: Mapping[str, Any] | Sequence[Any],
    *,
    estimators: Sequence[str] = (),
    task: str | None = None,
    reward: str | None = None,
    terminated: str | None = None,
    failure: str | None = None,
    horizon: int | None = None,
    discount: float = 0.99,
    paths: int = 50,
    context: int = 400,
    contexts: int = 4,
    seed: int = 0,
    model: str = "builtin",
    simulate: int = 0,
    behaviours: Sequence[Any] = (),
    incumbent: str | None = None,
    false_discovery_rate: float = 0.1,
) -> PolicyValues:
    """Estimates what control policies are worth from recordings of others, without running them.

    Args:
        recordings: a `Recording` with actions and rewards, or a dictionary of them by name.
        policies: by name, or a list: callables from observations `[rows, states]` to actions `[rows, actions]`, torch
            modules, models of Stable-Baselines3 (anything with `predict`), sessions of ONNX runtime, or constants.
        estimators: such as `combined`, `mixture`, `builtin`, `linear`, `mlp`, `corrected`, `fqe`, `is`, `dr`; by default
            combined, builtin, mixture, linear, mlp, corrected and fqe.
        task: a known environment, such as `pendulum`, or `command:PROGRAM`, whose reward and ends are used.
        reward: what a step earns, in place of the recorded rewards and the task's, as an expression of the columns such as
            `-(theta^2 + 0.001*u^2)`; `next_NAME` is a state after the step.
        terminated: which states end an episode, such as `abs(theta) > 0.2`, in place of the recorded ends and the task's.
        failure: which states are failures, such as `abs(x) > 2`: the probability that an episode reaches one is estimated, as
            `distribution["failure"]` of every estimate in `summary["estimates"]`. Ends must be known: give `terminated`
            (`0` for none) or a task.
        horizon: steps of an episode; by default the task's limit or the longest recorded episode.
        discount: per step.
        paths: imagined paths of a policy.
        context, contexts: recorded rows per context of a language model, and the number of contexts.
        seed: of all draws.
        model: the language model.
        simulate: episodes for which each policy is run in the task's simulator, to compare with.
        behaviours: the policies that made the recordings, in their order; without them, they are cloned. `is` and `dr` weigh
            actions by their probabilities, so policies need a method `log_prob(observations, actions)`.
        incumbent: name of the policy that others are compared with, by paired differences: see `PolicyValues.better`.
        false_discovery_rate: largest expected share of wrong ones among those that are said to be better.
    """
    from statecast.policies import callable_of

    if not isinstance(policies, Mapping):
        names = [getattr(policy, "__name__", "") for policy in policies]
        told_apart = len(set(names)) == len(names) and all(name.isidentifier() for name in names)
        policies = dict(zip(names if told_apart else [f"policy {i}" for i in range(len(names))], policies, strict=True))
    given = [(str(name), *callable_of(policy)) for name, policy in policies.items()]
    made_by = [callable_of(policy) for policy in behaviours]
    keywords = {
        "estimators": list(estimators),
        "task": task,
        "reward": reward,
        "terminated": terminated,
        "failure": failure,
        "horizon": None if horizon is None else whole(horizon, "horizon"),
        "discount": discount,
        "paths": whole(paths, "paths"),
        "context": whole(context, "context"),
        "contexts": whole(contexts, "contexts"),
        "seed": whole(seed, "seed"),
        "model": model,
        "simulate": whole(simulate, "simulate"),
        "incumbent": incumbent,
        "false_discovery_rate": float(false_discovery_rate),
    }
    return PolicyValues(*_core.evaluate(_named(recordings), given, made_by, keywords))


def _origins(
    context: int, horizon: int, windows: int, samples: int, seed: int, with_reward: bool
) -> dict[str, Any]:
    counts = {"context": context, "horizon": horizon, "windows": windows, "samples": samples, "seed": seed}
    return {name: whole(count, name) for name, count in counts.items()} | {"with_reward": with_reward}


def _named(recordings: Any) -> list[tuple[str, _core.Recording]]:
    if not isinstance(recordings, Mapping):
        recordings = {"recording": recordings}
    made = {name: of if isinstance(of, Recording) else Recording(of) for name, of in recordings.items()}
    return [(str(name), recording._inner) for name, recording in made.items()]
