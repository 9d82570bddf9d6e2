"""The model as a forecaster of windows: one-step densities of recorded rows, and sample paths after a context."""

import copy
import math
import os
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from cached import Cached
from digit_reading import MIN_DRAWN, DigitsBeside
from hints import EDGES, Experts, residual_ids
from inverse import Inverse
from joint import DRAWS, FIRST_PIT, Copula
from residual import LEAST_LOG, SHARE, SPREADS, ResidualModel, Sequences, gate_corrections, hint_features
from residual_export import read_residual, untrained

WIDTHS = SPREADS.double().numpy()
MOST_MOVE = 1.5  # of a path from row to row, in the largest move of the rows that were read


def sequences_at(positions, slots, begins):
    """Sequences of rows: positions [sequences, rows] on the axis, slots' arrays [sequences, rows, 2]."""
    z = np.clip((positions[..., None] - slots["location"]) / slots["scale"], -1e9, 1e9)
    as_float = lambda array: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    return Sequences(
        digits=torch.from_numpy(np.clip(np.floor(100 * positions), 0, 999).astype(np.int64)),
        on_axis=torch.from_numpy((positions >= 0) & (positions < 10)),
        observed=torch.ones(positions.shape, dtype=torch.bool),
        begins=torch.from_numpy(np.ascontiguousarray(begins)),
        residual=torch.from_numpy(residual_ids(z[..., 0])),
        position=as_float(positions),
        z=as_float(z),
        location=as_float(slots["location"]),
        scale=as_float(slots["scale"]),
        freedom=as_float(slots["freedom"]),
        ratio=as_float(slots["ratio"]),
        lead=as_float(slots["lead"]),
        weight=torch.ones(positions.shape),
    )


def slot_arrays(slots):
    """Slots of a row as arrays [windows, channels, 2]; locations on the axis."""
    stacked = {name: np.stack(getattr(slots, name), -1) for name in ("location", "scale", "freedom", "ratio")}
    return stacked | dict(location=5 + stacked["location"], lead=slots.lead)


def flat(array):
    """[windows, rows, channels, ...] to [windows * channels, rows, ...]."""
    array = np.moveaxis(array, 2, 1)
    return array.reshape(-1, *array.shape[2:])


def by_channel(array, positions):
    """[windows * channels, rows, ...] to [windows, rows, channels, ...] as positions are."""
    windows, rows, channels = positions.shape
    return np.moveaxis(array.reshape(windows, channels, rows, *array.shape[2:]), 1, 2)


def flat_starts(starts, positions):
    return flat(np.broadcast_to(starts[..., None], positions.shape))


def read_experts(positions, acts, starts, periods=None, horizon=0, mixture=None):
    """Sequences [windows * channels, rows] with what was said of each row, and the experts after all rows, with
    room for a horizon. A ScalesMixture learns with them.
    """
    n, rows, channels = positions.shape
    experts = Experts(n, channels, acts.shape[2], rows + horizon + 1, periods)
    next_begins = np.concatenate([starts[:, 1:], np.zeros((n, 1), bool)], 1)
    seen, said = np.ones((n, channels), bool), []
    for t in range(rows):
        said.append(slot_arrays(experts.predict()))
        if mixture:
            mixture.learn_row(experts.laws, positions[:, t] - 5)
        experts.learn(positions[:, t] - 5, acts[:, t], next_begins[:, t], seen)
    slots = {name: flat(np.stack([row[name] for row in said], 1)) for name in said[0]}
    return sequences_at(flat(positions), slots, flat_starts(starts, positions)), experts


@dataclass
class PathStart:
    """Where paths begin: arrays of sequences (windows * channels), but for `last` [windows, channels] and the copulas.
    The gate's corrections stay as they are along a path.
    """

    experts: Experts
    cached: Cached
    weights: np.ndarray
    corrections: np.ndarray
    before: Sequences
    last: np.ndarray
    copulas: list
    beside: DigitsBeside


class ModelReading:
    def __init__(self, model):
        self.model = model.eval()

    @classmethod
    def of(cls, path, last=False):
        """The model of a run's checkpoint, its averaged weights unless the last are asked for, or of a folder; of a
        folder without the weights of reading hints, as it is before training.
        """
        if os.path.isdir(path):
            trained = os.path.exists(f"{path}/reading.safetensors")
            return cls(read_residual(path) if trained else untrained(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights = state["model" if last else "average"]
        model = ResidualModel(**state["shape"])
        model.load_state_dict(weights)
        return cls(model)

    def sequences(self, positions, acts, starts):
        return read_experts(positions, acts, starts)[0]

    @torch.no_grad()
    def answered(self, whole, most=12):
        """Parts of the sequences with the answers [sequences, rows, ...] to them: digits, residual axis, gate."""
        for i in range(0, len(whole), most):
            s = whole[i : i + most]
            yield s, self.model(s, hint_features(s))

    @torch.no_grad()
    def one_step(self, positions, acts, starts, most=12):
        """Log density of each value and the mass of its bin of 0.01, [windows, rows, channels]."""
        density, mass = [], []
        for s, (digits, residual, gate) in self.answered(self.sequences(positions, acts, starts), most):
            parts, log_weights = self.model.mixture(s, digits, residual, gate)
            density.append(torch.logsumexp(log_weights + parts, -1).double().numpy())
            mass.append(bin_mass(s, digits, residual, log_weights))
        density, mass = np.concatenate(density), np.concatenate(mass)
        beside = self.beside(positions, density, starts)
        return by_channel(beside.density(density), positions), by_channel(beside.mass(mass), positions)

    @torch.no_grad()
    def one_step_draws(self, positions, acts, starts, draws, rng):
        """Independent draws [windows, rows, channels, draws] of each value given the rows before it, and the values'
        PIT [windows, rows, channels].
        """
        density, pit, drawn = [], [], []
        for s, (digits, residual, gate) in self.answered(self.sequences(positions, acts, starts)):
            parts, log_weights = self.model.mixture(s, digits, residual, gate)
            density.append(torch.logsumexp(log_weights + parts, -1).double().numpy())
            pit.append(distribution(s, digits, residual, log_weights, values_of(s)))
            rows = lambda part: part.double().numpy().reshape(-1, part.shape[-1])
            inverses = [Inverse(np.exp(rows(part))) for part in (log_weights, digits, residual)]
            drawn.append(self.draw(inverses, rows(s.location), rows(s.scale), draws, rng).T.reshape(*s.z.shape[:2], draws))
        drawn, pit = np.concatenate(drawn), np.concatenate(pit)
        beside = self.beside(positions, np.concatenate(density), starts)
        for i, logs in enumerate(beside.digits.logs_of_rows(1)):
            bins = Inverse(np.exp(logs[0])).at(rng.random((draws, len(logs[0])))).T
            own = (bins + rng.random(bins.shape)) / 100
            drawn[i] = np.where(rng.random(own.shape) < beside.weights[i][:, None], drawn[i], own)
        return by_channel(drawn, positions), by_channel(beside.pit(pit), positions)

    def beside(self, positions, density, starts):
        """The digit reading beside that of hints, which gave the rows of the sequences these log densities."""
        return DigitsBeside(self.model.digits, flat(positions), density, flat_starts(starts, positions))

    @torch.no_grad()
    def read(self, positions, acts, starts, periods=None, horizon=0, mixture=None):
        """The start of paths of up to so many steps after rows [windows, rows, channels]."""
        s, experts = read_experts(positions, acts, starts, periods, horizon, mixture)
        cached = Cached(self.model.digits)
        digits, residual, gate = self.model.answers(cached.read(self.model.embedded(s, hint_features(s))))
        parts, log_weights = self.model.mixture(s, digits, residual, gate)
        weights = weights_after(parts.double().numpy(), s.begins.numpy())
        given = self.model.gated(s, digits, residual, gate)[1]
        corrections = gate_corrections(parts, given, s.observed & ~s.begins)[:, -1].double().numpy()
        beside = self.beside(positions, torch.logsumexp(log_weights + parts, -1).double().numpy(), starts)
        beside.digits.read(flat(positions)[:, -1])
        pit = by_channel(beside.pit(distribution(s, digits, residual, log_weights, values_of(s))), positions)
        pit = np.where(starts[..., None], np.nan, pit)
        copulas = [Copula(of[FIRST_PIT:]) for of in pit]
        return PathStart(experts, cached, weights, corrections, s[:, -1:], positions[:, -1], copulas, beside)

    def paths(self, positions, acts, starts, future, count, seed=0, coupled=True, periods=None):
        """Sample paths [windows, count, horizon, channels] on the axis after rows [windows, rows, channels]; `future`
        are the actions that are taken in the rows to come, scaled [windows, horizon, actions].
        """
        start = self.read(positions, acts, starts, periods, future.shape[1])
        return self.paths_after(start, future, count, np.random.default_rng(seed), coupled)

    @torch.no_grad()
    def paths_after(self, start, future, count, rng, coupled=True):
        """As `paths`, after rows that were read. Channels are `coupled` by the copula of the PIT values of those rows,
        or drawn independently of each other given the past.
        """
        n, channels = start.last.shape
        experts, weights, before = start.experts.repeated(1), start.weights, start.before
        cached, copulas = copy.copy(start.cached), start.copulas if coupled and channels > 1 else []
        index = (np.arange(n)[:, None, None] * channels + np.arange(channels)).repeat(count, 1).reshape(-1)
        bound = np.repeat(MOST_MOVE * experts.past.largest_move, count, 0)
        last, corrections, out = np.repeat(start.last, count, 0), start.corrections[index], []
        beside = start.beside.repeated(index)
        for step in range(future.shape[1]):
            slots = slot_arrays(experts.predict())
            said = {name: flat(array[:, None]) for name, array in slots.items()}
            row = sequences_at(np.full(said["lead"].shape, 5.0), said, np.zeros(said["lead"].shape, bool))
            h = cached.read(self.next_input(before, row))
            law = tuple(part.double().numpy()[:, 0] for part in self.model.answers(h))
            if step == 0:  # what was read is shared until here
                law = tuple(part[index] for part in law)
                said = {name: array[index] for name, array in said.items()}
                experts, weights = experts.repeated(count), weights[index]
                cached.repeat(torch.from_numpy(index))
            levels = np.concatenate([c.levels(rng, count) for c in copulas]).reshape(-1) if copulas else None
            log_weights = self.gate_logs(law[2], weights, corrections)
            x = self.drawn(log_weights, law, said, levels, beside, rng)
            x = last = np.clip(x.reshape(n * count, channels), last - bound, last + bound)
            parts = self.component_logs(x.reshape(-1), law, said)
            weights = learned(weights, parts)
            beside.learn(x.reshape(-1), log_sum(log_weights + parts)[:, 0])
            before = sequences_at(x.reshape(-1, 1), said, np.zeros((x.size, 1), bool))
            out.append(x)
            acts_now = np.repeat(future[:, step], count, 0)
            experts.learn(x - 5, acts_now, np.zeros(len(x), bool), np.ones(x.shape, bool))
        return np.stack(out, 1).reshape(n, count, -1, channels)

    def next_input(self, before, row):
        """Embedded input of one row [sequences, 1, hidden] after the row before it."""
        pair = Sequences(*(torch.cat([a, b.to(a.dtype)], 1) for a, b in zip(vars(before).values(), vars(row).values())))
        return self.model.embedded(pair, hint_features(pair))[:, 1:]

    def gate_logs(self, gate, weights, corrections):
        """Log weights [sequences, components] of the components."""
        log_weights = gate + float(self.model.trust) * weights + corrections
        return log_weights - log_sum(log_weights)

    def drawn(self, log_weights, law, said, levels, beside, rng):
        """Values of the mixture's law, at `levels` if there are any."""
        chance = np.exp(log_weights)
        chance = np.where(chance < MIN_DRAWN * chance.max(-1, keepdims=True), 0, chance)
        inverses = [Inverse(part) for part in (chance, np.exp(law[0]), np.exp(law[1]))]
        count = 1 if levels is None else DRAWS
        each = beside.drawn(self.draw(inverses, said["location"][:, 0], said["scale"][:, 0], count, rng), rng)
        if levels is None:
            return each[0]
        place = np.clip((levels * DRAWS).astype(int), 0, DRAWS - 1)
        return np.sort(each, 0)[place, np.arange(len(place))]

    def component_logs(self, x, law, said):
        """Log densities [sequences, components] of values that were drawn."""
        s = sequences_at(x[:, None], said, np.zeros((len(x), 1), bool))
        tensors = (torch.from_numpy(array[:, None]).float() for array in law[:2])
        return self.model.components(s, *tensors).double().numpy()[:, 0]

    def draw(self, inverses, location, scale, count, rng):
        """Draws [count, sequences] of the components' mixture around slots [sequences, 2]."""
        components, digits, residual = inverses
        part, level, inner = rng.random((3, count, len(location)))
        part, digit, bins = components.at(part), digits.at(level), residual.at(level)
        on_axis = location[:, 0] + scale[:, 0] * (EDGES[bins] + np.diff(EDGES)[bins] * inner)
        k, rows = np.clip(part - 2, 0, None), np.arange(len(location))
        slot, width = k // len(WIDTHS), WIDTHS[k % len(WIDTHS)]
        normal = location[rows, slot] + scale[rows, slot] * width * ndtri(level)
        return np.select([part == 0, part == 1], [(digit + inner) / 100, on_axis], normal)


def log_sum(x):
    top = x.max(-1, keepdims=True)
    return np.log(np.exp(x - top).sum(-1, keepdims=True)) + top


def learned(weights, logs):
    moved = weights + np.maximum(logs, LEAST_LOG)
    return np.log((1 - SHARE) * np.exp(moved - log_sum(moved)) + SHARE / logs.shape[-1])


def weights_after(parts, begins):
    """Bayesian log weights [sequences, components] after rows [sequences, rows, components]."""
    weights = np.full((len(parts), parts.shape[-1]), -math.log(parts.shape[-1]))
    for t in range(parts.shape[1]):
        weights = np.where(begins[:, t, None], weights, learned(weights, parts[:, t]))
    return weights


def values_of(s):
    """Values [sequences, rows] as precise as their residuals are."""
    location, scale = s.location[..., 0].double().numpy(), s.scale[..., 0].double().numpy()
    return location + s.z[..., 0].double().numpy() * scale


def distribution(s, digits, residual, log_weights, x):
    """The mixture's distribution function at x [sequences, rows]."""
    weights = log_weights.double().exp().numpy()
    location, scale = s.location.double().numpy(), s.scale.double().numpy()
    digit = interpolated(digits, 100 * x, np.clip(np.floor(100 * x), 0, 999).astype(int))
    z = (x - location[..., 0]) / scale[..., 0]
    at = residual_ids(z)
    parts = [digit, interpolated(residual, at + (z - EDGES[at]) / (EDGES[at + 1] - EDGES[at]), at)]
    for slot in (0, 1):
        parts += [ndtr((x - location[..., slot]) / (width * scale[..., slot])) for width in WIDTHS]
    return (weights * np.stack(parts, -1)).sum(-1)


def interpolated(logs, place, at):
    """Distribution function of bins of log probabilities [..., bins] at a place that lies in bin `at`."""
    cdf = np.concatenate([np.zeros((*at.shape, 1)), logs.double().exp().numpy().cumsum(-1)], -1)
    below, above = (np.take_along_axis(cdf, at[..., None] + k, -1)[..., 0] for k in (0, 1))
    return below + np.clip(place - at, 0, 1) * (above - below)


def bin_mass(s, digits, residual, log_weights):
    """Mass [sequences, rows] of the bin of 0.01 of each value under the mixture."""
    low = np.floor(100 * values_of(s)) / 100
    ends = [distribution(s, digits, residual, log_weights, low + step) for step in (0, 0.01)]
    return np.maximum(ends[1] - ends[0], 0)
