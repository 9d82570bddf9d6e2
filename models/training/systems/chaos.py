"""Driven chaos from random fields of our own: flows that steer others, recurrent maps."""

from functools import cache

import numpy as np

from .plant import Plant, gains, rk4, times
from .registry import system
from .sampler import Sampler

CANDIDATES, KEPT = 600, 60


def sine_flow(w, bend, phase, leak):
    """Velocity of x' = W sin(bend x + phase) - leak x, with factors [n, ...] of any count n."""
    return lambda x: times(w, np.sin(bend * x + phase)) - leak * x


@cache
def chaotic_flows(d):
    """Factors of sine flows of d variables, bounded by their leak, whose twin paths part.

    The same few dozen in every process; windows draw from them and change them a little.
    """
    s, n = Sampler(np.random.default_rng([d, 77])), CANDIDATES
    w = s.normal(n, d, d) * s.log_uniform(1, 4, n, 1, 1) * s.flags(0.7, n, d, d)
    factors = (w, s.uniform(0.7, 1.6, n, d), s.uniform(0, 2 * np.pi, n, d), s.uniform(0.1, 0.6, n, 1))
    flow = sine_flow(*factors)
    step = rk4(lambda x, u: flow(x), np.full((n, 1), 0.1))
    x, gap, growth = s.normal(n, d), 1e-6, np.zeros(n)
    twin = x + gap / d**0.5
    for t in range(500):
        x, twin = step(x, None, None), step(twin, None, None)
        apart = np.linalg.norm(twin - x, axis=1) + 1e-15
        if t >= 100:
            growth += np.log(apart / gap)
        twin = x + (twin - x) * (gap / apart)[:, None]
    best = np.argsort(-growth)[:KEPT]
    best = best[growth[best] > 0.05 * 40]  # at least 0.05 per unit of time
    return [factor[best] for factor in factors]


@system(share=4)
def steered_chaos(s, n, readings, actions):
    """A chaotic flow that drives a second system (skew product); inputs push the second, or both."""
    d = s.integer(3, 6)
    m = max(1, min(10, readings - s.integer(0, d + 1)))
    bank = chaotic_flows(d)
    which = s.integers(0, len(bank[0]), n)
    w, bend, phase, leak = (factor[which] for factor in bank)
    flow = sine_flow(w * (1 + 0.02 * s.normal(n, d, d)), bend, phase, leak)
    into, inside = s.normal(n, m, d) / d**0.5, s.normal(n, m, m) * s.log_uniform(0.3, 2, n, 1, 1) / m**0.5
    into = into * s.log_uniform(0.1, 2, n, 1, 1)
    slow, b = s.log_uniform(0.1, 2, n, 1), gains(s, n, m, actions, 0.2, 3)
    push = gains(s, n, d, actions, 0.1, 1.5) if s.chance(0.5) else np.zeros((n, d, actions))

    def field(x, u):
        base, y = x[:, :d], x[:, d:]
        answer = times(into, base) + np.tanh(times(inside, y)) + times(b, u) - y
        return np.concatenate([flow(base) + times(push, u), slow * answer], 1)

    step = rk4(field, s.log_uniform(0.03, 0.25, n, 1))
    size = np.repeat([2.0, 1.0], [d, m])
    return Plant(lambda s: size * s.normal(n, d + m), step, actions, noise=s.some(n, 0.85, 1e-4, 0.03))


@system(share=3)
def recurrent_map(s, n, readings, actions):
    """Random recurrent maps x -> tanh(g W x + B u) or with sines, g around the edge of chaos, some leaky."""
    d = max(2, min(18, readings + s.integer(0, 4)))
    w = s.normal(n, d, d) * s.log_uniform(0.7, 3, n, 1, 1) / d**0.5
    b, lean = gains(s, n, d, actions, 0.1, 1.5), 0.4 * s.normal(n, d)
    keep, periodic = s.or_zero(0.3, s.uniform(0.2, 0.97, n, 1)), s.flags(0.3, n, 1)

    def step(x, u, z):
        h = times(w, x) + times(b, u) + lean
        return keep * x + (1 - keep) * np.where(periodic, np.sin(1.5 * h), np.tanh(h))

    return Plant(lambda s: s.normal(n, d), step, actions, noise=s.some(n, 0.6, 1e-3, 0.1))
