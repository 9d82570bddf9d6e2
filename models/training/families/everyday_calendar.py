"""Everyday series that follow the real calendar: months of unequal length, moving holidays, daylight."""

import calendar
from functools import cache

import torch

from .everyday_parts import carried, counts, noise, profile, rows_of, season, sizes, trend
from .registry import family

FIRST, LAST = 1900, 2300  # years of the tables
YEAR = 365.2425


@cache
def weekdays_of_months():
    """How often each weekday is in each month of the years of the tables [months, 7]."""
    counted = []
    for year in range(FIRST, LAST):
        for month in range(1, 13):
            first, days = calendar.monthrange(year, month)
            counted.append([4 + ((weekday - first) % 7 < days - 28) for weekday in range(7)])
    return torch.tensor(counted, dtype=torch.float32)


def easter(year):
    """Days from 1 March to Easter Sunday (Gauss; Gregorian calendar)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    return d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 21


@cache
def holidays():
    """Days of holidays since the first year began [4, years]: a fixed date, Easter, a weekday of a month, a
    new moon.
    """
    dates = []
    for year in range(FIRST, LAST):
        begin = (year - FIRST) * YEAR
        weekday = begin + 325 + (3 - (begin + 325)) % 7
        moon = begin + 20 + (-(begin + 20)) % 29.5306
        dates.append([begin + 358, begin + 59 + easter(year), weekday, moon])
    return torch.tensor(dates).T.floor().contiguous()


@family(share=0.8, exact=0.7)
def monthly_sums(draws, rows, length):
    """Sums of months (quarters: 20 %) of a daily rate that differs by weekday: 28 to 31 days, four or five
    Sundays; yearly season, trend.
    """
    together = 3 if draws.flags(0.2, 1) else 1
    table = weekdays_of_months().to(draws.device)
    begin = draws.integers(0, len(table) // 12 - (length * together) // 12 - 1, rows, 1) * 12
    month = begin + torch.arange(length * together, device=draws.device)[None]
    by_day = torch.where(draws.flags(0.4, rows, 1), 1.0, draws.uniform(0, 1.5, rows, 7))
    days = (table[month] * by_day[:, None, :]).sum(2)
    days = days.reshape(rows, length, together).sum(2)
    period = torch.full((rows, 1), 12.0 / together, device=draws.device)
    factor = draws.or_zero(0.15, draws.log_uniform(0.02, 0.3, rows, 1)) * season(draws, length, period)
    level = torch.exp(draws.or_zero(0.2, draws.log_uniform(0.1, 2.5, rows, 1)) * trend(draws, rows, length))
    y = days * level * (1 + factor) * (1 + sizes(draws, rows, 0.1, 0.002) * noise(draws, rows, length))
    return torch.where(draws.flags(0.3, rows, 1), (y * draws.log_uniform(0.3, 30, rows, 1)).round(), y)


@family(share=0.9, exact=0.7)
def moving_holidays(draws, rows, length):
    """Days or (40 %) weeks with a year's season, weekdays, the days around a payday and one to three
    holidays: fixed, Easter, by weekday, by the moon.
    """
    every = 7 if draws.flags(0.4, 1) else 1
    span = length * every
    begin = draws.integers(0, int((LAST - FIRST - 2) * YEAR) - span, rows, 1)
    t = begin + torch.arange(span, device=draws.device)[None]
    year = (t / YEAR).floor().long()
    yearly, weekday = torch.remainder(t / YEAR, 1), (t % 7) / 7
    y = draws.or_zero(0.1, draws.log_uniform(0.1, 1, rows, 1)) * profile(draws, yearly)
    y = y + draws.or_zero(0.2, draws.log_uniform(0.1, 1, rows, 1)) * profile(draws, weekday)
    month_day = torch.remainder(yearly * 12, 1) * 30.4
    paid = torch.exp(-month_day / draws.uniform(1, 4, rows, 1))
    y = y + draws.or_zero(0.6, draws.normal(rows, 1)) * paid
    table, near = holidays().to(draws.device), torch.arange(-1, 2, device=draws.device)
    for chance in (0.0, 0.5, 0.7):
        dates = table[draws.integers(0, len(table), rows)]
        gaps = [t - dates.gather(1, (year + k).clamp(0, dates.shape[1] - 1)) for k in near.tolist()]
        gap = torch.stack(gaps).gather(0, torch.stack(gaps).abs().argmin(0)[None])[0]
        before, after = draws.log_uniform(0.3, 20, rows, 1), draws.log_uniform(0.3, 6, rows, 1)
        bump = torch.exp(torch.where(gap < 0, gap / before, -gap / after))
        closed = draws.or_zero(0.5, draws.uniform(0, 1, rows, 1)) * (gap.abs() < 1)
        size = draws.or_zero(
            chance, draws.choice([-1.0, 1.0, 1.0], rows, 1) * draws.log_uniform(0.5, 5, rows, 1)
        )
        y = y + size * (bump - closed)
    y = y.reshape(rows, length, every).mean(2)
    y = y + draws.or_zero(0.4, draws.log_uniform(0.1, 3, rows, 1)) * trend(draws, rows, length)
    y = y + sizes(draws, rows, 0.3) * noise(draws, rows, length)
    whole = counts(draws, draws.log_uniform(3, 100, rows, 1) * torch.exp((0.5 * y).clamp(-3, 3)))
    return torch.where(draws.flags(0.25, rows, 1), whole, y)


@family(share=1.0, exact=0.7)
def daylight(draws, rows, length):
    """Sun, 8..144 rows a day: a sinusoid clipped to 0 at night, days that lengthen over the year, clear or
    cloudy days, passing clouds; a limit in 20 %.
    """
    day = draws.choice([8.0, 12.0, 24.0, 24.0, 24.0, 48.0, 96.0, 144.0], rows, 1)
    t = rows_of(draws, length) + (draws.uniform(0, 1, rows, 1) * day).floor()
    number = (t / day).floor()
    year = draws.choice([365.25, 365.25, 120.0, 40.0], rows, 1)
    tilt = draws.uniform(-0.3, 0.4, rows, 1) + draws.uniform(0, 0.5, rows, 1) * torch.cos(
        6.2832 * (number / year + draws.uniform(0, 1, rows, 1))
    )
    sun = (tilt - torch.cos(6.2832 * torch.remainder(t, day) / day)).clamp_min(0)
    sun = sun ** draws.uniform(0.8, 1.6, rows, 1)
    each = (number - number[:, :1]).long()
    sky = carried(draws.normal(rows, length), draws.uniform(0, 0.7, rows, 1)).gather(1, each)
    sky = torch.sigmoid(draws.uniform(0, 2.5, rows, 1) * sky + draws.uniform(0, 2, rows, 1))
    keep = 1 - draws.log_uniform(0.05, 0.6, rows, 1)
    cloud = carried(draws.normal(rows, length) * torch.sqrt(1 - keep * keep), keep)
    thick = draws.or_zero(0.2, draws.uniform(0, 0.9, rows, 1)) * 4 * sky * (1 - sky)
    y = sun * sky * (1 - thick * torch.sigmoid(3 * cloud))
    limit = torch.where(
        draws.flags(0.2, rows, 1), draws.uniform(0.4, 0.9, rows, 1), torch.full((rows, 1), 9.0)
    )
    return torch.minimum(y, limit * y.amax(1, keepdim=True))
