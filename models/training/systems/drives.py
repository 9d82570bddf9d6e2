"""Geared drives, a ball on a beam, vehicles and floating platforms."""

import numpy as np

from .plant import Plant, euler, gains, rk4, times
from .registry import system


@system(share=4)
def geared_drive(s, n, readings, actions):
    """Motors that turn loads through elastic shafts with play, dry friction and cogging."""
    m = max(1, min(4, readings // 4))
    shaft, play = s.log_uniform(2, 60, n, m), s.or_zero(0.3, s.uniform(0.02, 0.5, n, m))
    heavy, drag = s.log_uniform(0.3, 4, n, m), s.log_uniform(0.05, 1, n, m)
    dry, cog = s.or_zero(0.4, s.log_uniform(0.05, 1, n, m)), s.or_zero(0.5, s.log_uniform(0.05, 1, n, m))
    teeth, home = s.integers(3, 9, n, m), s.or_zero(0.4, s.log_uniform(0.1, 3, n, m))
    link, b = s.some(n, 0.3, 0.1, 3), gains(s, n, m, actions, 1, 8)

    def force(q, v, u):
        turn = q[:, :m] - q[:, m:]
        twist = shaft * (turn - np.clip(turn, -play, play)) + 0.3 * (v[:, :m] - v[:, m:])
        motor = times(b, u) - twist - drag * v[:, :m] - cog * np.sin(teeth * q[:, :m])
        load = twist - dry * np.tanh(20 * v[:, m:]) - home * q[:, m:] - 0.05 * v[:, m:]
        load = load + link * (np.roll(q[:, m:], 1, 1) - q[:, m:])
        return np.concatenate([motor, load / heavy], 1)

    step = euler(force, s.log_uniform(0.02, 0.15, n, 1), 5)
    return Plant(lambda s: 0.5 * s.normal(n, 4 * m), step, actions, noise=s.some(n, 0.8, 1e-3, 0.03))


@system(share=4)
def ball_on_beam(s, n, readings, actions):
    """Balls rolling on tilting beams, held by feedback; a ball that leaves its beam ends the episode."""
    m = 1 if readings < 7 else s.integer(1, 3)
    pull, weight = s.log_uniform(1, 8, n, m), s.log_uniform(0.1, 2, n, m)
    drag, rub = s.log_uniform(0.1, 1, n, m), s.or_zero(0.5, s.log_uniform(0.02, 0.3, n, m))
    heavy, half = s.log_uniform(0.2, 2, n, m), s.uniform(0.6, 1.5, n, m)
    b = gains(s, n, m, actions, 1, 6)

    def force(q, v, u):
        place, tilt = q[:, :m], q[:, m:]
        roll = -pull * np.sin(tilt) + place * v[:, m:] ** 2 - rub * np.tanh(10 * v[:, :m])
        turn = (times(b, u) - weight * place * np.cos(tilt) - drag * v[:, m:]) / (heavy + 0.3 * place**2)
        return np.concatenate([np.clip(roll, -50, 50), np.clip(turn, -50, 50)], 1)

    def fallen(x):
        return (np.abs(x[:, :m]) > half).any(1) | (np.abs(x[:, m : 2 * m]) > 1).any(1)

    step = euler(force, s.log_uniform(0.02, 0.1, n, 1), 3)
    return Plant(
        lambda s: 0.1 * s.normal(n, 4 * m),
        step,
        actions,
        noise=s.some(n, 0.6, 1e-4, 0.02),
        fallen=fallen,
        balance=True,
    )


@system(share=4)
def vehicles(s, n, readings, actions):
    """Vehicles in the plane: thrust, steering, tyres that slip, drag, a pull back home."""
    thrust, steer = s.log_uniform(0.5, 4, n), s.log_uniform(0.2, 1.5, n)
    home, drag, square = s.log_uniform(0.02, 1, n), s.log_uniform(0.05, 1, n), s.log_uniform(0.01, 1, n)
    grip, stiff, turn = s.log_uniform(0.5, 8, n), s.log_uniform(1, 10, n), s.log_uniform(0.3, 4, n)
    b, cruise = gains(s, n, 2, actions, 0.5, 1.5), s.uniform(0, 1, n)
    front, back = s.uniform(0.3, 0.8, 2, n)

    def field(x, u):
        place, across, heading, speed, side, spin = x.T
        pedal, wheel = np.tanh(times(b, u)).T
        pace = np.abs(speed) + 0.3
        slip = steer * wheel - np.arctan((side + front * spin) / pace) * np.sign(speed + 1e-3)
        first = grip * np.tanh(stiff * slip / grip)
        second = -grip * np.tanh(stiff * np.arctan((side - back * spin) / pace) / grip)
        cos, sin = np.cos(heading), np.sin(heading)
        ahead = thrust * (pedal + cruise) - drag * speed - square * speed * np.abs(speed) + side * spin
        ahead = ahead - home * (place * cos + across * sin)
        lateral = first + second - speed * spin - home * (across * cos - place * sin)
        return np.stack(
            [
                speed * cos - side * sin,
                speed * sin + side * cos,
                spin,
                ahead,
                lateral,
                turn * (front * first - back * second) - 0.2 * spin,
            ],
            1,
        )

    step = rk4(field, s.log_uniform(0.03, 0.25, n, 1), 2)
    return Plant(lambda s: s.normal(n, 6), step, actions, angles=(2,), noise=s.some(n, 0.7, 1e-3, 0.03))


@system(share=4)
def floating_platform(s, n, readings, actions):
    """A platform under water with slow thrusters, drag and currents; drifting off or tilting ends it."""
    jets = max(2, actions)
    direction, arm = s.uniform(0, 2 * np.pi, n, jets), s.normal(n, jets) * 0.6
    power, lag = s.log_uniform(0.5, 4, n, 1), s.log_uniform(2, 20, n, 1)
    drag, square, spin_drag = (
        s.log_uniform(0.05, 1, n, 1),
        s.log_uniform(0.05, 1, n, 1),
        s.log_uniform(0.1, 1, n, 1),
    )
    heavy, righting = s.log_uniform(0.2, 1, n, 1), 2 * s.normal(n, 1)
    current, bound = 0.3 * s.normal(n, 2) * s.flags(0.5, n, 1), s.uniform(1.5, 4, n)
    mix = (
        np.tile(np.eye(jets, actions), (n, 1, 1)) if jets == actions else gains(s, n, jets, actions, 0.5, 1.5)
    )

    def field(x, u):
        tilt, v, spin, jet = x[:, 2:3], x[:, 3:5], x[:, 5:6], x[:, 6:]
        aim = direction + tilt
        force = power * np.stack([(jet * np.cos(aim)).sum(1), (jet * np.sin(aim)).sum(1)], 1)
        flow = v - current
        force = force - drag * flow - square * flow * np.abs(flow)
        twist = power * (arm * jet).sum(1, keepdims=True) + righting * np.tanh(tilt) - spin_drag * spin
        return np.concatenate([v, spin, force, twist / heavy, lag * (times(mix, u) - jet)], 1)

    def fallen(x):
        return (np.abs(x[:, :2]) > bound[:, None]).any(1) | (np.abs(x[:, 2]) > 1.4)

    def start(s):
        return np.concatenate([0.3 * s.normal(n, 6), np.zeros((n, jets))], 1)

    shown = s.chance(0.4)
    step = rk4(field, s.log_uniform(0.03, 0.2, n, 1), 1)
    read = (lambda x: x) if shown else (lambda x: x[:, :6])
    return Plant(
        start,
        lambda x, u, z: np.clip(step(x, u, z), -30, 30),
        actions,
        read=read,
        angles=(2,),
        noise=np.concatenate(
            [np.zeros((n, 3)), np.repeat(s.some(n, 0.6, 1e-3, 0.05), 3, 1), np.zeros((n, jets))], 1
        ),
        fallen=fallen,
        balance=s.chance(0.5),
    )
