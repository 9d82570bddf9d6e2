"""Switching systems: piecewise and random modes, thermostats, bouncing, gears."""

import numpy as np

from .plant import Plant, gains, times
from .registry import system
from .linear import mixed, modes


@system(share=5)
def switched_linear(s, n, readings, actions):
    """Two to four linear systems that take turns by the region of the state, or at random times."""
    d, count = max(1, min(10, readings)), s.integer(2, 5)
    maps = np.stack([mixed(s, n, modes(s, n, d, slow=0.01, marginal=0), 0.3) for _ in range(count)], 1)
    b = np.stack([gains(s, n, d, actions, 0.05, 0.6) for _ in range(count)], 1)
    b = np.where(s.flags(0.5, n, 1, 1, 1), b[:, :1], b)
    lean = s.normal(n, count, d) * s.log_uniform(0.02, 0.5, n, 1, 1)
    border, by_state = s.normal(n, count, d), s.flags(0.6, n)
    stay, seen = s.log_uniform(3, 100, n), s.chance(0.3)
    everyone = np.arange(n)

    def step(x, u, z):
        y, mode = x[:, :d], x[:, d].astype(int)
        jump = z[:, 0] > np.sqrt(2 * np.log(np.maximum(stay / 2.5, 1.01)))
        random = np.where(jump, (mode + 1 + (np.abs(z[:, 1]) > 1)) % count, mode)
        mode = np.where(by_state, times(border, y).argmax(1), random)
        y = times(maps[everyone, mode], y) + times(b[everyone, mode], u) + lean[everyone, mode]
        return np.concatenate([np.clip(y, -100, 100), mode[:, None]], 1)

    def start(s):
        return np.concatenate([s.normal(n, d), s.integers(0, count, n, 1)], 1)

    noise = np.concatenate([np.repeat(s.some(n, 0.5, 1e-3, 0.1), d, 1), np.zeros((n, 1))], 1)
    read = (lambda x: x) if seen else (lambda x: x[:, :d])
    return Plant(start, step, actions, read=read, flags=(d,) if seen else (), noise=noise, shocks=2)


@system(share=3)
def thermostats(s, n, readings, actions):
    """Coupled stores with relays that switch at two thresholds; inputs move these and add heat."""
    m = max(1, min(6, (readings + 1) // 2))
    leak, link = s.log_uniform(0.01, 0.2, n, m), s.log_uniform(0.005, 0.1, n, m, m)
    power, band = s.log_uniform(0.05, 0.6, n, m), s.uniform(0.1, 0.8, n, m)
    aim, b = 0.5 * s.normal(n, m), gains(s, n, m, actions, 0.1, 0.8)
    direct, lag = gains(s, n, m, actions, 0.01, 0.2) * s.flags(0.5, n, 1, 1), s.uniform(0.2, 1, n, 1)

    def step(x, u, z):
        h, on, warm = x[:, :m], x[:, m : 2 * m], x[:, 2 * m :]
        target = aim + times(b, u)
        on = np.where(h < target - band, 1.0, np.where(h > target + band, 0.0, on))
        warm = warm + lag * (on - warm)
        flow = (link * (h[:, None] - h[:, :, None])).sum(2) - leak * (h + 1) + power * (warm - 0.1)
        return np.concatenate([h + flow + times(direct, u), on, warm], 1)

    def start(s):
        on = s.flags(0.5, n, m).astype(float)
        return np.concatenate([0.5 * s.normal(n, m), on, on], 1)

    noise = np.repeat(np.concatenate([s.some(n, 0.5, 1e-3, 0.05), np.zeros((n, 2))], 1), m, 1)
    return Plant(
        start, step, actions, read=lambda x: x[:, : 2 * m], flags=tuple(range(m, 2 * m)), noise=noise
    )


@system(share=3)
def bouncing(s, n, readings, actions):
    """Balls between walls or on a moving plate: free flight, drag, impacts that lose speed."""
    m = max(1, min(4, readings // 3))
    weight, drag = s.or_zero(0.3, s.log_uniform(0.2, 5, n, m)), s.some(n, 0.4, 0.01, 0.5)
    loss, dt = s.uniform(0.5, 1, n, m), s.log_uniform(0.02, 0.12, n, 1) / 4
    push, lift = gains(s, n, m, actions, 0.3, 4), gains(s, n, m, actions, 0.1, 0.5)
    lift = lift * s.flags(0.6, n, 1, 1)
    follow, top = s.log_uniform(1, 20, n, 1), np.where(s.flags(0.7, n, m), s.uniform(1, 3, n, m), 1e3)

    def step(x, u, z):
        q, v, plate, hit = (x[:, i * m : (i + 1) * m] for i in range(4))
        hit = np.zeros_like(q)
        for _ in range(4):
            rise = follow * (times(lift, u) - plate)
            plate = plate + dt * rise
            v = v + dt * (times(push, u) - weight - drag * v)
            q = q + dt * v
            low, high = (q < plate) & (v < rise), (q > top) & (v > 0)
            v = np.where(low, rise + loss * (rise - v), np.where(high, -loss * v, v))
            q = np.clip(q, plate, top)
            hit = np.maximum(hit, low | high)
        return np.concatenate([q, v, plate, hit], 1)

    def start(s):
        still = np.zeros((n, m))
        return np.concatenate([s.uniform(0.2, 1, n, m), s.normal(n, m), still, still], 1)

    flag = s.chance(0.5)
    read = (lambda x: x) if flag else (lambda x: x[:, : 3 * m])
    return Plant(start, step, actions, read=read, flags=tuple(range(3 * m, 4 * m)) if flag else ())


@system(share=2)
def gear_changes(s, n, readings, actions):
    """A vehicle whose gearbox changes by speed with hysteresis; throttle and brake, hills, a torque curve."""
    gears = s.integer(3, 7)
    step_up, first = s.uniform(1.4, 2, n), s.log_uniform(2, 5, n)
    ratio = first[:, None] / step_up[:, None] ** np.arange(gears)
    dt, mass = s.log_uniform(0.05, 0.5, n), s.log_uniform(0.5, 3, n)
    drag, roll = s.log_uniform(0.01, 0.1, n), s.log_uniform(0.02, 0.3, n)
    high, low, peak = s.uniform(2.5, 4, n), s.uniform(0.8, 1.3, n), s.uniform(1.2, 2.5, n)
    hills, length = s.or_zero(0.4, s.log_uniform(0.05, 0.6, n)), s.log_uniform(10, 200, n)
    b = gains(s, n, 2, actions, 0.6, 1.5)
    everyone, pause = np.arange(n), s.choice([0, 0, 2], n)

    def step(x, u, z):
        speed, gear, place, wait = x[:, 0], x[:, 1].astype(int), x[:, 2], x[:, 3]
        pull = times(b, u)
        throttle, brake = (1 + np.tanh(pull[:, 0])) / 2, np.maximum(np.tanh(pull[:, 1]), 0)
        turning = speed * ratio[everyone, gear]
        torque = (
            throttle * ratio[everyone, gear] * np.maximum(0, 1 - 0.3 * (turning - peak) ** 2) * (wait <= 0)
        )
        slope = hills * np.sin(place / length * 6)
        force = torque - drag * speed**2 - (roll + 2 * brake) * np.tanh(5 * speed) - slope
        speed = np.maximum(speed + dt * force / mass, 0)
        change = np.where(turning > high, 1, np.where(turning < low, -1, 0)) * (wait <= 0)
        moved = np.clip(gear + change, 0, gears - 1)
        wait = np.where(moved != gear, pause, wait - 1)
        return np.stack([speed, moved, place + dt * speed, np.maximum(wait, 0)], 1)

    def read(x):
        turning = x[:, 0] * ratio[everyone, x[:, 1].astype(int)]
        return np.stack([x[:, 0], x[:, 1], turning, np.sin(x[:, 2] / length * 6)], 1)

    def start(s):
        return np.stack([s.uniform(0, 2, n), s.integers(0, gears, n), s.uniform(0, 500, n), np.zeros(n)], 1)

    return Plant(start, step, actions, read=read, flags=(1,))
