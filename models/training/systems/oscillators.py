"""Networks of oscillators: self-excited and nonlinear springs, phases, excitable units, delayed feedback."""

import numpy as np

from .plant import Plant, gains, rk4, times
from .registry import system


@system(share=5)
def spring_network(s, n, readings, actions):
    """Coupled oscillators under forces, their springs random odd curves, some with self-excitation."""
    m = max(1, min(8, (readings + 1) // 2))
    stiff, bend = s.log_uniform(0.1, 4, n, m), s.uniform(0.3, 2.5, n, m)
    ripple = s.normal(n, m) * s.flags(0.4, n, 1)
    hard = s.or_zero(0.4, s.log_uniform(0.01, 0.3, n, m))
    drag, drive = s.log_uniform(0.01, 0.5, n, m), s.or_zero(0.7, s.log_uniform(0.05, 2, n, m))
    couple = s.normal(n, m, m) * s.log_uniform(0.02, 0.7, n, 1, 1)
    b = gains(s, n, m, actions, 0.2, 3)

    def field(x, u):
        q, v = x[:, :m], x[:, m:]
        spring = stiff * np.tanh(bend * q) / bend + ripple * np.sin(2 * q) + hard * q * np.abs(q) + 0.02 * q
        f = drive * np.tanh(2 * v) - (drag + drive * np.abs(v)) * v - spring
        f = f + times(couple, np.tanh(q)) + times(b, u)
        return np.concatenate([v, f], 1)

    step = rk4(field, s.log_uniform(0.05, 0.4, n, 1))
    return Plant(lambda s: s.normal(n, 2 * m), step, actions, noise=s.some(n, 0.7, 1e-3, 0.05))


@system(share=3)
def phase_network(s, n, readings, actions):
    """Phase oscillators, some with inertia, coupled by random pairs of harmonics; inputs push the rates."""
    m = max(2, min(8, readings // 2))
    rate, inertia = s.normal(n, m) * s.log_uniform(0.1, 2, n, 1), s.chance(0.5)
    first, second = s.normal(2, n, m, m) * s.log_uniform(0.1, 2, 2, n, 1, 1) / m**0.5
    lag, drag = s.uniform(-1, 1, n, m, m), s.log_uniform(0.1, 1, n, 1)
    b = gains(s, n, m, actions, 0.2, 3)

    def field(x, u):
        q = x[:, :m]
        gap = q[:, None, :] - q[:, :, None] + lag
        pull = rate + (first * np.sin(gap) + second * np.sin(2 * gap)).sum(2) + times(b, u)
        return np.concatenate([x[:, m:], pull - drag * x[:, m:]], 1) if inertia else pull

    def start(s):
        q = s.uniform(-3, 3, n, m)
        return np.concatenate([q, s.normal(n, m)], 1) if inertia else q

    step = rk4(field, s.log_uniform(0.03, 0.4, n, 1))
    return Plant(start, step, actions, angles=tuple(range(m)), noise=s.some(n, 0.6, 1e-3, 0.1))


@system(share=2)
def excitable_units(s, n, readings, actions):
    """Excitable units with piecewise linear recovery, coupled by thresholds; inputs are currents."""
    m = max(1, min(7, (readings + 1) // 2))
    slow, knee = s.log_uniform(0.03, 0.4, n, m), s.uniform(0.5, 1.2, n, m)
    lean, tilt = s.normal(n, m) * 0.5, s.uniform(0.5, 1.5, n, m)
    couple = s.normal(n, m, m) * s.log_uniform(0.05, 1, n, 1, 1) / m**0.5
    b = gains(s, n, m, actions, 0.3, 2)

    def field(x, u):
        v, w = x[:, :m], x[:, m:]
        core = np.clip(v, -knee, knee)
        current = times(couple, np.tanh(4 * v)) + times(b, u)
        return np.concatenate([3 * core - 1.5 * v - w + current, slow * (tilt * v - w + lean)], 1)

    step = rk4(field, s.log_uniform(0.1, 0.8, n, 1), 2)
    return Plant(lambda s: s.normal(n, 2 * m), step, actions, noise=s.some(n, 0.5, 1e-3, 0.1))


@system(share=3)
def delayed_network(s, n, readings, actions):
    """Leaky units that feed each other after 2 to 20 rows through saturating or periodic curves."""
    m, delay = max(1, min(6, readings)), s.integer(2, 21)
    keep = np.exp(-s.log_uniform(0.03, 0.7, n, m))
    w = s.normal(n, m, m) * s.log_uniform(0.7, 4, n, 1, 1) / m**0.5
    near = s.normal(n, m, m) * s.or_zero(0.5, s.uniform(0, 1, n, 1, 1)) / m**0.5
    periodic, b, lean = s.flags(0.35, n, 1), gains(s, n, m, actions, 0.2, 2), 0.5 * s.normal(n, m)

    def step(x, u, z):
        now, old = x[:, :m], x[:, -m:]
        h = times(w, old) + lean
        h = np.where(periodic, np.sin(h), np.tanh(h)) + times(near, np.tanh(now)) + times(b, u)
        return np.concatenate([keep * now + (1 - keep) * h, x[:, :-m]], 1)

    noise = np.zeros((n, m * (delay + 1)))
    noise[:, :m] = s.some(n, 0.6, 1e-3, 0.05)

    def start(s):
        return np.tile(s.normal(n, m), (1, delay + 1)) + 0.1 * s.normal(n, m * (delay + 1))

    return Plant(start, step, actions, read=lambda x: x[:, :m], noise=noise)
