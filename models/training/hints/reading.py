"""The hints of whole windows: what the slots predicted of every row from the rows before it."""

from dataclasses import dataclass

import numpy as np

from .slots import Experts


@dataclass
class Hints:
    """Arrays [windows, rows, channels, 2 slots] but for `position`, `lead` [windows, rows, channels].

    `position` is on the axis (0..10), a stand-in where nothing was observed; locations are on it, too.
    """

    position: np.ndarray
    location: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray
    ratio: np.ndarray
    lead: np.ndarray
    chosen: np.ndarray
    every: dict  # of all experts, [windows, rows, channels, experts]: location, scale, freedom, ratio, score, known


def axis_positions(values, prefix, missing, levels):
    """Positions [windows, rows, channels]: the range of the first `prefix` [windows] rows maps to 1.5..8.5; the
    two levels of a flag, whether both occur or not, too. A channel that is constant there stands at 5.
    """
    counts = (np.arange(values.shape[1])[None] < prefix[:, None])[..., None] & ~missing
    low = np.where(counts, values, np.inf).min(1, keepdims=True)
    high = np.where(counts, values, -np.inf).max(1, keepdims=True)
    flags = levels[:, None] & (low >= 0) & (high <= 1)
    low, high = np.where(flags, 0.0, low), np.where(flags, 1.0, high)
    moves = high > low
    with np.errstate(all="ignore"):
        scaled = 1.5 + 7 * (values - low) / (high - low)
    return np.where(moves, scaled, 5.0), moves[:, 0]


def carried_on(x, missing):
    """The last value that was observed where one is missing; the middle of the axis before the first."""
    if not missing.any():
        return x
    rows = np.where(missing, -1, np.arange(x.shape[1])[None, :, None])
    last = np.maximum.accumulate(rows, 1)
    return np.where(last < 0, 5.0, np.take_along_axis(x, np.maximum(last, 0), 1))


def scaled_actions(actions, prefix):
    counts = (np.arange(actions.shape[1])[None] < prefix[:, None])[..., None]
    largest = np.where(counts, np.abs(actions), 0).max(1, keepdims=True)
    return actions / np.where(largest > 0, largest, 1)


def read_hints(positions, actions, starts, missing, periods=None, frozen=None, pushed=None):
    """Hints of windows: positions [windows, rows, channels] on the axis, actions [windows, rows, actions] in units
    of their largest, starts [windows, rows], missing as positions. For training: rows [windows, rows] that no
    expert learns from, and what locations are moved by [windows, rows, channels], in scales.
    """
    n, rows, channels = positions.shape
    positions = carried_on(positions, missing)
    experts = Experts(n, channels, actions.shape[2], rows, periods)
    x, every = positions - 5, []
    next_begins = np.concatenate([starts[:, 1:], np.zeros((n, 1), bool)], 1)
    slots = []
    with np.errstate(over="ignore"):
        for t in range(rows):
            slots.append(experts.predict(None if pushed is None else pushed[:, t]))
            every.append(experts.said())
            observed = ~missing[:, t] if frozen is None else ~(missing[:, t] | frozen[:, t, None])
            experts.learn(x[:, t], actions[:, t], next_begins[:, t], observed)

    def of(name):
        return np.stack([np.stack(getattr(slot, name), -1) for slot in slots], 1)

    lead = np.stack([slot.lead for slot in slots], 1)
    chosen = np.stack([slot.chosen.transpose(0, 2, 1) for slot in slots], 1)
    every = {name: np.stack([row[name] for row in every], 1) for name in every[0]}
    return Hints(positions, 5 + of("location"), of("scale"), of("freedom"), of("ratio"), lead, chosen, every)
