"""Writes builtin.npz: number logits of the bundled checkpoint by transformers.

    python make_builtin.py [--out FOLDER]

F32 on the stored BF16 weights. `ids_N` [N] begins with BOS, `logits_N` [5, 1000] are those of the number ids at
the last five positions, for N = 10, 200, 1000.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaForCausalLM

HERE = Path(__file__).resolve().parent
BOS = 1000


def series(rng, length):
    """A noisy oscillation on the axis, in bins."""
    t = np.arange(length)
    wave = 500 + 220 * np.sin(0.21 * t + 1) + 90 * np.sin(0.05 * t) + 8 * rng.standard_normal(length)
    return np.clip(np.floor(wave), 0, 999).astype(np.int64)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=HERE)
torch.set_num_threads(1)
model = LlamaForCausalLM.from_pretrained(HERE.parents[1] / "models" / "builtin", dtype=torch.float32).eval()
rng = np.random.default_rng(20261125)
arrays = {}
for length in (10, 200, 1000):
    ids = np.concatenate([[BOS], series(rng, length - 1)])
    with torch.no_grad():
        logits = model(torch.from_numpy(ids)[None]).logits[0, -5:, :1000]
    arrays[f"ids_{length}"], arrays[f"logits_{length}"] = ids, logits.numpy()
np.savez_compressed(parser.parse_args().out / "builtin.npz", **arrays)
