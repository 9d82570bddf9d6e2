"""Linear systems: modes of all speeds, non-normal chains, bilinear and unstable systems."""

import numpy as np

from .plant import Plant, gains, times
from .registry import system


def modes(s, n, d, slow=1e-3, fast=0.7, marginal=0.15):
    """Block-diagonal maps [n, d, d] of decays and rotations; a share of the modes does not decay."""
    m = np.zeros((n, d, d))
    for i in range(0, d, 2):
        rate = s.log_uniform(slow, fast, n)
        r = np.where(s.flags(marginal, n), 1.0, np.exp(-rate))
        if i + 1 < d:
            w = s.or_zero(0.2, s.log_uniform(0.01, 1.5, n))
            m[:, i, i] = m[:, i + 1, i + 1] = r * np.cos(w)
            m[:, i, i + 1], m[:, i + 1, i] = r * np.sin(w), -r * np.sin(w)
        else:
            m[:, i, i] = r
    return m


def mixed(s, n, m, size=0.5):
    """The maps m in other coordinates."""
    d = m.shape[1]
    mix = s.rotation(n, d) * s.log_uniform(1 - size, 1 + size, n, 1, d)
    return mix @ m @ np.linalg.inv(mix)


@system(share=9)
def linear_modes(s, n, readings, actions):
    """Decays and rotations of 1 to 1000 rows in random coordinates, some marginal, half with noise."""
    d = min(20, readings + s.integer(0, 3))
    m = modes(s, n, d)
    m = mixed(s, n, m) if s.chance(0.8) else m
    b = gains(s, n, d, actions, 0.02, 0.5)
    noise = s.some(n, 0.5, 1e-3, 0.2)
    size = s.log_uniform(0.3, 3, n, 1)
    return Plant(
        lambda s: size * s.normal(n, d), lambda x, u, z: times(m, x) + times(b, u), actions, noise=noise
    )


@system(share=4)
def linear_chains(s, n, readings, actions):
    """Non-normal linear systems: stages that feed each other one way, so that effects travel and die."""
    d = max(2, min(18, readings + s.integer(0, 3)))
    keep = np.exp(-s.log_uniform(0.01, 0.7, n, d))
    m = np.triu(s.normal(n, d, d) * s.flags(0.3, n, d, d), 1) * s.log_uniform(0.02, 0.4, n, 1, 1)
    i = np.arange(d)
    m[:, i[:-1], i[1:]] += s.uniform(0.2, 1, n, d - 1) * (1 - keep[:, :-1])
    m[:, i, i] = keep
    b = gains(s, n, d, actions, 0.02, 0.5)
    noise = s.some(n, 0.5, 1e-3, 0.1)
    return Plant(lambda s: s.normal(n, d), lambda x, u, z: times(m, x) + times(b, u), actions, noise=noise)


@system(share=3)
def bilinear(s, n, readings, actions):
    """Linear systems whose couplings the inputs change: x' = (A + sum of u_k N_k) x + B u."""
    d = max(2, min(12, readings + s.integer(0, 2)))
    m = mixed(s, n, modes(s, n, d, slow=0.01, marginal=0))
    change = s.normal(n, d, d, actions) * s.log_uniform(0.01, 0.2, n, 1, 1, 1) / np.sqrt(d * actions)
    b, noise = gains(s, n, d, actions, 0.02, 0.4), s.some(n, 0.5, 1e-3, 0.1)

    def step(x, u, z):
        return times(m + (change @ u[:, None, :, None])[..., 0], x) + times(b, u)

    return Plant(lambda s: s.normal(n, d), step, actions, noise=noise)


@system(share=6)
def unstable_linear(s, n, readings, actions):
    """Linear systems with one or two growing modes, held by feedback and noise until they leave a bound."""
    d = max(2, min(10, readings))
    m = modes(s, n, d, slow=0.02, marginal=0.1)
    grow = np.exp(s.log_uniform(0.01, 0.2, n, 1, 1))
    for i in range(0, min(d, 2 * s.integer(1, 3)), 2):
        m[:, i : i + 2, i : i + 2] *= (
            grow / np.sqrt(np.abs(np.linalg.det(m[:, i : i + 2, i : i + 2])))[:, None, None]
        )
    m = mixed(s, n, m)
    b = gains(s, n, d, actions, 0.05, 0.5)
    noise, bound = s.some(n, 0.4, 1e-3, 0.1), s.uniform(1.5, 4, n)
    watched = s.integers(0, d, n, 1)

    def fallen(x):
        return np.abs(np.take_along_axis(x, watched, 1)[:, 0]) > bound

    def step(x, u, z):
        return np.clip(times(m, x) + times(b, u), -50, 50)

    return Plant(lambda s: 0.3 * s.normal(n, d), step, actions, noise=noise, fallen=fallen, balance=True)
