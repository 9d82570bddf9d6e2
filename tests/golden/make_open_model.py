"""What transformers and llama.cpp say of SmolLM2-135M-Instruct (Q4_1) reading 300 values: open_model.npz.

    python make_open_model.py [--out FOLDER]

The weights are fetched by bench/open_model.py. transformers computes in float64 on the weights as the file holds them,
dequantised; llama.cpp on the file itself, whose products it takes with activations of eight bits. The keys stand in
README.md.
"""

import argparse
import copy
import sys
from pathlib import Path

import numpy as np
import torch
import xllamacpp
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from open_model import fetch  # noqa: E402

logging.set_verbosity_error()
VALUES, AHEAD, CHAT = 300, 5, "<|im_start|>"
LEVELS = np.array([0.1, 0.5, 0.93])


def values():
    """A driven oscillation with noise, as numbers of three digits."""
    t = np.arange(VALUES)
    noise = np.random.default_rng(27).normal(size=VALUES)
    return np.clip(np.round(500 + 180 * np.sin(t / 7) + 120 * np.sin(t / 3.1) + 12 * noise), 0, 999).astype(np.int64)


def draw(probabilities, level):
    """The digit at which the cumulated probability passes a level, and the level within it."""
    cumulated = np.cumsum(probabilities / probabilities.sum())
    digit = min(int((cumulated <= level).sum()), 9)
    before = cumulated[digit - 1] if digit else 0.0
    return digit, min((level - before) / (cumulated[digit] - before), 1 - 1e-12)


def llama_cpp(path, ids, symbols, positions):
    """Log probabilities of the symbols behind the first tokens of a prompt, from llama.cpp's server."""
    import json
    import urllib.request

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, 2
    server = xllamacpp.Server(params)
    found = np.full((len(positions), len(symbols)), np.nan)
    for row, position in enumerate(positions):
        body = {"prompt": ids[:position + 1].tolist(), "n_predict": 1, "n_probs": 2000, "cache_prompt": True,
                "temperature": 0.0, "post_sampling_probs": False}
        request = urllib.request.Request(f"{server.listening_address}/completion", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer = json.load(answer)
        known = {top["id"]: top["logprob"] for top in answer["completion_probabilities"][0]["top_logprobs"]}
        found[row] = [known.get(symbol, np.nan) for symbol in symbols]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    path = fetch()
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval().double()
    bins = values()
    text = "".join(f"{value:03}," for value in bins)
    ids = np.array(tokenizer(text, add_special_tokens=False)["input_ids"])
    symbols = np.array([tokenizer.convert_tokens_to_ids(symbol) for symbol in "0123456789,"])
    assert len(ids) == 4 * VALUES and set(ids) <= set(symbols), "a digit is a token, and the chat template is not applied"
    with torch.no_grad():
        whole = model(torch.from_numpy(ids)[None], use_cache=True)
        logits = whole.logits[0].double()
    evaluated = {"bins": bins, "ids": ids, "symbols": symbols, "chat_id": tokenizer.convert_tokens_to_ids(CHAT),
                 "logits": logits[:, symbols].float().numpy(), "total": torch.logsumexp(logits, -1).float().numpy()}

    def read(more):
        """Probabilities of the next digit behind the prompt and more tokens."""
        last = logits[-1]
        if more:
            last = model(torch.tensor(more)[None], past_key_values=copy.deepcopy(whole.past_key_values)).logits[0, -1]
        return last[symbols[:10]].softmax(-1).numpy()

    with torch.no_grad():
        written, greedy, margin = [], [], np.inf
        for _ in range(AHEAD):
            number = 0
            for _ in range(3):
                probabilities = np.sort(p := read(written))
                margin = min(margin, np.log(probabilities[-1] / probabilities[-2]))
                number = 10 * number + int(p.argmax())
                written.append(symbols[p.argmax()])
            greedy.append(number)
            written.append(symbols[10])
        drawn = []
        for level in LEVELS:
            written, number = [], 0
            for _ in range(3):
                digit, level = draw(read(written), level)
                number = 10 * number + digit
                written.append(symbols[digit])
            drawn.append(number)
    positions = np.arange(3, len(ids), 1)
    positions = positions[(positions % 4 != 2)][::5]  # where a digit comes next
    evaluated |= {"greedy": np.array(greedy), "greedy_margin": margin, "levels": LEVELS, "drawn": np.array(drawn),
                  "llama_cpp_positions": positions,
                  "llama_cpp": llama_cpp(path, ids, symbols[:10], positions).astype(np.float32)}
    np.savez_compressed(arguments.out / "open_model.npz", **evaluated)
    ours = logits[:, symbols[:10]].log_softmax(-1).numpy()[positions]
    theirs = evaluated["llama_cpp"] - np.log(np.exp(evaluated["llama_cpp"]).sum(-1, keepdims=True))
    print("greedy", greedy, "margin", margin, "drawn", drawn)
    print("llama.cpp less transformers, nats:", np.nanmax(abs(ours - theirs)), np.nanmean(abs(ours - theirs)), np.isnan(theirs).sum())


if __name__ == "__main__":
    main()
