"""The digit model in training: a Llama decoder whose value tables are Fourier features of the value plus a
residual.

`export.py` writes the plain Llama weights (tables materialised), so that nothing is special in a decoder.
"""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from encoding import BINS, VOCAB

NORM_EPS, ROPE_THETA, LONGEST = 1e-5, 10000.0, 1024


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def mixed_precision(device):
    """BF16 where the device multiplies it faster than F32; without AVX-512 a CPU takes ten times as long."""
    fast = device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast)


class Norm(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, NORM_EPS)


def rotated(x, cos, sin):
    """RoPE in the half-rotation layout of Transformers; x [rows, heads, steps, 64]."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Block(nn.Module):
    def __init__(self, hidden, heads, inner):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = Norm(hidden), Norm(hidden)
        self.q, self.k, self.v, self.o = (linear(hidden, hidden) for _ in range(4))
        self.gate, self.up, self.down = linear(hidden, inner), linear(hidden, inner), linear(inner, hidden)

    def forward(self, x, cos, sin, past):
        x = x + self.attend(self.attention_norm(x), cos, sin, past)
        gate, up = F.linear(self.mlp_norm(x), torch.cat([self.gate.weight, self.up.weight])).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)

    def attend(self, h, cos, sin, past):
        rows, steps, hidden = h.shape
        packed = F.linear(h, torch.cat([self.q.weight, self.k.weight, self.v.weight])).chunk(3, -1)
        q, k, v = (z.view(rows, steps, self.heads, hidden // self.heads).transpose(1, 2) for z in packed)
        cos, sin = cos.to(q.dtype), sin.to(q.dtype)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if q.is_cuda or q.dtype == torch.float32:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # in BF16 on a CPU plain attention is faster at these lengths than the fused kernel
            score = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
            y = torch.softmax(score.masked_fill(~past, -1e4), -1).to(v.dtype) @ v
        return self.o(y.transpose(1, 2).reshape(rows, steps, hidden))


def value_features(waves):
    """Features [1000, 2 waves + 3] of a value: waves of 0.25..250 periods over the axis, 1, x, x^2."""
    x = torch.arange(BINS).float() / BINS
    periods = torch.tensor(np.geomspace(0.25, 250, waves), dtype=torch.float32)
    angle = 2 * math.pi * x[:, None] * periods
    centred = 2 * x - 1
    return torch.cat([angle.cos(), angle.sin(), torch.stack([torch.ones(BINS), centred, centred**2], 1)], 1)


class ValueTable(nn.Module):
    """A table [1003, hidden]: features @ smooth + free residual for the values, free rows for the special
    tokens.
    """

    def __init__(self, hidden, waves, smooth_size, free_size):
        super().__init__()
        features = value_features(waves)
        self.register_buffer("features", features, persistent=False)
        self.smooth = nn.Parameter(torch.randn(features.shape[1], hidden) * smooth_size)
        self.free = nn.Parameter(torch.randn(VOCAB, hidden) * free_size)

    def forward(self):
        # in float32 also under autocast: BF16 sums of 67 waves would blur neighbouring values
        with torch.autocast(self.smooth.device.type, enabled=False):
            smooth = self.features @ self.smooth
        return self.free + F.pad(smooth, (0, 0, 0, VOCAB - BINS))


class DigitModel(nn.Module):
    def __init__(self, hidden, layers, heads, inner, waves=32):
        super().__init__()
        self.shape = dict(hidden=hidden, layers=layers, heads=heads, inner=inner)
        # without waves the free rows start at the usual size
        self.embedding = ValueTable(hidden, waves, 0.02, 0.001 if waves else 0.02)
        self.head = ValueTable(hidden, waves, 0.005, 0.0)
        self.blocks = nn.ModuleList(Block(hidden, heads, inner) for _ in range(layers))
        self.norm = Norm(hidden)
        for name, p in self.blocks.named_parameters():
            if p.ndim == 2:
                writes = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(p, std=0.5 / hidden**0.5 / ((2 * layers) ** 0.5 if writes else 1))
        head_size = hidden // heads
        inverse = ROPE_THETA ** (-torch.arange(0, head_size, 2).float() / head_size)
        angle = torch.outer(torch.arange(LONGEST).float(), inverse).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        self.register_buffer("past", torch.ones(LONGEST, LONGEST, dtype=torch.bool).tril(), persistent=False)

    def matrices(self):
        """The weights that Muon trains: all matrices of the blocks."""
        return [p for p in self.blocks.parameters() if p.ndim == 2]

    def states(self, x):
        """What the head reads, [rows, steps <= 1024, hidden], of embedded inputs of that shape."""
        steps = x.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:steps], self.sin[:steps], self.past[:steps, :steps])
        return self.norm(x)

    def forward(self, ids):
        """Logits [rows, steps, 1003] of the next id; ids [rows, steps <= 1024]."""
        return F.linear(self.states(F.embedding(ids, self.embedding())), self.head())
