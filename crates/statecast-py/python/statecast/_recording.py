"""Recordings: episodes of states, actions and rewards."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statecast import _core
from statecast._arrays import array, columns, flags
from statecast._core import StatecastError


@dataclass(frozen=True)
class Episode:
    """One run of a system.

    A row of states, the action taken in it and the reward earned by that are a step. Times are numbers or ISO dates.
    """

    name: str
    states: np.ndarray
    """`[rows, states]`."""
    actions: np.ndarray
    """`[rows, actions]`, without columns where nothing was done."""
    rewards: np.ndarray | None
    """`[rows]`."""
    terminated: np.ndarray
    """`[rows]`: whether the system ended with the step."""
    truncated: np.ndarray
    """`[rows]`: whether the recording was cut off after the step."""
    final_state: np.ndarray | None
    """`[states]`: what was observed after the last step."""
    times: list[float | str | None] | None = None

    def __len__(self) -> int:
        return len(self.states)


class Recording:
    """Recorded episodes of one system, from a file ([`read`](Recording.read)) or from arrays.

    Args:
        states: `[rows]` or `[rows, states]`: an array, list, or pandas, polars or Arrow table.
        actions: `[rows]` or `[rows, actions]`: what was done in each row.
        rewards: `[rows]`.
        terminated: `[rows]`: whether the system ended with the row's step.
        truncated: `[rows]`: whether the recording was cut off there.
        final_state: `[states]`: what was observed after the last step.
        state_names: names of the states; by default those of a table's columns, or `x0`, `x1`, ….
        action_names: names of the actions; by default those of a table's columns, or `a0`, `a1`, ….
        name: name of the episode.

    Raises:
        StatecastError: for wrong shapes, and values that are no finite numbers.
    """

    _inner: _core.Recording

    def __init__(
        self,
        states: Any,
        actions: Any = None,
        *,
        rewards: Any = None,
        terminated: Any = None,
        truncated: Any = None,
        final_state: Any = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
        name: str = "0",
    ) -> None:
        given = {
            "states": states,
            "actions": actions,
            "rewards": rewards,
            "terminated": terminated,
            "truncated": truncated,
            "final_state": final_state,
            "name": name,
        }
        self._inner = _of_episodes([given], state_names, action_names)

    @classmethod
    def from_episodes(
        cls,
        episodes: Iterable[Mapping[str, Any]],
        *,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
        reward_name: str = "reward",
    ) -> Recording:
        """A recording of several episodes, each a dictionary with the arguments of the class (`states`, `actions`,
        `rewards`, `terminated`, `truncated`, `final_state`, `name`); without names they are numbered.
        """
        return cls._of(_of_episodes(list(episodes), state_names, action_names, reward_name))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        state: str | Sequence[str] = (),
        action: str | Sequence[str] = (),
        reward: str | None = None,
        episode: str | None = None,
        time: str | None = None,
        duplicates: str = "error",
        missing: str = "error",
        missing_values: Sequence[float] = (),
        encoding: str | None = None,
        transitions: bool = False,
        levels: str | Sequence[str] = (),
    ) -> Recording:
        """Reads a file or folder: CSV, JSON, NPZ, NPY, Parquet, Arrow, HDF5, MAT or TSF.

        Which columns are states, actions, rewards, episodes and times is guessed where it is not given;
        [`notes`](Recording.notes) say what was understood.

        Args:
            path: the file, or a folder with an episode a file.
            state, action: names of columns or arrays, one or several.
            reward, episode, time: name of a column.
            duplicates: what to do with rows of one time: `error`, or keep the `last`, or their `mean`.
            missing: whether a missing value is an `error`, the last one is `hold`, or a `model` fills states.
            missing_values: numbers that stand for missing values, such as -999.
            encoding: of text, such as `latin-1`.
            levels: names of columns of words that are states too, at most 20 words each: a state of 0 and 1 a word.
            transitions: whether states after last steps are looked for, as policy evaluation needs them.

        Raises:
            FileNotFoundError: if there is no such file.
            StatecastError: if it cannot be read; the message names row and column.
        """
        return cls._of(
            _core.Recording.read(
                os.fspath(path),
                state=[state] if isinstance(state, str) else list(state),
                action=[action] if isinstance(action, str) else list(action),
                reward=reward,
                episode=episode,
                time=time,
                duplicates=duplicates,
                missing=missing,
                missing_values=[float(value) for value in missing_values],
                encoding=encoding,
                transitions=transitions,
                levels=[levels] if isinstance(levels, str) else list(levels),
            )
        )

    @classmethod
    def _of(cls, inner: _core.Recording) -> Recording:
        recording = cls.__new__(cls)
        recording._inner = inner
        return recording

    @property
    def state_names(self) -> list[str]:
        """Names of the states."""
        return self._inner.state_names

    @property
    def action_names(self) -> list[str]:
        """Names of the actions."""
        return self._inner.action_names

    @property
    def reward_name(self) -> str | None:
        """Name of the reward; `None` where none was recorded."""
        return self._inner.reward_name

    @property
    def notes(self) -> list[str]:
        """What was understood of the file that it was read from."""
        return self._inner.notes

    @property
    def episode_names(self) -> list[str]:
        """Names of the episodes, in order."""
        return self._inner.episode_names

    @property
    def episodes(self) -> list[Episode]:
        """The episodes, as copies of their arrays."""
        return [self[index] for index in range(len(self))]

    def only(self, *names: str) -> Recording:
        """The episodes of some names alone, in their order.

        Raises:
            StatecastError: if there is no such episode.
        """
        if not names:
            raise StatecastError("only() takes the names of episodes")
        return self._of(self._inner.only([str(name) for name in names]))

    def __len__(self) -> int:
        return len(self._inner.episode_names)

    def __getitem__(self, index: int) -> Episode:
        names = self._inner.episode_names
        position = range(len(names))[index]
        inner = self._inner
        return Episode(
            name=names[position],
            states=inner.states(position),
            actions=inner.actions(position),
            rewards=inner.rewards(position),
            terminated=inner.terminated(position),
            truncated=inner.truncated(position),
            final_state=inner.final_state(position),
            times=inner.times(position),
        )

    def __repr__(self) -> str:
        return f"Recording({len(self)} episode(s), states {self.state_names}, actions {self.action_names})"

    def __reduce__(self) -> tuple[Any, ...]:
        episodes = [
            {key: value for key, value in vars(episode).items() if key != "times"} for episode in self.episodes
        ]
        return _unpickled, (episodes, self.state_names, self.action_names, self.reward_name or "reward")


def _unpickled(episodes: list[dict[str, Any]], states: list[str], actions: list[str], reward: str) -> Recording:
    return Recording.from_episodes(episodes, state_names=states, action_names=actions, reward_name=reward)


def _of_episodes(
    given: list[Mapping[str, Any]],
    state_names: Sequence[str] | None,
    action_names: Sequence[str] | None,
    reward_name: str = "reward",
) -> _core.Recording:
    parts = []
    state_names = None if state_names is None else [str(name) for name in state_names]
    action_names = None if action_names is None else [str(name) for name in action_names]
    for number, episode in enumerate(given):
        episode = {"name": str(number)} | dict(episode)
        states = columns(episode["states"], "states").under(state_names if number else None, "states")
        rows = len(states.values)
        actions, own_names = np.empty((rows, 0)), None
        if episode.get("actions") is not None:
            found = columns(episode["actions"], "actions").under(action_names if number else None, "actions")
            actions, own_names = found.values, found.names
        if len(actions) != rows:
            raise StatecastError(f"episode {episode['name']}: {rows} rows of states, but {len(actions)} of actions")
        rewards = episode.get("rewards")
        rewards = None if rewards is None else array(rewards, "rewards").reshape(-1)
        last = episode.get("final_state")
        state_names = state_names or states.names
        action_names = action_names or own_names
        parts.append(
            Episode(
                str(episode["name"]),
                states.values,
                np.ascontiguousarray(actions),
                rewards,
                flags(episode.get("terminated"), rows, "terminated"),
                flags(episode.get("truncated"), rows, "truncated"),
                None if last is None else array(last, "final_state").reshape(-1),
            )
        )
    if not parts:
        raise StatecastError("a recording has at least one episode")
    widths = parts[0].states.shape[1], parts[0].actions.shape[1]
    return _core.Recording.of_episodes(
        state_names or [f"x{i}" for i in range(widths[0])],
        action_names or [f"a{i}" for i in range(widths[1])],
        None if parts[0].rewards is None else reward_name,
        parts,
    )
