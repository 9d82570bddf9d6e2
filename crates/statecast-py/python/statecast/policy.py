"""Policies of other libraries as programs that `statecast` runs: `python -m statecast.policy model.zip`.

The program `statecast` takes them as `--policy 'command:python -m statecast.policy model.onnx'`. Requests and replies are
lines of JSON, as docs/policies.md describes them.

Models of Stable-Baselines3 (`.zip`) and TorchScript (`.pt`) may run code of their own when they are loaded: load only files that
you trust.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from statecast._core import StatecastError
from statecast.environment import own_output, serve_lines


class Model(Protocol):
    """What acts on observations `[rows, observations]` of 32-bit floats."""

    def act(self, observations: np.ndarray, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """Actions `[rows, actions]`, and their log probabilities `[rows]`, if they are known."""

    def log_probabilities(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Log probabilities of actions `[rows, actions]`, `[rows]`."""


def _no_log_probabilities() -> np.ndarray:
    raise StatecastError("this policy does not know how probable its actions are")


class _Function:
    """A network whose outputs are actions, or the logits of discrete ones."""

    def __init__(self, outputs: Any, logits: str | None) -> None:
        self._outputs = outputs
        self._logits = logits

    def act(self, observations: np.ndarray, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        found = self._rows(observations)
        if self._logits is None:
            return found, None
        if self._logits == "argmax":
            return found.argmax(axis=1)[:, None].astype(float), None
        logs = _log_softmax(found)
        drawn = [np.random.default_rng(seed).choice(logs.shape[1], p=np.exp(row)) for seed, row in zip(seeds, logs, strict=True)]
        choices = np.array(drawn, dtype=int)
        return choices[:, None].astype(float), logs[np.arange(len(logs)), choices]

    def log_probabilities(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        if self._logits != "softmax":
            return _no_log_probabilities()
        logs = _log_softmax(self._rows(observations))
        choices = actions[:, 0]
        known = (choices == np.floor(choices)) & (choices >= 0) & (choices < logs.shape[1])
        found = logs[np.arange(len(logs)), np.where(known, choices, 0).astype(int)]
        return np.where(known, found, -np.inf)

    def _rows(self, observations: np.ndarray) -> np.ndarray:
        found = np.asarray(self._outputs(observations), dtype=float)
        if found.ndim == 0 or len(found) != len(observations):
            raise StatecastError(f"outputs of shape {found.shape} for {len(observations)} observations")
        return found.reshape(len(observations), -1)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


class _StableBaselines:
    """A model of Stable-Baselines3: its mean action, or, drawn, with log probabilities where its policy tells them."""

    def __init__(self, model: Any, stochastic: bool) -> None:
        self._model = model
        self._stochastic = stochastic
        # Actor-critic policies of PPO and A2C; of SAC the squashed actor.
        squashed = hasattr(getattr(model, "actor", None), "get_action_dist_params")
        self._tells = stochastic and (hasattr(model.policy, "evaluate_actions") or squashed)

    def act(self, observations: np.ndarray, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        if self._stochastic:
            import torch

            # One stream for a batch: the same batch is answered in the same way.
            torch.manual_seed(int(np.random.SeedSequence(list(seeds)).generate_state(1)[0]))
        actions, _ = self._model.predict(observations, deterministic=not self._stochastic)
        actions = np.asarray(actions, dtype=float).reshape(len(observations), -1)
        return actions, self.log_probabilities(observations, actions) if self._tells else None

    def log_probabilities(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        if not self._tells:
            return _no_log_probabilities()
        import torch

        policy = self._model.policy
        with torch.no_grad():
            seen, _ = policy.obs_to_tensor(observations)
            if hasattr(policy, "evaluate_actions"):
                taken = torch.as_tensor(actions, device=seen.device)
                discrete = hasattr(self._model.action_space, "n")
                taken = taken[:, 0].long() if discrete else taken.float()
                logs = policy.evaluate_actions(seen, taken)[1]
                return np.asarray(logs.cpu().numpy(), dtype=float).reshape(-1)
            actor = self._model.actor
            mean, log_std, _ = actor.get_action_dist_params(seen)
            squashed = np.clip(policy.scale_action(actions), -1 + 1e-6, 1 - 1e-6)
            taken = torch.as_tensor(squashed, device=seen.device).float()
            actor.action_dist.proba_distribution(mean, log_std)
            logs = actor.action_dist.log_prob(taken).cpu().numpy().astype(float).reshape(-1)
        space = self._model.action_space
        # The density of the action in its own units.
        scale = float(np.log((space.high - space.low) / 2).sum())
        return np.asarray(logs - scale, dtype=float)


def load(path: str, *, algorithm: str | None = None, stochastic: bool = False, logits: str | None = None) -> Model:
    """Loads a policy.

    Args:
        path: a model of Stable-Baselines3 (`.zip`), of ONNX (`.onnx`) or TorchScript (`.pt`, `.pth`, `.ts`).
        algorithm: that of Stable-Baselines3, such as `PPO`; by default as the file says.
        stochastic: whether actions of Stable-Baselines3's PPO, A2C or SAC are drawn instead of the means.
        logits: `argmax` or `softmax` if the outputs of a network are the logits of discrete actions.
    """
    ending = Path(path).suffix.lower()
    if not Path(path).is_file():
        raise StatecastError(f"{path}: no such file")
    if ending == ".zip":
        if logits is not None:
            raise StatecastError("logits are outputs of ONNX and TorchScript; models of Stable-Baselines3 give actions")
        return _stable_baselines(path, algorithm, stochastic)
    if stochastic:
        raise StatecastError("actions of ONNX and TorchScript are what they give; draw discrete ones with --logits softmax")
    if ending == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        taken = session.get_inputs()[0]

        def of_rows(observations: np.ndarray) -> np.ndarray:
            found: np.ndarray = session.run(None, {taken.name: observations})[0]
            return found

        # Exporters fix the number of rows at that of their example, which is mostly one. Dynamic ones have a name, or -1.
        rows = taken.shape[0] if len(taken.shape) > 1 else None
        if not isinstance(rows, int) or rows < 1:
            return _Function(of_rows, logits)
        if rows > 1:
            raise StatecastError(f"{path}: it takes {rows} observations at a time; export it with a dynamic number of rows")
        return _Function(lambda observations: [of_rows(row[None])[0] for row in observations], logits)
    if ending in (".pt", ".pth", ".ts"):
        import torch

        module = torch.jit.load(path, map_location="cpu").eval()

        def outputs(observations: np.ndarray) -> Any:
            with torch.no_grad():
                found = module(torch.as_tensor(observations))
            return (found[0] if isinstance(found, tuple) else found).numpy()

        return _Function(outputs, logits)
    raise StatecastError(f"{path}: a policy is a .zip of Stable-Baselines3, an .onnx, or a .pt of TorchScript")


def _stable_baselines(path: str, algorithm: str | None, stochastic: bool) -> Model:
    import stable_baselines3

    name = algorithm or _algorithm(path)
    made = getattr(stable_baselines3, name, None)
    if made is None:
        raise StatecastError(f"Stable-Baselines3 has no algorithm {name!r}")
    if stochastic and name in ("TD3", "DDPG", "DQN"):
        # Those of DQN are drawn while it explores, whatever it has learned.
        raise StatecastError(f"actions of {name} are not drawn from a distribution; leave out --stochastic")
    return _StableBaselines(made.load(path, device="cpu"), stochastic)


def _algorithm(path: str) -> str:
    """The algorithm that a file of Stable-Baselines3 is of."""
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
        module = str(data["policy_class"]["__module__"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise StatecastError(f"{path}: no model of Stable-Baselines3 ({error})") from None
    family = module.split(".")[1] if module.startswith("stable_baselines3.") else ""
    if family in ("sac", "td3", "dqn", "ddpg"):
        return family.upper()
    if family in ("common", "ppo", "a2c"):
        return "PPO" if "clip_range" in data else "A2C"
    raise StatecastError(f"{path}: it does not say its algorithm; name it (--algorithm)")


def answer(model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request of the protocol."""
    observations = np.asarray(request["observations"], dtype=np.float32)
    if "actions" in request:
        logs = model.log_probabilities(observations, np.asarray(request["actions"], dtype=float))
        return {"log_probabilities": _listed(logs)}
    actions, known = model.act(observations, request["seeds"])
    reply: dict[str, Any] = {"actions": actions.tolist()}
    if known is not None:
        reply["log_probabilities"] = _listed(known)
    return reply


def _listed(logs: np.ndarray) -> list[float | None]:
    """Log probabilities; JSON has no minus infinity."""
    return [None if value == -np.inf else float(value) for value in logs]


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m statecast.policy", description=__doc__)
    parser.add_argument("file", help="a model of Stable-Baselines3 (.zip), ONNX (.onnx) or TorchScript (.pt)")
    parser.add_argument("--algorithm", help="of Stable-Baselines3, such as PPO [default: as the file says]")
    parser.add_argument("--stochastic", action="store_true", help="draw actions of PPO, A2C and SAC of Stable-Baselines3 instead of their means")
    parser.add_argument("--logits", choices=["argmax", "softmax"], help="the outputs are logits of discrete actions")
    given = parser.parse_args(arguments)
    out = own_output()
    model = load(given.file, algorithm=given.algorithm, stochastic=given.stochastic, logits=given.logits)
    serve_lines(lambda request: answer(model, request), sys.stdin, out)


if __name__ == "__main__":
    main()
