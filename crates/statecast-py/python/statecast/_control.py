"""Control by planning, without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import array, whole
from statecast._core import StatecastError
from statecast._forecaster import Forecaster
from statecast._recording import Recording
from statecast._studies import _frame

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
Termination = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Control:
    """Controlled episodes."""

    summary: dict[str, Any]
    """Returns, how often the model's intervals held what was recorded, goals and limits with how they were kept."""
    table: dict[str, Any]
    """A row a step: observation (`obs_NAME`), action (`act_NAME`), reward, ends, next observation (`next_obs_NAME`)."""

    @property
    def returns(self) -> list[float]:
        """Return of every episode."""
        return list(self.summary["returns"])

    @property
    def recording(self) -> Recording:
        """The episodes as a recording."""
        columns = {name: np.asarray(values) for name, values in self.table.items()}
        states = [name for name in columns if name.startswith("obs_")]
        actions = [name for name in columns if name.startswith("act_")]
        parts = []
        for number in np.unique(columns["episode"]):
            rows = np.flatnonzero(columns["episode"] == number)
            parts.append(
                {
                    "states": np.column_stack([columns[name][rows] for name in states]),
                    "actions": np.column_stack([columns[name][rows] for name in actions]),
                    "rewards": columns["reward"][rows],
                    "terminated": columns["terminated"][rows] != 0,
                    "truncated": columns["truncated"][rows] != 0,
                    "final_state": np.array([columns[f"next_{name}"][rows[-1]] for name in states]),
                }
            )
        return Recording.from_episodes(parts, state_names=states, action_names=actions)

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`."""
        return _frame(self.table)

    def __repr__(self) -> str:
        mean = self.summary["mean"]
        count = len(self.returns)
        return f"Control: {count} episode(s), mean return {mean['mean']:.4g} [{mean['low']:.4g}, {mean['high']:.4g}]"


def control(
    recordings: Any,
    env: Any,
    *,
    episodes: int = 1,
    steps: int | None = None,
    forecaster: Forecaster | str = "linear,quadratic,fourier",
    reward: str | Reward | None = None,
    terminated: str | Termination | None = None,
    goals: Mapping[str, float] | None = None,
    limits: Sequence[str] = (),
    horizon: int = 25,
    candidates: int = 64,
    iterations: int = 4,
    draws: int = 1,
    pessimism: float = 0.0,
    discount: float = 0.99,
    terminal_value: bool = False,
    least_coverage: float = 0.8,
    seed: int = 0,
) -> Control:
    """Controls an environment by plans that are imagined at every step in a model that reads recordings.

    >>> recording = statecast.Recording.read("random.npz", transitions=True)  # doctest: +SKIP
    >>> statecast.control(recording, gymnasium.make("Pendulum-v1"), reward="x0 - 0.001*u0^2")  # doctest: +SKIP

    Args:
        recordings: a `Recording` of the environment with actions and rewards, or several. The states are the environment's
            observations, in this order.
        env: a Gymnasium environment, a `statecast.environment.Served` one, or the name of a built-in task or
            `command:PROGRAM`.
        episodes: episodes to control.
        steps: most steps of an episode; by default the environment's time limit.
        forecaster: what imagines, or names of forecasters whose paths are pooled.
        reward: what a step earns: an expression of the columns (of a Gymnasium environment `x0`, `x1`, …, `u0`, …, unless
            they are named by `Served`), a function of states `[rows, states]`, actions and next states, or `recorded`, which
            predicts it from the recorded rewards. By default the task's, if it is known, else as `recorded`.
        terminated: which observations end an episode: an expression, or a function of states `[rows, states]`. By default
            the task's, if they are known, else as they were recorded.
        goals: states' values that are wanted instead of rewards, by the recording's names.
        limits: bounds that plans keep, such as `obs_x < 0.5 @ 0.95`.
        horizon, candidates, iterations: steps of a plan, plans that are imagined at once, times that they are drawn at a
            step.
        draws: paths of every plan.
        pessimism: standard deviations over its draws that are taken off a plan's return.
        discount: per step.
        terminal_value: whether the value of the recorded policy is added where plans end.
        least_coverage: share of recorded states that the model's 90 % intervals must hold.
        seed: of starts and draws.
    """
    keywords = _keywords(
        reward=reward,
        terminated=terminated,
        goals=goals,
        limits=limits,
        horizon=horizon,
        candidates=candidates,
        iterations=iterations,
        draws=draws,
        pessimism=pessimism,
        discount=discount,
        terminal_value=terminal_value,
        least_coverage=least_coverage,
        seed=seed,
    )
    given, made = _environment(env), _recordings(recordings)
    steps = None if steps is None else whole(steps, "steps")
    return Control(*_core.control(made, given, _forecaster(forecaster), whole(episodes, "episodes"), steps, keywords))


class Controller:
    """An agent that plans at every step, for environments and loops of your own.

    The arguments are those of `control`, without episodes.

    >>> controller = statecast.Controller(recording, env, reward="-x0^2")  # doctest: +SKIP
    >>> controller.begin()  # doctest: +SKIP
    >>> action = controller.act(observation)  # doctest: +SKIP
    >>> controller.learn(observation, action, reward, following)  # doctest: +SKIP
    """

    def __init__(
        self,
        recordings: Any,
        env: Any,
        *,
        forecaster: Forecaster | str = "linear,quadratic,fourier",
        **settings: Any,
    ) -> None:
        unknown = sorted(set(settings) - set(_KEYWORDS))
        if unknown:
            raise TypeError(f"Controller got unexpected keyword arguments: {', '.join(unknown)}")
        given, made = _environment(env), _recordings(recordings)
        self._inner = _core.Controller(made, given, _forecaster(forecaster), _keywords(**settings))

    def begin(self) -> None:
        """Begins an episode."""
        self._inner.begin()

    def act(self, observation: Any) -> np.ndarray:
        """The action `[actions]` at an observation `[observations]`."""
        return self._inner.act(_vector(observation, "the observation"))

    def plan(self, observation: Any) -> np.ndarray:
        """The best sequence of actions that was found from an observation, `[horizon, actions]`."""
        return self._inner.plan(_vector(observation, "the observation"))

    def learn(
        self,
        observation: Any,
        action: Any,
        reward: float,
        following: Any,
        terminated: bool = False,
        truncated: bool = False,
    ) -> None:
        """Reads where an action led, so that the model knows more at the next step."""
        vectors = _vector(observation, "the observation"), _vector(action, "the action")
        self._inner.learn(*vectors, float(reward), _vector(following, "the next observation"), bool(terminated), bool(truncated))


# What is wanted and how it is searched for, as `control` has it.
_KEYWORDS: dict[str, Any] = {
    "reward": None,
    "terminated": None,
    "goals": None,
    "limits": (),
    "horizon": 25,
    "candidates": 64,
    "iterations": 4,
    "draws": 1,
    "pessimism": 0.0,
    "discount": 0.99,
    "terminal_value": False,
    "least_coverage": 0.8,
    "seed": 0,
}


def _keywords(**given: Any) -> dict[str, Any]:
    keywords = _KEYWORDS | given
    if keywords["goals"] and (keywords["reward"] is not None or keywords["terminated"] is not None):
        raise StatecastError("goals take the place of rewards and ends: give no reward and no terminated beside them")
    counts = ("horizon", "candidates", "iterations", "draws", "seed")
    wholes = {name: whole(keywords[name], name) for name in counts}
    goals = [(str(name), float(value)) for name, value in (keywords["goals"] or {}).items()]
    return keywords | wholes | {"goals": goals, "limits": [str(limit) for limit in keywords["limits"]]}


def _environment(env: Any) -> str | tuple[str, Any]:
    """An environment as the core takes it: its name, or its description and what is stepped."""
    from statecast.environment import Served

    if isinstance(env, str):
        return env
    served = env if isinstance(env, Served) else Served(env)
    return json.dumps(served.description), served


def _recordings(given: Any) -> list[_core.Recording]:
    several = given if isinstance(given, (list, tuple)) else [given]
    for recording in several:
        if not isinstance(recording, Recording):
            raise StatecastError("recordings of an environment are of the class Recording, with actions")
    return [recording._inner for recording in several]


def _forecaster(given: Forecaster | str) -> _core.Forecaster:
    made = given if isinstance(given, Forecaster) else Forecaster(experts=given)
    return made._inner


def _vector(given: Any, what: str) -> np.ndarray:
    return np.ascontiguousarray(array(given, what).reshape(-1))
