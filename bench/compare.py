"""Measures statecast against the published procedure, transformers and llama.cpp: the same weights, the same series, runs of
all sides interleaved, every result checked against the others'.

    python3.11 -m venv .venv && .venv/bin/pip install -r bench/requirements.txt
    cargo build --release --locked --example engine
    .venv/bin/python bench/compare.py [--quick] [--models builtin,smollm2] [--threads 1,2] [--out docs/performance.json]

Prints one table a task; a ratio is the other side's time divided by ours, the median over rounds with the lowest and
highest. A round starts every side anew and takes the best of four answers, of one where an answer takes two seconds. The reference procedure and, on the large model, the rollouts of transformers and llama.cpp would take hours: they
are measured over a few steps and multiplied (marked ~).
"""

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parent / "target" / "release" / "examples" / "engine"
OURS = [("statecast", "f32"), ("statecast", "auto"), ("statecast", "bf16"), ("statecast", "q8_0")]
OTHERS = [("transformers", "f32"), ("transformers", "bf16"), ("llama.cpp", "f32"), ("llama.cpp", "bf16"), ("llama.cpp", "q8_0")]
REFERENCE = [("reference", "f32")]


class Worker:
    def __init__(self, side, model, precision, threads):
        environment = dict(os.environ, RAYON_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
        if side == "statecast":
            source = model / "Q8_0.gguf" if precision == "q8_0" else model
            command = [ENGINE, source, "auto" if precision == "q8_0" else precision]
        else:
            command = [sys.executable, HERE / "others.py", side, model, precision, str(threads)]
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def waves(rows, channels):
    noise = random.Random(rows * 100 + channels)
    return [[round(500 + 350 * math.sin(t * (0.05 + 0.013 * c)) + noise.gauss(0, 3)) for t in range(rows)] for c in range(channels)]


def tasks(model, quick):
    """Name, request, rounds, and whether the sides that are slow may extrapolate."""
    large = model == "smollm2"
    rounds = 1 if quick else 3
    noise = random.Random(1)
    yield "score 500 x 1", {"task": "score", "series": waves(500, 1)}, rounds
    yield "score 1000 x 1", {"task": "score", "series": waves(1000, 1)}, rounds
    if not (large and quick):
        yield "score 500 x 17", {"task": "score", "series": waves(500, 17)}, 1 if large else rounds
    levels = [[noise.random() for _ in range(300)] for _ in range(50)]
    rollout = {"task": "rollout", "series": waves(500, 3), "paths": 100, "levels": levels, "steps": 2 if large else 50}
    yield "rollout 500 x 3, 100 paths of 50", rollout, 1 if large or quick else 3
    yield "rollout 500 x 3, 1 path of 50", {**rollout, "paths": 1, "levels": [row[:3] for row in levels], "steps": 50}, rounds
    yield "stream 500 after 500 x 1", {"task": "stream", "series": waves(1000, 1), "context": 500}, rounds


def agree(task, answers):
    """Sums of first draws agree up to draws at the edge of a bin, mean log scores up to rounding."""
    exact = [a["check"] for (_, precision), a in answers.items() if precision in ("f32", "auto")]
    if not exact:
        return
    tolerance = 0.002 * max(abs(c) for c in exact) if task.startswith("rollout") else 2e-3
    assert max(exact) - min(exact) <= tolerance, (task, {k: a["check"] for k, a in answers.items()})


def measure(folder, model, threads, quick, task, only):
    results = {}
    for name, request, rounds in tasks(model, quick):
        if not re.search(task, name):
            continue
        sides = [side for side in OURS + OTHERS + REFERENCE if re.search(only, " ".join(side))]
        taken = {side: [] for side in sides}
        answers = {}
        # Processes that wait would still hold their memory and, some of them, spin: one at a time for long tasks.
        for round_ in range(rounds):
            order = sides[round_ % len(sides):] + sides[:round_ % len(sides)]
            for side in order:
                worker = Worker(side[0], folder / model, side[1], threads)
                answers[side] = worker.ask(request)
                # The first answer of a process is slower; of tasks that take long, that is lost in them.
                if answers[side]["seconds"] < 2:
                    answers[side] = min((worker.ask(request) for _ in range(1 if quick else 4)), key=lambda a: a["seconds"])
                taken[side].append(answers[side]["seconds"])
                worker.stop()
        agree(name, answers)
        results[name] = {f"{side} {precision}": {"seconds": taken[side, precision], "prefill": answers[side, precision]["prefill"] if "prefill" in answers[side, precision] else None,
                                                 "peak": answers[side, precision]["peak"], "check": answers[side, precision]["check"]} for side, precision in sides}
        print(table(f"{model}, {threads} thread(s): {name}", results[name]), flush=True)
    print(rates(folder / model, threads, results), flush=True)
    return results


def table(title, result):
    columns = [key for key in result if key.startswith("statecast")]
    lines = [f"\n### {title}\n", "| | seconds | peak MiB | " + " | ".join(f"/ {c.split()[1]}" for c in columns) + " |",
             "|---|" + "---|" * (2 + len(columns))]
    for key, value in result.items():
        ratios = []
        for column in columns:
            pairs = sorted(a / b for a, b in zip(value["seconds"], result[column]["seconds"]))
            spread = f" ({pairs[0]:.2f}-{pairs[-1]:.2f})" if len(pairs) > 1 else ""
            ratios.append(f"{statistics.median(pairs):.2f}{spread}")
        lines.append(f"| {key} | {statistics.median(value['seconds']):.3g} | {value['peak'] / 2**20:.0f} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def peak_rate(threads, precision):
    """Best rate of a square product in torch, in GFLOP/s."""
    code = f"""
import time, torch
torch.set_num_threads({threads})
a, b = (torch.randn(2048, 2048).to(torch.{precision}) for _ in range(2))
def once():
    begun = time.perf_counter(); a @ b; return time.perf_counter() - begun
print(2 * 2048**3 / min(once() for _ in range(10)) / 1e9)
"""
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def operations(folder, rows, channels):
    """Operations of scoring: products with weights, number rows of the head, and causal attention."""
    config = json.loads((folder / "config.json").read_text())
    hidden, inner, layers, heads = (config[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"))
    width, keys = 64 * heads, 64 * config["num_key_value_heads"]
    token = layers * (hidden * (2 * width + 2 * keys + 3 * inner) + width * rows) + 1000 * hidden
    return 2 * token * rows * channels


def rates(folder, threads, results):
    lines = []
    for name, result in results.items():
        if not name.startswith("score"):
            continue
        rows, channels = map(int, name.split()[1::2])
        work = operations(folder, rows, channels)
        reached = ", ".join(f"{side.split()[1]} {work / statistics.median(value['seconds']) / 1e9:.0f}" for side, value in result.items()
                            if side.startswith("statecast"))
        lines.append(f"{name}: {reached} GFLOP/s")
    peaks = ", ".join(f"{p} {peak_rate(threads, p):.0f}" for p in ("float32", "bfloat16"))
    return "\n" + "\n".join(lines) + f"\ntorch, best of a product of 2048 x 2048: {peaks} GFLOP/s\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="builtin,smollm2")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "target" / "compare", help="where the models are made")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--task", default="", help="only tasks whose names match")
    parser.add_argument("--side", default="", help="only sides whose names match, as 'llama.cpp bf16'")
    parser.add_argument("--out", type=Path, help="results as JSON")
    arguments = parser.parse_args()
    import models
    models.make(arguments.folder)
    results = {}
    for threads in map(int, arguments.threads.split(",")):
        for model in arguments.models.split(","):
            results[f"{model} {threads}"] = measure(arguments.folder, model, threads, arguments.quick, arguments.task, arguments.side)
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
