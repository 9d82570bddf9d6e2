"""Gymnasium environments as programs that `statecast` runs: `python -m statecast.environment Pendulum-v1`.

The program `statecast` takes them as `--env 'command:python -m statecast.environment Pendulum-v1'`. Requests and replies are
lines of JSON, as docs/environments.md describes them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from statecast._core import StatecastError


class Served:
    """An environment of Gymnasium, described and stepped in flat lists of numbers.

    Observations of dictionaries, tuples and discrete spaces are flattened as `gymnasium.spaces.flatten` does. Actions are
    bounded boxes, flattened, or discrete ones, numbered from 0.

    Args:
        env: the environment.
        observations, actions: names of the columns; by default `x0`, `x1`, … (the keys of a dictionary) and `u0`, `u1`, ….
        time_limit: steps after which an episode is truncated; by default the registered number.
        reward, terminated: what a step earns and which observations are terminal, as expressions of the columns, if they
            are known.
    """

    def __init__(
        self,
        env: Any,
        *,
        observations: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        time_limit: int | None = None,
        reward: str | None = None,
        terminated: str | None = None,
    ) -> None:
        from gymnasium import spaces

        self.env = env
        self._flatten = spaces.flatten
        seen, done = env.observation_space, env.action_space
        if not isinstance(spaces.flatten_space(seen), spaces.Box):
            raise StatecastError(f"observations of {type(seen).__name__} have no fixed number of columns")
        self._observation_names = _named(observations, _names(seen, "x"), "observations")
        columns: list[dict[str, Any]]
        self._first_choice: int | None = None
        choices = None
        if isinstance(done, spaces.Discrete):
            self._first_choice, choices = int(done.start), int(done.n)
            columns = [{"name": name} for name in _named(actions, ["action"], "actions")]
        elif isinstance(done, spaces.Box):
            low, high = done.low.reshape(-1).astype(float), done.high.reshape(-1).astype(float)
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                raise StatecastError("the actions have no limits: wrap the environment in RescaleAction or ClipAction")
            names = _named(actions, [f"u{i}" for i in range(len(low))], "actions")
            columns = [
                {"name": name, "low": float(a), "high": float(b)} for name, a, b in zip(names, low, high, strict=True)
            ]
        else:
            raise StatecastError(f"actions of {type(done).__name__}: there must be a Box or Discrete ones")
        spec = getattr(env, "spec", None)
        limit = time_limit or getattr(spec, "max_episode_steps", None)
        if limit is None:
            raise StatecastError("the environment has no time limit: give one (--time-limit)")
        dt = getattr(env.unwrapped, "dt", None)
        self.description: dict[str, Any] = {
            "name": getattr(spec, "id", None) or type(env.unwrapped).__name__,
            "observations": [{"name": name} for name in self._observation_names],
            "actions": columns,
            "choices": choices,
            "time_limit": int(limit),
            "dt": float(dt) if isinstance(dt, (int, float)) and dt > 0 else 1.0,
            "reward": reward,
            "terminated": terminated,
        }

    def reset(self, seed: int) -> list[float]:
        """Begins an episode."""
        # Gymnasium takes seeds of any size from 0; what it seeds may not.
        observation, _ = self.env.reset(seed=int(seed) % 2**32)
        return self._flat(observation)

    def step(self, action: Sequence[float]) -> tuple[list[float], float, bool, bool]:
        """Takes an action; returns the observation, the reward, and whether the episode is terminated or truncated."""
        space = self.env.action_space
        if self._first_choice is not None:
            given: Any = space.dtype.type(self._first_choice + int(action[0]))
        else:
            given = np.asarray(action, dtype=space.dtype).reshape(space.shape)
        observation, reward, terminated, truncated, _ = self.env.step(given)
        flat = self._flat(observation)
        earned = float(np.asarray(reward).reshape(()))
        if not np.isfinite(earned):
            raise StatecastError(f"the reward of a step is {earned}")
        return flat, earned, bool(terminated), bool(truncated)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request of the protocol."""
        kind = request.get("request")
        if kind == "describe":
            return self.description
        if kind == "reset":
            return {"observation": self.reset(request["seed"])}
        if kind == "step":
            observation, reward, terminated, truncated = self.step(request["action"])
            return {"observation": observation, "reward": reward, "terminated": terminated, "truncated": truncated}
        raise StatecastError(f"no request is called {kind!r}")

    def _flat(self, observation: Any) -> list[float]:
        flat = np.asarray(self._flatten(self.env.observation_space, observation), dtype=float).reshape(-1)
        if len(flat) != len(self._observation_names):
            raise StatecastError(f"an observation of {len(flat)} numbers, not {len(self._observation_names)}")
        if not np.isfinite(flat).all():
            column = int(np.flatnonzero(~np.isfinite(flat))[0])
            raise StatecastError(f"the observation {self._observation_names[column]} is {flat[column]}")
        return list(flat.tolist())


def _names(space: Any, prefix: str) -> list[str]:
    """Names of the columns of a flattened space."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return [
            name if width == 1 else f"{name}_{i}"
            for name, width in ((str(key), spaces.flatdim(part)) for key, part in space.spaces.items())
            for i in range(width)
        ]
    return [f"{prefix}{i}" for i in range(spaces.flatdim(space))]


def _named(given: Sequence[str] | None, default: list[str], what: str) -> list[str]:
    if given is None:
        return default
    if len(given) != len(default):
        raise StatecastError(f"{len(given)} names for {len(default)} {what}")
    return [str(name) for name in given]


def serve_lines(answer: Any, lines: Any, out: TextIO) -> None:
    """Answers lines of JSON until there are none. What fails is an answer, too."""
    for line in lines:
        if not line.strip():
            continue
        try:
            reply = json.dumps(answer(json.loads(line)), allow_nan=False)
        except Exception as error:  # Whatever an environment or a policy raises is told.
            reply = json.dumps({"error": f"{type(error).__name__}: {error}"})
        out.write(reply + "\n")
        out.flush()


def own_output() -> TextIO:
    """The standard output, which from now on nothing else writes to: what others print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m statecast.environment", description=__doc__)
    parser.add_argument("id", help="of the environment, such as Pendulum-v1 or my_package:Tank-v0")
    parser.add_argument("--kwargs", type=json.loads, default={}, help="arguments of gymnasium.make, as JSON")
    parser.add_argument("--import", dest="modules", action="append", default=[], help="a module that registers it")
    parser.add_argument("--observations", type=_listed, help="names of the observations, separated by commas")
    parser.add_argument("--actions", type=_listed, help="names of the actions, separated by commas")
    parser.add_argument("--time-limit", type=int, help="steps of an episode [default: as registered]")
    parser.add_argument("--reward", help="what a step earns, as an expression of the columns, if it is known")
    parser.add_argument("--terminated", help="which observations are terminal, as an expression ('0' for none)")
    given = parser.parse_args(arguments)
    out = own_output()
    sys.path.insert(0, os.getcwd())
    import gymnasium

    for module in given.modules:
        importlib.import_module(module)
    env = gymnasium.make(given.id, **given.kwargs)
    served = Served(
        env,
        observations=given.observations,
        actions=given.actions,
        time_limit=given.time_limit,
        reward=given.reward,
        terminated=given.terminated,
    )
    try:
        serve_lines(served.answer, sys.stdin, out)
    finally:
        env.close()


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    main()
