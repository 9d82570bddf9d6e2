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
import random
import signal
import time

import torch

from config import read_config
from draws import Draws
from encoding import training_batch
from export import export
from model import DigitModel, mixed_precision
from objective import compiled_loss
from optimizer import Muon
from series import SeriesStream, generators
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


class Run:
    """Model, optimizers, data position and counters: all that a checkpoint holds."""

    def __init__(self, config, device, workers=None, ahead=0):
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.model = DigitModel(**config.model).to(device)
        self.average = DigitModel(**config.model).to(device)
        settings = config.optimizer
        matrices = self.model.matrices() if settings["muon_rate"] else []
        self.muon = Muon(matrices, settings["muon_rate"], weight_decay=settings["weight_decay"])
        by_muon = {id(p) for p in matrices}
        self.slow = [p for p in self.model.parameters() if id(p) not in by_muon]
        self.adam = torch.optim.AdamW(
            self.slow, lr=settings["adam_rate"], betas=(0.9, 0.98), weight_decay=0, fused=True
        )
        data = config.data
        shares, rows = data.get("shares"), data["round_rows"]
        self.stream = SeriesStream(config.seed, rows, device, None, shares, workers, ahead)
        self.tokens, self.steps, self.cpu_seconds = 0, 0, 0.0
        self.reset_average()

    def reset_average(self):
        self.average.load_state_dict(self.model.state_dict())

    def batch(self):
        """The batch of this step; its random choices depend on the seed and the step only."""
        seed = self.config.seed * 7_000_003 + self.steps
        draws, data = Draws(seed, self.device), self.config.data
        # drawn on the CPU: a GPU would be waited for
        [length] = random.Random(seed).choices(data["lengths"], self.config.length_shares(self.tokens))
        series = self.stream.take(max(1, self.config.budget["step_tokens"] // length))
        shares = {name: data[name] for name in ("whole_range", "inside", "without_bos", "coarse")}
        return training_batch(draws, series, length, **shares)

    def step(self, loss_of):
        batch = self.batch()
        torch.manual_seed(self.config.seed * 7_000_003 + self.steps)  # the objective may draw, too
        with mixed_precision(batch[0].device):
            loss = loss_of(*batch)
        loss.backward()
        factor = self.config.schedule(self.tokens)
        torch.nn.utils.clip_grad_norm_(self.slow, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.config.optimizer["adam_rate"] * factor
        self.adam.step()
        self.muon.step(factor)
        self.model.zero_grad(set_to_none=True)
        # early on the average forgets fast: it must not hold on to the start
        keep = min(self.config.optimizer["average"], (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        self.steps, self.tokens = self.steps + 1, self.tokens + batch[0].numel()
        return loss.detach()

    def save(self, path):
        state = dict(
            shape=self.config.model,
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            muon=self.muon.state_dict(),
            adam=self.adam.state_dict(),
            stream=self.stream.state(),
            counters=(self.tokens, self.steps, self.cpu_seconds),
        )
        torch.save(state, path + ".new")
        os.replace(path + ".new", path)  # atomic: an interrupted write leaves the older checkpoint

    def load(self, path):
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["shape"] != self.config.model:
            raise ValueError(f"{path} holds a model of shape {state['shape']}")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.stream.restore(state["stream"])
        self.tokens, self.steps, self.cpu_seconds = state["counters"]


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


def export_trained(arguments, end, workers):
    config = read_config(arguments.config, arguments.tokens)
    folder = f"{HERE}/runs/{arguments.name or config.name}"
    os.makedirs(folder, exist_ok=True)
    size = config.validation["series"], max(config.data["lengths"])
    generated = validation_round(*size, workers)
    run = Run(config, arguments.device, workers, arguments.generators)
    resumed = os.path.exists(f"{folder}/checkpoint.pt")
    if resumed:
        run.load(f"{folder}/checkpoint.pt")
        print(f"resumed {folder} at {run.tokens} tokens", flush=True)
    elif arguments.start_from:
        start_from(run.model, arguments.start_from)
        run.reset_average()
    print(f"{sum(p.numel() for p in run.model.parameters())} parameters in training", flush=True)
    teacher = None
    if arguments.teacher:
        teacher = loaded(arguments.teacher).to(arguments.device).requires_grad_(False)
        write_log(folder, dict(teacher=arguments.teacher, follow=config.objective["follow"]))
    loss_of = compiled_loss(run.model, config.objective, not arguments.no_compile, teacher)
    if workers:
        run.stream.begin()
        compile_ahead(run, loss_of)
    validation = ValidationSet(*size, arguments.device, generated)
    if arguments.start_from and not resumed:
        write_log(folder, dict(start_from=arguments.start_from, start=validation.score(run.model)))
    scores = train(run, folder, loss_of, validation, end)
    best = "average" if scores["average"]["nats"] >= scores["last"]["nats"] else "last"
    export(run.average if best == "average" else run.model, f"{folder}/export")
    print(f"exported the {best} weights to {folder}/export", flush=True)


if __name__ == "__main__":
    main()
