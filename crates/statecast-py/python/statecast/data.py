"""Recordings from the places where experience is kept, and back: Minari, buffers of Stable-Baselines3, Gymnasium."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from statecast._arrays import array
from statecast._core import StatecastError
from statecast._recording import Recording


def from_minari(dataset: Any, episodes: Iterable[int] | None = None) -> Recording:
    """A recording of a `minari.MinariDataset`, or of the local one of a name.

    Spaces of dictionaries and tuples are flattened in the order of their names. The last observation of an episode is its
    final state.
    """
    if isinstance(dataset, str):
        import minari

        dataset = minari.load_dataset(dataset)
    found = dataset.iterate_episodes(None if episodes is None else list(episodes))
    parts, names = [], None
    for episode in found:
        observations, names = _flat(episode.observations, "obs")
        actions, action_names = _flat(episode.actions, "action")
        parts.append(
            {
                "states": observations[:-1],
                "actions": actions,
                "rewards": episode.rewards,
                "terminated": episode.terminations,
                "truncated": episode.truncations,
                "final_state": observations[-1],
                "name": str(episode.id),
            }
        )
    if not parts:
        raise StatecastError("the dataset has no episodes")
    return Recording.from_episodes(parts, state_names=names, action_names=action_names)


def to_minari(recording: Recording, dataset_id: str, **settings: Any) -> Any:
    """A Minari dataset of a recording with actions and rewards, such as one of imagined episodes.

    Args:
        recording: every episode needs its final state; where it is not known, the last step is left out.
        dataset_id: such as `pendulum/imagined-v0`.
        settings: of `minari.create_dataset_from_buffers`, such as `env` and `description`.
    """
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = []
    for number, episode in enumerate(recording.episodes):
        if episode.rewards is None:
            raise StatecastError("Minari's episodes have rewards, this recording has none")
        rows = len(episode) if episode.final_state is not None else len(episode) - 1
        if rows < 1:
            continue
        states = episode.states if episode.final_state is None else np.vstack([episode.states, episode.final_state])
        truncated = episode.truncated[:rows].copy()
        truncated[-1] |= not episode.terminated[rows - 1]
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=states,
                actions=episode.actions[:rows],
                rewards=list(map(float, episode.rewards[:rows])),
                terminations=list(map(bool, episode.terminated[:rows])),
                truncations=list(map(bool, truncated)),
            )
        )
    widths = len(recording.state_names), len(recording.action_names)
    spaces = [gymnasium.spaces.Box(-np.inf, np.inf, (width,), np.float64) for width in widths]
    if "env" not in settings:
        settings = {"observation_space": spaces[0], "action_space": spaces[1]} | settings
    return minari.create_dataset_from_buffers(dataset_id=dataset_id, buffer=buffers, **settings)


def from_buffer(buffer: Any, *, state_names: Sequence[str] | None = None) -> Recording:
    """A recording of a replay buffer of Stable-Baselines3: a run an environment and episode.

    A buffer that went round begins with what is oldest. Time limits that it knows end episodes without the system's end.
    Replay buffers hold actions on [-1, 1], as agents without a replay buffer do not: they are those of the environment here.
    """
    space: Any = getattr(buffer, "action_space", None)
    scaled = any(kind.__name__ == "ReplayBuffer" for kind in type(buffer).__mro__) and hasattr(space, "low")
    size = buffer.buffer_size if buffer.full else buffer.pos
    if size == 0:
        raise StatecastError("the buffer is empty")
    order = (np.arange(size) + (buffer.pos if buffer.full else 0)) % buffer.buffer_size
    timeouts = getattr(buffer, "timeouts", np.zeros_like(buffer.dones))
    following = buffer.next_observations if hasattr(buffer, "next_observations") else None
    parts: list[dict[str, Any]] = []
    for environment in range(buffer.n_envs):
        take = lambda values: np.asarray(values[order, environment])  # noqa: E731
        observations, actions, rewards = take(buffer.observations), take(buffer.actions), take(buffer.rewards)
        if scaled:
            actions = space.low + (actions + 1) / 2 * (space.high - space.low)
        dones, limits = take(buffer.dones).astype(bool), take(timeouts).astype(bool)
        ends = np.flatnonzero(dones | (np.arange(size) == size - 1))
        first = 0
        for end in ends.tolist():
            rows = slice(first, end + 1)
            last = take(following)[end] if following is not None else None
            ended, cut = dones[rows] & ~limits[rows], limits[rows].copy()
            cut[-1] |= not dones[end]
            parts.append(
                {
                    "states": observations[rows].reshape(end + 1 - first, -1),
                    "actions": actions[rows].reshape(end + 1 - first, -1),
                    "rewards": rewards[rows],
                    "terminated": ended,
                    "truncated": cut,
                    "final_state": None if last is None else last.reshape(-1),
                    "name": f"{environment}/{len(parts)}",
                }
            )
            first = end + 1
    return Recording.from_episodes(parts, state_names=state_names)


def from_episodes_of(env: Any, policy: Any, episodes: int, *, seed: int = 0) -> Recording:
    """Runs a policy in a Gymnasium environment and records it; see `statecast.policies` for what a policy can be."""
    from statecast.policies import callable_of

    act, _ = callable_of(policy)
    parts = []
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        rows: dict[str, list[Any]] = {key: [] for key in ("states", "actions", "rewards", "terminated", "truncated")}
        ended = cut = False
        while not (ended or cut):
            flat = array(observation, "an observation").reshape(1, -1)
            action = act(flat)[0]
            taken = int(action[0]) if hasattr(env.action_space, "n") else action.astype(env.action_space.dtype)
            observation, reward, ended, cut, _ = env.step(taken)
            for key, value in zip(rows, (flat[0], action, reward, ended, cut), strict=True):
                rows[key].append(value)
        last = array(observation, "an observation").reshape(-1)
        parts.append(rows | {"final_state": last})
    return Recording.from_episodes(parts)


def _flat(values: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Arrays, dictionaries and tuples of arrays as `[rows, columns]`, with the columns' names."""
    if isinstance(values, dict):
        parts = [_flat(values[key], key) for key in sorted(values)]
    elif isinstance(values, tuple):
        parts = [_flat(part, f"{name}_{i}") for i, part in enumerate(values)]
    else:
        rows = np.asarray(values)
        rows = rows.reshape(len(rows), -1)
        names = [name] if rows.shape[1] == 1 else [f"{name}_{i}" for i in range(rows.shape[1])]
        return rows.astype(float), names
    return np.hstack([rows for rows, _ in parts]), [name for _, names in parts for name in names]
