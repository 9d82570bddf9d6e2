"""Oscillators and sums of sinusoids: smooth, mostly noise-free signals."""

import math

import torch

from .integrate import integrate, pick
from .registry import family

TAU = 2 * math.pi


@family(share=1.5, exact=0.7)
def tones(draws, rows, length):
    """Exact sinusoids: sum of 1-4 A sin(2 pi t/P + phase), P 3..400 steps, harmonic in 40 % of the series."""
    t = torch.arange(length, device=draws.device)[None]
    count = draws.integers(1, 5, rows, 1)
    harmonic, base = draws.flags(0.4, rows, 1), TAU / draws.log_uniform(4, 400, rows, 1)
    y = torch.zeros(rows, length, device=draws.device)
    for k in range(4):
        free = TAU / draws.log_uniform(3, 400, rows, 1)
        w = torch.where(harmonic, (k + 1) * base, free)
        y += (
            (k < count)
            * draws.log_uniform(0.05, 1, rows, 1)
            * torch.sin(w * t + draws.uniform(0, TAU, rows, 1))
        )
    return y


@family(share=1.5, exact=0.6)
def modulated_tones(draws, rows, length):
    """Sinusoids of slowly varying amplitude (AM 0..0.9, decay 30..2000) and frequency (FM, chirp), trend in
    20 %.
    """
    t = torch.arange(length, device=draws.device)[None].float()
    count = draws.integers(1, 4, rows, 1)
    y = torch.zeros(rows, length, device=draws.device)
    for k in range(3):
        w = TAU / draws.log_uniform(3, 250, rows, 1)
        slow = TAU / draws.log_uniform(20, 600, rows, 1)
        depth = draws.or_zero(0.4, draws.uniform(0, 0.9, rows, 1))
        amplitude = 1 + depth * torch.sin(slow * t + draws.uniform(0, TAU, rows, 1))
        swing = draws.or_zero(0.6, draws.log_uniform(0.1, 3, rows, 1)) * torch.sin(slow * t)
        chirp = draws.or_zero(0.8, draws.uniform(-0.7, 0.7, rows, 1)) * w * t * t / (2 * length)
        jitter = draws.or_zero(0.8, draws.log_uniform(0.003, 0.3, rows, 1)) * draws.normal(
            rows, length
        ).cumsum(1)
        phase = w * t + swing + chirp + jitter + draws.uniform(0, TAU, rows, 1)
        y += (k < count) * draws.log_uniform(0.1, 1, rows, 1) * amplitude * torch.sin(phase)
    y = y + draws.or_zero(0.8, draws.uniform(-3, 3, rows, 1)) * t / length
    decay = torch.where(
        draws.flags(0.25, rows, 1), draws.log_uniform(30, 2000, rows, 1), torch.full((rows, 1), 1e9)
    )
    return y * torch.exp(-t / decay)


@family(share=2.0, exact=0.5)
def oscillator(draws, rows, length):
    """x'' = -c x' - a x - b x^3 + m(1-x^2)x' + F cos(wt): linear, Duffing (a -1..1), Van der Pol (m
    0.05..6), forced.
    """
    kind = draws.integers(0, 3, rows)
    damping = torch.where(
        kind == 2, torch.zeros(rows), draws.or_zero(0.15, draws.log_uniform(0.003, 0.5, rows))
    )
    linear = torch.where(kind == 1, draws.choice([-1.0, 0.0, 1.0], rows), torch.ones(rows))
    cubic = torch.where(kind == 1, draws.log_uniform(0.1, 2, rows), torch.zeros(rows))
    pump = torch.where(kind == 2, draws.log_uniform(0.05, 6, rows), torch.zeros(rows))
    force, w = draws.or_zero(0.4, draws.log_uniform(0.05, 1.5, rows)), draws.log_uniform(0.2, 3, rows)
    start = draws.uniform(0, TAU, rows)

    def rate(x, t, _):
        q, v = x
        push = force * torch.cos(w * t + start)
        return torch.stack([v, push - damping * v - linear * q - cubic * q**3 + pump * (1 - q * q) * v])

    noise = torch.stack([torch.zeros(rows), draws.or_zero(0.65, draws.log_uniform(0.003, 0.6, rows))])
    step = draws.log_uniform(0.04, 1.0, rows)
    path = integrate(
        rate, draws.normal(2, rows), step, length, 4, noise, draws, burn=100 * draws.integer(0, 2)
    )
    return pick(path, draws.flags(0.4, rows).long())


@family(share=1.5, exact=0.5)
def oscillator_chain(draws, rows, length):
    """x'' = -Kx - c x' - b x^3 + f(t), 2-4 masses, K random positive definite, two forcing tones, low
    damping.
    """
    masses = draws.integer(2, 5)
    a = draws.normal(masses, masses, rows) * draws.log_uniform(0.1, 1, rows)
    stiffness = torch.einsum("ijr,kjr->ikr", a, a) / masses
    stiffness += torch.eye(masses)[:, :, None] * draws.log_uniform(0.1, 2, masses, rows)
    damping = draws.or_zero(0.2, draws.log_uniform(0.003, 0.3, masses, rows))
    cubic = draws.or_zero(0.5, draws.log_uniform(0.02, 1, rows))
    force = draws.normal(masses, rows) * draws.or_zero(0.4, draws.log_uniform(0.1, 2, rows))
    w1, w2 = draws.log_uniform(0.1, 2.5, rows), draws.log_uniform(0.1, 2.5, rows)
    second = draws.flags(0.5, rows)

    def rate(x, t, _):
        q, v = x[:masses], x[masses:]
        drive = force * (torch.cos(w1 * t) + second * torch.sin(w2 * t))
        return torch.cat([v, drive - (stiffness * q).sum(1) - damping * v - cubic * q**3])

    noise = draws.or_zero(0.7, draws.log_uniform(0.002, 0.2, rows))
    step = draws.log_uniform(0.03, 0.9, rows)
    path = integrate(
        rate, draws.normal(2 * masses, rows), step, length, 3, noise, draws, 100 * draws.integer(0, 2)
    )
    return pick(path, draws.integers(0, 2 * masses, rows))


@family(share=1.0, exact=0.5)
def parametric_oscillator(draws, rows, length):
    """x'' = -(a + q cos wt) x - c x' - b x^3 (cubic Mathieu), a 0.2..2, q 0.05..1.5, b 0.02..1."""
    a, q = draws.log_uniform(0.2, 2, rows), draws.log_uniform(0.05, 1.5, rows)
    w, c = draws.log_uniform(0.2, 3, rows), draws.log_uniform(0.005, 0.2, rows)
    cubic = draws.log_uniform(0.02, 1, rows)

    def rate(x, t, _):
        return torch.stack([x[1], -(a + q * torch.cos(w * t)) * x[0] - c * x[1] - cubic * x[0] ** 3])

    path = integrate(rate, draws.normal(2, rows), draws.log_uniform(0.05, 0.8, rows), length, 4)
    return pick(path, draws.integers(0, 2, rows))


@family(share=1.0, exact=0.4)
def phase_oscillators(draws, rows, length):
    """Kuramoto: p_i' = w_i + K mean_j sin(p_j - p_i), 3-6 phases, seen as mean field or one cosine."""
    count = draws.integer(3, 7)
    w = draws.log_uniform(0.02, 0.8, rows) * (1 + 0.6 * draws.normal(count, rows))
    coupling = draws.log_uniform(0.01, 1, rows)
    noise = draws.or_zero(0.6, draws.log_uniform(0.005, 0.2, rows))

    def rate(p, t, _):
        s, c = torch.sin(p), torch.cos(p)
        return w + coupling * (s.mean(0) * c - c.mean(0) * s)

    start = draws.uniform(0, TAU, count, rows)
    path = integrate(rate, start, torch.ones(rows), length, 2, noise, draws, bound=1e5)
    single = torch.cos(path[:, 0]).T
    return torch.where(draws.flags(0.4, rows)[:, None], torch.cos(path).mean(1).T, single)
