"""Slow processes: heat, reactions, compartments, tanks, populations, stocks."""

import numpy as np

from .plant import Plant, gains, rk4, times
from .registry import system


def weather(s, n, k):
    """Parameters of k smooth disturbances that a clock in the state drives: a function of time [n, 1]."""
    rate, phase = 2 * np.pi / s.log_uniform(10, 200, n, k), s.uniform(0, 2 * np.pi, n, k)
    size = s.or_zero(0.4, s.log_uniform(0.05, 1, n, k))
    return lambda t: size * np.sin(rate * t + phase)


@system(share=5)
def thermal_network(s, n, readings, actions):
    """Rooms and walls that store heat and leak it to each other and outside; heaters, weather, radiation."""
    m = max(1, min(14, readings))
    leak = s.log_uniform(0.003, 0.15, n, m)
    link = s.log_uniform(0.005, 0.3, n, m, m) * s.flags(min(1.0, 2 / m), n, m, m)
    link = (link + link.transpose(0, 2, 1)) / s.log_uniform(1, 10, n, m, 1)
    heat = np.abs(gains(s, n, m, actions, 0.02, 0.6))
    heat = heat * np.where(s.flags(0.15, n, 1, actions), -1, 1)
    idle = s.choice([0, 1], n, 1)  # heaters give (1 + u)/2 or u
    outside, radiate, sun = weather(s, n, 1), s.some(n, 0.6, 1e-3, 0.02), s.some(n, 0.5, 0.01, 0.1)

    def step(x, u, z):
        h, t = x[:, :m], x[:, m:]
        for _ in range(2):
            flow = (link * (h[:, None, :] - h[:, :, None])).sum(2) + leak * (outside(t) - h)
            flow = flow + times(heat, np.where(idle, (1 + u) / 2, u)) + sun * np.maximum(outside(t + 7), 0)
            h = h + 0.5 * (flow - radiate * h * np.abs(h) ** 3 / (1 + np.abs(h) ** 3))
        return np.concatenate([h, t + 1], 1)

    noise = np.concatenate([np.repeat(s.some(n, 0.5, 1e-3, 0.03), m, 1), np.zeros((n, 1))], 1)
    seen = s.chance(0.3)

    def read(x):
        return np.concatenate([x[:, :m], outside(x[:, m:])], 1) if seen else x[:, :m]

    def start(s):
        return np.concatenate([s.normal(n, m), s.uniform(0, 200, n, 1)], 1)

    return Plant(start, step, actions, read=read, noise=noise)


@system(share=3)
def stirred_reactors(s, n, readings, actions):
    """A line of stirred reactors with a heat-releasing reaction; inputs change feeds and cooling."""
    m = max(1, min(5, (readings + 1) // 2))
    flow, order = s.log_uniform(0.2, 2, n, m), s.choice([1, 1, 2], n, 1)
    speed, warmth = s.log_uniform(0.05, 1.5, n, m), s.log_uniform(0.5, 12, n, m)
    ease, cool = s.uniform(2, 20, n, 1), s.log_uniform(0.2, 4, n, m)
    jacket, b = s.normal(n, m) * 0.3, gains(s, n, 2 * m, actions, 0.1, 1.2)

    def field(x, u):
        c, h = x[:, :m], x[:, m:]
        push = times(b, u)
        rate = speed * np.maximum(c, 0) ** order * np.exp(np.minimum(h / (1 + np.maximum(h, -5) / ease), 6))
        before = np.concatenate([1 + 0.5 * push[:, :1], c[:, :-1]], 1)
        hotter = np.concatenate([np.zeros((n, 1)), h[:, :-1]], 1)
        material = flow * (1 + 0.5 * np.tanh(push[:, :m])) * (before - c) - rate
        heat = flow * (hotter - h) + warmth * rate + cool * (jacket + push[:, m:] - h)
        return np.concatenate([material, heat], 1)

    def start(s):
        return np.concatenate([s.uniform(0, 1, n, m), s.normal(n, m)], 1)

    def bounded(x, u, z):
        return np.clip(step(x, u, z), -20, 60)

    step = rk4(field, s.log_uniform(0.03, 0.25, n, 1), 2)
    return Plant(start, bounded, actions, noise=s.some(n, 0.6, 1e-3, 0.03))


@system(share=3)
def reaction_network(s, n, readings, actions):
    """Random mass-action and saturating reactions among species, with feeds, washout and catalysts."""
    d = max(2, min(10, readings + s.integer(0, 2)))
    k = 2 * d
    first, second = s.integers(0, d, 2, n, k)
    change = s.normal(n, d, k) * s.flags(min(1.0, 2.5 / d), n, d, k)
    np.put_along_axis(change, first[:, None], -np.abs(s.normal(n, 1, k)), 1)  # what reacts is used up
    speed, double = s.log_uniform(0.05, 2, n, k), s.flags(0.5, n, k)
    half, wash = s.log_uniform(0.2, 3, n, k), s.log_uniform(0.02, 0.5, n, 1)
    feed, b = s.log_uniform(0.02, 1, n, d) * s.flags(0.5, n, d), gains(s, n, d, actions, 0.05, 1)

    def field(x, u):
        y = np.maximum(x, 0)
        a, c = np.take_along_axis(y, first, 1), np.take_along_axis(y, second, 1)
        rate = speed * a / (half + a) * np.where(double, c / (1 + 0.2 * c), 1)
        return times(change, rate) + feed + np.maximum(times(b, u), -feed - y) - wash * x

    step = rk4(field, s.log_uniform(0.05, 0.6, n, 1))
    return Plant(
        lambda s: s.log_uniform(0.1, 3, n, d),
        lambda x, u, z: np.clip(step(x, u, z), 0, 50),
        actions,
        noise=s.some(n, 0.6, 1e-3, 0.03),
    )


@system(share=3)
def compartments(s, n, readings, actions):
    """A substance in compartments: exchange, saturating removal, doses as inputs, an effect that lags."""
    d = max(2, min(10, readings))
    link = s.log_uniform(0.01, 0.4, n, d, d) * s.flags(min(1.0, 2 / d), n, d, d)
    removal, half = s.log_uniform(0.01, 0.4, n, d), s.log_uniform(0.2, 5, n, d)
    saturating, dose = s.flags(0.4, n, d), np.abs(gains(s, n, d, actions, 0.1, 2))
    only = s.flags(0.5, n, 1)  # doses cannot be negative
    pulse, lag, steep = s.flags(0.3, n, 1), s.log_uniform(0.02, 0.5, n, 1), s.uniform(1, 4, n, 1)

    def step(x, u, z):
        y, effect = x[:, :d], x[:, d:]
        given = times(dose, np.where(only, np.maximum(u, 0), (1 + u) / 2))
        y = np.where(pulse, y + given, y)
        for _ in range(2):
            out = removal * y / np.where(saturating, 0.3 + y / half, 1)
            flow = (link.transpose(0, 2, 1) * y[:, None, :]).sum(2) - link.sum(2) * y - out
            y = np.maximum(y + 0.5 * (flow + np.where(pulse, 0, given)), 0)
        drawn = np.clip(y[:, :1], 0, 100) ** steep
        return np.concatenate([y, effect + lag * (drawn / (1 + drawn) - effect)], 1)

    def start(s):
        return np.concatenate([s.log_uniform(0.05, 2, n, d), s.uniform(0, 1, n, 1)], 1)

    return Plant(start, step, actions, noise=s.some(n, 0.6, 1e-3, 0.02))


@system(share=3)
def tanks(s, n, readings, actions):
    """Tanks in a cascade with outflow by the root of the level, pumps, a return line and overflow."""
    d = max(1, min(10, readings))
    area, hole = s.log_uniform(2, 30, n, d), s.log_uniform(0.1, 1, n, d)
    pump, inflow = np.abs(gains(s, n, d, actions, 0.1, 1.5)), s.log_uniform(0.05, 0.6, n, 1)
    back, top = s.uniform(0, 0.8, n, 1) * s.flags(0.4, n, 1), s.uniform(1.5, 6, n, d)
    valve = gains(s, n, d, actions, 0.1, 0.6) * s.flags(0.3, n, 1, 1)

    def step(x, u, z):
        for _ in range(3):
            out = hole * np.sqrt(np.maximum(x, 0)) * np.clip(1 + times(valve, u), 0, 2)
            enter = np.concatenate([inflow + back * out[:, -1:], out[:, :-1]], 1)
            x = np.clip(x + (enter + times(pump, (1 + u) / 2) - out) / (3 * area), 0, top)
        return x

    return Plant(lambda s: s.uniform(0, 2, n, d), step, actions, noise=s.some(n, 0.6, 1e-3, 0.03))


@system(share=2)
def foodwebs(s, n, readings, actions):
    """Consumers and resources in a random web with saturating appetite; inputs harvest or feed."""
    d = max(2, min(9, readings))
    eat = s.log_uniform(0.2, 2.5, n, d, d) * np.triu(
        s.flags(min(1.0, 3 / d), n, d, d), 1
    )  # i is eaten by j > i
    gain, half = s.uniform(0.3, 0.9, n, 1, 1), s.log_uniform(0.2, 2, n, 1, 1)
    grow = np.where(
        np.arange(d) < (d + 1) // 2, s.log_uniform(0.2, 1.5, n, d), -s.log_uniform(0.05, 0.4, n, d)
    )
    crowd, arrive = s.log_uniform(0.05, 0.5, n, d), s.log_uniform(1e-3, 0.05, n, d)
    b = gains(s, n, d, actions, 0.05, 0.6)

    def field(x, u):
        y = np.maximum(x, 0)
        meal = eat * y[:, :, None] * y[:, None, :] / (half + y[:, :, None])
        return y * (grow - crowd * y + times(b, u)) + gain[:, :, 0] * meal.sum(1) - meal.sum(2) + arrive

    step = rk4(field, s.log_uniform(0.05, 0.6, n, 1))
    return Plant(
        lambda s: s.log_uniform(0.1, 3, n, d),
        lambda x, u, z: np.clip(step(x, u, z), 0, 40),
        actions,
        noise=s.some(n, 0.6, 1e-3, 0.03),
    )


@system(share=2)
def stocks(s, n, readings, actions):
    """Stores of goods: counted demand with seasons, orders as inputs, limited room, backlog."""
    d = max(1, min(6, (readings + 1) // 2))
    demand, order = s.log_uniform(0.5, 30, n, d), s.uniform(0.5, 2, n, d)
    b, season = gains(s, n, d, actions, 0.3, 1.5), weather(s, n, d)
    room, wild = s.uniform(3, 30, n, d) * demand, s.flags(0.6, n, d)

    def step(x, u, z):
        store, t = x[:, :d], x[:, -1:]
        mean = demand * np.exp(season(t))
        wanted = np.round(np.maximum(mean + np.sqrt(mean) * np.where(wild, z, 0), 0))
        arrive = np.round(np.maximum(demand * order * (1 + times(b, u)), 0))
        store = np.clip(store + arrive - wanted, -room, room)
        return np.concatenate([store, wanted, t + 1], 1)

    def start(s):
        return np.concatenate(
            [np.round(s.uniform(0, 1, n, d) * room), np.round(demand), s.uniform(0, 200, n, 1)], 1
        )

    return Plant(start, step, actions, read=lambda x: x[:, :-1], shocks=d)
