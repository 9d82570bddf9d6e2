"""Recordings from datasets and buffers, and back."""

from types import SimpleNamespace

import numpy as np
import pytest

import statecast
from statecast.data import from_buffer, from_episodes_of, from_minari, to_minari


def buffer(full):
    """Two environments of five steps each; environment 0 ends at step 2 (the system) and 4 (a time limit)."""
    rows = np.arange(5)
    states = np.stack([rows, 10 + rows], axis=1)[..., None].astype(np.float32)
    dones = np.zeros((5, 2))
    dones[[2, 4], 0] = 1
    timeouts = np.zeros((5, 2))
    timeouts[4, 0] = 1
    return SimpleNamespace(
        buffer_size=5,
        pos=0 if full else 5,
        full=full,
        n_envs=2,
        observations=states,
        next_observations=states + 1,
        actions=states / 10,
        rewards=states[:, :, 0],
        dones=dones,
        timeouts=timeouts,
    )


@pytest.mark.parametrize("full", [False, True])
def test_buffers_are_runs_of_each_environment(full):
    recording = from_buffer(buffer(full))
    first, second, third = recording.episodes
    assert [len(e) for e in recording.episodes] == [3, 2, 5]
    assert first.terminated.tolist() == [False, False, True] and not first.truncated.any()
    assert second.truncated.tolist() == [False, True] and not second.terminated.any()
    assert third.states[:, 0].tolist() == [10, 11, 12, 13, 14] and third.final_state.tolist() == [15]
    assert third.truncated[-1]


def test_a_buffer_that_went_round_begins_with_what_is_oldest():
    round_ = buffer(True)
    round_.pos = 2
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        setattr(round_, name, np.roll(getattr(round_, name), 2, axis=0))
    assert [e.states.tolist() for e in from_buffer(round_).episodes] == [
        e.states.tolist() for e in from_buffer(buffer(True)).episodes
    ]


def test_actions_of_replay_buffers_are_those_of_the_environment():
    """Fault: a replay buffer's actions are on [-1, 1], whatever the environment's are."""

    class ReplayBuffer(SimpleNamespace):
        pass

    space = SimpleNamespace(low=np.array([-2.0]), high=np.array([4.0]))
    given = ReplayBuffer(**vars(buffer(False)), action_space=space)
    assert np.allclose(from_buffer(given)[2].actions[:, 0], 1 + 3 * np.array([1.0, 1.1, 1.2, 1.3, 1.4]))


def test_minari_datasets_go_there_and_back(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    random = np.random.default_rng(0)
    episodes = [
        {
            "states": random.normal(size=(n, 2)),
            "actions": random.normal(size=(n, 1)),
            "rewards": random.normal(size=n),
            "terminated": [False] * (n - 1) + [n == 4],
            "final_state": random.normal(size=2),
        }
        for n in (4, 6)
    ]
    recording = statecast.Recording.from_episodes(episodes)
    to_minari(recording, "test/imagined-v0")
    again = from_minari("test/imagined-v0")
    for given, found in zip(recording.episodes, again.episodes, strict=True):
        assert np.allclose(given.states, found.states) and np.allclose(given.actions, found.actions)
        assert np.allclose(given.rewards, found.rewards) and np.allclose(given.final_state, found.final_state)
        assert (given.terminated == found.terminated).all()
    assert again[1].truncated.tolist() == [False] * 5 + [True]
    # Its file is read, too.
    file = next(tmp_path.rglob("*.hdf5"))
    assert np.allclose(statecast.Recording.read(file, transitions=True)[0].states, recording[0].states)


def test_environments_are_recorded():
    gymnasium = pytest.importorskip("gymnasium")
    recording = from_episodes_of(gymnasium.make("Pendulum-v1"), lambda x: np.zeros((len(x), 1)), 2)
    assert [len(e) for e in recording.episodes] == [200, 200] and recording[0].truncated[-1]
    assert recording[0].final_state.shape == (3,)
    again = from_episodes_of(gymnasium.make("CartPole-v1"), 1, 1)
    assert again[0].terminated[-1] and (again[0].actions == 1).all()
