"""What everyday series are put together from: seasons, trends, noise, events; no family by itself."""

import math

import torch

GRID = 384  # points of a season's shape
# rows of a season, the common ones more often: quarters, weekdays, months, hours, half-hours, weeks, days
CALENDAR = [4.0] * 2 + [5.0, 6.0] + [7.0] * 5 + [8.0, 10.0] + [12.0] * 6 + [20.0] + [24.0] * 7 + [30.0, 36.0]
CALENDAR += (
    [48.0] * 2 + [52.0] * 3 + [60.0, 84.0, 96.0, 96.0, 144.0, 168.0, 168.0, 288.0, 336.0, 365.0, 365.0]
)


def rows_of(draws, length):
    """Row numbers [1, length]."""
    return torch.arange(length, device=draws.device)[None].float()


def periods(draws, rows):
    """Rows of a season [rows, 1]: of a calendar in 75 %, whole numbers of 4..400 in 17 %, any in 8 %."""
    free, how = draws.log_uniform(4, 400, rows, 1), draws.uniform(0, 1, rows, 1)
    return torch.where(
        how < 0.75, draws.choice(CALENDAR, rows, 1), torch.where(how < 0.92, free.round(), free)
    )


def longer(draws, period):
    """A season that holds `period` a whole number of times (24 x 7), or a short one inside of a long one."""
    outer = period * draws.choice([2.0, 4.0, 5.0, 7.0, 7.0, 7.0, 7.0, 12.0], *period.shape)
    return torch.where(outer <= 400, outer, draws.choice([7.0, 12.0, 24.0, 30.4375], *period.shape))


def carried(x, keep, lag=1):
    """y_t = x_t + keep y_{t-lag} along the last axis; `keep` and `lag` may be [rows, 1]. Log-many steps."""
    length, index = x.shape[1], torch.arange(x.shape[1], device=x.device)[None]
    shortest = int(torch.as_tensor(lag).min())
    reach = 1
    while reach * shortest < length:
        source = index - reach * lag
        past = x.gather(1, source.clamp_min(0).expand(x.shape))
        x, reach = x + torch.where(source >= 0, keep**reach * past, torch.zeros_like(past)), 2 * reach
    return x


def slow(draws, rows, length):
    """A unit wave that takes hundreds of rows."""
    t = rows_of(draws, length)
    waves = [
        torch.cos(2 * math.pi * (t / p + a))
        for p, a in ((draws.log_uniform(250, 3000, rows, 1), draws.uniform(0, 1, rows, 1)) for _ in range(3))
    ]
    return sum(waves) / 1.22


def shapes(draws, rows):
    """Shapes of a season [rows, GRID] of mean 0 and deviation 1, and which of them go in steps [rows, 1].

    Waves (3 of 9), waves with peaks, one to three peaks, blocks, opening hours, saw teeth, equal steps.
    """
    x, turn = torch.arange(GRID, device=draws.device)[None] / GRID, 2 * math.pi
    k = torch.arange(1, 9, device=draws.device)[None]
    size = draws.normal(rows, 8) * k ** -draws.uniform(0.3, 2.5, rows, 1)
    angle = draws.uniform(0, turn, rows, 8, 1)
    waves = (size[:, :, None] * torch.cos(turn * k[:, :, None] * x + angle)).sum(1)
    height = draws.or_zero(0.4, draws.uniform(-0.3, 1, rows, 3, 1)) + 0.05
    narrow = draws.log_uniform(1.5, 60, rows, 3, 1)
    peaks = (height * torch.exp(narrow * (torch.cos(turn * (x - draws.uniform(0, 1, rows, 3, 1))) - 1))).sum(
        1
    )
    edges, levels = draws.uniform(0, 1, rows, 7, 1), draws.normal(rows, 48)
    blocks = levels.gather(1, (x >= edges).sum(1))
    equal = levels.gather(1, (x * draws.choice([4, 7, 12, 24, 48], rows, 1)).long())
    opens, closes, soft = draws.uniform(0.1, 0.4, rows, 1), draws.uniform(0.55, 0.95, rows, 1), 0.02
    hours = torch.sigmoid((x - opens) / soft) * torch.sigmoid((closes - x) / soft)
    hours = hours * (1 + 0.2 * waves / (waves.std(1, keepdim=True) + 1e-6))
    duty = draws.uniform(0.1, 0.9, rows, 1)
    saw = torch.where(x < duty, x / duty, (1 - x) / (1 - duty))
    spread = waves.std(1, keepdim=True) + 1e-6
    kinds = torch.stack([waves, waves, waves, waves / spread + 2 * peaks, peaks, hours, saw, blocks, equal])
    kind = draws.integers(0, len(kinds), rows)
    shape = kinds[kind, torch.arange(rows, device=draws.device)]
    shape = shape - shape.mean(1, keepdim=True)
    return shape / (shape.std(1, keepdim=True) + 1e-6), (kind >= 7)[:, None]


def profile(draws, position):
    """A random shape read at `position` [rows, length], 0..1 of a season."""
    shape, stepped = shapes(draws, len(position))
    place = position * GRID
    slot = place.long().clamp(0, GRID - 1)
    here, following = shape.gather(1, slot), shape.gather(1, (slot + 1) % GRID)
    return here + torch.where(stepped, torch.zeros_like(place), place - slot) * (following - here)


def position(draws, length, period):
    """Where in a season of `period` rows each row is [rows, length], 0..1; it begins at a random one."""
    start = (draws.uniform(0, 1, *period.shape) * period).floor()
    return torch.remainder(rows_of(draws, length) + start, period) / period


def season(draws, length, period):
    """A unit season [rows, length]; in 35 % its shape turns into another one, in 40 % its size wanders."""
    rows, at = len(period), position(draws, length, period)
    y = profile(draws, at)
    turned = draws.or_zero(0.65, draws.uniform(0.3, 1, rows, 1)) * torch.sigmoid(
        3 * slow(draws, rows, length)
    )
    y = y + turned * (profile(draws, at) - y)
    return y * torch.exp(draws.or_zero(0.6, draws.uniform(0.1, 0.6, rows, 1)) * slow(draws, rows, length))


def seasons(draws, length, period):
    """One to three nested unit seasons, the first of `period` rows, the others smaller."""
    rows = len(period)
    outer = longer(draws, period)
    y = season(draws, length, period)
    for chance, p in ((0.5, outer), (0.8, draws.log_uniform(100, 400, rows, 1).round())):
        y = y + draws.or_zero(chance, draws.log_uniform(0.1, 1, rows, 1)) * season(draws, length, p)
    return y


def trend(draws, rows, length):
    """A trend [rows, length] from 0 to about 1 or -1 (30 %): linear (3 of 8), damped, exponential, S-shaped,
    piecewise linear (2).
    """
    u = rows_of(draws, length) / length
    kind, rate = draws.integers(0, 8, rows, 1), draws.log_uniform(1, 8, rows, 1)
    damped = torch.expm1(-rate * u) / torch.expm1(-rate)
    steep = torch.expm1(0.6 * rate * u) / torch.expm1(0.6 * rate)
    middle = draws.uniform(0.1, 0.9, rows, 1)
    bent = torch.sigmoid(3 * rate * (u - middle)) - torch.sigmoid(-3 * rate * middle)
    pieces = (draws.held(rows, length, 60, 500) + 0.7).cumsum(1) / length
    y = u.expand(rows, length)
    for k, other in ((3, damped), (4, steep), (5, bent), (6, pieces), (7, pieces)):
        y = torch.where(kind == k, other, y)
    return torch.where(draws.flags(0.3, rows, 1), -y, y)


def sloped(draws, length, period, strongest=1.2):
    """A trend that adds 0.003..`strongest` unit seasons in `period` rows; none in 25 %."""
    a_season = draws.or_zero(0.25, draws.log_uniform(0.003, strongest, *period.shape))
    return (a_season * length / period).clamp(max=80) * trend(draws, len(period), length)


def noise(draws, rows, length):
    """Unit noise: independent (45 %, half of it not Gaussian) or a Gaussian AR(1) of 0.3..0.97; in 30 % its
    size wanders.
    """
    keep = draws.or_zero(0.45, 1 - draws.log_uniform(0.03, 0.7, rows, 1))
    e = torch.where(keep == 0, draws.innovations(rows, length), draws.normal(rows, length))
    unit = torch.sqrt(1 - keep * keep)
    e = torch.cat([e[:, :1], e[:, 1:] * unit], 1)
    return carried(e, keep) * torch.exp(
        draws.or_zero(0.7, draws.uniform(0.2, 1, rows, 1)) * slow(draws, rows, length)
    )


def sizes(draws, rows, largest=0.6, smallest=0.004):
    """Sizes of noise [rows, 1]; none in 8 %."""
    return draws.or_zero(0.08, draws.log_uniform(smallest, largest, rows, 1))


def since(starts):
    """Row of the last start [rows, length] (0 before the first) and rows since then (many before it)."""
    index = torch.arange(starts.shape[1], device=starts.device).expand(starts.shape)
    last = torch.where(starts, index, torch.full_like(index, -1)).cummax(1).values
    return last.clamp_min(0), torch.where(last < 0, torch.full_like(index, 1 << 20), index - last)


def poisson(draws, rate):
    """Poisson counts of the given rates."""
    return torch.poisson(rate.contiguous(), generator=draws.generator)


def counts(draws, rate):
    """Counts of the given rates: Poisson (half of the rows) or wider, negative binomial of shape 0.5..30."""
    rows = len(rate)
    shape = draws.log_uniform(0.5, 30, rows, 1).expand(rate.shape).contiguous()
    wider = rate * draws.gamma(shape) / shape
    return poisson(draws, torch.where(draws.flags(0.5, rows, 1), rate, wider).clamp(0, 1e6))
