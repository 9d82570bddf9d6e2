"""Sensors: from a rollout's readings to the channels of a recording."""

import numpy as np

from .rewards import rewards


class Spreads:
    """Means and stds over rows that sensors scale by; those of an earlier use can be played again.

    Playing them again keeps a row's sensors the same when a later row changes, which tests of causality need.
    """

    def __init__(self, played=None):
        self.played, self.kept = played, []

    def of(self, y):
        """Mean and std [n, 1, k] of y [n, rows, k]."""
        if self.played is None:
            std = y.std(1, keepdims=True)
            self.kept.append((y.mean(1, keepdims=True), np.where(std > 0, std, 1.0)))
        else:
            self.kept.append(self.played[len(self.kept)])
        return self.kept[-1]


def age_of(starts):
    """Rows since the episode began, [n, rows]."""
    t = np.arange(starts.shape[1])
    return t - np.maximum.accumulate(np.where(starts, t, 0), 1)


def lagged(y, lag, age):
    """y [n, rows, k] read `lag` [n, 1 or rows, k] rows late; an episode's first rows read its first value."""
    late = np.minimum(lag, age[..., None])
    index = np.arange(y.shape[1])[None, :, None] - late
    return np.take_along_axis(y, index, 1)


def difference(y, starts):
    """Change since the row before; 0 at an episode's beginning."""
    d = np.diff(y, axis=1, prepend=y[:, :1])
    return np.where(starts[..., None], 0.0, d)


def plain_features(s, roll):
    """All readings with their angles unrolled: a list of groups of columns [n, rows, 1..2], and of flags."""
    style = s.pick(("circle", "circle", "wrapped", "raw", "sine"))
    groups = []
    for j in range(roll.readings.shape[2]):
        y = roll.readings[..., j : j + 1]
        if j in roll.angles and style != "raw":
            turn = {"circle": (np.cos(y), np.sin(y)), "sine": (np.sin(y),)}
            y = np.concatenate(turn.get(style, (np.remainder(y + np.pi, 2 * np.pi) - np.pi,)), 2)
        groups.append((y, j in roll.flags))
    return [groups[i] for i in s.order(len(groups))] if s.chance(0.5) else groups


def derived(s, roll, y):
    """One channel more: a velocity, a redundant, an irrelevant one, or the input that acted last."""
    n, rows, k = y.shape
    kind = s.pick(
        ("difference", "mixture", "product", "copy", "input", "walk", "noise", "wave", "count"),
        (3, 2, 1.5, 1, 1.5, 1, 1, 1, 1),
    )
    j = s.integer(0, k)
    one = y[..., j : j + 1]
    if kind == "difference":
        return difference(one, roll.starts)
    if kind == "mixture":
        return y @ s.normal(n, k, 1)
    if kind == "product":
        return one * y[..., [s.integer(0, k)]]
    if kind == "copy":
        return one + s.some(n, 0.3, 0.01, 0.5)[..., None] * s.normal(n, rows, 1)
    if kind == "input":
        i = s.integer(0, roll.applied.shape[2])
        return roll.applied[..., i : i + 1] + 1e-6 * one
    if kind == "walk":
        return np.cumsum(s.normal(n, rows, 1), 1)
    if kind == "noise":
        return s.coloured(n, rows, 1, s.or_zero(0.4, s.uniform(0.3, 0.98, n, 1)))
    t = np.arange(rows)[None, :, None]
    wave = np.sin(2 * np.pi * (t / s.log_uniform(4, 200, n, 1, 1) + s.uniform(0, 1, n, 1, 1)))
    if kind == "wave":
        return wave
    return s.generator.poisson(s.log_uniform(0.3, 20, n, 1, 1) * np.exp(0.5 * wave)).astype(float)


def distort(s, y, flag, roll, spreads):
    """Rotation, lag, noise, slow and quantised readings of standardised channels y [n, rows, k]."""
    n, rows, k = y.shape
    free = np.flatnonzero(~np.array(flag))
    age = age_of(roll.starts)
    if len(free) > 1 and s.chance(0.25):
        turned = y[..., free] @ s.rotation(n, len(free))
        y[..., free] = np.where(s.flags(0.6, n, 1, 1), turned, y[..., free])
    if s.chance(0.12):
        # never an exponential: that of a Gaussian random walk is kept for evaluation
        bend, x = s.or_zero(0.5, s.uniform(0.1, 0.6, n, 1, len(free))), y[..., free]
        bent = np.where(s.flags(0.5, n, 1, len(free)), x * np.sqrt(bend + x * x), np.tanh(3 * bend * x))
        y[..., free] = np.where(bend > 0, bent, x)
    if s.chance(0.12):
        y = lagged(y, s.integers(0, 6, n, 1, k) * s.flags(0.5, n, 1, k), age)
    size = s.or_zero(0.5, s.log_uniform(1e-3, 0.15, n, 1, 1)) * np.where(
        s.flags(0.7, n, 1, 1), 1.0, s.flags(0.5, n, 1, k)
    )
    white = s.normal(n, rows, k)
    if s.chance(0.15):
        white = white / np.sqrt(s.generator.chisquare(3, (n, rows, k)) / 3 + 1e-3)
    if s.chance(0.1):
        white = white * np.minimum(0.1 + np.abs(y), 10)
    y[..., free] += (size * white)[..., free]
    if s.chance(0.06):
        every = s.integers(1, 8, n, 1, k)
        y = lagged(y, np.arange(rows)[None, :, None] % every, age)
    step = np.select(
        [s.flags(0.12, n, 1, k) & s.flags(0.7, n, 1, 1), s.flags(0.35, n, 1, 1)],
        [s.log_uniform(0.02, 1, n, 1, k), 10.0 ** -s.integers(2, 6, n, 1, 1)],
        0.0,
    )
    steps = np.where(step > 0, step, 1)
    y[..., free] = np.where(step > 0, np.round(y / steps) * steps, y)[..., free]
    return y


def few_levels(y):
    """Channels [n, k] of y [n, rows, k] that hold at most 16 different values."""
    return (np.diff(np.sort(y, 1), axis=1) > 0).sum(1) < 16


def holes(s, n, rows, k):
    """Missing values [n, rows, k]: 2-30 % of some channels in 10 % of the windows, single or in runs."""
    missing = np.zeros((n, rows, k), bool)
    share = s.uniform(0.02, 0.3, n, 1, 1) * s.flags(0.5, n, 1, k) * s.flags(0.12, n, 1, 1)
    if not share.any():
        return missing
    length = s.integer(2, 20)
    alone = s.flags(share, n, rows, k)
    runs = np.repeat(s.flags(share, n, rows // length + 1, k), length, 1)[:, :rows]
    whole = s.flags(share, n, rows, 1)
    which = s.integers(0, 3, n, 1, 1)
    return np.select([which == 0, which == 1], [alone, runs], whole & (share > 0))


def chosen(s, roll, aim, room):
    """Columns [n, rows, k] of readings, about `aim`, at most `room`, with flags; one is no flag."""
    groups, columns, flag = plain_features(s, roll), [], []
    for y, is_flag in groups:
        if len(flag) and len(flag) + y.shape[2] > aim:
            continue
        columns.append(y)
        flag += [is_flag] * y.shape[2]
    if all(flag):
        first = next(y for y, is_flag in groups if not is_flag)
        columns, flag = [first[..., :1], *columns], [False, *flag]
    return np.concatenate(columns, 2)[..., :room], flag[:room]


def sense(sampler, roll, wanted, limit, spreads):
    """Channels [n, rows, k] of a rollout with their levels [n, k] and missing values; k is at most `limit`.

    60 % of the groups show all of the plant's readings, the others about `wanted`. Further channels are added
    to a quarter of the groups and where a few are wanting.
    """
    s = sampler.child()
    reward = roll.effects.shape[2] > 0 and s.chance(0.4)
    ended = roll.episodes and s.chance(0.5)
    room = max(1, limit - reward - ended)
    y, flag = chosen(s, roll, room if s.chance(0.6) else min(room, wanted), room)
    if s.chance(0.25) or y.shape[2] < wanted <= y.shape[2] + 4:
        mean, std = spreads.of(y)
        plain = (y - mean) / std
        for _ in range(min(room - y.shape[2], max(1, wanted - y.shape[2]))):
            y = np.concatenate([y, derived(s, roll, plain)], 2)
            flag.append(False)
    mean, std = spreads.of(y)
    y = np.where(np.array(flag), y, (y - mean) / std)
    y = distort(s, y, flag, roll, spreads)
    if reward:
        r = rewards(s, roll, spreads)[..., None]
        at = y.shape[2] if s.chance(0.8) else 0
        y, flag = np.insert(y, [at], r, 2), [*flag[:at], False, *flag[at:]]
    n, rows, k = y.shape
    unit = np.where(
        s.flags(0.2, n, 1, 1), 1.0, s.log_uniform(0.03, 30, n, 1, k) * s.log_uniform(0.01, 100, n, 1, 1)
    )
    shift = s.or_zero(0.3, s.normal(n, 1, k) * s.log_uniform(0.1, 30, n, 1, k)) * s.flags(0.8, n, 1, 1)
    y = np.where(np.array(flag), y, (y + shift) * unit)
    missing = holes(s, n, rows, k)
    if reward:
        missing[..., at] |= roll.starts & s.flags(0.15, n, 1)
    if ended:
        y = np.concatenate([y, roll.terminated[..., None].astype(float)], 2)
        flag = [*flag, True]
        missing = np.concatenate([missing, np.zeros((n, rows, 1), bool)], 2)
    return y, np.array(flag) | few_levels(y), missing


def recorded_actions(sampler, roll):
    """Actions in the recording's units: codes as they are, others in any unit."""
    s = sampler.child()
    n, _, a = roll.actions.shape
    unit = np.where(s.flags(0.5, n, 1, 1), 1.0, s.log_uniform(0.05, 20, n, 1, a))
    shift = s.or_zero(0.8, s.uniform(-1, 1, n, 1, 1))
    codes = roll.coded and s.chance(0.6)
    return roll.actions.copy() if codes else (roll.effects + shift) * unit
