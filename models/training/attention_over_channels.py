"""An ablation: attention over the channels of a row, beside the channels each by itself.

  python attention_over_channels.py --start-from FOLDER --teacher ../builtin   # resumes; residual_leg.toml's budget
  python attention_over_channels.py --compare runs/leg2/checkpoint.pt           # on the recordings, paired

Every second block is followed by attention over the channels of the same row of the same window; it writes nothing at
the start. A step takes whole windows, so it has more values of windows with many channels. Everything else is
residual_leg.toml's: FOLDER is the one that the run to compare with started from.
"""

import argparse
import math
import os
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn

import sequences
from ablate_residual import scored
from config import read_config
from model import DigitModel, Norm, linear
from model_reading import ModelReading
from residual import ResidualModel, Sequences
from residual_run import HintedValidation, ResidualRun, residual_loss
from scores import paired_interval
from train import HERE, begin, train, write_log
from warm_start import loaded

AFTER = (1, 3)  # blocks that attention over channels follows


@dataclass
class WindowedSequences(Sequences):
    window: torch.Tensor  # [sequences, rows], equal for the channels of a window


class AcrossChannels(nn.Module):
    """Attention of x [sequences, rows, hidden] over the sequences of the same window, row by row."""

    def __init__(self, hidden, heads):
        super().__init__()
        self.heads, self.norm = heads, Norm(hidden)
        self.q, self.k, self.v, self.o = (linear(hidden, hidden) for _ in range(4))
        nn.init.zeros_(self.o.weight)

    def forward(self, x, together):
        count, rows, hidden = x.shape
        h = self.norm(x)
        q, k, v = (part(h).view(count, rows, self.heads, -1).permute(1, 2, 0, 3) for part in (self.q, self.k, self.v))
        score = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        y = torch.softmax(score.masked_fill(~together, -1e4), -1).to(v.dtype) @ v
        return x + self.o(y.permute(2, 0, 1, 3).reshape(count, rows, hidden))


class GridModel(DigitModel):
    def __init__(self, hidden, layers, heads, inner, waves=32):
        super().__init__(hidden, layers, heads, inner, waves)
        self.across = nn.ModuleList(AcrossChannels(hidden, heads) for _ in AFTER)

    def matrices(self):
        return super().matrices() + [p for p in self.across.parameters() if p.ndim == 2]

    def states(self, x, together=None):
        """As DigitModel; the last of the sequences, as many as `together` says, have channels beside them."""
        steps, alone = x.shape[1], x.shape[0] - (0 if together is None else len(together))
        for i, block in enumerate(self.blocks):
            x = block(x, self.cos[:steps], self.sin[:steps], self.past[:steps, :steps])
            if together is not None and i in AFTER:
                x = torch.cat([x[:alone], self.across[AFTER.index(i)](x[alone:], together)])
        return self.norm(x)


class GridResidualModel(ResidualModel):
    def __init__(self, hidden, layers, heads, inner, waves=32, arm=""):
        super().__init__(hidden, layers, heads, inner, waves, arm)
        self.digits = GridModel(hidden, layers, heads, inner, waves)

    def beside(self, s):
        window = s.window[:, 0]
        return (window[:, None] == window[None],)


def windowed_round(seed, count, rows, disturbed=True):
    """`sequences.sequence_round` with the sequences of a window one behind the other."""
    rng, seen = np.random.default_rng(seed), 0

    def windowed(group):
        nonlocal seen
        arrays, good, _ = sequences.arrays_of(group, rng, disturbed)
        numbers = seen + np.arange(len(good))[:, None, None]
        arrays["window"] = np.broadcast_to(numbers, (len(good), rows, good.shape[1]))
        seen += len(good)
        return WindowedSequences(**{name: sequences.flattened(array, good) for name, array in arrays.items()})

    whole = sequences.joined(list(sequences.made_parts(seed, count, rows, windowed)))
    place = torch.from_numpy(rng.permutation(seen))[whole.window[:, 0]]
    return whole[torch.argsort(place, stable=True)]


class WindowedStream(sequences.SequenceStream):
    """Hands out whole windows: at least so many sequences, up to the end of the last one's window."""

    def begin_round(self, number):
        seed = (self.seed * 10_007 + number) * 4099 + self.rows
        return lambda: windowed_round(seed, self.sequences, self.rows, self.disturbed)

    def arrived(self, made):
        return made

    def take(self, count):
        taken = super().take(count)
        last, end = taken.window[-1, 0], self.cursor
        while end < len(self.pool) and self.pool.window[end, 0] == last:
            end += 1
        taken, self.cursor = self.pool[self.cursor - count : end], end
        return taken


class GridRun(ResidualRun):
    def new_model(self):
        return GridResidualModel(**self.config.model)

    def sequence_stream(self, values, length, workers, ahead, disturbed):
        return WindowedStream(self.config.seed, values, length, self.device, None, 0, disturbed)


class GridReading(ModelReading):
    def sequences(self, positions, acts, starts):
        s, (windows, rows, channels) = super().sequences(positions, acts, starts), positions.shape
        window = torch.arange(windows).repeat_interleave(channels)[:, None].expand(-1, rows)
        return WindowedSequences(**vars(s), window=window)

    def answered(self, whole, most=None):
        _, sizes = torch.unique_consecutive(whole.window[:, 0], return_counts=True)
        return super().answered(whole, most=int(sizes[0]))


def compare(grid, base):
    """Grid minus channels each by itself, on the recordings."""
    a, b = scored(grid, GridReading), scored(base, ModelReading)
    for k, name in enumerate(("density", "within bins")):
        each = {n: np.array(a[n][k]) - np.array(b[n][k]) for n in a}
        pair = paired_interval(list(each.values()))
        print(f"{name}: {{:+.3f}} [{{:+.3f}}, {{:+.3f}}]".format(*pair))
        print("  " + ", ".join(f"{n} {v.mean():+.3f}" for n, v in each.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=f"{HERE}/residual_leg.toml")
    parser.add_argument("--start-from")
    parser.add_argument("--teacher")
    parser.add_argument("--compare", metavar="CHECKPOINT", help="of the model without attention over channels")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    config, folder = read_config(arguments.config), f"{HERE}/runs/across"
    os.makedirs(folder, exist_ok=True)
    run = GridRun(config, "cpu")
    if os.path.exists(f"{folder}/checkpoint.pt"):
        run.load(f"{folder}/checkpoint.pt")
    elif arguments.start_from:
        begin(run.model, arguments.start_from, True)
        run.reset_average()
    if arguments.compare:
        if not run.steps:
            parser.error(f"{folder} has no checkpoint")
        return compare(run.average.eval(), ModelReading.of(arguments.compare).model)
    teacher = arguments.teacher and loaded(arguments.teacher).requires_grad_(False)
    validation = HintedValidation(config, "cpu")
    s = validation.sequences  # shuffled: each by itself
    alone = torch.arange(len(s))[:, None].expand(-1, s.digits.shape[1])
    validation.sequences = WindowedSequences(**vars(s), window=alone)
    write_log(folder, dict(start_from=arguments.start_from, teacher=arguments.teacher))
    train(run, folder, residual_loss(run.model, config.objective, True, teacher), validation)


if __name__ == "__main__":
    main()
