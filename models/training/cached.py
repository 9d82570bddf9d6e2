"""The decoder with keys and values of what it read."""

import torch
import torch.nn.functional as F

from model import LONGEST, rotated


class Cached:
    """Every sequence is repeated when paths begin."""

    def __init__(self, decoder):
        self.model, self.caches, self.at = decoder, None, 0

    def read(self, x):
        """States [sequences, rows, hidden] of more embedded rows."""
        rows, new = x.shape[:2]
        if self.at + new > LONGEST:
            raise ValueError(f"{self.at + new} rows, the model reads at most {LONGEST}")
        cos, sin = self.model.cos[self.at : self.at + new], self.model.sin[self.at : self.at + new]
        caches = []
        for i, block in enumerate(self.model.blocks):
            h = block.attention_norm(x)
            packed = F.linear(h, torch.cat([block.q.weight, block.k.weight, block.v.weight])).chunk(3, -1)
            q, k, v = (z.view(rows, new, block.heads, -1).transpose(1, 2) for z in packed)
            q, k = rotated(q, cos, sin), rotated(k, cos, sin)
            if self.caches:
                k, v = torch.cat([self.caches[i][0], k], 2), torch.cat([self.caches[i][1], v], 2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.caches is None)
            x = x + block.o(y.transpose(1, 2).reshape(rows, new, -1))
            gate, up = F.linear(block.mlp_norm(x), torch.cat([block.gate.weight, block.up.weight])).chunk(2, -1)
            x = x + block.down(F.silu(gate) * up)
            caches.append((k, v))
        self.caches, self.at = caches, self.at + new
        return self.model.norm(x)

    def repeat(self, index):
        self.caches = [(k[index], v[index]) for k, v in self.caches]
