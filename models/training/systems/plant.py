"""A plant: the dynamics of a group of windows, row by row, and the tools that families build them from."""

from dataclasses import dataclass
from typing import Callable

import numpy as np


@dataclass
class Plant:
    """Dynamics of n windows at once: states [n, states], inputs [n, inputs], readings [n, readings].

    `step(x, u, z)` is the state one row later; z [n, shocks] are fresh standard normals. It must not depend
    on anything else that changes, so that one seed gives one path.
    """

    start: Callable  # (sampler) -> states at the beginning of an episode
    step: Callable
    inputs: int
    read: Callable = lambda x: x
    shocks: int = 0
    angles: tuple = ()  # readings in radians that wrap
    flags: tuple = ()  # readings of few discrete levels
    noise: np.ndarray | None = None  # std of the noise that a row adds to the state, [n, states] or [n, 1]
    fallen: Callable | None = None  # (states) -> bool [n]: the episode ends here
    balance: bool = False  # unstable at 0: most policies are stabilising feedback, and episodes end in falls


def rk4(field, dt, substeps=1):
    """A step of `dt` [n, 1] along field(x, u) by the classical Runge-Kutta method, inputs held."""
    h = dt / substeps

    def step(x, u, z):
        for _ in range(substeps):
            a = field(x, u)
            b = field(x + h / 2 * a, u)
            c = field(x + h / 2 * b, u)
            d = field(x + h * c, u)
            x = x + h / 6 * (a + 2 * (b + c) + d)
        return x

    return step


def euler(field, dt, substeps=4):
    """A step of `dt` along (positions, velocities) -> accelerations by the semi-implicit Euler method.

    The state is [n, 2 m]: positions, then velocities. Stiff contacts and dry friction stay stable under it.
    """
    h = dt / substeps

    def step(x, u, z):
        m = x.shape[1] // 2
        q, v = x[:, :m], x[:, m:]
        for _ in range(substeps):
            v = v + h * field(q, v, u)
            q = q + h * v
        return np.concatenate([q, v], 1)

    return step


def times(matrix, x):
    """Batched matrix-vector product: [n, i, j], [n, j] -> [n, i]."""
    return (matrix @ x[..., None])[..., 0]


def gains(sampler, n, outputs, inputs, low, high):
    """Input matrices [n, outputs, inputs] of log-uniform size; a third of the windows have sparse ones."""
    size = sampler.log_uniform(low, high, n, 1, 1)
    b = sampler.normal(n, outputs, inputs)
    if outputs > 1:
        sparse = sampler.flags(0.35, n, 1, 1) & sampler.flags(0.5, n, outputs, inputs)
        sparse[:, 0] = False
        b = np.where(sparse, 0.0, b)
    return b * size


def linearised(plant, x, mix):
    """Jacobians of a step at state x and input 0: by the state and by the actions, [n, d, d or actions]."""
    n, d = x.shape
    u, z = np.zeros((n, plant.inputs)), np.zeros((n, plant.shocks))
    eps, base = 1e-4, plant.step(x, u, z)
    a = np.empty((n, d, d))
    for j in range(d):
        moved = x.copy()
        moved[:, j] += eps
        a[:, :, j] = (plant.step(moved, u, z) - base) / eps
    b = np.empty((n, d, mix.shape[2]))
    for j in range(mix.shape[2]):
        b[:, :, j] = (plant.step(x, eps * mix[:, :, j], z) - base) / eps
    return a, b


def regulator(plant, x, mix, spread, effort):
    """Gains [n, actions, d] of the discrete linear-quadratic regulator at state x; 0 where none is found.

    Deviations cost 1 at `spread` [n, d], actions cost `effort` [n, 1, 1].
    """
    a, b = linearised(plant, x, mix)
    n, d, actions = b.shape
    bad = ~(np.isfinite(a).all((1, 2)) & np.isfinite(b).all((1, 2)))
    a[bad], b[bad] = 0, 0
    p = cost = np.eye(d) / (spread[:, None] ** 2 + 1e-6)
    control = effort * np.eye(actions)
    k = np.zeros((n, actions, d))
    for _ in range(50):
        bp = b.transpose(0, 2, 1) @ p
        k = np.linalg.solve(control + bp @ b, bp @ a)
        p = cost + a.transpose(0, 2, 1) @ p @ (a - b @ k)
        p = np.clip((p + p.transpose(0, 2, 1)) / 2, -1e9, 1e9)
    k[bad | ~np.isfinite(k).all((1, 2)) | (np.abs(k).max((1, 2)) > 1e4)] = 0
    return k
