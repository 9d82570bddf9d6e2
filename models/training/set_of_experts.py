"""An ablation of the slots: all experts as a set. Each expert's features go through the same layer, the sum over the
experts that have learned enough is what the model reads; the axis stays that of the best one.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import sequences
from hints import Experts
from model_reading import ModelReading, flat
from residual import LEADS, SLOT_FEATURES, ResidualModel, Sequences, bumps, slot_features
from residual_run import ResidualRun

EVERY = ("location", "scale", "freedom", "ratio", "score", "known")


@dataclass
class SetSequences(Sequences):
    """Arrays [sequences, rows, experts] besides."""

    every_location: torch.Tensor
    every_scale: torch.Tensor
    every_freedom: torch.Tensor
    every_ratio: torch.Tensor
    every_score: torch.Tensor
    every_known: torch.Tensor


class SetModel(ResidualModel):
    def __init__(self, hidden, layers, heads, inner, waves=32):
        super().__init__(hidden, layers, heads, inner, waves)
        self.expert = nn.Linear(SLOT_FEATURES + len(LEADS), hidden, bias=False)
        self.told = nn.Linear(hidden, hidden, bias=False)
        nn.init.zeros_(self.told.weight)
        self.hint.weight.requires_grad_(False)  # zero: the slots are not read

    def embedded(self, s, features):
        x = super().embedded(s, features)
        last = F.pad(s.position, (1, 0), value=5.0)[:, :-1, None]
        of = slot_features(s.every_location, s.every_scale, s.every_freedom, s.every_ratio, last)
        best = s.every_score.masked_fill(~s.every_known, -torch.inf).amax(-1, keepdim=True)
        behind = torch.where(s.every_known, best - s.every_score, 0.0)
        of = torch.cat([of, bumps(torch.asinh(behind).clamp(-1, 7), LEADS)], -1)
        told = (F.silu(self.expert(of)) * s.every_known[..., None]).sum(-2)
        return x + torch.where(s.begins[..., None], 0.0, self.told(told))


class SetStream(sequences.SequenceStream):
    def begin_round(self, number):
        seed = (self.seed * 10_007 + number) * 4099 + self.rows
        return lambda: self.round_of(seed)

    def round_of(self, seed):
        rng = np.random.default_rng(seed)

        def with_every(group):
            arrays, good, hints = sequences.arrays_of(group, rng, self.disturbed)
            arrays |= {f"every_{name}": hints.every[name] for name in EVERY}
            return SetSequences(**{name: sequences.flattened(array, good) for name, array in arrays.items()})

        whole = sequences.joined(list(sequences.made_parts(seed, self.sequences, self.rows, with_every)))
        return whole[torch.from_numpy(rng.permutation(len(whole)))]

    def arrived(self, made):
        return made


class SetRun(ResidualRun):
    def new_model(self):
        return SetModel(**self.config.model)

    def sequence_stream(self, values, length, workers, ahead, disturbed):
        return SetStream(self.config.seed, values, length, self.device, None, 0, disturbed)


class SetReading(ModelReading):
    def sequences(self, positions, acts, starts):
        s = super().sequences(positions, acts, starts)
        n, rows, channels = positions.shape
        panel, said = Experts(n, channels, acts.shape[2], rows), []
        next_begins = np.concatenate([starts[:, 1:], np.zeros((n, 1), bool)], 1)
        for t in range(rows):
            panel.predict()
            said.append(panel.said())
            panel.learn(positions[:, t] - 5, acts[:, t], next_begins[:, t], np.ones((n, channels), bool))
        every = {name: flat(np.stack([row[name] for row in said], 1)) for name in EVERY}
        as_tensor = lambda a: torch.from_numpy(a.astype(np.float32) if a.dtype == np.float64 else a)
        return SetSequences(**vars(s), **{f"every_{name}": as_tensor(a) for name, a in every.items()})
