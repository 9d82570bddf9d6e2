"""Writes tiny GGUF files as llama.cpp's conversion names and packs them, with logits of transformers.

    python make_gguf.py [--out FOLDER]

NAME.gguf has its tokenizer inside; NAME.npz holds `ids` [2, L], `logits` [2, L, V] computed by transformers in
float32 on the weights as the file holds them (dequantised), and `text_ids`, what the tokenizer gives for the text
"150,234,007,". The file `llama-f32` has the same weights as the folder `llama-folder` in Hugging Face layout.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)
from transformers.utils import logging

torch.set_num_threads(1)
logging.disable_progress_bar()
logging.set_verbosity_error()

LENGTH = 40
TEXT = "150,234,007,"

# Byte-level: letters stand for bytes as in GPT-2, a space is Ġ. Nothing is merged but " ,".
BYTES = ["<|begin|>", "<|end|>", *"0123456789", ",", "Ġ", "Ġ,", *"abcdefghijklmnopqrstuvwxyz.-:"]
PIECES = ["<unk>", "<s>", "</s>", *[f"<0x{i:02X}>" for i in range(256)], "▁", *"0123456789", ",", "a", "b", "▁a", "ab", "▁ab"]

# As Llama 3: numbers are words of the vocabulary that no merge makes.
NUMBERS = ["<|begin_of_text|>", "<|end_of_text|>", *"0123456789", ",", "Ġ", *[f"{k:03}" for k in range(1000)], "12"]

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level():
    vocabulary = {token: i for i, token in enumerate(BYTES)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("Ġ", ",")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    return tokenizer


def model_of(config, seed):
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                start = 0.0 if name.endswith("bias") or config.model_type.startswith("gemma") else 1.0
                parameter.copy_(start + 0.3 * noise)
            else:
                parameter.copy_(noise * (1.0 if "emb" in name else 1.5) / parameter.shape[-1] ** 0.5)
    return model


def interleaved(weight, heads):
    """Llama's rows of a head from halves to pairs, for ggml's first kind of rotary positions."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def halves(weight, heads):
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def gguf_name(name, sandwich):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                "lm_head.weight": "output.weight"}[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    norms = (
        {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm"}
        if sandwich else {"post_attention_layernorm": "ffn_norm"}
    )
    return f"blk.{layer}.{ {**NAMES, **norms}[part] }.{kind}"


def quantise(values, kind):
    """The bytes of a tensor, and the values that they stand for."""
    if kind == gguf.GGMLQuantizationType.Q4_K:
        data = q4_k(values)
    else:
        data = gguf.quants.quantize(values, kind)
    return data, gguf.quants.dequantize(data, kind).reshape(values.shape).astype(np.float32)


def q4_k(values):
    """Q4_K by its block layout: 256 values, two half floats d and m, eight 6-bit scales and minima, 4-bit values."""
    rows, width = values.shape
    blocks = values.reshape(-1, 8, 32).astype(np.float64)
    low = np.minimum(blocks.min(-1), 0.0)
    scale, minimum = (blocks.max(-1) - low) / 15.0, -low
    d = (scale.max(-1) / 63.0).astype(np.float16)
    m = (minimum.max(-1) / 63.0).astype(np.float16)
    inverse = lambda x: np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)
    q_scale = np.clip(np.rint(scale * inverse(d.astype(np.float64))[:, None]), 0, 63).astype(np.uint8)
    q_min = np.clip(np.rint(minimum * inverse(m.astype(np.float64))[:, None]), 0, 63).astype(np.uint8)
    step, offset = d.astype(np.float64)[:, None] * q_scale, m.astype(np.float64)[:, None] * q_min
    q = np.clip(np.rint((blocks + offset[..., None]) * inverse(step)[..., None]), 0, 15).astype(np.uint8)
    packed = np.zeros((len(blocks), 144), np.uint8)
    packed[:, 0:2] = d.view(np.uint8).reshape(-1, 2)
    packed[:, 2:4] = m.view(np.uint8).reshape(-1, 2)
    for j in range(4):
        packed[:, 4 + j] = (q_scale[:, j] & 63) | ((q_scale[:, 4 + j] >> 4) << 6)
        packed[:, 8 + j] = (q_min[:, j] & 63) | ((q_min[:, 4 + j] >> 4) << 6)
        packed[:, 12 + j] = (q_scale[:, 4 + j] & 15) | ((q_min[:, 4 + j] & 15) << 4)
        packed[:, 16 + 32 * j: 48 + 32 * j] = q[:, 2 * j] | (q[:, 2 * j + 1] << 4)
    return packed.reshape(rows, -1)


def write_header(writer, family, config, model, pieces):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    if family == "llama":
        writer.add_rope_dimension_count(head_dim)
    parameters = config.rope_parameters
    writer.add_rope_freq_base(parameters.get("full_attention", parameters)["rope_theta"])
    if family in ("gemma2", "gemma3"):
        writer.add_sliding_window(config.sliding_window)
    if family == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if pieces == "numbers":
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("llama-bpe")
        writer.add_token_list(NUMBERS)
        writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(NUMBERS) - 2))
        writer.add_token_merges(["1 2"])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(1)
    elif pieces:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(PIECES)
        writer.add_token_scores([-float(i) for i in range(len(PIECES))])
        kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
        writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (len(PIECES) - len(kinds)))
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list(BYTES)
        writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(BYTES) - 2))
        writer.add_token_merges(["Ġ ,"])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(1)
        writer.add_add_bos_token(False)


def write(folder, name, family, config, kind, seed, pieces=False, save=False):
    model = model_of(config, seed)
    sandwich = family in ("gemma2", "gemma3")
    writer = gguf.GGUFWriter(folder / f"{name}.gguf", family)
    write_header(writer, family, config, model, pieces)
    state, held = dict(model.named_parameters()), {}
    for key, parameter in state.items():
        values = parameter.detach().numpy().copy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        turned = next((n for part, n in heads.items() if part in key and family == "llama"), None)
        if turned:
            values = interleaved(values, turned)
        if family.startswith("gemma") and "norm" in key:
            values = values + 1.0
        if values.ndim == 2 and kind != gguf.GGMLQuantizationType.F32:
            data, values = quantise(values, kind)
            writer.add_tensor(gguf_name(key, sandwich), data, raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(key, sandwich), np.ascontiguousarray(values, np.float32))
        if turned:
            values = halves(values, turned)
        if family.startswith("gemma") and "norm" in key:
            values = values - 1.0
        held[key] = torch.from_numpy(np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with torch.no_grad():
        for key, parameter in state.items():
            parameter.copy_(held[key])
        generator = torch.Generator().manual_seed(seed + 1)
        ids = torch.randint(0, config.vocab_size, (2, LENGTH), generator=generator)
        logits = model(ids, use_cache=False).logits.float().numpy()
    if pieces == "numbers":
        text_ids = [0, *[NUMBERS.index(t) for t in ("150", ",", "234", ",", "007", ",")]]
    elif pieces:
        text_ids = [PIECES.index("<s>"), PIECES.index("▁"), *[PIECES.index(c) for c in TEXT]]
    else:
        text_ids = byte_level().encode(TEXT).ids
    np.savez_compressed(folder / f"{name}.npz", ids=ids.numpy(), logits=logits, text_ids=np.array(text_ids, np.int64))
    if save:
        model.save_pretrained(folder / save)
        byte_level().save(str(folder / save / "tokenizer.json"))
        (folder / save / "generation_config.json").unlink(missing_ok=True)
    print(f"{name}: {(folder / f'{name}.gguf').stat().st_size // 1024} KiB, logits up to {np.abs(logits).max():.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "gguf")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    base = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                max_position_embeddings=1024, bos_token_id=0, eos_token_id=1, pad_token_id=None)
    bytes_ = dict(base, vocab_size=len(BYTES))
    pieces = dict(base, vocab_size=len(PIECES), bos_token_id=1, eos_token_id=2)
    f32, q8, q4 = (gguf.GGMLQuantizationType[k] for k in ("F32", "Q8_0", "Q4_K"))
    write(folder, "llama-f32", "llama", LlamaConfig(**bytes_), f32, 1, save="llama-folder")
    write(folder, "llama-q8_0", "llama", LlamaConfig(**bytes_), q8, 1)
    wide = dict(bytes_, hidden_size=256, intermediate_size=256, num_hidden_layers=1, tie_word_embeddings=True)
    write(folder, "llama-q4_k", "llama", LlamaConfig(**wide), q4, 2)
    write(folder, "llama-pieces", "llama", LlamaConfig(**pieces), q8, 3, pieces=True)
    write(folder, "llama-numbers", "llama", LlamaConfig(**dict(base, vocab_size=len(NUMBERS))), q8, 9, pieces="numbers")
    write(folder, "qwen2-q8_0", "qwen2", Qwen2Config(**bytes_, use_sliding_window=False), q8, 4)
    write(folder, "qwen3-q8_0", "qwen3", Qwen3Config(**bytes_, head_dim=16, use_sliding_window=False), q8, 5)
    write(folder, "gemma-f32", "gemma", GemmaConfig(**dict(pieces, head_dim=16)), f32, 6, pieces=True)
    write(folder, "gemma2-f32", "gemma2", Gemma2Config(
        **dict(pieces, head_dim=16, sliding_window=16, query_pre_attn_scalar=16, attn_logit_softcapping=3.0,
               final_logit_softcapping=4.0)), f32, 7, pieces=True)
    write(folder, "gemma3-f32", "gemma3", Gemma3TextConfig(
        **dict(pieces, num_hidden_layers=6, head_dim=16, sliding_window=16, query_pre_attn_scalar=16,
               rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
                                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})),
        f32, 8, pieces=True)


if __name__ == "__main__":
    main()
