"""Delayed feedback (the Mackey-Glass equation, x/(1+x^n) production with decay, is held out)."""

import torch

from .registry import family


def delayed(feedback, draws, rows, length, delay, stretch, leak, noise, start, bound=60.0):
    """x' = feedback(x(t - tau)) - leak x by Heun's rule; the delay is `delay` grid steps, tau = `stretch`
    [rows].
    """
    h = stretch / delay
    stride = draws.integer(1, max(2, delay // 3))
    past = start + 0.2 * draws.normal(delay + 1, rows).cumsum(0) / delay**0.5
    ring, x = list(past[:delay]), past[delay]
    y, burn = torch.empty(length, rows, device=draws.device), 5 * delay
    for i in range(burn + length * stride):
        old, ahead = ring[i % delay], ring[(i + 1) % delay]
        k1 = feedback(old) - leak * x
        k2 = feedback(ahead) - leak * (x + h * k1)
        new = x + h / 2 * (k1 + k2) + noise * h.sqrt() * draws.normal(rows)
        ring[i % delay] = x
        x = new.clamp(-bound, bound)
        if i >= burn and (i - burn) % stride == 0:
            y[(i - burn) // stride] = x
    return y.T


def delay_noise(draws, rows):
    return draws.or_zero(0.65, draws.log_uniform(0.005, 0.3, rows))


@family(share=1.2, exact=0.6)
def ikeda_delay(draws, rows, length):
    """x' = g sin(x(t-tau) - phase) - x (g 2..12, tau 1..8), or with sin^2."""
    gain, phase, squared = draws.log_uniform(2, 12, rows), draws.uniform(0, 1.5, rows), draws.flags(0.4, rows)

    def feedback(x):
        s = torch.sin(x - phase)
        return gain * torch.where(squared, s * s, s)

    stretch, start = draws.log_uniform(1, 8, rows), draws.uniform(-1, 2, rows)
    return delayed(
        feedback, draws, rows, length, draws.integer(10, 50), stretch, 1.0, delay_noise(draws, rows), start
    )


@family(share=1.2, exact=0.6)
def blowfly_delay(draws, rows, length):
    """Nicholson's blowflies x' = g x(t-tau) exp(-x(t-tau)) - x, g 3..25, tau 1.5..20."""
    gain = draws.log_uniform(3, 25, rows)

    def feedback(x):
        x = x.clamp(0, 50)
        return gain * x * torch.exp(-x)

    stretch, start = draws.log_uniform(1.5, 20, rows), draws.log_uniform(0.3, 3, rows)
    return delayed(
        feedback, draws, rows, length, draws.integer(10, 50), stretch, 1.0, delay_noise(draws, rows), start
    )


@family(share=1.2, exact=0.6)
def smooth_delay(draws, rows, length):
    """x' = g f(x(t-tau)) - leak x: f = -tanh, -clip, cubic x(1-x^2) or a two-humped random curve; tau
    0.8..12.
    """
    kind, gain = draws.integers(0, 4, rows), draws.log_uniform(1.2, 6, rows)
    leak = torch.where(draws.flags(0.2, rows), torch.zeros(rows), torch.ones(rows))
    w, p = draws.log_uniform(0.7, 3, rows), draws.uniform(0, 6.28, rows)

    def feedback(x):
        cubic = x.clamp(-1.5, 1.5) * (1 - x.clamp(-1.5, 1.5) ** 2)
        curve = torch.cos(w * x + p) * torch.exp(-0.1 * x * x)
        smooth = torch.where(kind == 0, -torch.tanh(x), torch.where(kind == 1, -x.clamp(-1.5, 1.5), cubic))
        return gain * torch.where(kind == 3, curve, smooth)

    stretch, start = draws.log_uniform(0.8, 12, rows), draws.normal(rows)
    return delayed(
        feedback, draws, rows, length, draws.integer(10, 50), stretch, leak, delay_noise(draws, rows), start
    )


@family(share=1.0, exact=0.5)
def delayed_population(draws, rows, length):
    """Hutchinson's u' = r(1 - exp(u(t-tau))) in log population u, r tau 1.2..2.8, observed as u or exp(u)."""
    product, stretch = draws.uniform(1.2, 2.8, rows), draws.log_uniform(1, 10, rows)
    r = product / stretch

    def feedback(u):
        return r * (1 - torch.exp(u.clamp(-10, 4)))

    noise = draws.or_zero(0.65, draws.log_uniform(0.003, 0.1, rows))
    start = draws.uniform(-0.5, 0.5, rows)
    u = delayed(feedback, draws, rows, length, draws.integer(10, 50), stretch, 0.0, noise, start, bound=10)
    return torch.where(draws.flags(0.5, rows)[:, None], torch.exp(u.clamp(-10, 4)), u)


@family(share=1.0, exact=0.4)
def delayed_map(draws, rows, length):
    """x_t = a x_{t-1} + (1-a) f(x_{t-d}), d 3..40, f = humps sin^2, exp(-x^2) or x exp(-x), a 0.5..0.95,
    little noise.
    """
    d, keep, kind = draws.integer(3, 41), draws.uniform(0.5, 0.95, rows), draws.integers(0, 3, rows)
    gain, noise = draws.log_uniform(1.5, 6, rows), draws.or_zero(0.6, draws.log_uniform(0.002, 0.1, rows))
    ring, burn = list(draws.uniform(0, 1, d, rows)), 5 * d
    y = torch.empty(length, rows, device=draws.device)
    kicks = draws.normal(length + burn, rows) * noise
    x = ring[-1]
    for t in range(length + burn):
        old = ring[t % d]
        positive = old.clamp(0, 20)
        hump = torch.where(kind == 1, torch.exp(-2 * (old - 1) ** 2), 3 * positive * torch.exp(-positive))
        x = keep * x + (1 - keep) * gain * torch.where(kind == 0, torch.sin(gain * old) ** 2, hump) + kicks[t]
        ring[t % d] = x
        if t >= burn:
            y[t - burn] = x
    return y.T
