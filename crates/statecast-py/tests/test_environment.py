"""Gymnasium environments as programs."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

import statecast

gymnasium = pytest.importorskip("gymnasium")

from statecast.environment import Served, serve_lines  # noqa: E402


class Tank(gymnasium.Env):
    """A level under a valve, observed in a dictionary."""

    observation_space = gymnasium.spaces.Dict(
        {"level": gymnasium.spaces.Box(-9, 9, (), np.float64), "flow": gymnasium.spaces.Box(-9, 9, (2,), np.float64)}
    )
    action_space = gymnasium.spaces.Discrete(3, start=-1)

    def __init__(self):
        self.taken = []

    def _seen(self):
        return {"level": np.array(self.level), "flow": np.array([self.level, 0.5])}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.level = self.np_random.uniform()
        return self._seen(), {}

    def step(self, action):
        self.taken.append(action)
        self.level = float("nan") if self.level > 3 else self.level + action
        return self._seen(), np.float32(-self.level), self.level < -1, False, {}


def test_environments_are_described_in_flat_columns():
    pendulum = Served(gymnasium.make("Pendulum-v1"), observations=["c", "s", "w"], reward="-w^2")
    assert pendulum.description == {
        "name": "Pendulum-v1",
        "observations": [{"name": "c"}, {"name": "s"}, {"name": "w"}],
        "actions": [{"name": "u0", "low": -2.0, "high": 2.0}],
        "choices": None,
        "time_limit": 200,
        "dt": 0.05,
        "reward": "-w^2",
        "terminated": None,
    }
    tank = Served(Tank(), time_limit=7)
    assert [column["name"] for column in tank.description["observations"]] == ["flow_0", "flow_1", "level"]
    assert (tank.description["choices"], tank.description["actions"]) == (3, [{"name": "action"}])
    first = tank.reset(2**63)
    assert first == tank.reset(2**63) and first[0] == first[2]
    observation, reward, terminated, truncated = tank.step([0])
    assert tank.env.taken == [-1] and observation[2] == first[2] - 1
    assert (np.float32(-observation[2]), terminated, truncated) == (np.float32(reward), False, False)


def test_what_cannot_be_served_is_refused():
    class Other(Tank):
        action_space = gymnasium.spaces.MultiBinary(2)

    class Unbounded(Tank):
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))

    for env, settings, said in [
        (Tank(), {}, "no time limit"),
        (Other(), {"time_limit": 3}, "MultiBinary"),
        (Unbounded(), {"time_limit": 3}, "no limits"),
        (Tank(), {"time_limit": 3, "observations": ["a"]}, "1 names for 3 observations"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            Served(env, **settings)


def test_faults_are_answers():
    """Fault: a line that fails ends no program, and what is not finite is no JSON."""
    tank = Served(Tank(), time_limit=9)
    requests = [{"request": "reset", "seed": 1}, *[{"request": "step", "action": [2]}] * 5, {"request": "fly"}, {}]
    out = io.StringIO()
    serve_lines(tank.answer, [json.dumps(request) + "\n" for request in requests] + ["{\n", "\n"], out)
    replies = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(replies) == 9 and "observation" in replies[0] and "reward" in replies[3]
    assert "the observation flow_0 is nan" in replies[4]["error"]
    tank.env.step = lambda _: (tank.env._seen(), float("inf"), False, False, {})
    tank.env.level = 0.0
    with pytest.raises(statecast.StatecastError, match="the reward of a step is inf"):
        tank.step([0])
    assert "no request is called 'fly'" in replies[6]["error"] and "JSONDecodeError" in replies[8]["error"]


def test_the_program_is_run_by_statecast(tmp_path):
    """The built-in pendulum and Gymnasium's are one system."""
    env = f"command:{sys.executable} -m statecast.environment Pendulum-v1 --observations cos_theta,sin_theta,theta_dot"
    out = tmp_path / "random.csv"
    command = [sys.executable, "-m", "statecast", "simulate", env, "--episodes", "2", "--steps", "30", "--out", str(out)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("2 episodes of Pendulum-v1, 60 steps")
    recording = statecast.Recording.read(out, transitions=True)
    assert recording.state_names == ["obs_cos_theta", "obs_sin_theta", "obs_theta_dot"]
    for episode in recording.episodes:
        theta = np.arctan2(episode.states[:, 1], episode.states[:, 0])
        cost = theta**2 + 0.1 * episode.states[:, 2] ** 2 + 0.001 * np.clip(episode.actions[:, 0], -2, 2) ** 2
        assert np.allclose(episode.rewards, -cost, atol=1e-3)
    wrong = [*command[:4], f"command:{sys.executable} -m statecast.environment Pong-v77", *command[5:]]
    error = subprocess.run(wrong, capture_output=True, text=True).stderr
    assert "environment program" in error and "Pong" in error
