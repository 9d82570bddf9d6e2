"""Writes a tiny random checkpoint of every family that is read through candle-transformers, with logits.

    python make_others.py [--out FOLDER]

config.json is the form that the families' own repositories have (before transformers 5); tokenizer.json is the
byte-level one of make_gguf.py; golden.npz holds `ids` [1, L] and `logits` [1, L, V] of transformers in float32.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from make_gguf import BYTES, byte_level
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Glm4Config,
    Mamba2Config,
    MambaConfig,
    MixtralConfig,
    OlmoConfig,
    PhiConfig,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
    Starcoder2Config,
)

torch.set_num_threads(1)
LENGTH = 30
BASE = dict(vocab_size=len(BYTES), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=None,
            tie_word_embeddings=False)
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, decoder_sparse_step=1,
               norm_topk_prob=True, mlp_only_layers=[])

VARIANTS = {
    "mixtral": (MixtralConfig, dict(BASE, num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
                dict(sliding_window=512)),
    "qwen2_moe": (Qwen2MoeConfig, dict(BASE, **EXPERTS, shared_expert_intermediate_size=24, use_sliding_window=False),
                  dict(sliding_window=512, max_window_layers=2)),
    "qwen3_moe": (Qwen3MoeConfig, dict(BASE, **EXPERTS, head_dim=8, use_sliding_window=False),
                  dict(sliding_window=None, max_window_layers=2, attention_bias=False)),
    "falcon": (FalconConfig, dict(vocab_size=len(BYTES), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                  alibi=False, multi_query=True, parallel_attn=True, bias=False,
                                  new_decoder_architecture=False, bos_token_id=0, eos_token_id=1, hidden_dropout=0.0,
                                  attention_dropout=0.0, tie_word_embeddings=False), {}),
    "starcoder2": (Starcoder2Config, dict({**BASE, "tie_word_embeddings": True}, sliding_window=None, use_bias=True,
                                           hidden_act="gelu_pytorch_tanh"), {}),
    "mamba": (MambaConfig, dict(vocab_size=len(BYTES), hidden_size=32, num_hidden_layers=2, state_size=16,
                                bos_token_id=0, eos_token_id=1, pad_token_id=0, tie_word_embeddings=True),
              dict(d_model=32, n_layer=2, pad_vocab_size_multiple=1)),
    "mamba2": (Mamba2Config, dict(vocab_size=len(BYTES), hidden_size=32, num_hidden_layers=2, state_size=16, expand=2,
                                  head_dim=16, num_heads=4, n_groups=1, chunk_size=8, bos_token_id=0, eos_token_id=1,
                                  pad_token_id=0, tie_word_embeddings=True), dict(pad_vocab_size_multiple=1)),
    "glm4": (Glm4Config, dict(BASE, head_dim=8, attention_bias=True,
                              rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                               "partial_rotary_factor": 0.5}), {}),
    "phi": (PhiConfig, dict({**BASE, "num_key_value_heads": 4}, partial_rotary_factor=0.5), {}),
    "olmo": (OlmoConfig, dict(BASE, clip_qkv=None), {}),
}


def write(folder, name, seed):
    kind, arguments, old = VARIANTS[name]
    config = kind(**arguments)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "A_log" not in key:
                parameter.copy_(torch.randn(parameter.shape) * 1.2 / parameter.shape[-1] ** 0.5)
        ids = torch.randint(0, len(BYTES), (1, LENGTH))
        logits = model(ids, use_cache=False).logits.float()
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        shutil.copy(Path(saved) / "model.safetensors", folder / "model.safetensors")
    written = {k: v for k, v in config.to_dict().items() if v is not None and k not in ("rope_parameters", "layer_types", "dtype")}
    parameters = getattr(config, "rope_parameters", None) or {}
    written.update({k: parameters[k] for k in ("rope_theta", "partial_rotary_factor") if k in parameters})
    written.update(old)
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    byte_level().save(str(folder / "tokenizer.json"))
    np.savez_compressed(folder / "golden.npz", ids=ids.numpy(), logits=logits.numpy())
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()) // 1024} KiB, logits up to {logits.abs().max():.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "others")
    for i, name in enumerate(VARIANTS):
        write(parser.parse_args().out, name, 500 + i)


if __name__ == "__main__":
    main()
