"""Trains an agent of Stable-Baselines3 on imagined steps alone, and tries it in the true pendulum.

    pip install . gymnasium stable-baselines3
    python examples/python/sac_in_the_model.py [--recorded 5] [--steps 6000] [--experts fourier] [--seed 0]

Nothing but the recorded episodes, of random torques, comes from the simulator before the agent is tried there. An agent takes
thousands of steps, so the model is one of the online experts, which are fast; `--experts builtin` is the bundled model.
"""

import argparse
import time

import gymnasium
import numpy as np
from stable_baselines3 import SAC

import statecast
from statecast.data import from_episodes_of
from statecast.envs import LearnedEnv


def reward(states: np.ndarray, actions: np.ndarray, following: np.ndarray) -> np.ndarray:
    """That of Gymnasium's Pendulum-v1."""
    angle = np.arctan2(states[:, 1], states[:, 0])
    return -(angle**2 + 0.1 * states[:, 2] ** 2 + 0.001 * actions[:, 0] ** 2)


def returns(policy, episodes: int = 10) -> np.ndarray:
    """Returns of a policy in the true pendulum."""
    tried = from_episodes_of(gymnasium.make("Pendulum-v1"), policy, episodes, seed=1_000)
    return np.array([episode.rewards.sum() for episode in tried.episodes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--experts", default="fourier")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    torques = lambda states: random.uniform(-2, 2, (len(states), 1))  # noqa: E731
    recording = from_episodes_of(gymnasium.make("Pendulum-v1"), torques, given.recorded, seed=given.seed)
    forecaster = statecast.Forecaster(experts=given.experts)
    env = LearnedEnv(recording, reward=reward, forecaster=forecaster, uncertainty=False)
    agent = SAC("MlpPolicy", env, learning_rate=1e-3, learning_starts=500, seed=given.seed)
    begin = time.perf_counter()
    agent.learn(given.steps)
    seconds = time.perf_counter() - begin
    trained, untrained = returns(agent), returns(torques)
    print(f"{given.steps} imagined steps in {seconds:.0f} s after {recording[0].states.shape[0] * given.recorded} recorded ones")
    print(f"return in the true pendulum: {trained.mean():.0f} +- {trained.std():.0f}; of random torques {untrained.mean():.0f}")


if __name__ == "__main__":
    main()
