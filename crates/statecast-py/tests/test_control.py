"""Control by planning."""

import numpy as np
import pytest

import statecast

gymnasium = pytest.importorskip("gymnasium")

from statecast.environment import Served  # noqa: E402


class Point(gymnasium.Env):
    """`x' = x + 0.1 v`, `v' = 0.9 v + 0.1 u`; the reward is `-x'^2`."""

    observation_space = gymnasium.spaces.Box(-9, 9, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, 2)
        return self.state.copy(), {}

    def step(self, action):
        assert (np.abs(action) <= 1).all()
        x, v = self.state
        self.state = np.array([x + 0.1 * v, 0.9 * v + 0.1 * float(action[0])])
        return self.state.copy(), -self.state[0] ** 2, False, False, {}


@pytest.fixture(scope="module")
def point():
    return Served(Point(), observations=["x", "v"], actions=["u"], time_limit=30)


@pytest.fixture(scope="module")
def recording():
    env, random, episodes = Point(), np.random.default_rng(0), []
    for seed in range(6):
        states, actions, rewards = [env.reset(seed=seed)[0]], [], []
        for _ in range(30):
            actions.append(random.uniform(-1, 1, 1))
            following, reward, *_ = env.step(actions[-1])
            states.append(following)
            rewards.append(reward)
        episodes.append({"states": states[:-1], "actions": actions, "rewards": rewards, "final_state": states[-1]})
    return statecast.Recording.from_episodes(episodes, state_names=["x", "v"], action_names=["u"])


QUICK = {"forecaster": "linear", "candidates": 32, "iterations": 3, "horizon": 12}


@pytest.mark.parametrize(
    "reward", ["-(next_x - 0.5)^2", lambda states, actions, following: -((following[:, 0] - 0.5) ** 2)], ids=["text", "function"]
)
def test_an_environment_of_python_is_controlled(recording, point, reward):
    found = statecast.control(recording, point, reward=reward, **QUICK)
    assert abs(found.table["next_obs_x"][-1] - 0.5) < 0.1
    assert np.allclose(found.table["reward"], -((found.table["next_obs_x"] - 0.5) ** 2))
    assert len(found.returns) == 1 and found.returns[0] == pytest.approx(found.table["reward"].sum())
    assert len(found.recording.episodes[0]) == 30 and "Control: 1 episode" in repr(found)
    assert len(found.to_pandas()) == 30


def test_expressions_and_functions_are_the_same_wish(recording, point):
    text = statecast.control(recording, point, reward="-next_x^2", terminated="abs(x) > 2", steps=8, **QUICK)
    function = statecast.control(
        recording,
        point,
        reward=lambda s, a, n: -(n[:, 0] ** 2),
        terminated=lambda n: np.abs(n[:, 0]) > 2,
        steps=8,
        **QUICK,
    )
    assert np.array_equal(text.table["act_u"], function.table["act_u"])


def test_rewards_are_predicted_where_nothing_is_known_of_them(recording, point):
    found = statecast.control(recording, point, **(QUICK | {"forecaster": "quadratic"}))
    x, v = found.table["obs_x"][0], found.table["obs_v"][0]
    idle = -sum((x + v * (1 - 0.9**t)) ** 2 for t in range(1, 31))
    assert found.returns[0] > 0.5 * idle


def test_goals_and_limits(recording, point):
    found = statecast.control(
        recording, point, goals={"x": 0.6}, limits=["x < 0.3 @ 1"], steps=25, seed=3, **(QUICK | {"horizon": 8})
    )
    assert found.summary["limits"][0][1] >= 0.9 and found.summary["goals"][0][0]["state"] == "x"


def test_a_controller_acts_in_a_loop_of_ones_own(recording, point):
    controller = statecast.Controller(recording, point, reward="-next_x^2", **QUICK)
    env = Point()
    observation, _ = env.reset(seed=5)
    controller.begin()
    assert controller.plan(observation).shape == (12, 1)
    for step in range(25):
        action = controller.act(observation)
        following, reward, *_ = env.step(action)
        controller.learn(observation, action, reward, following, truncated=step == 24)
        observation = following
    assert abs(observation[0]) < 0.1
    with pytest.raises(statecast.StatecastError, match="3 values"):
        controller.act([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="steps"):
        statecast.Controller(recording, point, steps=3)


def test_what_a_controller_learns_is_checked(recording, point):
    controller = statecast.Controller(recording, point, reward="-x^2", **QUICK)
    state = np.zeros(2)
    for observation, reward in ((np.zeros(3), 0.0), (state, float("nan"))):
        with pytest.raises(statecast.StatecastError):
            controller.learn(observation, np.zeros(1), reward, state)
    controller.learn(state, np.zeros(1), 0.0, state)
    assert controller.act(state).shape == (1,)


def test_a_reward_that_asks_its_controller_does_not_wait_for_ever(recording, point):
    held = {}

    def reward(states, actions, following):
        if "controller" in held:
            held["controller"].act(np.zeros(2))
        return -(states[:, 0] ** 2)

    held["controller"] = statecast.Controller(recording, point, reward=reward, **QUICK)
    with pytest.raises(statecast.StatecastError, match="at work"):
        held["controller"].act(np.zeros(2))


def test_built_in_tasks_are_controlled_by_name(pendulum):
    found = statecast.control(pendulum, "pendulum", steps=3, **(QUICK | {"forecaster": "fourier", "horizon": 5}))
    assert len(found.table["reward"]) == 3


def test_what_raises_in_python_is_raised(recording, point):
    class Broken(Point):
        def step(self, action):
            raise KeyError("valve")

    with pytest.raises(KeyError, match="valve"):
        statecast.control(recording, Served(Broken(), observations=["x", "v"], actions=["u"], time_limit=9), **QUICK)

    def reward(states, actions, following):
        raise ZeroDivisionError("nothing")

    with pytest.raises(ZeroDivisionError, match="nothing"):
        statecast.control(recording, point, reward=reward, **QUICK)
    for settings, said in [
        ({"reward": "-height"}, "no variable 'height'; there are x, v, u"),
        ({"reward": "-x", "goals": {"x": 1}}, "no reward"),
        ({"episodes": 0}, "at least 1"),
        ({"limits": ["x"]}, "limit=x"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            statecast.control(recording, point, **settings, **QUICK)


def test_policies_are_evaluated_by_expressions(recording):
    values = statecast.evaluate(
        recording,
        {"push": [0.5], "still": [0.0]},
        estimators=["linear"],
        reward="-abs(x)",
        terminated="abs(x) > 3",
        horizon=20,
        discount=1.0,
    )
    assert values.value("push", "linear")[0] < values.value("still", "linear")[0]
    with pytest.raises(statecast.StatecastError, match="no variable 'y'"):
        statecast.evaluate(recording, {"still": [0.0]}, estimators=["linear"], reward="y")
