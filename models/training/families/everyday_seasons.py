"""Everyday series made of trend and season: sales, loads, traffic, passengers."""

import torch

from .everyday_parts import (
    carried,
    noise,
    periods,
    position,
    profile,
    rows_of,
    season,
    seasons,
    sizes,
    sloped,
    slow,
    trend,
)
from .registry import family


@family(share=3.6, exact=0.6)
def trend_season(draws, rows, length):
    """One to three nested seasons of 4..400 rows with evolving shapes, a trend of up to 1.2 seasons' size a
    season, noise.
    """
    period = periods(draws, rows)
    y = seasons(draws, length, period) + sloped(draws, length, period)
    return y + sizes(draws, rows) * noise(draws, rows, length)


@family(share=1.8, exact=0.6)
def multiplicative_season(draws, rows, length):
    """Level times season: a positive level with a trend, one to three factors, noise in proportion to it."""
    depth = draws.log_uniform(0.03, 0.8, rows, 1)
    level = torch.exp(draws.or_zero(0.2, draws.log_uniform(0.1, 2, rows, 1)) * trend(draws, rows, length))
    factor = seasons(draws, length, periods(draws, rows))
    curved = draws.flags(0.5, rows, 1)
    factor = torch.where(curved, torch.exp((depth * factor).clamp(-4, 2)), (1 + depth * factor).clamp_min(0))
    return level * factor * (1 + sizes(draws, rows) * depth * noise(draws, rows, length)).clamp_min(0)


def growth(draws, rows, length, period):
    """A level that grows by 2..25 % a season: evenly, linearly, S-shaped, by a power, in stretches; its
    logarithm stays within 7.
    """
    t, kind = rows_of(draws, length), draws.integers(0, 6, rows, 1)
    rate = (draws.log_uniform(0.02, 0.25, rows, 1) / period.clamp(max=60)).clamp(max=7 / length)
    fast = draws.log_uniform(0.003, 0.015, rows, 1)
    stretches = (fast * (draws.held(rows, length, 80, 400) + 0.5)).cumsum(1)
    within = torch.remainder(stretches + 3, 12)  # there and back again between -3 and 3
    stretches = torch.where(within < 6, within, 12 - within) - 3
    middle = draws.uniform(0.1, 0.9, rows, 1) * length
    bent = draws.uniform(1, 3, rows, 1) * torch.sigmoid((t - middle) * fast * 2)
    lines = torch.log1p(t * draws.log_uniform(0.001, 0.05, rows, 1))
    power = draws.uniform(0.5, 3, rows, 1) * torch.log1p(t / draws.log_uniform(30, 600, rows, 1))
    y = rate * t
    for k, other in ((1, stretches), (2, stretches), (3, bent), (4, lines), (5, power)):
        y = torch.where(kind == k, other, y)
    return torch.exp(y.clamp(-3, 7))


@family(share=2.2, exact=0.7)
def growing_season(draws, rows, length):
    """Passengers and the like: a level that grows and a season that grows with its power 0.6..1.2, so that
    the future leaves the past's range.
    """
    period = periods(draws, rows)
    level = growth(draws, rows, length, period)
    depth = draws.log_uniform(0.03, 0.4, rows, 1)
    power = torch.where(draws.flags(0.6, rows, 1), 1.0, draws.uniform(0.6, 1.2, rows, 1))
    moving = seasons(draws, length, period).clamp(-4, 4) + sizes(draws, rows, 0.8) * noise(
        draws, rows, length
    )
    return level + depth * level**power * moving


@family(share=1.0, exact=0.7)
def strong_trend(draws, rows, length):
    """Trends with little season (none in half) and little noise, and meters: sums of a seasonal rate."""
    period = periods(draws, rows)
    small = draws.or_zero(0.5, draws.log_uniform(0.01, 0.3, rows, 1)) * seasons(draws, length, period)
    rough = sizes(draws, rows, 0.3, 0.002) * noise(draws, rows, length)
    steady = draws.log_uniform(1, 12, rows, 1) * trend(draws, rows, length)
    level = torch.where(draws.flags(0.4, rows, 1), growth(draws, rows, length, period), steady)
    rate = (1 + draws.uniform(0.2, 2, rows, 1) * seasons(draws, length, period) + 5 * rough).clamp_min(0)
    spread = level.std(1, keepdim=True)
    meter = rate.cumsum(1) * draws.choice([1.0, 1.0, 0.1], rows, 1)
    return torch.where(draws.flags(0.25, rows, 1), meter, level + spread * (small + rough))


@family(share=2.6, exact=0.6)
def weekly_load(draws, rows, length):
    """Loads, calls and traffic of 4..144 rows a day: working days, Saturdays and Sundays have their shapes, a
    day its own size; holidays.
    """
    day = draws.choice([24] * 8 + [48, 48, 96, 12, 8, 6, 4, 144], rows, 1)
    t = torch.arange(length, device=draws.device)[None] + draws.integers(0, 1008, rows, 1)
    number, hour = t // day, (t % day) / day
    free_days = draws.choice([1, 2, 2, 2], rows, 1)
    weekday = number % 7
    work, rest = profile(draws, hour), profile(draws, hour)
    alike, lower = draws.uniform(0, 1, rows, 1), draws.uniform(0.2, 1.1, rows, 1)
    rest = lower * (alike * work + (1 - alike) * rest) - draws.or_zero(0.3, draws.uniform(0, 1.5, rows, 1))
    holiday = draws.flags(draws.or_zero(0.6, draws.uniform(0.005, 0.04, rows, 1)), rows, length)
    each = number - number[:, :1]
    free = (weekday >= 7 - free_days) | holiday.gather(1, each)
    half = (weekday == 5) * draws.or_zero(0.5, draws.uniform(0, 1, rows, 1))
    y = torch.where(free, rest + half * (work - rest), work)
    daily = carried(draws.normal(rows, length), draws.uniform(0, 0.9, rows, 1)).gather(1, each)
    y = y * (1 + draws.or_zero(0.3, draws.log_uniform(0.01, 0.25, rows, 1)) * daily)
    y = y + draws.or_zero(0.4, draws.log_uniform(0.05, 1, rows, 1)) * slow(draws, rows, length)
    y = y + draws.or_zero(0.5, draws.log_uniform(0.05, 3, rows, 1)) * trend(draws, rows, length)
    return y + sizes(draws, rows, 0.4) * noise(draws, rows, length) * torch.where(
        draws.flags(0.5, rows, 1), 1.0, (y - y.amin(1, keepdim=True)) / 3
    )


@family(share=0.6, exact=0.7)
def seasonal_volatility(draws, rows, length):
    """A Gaussian AR(1) of 0.3..0.97 whose innovations swell and sink with the season; a mean that follows one
    in half.
    """
    period = periods(draws, rows)
    at = position(draws, length, period)
    swell = draws.uniform(0.5, 1.5, rows, 1) * profile(draws, at)
    keep = 1 - draws.log_uniform(0.03, 0.7, rows, 1)
    y = carried(torch.exp(swell.clamp(-1.0, 0.9)) * draws.normal(rows, length), keep)
    mean = draws.or_zero(0.5, draws.log_uniform(0.3, 3, rows, 1)) * season(draws, length, period)
    return y / y.std(1, keepdim=True) + mean


@family(share=0.7, exact=0.6)
def driven_load(draws, rows, length):
    """Heating and cooling: a temperature of year, day and passing weather; the load grows beyond a comfort
    band, times the day's shape; or the temperature (30 %).
    """
    day = draws.choice([1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 24.0], rows, 1)
    year = (day * draws.choice([12.0, 30.0, 52.0, 90.0, 365.25], rows, 1)).clamp(max=9000)
    t, turn = rows_of(draws, length), 6.2832
    hour = position(draws, length, day)
    warm = torch.cos(turn * (t / year + draws.uniform(0, 1, rows, 1)))
    keep = 1 - draws.log_uniform(0.1, 0.6, rows, 1) / day.clamp(max=8)
    weather = carried(draws.normal(rows, length) * torch.sqrt(1 - keep * keep), keep)
    daily = (day > 1) * draws.uniform(0.1, 0.8, rows, 1) * (1 + 0.4 * warm)
    heat = warm + draws.log_uniform(0.05, 0.5, rows, 1) * weather + daily * torch.cos(turn * hour)
    cold, hot = draws.uniform(-0.8, 0.5, rows, 1), draws.uniform(0, 0.8, rows, 1)
    power = (cold - heat).clamp_min(0) * draws.uniform(0, 1, rows, 1)
    power = power + (heat - cold - hot).clamp_min(0) * draws.uniform(0, 1, rows, 1)
    shape = 1 + (day >= 4) * draws.uniform(0.05, 0.4, rows, 1) * profile(draws, hour)
    weekly = position(draws, length, 7 * day)
    shape = shape * (1 - draws.or_zero(0.3, draws.uniform(0.03, 0.3, rows, 1)) * (weekly > 5 / 7))
    base = draws.uniform(0.2, 1.5, rows, 1)
    load = (base + power) * shape * (1 + sizes(draws, rows, 0.1) * noise(draws, rows, length))
    return torch.where(draws.flags(0.3, rows, 1), heat, load)
