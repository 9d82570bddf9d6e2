"""An exported folder as a forecaster, read by Transformers: one-step densities and sample paths."""

import numpy as np
import torch
from transformers import DynamicCache, LlamaForCausalLM
from transformers.utils import logging

from encoding import BINS, BOS

logging.disable_progress_bar()


class Reader:
    def __init__(self, folder, device="cpu"):
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().to(device)
        self.device = device

    def _prompt(self, bins):
        start = np.full((len(bins), 1), BOS)
        return torch.from_numpy(np.concatenate([start, bins], 1)).to(self.device)

    @torch.no_grad()
    def densities(self, bins, rows=10):
        """Float32 [series, values, 1000]; row t is conditioned on BOS and the values before t."""
        out = []
        for i in range(0, len(bins), rows):
            logits = self.model(self._prompt(bins[i : i + rows, :-1])).logits[..., :BINS]
            out.append(logits.float().softmax(-1).cpu().numpy())
        return np.concatenate(out)

    @torch.no_grad()
    def paths(self, bins, horizon, count, seed=0):
        """Sample paths [series, count, horizon] in bins; the context of a series is read once for all its
        paths.
        """
        generator = torch.Generator(self.device).manual_seed(seed)
        out = np.empty((len(bins), count, horizon))
        for s, context in enumerate(bins):
            cache = DynamicCache()
            logits = self.model(self._prompt(context[None]), past_key_values=cache).logits[:, -1]
            cache.batch_repeat_interleave(count)
            logits = logits.expand(count, -1)
            for h in range(horizon):
                chance = logits[:, :BINS].float().softmax(-1)
                ids = torch.multinomial(chance, 1, generator=generator)
                out[s, :, h] = ids[:, 0].cpu().numpy()
                if h + 1 < horizon:
                    logits = self.model(ids, past_key_values=cache).logits[:, -1]
        return out
