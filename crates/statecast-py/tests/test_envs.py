"""Environments of Gymnasium that draw from a recording."""

import warnings

import numpy as np
import pytest

import statecast

gymnasium = pytest.importorskip("gymnasium")

from statecast.envs import LearnedEnv, LearnedVectorEnv  # noqa: E402


@pytest.fixture(scope="module")
def recording():
    """`x' = 0.8 x + a` under random actions with the reward `-x^2` of the state that was left; above 3 it ends."""
    random = np.random.default_rng(0)
    episodes = []
    for _ in range(8):
        states, actions, x = [], [], random.normal()
        while len(states) < 40 and abs(x) <= 3:
            states.append([x])
            actions.append(random.uniform(-1, 1))
            x = 0.8 * x + actions[-1]
        ended = np.zeros(len(states), dtype=bool)
        ended[-1] = abs(x) > 3
        rewards = -np.square(np.array(states)[:, 0])
        episodes.append(
            {"states": states, "actions": actions, "rewards": rewards, "terminated": ended, "final_state": [x]}
        )
    return statecast.Recording.from_episodes(episodes)


def test_gymnasium_finds_no_fault(recording, linear):
    from gymnasium.utils.env_checker import check_env

    env = LearnedEnv(recording, forecaster=linear, max_episode_steps=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Bounds of states are those of the recording, which Gymnasium cannot know.
        warnings.filterwarnings("ignore", message=".*(Box|render|spec).*")
        check_env(env, skip_render_check=True)


def test_steps_are_those_of_the_system(recording, linear):
    env = LearnedEnv(recording, forecaster=linear, max_episode_steps=15)
    random = np.random.default_rng(1)
    for episode in range(6):
        observation, _ = env.reset(seed=3 if episode == 0 else None)
        for step in range(15):
            action = random.uniform(-1, 1, 1)
            following, reward, ended, cut, _ = env.step(action)
            assert abs(following[0] - (0.8 * observation[0] + action[0])) < 0.15, (episode, step)
            assert np.isfinite(reward)
            observation = following
        assert cut and not ended


def test_the_predicted_reward_is_no_action(recording):
    """Fault: where actions are channels, the first of them was given as the reward."""
    env = LearnedEnv(recording, forecaster=statecast.Forecaster(experts="linear", method="dicl-sa"), max_episode_steps=15)
    env.reset(seed=0)
    # The state grows to 2 and more, where rewards are below -1; the drawn action is close to 1.
    rewards = [env.step(np.array([1.0]))[1] for _ in range(6)]
    assert np.mean(rewards[2:]) < -0.5


def test_equal_seeds_are_equal_episodes(recording, linear):
    def run(seed):
        env = LearnedEnv(recording, forecaster=linear)
        observation, _ = env.reset(seed=seed)
        return np.array([observation] + [env.step(np.array([0.3]))[0] for _ in range(5)])

    assert (run(1) == run(1)).all() and (run(1) != run(2)).any()


def test_paths_go_on_where_they_are_past_the_longest_rollout(recording, linear):
    env = LearnedEnv(recording, forecaster=linear, max_episode_steps=200)
    observation, _ = env.reset(seed=0)
    for _ in range(150):
        following, *_ = env.step(np.array([0.1]))
        assert abs(following[0] - (0.8 * observation[0] + 0.1)) < 0.15
        observation = following


def test_a_vector_of_environments_resets_each_by_itself(recording, linear):
    env = LearnedVectorEnv(
        recording, 5, forecaster=linear, reward=lambda s, a, n: n[:, 0], termination=lambda n: n[:, 0] > 1.5
    )
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations) or observations.shape == (5, 1)
    over = np.zeros(5, dtype=bool)
    resets = 0
    for step in range(60):
        actions = np.full((5, 1), 0.9)
        following, rewards, ended, cut, _ = env.step(actions)
        went = ~over
        assert np.allclose(following[went, 0], 0.8 * observations[went, 0] + 0.9, atol=0.2), step
        assert np.allclose(rewards[went], following[went, 0], atol=1e-5) and (rewards[over] == 0).all()
        assert (ended[went] == (following[went, 0] > 1.5)).all() and not ended[over].any()
        starts = [e.states[0, 0] for e in recording.episodes]
        assert all(np.isclose(starts, start, atol=1e-6).any() for start in following[over, 0])
        resets += over.sum()
        over, observations = ended | cut, following
    assert resets > 10


def test_recorded_ends_are_found_again(recording, linear):
    env = LearnedEnv(recording, forecaster=linear, termination="recorded", max_episode_steps=100)
    env.reset(seed=0)
    _, _, ended, _, _ = env.step(np.array([0.0]))
    assert not ended


def test_ends_are_found_where_it_is_not_known_where_they_led(recording, linear):
    """Fault: without final states no recorded end was ever found."""
    episodes = [
        {"states": e.states, "actions": e.actions, "rewards": e.rewards, "terminated": e.terminated}
        for e in recording.episodes
    ]
    ended = [{**e, "terminated": [False] * (len(e["states"]) - 1) + [True]} for e in episodes]
    env = LearnedEnv(
        statecast.Recording.from_episodes(ended), forecaster=linear, termination="recorded", uncertainty=False
    )
    last = np.array([e["states"][-1, 0] for e in ended])
    from statecast.envs import _termination

    ends = _termination("recorded", statecast.Recording.from_episodes(ended * 5).episodes)
    assert ends(last[:1, None], last[:1, None])[0] and not ends(np.array([[9.0]]), last[:1, None])[0]
    env.reset(seed=0)
    assert env.step(np.array([0.0]))[4] == {}


def test_steps_say_how_uncertain_they_are(recording, linear):
    env = LearnedVectorEnv(recording, 3, forecaster=linear)
    env.reset(seed=0)
    for _ in range(3):
        *_, info = env.step(np.zeros((3, 1)))
        assert info["std"].shape == (3, 1) and (info["std"] > 0).all() and (info["std"] < 0.5).all()


def test_what_is_no_system_is_refused(recording, linear):
    states = np.zeros((20, 1))
    for given, settings, said in [
        (statecast.Recording(states), {}, "no actions"),
        (statecast.Recording(states, states), {}, "no rewards"),
        (recording, {"termination": "never"}, "termination=never"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            LearnedEnv(given, forecaster=linear, **settings)
    env = LearnedEnv(recording, forecaster=linear)
    env.reset(seed=0)
    with pytest.raises(statecast.StatecastError, match="not finite"):
        env.step(np.array([np.nan]))
