"""What each precision costs in accuracy: the densities of the program on the example recordings, against those in F32.

    .venv/bin/python bench/precision.py [--program target/release/statecast] [--folder target/compare]

Per precision: total variation distance between the densities of a step, mean and 99th percentile over all steps and
channels; the change of the log score of what came, mean and mean of its size, in nats. Q4_K needs widths that are multiples
of 256: the bundled model is padded with zeros for it, which changes no output (the script checks that).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import models

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = [["half_cheetah.csv"], ["hopper.csv", "--select", "0"], ["pendulum.csv", "--select", "0"]]
HIDDEN, INNER, HEADS = 256, 512, 4

sys.path.insert(0, str(ROOT / "tests" / "golden"))
from make_gguf import q4_k  # noqa: E402


def padded(model):
    """The same function with wider layers: what is added is zero, and norms divide by fewer zeros."""
    narrow = model.config
    config = LlamaConfig(**{**narrow.to_dict(), "hidden_size": HIDDEN, "intermediate_size": INNER, "num_attention_heads": HEADS,
                            "num_key_value_heads": HEADS, "rms_norm_eps": narrow.rms_norm_eps * narrow.hidden_size / HIDDEN})
    wide = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, to in wide.named_parameters():
            source = model.get_parameter(name)
            to.zero_()
            to[tuple(slice(n) for n in source.shape)] = source * (1 if source.dim() > 1 else (narrow.hidden_size / HIDDEN) ** 0.5)
    return wide


def write_q4_k(model, path):
    quantize = gguf.quants.quantize
    gguf.quants.quantize = lambda values, kind: q4_k(values) if kind == gguf.GGMLQuantizationType.Q4_K else quantize(values, kind)
    models.write_gguf(model, gguf.GGMLQuantizationType.Q4_K, path)
    gguf.quants.quantize = quantize


def densities(program, model, precision):
    """Densities `[steps, 1000]` of all channels and recordings, and the log scores of what came."""
    found, scores = [], []
    with tempfile.TemporaryDirectory() as folder:
        for recording in RECORDINGS:
            out = Path(folder) / "densities.npz"
            subprocess.run([program, "density", *recording, "--model", model, "--method", "vicl", "--precision", precision, "--output", out],
                           check=True, capture_output=True, cwd=ROOT / "examples")
            with np.load(out) as arrays:
                found.append(arrays["density"].reshape(-1, 1000))
                scores.append(arrays["log_score"].ravel())
    return np.concatenate(found).astype(np.float64), np.concatenate(scores).astype(np.float64)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "statecast")
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "compare", help="where the models are made")
    arguments = parser.parse_args()
    models.make(arguments.folder)
    folder, program = arguments.folder.resolve(), arguments.program.resolve()
    model = AutoModelForCausalLM.from_pretrained(folder / "builtin", dtype=torch.float32)
    wide = padded(model)
    ids = torch.arange(0, 1000, 7)[None]
    assert torch.allclose(model(ids).logits, wide(ids).logits, atol=1e-3), "padding changed the model"
    target = folder / "padded"
    target.mkdir(exist_ok=True)
    (target / "tokenizer.json").write_bytes((folder / "builtin" / "tokenizer.json").read_bytes())
    write_q4_k(wide, target / "Q4_K.gguf")
    sides = [
        ("bundled: BF16 weights (auto)", folder / "builtin", "auto"),
        ("bundled: BF16 weights, activations and keys rounded (bf16)", folder / "builtin", "bf16"),
        ("bundled: Q8_0", folder / "builtin" / "Q8_0.gguf", "auto"),
        ("bundled: Q4_K", target / "Q4_K.gguf", "auto"),
        ("135M, random: BF16 weights (auto)", folder / "smollm2", "auto"),
        ("135M, random: BF16 weights, activations and keys rounded (bf16)", folder / "smollm2", "bf16"),
        ("135M, random: Q8_0", folder / "smollm2" / "Q8_0.gguf", "auto"),
    ]
    print("| weights | total variation, mean | 99 % | log score, mean change | mean size of the change |\n|---|---|---|---|---|")
    exact = {}
    for name, source, precision in sides:
        kind = name.split(":")[0]
        if kind not in exact:
            exact[kind] = densities(program, folder / ("builtin" if kind == "bundled" else "smollm2"), "f32")
        density, score = densities(program, source, precision)
        variation = 0.5 * np.abs(density - exact[kind][0]).sum(-1)
        change = score - exact[kind][1]
        print(f"| {name} | {variation.mean():.1e} | {np.quantile(variation, 0.99):.1e} | {change.mean():+.1e} | {np.abs(change).mean():.1e} |",
              flush=True)


if __name__ == "__main__":
    main()
