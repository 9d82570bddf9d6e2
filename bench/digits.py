"""llama.cpp's side of `open_model.py speed`, one process: does on request what bench/engine.rs does with numbers of three digits.

    python digits.py FILE.gguf THREADS
"""

import json
import os
import sys
import time

import numpy as np

path, threads = sys.argv[1], int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = str(threads)

import llama_cpp as c  # noqa: E402  (reads the variable)


class LlamaCpp:
    """A prefix that all sequences share, a batch of all paths a digit."""

    def __init__(self):
        c.llama_backend_init()
        self.quiet = c.llama_log_callback(lambda *_: None)
        c.llama_log_set(self.quiet, None)
        self.model = c.llama_load_model_from_file(path.encode(), c.llama_model_default_params())
        self.vocabulary = c.llama_model_get_vocab(self.model)
        self.width = c.llama_vocab_n_tokens(self.vocabulary)
        self.digits = np.array([self.token(digit) for digit in "0123456789"])
        self.comma = self.token(",")

    def token(self, text):
        found = (c.llama_token * 4)()
        count = c.llama_tokenize(self.vocabulary, text.encode(), len(text), found, 4, False, False)
        assert count == 1, f"{text} is {count} tokens"
        return found[0]

    def tokens(self, number):
        return [*(int(self.digits[int(d)]) for d in f"{number:03}"), self.comma]

    def context(self, tokens, sequences, batch):
        parameters = c.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = tokens, batch, min(batch, 512)
        parameters.n_seq_max, parameters.kv_unified = sequences, True
        parameters.n_threads = parameters.n_threads_batch = threads
        self.batch = c.llama_batch_init(batch, 0, 1)
        context = c.llama_init_from_model(self.model, parameters)
        assert context, "no context"
        return context

    def read(self, context, items):
        """Items are (token, position, sequence, wanted); probabilities of the digits behind those wanted."""
        self.batch.n_tokens = len(items)
        for i, (token, position, sequence, wanted) in enumerate(items):
            self.batch.token[i], self.batch.pos[i] = token, position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0], self.batch.logits[i] = 1, sequence, int(wanted)
        assert c.llama_decode(context, self.batch) == 0
        rows = [i for i, item in enumerate(items) if item[3]]
        logits = np.stack([np.ctypeslib.as_array(c.llama_get_logits_ith(context, i), (self.width,))[self.digits] for i in rows])
        mass = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
        return mass / mass.sum(-1, keepdims=True)

    def prompt(self, context, channel):
        ids = [token for number in channel for token in self.tokens(number)]
        return self.read(context, [(token, t, 0, t == len(ids) - 1) for t, token in enumerate(ids)])

    def reading(self, series):
        for channel in series:
            context = self.context(4 * len(channel) + 64, 1, 4 * len(channel))
            self.prompt(context, channel)
            c.llama_free(context)
        return None

    def rollout(self, series, paths, levels):
        levels = np.asarray(levels).reshape(len(levels), len(series), paths)
        check = 0
        for number, channel in enumerate(series):
            begin = 4 * len(channel)
            context = self.context(begin + 4 * paths * len(levels) + 64, paths + 1, max(begin, 2 * paths))
            mass = np.repeat(self.prompt(context, channel), paths, 0)
            memory = c.llama_get_memory(context)
            for one in range(paths):
                c.llama_memory_seq_cp(memory, 0, one + 1, -1, -1)
            for step in range(len(levels)):
                left, drawn = levels[step, number].copy(), np.zeros(paths, int)
                for place in range(3):
                    cumulated = mass.cumsum(-1)
                    digit = (cumulated <= left[:, None]).sum(-1).clip(max=9)
                    rows = np.arange(paths)
                    below = np.where(digit > 0, cumulated[rows, digit - 1], 0.0)
                    left = ((left - below) / (cumulated[rows, digit] - below)).clip(0, 1 - 1e-12)
                    drawn = 10 * drawn + digit
                    at = begin + 4 * step + place
                    if place == 2 and step == len(levels) - 1:
                        break
                    items = [(int(self.digits[d]), at, one + 1, place < 2) for one, d in enumerate(digit)]
                    if place == 2:
                        items = [item for one, first in enumerate(items) for item in (first, (self.comma, at + 1, one + 1, True))]
                    mass = self.read(context, items)
                if step == 0:
                    check += int(drawn.sum())
            c.llama_free(context)
        return check


def main():
    worker = LlamaCpp()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        begun = time.perf_counter()
        if request["task"] == "read":
            check = worker.reading(request["series"])
        else:
            check = worker.rollout(request["series"], request["paths"], request["levels"])
        print(json.dumps({"seconds": time.perf_counter() - begun, "check": check}), flush=True)


main()
