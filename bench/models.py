"""The models that are compared, with the same weights in every format: safetensors and GGUF."""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[1]
BUILTIN = ROOT / "models" / "builtin"
SMOLLM2 = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
               vocab_size=49152, max_position_embeddings=8192, tie_word_embeddings=True, rms_norm_eps=1e-5,
               rope_parameters={"rope_type": "default", "rope_theta": 100000.0}, bos_token_id=None, eos_token_id=None)
NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def make(folder):
    """`builtin` and `smollm2` (SmolLM2-135M's shape, random, BF16, the bundled tokenizer) below a folder."""
    for name in ("builtin", "smollm2"):
        target = folder / name
        weights = target / "model.safetensors"
        current = name != "builtin" or weights.exists() and weights.read_bytes() == (BUILTIN / weights.name).read_bytes()
        if (target / "done").exists() and current:
            continue
        shutil.rmtree(target, ignore_errors=True)
        if name == "builtin":
            shutil.copytree(BUILTIN, target)
        else:
            torch.manual_seed(0)
            model = LlamaForCausalLM(LlamaConfig(**SMOLLM2))
            with torch.no_grad():
                # Logits that differ as a trained model's do.
                model.model.embed_tokens.weight.mul_(4.0)
            model.to(torch.bfloat16).save_pretrained(target)
            shutil.copy(BUILTIN / "tokenizer.json", target)
        model = AutoModelForCausalLM.from_pretrained(target, dtype=torch.bfloat16)
        for kind in ("F32", "BF16", "Q8_0"):
            write_gguf(model, gguf.GGMLQuantizationType[kind], target / f"{kind}.gguf")
        (target / "done").touch()


def gguf_name(name):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}[name.rsplit(".", 1)[0]] + ".weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.rsplit('.', 1)[0]]}.weight"


def write_gguf(model, kind, path):
    config = model.config
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(64)
    writer.add_key_length(64)
    writer.add_value_length(64)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("none")
    for name, parameter in model.named_parameters():
        values = parameter.detach().float().numpy()
        for part, count in heads.items():
            if part in name:  # from halves to pairs, for ggml's rotary positions
                values = values.reshape(count, 2, values.shape[0] // count // 2, -1).swapaxes(1, 2).reshape(values.shape)
        if values.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(gguf_name(name), np.ascontiguousarray(values, np.float32))
        else:
            # The bundled model's inner width is no multiple of a block of 32.
            fits = values.shape[1] % 32 == 0
            stored = kind if fits else gguf.GGMLQuantizationType.BF16
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(np.ascontiguousarray(values), stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
