"""Smooth random vector fields: networks, random Fourier features, polynomials, energies."""

import numpy as np

from .plant import Plant, gains, rk4, times
from .registry import system


@system(share=9)
def network_field(s, n, readings, actions):
    """Leaky flows along random two-layer networks of state and inputs, sampled at random intervals."""
    d, hidden = min(18, readings + s.integer(0, 2)), 24
    w = s.normal(n, hidden, d) * s.log_uniform(0.5, 3, n, 1, 1) / d**0.5
    v = s.normal(n, hidden, actions) * s.log_uniform(0.1, 2, n, 1, 1)
    bias = s.normal(n, hidden)
    out = s.normal(n, d, hidden) * s.log_uniform(0.6, 4, n, 1, 1) / hidden**0.5
    leak = s.uniform(0.1, 1, n, 1)
    step = rk4(
        lambda x, u: times(out, np.tanh(times(w, x) + times(v, u) + bias)) - leak * x,
        s.log_uniform(0.04, 0.5, n, 1),
    )
    return Plant(lambda s: s.normal(n, d), step, actions, noise=s.some(n, 0.6, 1e-3, 0.05))


@system(share=3)
def network_map(s, n, readings, actions):
    """Random residual maps x + step * network(x, u) with a leak: no clock behind the rows."""
    d, hidden = min(16, readings + s.integer(0, 2)), 20
    w = s.normal(n, hidden, d) * s.log_uniform(0.5, 4, n, 1, 1) / d**0.5
    v = s.normal(n, hidden, actions) * s.log_uniform(0.1, 2, n, 1, 1)
    bias, pace = s.normal(n, hidden), s.log_uniform(0.05, 1, n, 1)
    out = s.normal(n, d, hidden) * s.log_uniform(0.5, 2, n, 1, 1) / hidden**0.5
    gate = s.chance(0.4)

    def step(x, u, z):
        h = times(w, x) + times(v, u) + bias
        h = np.maximum(h, 0) - 0.5 if gate else np.tanh(h)
        return x + pace * (2 * np.tanh(times(out, h)) - x)

    return Plant(lambda s: s.normal(n, d), step, actions, noise=s.some(n, 0.6, 1e-3, 0.1))


@system(share=5)
def fourier_field(s, n, readings, actions):
    """Flows drawn from a Gaussian process (random Fourier features), held by a wall far out."""
    d, features = min(14, readings + s.integer(0, 2)), 32
    frequency = s.normal(n, features, d) / s.log_uniform(0.6, 3, n, 1, 1) / d**0.25
    phase = s.uniform(0, 2 * np.pi, n, features)
    weight = s.normal(n, d, features) * np.sqrt(2 / features) * s.log_uniform(0.5, 2, n, 1, 1)
    b, wall = gains(s, n, d, actions, 0.1, 1.5), s.uniform(1, 3, n, 1)
    second = s.chance(0.35)  # forces on positions instead of velocities
    drag = s.log_uniform(0.02, 0.6, n, 1)

    def field(x, u):
        q = x[:, :d]
        flow = times(weight, np.cos(times(frequency, q) + phase)) + times(b, u)
        flow = flow - 0.3 * q - np.clip(q - wall, 0, 50) * 3 + np.clip(-wall - q, 0, 50) * 3
        return np.concatenate([x[:, d:], flow - drag * x[:, d:]], 1) if second else flow

    states = 2 * d if second else d
    step = rk4(field, s.log_uniform(0.04, 0.4, n, 1))
    return Plant(lambda s: s.normal(n, states), step, actions, noise=s.some(n, 0.7, 1e-3, 0.03))


@system(share=6)
def polynomial_field(s, n, readings, actions):
    """Sparse quadratic flows with saturating terms, products with inputs and cubic damping."""
    d = max(2, min(10, readings + s.integer(0, 2)))
    linear = s.normal(n, d, d) * s.log_uniform(0.3, 1.5, n, 1, 1) / d**0.5
    i, j = np.triu_indices(d)
    keep = s.flags(min(1.0, 3 / d), n, d, len(i))
    quadratic = s.normal(n, d, len(i)) * keep * s.log_uniform(0.1, 1.5, n, 1, 1) / d**0.5
    b, gate = gains(s, n, d, actions, 0.1, 2), gains(s, n, d, actions, 0.05, 0.7)
    damp, lean = s.log_uniform(0.1, 0.6, n, 1), 0.3 * s.normal(n, d)
    saturated = s.flags(0.4, n, 1)

    def field(x, u):
        y = np.where(saturated, 2 * np.tanh(x / 2), x)
        flow = (
            times(linear, y) + times(quadratic, y[:, i] * y[:, j]) + times(b, u) + times(gate, u) * y + lean
        )
        return flow - damp * x * (1 + x * x)

    step = rk4(field, s.log_uniform(0.03, 0.25, n, 1))
    return Plant(lambda s: 0.7 * s.normal(n, d), step, actions, noise=s.some(n, 0.6, 1e-3, 0.03))


@system(share=5)
def energy_field(s, n, readings, actions):
    """Port-Hamiltonian flows (J - R) grad H + B u of random energies: bowls with cosine ripples."""
    d = max(2, min(12, readings + s.integer(0, 2)))
    j = s.normal(n, d, d) * s.log_uniform(0.3, 2, n, 1, 1) / d**0.5
    j = j - j.transpose(0, 2, 1)
    root = s.normal(n, d, d) * s.log_uniform(0.02, 0.4, n, 1, 1) / d**0.5
    flow = j - root @ root.transpose(0, 2, 1) - 1e-3 * np.eye(d)
    ripples = 8
    wave = s.normal(n, ripples, d) * s.log_uniform(0.5, 2, n, 1, 1)
    phase, height = s.uniform(0, 2 * np.pi, n, ripples), s.normal(n, ripples) * s.log_uniform(0.1, 1.2, n, 1)
    bowl, quartic = s.log_uniform(0.2, 2, n, d), s.some(n, 0.5, 0.02, 0.3)
    b = gains(s, n, d, actions, 0.2, 2)
    back = wave.transpose(0, 2, 1)

    def field(x, u):
        force = bowl * x + quartic * x**3 - times(back, height * np.sin(times(wave, x) + phase)) / ripples
        return times(flow, force) + times(b, u)

    step = rk4(field, s.log_uniform(0.04, 0.3, n, 1))
    return Plant(lambda s: 1.2 * s.normal(n, d), step, actions, noise=s.some(n, 0.7, 1e-3, 0.05))


@system(share=3)
def unstable_field(s, n, readings, actions):
    """Random smooth flows that grow away from the origin, held by feedback until they leave a ball."""
    d, hidden = max(2, min(8, readings)), 16
    w = s.normal(n, hidden, d) * s.log_uniform(0.5, 2, n, 1, 1) / d**0.5
    out = s.normal(n, d, hidden) * s.log_uniform(0.5, 2, n, 1, 1) / hidden**0.5
    grow = s.normal(n, d, d) / d**0.5 + s.uniform(0, 0.5, n, 1, 1) * np.eye(d)
    b, bound = gains(s, n, d, actions, 0.5, 3), s.uniform(1.5, 4, n)
    step = rk4(
        lambda x, u: times(grow, x) + times(out, np.tanh(times(w, x))) + times(b, u),
        s.log_uniform(0.02, 0.15, n, 1),
    )

    def bounded(x, u, z):
        return np.clip(step(x, u, z), -30, 30)

    return Plant(
        lambda s: 0.3 * s.normal(n, d),
        bounded,
        actions,
        noise=s.some(n, 0.4, 1e-3, 0.05),
        fallen=lambda x: (x**2).mean(1) > bound**2,
        balance=True,
    )
