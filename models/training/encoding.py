"""Series to token ids, and training batches. An id k is the bin [k/100, (k+1)/100) of the axis [0, 10)."""

import math

import torch

BINS, BOS, EOS, COMMA, VOCAB = 1000, 1000, 1001, 1002, 1003
NATS_OFFSET = math.log(100)  # bins are 0.01 wide: log density = log probability + log 100


def axis_ids(y, low, high):
    """Ids and validity [rows, steps] of values; low and high [rows, 1] map to 1.5 and 8.5."""
    return ids_on_axis(1.5 + 7 * (y - low) / (high - low).clamp_min(1e-9))


def ids_on_axis(v):
    """Ids and validity of axis values: floors, clamped; valid until the first value off the axis."""
    bins = torch.floor(100 * v)
    valid = ((bins >= 0) & (bins < BINS)).cumprod(1).bool()
    return bins.clamp(0, BINS - 1).long(), valid


def prefix_range(y, steps):
    """Minimum and maximum [rows, 1] of the first steps[row] values of each row."""
    inside = torch.arange(y.shape[1], device=y.device)[None] < steps[:, None]
    low = torch.where(inside, y, torch.inf).amin(1, keepdim=True)
    high = torch.where(inside, y, -torch.inf).amax(1, keepdim=True)
    return low, high


def coarsened(draws, ids, share):
    """A share of the rows on a coarse grid, at a varied place of the cell; half in cells of ten ids."""
    rows = len(ids)
    ten = draws.flags(0.5, rows, 1)
    cell = torch.where(ten, 10, draws.log_uniform(2, 50, rows, 1).long())
    shift = torch.where(ten & draws.flags(0.8, rows, 1), 0, (draws.uniform(0, 1, rows, 1) * cell).long())
    middle = ten & draws.flags(0.5, rows, 1)
    place = torch.where(middle, 5, (draws.uniform(0, 1, rows, 1) * cell).long())
    coarse = ((ids + shift) // cell * cell - shift + place).clamp(0, BINS - 1)
    return torch.where(draws.flags(share, rows, 1), coarse, ids)


def training_batch(draws, series, length, whole_range=0.05, inside=0.25, without_bos=0.1, coarse=0.04):
    """Inputs, targets, weights [rows, length] of random windows of `series` [rows, longer].

    The range that sets a window's scale is that of its first values, 12 or more. Values inside of them weigh
    `inside`: a forecast begins where they end, and a model that mostly sees the range's edges respected takes
    the largest value of its context for a bound.
    """
    rows, longest = series.shape
    span = length + 1
    offset = draws.integers(0, longest - span + 1, rows, 1)
    index = torch.arange(span, device=series.device)[None]
    y = series.gather(1, offset + index)
    prefix = draws.log_uniform(12, span, rows).long()
    prefix = torch.where(draws.flags(whole_range, rows), torch.full_like(prefix, span), prefix)
    low, high = prefix_range(y, prefix)
    v = 1.5 + 7 * (y - low) / (high - low).clamp_min(1e-6)
    v = torch.where(draws.flags(0.5, rows, 1), 10 - v, v)
    ids, valid = ids_on_axis(v)
    ids = coarsened(draws, ids, coarse)
    weights = valid * torch.where(index < prefix[:, None], inside, 1.0)
    bos = draws.flags(1 - without_bos, rows, 1)
    start = torch.full_like(ids[:, :1], BOS)
    inputs = torch.where(bos, torch.cat([start, ids[:, :-2]], 1), ids[:, :-1])
    targets = torch.where(bos, ids[:, :-1], ids[:, 1:])
    return inputs, targets, torch.where(bos, weights[:, :-1], weights[:, 1:])
