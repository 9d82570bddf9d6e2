"""Writes four tiny random Llama checkpoints and the logits that transformers computes from them.

    python make_llama.py [--out FOLDER]

Every checkpoint is computed twice: by transformers in float32 (that is what golden.npz holds) and by the
float64 NumPy decoder below, which shares no code with it. The NumPy decoder then repeats the computation with
one mistake at a time (a bias dropped, heads grouped the wrong way round, ...), and the script fails unless each
mistake moves some stored logit by more than 1e-2: a golden number that no mistake can move tests nothing.
"""

import argparse
import json
import math
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

torch.set_num_threads(1)
logging.disable_progress_bar()
torch.use_deterministic_algorithms(True)

VISIBLE = 1e-2  # a mistake must move a logit by more than this
AGREE = 2e-4  # float32 transformers against float64 NumPy


@dataclass
class Variant:
    name: str
    seed: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: int
    theta: float
    eps: float
    length: int
    positions: list
    max_positions: int
    tied: bool
    dtype: torch.dtype
    generation: str  # of config.json: "old" (transformers 4) or "new" (transformers 5)
    tokenizer: str  # "words" or "llama3"
    first_number_id: int = 0
    bias: bool = False
    shards: int = 1
    write_head_dim: bool = True
    scaling: dict | None = None
    hidden: int = 16
    intermediate: int = 32
    number_ids: list = field(default_factory=list)
    bos: int = 0
    eos: int = 0
    comma: int = 0
    vocabulary: int = 0


VARIANTS = [
    Variant(
        name="llama-mha-tied", seed=101, heads=2, kv_heads=2, head_dim=8, layers=2, theta=2000.0, eps=1e-3,
        length=96, positions=[0, 1, 2, 5, 11, 23, 37, 50, 63, 64, 80, 95], max_positions=256, tied=True,
        dtype=torch.float32, generation="old", tokenizer="words", write_head_dim=False,
    ),
    Variant(
        name="llama-gqa-bias", seed=202, heads=4, kv_heads=2, head_dim=8, layers=2, theta=250000.0, eps=1e-5,
        length=96, positions=[0, 1, 2, 5, 11, 23, 37, 50, 63, 64, 80, 95], max_positions=256, tied=False,
        dtype=torch.float16, generation="new", tokenizer="words", first_number_id=3, bias=True,
    ),
    Variant(
        name="llama3-scaled", seed=303, heads=2, kv_heads=1, head_dim=16, layers=2, theta=50000.0, eps=1e-5,
        length=128, positions=[0, 1, 2, 31, 32, 63, 90, 127], max_positions=256, tied=True,
        dtype=torch.float32, generation="new", tokenizer="llama3",
        scaling={"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    ),
    Variant(
        name="llama-bf16-sharded", seed=404, heads=4, kv_heads=1, head_dim=4, layers=3, theta=5000.0, eps=1e-5,
        length=96, positions=[0, 1, 2, 5, 11, 23, 37, 50, 63, 64, 80, 95], max_positions=256, tied=False,
        dtype=torch.bfloat16, generation="old", tokenizer="words", shards=2,
    ),
]


# ---------------------------------------------------------------- tokenizers


def template(bos, bos_id):
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            {"SpecialToken": {"id": bos, "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": bos, "type_id": 1}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {bos: {"id": bos, "ids": [bos_id], "tokens": [bos]}},
    }


def added(content, token_id):
    return {
        "id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": False, "special": True,
    }


def split(pattern, behaviour):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behaviour, "invert": False}


def word_tokenizer(v):
    """One word per number, commas and white space dropped: the shape of the bundled model's tokenizer."""
    numbers = [f"{n:03d}" for n in range(1000)]
    specials = ["<s>", "</s>", ","]
    words = numbers + specials if v.first_number_id == 0 else specials + numbers
    vocab = {word: i for i, word in enumerate(words)}
    v.number_ids = [vocab[word] for word in numbers]
    v.bos, v.eos, v.comma, v.vocabulary = vocab["<s>"], vocab["</s>"], vocab[","], len(vocab)
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added("<s>", v.bos), added("</s>", v.eos)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split("[,\\s]+", "Removed"), split("[0-9]{3}", "Isolated")],
        },
        "post_processor": template("<s>", v.bos),
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "</s>"},
    }, ("<s>", "</s>")


def llama3_tokenizer(v, rng):
    """Byte-level BPE over a small alphabet: digits taken three at a time, 0..999 single tokens, ids shuffled."""
    digits = "0123456789"
    alphabet = list(digits) + list(",.;:-+_ĠĊ")
    pairs = [a + b for a in digits for b in digits]
    triples = [p + c for p in pairs for c in digits]
    tokens = alphabet + pairs + triples
    order = rng.permutation(len(tokens))
    vocab = {tokens[j]: i for i, j in enumerate(order)}
    merges = [[p[0], p[1]] for p in pairs] + [[t[:2], t[2]] for t in triples]
    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    v.bos, v.eos, v.vocabulary = len(vocab), len(vocab) + 1, len(vocab) + 2
    v.comma = vocab[","]
    v.number_ids = [vocab[t] for t in triples]
    steps = np.diff(v.number_ids)
    assert not np.all(steps > 0) and max(v.number_ids) - min(v.number_ids) > 1000
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(begin, v.bos), added(end, v.eos)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split("\\p{N}{1,3}|[^\\s\\p{N}]+|\\s+", "Isolated"), byte_level],
        },
        "post_processor": {
            "type": "Sequence",
            "processors": [
                {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
                template(begin, v.bos),
            ],
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
            "vocab": dict(sorted(vocab.items(), key=lambda item: item[1])), "merges": merges,
        },
    }, (begin, end)


def write_tokenizer(v, folder, rng):
    content, (bos, eos) = word_tokenizer(v) if v.tokenizer == "words" else llama3_tokenizer(v, rng)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), "utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos,
              "model_max_length": v.max_positions}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for n in range(1000):
        assert tokenizer.encode(f"{n:03d}", add_special_tokens=False).ids == [v.number_ids[n]]
        assert tokenizer.decode([v.number_ids[n]]) == f"{n:03d}"
    separator = [v.comma] if v.tokenizer == "llama3" else []
    expected = [v.bos, v.number_ids[150], *separator, v.number_ids[234], *separator]
    assert tokenizer.encode("150,234,").ids == expected
    if v.tokenizer == "llama3":
        # A four-digit number breaks into three digits and one; a space is a token of its own.
        assert tokenizer.encode("1502", add_special_tokens=False).tokens == ["150", "2"]
        assert tokenizer.encode("37 -5", add_special_tokens=False).tokens == ["37", "Ġ", "-", "5"]
    return tokenizer


# ---------------------------------------------------------------- configurations and weights


def old_config(v):
    config = {
        "architectures": ["LlamaForCausalLM"], "attention_bias": v.bias, "attention_dropout": 0.0,
        "bos_token_id": v.bos, "eos_token_id": v.eos, "head_dim": v.head_dim, "hidden_act": "silu",
        "hidden_size": v.hidden, "initializer_range": 0.3, "intermediate_size": v.intermediate,
        "max_position_embeddings": v.max_positions, "mlp_bias": v.bias, "model_type": "llama",
        "num_attention_heads": v.heads, "num_hidden_layers": v.layers, "num_key_value_heads": v.kv_heads,
        "pretraining_tp": 1, "rms_norm_eps": v.eps,
        "rope_scaling": None if v.scaling is None else {**v.scaling, "rope_type": "llama3"},
        "rope_theta": v.theta, "tie_word_embeddings": v.tied,
        "torch_dtype": str(v.dtype).removeprefix("torch."), "transformers_version": "4.45.0",
        "use_cache": True, "vocab_size": v.vocabulary,
    }
    if not v.write_head_dim:
        del config["head_dim"]
    return json.dumps(config, indent=2) + "\n"


def write_new_config(v, folder):
    """Lets transformers 5 write the file itself."""
    rope = {"rope_type": "default", "rope_theta": v.theta}
    if v.scaling is not None:
        rope = {**v.scaling, "rope_type": "llama3", "rope_theta": v.theta}
    config = LlamaConfig(
        vocab_size=v.vocabulary, hidden_size=v.hidden, intermediate_size=v.intermediate, num_hidden_layers=v.layers,
        num_attention_heads=v.heads, num_key_value_heads=v.kv_heads, head_dim=v.head_dim,
        max_position_embeddings=v.max_positions, rms_norm_eps=v.eps, initializer_range=0.3, rope_parameters=rope,
        attention_bias=v.bias, mlp_bias=v.bias, tie_word_embeddings=v.tied, bos_token_id=v.bos, eos_token_id=v.eos,
        architectures=["LlamaForCausalLM"],
    )
    config.dtype = str(v.dtype).removeprefix("torch.")
    config.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text("utf-8"))
    assert "rope_theta" not in written and "torch_dtype" not in written
    assert written["rope_parameters"]["rope_theta"] == v.theta and written["dtype"] == config.dtype.removeprefix("torch.")


def random_weights(v, rng):
    def matrix(rows, columns, scale):
        return rng.standard_normal((rows, columns)) * scale

    def vector(size, scale):
        return rng.standard_normal(size) * scale

    h, m, q, kv = v.hidden, v.intermediate, v.heads * v.head_dim, v.kv_heads * v.head_dim
    weights = {"model.embed_tokens.weight": matrix(v.vocabulary, h, 0.6)}
    for layer in range(v.layers):
        p = f"model.layers.{layer}."
        shapes = {
            "self_attn.q_proj": (q, h, 0.35), "self_attn.k_proj": (kv, h, 0.35), "self_attn.v_proj": (kv, h, 0.4),
            "self_attn.o_proj": (h, q, 0.4), "mlp.gate_proj": (m, h, 0.35), "mlp.up_proj": (m, h, 0.35),
            "mlp.down_proj": (h, m, 0.25),
        }
        for name, (rows, columns, scale) in shapes.items():
            weights[f"{p}{name}.weight"] = matrix(rows, columns, scale)
            if v.bias:
                weights[f"{p}{name}.bias"] = vector(rows, 0.5)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{p}{name}.weight"] = 1.0 + vector(h, 0.2)
    weights["model.norm.weight"] = 1.0 + vector(h, 0.2)
    if not v.tied:
        weights["lm_head.weight"] = matrix(v.vocabulary, h, 0.6)
    return {name: torch.from_numpy(w.astype(np.float32)).to(v.dtype) for name, w in weights.items()}


def write_weights(v, folder, weights):
    if v.shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    # The table and the first layers in one file, the rest in the other; one layer is torn apart on purpose.
    torn = f"model.layers.{v.layers // 2}.mlp.down_proj.weight"
    names = list(weights)
    cut = names.index(torn)
    files = {f"model-0000{i}-of-00002.safetensors": part for i, part in ((1, names[:cut]), (2, names[cut:]))}
    for file, part in files.items():
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": sum(w.numel() * w.element_size() for w in weights.values())},
        "weight_map": {name: file for file, part in files.items() for name in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")


# ---------------------------------------------------------------- the decoder, again, in float64 NumPy


def frequencies(v, theta, scaling):
    f = theta ** (-np.arange(0, v.head_dim, 2) / v.head_dim)
    if scaling is None:
        return f
    original, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    out = []
    for value in f:
        wavelength = 2 * math.pi / value
        if wavelength < original / high:
            out.append(value)
        elif wavelength > original / low:
            out.append(value / factor)
        else:
            blend = (original / wavelength - low) / (high - low)
            out.append((1 - blend) * value / factor + blend * value)
    return np.array(out)


def decode(v, weights, ids, mistake=None, argument=None):
    """Logits and final-norm output [L, .] of one sequence; `mistake` names the error to make."""
    w = {name: t.to(torch.float64).numpy() for name, t in weights.items()}
    if mistake == "drop":
        w = {name: np.zeros_like(t) if name.endswith(argument) else t for name, t in w.items()}
    eps = argument if mistake == "eps" else v.eps
    theta = argument if mistake == "theta" else v.theta
    scaling = None if mistake == "no scaling" else v.scaling
    if mistake == "linear scaling":
        inverse = frequencies(v, theta, None) / v.scaling["factor"]
    else:
        inverse = frequencies(v, theta, scaling)
    length = len(ids)
    # Half-rotation layout: the pair of dimension i is i + head_dim / 2.
    position = np.zeros(length) if mistake == "no rope" else np.arange(length)
    if mistake == "shift":  # of the queries only: a shift of both is invisible by design
        position_q = position + 1
    else:
        position_q = position

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name]

    def linear(x, name):
        y = x @ w[f"{name}.weight"].T
        return y + w[f"{name}.bias"] if v.bias else y

    def rotate(x, positions):  # x [heads, L, head_dim]
        angle = positions[:, None] * inverse[None, :]
        cos, sin = np.cos(angle), np.sin(angle)
        if mistake == "interleaved rope":
            a, b = x[..., 0::2], x[..., 1::2]
            out = np.empty_like(x)
            out[..., 0::2], out[..., 1::2] = a * cos - b * sin, b * cos + a * sin
            return out
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["model.embed_tokens.weight"][ids]
    future = np.triu(np.ones((length, length), bool), 1)
    for layer in range(v.layers):
        p = f"model.layers.{layer}."
        y = norm(x, p + "input_layernorm.weight")

        def heads(name, count):
            return linear(y, p + name).reshape(length, count, v.head_dim).transpose(1, 0, 2)

        q = rotate(heads("self_attn.q_proj", v.heads), position_q)
        k = rotate(heads("self_attn.k_proj", v.kv_heads), position)
        value = heads("self_attn.v_proj", v.kv_heads)
        group = v.heads // v.kv_heads
        owner = np.arange(v.heads) % v.kv_heads if mistake == "tiled heads" else np.arange(v.heads) // group
        scale = math.sqrt(v.hidden / v.heads if mistake == "scale by hidden/heads" else v.head_dim)
        score = q @ k[owner].transpose(0, 2, 1) / scale
        if mistake != "no mask":
            score = np.where(future, -np.inf, score)
        score = np.exp(score - score.max(-1, keepdims=True))
        attention = score / score.sum(-1, keepdims=True)
        mixed = (attention @ value[owner]).transpose(1, 0, 2).reshape(length, v.heads * v.head_dim)
        x = x + linear(mixed, p + "self_attn.o_proj")
        y = norm(x, p + "post_attention_layernorm.weight")
        gate = linear(y, p + "mlp.gate_proj")
        if mistake == "gelu":
            gate = 0.5 * gate * (1 + np.vectorize(math.erf)(gate / math.sqrt(2)))
        else:
            gate = gate / (1 + np.exp(-gate))
        x = x + linear(gate * linear(y, p + "mlp.up_proj"), p + "mlp.down_proj")
    hidden = norm(x, "model.norm.weight")
    table = w["model.embed_tokens.weight" if v.tied else "lm_head.weight"]
    return hidden @ table.T, hidden


def mistakes(v):
    out = [("theta", 10000.0), ("eps", 1e-6 if v.eps != 1e-5 else 1e-3), ("interleaved rope", None), ("no rope", None),
           ("shift", None), ("no mask", None), ("gelu", None)]
    if v.bias:
        out += [("drop", f"{name}.bias") for name in (
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")]
    if 1 < v.kv_heads < v.heads:
        out.append(("tiled heads", None))
    if v.head_dim != v.hidden // v.heads:
        out.append(("scale by hidden/heads", None))
    if v.scaling is not None:
        out += [("no scaling", None), ("linear scaling", None)]
        f = 2 * math.pi / frequencies(v, v.theta, None)
        bands = np.digitize(f, [v.scaling["original_max_position_embeddings"] / 4, v.scaling["original_max_position_embeddings"]])
        assert set(bands.tolist()) == {0, 1, 2}, "every band of the scaling must be in use"
    return out


# ---------------------------------------------------------------- one variant


def sequences(v, rng):
    """Two sequences [2, L] that start with BOS: a noisy oscillation and a walk, in the variant's serialisation."""
    stride = 2 if v.tokenizer == "llama3" else 1
    count = math.ceil((v.length - 1) / stride)
    t = np.arange(count)
    wave = 500 + 330 * np.sin(0.37 * t) + 20 * rng.standard_normal(count)
    walk = 500 + np.cumsum(rng.standard_normal(count) * 60)
    numbers = np.clip(np.stack([wave, walk]).round().astype(np.int64), 0, 999)
    rows = []
    for row in numbers:
        ids = [v.bos]
        for n in row:
            ids.append(v.number_ids[n])
            if stride == 2:
                ids.append(v.comma)
        rows.append(ids[: v.length])
    return numbers, np.array(rows, dtype=np.int64)


def transformers_logits(folder, ids, positions):
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        hidden = model.model(torch.from_numpy(ids)).last_hidden_state
        logits = model.lm_head(hidden)
    return logits.numpy()[:, positions], hidden.numpy()[:, positions]


def make(v, root):
    folder = root / v.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(v.seed)
    tokenizer = write_tokenizer(v, folder, rng)
    if v.generation == "old":
        (folder / "config.json").write_text(old_config(v), "utf-8")
    else:
        write_new_config(v, folder)
    weights = random_weights(v, rng)
    write_weights(v, folder, weights)
    numbers, ids = sequences(v, rng)
    for row, expected in zip(numbers, ids):
        text = ",".join(f"{n:03d}" for n in row) + ","
        assert tokenizer.encode(text).ids[: v.length] == expected.tolist()

    logits, hidden = transformers_logits(folder, ids, v.positions)
    if v.scaling is not None:
        (folder / "config.old.json").write_text(old_config(v), "utf-8")
        with tempfile.TemporaryDirectory() as other:
            shutil.copytree(folder, other, dirs_exist_ok=True)
            shutil.copy(folder / "config.old.json", Path(other) / "config.json")
            again, _ = transformers_logits(other, ids, v.positions)
        assert np.array_equal(again, logits), "both generations of config.json must mean the same model"

    exact = [decode(v, weights, row) for row in ids]
    exact_logits = np.stack([l[v.positions] for l, _ in exact])
    exact_hidden = np.stack([h[v.positions] for _, h in exact])
    error = np.abs(exact_logits - logits).max()
    assert error < AGREE and np.abs(exact_hidden - hidden).max() < AGREE, error
    chosen = logits[..., v.number_ids].astype(np.float64)
    p = np.exp(chosen - chosen.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    entropy = -(p * np.log(p)).sum(-1)
    print(f"{v.name}: float32 against float64 {error:.1e}, logits {logits.min():.1f}..{logits.max():.1f}, "
          f"std {logits.std():.2f}, entropy {entropy.min():.2f}..{entropy.max():.2f} of {math.log(1000):.2f} nats")
    for mistake, argument in mistakes(v):
        wrong = np.stack([decode(v, weights, row, mistake, argument)[0][v.positions] for row in ids])
        effect = np.abs(wrong - exact_logits).max()
        label = mistake if argument is None else f"{mistake} {argument}"
        print(f"    {label:24s} moves logits by {effect:.2e}")
        assert effect > VISIBLE, f"{v.name}: {label} is invisible"

    np.savez_compressed(
        folder / "golden.npz", ids=ids, numbers=numbers, positions=np.array(v.positions, dtype=np.int64), logits=logits,
        hidden=hidden, number_ids=np.array(v.number_ids, dtype=np.int64), bos_id=np.array([v.bos], dtype=np.int64),
        comma_id=np.array([v.comma], dtype=np.int64),
    )
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"    {size / 1000:.0f} kB, golden.npz {(folder / 'golden.npz').stat().st_size / 1000:.0f} kB")
    assert size < 200_000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    root = parser.parse_args().out
    for variant in VARIANTS:
        make(variant, root)
