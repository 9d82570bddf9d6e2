"""Continuous-time chaotic, excitable and random systems (Lorenz-63 is held out and not among them)."""

import torch

from .integrate import integrate, pick
from .registry import family


def on_attractor(rate, draws, rows, length, dimension, step, spread=1.0, burn=200, bound=100.0, substeps=3):
    """A noise-free (70 %) or lightly perturbed path after a burn-in, one random component a row."""
    noise = draws.or_zero(0.7, draws.log_uniform(0.003, 0.1, rows))
    state = draws.normal(dimension, rows) * spread
    path = integrate(rate, state, step, length, substeps, noise, draws, burn, bound)
    return pick(path, draws.integers(0, dimension, rows))


@family(share=1.2, exact=0.5)
def roessler(draws, rows, length):
    """x'=-y-z, y'=x+ay, z'=b+z(x-c); a 0.1..0.35, b 0.1..0.4, c 3..10; step 0.05..0.9."""
    a, b, c = draws.uniform(0.1, 0.35, rows), draws.uniform(0.1, 0.4, rows), draws.uniform(3, 10, rows)

    def rate(s, t, _):
        x, y, z = s
        return torch.stack([-y - z, x + a * y, b + z * (x - c)])

    return on_attractor(rate, draws, rows, length, 3, draws.log_uniform(0.05, 0.9, rows), substeps=6)


@family(share=1.0, exact=0.5)
def lorenz84(draws, rows, length):
    """x'=-y^2-z^2-ax+aF, y'=xy-bxz-y+G, z'=bxy+xz-z; a 0.2..0.3, b 3..5, F 6..9, G 0.8..1.3; step .02...3."""
    a, b = draws.uniform(0.2, 0.3, rows), draws.uniform(3, 5, rows)
    f, g = draws.uniform(6, 9, rows), draws.uniform(0.8, 1.3, rows)

    def rate(s, t, _):
        x, y, z = s
        return torch.stack([-y * y - z * z - a * (x - f), x * y - b * x * z - y + g, b * x * y + x * z - z])

    return on_attractor(rate, draws, rows, length, 3, draws.log_uniform(0.02, 0.3, rows), substeps=4)


@family(share=1.2, exact=0.5)
def lorenz96(draws, rows, length):
    """x_i'=(x_{i+1}-x_{i-2})x_{i-1}-x_i+F on a ring of 4-8 sites, F 4..12; step 0.01..0.2."""
    sites, force = draws.integer(4, 9), draws.uniform(4, 12, rows)

    def rate(x, t, _):
        return (x.roll(-1, 0) - x.roll(2, 0)) * x.roll(1, 0) - x + force

    return on_attractor(rate, draws, rows, length, sites, draws.log_uniform(0.01, 0.2, rows))


@family(share=0.8, exact=0.5)
def chua(draws, rows, length):
    """x'=a(y-x-h(x)), y'=x-y+z, z'=-by, h piecewise linear (-8/7, -5/7); a 8.5..15.6, b 14..28; step
    0.02..0.3.
    """
    a = draws.uniform(8.5, 15.6, rows)
    b = a * draws.uniform(1.55, 1.8, rows)

    def rate(s, t, _):
        x, y, z = s
        diode = -5 / 7 * x - 3 / 14 * ((x + 1).abs() - (x - 1).abs())
        return torch.stack([a * (y - x - diode), x - y + z, -b * y])

    return on_attractor(rate, draws, rows, length, 3, draws.log_uniform(0.02, 0.3, rows), 0.3, bound=20)


@family(share=1.0, exact=0.5)
def cyclic_flows(draws, rows, length):
    """Halvorsen x'=-ax-4y-4z-y^2 (cyclic, a 1.3..1.9) or Thomas x'=sin y - bx (cyclic, b 0.1..0.25)."""
    thomas = draws.flags(0.5, rows)
    a, b = draws.uniform(1.3, 1.9, rows), draws.uniform(0.1, 0.25, rows)

    def rate(s, t, _):
        y, z = s.roll(-1, 0), s.roll(-2, 0)
        return torch.where(thomas, torch.sin(y) - b * s, -a * s - 4 * y - 4 * z - y * y)

    fast, slow = draws.log_uniform(0.01, 0.12, rows), draws.log_uniform(0.1, 1.0, rows)
    return on_attractor(rate, draws, rows, length, 3, torch.where(thomas, slow, fast), substeps=4, bound=40)


@family(share=0.8, exact=0.5)
def rabinovich_fabrikant(draws, rows, length):
    """x'=y(z-1+x^2)+gx, y'=x(3z+1-x^2)+gy, z'=-2z(a+xy); g 0.05..0.15, a 0.5..1.2; step 0.03..0.4."""
    g, a = draws.uniform(0.05, 0.15, rows), draws.uniform(0.5, 1.2, rows)

    def rate(s, t, _):
        x, y, z = s
        rows_of = [y * (z - 1 + x * x) + g * x, x * (3 * z + 1 - x * x) + g * y, -2 * z * (a + x * y)]
        return torch.stack(rows_of)

    return on_attractor(
        rate, draws, rows, length, 3, draws.log_uniform(0.03, 0.4, rows), 0.3, bound=8, substeps=6
    )


@family(share=1.2, exact=0.5)
def sprott(draws, rows, length):
    """Sprott's three-dimensional cases A, D, F, G, H, L (one quadratic term or two, none of Lorenz type);
    step 0.05..0.8.
    """
    case = draws.integers(0, 6, rows)

    def rate(s, t, _):
        x, y, z = s
        cases = [
            (y, -x + y * z, 1 - y * y),
            (-y, x + z, x * z + 3 * y * y),
            (y + z, -x + 0.5 * y, x * x - z),
            (0.4 * x + z, x * z - y, -x + y),
            (-y + z * z, x + 0.5 * y, x - z),
            (y + 3.9 * z, 0.9 * x * x - y, 1 - x),
        ]
        out = torch.stack(cases[0])
        for k in range(1, 6):
            out = torch.where(case == k, torch.stack(cases[k]), out)
        return out

    step = draws.log_uniform(0.05, 0.8, rows)
    return on_attractor(rate, draws, rows, length, 3, step, 0.2, bound=15, burn=50, substeps=3)


@family(share=1.0, exact=0.4)
def jerk_flows(draws, rows, length):
    """x'''=-a x'' - x' + g(x), g = |x|-1, x^2-type, sinh-type or clipped; a 0.35..0.9; step 0.1..0.9."""
    a, kind = draws.uniform(0.35, 0.9, rows), draws.integers(0, 3, rows)

    def rate(s, t, _):
        x, v, w = s
        g = torch.where(
            kind == 0, x.abs() - 1, torch.where(kind == 1, 2 * torch.tanh(2 * x) - x, 0.6 - x * x)
        )
        damp = torch.where(kind == 0, a.clamp(0.5, 0.7), a)
        return torch.stack([v, w, -damp * w - v + g])

    step = draws.log_uniform(0.1, 0.9, rows)
    return on_attractor(rate, draws, rows, length, 3, step, 0.2, bound=15, burn=50, substeps=3)


@family(share=2.0, exact=0.4)
def quadratic_flow(draws, rows, length):
    """x_i' = Q_ijk x_j x_k - d_i x_i + F_i, x.Qxx = 0 (energy preserved), 4-6 dimensions, d 0.05..0.8; step
    0.02..0.3.
    """
    n = draws.integer(4, 7)
    q = draws.normal(n, n, n, rows)
    q = q + q.transpose(1, 2)
    q = q - (q.permute(1, 0, 2, 3) + q.permute(2, 1, 0, 3)) / 2
    q = q * 0.6 / n
    damping = draws.log_uniform(0.05, 0.8, n, rows)
    force = draws.normal(n, rows) * draws.log_uniform(2, 10, rows)

    def rate(x, t, _):
        return ((q * x).sum(2) * x).sum(1) - damping * x + force

    return on_attractor(rate, draws, rows, length, n, draws.log_uniform(0.02, 0.3, rows), burn=60, bound=60)


@family(share=2.5, exact=0.4)
def neural_flow(draws, rows, length):
    """x' = -x + W2 tanh(W1 x + b) + J tanh x, 2-5 dimensions, 10 units, J antisymmetric, gain 1.5..7; step
    0.03..0.7.
    """
    n, units = draws.integer(2, 6), 10
    w1 = draws.normal(units, n, rows) * 1.2 / n**0.5
    b1 = draws.normal(units, rows) * 0.4
    w2 = draws.normal(n, units, rows) * draws.log_uniform(1.5, 7, rows) * 1.5 / units**0.5
    j = draws.normal(n, n, rows)
    j = (j - j.transpose(0, 1)) * draws.log_uniform(0.3, 4, rows)

    def rate(x, t, _):
        hidden = torch.tanh((w1 * x).sum(1) + b1)
        return (w2 * hidden).sum(1) + (j * torch.tanh(x)).sum(1) - x

    noise = draws.or_zero(0.55, draws.log_uniform(0.01, 0.5, rows))
    step, burn = draws.log_uniform(0.03, 0.7, rows), draws.integer(0, 2) * 100
    path = integrate(rate, draws.normal(n, rows), step, length, 2, noise, draws, burn)
    return pick(path, draws.integers(0, n, rows))


@family(share=1.5, exact=0.4)
def driven_neural_flow(draws, rows, length):
    """x' = -x + W2 tanh(W1 x + B u + b), 2-4 dimensions, 8 units, u a held command or a sinusoid; step
    0.03..0.7.
    """
    n, units = draws.integer(2, 5), 8
    w1, w2 = draws.normal(units, n, rows) / n**0.5, draws.normal(n, units, rows)
    w2 = w2 * draws.log_uniform(1, 5, rows) / units**0.5
    b1, bu = draws.normal(units, rows) * 0.4, draws.normal(units, rows) * draws.log_uniform(0.1, 1.5, rows)
    period = draws.log_uniform(5, 200, rows, 1)
    wave = torch.sin(6.2832 * torch.arange(length, device=draws.device)[None] / period)
    command = torch.where(draws.flags(0.5, rows, 1), draws.held(rows, length), wave).T.contiguous()

    def rate(x, t, i):
        return (w2 * torch.tanh((w1 * x).sum(1) + bu * command[i] + b1)).sum(1) - x

    path = integrate(rate, draws.normal(n, rows), draws.log_uniform(0.03, 0.7, rows), length, 2)
    return pick(path, draws.integers(0, n, rows))


@family(share=1.2, exact=0.4)
def populations(draws, rows, length):
    """Predator and prey: Lotka-Volterra x'=x(a-by), y'=y(cx-e), or with saturation (Rosenzweig-MacArthur);
    log coordinates.
    """
    saturating = draws.flags(0.5, rows)
    a, b, c, e = draws.log_uniform(0.4, 2, 4, rows)
    capacity = draws.log_uniform(2, 8, rows)

    def rate(s, t, _):
        x, y = torch.exp(s.clamp(-12, 5))
        grow = torch.where(saturating, a * (1 - x / capacity) - b * y / (1 + x), a - b * y)
        eat = torch.where(saturating, c * x / (1 + x) - 0.4 * e, 0.5 * c * x - e)
        return torch.stack([grow, eat])

    noise = draws.or_zero(0.5, draws.log_uniform(0.005, 0.1, rows))
    start = draws.uniform(-1.5, 0.7, 2, rows)
    path = integrate(rate, start, draws.log_uniform(0.05, 0.8, rows), length, 3, noise, draws, bound=12)
    return torch.exp(pick(path, draws.integers(0, 2, rows)).clamp(-12, 5))


@family(share=1.0, exact=0.4)
def excitable(draws, rows, length):
    """FitzHugh-Nagumo v'=s(v-v^3/3-w+I), w'=e(v+0.7-0.8w), s 1.5..5, e 0.08..0.4, I 0.2..1.2 constant, held
    or noisy; step 0.05..0.8.
    """
    current = draws.uniform(0.2, 1.2, rows)
    pulses = draws.held(rows, length, 5, 100).T * draws.or_zero(0.5, draws.log_uniform(0.1, 0.6, rows))
    speed, slow = draws.log_uniform(1.5, 5, rows), draws.log_uniform(0.08, 0.4, rows)

    def rate(s, t, i):
        v, w = s
        return torch.stack([speed * (v - v**3 / 3 - w + current + pulses[i]), slow * (v + 0.7 - 0.8 * w)])

    noise = draws.or_zero(0.6, draws.log_uniform(0.005, 0.2, rows))
    path = integrate(rate, draws.normal(2, rows), draws.log_uniform(0.05, 0.8, rows), length, 4, noise, draws)
    return pick(path, draws.integers(0, 2, rows))
