"""Robot-like joints with contacts, impacts, relays and integrate-and-fire units."""

import torch

from .integrate import pick
from .registry import family


@family(share=3.5, exact=0.6)
def walking_joints(draws, rows, length):
    """Three coupled joints, PD tracking (kp 0.02..1.2, kd 0.1..1.2) of a gait or noise, torque limit, ground
    contact, stops.
    """
    w = 6.2832 / draws.log_uniform(5, 60, rows)
    drift = draws.or_zero(0.5, draws.log_uniform(0.005, 0.1, rows))
    shape = draws.normal(3, 3, rows) * torch.tensor([1, 0.5, 0.25])[None, :, None]
    offset, harmonic = draws.uniform(0, 6.2832, 3, 3, rows), torch.tensor([1.0, 2.0, 3.0])[None, :, None]
    source, size = draws.integers(0, 3, rows), draws.or_zero(0.4, draws.log_uniform(0.02, 1.5, rows))
    cut, hold = draws.log_uniform(0.02, 0.6, rows), int(draws.choice([1, 1, 4, 10], 1))
    kp, kd = draws.log_uniform(0.02, 1.2, rows), draws.log_uniform(0.1, 1.2, rows)
    coupling, weight = draws.normal(3, 3, rows) * 0.12, draws.normal(3, rows) * 0.02
    limit, ground = draws.log_uniform(0.15, 3, rows), draws.uniform(-1, 0.5, rows)
    stiff = draws.or_zero(0.3, draws.log_uniform(0.3, 3, rows))
    lever = torch.tensor([1.0, 0.5, 0.0])[:, None]
    q, v, slow, kick = torch.zeros(4, 3, rows)
    pitch, turn, phase = torch.zeros(rows), torch.zeros(rows), draws.uniform(0, 6.2832, rows)
    burn, seen = 60, torch.empty(length, 11, rows, device=draws.device)
    for t in range(length + burn):
        phase = phase + w + drift * draws.normal(rows)
        if t % hold == 0:
            kick = draws.normal(3, rows)
        slow = slow + cut * (kick * size - slow)
        gait = (shape * torch.sin(phase * harmonic + offset)).sum(1)
        gait = torch.where(source == 1, gait.clamp(-0.6, 0.6), gait)
        target = torch.where(source == 2, 2 * slow, gait + slow)
        for _ in range(2):
            depth = (ground - q[0] - 0.6 * q[1] - 0.4 * pitch).clamp_min(0)
            force = stiff * (depth - 0.3 * v[0].clamp(max=0) * (depth > 0))
            torque = torch.clamp(kp * (target - q) - kd * v, -limit, limit)
            push = torque + (coupling * v).sum(1) - weight * torch.cos(q) + force * lever
            v = (v + push / 2).clamp(-9, 9)
            q = q + v / 2
            stop = q.abs() > 2.5
            v, q = torch.where(stop, -0.4 * v, v), q.clamp(-2.5, 2.5)
            turn = turn + (-0.05 * pitch - 0.1 * turn + 0.05 * torque[0] + 0.1 * force) / 2
            pitch = pitch + turn / 2
        if t >= burn:
            seen[t - burn, 0:3], seen[t - burn, 3:6], seen[t - burn, 6:9] = q, v, torque
            seen[t - burn, 9], seen[t - burn, 10] = pitch, turn
    position_rate = draws.integers(0, 6, rows)
    other = draws.integers(6, 11, rows)
    return pick(seen, torch.where(draws.flags(0.7, rows), position_rate, other))


@family(share=2.0, exact=0.6)
def hopping_body(draws, rows, length):
    """A body on a sprung, damped leg that thrusts in stance (period 8..60 or held commands), pitch coupled
    to the stance force.
    """
    w, phase = 6.2832 / draws.log_uniform(8, 60, rows), draws.uniform(0, 6.2832, rows)
    gravity, spring = draws.log_uniform(0.003, 0.03, rows), draws.log_uniform(0.05, 0.5, rows)
    damping, thrust = draws.log_uniform(0.02, 0.4, rows), draws.log_uniform(0.02, 0.3, rows)
    command = draws.held(rows, length + 50, 1, 12).T * draws.or_zero(0.4, draws.log_uniform(0.02, 0.5, rows))
    arm, righting = draws.normal(rows) * 0.2, draws.log_uniform(0.005, 0.1, rows)
    height, rise, pitch, turn, leg = draws.uniform(0, 1, rows), *torch.zeros(4, rows)
    seen = torch.empty(length, 6, rows, device=draws.device)
    for t in range(length + 50):
        phase = phase + w
        leg = leg + 0.4 * (
            thrust * torch.sin(phase) + 0.3 * thrust * torch.sin(2 * phase) + command[t] * thrust - leg
        )
        for _ in range(2):
            squash = (leg - height).clamp_min(0)
            force = (spring * squash - damping * rise * (squash > 0)).clamp_min(0)
            rise = rise + (force - gravity) / 2
            height = (height + rise / 2).clamp(-5, 10)
            turn = turn + (arm * force - righting * pitch - 0.05 * turn) / 2
            pitch = pitch + turn / 2
        if t >= 50:
            seen[t - 50] = torch.stack([height, rise, pitch, turn, force, leg])
    return pick(seen, draws.choice([0, 1, 1, 2, 3, 3, 4, 5], rows))


@family(share=1.5, exact=0.5)
def contact_systems(draws, rows, length):
    """Ball on a shaken table, relay with hysteresis, saw-tooth phase, integrate-and-fire unit, saturated
    lag; noise in 50 %.
    """
    kind, h = draws.integers(0, 5, rows), draws.log_uniform(0.02, 0.2, rows) / 4
    x, v, side = draws.uniform(0.3, 1, rows), draws.normal(rows) * 0.3, draws.normal(rows).sign()
    bounce, gravity = draws.uniform(0.7, 1, rows), draws.log_uniform(1, 9, rows)
    a, threshold, w = (
        draws.log_uniform(0.2, 4, rows),
        draws.uniform(0.1, 0.9, rows),
        draws.log_uniform(0.5, 8, rows),
    )
    phase, noise = (
        draws.uniform(0, 6.2832, rows),
        draws.or_zero(0.5, draws.log_uniform(0.01, 0.3, rows)) * h.sqrt(),
    )
    speed_seen = draws.flags(0.4, rows) & (kind == 0)
    y = torch.empty(length, rows, device=draws.device)
    for t in range(length):
        for _ in range(4):
            phase = phase + h * w
            z, wave, table = noise * draws.normal(rows), torch.sin(phase), 0.12 * torch.sin(phase)
            ball, fall = x + h * v, v - h * gravity
            hit = ball < table
            fall = torch.where(hit, fall.abs() * bounce + 0.12 * w * torch.cos(phase).clamp_min(0), fall)
            relay = x + h * a * (1.5 * side - x) + z
            saw = torch.remainder(x + 0.6 * h * a + z, 1.0)
            charge = x + h * a * (1 - 0.6 * x) + z
            lag = x + 3 * h * a * ((2.5 * wave).clamp(-threshold, threshold) - x) + z
            flipped = torch.where(relay > threshold, -1.0, torch.where(relay < -threshold, 1.0, side))
            side = torch.where(kind == 1, flipped, side)
            v = torch.where(kind == 0, fall, v).clamp(-20, 20)
            x = torch.where(kind == 0, torch.where(hit, table, ball), torch.where(kind == 1, relay, saw))
            x = torch.where(kind == 3, charge * (charge <= 1), torch.where(kind == 4, lag, x)).clamp(-10, 10)
        y[t] = torch.where(speed_seen, v, x)
    return y.T


@family(share=1.0, exact=0.5)
def stick_slip(draws, rows, length):
    """A mass on a spring pulled at constant or held speed with Coulomb and Stribeck friction; position,
    speed or spring force.
    """
    pull = draws.log_uniform(0.005, 0.1, rows)
    varied = (
        1 + draws.or_zero(0.5, draws.uniform(0.2, 1, rows, 1)) * draws.held(rows, length, 5, 80)
    ).T * pull
    spring, friction = draws.log_uniform(0.01, 0.3, rows), draws.log_uniform(0.02, 0.5, rows)
    drop, viscous = draws.uniform(0.1, 0.7, rows), draws.log_uniform(0.01, 0.5, rows)
    stretch, v = torch.zeros(rows), torch.zeros(rows)
    seen = torch.empty(length, 2, rows, device=draws.device)
    for t in range(length):
        for _ in range(3):
            grip = friction * (1 - drop + drop * torch.exp(-v.abs() * 20)) * torch.tanh(v * 50)
            v = (v + (spring * stretch - grip - viscous * v) / 3).clamp(-5, 5)
            stretch = (stretch + (varied[t] - v) / 3).clamp(-100, 100)
        seen[t, 0], seen[t, 1] = stretch, v
    return pick(seen, draws.integers(0, 2, rows))
