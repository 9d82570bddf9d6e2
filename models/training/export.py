"""Writes and reads Hugging Face folders: configuration, tokenizer files, BF16 safetensors.

python export.py runs/cpu/checkpoint.pt FOLDER           # the averaged weights of a run that still goes on
python export.py runs/cpu/checkpoint.pt FOLDER --last    # its last weights
"""

import argparse
import json
import os

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from encoding import BOS, COMMA, EOS, VOCAB
from model import LONGEST, NORM_EPS, ROPE_THETA, DigitModel

BLOCK_NAMES = {
    "self_attn.q_proj": "q",
    "self_attn.k_proj": "k",
    "self_attn.v_proj": "v",
    "self_attn.o_proj": "o",
    "mlp.gate_proj": "gate",
    "mlp.up_proj": "up",
    "mlp.down_proj": "down",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "mlp_norm",
}


def llama_weights(model):
    """The model's weights under their Llama names, tables materialised, float32."""
    weights = {
        "model.embed_tokens.weight": model.embedding(),
        "lm_head.weight": model.head(),
        "model.norm.weight": model.norm.weight,
    }
    for i, block in enumerate(model.blocks):
        for name, attribute in BLOCK_NAMES.items():
            weights[f"model.layers.{i}.{name}.weight"] = getattr(block, attribute).weight
    return {name: w.detach().float().cpu() for name, w in weights.items()}


def llama_config(shape):
    return dict(
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        vocab_size=VOCAB,
        hidden_size=shape["hidden"],
        intermediate_size=shape["inner"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["heads"],
        head_dim=shape["hidden"] // shape["heads"],
        hidden_act="silu",
        max_position_embeddings=LONGEST,
        rms_norm_eps=NORM_EPS,
        rope_theta=ROPE_THETA,
        rope_scaling=None,
        tie_word_embeddings=False,
        attention_bias=False,
        mlp_bias=False,
        attention_dropout=0.0,
        initializer_range=0.02,
        use_cache=True,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=EOS,
        torch_dtype="bfloat16",
    )


def write_json(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def write_tokenizer(folder):
    """A word-level tokenizer: a token a three-digit number; commas and spaces dropped, <s> first."""
    vocabulary = {f"{i:03d}": i for i in range(1000)} | {"<s>": BOS, "</s>": EOS, ",": COMMA}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="</s>"))
    splits = [
        pre_tokenizers.Split(Regex("[,\\s]+"), "removed"),
        pre_tokenizers.Split(Regex("[0-9]{3}"), "isolated"),
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    tokenizer.save(f"{folder}/tokenizer.json")
    names = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>")
    write_json(f"{folder}/tokenizer_config.json", names | dict(model_max_length=LONGEST))


def export(model, folder):
    os.makedirs(folder, exist_ok=True)
    weights = {name: w.to(torch.bfloat16).contiguous().clone() for name, w in llama_weights(model).items()}
    save_file(weights, f"{folder}/model.safetensors", metadata={"format": "pt"})
    os.chmod(f"{folder}/model.safetensors", 0o644)
    write_json(f"{folder}/config.json", llama_config(model.shape))
    write_tokenizer(folder)


def read_shape(folder):
    """Sizes of an exported folder's model."""
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    return dict(
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
    )


def read_folder(folder):
    """(shape, float32 weights under Llama names) of an exported folder."""
    weights = load_file(f"{folder}/model.safetensors")
    return read_shape(folder), {name: w.float() for name, w in weights.items()}


def export_checkpoint(description, build, write):
    """The command that exports a run's checkpoint: `build` makes the model of a shape, `write` its folder."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="checkpoint.pt of a run")
    parser.add_argument("folder", help="folder to write")
    parser.add_argument("--last", action="store_true", help="the last weights instead of their average")
    arguments = parser.parse_args()
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    model = build(**state["shape"])
    model.load_state_dict(state["model" if arguments.last else "average"])
    write(model, arguments.folder)


if __name__ == "__main__":
    export_checkpoint(__doc__, DigitModel, export)
