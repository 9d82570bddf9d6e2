"""Writes a tiny random checkpoint of every family that the decoder describes, with logits of transformers.

    python make_families.py [--out FOLDER] [NAME ...]

Each folder holds config.json as transformers 5 writes it, config.old.json as the family's own repositories wrote
it, model.safetensors (F32) and golden.npz: `ids` [2, L] and `logits` [2, L, V] at all positions, computed by
transformers in float32 with eager attention. A variant names the settings that distinguish it (`without`); the
script computes the logits once more with each of them changed and fails unless a logit moves by more than 1e-2: a
golden number that no mistake can move tests nothing.
"""

import argparse
import copy
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
    StableLmConfig,
)
from transformers.utils import logging

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
logging.disable_progress_bar()
logging.set_verbosity_error()

VISIBLE = 1e-2
VOCABULARY = 48
LENGTH = 72

SMALL = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=1, pad_token_id=None,
)


def small(**changes):
    return {**SMALL, **changes}


def rope(kind, theta=10000.0, **settings):
    return {"rope_type": kind, "rope_theta": theta, **settings}


def layers(pattern):
    return [{"s": "sliding_attention", "f": "full_attention"}[c] for c in pattern]


LONG = dict(short_factor=[1.0, 1.1, 1.3], long_factor=[1.0, 2.5, 6.0])

# name: (configuration class, its arguments, settings whose change must be visible, what config.old.json says instead)
VARIANTS = {
    "llama-linear": (LlamaConfig, small(rope_parameters=rope("linear", factor=4.0)),
                     [dict(rope_parameters=rope("default"))], {}),
    "llama-dynamic": (LlamaConfig, small(max_position_embeddings=40, rope_parameters=rope("dynamic", factor=3.0)),
                      [dict(rope_parameters=rope("default"))], {}),
    "llama-yarn": (LlamaConfig, small(rope_parameters=rope("yarn", factor=8.0, original_max_position_embeddings=32)),
                   [dict(rope_parameters=rope("default"))], {}),
    "llama-yarn-mscale": (LlamaConfig, small(rope_parameters=rope(
        "yarn", factor=8.0, original_max_position_embeddings=32, mscale=2.0, mscale_all_dim=0.5, beta_fast=16.0,
        beta_slow=2.0)), [dict(rope_parameters=rope("default"))], {}),
    "mistral": (MistralConfig, small(sliding_window=16, head_dim=12), [dict(sliding_window=None)], {}),
    "qwen2": (Qwen2Config, small(use_sliding_window=False), [], dict(sliding_window=16, max_window_layers=1)),
    "qwen2-sliding": (Qwen2Config, small(use_sliding_window=True, sliding_window=16, max_window_layers=1),
                      [dict(layer_types=layers("fff"))], {}),
    "qwen3": (Qwen3Config, small(head_dim=12, use_sliding_window=False), [], {}),
    "smollm3": (SmolLM3Config, small(num_hidden_layers=4, no_rope_layer_interval=2, use_sliding_window=False,
                                     rope_parameters=rope("default", 5000.0), tie_word_embeddings=True),
                [dict(no_rope_layers=[1, 1, 1, 1])], {}),
    "gemma": (GemmaConfig, small(head_dim=12), [], dict(hidden_act="gelu", hidden_activation=None)),
    "gemma2": (Gemma2Config, small(head_dim=12, sliding_window=16, query_pre_attn_scalar=20,
                                   attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
               [dict(attn_logit_softcapping=1e9), dict(final_logit_softcapping=1e9), dict(query_pre_attn_scalar=12),
                dict(layer_types=layers("fff"))], {}),
    "gemma3": (Gemma3TextConfig, small(
        num_hidden_layers=4, head_dim=12, sliding_window=16, query_pre_attn_scalar=20, layer_types=layers("sssf"),
        rope_parameters={"full_attention": rope("linear", 50000.0, factor=4.0),
                         "sliding_attention": rope("default", 2000.0)}),
        [dict(layer_types=layers("ffff")), dict(query_pre_attn_scalar=12)],
        dict(sliding_window_pattern=4, rope_theta=50000.0, rope_local_base_freq=2000.0,
             rope_scaling={"rope_type": "linear", "factor": 4.0})),
    "phi3": (Phi3Config, small(sliding_window=16), [dict(sliding_window=None)], {}),
    "phi3-long": (Phi3Config, small(
        original_max_position_embeddings=64,
        rope_parameters=rope("longrope", partial_rotary_factor=0.75, original_max_position_embeddings=64, **LONG)),
        [dict(rope_parameters=rope("default", partial_rotary_factor=0.75))],
        dict(rope_scaling={"type": "longrope", **LONG}, partial_rotary_factor=0.75)),
    "phi3-short": (Phi3Config, small(
        original_max_position_embeddings=96,
        rope_parameters=rope("longrope", partial_rotary_factor=0.75, original_max_position_embeddings=96, **LONG)),
        [dict(rope_parameters=rope("default", partial_rotary_factor=0.75))],
        dict(rope_scaling={"type": "longrope", **LONG}, partial_rotary_factor=0.75)),
    "olmo2": (Olmo2Config, small(), [], {}),
    "granite": (GraniteConfig, small(embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.5,
                                     attention_multiplier=0.2),
                [dict(embedding_multiplier=1.0), dict(logits_scaling=1.0), dict(residual_multiplier=1.0),
                 dict(attention_multiplier=0.35)], {}),
    "stablelm": (StableLmConfig, small(use_qkv_bias=True, use_parallel_residual=False, qk_layernorm=False,
                                       rope_parameters=rope("default", partial_rotary_factor=0.5)),
                 [dict(rope_parameters=rope("default", partial_rotary_factor=1.0))], dict(partial_rotary_factor=0.5)),
    "gpt-neox": (GPTNeoXConfig, dict(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=256, use_parallel_residual=True,
        rope_parameters=rope("default", partial_rotary_factor=0.25)),
        [dict(use_parallel_residual=False), dict(rope_parameters=rope("default", partial_rotary_factor=1.0))],
        dict(rotary_pct=0.25, rotary_emb_base=10000)),
    "gpt-neox-serial": (GPTNeoXConfig, dict(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=256, use_parallel_residual=False,
        rope_parameters=rope("default", 2000.0, partial_rotary_factor=0.5)),
        [dict(use_parallel_residual=True)], dict(rotary_pct=0.5, rotary_emb_base=2000)),
    "gpt2": (GPT2Config, dict(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=128, n_ctx=128),
             [dict(activation_function="relu")], {}),
}


def make_model(config, seed):
    """A model whose every weight matters: norms and biases are random too."""
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                start = 0.0 if name.endswith("bias") or config.model_type.startswith("gemma") else 1.0
                parameter.copy_(start + 0.3 * noise)
            else:
                parameter.copy_(noise * (1.0 if "emb" in name or "wte" in name else 1.5) / parameter.shape[-1] ** 0.5)
    return model


def logits(model, ids):
    with torch.no_grad():
        return model(ids, use_cache=False).logits.float()


def check(name, config, model, ids, expected, changes):
    for change in changes:
        other = copy.deepcopy(config)
        for key, value in change.items():
            setattr(other, key, value)
        changed = AutoModelForCausalLM.from_config(other, attn_implementation="eager", dtype=torch.float32).eval()
        changed.load_state_dict(model.state_dict())
        moved = (logits(changed, ids) - expected).abs().max().item()
        if not moved > VISIBLE:
            raise SystemExit(f"{name}: {change} moves the logits by {moved} only")
    if "dynamic" in name or "long" in name:
        return  # transformers takes the frequencies from the length read so far: a cache mixes them
    with torch.no_grad():
        first = model(ids[:, :40], use_cache=True)
        second = model(ids[:, 40:], past_key_values=first.past_key_values, use_cache=True)
    cached = torch.cat([first.logits, second.logits], 1)
    if not (cached - expected).abs().max().item() < 1e-4:
        raise SystemExit(f"{name}: the cache changes the logits")


def old_form(config, changes):
    """config.json before transformers 5: rope settings at the top, `torch_dtype`, no `layer_types`."""
    old = {k: v for k, v in config.items() if k not in ("rope_parameters", "layer_types", "dtype")}
    parameters = config.get("rope_parameters")
    if parameters and "rope_theta" in parameters:
        old["rope_theta"] = parameters["rope_theta"]
        scaling = {k: v for k, v in parameters.items() if k not in ("rope_theta", "partial_rotary_factor")}
        old["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
    for name in ("_sliding_window_pattern", "use_bidirectional_attention"):
        old.pop(name, None)
    old["torch_dtype"] = "float32"
    old["transformers_version"] = "4.45.0"
    if config["model_type"] == "gpt_neox":
        old.pop("rope_theta", None)
        old.pop("rope_scaling", None)
    return {**old, **changes}


def write(folder, name, seed):
    kind, arguments, visible, old = VARIANTS[name]
    config = kind(**copy.deepcopy(arguments))
    model = make_model(config, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    ids = torch.randint(0, VOCABULARY, (2, LENGTH), generator=generator)
    expected = logits(model, ids)
    check(name, config, model, ids, expected, visible)
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)  # under the names of published checkpoints
        shutil.copy(Path(saved) / "model.safetensors", folder / "model.safetensors")
    written = {k: v for k, v in model.config.to_dict().items() if not k.startswith("_attn")}
    written["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    (folder / "config.old.json").write_text(json.dumps(old_form(written, old), indent=2, sort_keys=True) + "\n")
    np.savez_compressed(folder / "golden.npz", ids=ids.numpy(), logits=expected.numpy())
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()) // 1024} KiB, logits up to {expected.abs().max():.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "families")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for i, name in enumerate(VARIANTS):
        if not arguments.names or name in arguments.names:
            write(arguments.out, name, 1000 + 10 * i)


if __name__ == "__main__":
    main()
