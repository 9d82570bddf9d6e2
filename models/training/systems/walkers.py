"""Planar bodies on springy legs with ground contact: our own simple design, legs without mass."""

import numpy as np

from .plant import Plant, gains, times
from .registry import system


def legged(s, n, readings, actions, legs):
    """A body (place, height, pitch) on `legs` sprung legs whose angles and lengths follow servos.

    Legs push only along themselves and by friction at the foot; the state is the body's position and speed,
    the legs' angles and lengths with their rates, and the feet's contact.
    """
    k = legs
    where = np.linspace(-1, 1, k) * s.uniform(0.2, 0.6, n, 1) if k > 1 else 0.1 * s.normal(n, 1)
    long, weight, inertia = (
        s.uniform(0.7, 1.3, n, 1),
        s.log_uniform(2, 12, n, 1),
        s.log_uniform(0.1, 0.6, n, 1),
    )
    stiff, damp = s.log_uniform(40, 300, n, 1) / k**0.5, s.log_uniform(0.5, 6, n, 1)
    grip, righting = s.uniform(0.3, 1.5, n, 1), s.log_uniform(0.2, 10, n, 1) * (2 if k == 1 else 1)
    reach, thrust = gains(s, n, k, actions, 3, 30), gains(s, n, k, actions, 1, 12)
    home = 0.25 * s.normal(n, k) + (0 if k == 1 else where * s.uniform(-0.5, 0.5, n, 1))
    servo, brake = s.log_uniform(15, 120, n, 2 * k), s.log_uniform(2, 15, n, 2 * k)
    dt = s.log_uniform(0.02, 0.1, n, 1) / 8

    def step(x, u, z):
        q, v, leg, rate = x[:, :3], x[:, 3:6], x[:, 6 : 6 + 2 * k], x[:, 6 + 2 * k : 6 + 4 * k]
        drive = np.concatenate([times(reach, u), times(thrust, u)], 1)
        touched = np.zeros((n, k))
        for _ in range(8):
            pitch, angle = q[:, 2:], home + leg[:, :k] + q[:, 2:]
            length = long * np.clip(1 + 0.3 * leg[:, k:], 0.4, 1.6)
            across = where * np.cos(pitch) + length * np.sin(angle)
            down = where * np.sin(pitch) - length * np.cos(angle)
            turn, along = v[:, 2:] + rate[:, :k], 0.3 * long * rate[:, k:]
            fore = (
                v[:, :1]
                - where * np.sin(pitch) * v[:, 2:]
                + length * np.cos(angle) * turn
                + along * np.sin(angle)
            )
            fall = (
                v[:, 1:2]
                + where * np.cos(pitch) * v[:, 2:]
                + length * np.sin(angle) * turn
                - along * np.cos(angle)
            )
            depth = np.maximum(-(q[:, 1:2] + down), 0)
            press = np.clip(stiff * depth - damp * fall * (depth > 0), 0, 200)
            drag = -grip * press * np.tanh(fore / 0.2)
            touched = np.maximum(touched, depth > 0)
            lift = press.sum(1, keepdims=True) - weight
            spin = (across * press - down * drag).sum(1, keepdims=True) - righting * (pitch + 0.1 * v[:, 2:])
            v = v + dt * np.concatenate([drag.sum(1, keepdims=True), lift, spin / inertia], 1)
            q = q + dt * v
            load = np.concatenate([0.3 * length * drag, 0.1 * press], 1)
            rate = np.clip(rate + dt * (drive - servo * leg - brake * rate - load), -30, 30)
            leg = np.clip(leg + dt * rate, -1.5, 1.5)
        return np.concatenate([q, v, leg, rate, touched], 1)

    def start(s):
        body = np.concatenate([np.zeros((n, 1)), long * s.uniform(0.9, 1.3, n, 1), 0.1 * s.normal(n, 1)], 1)
        return np.concatenate([body, 0.2 * s.normal(n, 3), 0.1 * s.normal(n, 4 * k), np.zeros((n, k))], 1)

    low, tilt = s.uniform(0.3, 0.6, n) * long[:, 0], s.uniform(0.4, 1.1, n)
    place, touch = s.chance(0.25), s.chance(0.5)
    first, last = (0 if place else 1), 6 + 4 * k + (k if touch else 0)
    flags = tuple(range(6 + 4 * k - first, last - first)) if touch else ()
    return Plant(
        start,
        step,
        actions,
        read=lambda x: x[:, first:last],
        flags=flags,
        noise=np.concatenate(
            [np.zeros((n, 3)), np.repeat(s.some(n, 0.8, 1e-3, 0.05), 3, 1), np.zeros((n, 5 * k))], 1
        ),
        fallen=lambda x: (x[:, 1] < low) | (np.abs(x[:, 2]) > tilt) | (x[:, 1] > 6),
    )


@system(share=4)
def springy_leg(s, n, readings, actions):
    """A body that hops on one sprung leg, righted by a weak spring; low or tilted is a fall."""
    return legged(s, n, readings, actions, 1)


@system(share=5)
def springy_legs(s, n, readings, actions):
    """A planar body on two or three sprung legs: gaits, contact, slipping feet; low or tilted is a fall."""
    return legged(s, n, readings, actions, s.integer(2, 4))
