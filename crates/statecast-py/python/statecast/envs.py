"""Environments of Gymnasium whose steps are drawn by a forecaster that has read a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space

from statecast import _core
from statecast._core import StatecastError
from statecast._forecaster import Forecaster
from statecast._recording import Recording

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
Termination = Callable[[np.ndarray], Any]

# A margin of the recorded range in which states stay, in shares of it.
MARGIN = 1.0


class _System:
    """Paths of a recorded system that are advanced together; states are held within the recorded range widened by as much
    on either side."""

    def __init__(
        self,
        recording: Recording,
        paths: int,
        reward: str | Reward,
        termination: str | Termination | None,
        forecaster: Forecaster | None,
        uncertainty: bool,
    ) -> None:
        if not recording.action_names:
            raise StatecastError("the recording has no actions to take")
        if reward == "recorded" and recording.reward_name is None:
            raise StatecastError("the recording has no rewards: give reward as a function of states, actions, next states")
        self.recording = recording
        self.paths = paths
        self._forecaster = forecaster or Forecaster.builtin()
        self._reward = reward
        self._uncertainty = uncertainty
        self.std: np.ndarray | None = None
        episodes = recording.episodes
        self.starts = np.stack([episode.states[0] for episode in episodes])
        states = np.vstack([episode.states for episode in episodes])
        actions = np.vstack([episode.actions for episode in episodes])
        low, high = states.min(axis=0), states.max(axis=0)
        self._low, self._high = low - MARGIN * (high - low), high + MARGIN * (high - low)
        self.observation_space = gymnasium.spaces.Box(
            self._low.astype(np.float32), self._high.astype(np.float32), dtype=np.float32
        )
        self.action_space = gymnasium.spaces.Box(
            actions.min(axis=0).astype(np.float32), actions.max(axis=0).astype(np.float32), dtype=np.float32
        )
        self._terminated = _termination(termination, episodes)
        self.states = np.zeros((paths, states.shape[1]))

    def begin(self, seed: int) -> None:
        """Begins all paths anew, with other draws."""
        self._paths = _core.Imagination(
            self._forecaster._inner,
            self.recording._inner,
            self.paths,
            seed,
            self._reward == "recorded",
            self._uncertainty,
        )
        self._begun: dict[int, np.ndarray] = {}

    def start(self, path: int, random: np.random.Generator) -> None:
        """Begins a path at the start of a recorded episode."""
        self.states[path] = self._begun[path] = self.starts[random.integers(len(self.starts))]

    def step(self, actions: np.ndarray, ending: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Takes actions `[paths, actions]`; returns rewards and ends, `[paths]` each. What `ending` paths arrive at means
        nothing: they have to be started before the next step."""
        before = self.states.copy()
        begun = list(self._begun)
        starts = np.array([self._begun[path] for path in begun]).reshape(len(begun), before.shape[1])
        self._begun = {}
        actions = np.ascontiguousarray(actions, dtype=np.float64)
        rows, std = self._paths.step(actions, begun, starts, [] if ending is None else list(ending))
        width = self.states.shape[1]
        self.std = None if std is None else std[:, :width]
        self.states = np.clip(rows[:, :width], self._low, self._high)
        for path in np.flatnonzero((self.states != rows[:, :width]).any(axis=1)):
            # What is observed is where the path goes on.
            self._begun[int(path)] = self.states[path].copy()
        rewards = self._reward(before, actions, self.states) if callable(self._reward) else rows[:, -1]
        # A copy: a reward function may return a view of the states.
        return np.array(rewards, dtype=np.float64).reshape(self.paths), self._terminated(before, self.states)

    def observations(self) -> np.ndarray:
        """States of the paths, as they are observed."""
        return self.states.astype(np.float32)


def _termination(
    termination: str | Termination | None, episodes: list[Any]
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Which of some steps, from states `[paths, states]` to next ones, end a path."""
    if callable(termination):
        return lambda _, states: np.asarray(termination(states), dtype=bool).reshape(len(states))
    if termination is None:
        return lambda _, states: np.zeros(len(states), dtype=bool)
    if termination != "recorded":
        raise StatecastError(f"`termination={termination}`: use recorded, None or a function of states")
    # Steps are compared by where they led, or by where they began if it is not known where some terminal ones led.
    known = all(episode.final_state is not None or not episode.terminated[-1] for episode in episodes)
    compared, flags = [], []
    for episode in episodes:
        states = episode.states
        if known:
            last = [] if episode.final_state is None else [episode.final_state]
            states = np.vstack([states[1:], *last]) if last else states[1:]
        compared.append(states)
        flags.append(episode.terminated[: len(states)])
    arrived, ended = np.vstack(compared), np.concatenate(flags)
    unit = np.where(arrived.std(axis=0) > 0, arrived.std(axis=0), 1)
    arrived = arrived / unit

    def by_nearest(before: np.ndarray, following: np.ndarray) -> np.ndarray:
        """Whether most of the five nearest recorded steps ended their episode."""
        states = following if known else before
        distances = ((states[:, None] / unit - arrived[None]) ** 2).sum(axis=2)
        nearest = np.argpartition(distances, min(5, len(arrived)) - 1, axis=1)[:, :5]
        return ended[nearest].mean(axis=1) > 0.5

    return by_nearest


class LearnedEnv(gymnasium.Env):
    """One imagined path of a recorded system, as an environment.

    An episode begins at the start of a recorded one. Each step is a joint draw of the next state, given the recording and
    what was drawn before.

    Args:
        recording: episodes with actions.
        reward: `recorded`, which draws rewards with the states, or a function of states `[paths, states]`, actions
            `[paths, actions]` and next states.
        termination: a function from next states to flags, `recorded` (most of the five nearest recorded states ended an
            episode), or `None`.
        forecaster: what draws; by default the bundled model.
        max_episode_steps: steps after which an episode is truncated; by default the longest recorded episode.
        uncertainty: whether `info["std"]` has the standard deviations `[states]` of the densities that a step was drawn from;
            it takes about as long as the step.
    """

    metadata = {"render_modes": []}

    def __init__(
        self,
        recording: Recording,
        *,
        reward: str | Reward = "recorded",
        termination: str | Termination | None = None,
        forecaster: Forecaster | None = None,
        max_episode_steps: int | None = None,
        uncertainty: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = render_mode
        self._system = _System(recording, 1, reward, termination, forecaster, uncertainty)
        self.observation_space = self._system.observation_space
        self.action_space = self._system.action_space
        self._limit = max_episode_steps or max(len(episode) for episode in recording.episodes)
        self._steps: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        super().reset(seed=seed)
        if seed is not None or self._steps is None:
            self._system.begin(int(self.np_random.integers(2**62)))
        elif self._steps > 0:
            # The row that was drawn last follows from the episode before; the next one is where this one begins.
            self._system.step(self._system.action_space.low.reshape(1, -1), np.array([0]))
        self._steps = 0
        self._system.start(0, self.np_random)
        return self._system.observations()[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes an action `[actions]`, held within its space."""
        if self._steps is None:
            raise StatecastError("the environment has not begun: call reset first")
        low, high = self._system.action_space.low, self._system.action_space.high
        rewards, ended = self._system.step(np.clip(action, low, high).reshape(1, -1))
        self._steps += 1
        cut = self._steps >= self._limit
        std = self._system.std
        info = {} if std is None else {"std": std[0]}
        return self._system.observations()[0], float(rewards[0]), bool(ended[0]), cut, info


class LearnedVectorEnv(gymnasium.vector.VectorEnv):
    """Many imagined paths of a recorded system that are advanced together; the arguments are those of `LearnedEnv`.

    Episodes that end begin anew with the next step, as Gymnasium's vector environments do by default.
    """

    metadata = {"render_modes": [], "autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        recording: Recording,
        num_envs: int,
        *,
        reward: str | Reward = "recorded",
        termination: str | Termination | None = None,
        forecaster: Forecaster | None = None,
        max_episode_steps: int | None = None,
        uncertainty: bool = True,
    ) -> None:
        self.num_envs = num_envs
        self._system = _System(recording, num_envs, reward, termination, forecaster, uncertainty)
        self.single_observation_space = self._system.observation_space
        self.single_action_space = self._system.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._limit = max_episode_steps or max(len(episode) for episode in recording.episodes)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes."""
        super().reset(seed=seed)
        self._system.begin(int(self.np_random.integers(2**62)))
        self._steps = np.zeros(self.num_envs, dtype=int)
        self._over = np.zeros(self.num_envs, dtype=bool)
        for path in range(self.num_envs):
            self._system.start(path, self.np_random)
        return self._system.observations(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes actions `[num_envs, actions]`, held within their space."""
        over = self._over
        low, high = self._system.action_space.low, self._system.action_space.high
        actions = np.clip(actions, low, high).reshape(self.num_envs, -1)
        rewards, ended = self._system.step(actions, np.flatnonzero(over))
        self._steps += 1
        cut = self._steps >= self._limit
        # What was over takes no step: it begins.
        for path in np.flatnonzero(over):
            self._system.start(int(path), self.np_random)
        self._steps[over] = 0
        rewards[over], ended[over], cut[over] = 0.0, False, False
        self._over = ended | cut
        std = self._system.std
        info = {} if std is None else {"std": std, "_std": ~over}
        return self._system.observations(), rewards, ended, cut, info
