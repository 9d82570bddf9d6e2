"""Writes end_to_end.npz: from a two-channel series to predictive densities and a greedy rollout.

    python make_end_to_end.py [--out FOLDER]

Two models: the bundled one (a token a number, nothing between) and llama3-scaled of make_llama.py, which must
have been written to the same folder before (a token a number, a comma token after each). Logits come from
transformers in float32 over the whole sequence at once, without a cache; everything after them is float64.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM
from transformers.utils import logging

from make_llama import decode

logging.disable_progress_bar()
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

HERE = Path(__file__).resolve().parent
ROWS, STEPS = 60, 10
STORED = [0, 1, 2, 5, 10, 17, 24, 31, 38, 45, 52, 59]


def series(rng):
    """A damped oscillation and a drifting one of another scale, both with noise."""
    t = np.arange(ROWS)
    first = 1.7 * np.exp(-t / 45.0) * np.cos(0.42 * t + 0.3) + 0.03 * rng.standard_normal(ROWS)
    second = 240.0 + 1.1 * t + 35.0 * np.sin(0.27 * t) + 2.0 * rng.standard_normal(ROWS)
    return np.stack([first, second], axis=1)


def log_softmax(x):
    x = x.astype(np.float64)
    top = x.max(-1, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(-1, keepdims=True))


class Reader:
    """Serialises bins, and reads number logits where the model is about to say a number."""

    def __init__(self, folder, separator):
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.separator = separator
        self.numbers = [self.tokenizer.token_to_id(f"{n:03d}") for n in range(1000)]
        assert len(set(self.numbers)) == 1000 and None not in self.numbers

    def prompt(self, bins):
        """Token ids with BOS; every number, the last one too, is followed by the separator if there is one."""
        ids = self.tokenizer.encode("".join(f"{n:03d}{self.separator}" for n in bins)).ids
        assert len(ids) == 1 + len(bins) * (1 + len(self.separator))
        return ids

    def logits(self, ids):
        """[numbers + 1, 1000]: row t predicts number t from those before it; the last row, the one to come."""
        with torch.no_grad():
            out = self.model(torch.tensor([ids])).logits[0].numpy()
        return out[:: 1 + len(self.separator)][:, self.numbers]

    def exact(self, ids):
        """The same by the float64 decoder of make_llama.py."""
        c, rope = self.model.config, self.model.config.rope_parameters
        shape = SimpleNamespace(
            hidden=c.hidden_size, heads=c.num_attention_heads, kv_heads=c.num_key_value_heads, head_dim=c.head_dim,
            layers=c.num_hidden_layers, theta=rope["rope_theta"], eps=c.rms_norm_eps, tied=c.tie_word_embeddings,
            bias=False, scaling=rope if rope["rope_type"] == "llama3" else None,
        )
        logits, _ = decode(shape, dict(self.model.state_dict()), np.array(ids))
        return logits[:: 1 + len(self.separator)][:, self.numbers]


def run(name, reader, bins, maximum, minimum):
    logs, prompts, path, margins = [], [], [], []
    error = 0.0
    for channel in bins.T:
        ids = reader.prompt(channel)
        prompts.append(ids)
        logits = reader.logits(ids)
        assert logits.shape == (ROWS + 1, 1000)
        logs.append(log_softmax(logits))
        error = max(error, np.abs(logs[-1] - log_softmax(reader.exact(ids))).max())
        known, steps, gaps = channel.tolist(), [], []
        for _ in range(STEPS):
            last = reader.logits(reader.prompt(known))[-1]
            best, second = np.argsort(-last, kind="stable")[:2]
            gaps.append(float(last[best]) - float(last[second]))
            steps.append(int(best))
            known.append(int(best))
        path.append(steps)
        margins.append(gaps)
    logs = np.stack(logs, axis=1)  # [ROWS + 1, 2, 1000]
    score = np.log(100.0) + np.take_along_axis(logs[:ROWS], bins[:, :, None], 2)[:, :, 0]
    margin = np.array(margins).T
    print(f"{name}: mean log score {score[20:].mean(0)} (rows from 20), rollout {np.array(path).tolist()}, "
          f"smallest margin {margin.min():.1e} logits")
    print(f"    log probabilities against float64: {error:.1e}")
    assert error < 2e-4
    assert margin.min() > 1e-2, "a greedy step too close to call"
    return {
        f"{name}_prompt": np.array(prompts, dtype=np.int64),
        f"{name}_probabilities": np.exp(logs[STORED]).astype(np.float32),
        f"{name}_next_probabilities": np.exp(logs[ROWS]).astype(np.float32),
        f"{name}_log_score": score,
        f"{name}_log_score_value": score - np.log((maximum - minimum) / 7.0),
        f"{name}_rollout_bins": np.array(path, dtype=np.int64).T,
        f"{name}_rollout_margin": margin,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    values = series(np.random.default_rng(1105))
    minimum, maximum = values.min(0), values.max(0)
    y = 1.5 + 7.0 * (values - minimum) / (maximum - minimum)
    bins = np.clip(np.floor(100.0 * y), 0, 999).astype(np.int64)
    inner = np.abs(100 * y - np.round(100 * y))[(values != minimum) & (values != maximum)]
    assert inner.min() > 1e-6, "no value but the extremes may lie on an edge"
    arrays = {
        "series": values, "axis_minimum": minimum, "axis_maximum": maximum, "bins": bins,
        "rows": np.array(STORED, dtype=np.int64),
    }
    arrays |= run("builtin", Reader(HERE.parents[1] / "models" / "builtin", ""), bins, maximum, minimum)
    arrays |= run("llama3", Reader(out / "llama3-scaled", ","), bins, maximum, minimum)
    np.savez_compressed(out / "end_to_end.npz", **arrays)
    for name, array in arrays.items():
        print(f"{name:32s} {array.dtype!s:8s} {list(array.shape)}")
    print(f"end_to_end.npz {(out / 'end_to_end.npz').stat().st_size / 1000:.0f} kB")
