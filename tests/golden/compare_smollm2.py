"""Forecasts with a random model of SmolLM2-135M's shape from safetensors and from GGUF, and compares.

    cargo build --release && python tests/golden/compare_smollm2.py [--program target/release/statecast]

Too large for the test suite (a gigabyte on disk, minutes): run it by hand after a change of the loading code. It saves the
model with transformers, writes the same weights as F32 and Q8_0 GGUF, forecasts examples/pendulum.csv with each and
compares the tables: those of F32 must agree, that of Q8_0 must be near.
"""

import argparse
import csv
import io
import subprocess
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
import torch
from make_gguf import byte_level, gguf_name, interleaved, write_header
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[2]
SHAPE = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
             vocab_size=49152, max_position_embeddings=8192, tie_word_embeddings=True, rms_norm_eps=1e-5,
             rope_parameters={"rope_type": "default", "rope_theta": 100000.0}, bos_token_id=0, eos_token_id=1)


def save(folder):
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPE)
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder / "safetensors")
    byte_level().save(str(folder / "safetensors" / "tokenizer.json"))
    model = model.float()
    for name in ("F32", "Q8_0"):
        kind = gguf.GGMLQuantizationType[name]
        writer = gguf.GGUFWriter(folder / f"{name}.gguf", "llama")
        write_header(writer, "llama", config, model, False)
        for key, parameter in model.named_parameters():
            values = parameter.detach().numpy()
            for part, heads in (("q_proj", 9), ("k_proj", 3)):
                values = interleaved(values, heads) if part in key else values
            if values.ndim == 2 and name != "F32":
                writer.add_tensor(gguf_name(key, False), gguf.quants.quantize(values, kind), raw_dtype=kind)
            else:
                writer.add_tensor(gguf_name(key, False), np.ascontiguousarray(values, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def forecast(program, model):
    started = time.time()
    run = subprocess.run(
        [program, "forecast", ROOT / "examples/pendulum.csv", "--select", "0", "--context", "60", "--horizon", "3",
         "--samples", "8", "--model", model], capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    means = np.array([[float(row["mean"]), float(row["std"])] for row in rows])
    print(f"{Path(model).name}: {time.time() - started:.1f} s; {run.stderr.strip().splitlines()[-1]}")
    return means


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save(folder)
        reference = forecast(program, folder / "safetensors")
        exact = np.abs(forecast(program, folder / "F32.gguf") - reference).max()
        near = np.abs(forecast(program, folder / "Q8_0.gguf") - reference)
    spread = reference[:, 1].mean()
    print(f"F32: largest difference {exact:.2e}; Q8_0: mean difference {near.mean():.2e} of a spread of {spread:.2e}")
    assert exact < 1e-3 * spread, "safetensors and GGUF differ"
    assert near.mean() < 0.5 * spread, "the quantised model is another one"


if __name__ == "__main__":
    main()
