"""Plants and particles driven by commands that are held for several steps, and smooth filtered noise."""

import torch

from .integrate import integrate, pick
from .registry import family


@family(share=2.0, exact=0.6)
def held_plant(draws, rows, length):
    """x'' = w^2(u - x) - 2 z w x', command u held 1..40 steps, w 0.03..0.8 per step, z 0.01..1.2; position,
    rate, u.
    """
    w, z = draws.log_uniform(0.03, 0.8, rows), draws.log_uniform(0.01, 1.2, rows)
    command = draws.held(rows, length).T.contiguous()

    def rate(x, t, i):
        return torch.stack([x[1], w * w * (command[i] - x[0]) - 2 * z * w * x[1]])

    path = integrate(rate, torch.zeros(2, rows), torch.ones(rows), length, 2)
    seen = pick(path, draws.flags(0.4, rows).long())
    return torch.where(draws.flags(0.05, rows)[:, None], command.T, seen)


@family(share=2.5, exact=0.6)
def driven_well(draws, rows, length):
    """x'' = -V'(x) - c x' + u: double well, quartic, soft (x/(1+x^2)), tanh or one-sided spring, held force
    or none.
    """
    kind = draws.integers(0, 5, rows)
    stiffness, damping = (
        draws.log_uniform(0.5, 10, rows),
        draws.or_zero(0.5, draws.log_uniform(0.005, 0.5, rows)),
    )
    gain = draws.or_zero(0.25, draws.log_uniform(0.1, 4, rows))
    command = draws.held(rows, length).T * gain

    def rate(x, t, i):
        q, v = x
        pull = torch.where(kind == 0, q**3 - q, torch.where(kind == 1, q**3, q / (1 + q * q)))
        pull = torch.where(
            kind == 3, torch.tanh(2 * q), torch.where(kind == 4, q + q.clamp_min(0) ** 2, pull)
        )
        return torch.stack([v, command[i] - stiffness * pull - damping * v])

    state = draws.normal(2, rows) * torch.stack([torch.ones(rows), stiffness.sqrt()])
    path = integrate(rate, state, draws.log_uniform(0.02, 0.25, rows), length, 3, bound=50)
    return pick(path, draws.flags(0.4, rows).long())


@family(share=1.5, exact=0.7)
def steered_angle(draws, rows, length):
    """Heading a'' = u - c a' (no restoring force), u held 1..60 steps or smooth; observed as cos, sin, rate,
    wrapped a.
    """
    command = draws.held(rows, length, 1, 60).T * draws.log_uniform(0.0005, 0.05, rows)
    damping = draws.log_uniform(0.005, 0.4, rows)
    spin = draws.normal(rows) * 0.15

    def rate(x, t, i):
        return torch.stack([x[1], command[i] - damping * (x[1] - spin)])

    start = torch.stack([draws.uniform(0, 6.28, rows), spin])
    path = integrate(rate, start, torch.ones(rows), length, 1, bound=1e4)
    angle, kind = path[:, 0].T, draws.integers(0, 8, rows, 1)
    wrapped = torch.remainder(angle, 6.2832)
    seen = torch.where(kind <= 2, torch.cos(angle), torch.where(kind <= 4, torch.sin(angle), path[:, 1].T))
    return torch.where(kind == 7, wrapped, seen)


@family(share=1.5, exact=0.6)
def spline_noise(draws, rows, length):
    """Cubic B-spline through Gaussian knots 3..60 steps apart; in 30 % the integral, in 30 % a sum of two."""

    def curve():
        apart = draws.log_uniform(3, 60, rows, 1)
        knots = draws.normal(rows, length // 3 + 8)
        x = torch.arange(length, device=draws.device)[None] / apart + draws.uniform(0, 1, rows, 1)
        k, f = x.floor().long(), x - x.floor()
        weights = [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
        return sum(w * knots.gather(1, k + j) for j, w in enumerate(weights)) / 6

    y = curve()
    y = torch.where(draws.flags(0.3, rows, 1), y + draws.log_uniform(0.05, 1, rows, 1) * curve(), y)
    return torch.where(draws.flags(0.3, rows, 1), y.cumsum(1), y)


@family(share=1.5, exact=0.5)
def lowpass_noise(draws, rows, length):
    """White noise through 1-4 first-order low-pass filters (cut 0.01..0.6 per step), in 40 % a resonator
    after them.
    """
    stages = draws.integers(1, 5, rows)
    cut = draws.log_uniform(0.01, 0.6, 4, rows)
    w, z = draws.log_uniform(0.03, 1.5, rows), draws.log_uniform(0.003, 0.3, rows)
    resonant = draws.flags(0.4, rows)
    a1, a2 = 2 * torch.exp(-z * w) * torch.cos(w), -torch.exp(-2 * z * w)
    burn = 200
    noise = draws.innovations(rows, length + burn).T.contiguous()
    y = torch.empty(length + burn, rows, device=draws.device)
    s, last, older = list(torch.zeros(4, rows)), torch.zeros(rows), torch.zeros(rows)
    for t in range(length + burn):
        u = noise[t]
        for k in range(4):
            s[k] = s[k] + cut[k] * (u - s[k])
            u = torch.where(k < stages, s[k], u)
        older, last = last, torch.where(resonant, a1 * last + a2 * older + u, u)
        y[t] = last
    return y[burn:].T


@family(share=1.0, exact=0.4)
def tracked_reference(draws, rows, length):
    """A saturated PID loop (first-order lag + integrator) that tracks held set points; output, control or
    error.
    """
    target = draws.held(rows, length, 5, 100).T.contiguous()
    kp, ki = draws.log_uniform(0.02, 0.8, rows), draws.or_zero(0.3, draws.log_uniform(0.001, 0.05, rows))
    lag, limit = draws.log_uniform(0.05, 0.9, rows), draws.log_uniform(0.1, 2, rows)
    drift = draws.or_zero(0.5, draws.log_uniform(0.002, 0.1, rows))
    y, u, total = torch.zeros(rows), torch.zeros(rows), torch.zeros(rows)
    seen = torch.empty(3, length, rows, device=draws.device)
    push = draws.normal(length, rows) * drift
    for t in range(length):
        error = target[t] - y
        total = (total + error).clamp(-100, 100)
        u = u + lag * ((kp * error + ki * total).clamp(-limit, limit) - u)
        y = (y + 0.5 * u - 0.02 * y + push[t]).clamp(-30, 30)
        seen[0, t], seen[1, t], seen[2, t] = y, u, error
    return pick(seen.permute(1, 0, 2), draws.choice([0, 0, 0, 1, 2], rows))
