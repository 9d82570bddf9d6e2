"""The other sides of `compare.py`, one process each: does on request what bench/engine.rs does.

    python others.py {reference,transformers,llama.cpp} FOLDER {f32,bf16,q8_0} THREADS
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np

side, folder, precision, threads = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
os.environ["OMP_NUM_THREADS"] = str(threads)

# Token ids of the numbers 000 to 999, one token a value without separators, as the bundled tokenizer has them. It begins
# every prompt with a token of its own; here that is bin 1000.
VOCABULARY = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
BEGIN = 1000
NUMBERS = np.array([VOCABULARY[f"{k:03d}"] for k in range(1000)])
IDS = np.append(NUMBERS, VOCABULARY["<s>"])
GROUP = 32  # paths whose copied caches are in memory at once


def log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def draw(logits, levels):
    """Bins at which the cumulated probability reaches the levels."""
    cumulated = np.exp(log_softmax(logits.astype(np.float64))).cumsum(-1)
    return (cumulated <= np.asarray(levels)[:, None] * cumulated[:, -1:]).sum(-1).clip(max=999)


class Transformers:
    """transformers done well: scaled-dot-product attention, the head's number rows only, every path's cache copied once
    and grown by its own implementation, paths in groups that fit into memory."""

    def __init__(self):
        import torch
        from transformers import AutoModelForCausalLM
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[precision], attn_implementation="sdpa").eval()
        self.head = self.model.lm_head.weight[torch.from_numpy(NUMBERS)].contiguous()

    def read(self, bins, cache=None, last=False):
        ids = self.torch.from_numpy(IDS[np.asarray(bins)])
        out = self.model.model(input_ids=ids, past_key_values=cache, use_cache=True)
        hidden = out.last_hidden_state[:, -1:] if last else out.last_hidden_state
        return (hidden @ self.head.T).float().numpy(), out.past_key_values

    def score(self, series):
        logits, _ = self.read(series)
        return mean_score(logits[:, :-1], np.asarray(series)[:, 1:])

    def rollout(self, series, paths, levels, steps):
        begun = time.perf_counter()
        logits, _ = self.read(series, last=True)
        prefill = time.perf_counter() - begun
        channels, check, taken = len(series), 0, 0.0
        levels = np.asarray(levels).reshape(len(levels), channels, paths)
        for channel in range(channels):
            for first in range(0, paths, GROUP):
                count = min(GROUP, paths - first)
                # Each group's copies are its own, for a cache is written when it is continued.
                _, cache = self.read([series[channel]], last=True)
                begun = time.perf_counter()
                cache.batch_repeat_interleave(count)
                drawn = draw(np.repeat(logits[channel], count, 0), levels[0, channel, first:first + count])
                check += int(drawn.sum())
                for step in range(1, steps + 1):
                    out, cache = self.read(drawn[:, None], cache, last=True)
                    drawn = draw(out[:, 0], levels[min(step, len(levels) - 1), channel, first:first + count])
                taken += time.perf_counter() - begun
                if steps < len(levels) - 1:  # one group is measured for all
                    groups = channels * paths / count
                    check = int(draw(np.repeat(logits[:, 0], paths, 0), levels[0].reshape(-1)).sum())
                    return check, prefill + taken / steps * (len(levels) - 1) * groups, prefill
        return check, prefill + taken, prefill

    def stream(self, series, context):
        begun = time.perf_counter()
        logits, cache = self.read([c[:context] for c in series], last=True)
        prefill, scores = time.perf_counter() - begun, []
        for t in range(context, len(series[0])):
            row = np.array([[c[t]] for c in series])
            scores.append(mean_score(logits, row))
            logits, cache = self.read(row, cache, last=True)
        return float(np.mean(scores)), time.perf_counter() - begun, prefill


class Reference(Transformers):
    """The published procedure: logits of the whole vocabulary, and for every step the whole context read anew. Rollouts
    and streams are measured at a few lengths of one sequence and multiplied."""

    def read_all(self, bins):
        out = self.model(input_ids=self.torch.from_numpy(IDS[np.asarray(bins)]), use_cache=False)
        return out.logits.float()[:, :, self.torch.from_numpy(NUMBERS)].numpy()

    def score(self, series):
        return mean_score(self.read_all(series)[:, :-1], np.asarray(series)[:, 1:])

    def seconds_a_step(self, series, lengths):
        taken = []
        for length in lengths:
            longer = [(list(series[0]) * 2)[:length]]
            begun = time.perf_counter()
            self.read_all(longer)
            taken.append(time.perf_counter() - begun)
        return float(np.mean(taken))

    def rollout(self, series, paths, levels, steps):
        rows = len(series[0])
        check = int(draw(np.repeat(self.read_all(series)[:, -1], paths, 0), levels[0]).sum())
        step = self.seconds_a_step(series, [rows, rows + len(levels) - 1])
        return check, step * len(series) * paths * len(levels), step * len(series)

    def stream(self, series, context):
        rows = len(series[0])
        step = self.seconds_a_step(series, [context, (context + rows) // 2, rows])
        scored = self.read_all(series)[:, context - 1:-1]
        check = mean_score(scored, np.asarray(series)[:, context:])
        return check, step * len(series) * (rows - context), step * len(series)


class LlamaCpp:
    """llama.cpp with a prefix that all sequences share; its head is the whole vocabulary."""

    def __init__(self):
        import llama_cpp
        self.c = llama_cpp
        llama_cpp.llama_backend_init()
        quiet = llama_cpp.llama_log_callback(lambda *_: None)
        self.quiet = quiet
        llama_cpp.llama_log_set(quiet, None)
        parameters = llama_cpp.llama_model_default_params()
        path = folder / f"{precision.upper()}.gguf"
        self.model = llama_cpp.llama_load_model_from_file(str(path).encode(), parameters)
        self.width = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def context(self, tokens, sequences, batch):
        parameters = self.c.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = tokens, batch, min(batch, 512)
        parameters.n_seq_max, parameters.kv_unified = sequences, True
        parameters.n_threads = parameters.n_threads_batch = threads
        self.batch = self.c.llama_batch_init(batch, 0, 1)
        context = self.c.llama_init_from_model(self.model, parameters)
        assert context, "no context"
        return context

    def read(self, context, items, want):
        """Items are (token, position, sequence); logits of those wanted."""
        self.batch.n_tokens = len(items)
        for i, (bin, position, sequence) in enumerate(items):
            self.batch.token[i], self.batch.pos[i] = int(IDS[bin]), position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0], self.batch.logits[i] = 1, sequence, int(want(i))
        assert self.c.llama_decode(context, self.batch) == 0
        rows = [i for i in range(len(items)) if want(i)]
        return np.stack([np.ctypeslib.as_array(self.c.llama_get_logits_ith(context, i), (self.width,))[NUMBERS] for i in rows])

    def score(self, series):
        scores = []
        for channel in series:
            context = self.context(len(channel) + 64, 1, len(channel))
            logits = self.read(context, [(b, t, 0) for t, b in enumerate(channel)], lambda i: True)
            scores.append(mean_score(logits[None, :-1], np.asarray([channel])[:, 1:]))
            self.c.llama_free(context)
        return float(np.mean(scores))

    def rollout(self, series, paths, levels, steps):
        channels, rows, check = len(series), len(series[0]), 0
        levels = np.asarray(levels).reshape(len(levels), channels, paths)
        prefill = taken = 0.0
        for channel in range(channels):
            context = self.context(rows + paths * len(levels) + 64, paths + 1, max(rows, paths))
            begun = time.perf_counter()
            logits = self.read(context, [(b, t, 0) for t, b in enumerate(series[channel])], lambda i: i == rows - 1)
            prefill += time.perf_counter() - begun
            begun = time.perf_counter()
            memory = self.c.llama_get_memory(context)
            for path in range(paths):
                self.c.llama_memory_seq_cp(memory, 0, path + 1, -1, -1)
            drawn = draw(np.repeat(logits, paths, 0), levels[0, channel])
            check += int(drawn.sum())
            for step in range(1, steps + 1):
                items = [(b, rows + step - 1, path + 1) for path, b in enumerate(drawn)]
                drawn = draw(self.read(context, items, lambda i: True), levels[min(step, len(levels) - 1), channel])
            taken += (time.perf_counter() - begun) / steps * (len(levels) - 1)
            self.c.llama_free(context)
        return check, prefill + taken, prefill

    def stream(self, series, context):
        begun, scores, prefill = time.perf_counter(), [], 0.0
        for channel in series:
            started = time.perf_counter()
            handle = self.context(len(channel) + 64, 1, context)
            logits = self.read(handle, [(b, t, 0) for t, b in enumerate(channel[:context])], lambda i: i == context - 1)
            prefill += time.perf_counter() - started
            for t in range(context, len(channel)):
                scores.append(mean_score(logits[None], np.array([[channel[t]]])))
                logits = self.read(handle, [(channel[t], t, 0)], lambda i: True)
            self.c.llama_free(handle)
        return float(np.mean(scores)), time.perf_counter() - begun, prefill


def mean_score(logits, bins):
    """Mean log probability of bins `[channels, rows]` under logits `[channels, rows, 1000]`."""
    scores = np.take_along_axis(log_softmax(logits.astype(np.float64)), np.asarray(bins)[:, :, None], -1)
    return float(scores.mean())


def peak():
    """Most memory that this process has had, in bytes; getrusage would count that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def main():
    worker = {"reference": Reference, "transformers": Transformers, "llama.cpp": LlamaCpp}[side]()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        task, series = request["task"], [[BEGIN, *channel] for channel in request["series"]]
        begun = time.perf_counter()
        answer = {"prefill": None}
        if task == "score":
            answer["check"] = worker.score(series)
            answer["seconds"] = time.perf_counter() - begun
        elif task == "rollout":
            steps = min(request["steps"], len(request["levels"]) - 1)
            answer["check"], answer["seconds"], answer["prefill"] = worker.rollout(series, request["paths"], request["levels"], steps)
        else:
            answer["check"], answer["seconds"], answer["prefill"] = worker.stream(series, request["context"] + 1)
        answer["peak"] = peak()
        print(json.dumps(answer), flush=True)


main()
