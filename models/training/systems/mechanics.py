"""Machines with masses: chains with stops and friction, rotors, arms, geared drives, carts on springs."""

import numpy as np

from .plant import Plant, euler, gains, rk4, times
from .registry import system


@system(share=6)
def mass_chain(s, n, readings, actions):
    """Masses on springs in a row, with dry friction, stops, gravity and inertia that depends on position."""
    m = max(1, min(9, (readings + 1) // 2))
    spring, home = s.log_uniform(0.5, 20, n, 1), s.log_uniform(0.02, 2, n, m)
    drag, dry = s.log_uniform(0.02, 1, n, m), s.or_zero(0.6, s.log_uniform(0.05, 1, n, m))
    stop = np.where(s.flags(0.5, n, m), s.log_uniform(0.2, 1, n, m), 50)
    weight, load = s.normal(n, m) * s.flags(0.4, n, 1), s.uniform(0, 0.6, n, m) * s.flags(0.5, n, 1)
    b = gains(s, n, m, actions, 0.5, 5)

    def force(q, v, u):
        f = times(b, u) - home * q - drag * v - dry * np.tanh(20 * v) + weight
        pull = spring * np.diff(q, axis=1)
        f[:, :-1] += pull
        f[:, 1:] -= pull
        over = q - np.clip(q, -stop, stop)
        return (f - 60 * over - 4 * v * (over != 0)) / (1 + load * np.cos(2 * q))

    step = euler(force, s.log_uniform(0.02, 0.16, n, 1), 5)
    return Plant(lambda s: 0.5 * s.normal(n, 2 * m), step, actions, noise=s.some(n, 0.85, 1e-4, 0.02))


@system(share=4)
def rotors(s, n, readings, actions):
    """Coupled rotors under torques in magnetic potentials of two and three poles, with drag and bias."""
    m = max(1, min(6, (readings + 2) // 3))
    drag, b = s.log_uniform(0.02, 1, n, m), gains(s, n, m, actions, 0.5, 5)
    two, three = s.normal(2, n, m) * s.log_uniform(0.1, 4, n, 1)
    bias, couple = s.normal(n, m) * s.flags(0.4, n, 1), s.log_uniform(0.05, 2, n, 1)

    def field(x, u):
        q, v = x[:, :m], x[:, m:]
        f = two * np.sin(2 * q) + three * np.sin(3 * q + 1) - drag * v + bias + times(b, u)
        if m > 1:
            f = f + couple * np.sin(np.roll(q, 1, 1) - q)
        return np.concatenate([v, f], 1)

    def start(s):
        return np.concatenate([s.uniform(-3, 3, n, m), s.normal(n, m)], 1)

    return Plant(
        start,
        rk4(field, s.log_uniform(0.02, 0.15, n, 1)),
        actions,
        angles=tuple(range(m)),
        noise=s.some(n, 0.8, 1e-3, 0.05),
    )


def linkage(s, n, links, base):
    """Acceleration of point masses on rigid links in a plane, on a sliding base or a fixed one.

    Returns acceleration(q, v, torques, push, weight) -> [n, base + links] and the lengths. q holds the base's
    place, then the links' absolute angles; torques act at the joints, push on the base, weight along a slope.
    """
    length, mass = s.uniform(0.4, 1.2, n, links), s.log_uniform(0.2, 2, n, links)
    rotor = s.log_uniform(0.02, 0.3, n, links)
    beyond = np.cumsum(mass[:, ::-1], 1)[:, ::-1]
    i = np.arange(links)
    pair = length[:, :, None] * length[:, None] * beyond[:, np.maximum(i[:, None], i)]
    lever, total = length * beyond, beyond[:, :1] + s.log_uniform(0.3, 3, n, 1)

    def acceleration(q, v, torques, push, weight):
        a, w = q[:, base:], v[:, base:]
        gap = a[:, :, None] - a[:, None]
        force = torques - np.concatenate([torques[:, 1:], np.zeros((n, 1))], 1)
        force = force - times(pair * np.sin(gap), w * w) - weight * lever * np.sin(a)
        inertia = np.zeros((n, base + links, base + links))
        inertia[:, base:, base:] = pair * np.cos(gap)
        inertia[:, base + i, base + i] += rotor
        if base:
            inertia[:, 0, 0] = total[:, 0]
            inertia[:, 0, 1:] = inertia[:, 1:, 0] = lever * np.cos(a)
            slide = push + (lever * np.sin(a) * w * w).sum(1, keepdims=True)
            force = np.concatenate([slide, force], 1)
        return np.linalg.solve(inertia, force[..., None])[..., 0]

    return acceleration, length


def joint_angles(a):
    """Angles between the links from absolute ones."""
    return np.diff(a, axis=1, prepend=0)


@system(share=5)
def sprung_arm(s, n, readings, actions):
    """Arms of one to three links with joint springs, gear friction and stops, mostly on a level plane."""
    m = s.pick((1, 2, 3), (0.25, 0.4, 0.35))
    acceleration, length = linkage(s, n, m, 0)
    spring, bend = s.log_uniform(0.3, 8, n, m), s.uniform(0.2, 1.5, n, m)
    drag, dry = s.log_uniform(0.05, 1, n, m), s.or_zero(0.5, s.log_uniform(0.05, 0.8, n, m))
    stop = s.uniform(0.8, 2.5, n, m)
    # several sprung links may lean against a slope; a single link stays level
    weight = s.some(n, 0.6, 0.1, 1) * (m > 1)
    b, tip = gains(s, n, m, actions, 1, 8), s.chance(0.4)

    def force(a, w, u):
        q, v = joint_angles(a), joint_angles(w)
        over = q - np.clip(q, -stop, stop)
        torque = (
            times(b, u) - spring * np.sinh(bend * np.clip(q, -4, 4)) / bend - drag * v - dry * np.tanh(15 * v)
        )
        return acceleration(a, w, torque - 40 * over - 2 * v * (over != 0), None, weight)

    def read(x):
        a, w = x[:, :m], x[:, m:]
        seen = [joint_angles(a), joint_angles(w)]
        if tip:
            seen += [(length * np.cos(a)).sum(1, keepdims=True), (length * np.sin(a)).sum(1, keepdims=True)]
        return np.concatenate(seen, 1)

    step = euler(force, s.log_uniform(0.015, 0.1, n, 1), 4)
    return Plant(
        lambda s: 0.5 * s.normal(n, 2 * m),
        step,
        actions,
        read=read,
        angles=tuple(range(m)),
        noise=s.some(n, 0.8, 1e-3, 0.03),
    )


@system(share=4)
def sprung_cart(s, n, readings, actions):
    """A cart between springs on a level table with one or two poles on torsion springs, some two-sided."""
    m = s.integer(1, 3)
    acceleration, _ = linkage(s, n, m, 1)
    home, slide = s.log_uniform(0.2, 8, n, 1), s.log_uniform(0.05, 1, n, 1)
    spring = s.log_uniform(0.5, 10, n, m)
    sides = s.flags(0.3, n, 1)  # springs with two rest angles
    drag, dry = s.log_uniform(0.02, 0.5, n, m), s.or_zero(0.6, s.log_uniform(0.05, 1, n, 1))
    b, level = gains(s, n, 1 + m, actions, 1, 8), np.zeros((n, 1))
    alone = s.flags(0.6, n, 1)  # only the cart is pushed

    def force(q, v, u):
        input = times(b, u)
        joint, rate = joint_angles(q[:, 1:]), joint_angles(v[:, 1:])
        pull = np.where(sides, 3 * joint**3 - joint, joint + 0.3 * joint**3)
        torque = np.where(alone, 0, input[:, 1:]) - spring * np.clip(pull, -50, 50) - drag * rate
        push = input[:, :1] - home * q[:, :1] - slide * v[:, :1] - dry * np.tanh(20 * v[:, :1])
        return acceleration(q, v, torque, push, level)

    def read(x):
        return np.concatenate([x[:, :1], joint_angles(x[:, 1 : m + 1]), x[:, m + 1 :]], 1)

    step = euler(force, s.log_uniform(0.015, 0.1, n, 1), 4)
    return Plant(
        lambda s: 0.4 * s.normal(n, 2 * m + 2), step, actions, read=read, noise=s.some(n, 0.8, 1e-3, 0.03)
    )
