"""Everyday series of statistical models: Gaussian processes, exponential smoothing, seasonal ARIMA, walks."""

import math

import torch

from .everyday_parts import carried, noise, periods, position, profile, rows_of, seasons, sizes, sloped
from .registry import family


def kernel(draws, rows, lag):
    """A kernel of unit variance at the lags [1, n]: RBF, Matern 1/2, 3/2 and 5/2, rational quadratic."""
    kind, r = draws.integers(0, 6, rows, 1), lag / draws.log_uniform(4, 400, rows, 1)
    a, s3, s5 = draws.log_uniform(0.3, 5, rows, 1), math.sqrt(3) * r, math.sqrt(5) * r
    y = torch.exp(-0.5 * r * r)
    y = torch.where(kind == 1, torch.exp(-r), y)
    y = torch.where(kind == 2, (1 + s3) * torch.exp(-s3), y)
    y = torch.where(kind == 3, (1 + s5 + s5 * s5 / 3) * torch.exp(-s5), y)
    return torch.where(kind == 4, (1 + r * r / (2 * a)) ** -a, y)


def harmonics(draws, rows, most=7):
    """Fourier coefficients [rows, most] of periodic kernels exp(-2 sin^2 / width^2); they sum up to 1."""
    x = torch.arange(64, device=draws.device)[None] / 64
    k = torch.exp(-2 * (torch.sin(math.pi * x) / draws.log_uniform(0.4, 3, rows, 1)) ** 2)
    c = torch.fft.rfft(k).real[:, :most].clamp_min(0)
    c[:, 1:] *= 2
    return c / c.sum(1, keepdim=True)


def composed(draws, rows, length):
    """Draws of unit Gaussian processes: a kernel (30 %: a product of two), in 60 % times a periodic one; a
    periodic one alone in 20 %.

    The periodic kernel is a sum of cosines and each cosine a wave whose complex size is a draw of the other
    kernel; that is drawn through its spectrum on a circle of twice the length.
    """
    circle = 2 * length
    index = torch.arange(circle, device=draws.device)
    lag = torch.minimum(index, circle - index)[None].float()
    k = kernel(draws, rows, lag)
    k = torch.where(draws.flags(0.3, rows, 1), k * kernel(draws, rows, lag), k)
    periodic = draws.flags(0.6, rows, 1)
    k = torch.where(periodic & draws.flags(0.35, rows, 1), 1.0, k)
    c = harmonics(draws, rows)
    n = torch.arange(c.shape[1], device=draws.device)[None]
    c = torch.where(periodic, c, (n == 0).float())
    spread = torch.fft.fft(k).real.clamp_min(0).sqrt()[:, None] * c.sqrt()[:, :, None]
    e = torch.complex(draws.normal(*spread.shape), draws.normal(*spread.shape))
    size = torch.fft.ifft(spread * e)[:, :, :length] * math.sqrt(circle)
    angle = (2 * math.pi) * torch.remainder(
        n[:, :, None] * rows_of(draws, length) / periods(draws, rows)[:, :, None], 1
    )
    return (size.real * torch.cos(angle) + size.imag * torch.sin(angle)).sum(1)


@family(share=2.4, exact=0.6, curved=False)
def kernel_composition(draws, rows, length):
    """Gaussian processes of one or two products of kernels (smooth, rough, periodic), added; in 20 % one
    grows with time; white noise (70 %), a line (30 %).
    """
    u = rows_of(draws, length) / length
    fan = u - draws.uniform(-0.3, 1.3, rows, 1)
    one, two = composed(draws, rows, length), composed(draws, rows, length)
    y = one + draws.or_zero(0.3, draws.log_uniform(0.05, 1, rows, 1)) * two
    y = torch.where(draws.flags(0.2, rows, 1), one + 3 * fan * two, y)
    y = y + draws.or_zero(0.3, draws.log_uniform(0.005, 0.7, rows, 1)) * draws.normal(rows, length)
    return y + draws.or_zero(0.7, draws.normal(rows, 1) * draws.log_uniform(1, 8, rows, 1)) * u


@family(share=2.0, exact=0.7, curved=False)
def exponential_smoothing(draws, rows, length):
    """Level, (damped) slope and season that one error a row corrects, of random smoothing; the season adds,
    or multiplies (35 %) a level far from 0.
    """
    period = periods(draws, rows).round()
    e = draws.normal(rows, length) * draws.log_uniform(0.03, 0.6, rows, 1)
    alpha = torch.where(
        draws.flags(0.2, rows, 1), draws.uniform(0.5, 1, rows, 1), draws.log_uniform(0.005, 0.5, rows, 1)
    )
    beta = draws.or_zero(0.4, draws.log_uniform(0.01, 0.2, rows, 1)) * alpha
    damping = torch.where(draws.flags(0.5, rows, 1), 1.0, 1 - draws.log_uniform(0.005, 0.2, rows, 1))
    gamma = draws.or_zero(0.3, draws.log_uniform(0.01, 0.5, rows, 1)) * (1 - alpha)
    start = draws.or_zero(0.4, draws.normal(rows, 1) * draws.log_uniform(0.003, 0.5, rows, 1) / period)
    pushes = torch.cat([start, beta * e[:, 1:] * (period >= 4) / period.sqrt()], 1)
    level = (alpha * e + carried(pushes, damping)).cumsum(1)
    cycle = profile(draws, position(draws, length, period)) + carried(gamma * e, 1.0, period.long())
    height = draws.uniform(1.5, 6, rows, 1) - level.amin(1, keepdim=True).clamp(max=0)
    added = level + cycle
    times = (level + height) * (1 + draws.uniform(0.1, 0.5, rows, 1) * cycle)
    smooth = torch.where(draws.flags(0.35, rows, 1), times, added)
    return torch.cat([smooth[:, :1], smooth[:, :-1]], 1) + e


@family(share=1.9, exact=0.6, curved=False)
def seasonal_arima(draws, rows, length):
    """ARIMA with seasonal roots: AR(1..3), a moving average, a seasonal AR of 0.3..1 with its moving average;
    summed once in 30 %.
    """
    period, burn = periods(draws, rows).round().long(), 800
    e = draws.normal(rows, length + burn)
    index = torch.arange(length + burn, device=draws.device)[None]

    def lagged(x, lag):
        return torch.where(index >= lag, x.gather(1, (index - lag).clamp_min(0).expand(x.shape)), 0.0)

    root = torch.where(draws.flags(0.4, rows, 1), 1.0, 1 - draws.log_uniform(0.005, 0.7, rows, 1))
    opposed = draws.or_zero(0.25, draws.uniform(0.1, 0.95, rows, 1)) * (root > 0.8)
    begun = torch.where((index >= burn - period) & (index < burn), draws.log_uniform(0.5, 8, rows, 1), 1.0)
    y = carried(begun * e - opposed * root * lagged(e, period), root, period)
    y = y + draws.or_zero(0.4, draws.uniform(-0.8, 0.8, rows, 1)) * lagged(y, 1)
    y = carried(y, draws.or_zero(0.3, draws.uniform(-0.5, 0.95, rows, 1)))
    radius, angle = draws.uniform(0.3, 0.98, rows, 1), draws.uniform(0.05, 3, rows, 1)
    wave = carried(y.to(torch.complex64), torch.polar(radius, angle)).real
    y = torch.where(draws.flags(0.25, rows, 1), wave, y)[:, burn:]
    y = y / (y.std(1, keepdim=True) + 1e-6)
    drift = draws.or_zero(0.5, draws.normal(rows, 1) * draws.log_uniform(0.01, 0.3, rows, 1))
    return torch.where(draws.flags(0.3, rows, 1), (y + drift).cumsum(1), y)


@family(share=1.0, exact=0.7, curved=False)
def seasonal_walk(draws, rows, length):
    """A random walk with drift below one to three seasons; the season outweighs the walk of a season by
    0.3..10.
    """
    period = periods(draws, rows)
    walk = (draws.innovations(rows, length) / period.sqrt()).cumsum(1)
    walk = walk / draws.log_uniform(0.3, 10, rows, 1)
    y = seasons(draws, length, period) + walk + sloped(draws, length, period, 0.5)
    return y + draws.or_zero(0.5, sizes(draws, rows, 0.3)) * noise(draws, rows, length)
