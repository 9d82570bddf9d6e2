"""Everyday series with events: shifts, promotions, counts, rare demand, outages, limits."""

import torch

from .everyday_parts import (
    counts,
    noise,
    periods,
    poisson,
    season,
    seasons,
    since,
    sizes,
    sloped,
    slow,
    trend,
)
from .registry import family


@family(share=1.0, exact=0.7)
def shifted_season(draws, rows, length):
    """Seasons whose level shifts one to eight times, at once or over some rows, and lone spikes (60 %)."""
    period = periods(draws, rows)
    y = seasons(draws, length, period) + draws.flags(0.5, rows, 1) * sloped(draws, length, period, 0.3)
    y = y + sizes(draws, rows, 0.4) * noise(draws, rows, length)
    shift = draws.flags(draws.uniform(1, 8, rows, 1) / 1056, rows, length)
    level = (shift * draws.normal(rows, length) * draws.log_uniform(0.5, 5, rows, 1)).cumsum(1)
    over = draws.choice([1, 1, 1, 5, 20], rows, 1)
    whole = level.cumsum(1)  # a mean of the last `over` rows
    before = torch.arange(length, device=draws.device)[None] - over
    level = (whole - torch.where(before < 0, 0.0, whole.gather(1, before.clamp_min(0)))) / over
    chance = draws.or_zero(0.4, draws.log_uniform(0.001, 0.02, rows, 1))
    side = draws.choice([-1.0, 1.0, 1.0, 0.0], rows, 1)
    height = torch.where(
        side == 0, draws.normal(rows, length), side * (0.5 + draws.normal(rows, length).abs())
    )
    return y + level + draws.flags(chance, rows, length) * height * draws.uniform(1.5, 8, rows, 1)


@family(share=1.0, exact=0.7)
def promotions(draws, rows, length):
    """Sales with promotions of 1..14 rows, evenly or at random, that lift them by 20..400 % and lower what
    comes after; whole numbers in 60 %.
    """
    depth = draws.uniform(0.05, 0.5, rows, 1)
    base = torch.exp((depth * seasons(draws, length, periods(draws, rows))).clamp(-3, 3))
    base = base * torch.exp(draws.or_zero(0.4, draws.uniform(0.1, 1.2, rows, 1)) * trend(draws, rows, length))
    lasts, every = draws.integers(1, 15, rows, 1), draws.integers(15, 121, rows, 1)
    evenly = (torch.arange(length, device=draws.device)[None] + draws.integers(0, 120, rows, 1)) % every == 0
    starts = torch.where(draws.flags(0.4, rows, 1), evenly, draws.flags(1 / every, rows, length))
    last, age = since(starts)
    lift = draws.log_uniform(0.2, 4, rows, 1) * draws.uniform(0.5, 1.2, rows, length).gather(1, last)
    fades = draws.or_zero(0.5, draws.uniform(0.2, 0.9, rows, 1))
    effect = (age < lasts) * lift * (1 - fades * age / lasts)
    after = (age >= lasts) & (age < 2 * lasts)
    effect = effect - after * draws.or_zero(0.5, draws.uniform(0.05, 0.5, rows, 1))
    y = base * (1 + effect) * (1 + sizes(draws, rows, 0.25) * noise(draws, rows, length)).clamp_min(0)
    scale = draws.log_uniform(5, 500, rows, 1)
    drawn = torch.where(draws.flags(0.5, rows, 1), counts(draws, scale * y), (scale * y).round())
    return torch.where(draws.flags(0.6, rows, 1), drawn, scale * y)


@family(share=1.8, exact=0.7)
def seasonal_counts(draws, rows, length):
    """Counts, Poisson or negative binomial, of a seasonal rate with mean 0.5..300 and a trend; zeros beside
    in 15 %.
    """
    depth = draws.uniform(0.1, 1.2, rows, 1)
    season_of = (depth * seasons(draws, length, periods(draws, rows))).clamp(-4, 2.5)
    growing = draws.or_zero(0.4, draws.uniform(0.1, 2, rows, 1)) * trend(draws, rows, length)
    rate = draws.log_uniform(0.5, 300, rows, 1) * torch.exp(season_of + growing)
    there = draws.flags(1 - draws.or_zero(0.85, draws.uniform(0.05, 0.6, rows, 1)), rows, length)
    return counts(draws, rate) * there


@family(share=1.0, exact=0.7)
def intermittent_demand(draws, rows, length):
    """Rare demand: nothing on most rows, else whole sizes of packs; how often depends on season, trend, the
    time since the last one.
    """
    often = draws.log_uniform(0.04, 0.5, rows, 1)
    drive = draws.or_zero(0.4, draws.uniform(0.3, 1.5, rows, 1)) * season(draws, length, periods(draws, rows))
    drive = drive + draws.or_zero(0.6, draws.uniform(0.5, 2, rows, 1)) * trend(draws, rows, length)
    chance = (often * torch.exp(drive.clamp(-4, 3))).clamp(0.002, 0.95)
    at_random = draws.flags(chance, rows, length)
    due = (chance * draws.uniform(0.7, 1.3, rows, length)).cumsum(1) + draws.uniform(0, 1, rows, 1)
    in_turn = due.floor() != torch.cat([torch.zeros(rows, 1, device=due.device), due[:, :-1]], 1).floor()
    asked = torch.where(draws.flags(0.3, rows, 1), in_turn, at_random)
    mean = draws.or_zero(0.25, draws.log_uniform(0.3, 30, rows, 1)) * torch.ones(1, length, device=due.device)
    pack = draws.choice([1.0, 1.0, 1.0, 2.0, 6.0, 10.0, 12.0], rows, 1)
    return asked * pack * (1 + counts(draws, mean))


@family(share=0.6, exact=0.7)
def outages(draws, rows, length):
    """Seasonal series above 0 that fall to 0 (or hold their last value, 20 %) for 1..80 rows, here and
    there; some catch up behind.
    """
    y = seasons(draws, length, periods(draws, rows)) + sizes(draws, rows, 0.4) * noise(draws, rows, length)
    y = y + draws.or_zero(0.6, draws.uniform(0.5, 3, rows, 1)) * slow(draws, rows, length)
    y = y - y.amin(1, keepdim=True) + draws.uniform(0, 3, rows, 1)
    starts = draws.flags(draws.log_uniform(0.002, 0.02, rows, 1), rows, length)
    last, age = since(starts)
    lasts = (draws.log_uniform(1, 80, rows, length) * draws.uniform(0.1, 1, rows, 1)).ceil().gather(1, last)
    out, behind = age < lasts, (age >= lasts) & (age < 1.3 * lasts + 1)
    y = torch.where(behind, y * (1 + draws.or_zero(0.7, draws.uniform(0.2, 1, rows, 1))), y)
    held = torch.where(draws.flags(0.2, rows, 1), y.gather(1, (last - 1).clamp_min(0)), 0.0)
    return torch.where(out, held, y)


@family(share=0.7, exact=0.7)
def limited_season(draws, rows, length):
    """Seasons against a limit: capacity that clips them and rises at times, a floor of 0, shares that bend
    near 0 and 1.
    """
    period = periods(draws, rows)
    y = seasons(draws, length, period) + sloped(draws, length, period, 0.3).clamp(-4, 4)
    y = y + sizes(draws, rows, 0.4) * noise(draws, rows, length)
    spread = y.std(1, keepdim=True)
    cap = y.mean(1, keepdim=True) + draws.uniform(0.1, 1.5, rows, 1) * spread
    steps = draws.flags(0.4, rows, 1) * draws.flags(0.004, rows, length)
    cap = cap + (steps * draws.uniform(0, 0.6, rows, length)).cumsum(1) * spread
    clipped = torch.minimum(y, cap)
    clipped = torch.where(draws.flags(0.4, rows, 1), torch.maximum(clipped, cap - 2 * spread), clipped)
    share = torch.sigmoid(
        draws.log_uniform(0.7, 4, rows, 1) * (y - cap[:, :1]) / spread + draws.normal(rows, 1) + 1
    )
    return torch.where(draws.flags(0.4, rows, 1), share, clipped)


@family(share=0.4, exact=0.7)
def arrivals(draws, rows, length):
    """Customers present: Poisson arrivals at opening hours, each leaves with a fixed chance a row; nobody
    when it is closed.
    """
    day = draws.choice([12.0, 24.0, 24.0, 48.0, 96.0], rows, 1)
    t = torch.arange(length, device=draws.device)[None] + draws.integers(0, 672, rows, 1)
    hour, weekday = torch.remainder(t, day) / day, (t / day).floor() % 7
    opens, closes = draws.uniform(0.2, 0.45, rows, 1), draws.uniform(0.6, 0.95, rows, 1)
    open_now = (hour >= opens) & (hour < closes) & (weekday < draws.choice([5, 6, 7, 7], rows, 1))
    busy = torch.exp(draws.uniform(0.1, 0.6, rows, 1) * season(draws, length, day).clamp(-3, 3))
    rate = draws.log_uniform(0.3, 60, rows, 1) * busy * open_now
    stay = draws.or_zero(0.3, draws.uniform(0.2, 0.9, rows, 1))
    present, y = torch.zeros(rows, device=draws.device), torch.empty(length, rows, device=draws.device)
    come, open_now = poisson(draws, rate).T, open_now.T
    luck = draws.normal(length, rows)
    for i in range(length):
        remain = present * stay[:, 0] + luck[i] * (present * stay[:, 0] * (1 - stay[:, 0])).sqrt()
        present = torch.minimum(remain.round().clamp_min(0), present) * open_now[i] + come[i]
        y[i] = present
    return y.T
