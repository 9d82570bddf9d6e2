"""Sequences with hints to train on: driven systems, everyday series and the other families, made on the fly."""

import numpy as np
import torch

import systems
from families import EVERYDAY, FAMILIES
from hints import read_hints, residual_ids
from hints.reading import axis_positions, scaled_actions
from residual import Sequences
from series import Stream, later, series_round

MIXED = {"systems": 0.6, "everyday": 0.22, "families": 0.18}  # of the sequences with hints
MEAN_CHANNELS = 5  # of a driven window
INSIDE = 0.35  # weight of the rows that set the scale
FROZEN, MOVED = 0.1, 0.15  # windows whose experts stop learning for a while, or are pushed off for a while


def disturbances(rng, n, rows, channels):
    """Rows that experts do not learn from [windows, rows], and what their locations are moved by, in scales
    [windows, rows, channels]: hints are not always as good as their past, along a path above all.
    """
    t = np.arange(rows)[None]
    begin = rng.integers(rows // 4, rows, (n, 1))
    inside = (t >= begin) & (t < begin + rng.integers(5, 80, (n, 1)))
    frozen = inside & (rng.random((n, 1)) < FROZEN)
    size = np.exp(rng.uniform(np.log(0.5), np.log(30), (n, 1, channels))) * (rng.random((n, 1, channels)) < 0.7)
    keep, walk = rng.uniform(0.5, 0.99, (n, 1)), np.zeros((n, rows, channels))
    state = rng.normal(size=(n, channels))
    for row in range(rows):
        state = keep * state + np.sqrt(1 - keep**2) * rng.normal(size=(n, channels))
        walk[:, row] = state
    moved = (inside & (rng.random((n, 1)) < MOVED))[..., None]
    return frozen, np.where(moved, size * walk, 0)


def windows_of(seed, kind, count, rows):
    """Groups of raw windows, as `systems.Windows`."""
    if kind == "systems":
        return systems.generate(seed, count, rows)
    chosen = EVERYDAY if kind == "everyday" else [name for name in FAMILIES if name not in EVERYDAY]
    values = series_round(seed, count, rows, chosen).double().numpy()[..., None]
    n = len(values)
    starts = np.zeros((n, rows), bool)
    starts[:, 0] = True
    nothing = np.zeros((n, rows, 0))
    return [systems.Windows(values, nothing, starts, np.zeros((n, 1), bool), np.zeros(values.shape, bool))]


def sequences_of(windows, rng, disturbed=True):
    """Sequences of raw windows of one shape, with hints; those of channels that do not move are left out."""
    arrays, good, _ = arrays_of(windows, rng, disturbed)
    return Sequences(**{name: flattened(array, good) for name, array in arrays.items()})


def flattened(array, good):
    """[windows, rows, channels, ...] to [sequences, rows, ...] of the channels [windows, channels] that are good."""
    array = np.moveaxis(array, 2, 1)[good]
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.float64 else array)


def arrays_of(windows, rng, disturbed=True):
    """The arrays of Sequences [windows, rows, channels, ...], which channels [windows, channels] are good, the hints."""
    n, rows, channels = windows.values.shape
    most = np.where(rng.random(n) < 0.1, rows, np.exp(rng.uniform(np.log(20), np.log(0.8 * rows), n)))
    prefix = most.astype(int)
    positions, moves = axis_positions(windows.values, prefix, windows.missing, windows.levels)
    positions = np.clip(positions, -495, 505)
    mirrored = rng.random((n, 1, channels)) < 0.5
    positions = np.where(mirrored, 10 - positions, positions)
    frozen, pushed = disturbances(rng, n, rows, channels) if disturbed else (None, None)
    acts = scaled_actions(windows.actions, prefix)
    hints = read_hints(positions, acts, windows.starts, windows.missing, None, frozen, pushed)
    inside = np.arange(rows)[None, :, None] < prefix[:, None, None]
    weight = np.where(inside, INSIDE, 1.0) * ~(windows.missing | windows.starts[..., None])
    z = np.clip((hints.position[..., None] - hints.location) / hints.scale, -1e9, 1e9)
    arrays = dict(
        digits=np.clip(np.floor(100 * hints.position), 0, 999).astype(np.int64),
        on_axis=(hints.position >= 0) & (hints.position < 10),
        observed=~windows.missing,
        begins=np.broadcast_to(windows.starts[..., None], positions.shape),
        residual=residual_ids(z[..., 0]),
        position=hints.position,
        z=z,
        location=hints.location,
        scale=hints.scale,
        freedom=hints.freedom,
        ratio=hints.ratio,
        lead=hints.lead,
        weight=weight,
    )
    good = moves & np.isfinite(hints.location).all((1, 3)) & np.isfinite(hints.scale).all((1, 3))
    return arrays, good, hints


def joined(parts):
    return type(parts[0])(*(torch.cat(columns) for columns in zip(*(vars(part).values() for part in parts))))


def made_parts(seed, sequences, rows, make):
    """What `make` makes of groups of windows, about so many sequences; a function of the seed."""
    for place, (kind, share) in enumerate(MIXED.items()):
        wanted, made = share * sequences, 0
        for part in range(20):
            left = max(1.0, wanted - made)
            count = max(24, round(left / MEAN_CHANNELS)) if kind == "systems" else round(left)
            for group in windows_of(seed * 1009 + 20 * place + part, kind, count, rows):
                parts = make(group)
                made += len(parts)
                yield parts
            if made >= 0.9 * wanted:
                break


def sequence_round(seed, sequences, rows, disturbed=True):
    """About so many shuffled sequences; a function of the seed."""
    rng = np.random.default_rng(seed)
    whole = joined(list(made_parts(seed, sequences, rows, lambda group: sequences_of(group, rng, disturbed))))
    order = torch.from_numpy(rng.permutation(len(whole)))
    return whole[order]


def round_as_arrays(*arguments):
    """A round that goes from process to process through a pipe."""
    return sequence_round(*arguments).map(lambda column: column.numpy())


class SequenceStream(Stream):
    """Sequences of so many rows, about `values` values a round."""

    def __init__(self, seed, values, rows, device="cpu", workers=None, ahead=0, disturbed=True):
        super().__init__(device, workers, ahead)
        self.seed, self.sequences, self.rows, self.disturbed = seed, max(1, values // rows), rows, disturbed

    def begin_round(self, number):
        seed = (self.seed * 10_007 + number) * 4099 + self.rows
        return later(self.workers, seed, self.sequences, self.rows, self.disturbed, work=round_as_arrays)

    def arrived(self, arrays):
        return arrays.map(lambda column: torch.from_numpy(column).to(self.device))
