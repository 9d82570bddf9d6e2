"""Trains the digit model on synthetic dynamics and exports it as a Llama folder.

  python train.py --config cpu.toml --start-from ../builtin    # grow and go on from an exported model
  python train.py --config toy.toml                            # about a minute

A run lives in runs/NAME: checkpoint.pt (resumed from if it is there), log.jsonl, export/. The budget is
counted in tokens, so a paused or interrupted run goes on as if nothing had happened; --tokens may change it
at a resume.
"""

import argparse
import json
import os
import signal
import time

import torch

from config import read_config
from export import export
from model import mixed_precision
from objective import compiled_loss
from residual_export import export_residual, start_from_residual
from residual_run import HintedValidation, ResidualRun, residual_loss
from run import Run
from series import generators
from validation import ValidationSet, validation_round
from warm_start import loaded, start_from

HERE = os.path.dirname(os.path.abspath(__file__))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config", required=True, help="TOML file: model, budget, optimizer, data, validation"
    )
    parser.add_argument("--name", help="run folder under runs/ (default: the name in the config)")
    parser.add_argument("--tokens", type=int, help="budget in values instead of the config's")
    parser.add_argument("--seed", type=int, help="instead of the config's: a further leg reads other data")
    parser.add_argument("--minutes", type=float, help="end after that time instead, wherever that is")
    parser.add_argument("--start-from", help="exported folder whose weights a new run starts from")
    parser.add_argument("--teacher", help="exported folder whose densities are followed where they are better")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--generators", type=int, default=0, help="processes that generate series ahead, beside a GPU"
    )
    parser.add_argument(
        "--no-compile", action="store_true", help="run without torch.compile (no C++ compiler)"
    )
    return parser.parse_args()


def compile_ahead(run, loss_of):
    """Compiles the loss for windows of every length while the first series are generated."""
    for length in run.config.data["lengths"]:
        rows = max(1, run.config.budget["step_tokens"] // length)
        ids = torch.zeros(rows, length, dtype=torch.long, device=run.device)
        with mixed_precision(ids.device):
            loss_of(ids, ids, torch.ones(rows, length, device=run.device)).backward()
    run.model.zero_grad(set_to_none=True)


def write_log(folder, entry):
    with open(f"{folder}/log.jsonl", "a") as file:
        file.write(json.dumps(entry) + "\n")
    print(json.dumps(entry), flush=True)


class Deadline:
    """Moves the budget so that it is spent at a time of the monotonic clock."""

    def __init__(self, run, end):
        self.run, self.end = run, end
        self.begun, self.before = time.monotonic(), run.tokens

    def move_budget(self):
        now = time.monotonic()
        rate = (self.run.tokens - self.before) / (now - self.begun)
        self.run.config.budget["tokens"] = self.run.tokens + max(0, round(rate * (self.end - now)))


def train(run, folder, loss_of, validation, end=None):
    """Steps until the budget is spent or the time has come; validates and saves every few minutes, saves and
    stops on SIGTERM.
    """
    interval = 60 * run.config.validation["every_minutes"]
    clock = time.process_time if run.device == "cpu" else time.monotonic
    begun, last, before = clock(), clock(), run.cpu_seconds
    running = None

    def checkpoint():
        run.cpu_seconds = before + clock() - begun
        run.save(f"{folder}/checkpoint.pt")
        scores = {"last": validation.score(run.model), "average": validation.score(run.average)}
        entry = dict(steps=run.steps, tokens=run.tokens, seconds=round(run.cpu_seconds), loss=running)
        write_log(folder, entry | dict(factor=round(run.config.schedule(run.tokens), 4)) | scores)
        return scores

    stop, deadline = [], end and Deadline(run, end)
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    while run.tokens < run.config.budget["tokens"]:
        if stop:
            run.cpu_seconds = before + clock() - begun
            run.save(f"{folder}/checkpoint.pt")
            raise SystemExit(f"stopped and saved at {run.tokens} tokens")
        loss = run.step(loss_of)
        if run.steps % 20 == 0:
            running = loss.item() if running is None else 0.9 * running + 0.1 * loss.item()
            if deadline:
                deadline.move_budget()
        if clock() - last > interval:
            checkpoint()
            last = clock()
    return checkpoint()


def main():
    begun, arguments = time.monotonic(), parse_arguments()
    torch.set_num_threads(arguments.threads)
    with generators(arguments.generators) as workers:
        export_trained(arguments, arguments.minutes and begun + 60 * arguments.minutes, workers)


def begin(model, folder, hinted):
    """Takes the weights of an exported folder, those of reading hints if it has them."""
    if hinted and os.path.exists(f"{folder}/reading.safetensors"):
        start_from_residual(model, folder)
    else:
        start_from(model.digits if hinted else model, folder)


def export_trained(arguments, end, workers):
    config = read_config(arguments.config, arguments.tokens)
    config.seed = config.seed if arguments.seed is None else arguments.seed
    folder = f"{HERE}/runs/{arguments.name or config.name}"
    os.makedirs(folder, exist_ok=True)
    size = config.validation["series"], max(config.data["lengths"])
    generated = validation_round(*size, workers)
    run = (ResidualRun if config.hinted else Run)(config, arguments.device, workers, arguments.generators)
    resumed = os.path.exists(f"{folder}/checkpoint.pt")
    if resumed:
        run.load(f"{folder}/checkpoint.pt")
        print(f"resumed {folder} at {run.tokens} tokens", flush=True)
    elif arguments.start_from:
        begin(run.model, arguments.start_from, config.hinted)
        run.reset_average()
    print(f"{sum(p.numel() for p in run.model.parameters())} parameters in training", flush=True)
    teacher = None
    if arguments.teacher:
        teacher = loaded(arguments.teacher).to(arguments.device).requires_grad_(False)
        write_log(folder, dict(teacher=arguments.teacher, follow=config.objective["follow"]))
    build_loss = residual_loss if config.hinted else compiled_loss
    loss_of = build_loss(run.model, config.objective, not arguments.no_compile, teacher)
    if workers:  # what is needed first is begun first
        for stream in run.streams.values():
            stream.begin()
    if config.hinted:
        validation = HintedValidation(config, arguments.device, generated, workers)
    else:
        if workers:
            compile_ahead(run, loss_of)
        validation = ValidationSet(*size, arguments.device, generated)
    if arguments.start_from and not resumed:
        write_log(folder, dict(start_from=arguments.start_from, start=validation.score(run.model)))
    scores = train(run, folder, loss_of, validation, end)
    best = "average" if scores["average"]["nats"] >= scores["last"]["nats"] else "last"
    write = export_residual if config.hinted else export
    write(run.average if best == "average" else run.model, f"{folder}/export")
    print(f"exported the {best} weights to {folder}/export", flush=True)


if __name__ == "__main__":
    main()
