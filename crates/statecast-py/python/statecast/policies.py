"""Control policies of other libraries, as callables from observations `[rows, states]` to actions `[rows, actions]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from statecast._arrays import array
from statecast._core import StatecastError

Act = Callable[[np.ndarray], np.ndarray]
LogProbabilities = Callable[[np.ndarray, np.ndarray], np.ndarray]


def callable_of(policy: Any) -> tuple[Act, LogProbabilities | None]:
    """What acts, and what gives log probabilities of actions `[rows]`, if the policy has `log_prob(observations, actions)`.

    Understood are, in this order: numbers (a constant action), sessions of ONNX runtime, objects with
    `predict(observations, deterministic=True)` as models of Stable-Baselines3 have it, torch modules, and callables.
    """
    log_prob = getattr(policy, "log_prob", None)
    if log_prob is not None:
        log_prob = _flat(log_prob)
    return _checked(_act(policy)), log_prob


def _act(policy: Any) -> Callable[[np.ndarray], Any]:
    if isinstance(policy, (int, float, list, tuple, np.ndarray)):
        constant = array(policy, "the policy's constant action").reshape(1, -1)
        return lambda observations: np.repeat(constant, len(observations), axis=0)
    if _is_of(policy, "onnxruntime"):
        name = policy.get_inputs()[0].name
        return lambda observations: policy.run(None, {name: observations.astype(np.float32)})[0]
    # Before torch: policies of Stable-Baselines3 are modules, whose actions are neither scaled nor their means.
    if hasattr(policy, "predict"):
        return lambda observations: _first(policy.predict(observations.astype(np.float32), deterministic=True))
    if _is_of(policy, "torch") and hasattr(policy, "forward"):
        return _torch(policy)
    if callable(policy):
        return policy
    raise StatecastError(f"{type(policy).__name__} is no policy: give a callable, a torch module or a constant")


def _torch(module: Any) -> Callable[[np.ndarray], Any]:
    import torch

    first = next(iter(module.parameters()), torch.empty(0))

    def act(observations: np.ndarray) -> Any:
        with torch.no_grad():
            given = torch.as_tensor(observations, dtype=first.dtype, device=first.device)
            return _first(module(given)).cpu().numpy()

    return act


def _first(given: Any) -> Any:
    """Actions that come with something else, such as a state or log probabilities."""
    return given[0] if isinstance(given, tuple) else given


def _checked(act: Callable[[np.ndarray], Any]) -> Act:
    def checked(observations: np.ndarray) -> np.ndarray:
        actions = array(act(observations), "the policy's actions")
        if actions.ndim not in (1, 2) or len(actions) != len(observations):
            raise StatecastError(f"the policy gave actions of shape {actions.shape} for {len(observations)} observations")
        return np.ascontiguousarray(actions.reshape(len(observations), -1))

    return checked


def _flat(log_prob: Callable[[np.ndarray, np.ndarray], Any]) -> LogProbabilities:
    return lambda observations, actions: array(log_prob(observations, actions), "log probabilities").reshape(-1)


def _is_of(policy: Any, library: str) -> bool:
    """Whether one of its classes is the library's, without importing that."""
    return any(kind.__module__.split(".")[0] == library for kind in type(policy).__mro__)
