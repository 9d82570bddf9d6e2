"""Rollouts: a plant under a policy through actuators, in episodes."""

from dataclasses import dataclass

import numpy as np

from .actuators import Actuators
from .plant import regulator
from .policies import Policy

PILOT = 40  # rows before the first, that fix the scales policies and thresholds work in
SHORTEST = 4  # rows of the shortest episode


@dataclass
class Rollout:
    """Noise-free readings [n, rows, readings] with the actions taken, and what is known of the readings."""

    readings: np.ndarray
    applied: np.ndarray  # [n, rows, inputs]: inputs that acted on the plant before the row
    effects: np.ndarray  # [n, rows, actions]: actions in [-1, 1]
    actions: np.ndarray  # [n, rows, actions]: actions as recorded (codes where they are discrete)
    starts: np.ndarray  # bool [n, rows]
    terminated: np.ndarray  # bool [n, rows]: last row of an episode that ended by itself
    angles: tuple
    flags: tuple
    coded: bool  # whether actions are codes
    episodes: bool  # whether episodes may end


def features_of(plant, x):
    """Readings with angles as sines: what policies see."""
    y = plant.read(x)
    if plant.angles:
        y = y.copy()
        y[:, list(plant.angles)] = np.sin(y[:, list(plant.angles)])
    return y


def pilot(sampler, plant, x, mix):
    """Runs PILOT rows under white actions: last state, mean and std of the features, std of the states."""
    seen, states = [], []
    n, actions = len(x), mix.shape[2]
    for _ in range(PILOT):
        u = (mix @ sampler.uniform(-1, 1, n, actions, 1))[..., 0]
        x = plant.step(x, u, sampler.normal(n, plant.shocks))
        if plant.fallen is not None:
            fallen = plant.fallen(x)
            if fallen.any():
                x = np.where(fallen[:, None], plant.start(sampler), x)
        seen.append(features_of(plant, x))
        states.append(x)
    seen, states = np.stack(seen), np.stack(states)
    spread = np.nan_to_num(seen.std(0)) + 0.05 * np.nan_to_num(np.abs(seen).mean(0)) + 1e-6
    return x, np.nan_to_num(seen.mean(0)), spread, np.nan_to_num(states.std(0)) + 1e-3


def time_limits(sampler, n, rows):
    """Rows [n, rows] that an episode may last if it is the window's k-th: fixed in 60 % of the windows."""
    fixed = sampler.log_uniform(15, 200, n, 1)
    drawn = sampler.log_uniform(15, 200, n, rows // SHORTEST + 2)
    return np.where(sampler.flags(0.6, n, 1), fixed, drawn).astype(int)


def rollout(sampler, plant, n, rows, actions, episodes, nudge=None):
    """A Rollout of `rows` rows. With `episodes` windows restart after falls, thresholds and time limits.

    `nudge` is a row whose actions are changed, for tests.
    """
    s, resets = sampler.child(), sampler.child()
    idle = actions == 0 and s.chance(0.35)
    acting = max(actions, 1)
    actuators = Actuators(s, n, acting, plant.inputs)
    if idle:
        actuators.mix = np.zeros_like(actuators.mix)
    first = plant.start(resets)
    x, mean, spread, wide = pilot(s, plant, first, actuators.mix)
    gain = rest = None
    d = x.shape[1]
    if d <= 16 and not idle and (plant.balance or s.chance(0.35)):
        rest = np.zeros_like(x) if plant.balance else x.copy()
        size = np.full_like(x, 0.3) if plant.balance else wide
        gain = regulator(plant, rest, actuators.mix, size, s.log_uniform(0.01, 10, n, 1, 1))
    policy = Policy(s, n, rows, acting, len(mean[0]), gain, rest, plant.balance)
    narrow = s.choice([1, 1, 0.3, 0.05], n, 1) if not plant.flags else 1.0

    def restart():
        return first + narrow * (plant.start(resets) - first)

    fresh = s.flags(0.5, n) | episodes | ~np.isfinite(x).all(1)
    x = np.where(fresh[:, None], first, x)
    limits = time_limits(s, n, rows)
    watched = s.integers(0, mean.shape[1], n)[:, None]
    threshold = np.where(s.flags(0.6, n), s.log_uniform(1.2, 3.9, n), np.inf)
    side, armed = s.choice([-1, 1, 0], n), np.zeros(n, bool)
    noise = s.normal(rows, n, d) * plant.noise if plant.noise is not None else None
    shocks = s.normal(rows, n, plant.shocks)

    y = np.empty((n, rows, plant.read(x).shape[1]))
    applied = np.zeros((n, rows, plant.inputs))
    effects, codes = np.empty((2, n, rows, acting))
    starts, terminated = np.zeros((2, n, rows), bool)
    starts[:, 0] = True
    age, episode, everyone = np.zeros(n, int), np.zeros(n, int), np.arange(n)
    for t in range(rows):
        y[:, t] = plant.read(x)
        features = np.clip((features_of(plant, x) - mean) / spread, -4, 4)
        u = policy.at(t, x, features)
        if t == nudge:
            u = np.where(u > 0, u - 0.9, u + 0.9)
        codes[:, t], effects[:, t] = policy.discrete(u)
        inputs = actuators.apply(effects[:, t])
        if episodes:
            if plant.fallen is not None:
                fell = plant.fallen(x)
            else:
                signal = np.take_along_axis(features, watched, 1)[:, 0]
                signal = np.where(side == 0, np.abs(signal), side * signal)
                armed |= signal < 0.8 * threshold  # a threshold ends no episode that began behind it
                fell = (signal > threshold) & armed
            fell &= age >= SHORTEST - 1
            over = fell | (age >= limits[everyone, episode] - 1)
            terminated[:, t] = fell
        x = plant.step(x, inputs, shocks[t])
        if noise is not None:
            x = x + noise[t]
        age += 1
        if t + 1 < rows:
            applied[:, t + 1] = inputs
        if episodes and over.any():
            x = np.where(over[:, None], restart(), x)
            actuators.reset(over)
            age[over], armed[over] = 0, False
            episode[over] += 1
            if t + 1 < rows:
                starts[over, t + 1] = True
                applied[over, t + 1] = 0
    return Rollout(
        y,
        applied,
        effects[..., :actions],
        codes[..., :actions],
        starts,
        terminated,
        plant.angles,
        plant.flags,
        policy.levels is not None,
        episodes,
    )
