"""A run of the training: model, optimizers, data position and counters."""

import os
import random

import torch

from draws import Draws
from encoding import training_batch
from model import DigitModel, mixed_precision
from optimizer import Muon
from series import SeriesStream


class Run:
    """Model, optimizers, data position and counters: all that a checkpoint holds."""

    def __init__(self, config, device, workers=None, ahead=0):
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.model = self.new_model().to(device)
        self.average = self.new_model().to(device)
        settings = config.optimizer
        matrices = self.model.matrices() if settings["muon_rate"] else []
        self.muon = Muon(matrices, settings["muon_rate"], weight_decay=settings["weight_decay"])
        by_muon = {id(p) for p in matrices}
        self.slow = [p for p in self.model.parameters() if id(p) not in by_muon]
        self.adam = torch.optim.AdamW(self.rates(), lr=0.0, betas=(0.9, 0.98), weight_decay=0, fused=True)
        self.streams = self.new_streams(workers, ahead)
        self.tokens, self.steps, self.cpu_seconds = 0, 0, 0.0
        self.reset_average()

    def new_model(self):
        return DigitModel(**self.config.model)

    def rates(self):
        """Groups of what AdamW trains; `base` is a group's rate."""
        return [dict(params=self.slow, base=self.config.optimizer["adam_rate"])]

    def new_streams(self, workers, ahead):
        data = self.config.data
        shares, rows = data.get("shares"), data["round_rows"]
        return {"series": SeriesStream(self.config.seed, rows, self.device, None, shares, workers, ahead)}

    def reset_average(self):
        self.average.load_state_dict(self.model.state_dict())

    def batch(self):
        """The batch of this step; its random choices depend on the seed and the step only."""
        seed = self.config.seed * 7_000_003 + self.steps
        draws = Draws(seed, self.device)
        # drawn on the CPU: a GPU would be waited for
        lengths = self.config.data["lengths"]
        [length] = random.Random(seed).choices(lengths, self.config.length_shares(self.tokens))
        return self.series_batch(draws, length, max(1, self.config.budget["step_tokens"] // length))

    def series_batch(self, draws, length, count):
        data, series = self.config.data, self.streams["series"].take(count)
        shares = {name: data[name] for name in ("whole_range", "inside", "without_bos", "coarse")}
        return training_batch(draws, series, length, **shares)

    def step(self, loss_of):
        batch = self.batch()
        torch.manual_seed(self.config.seed * 7_000_003 + self.steps)  # the objective may draw, too
        with mixed_precision(torch.device(self.device)):
            loss = loss_of(*batch)
        loss.backward()
        factor = self.config.schedule(self.tokens)
        torch.nn.utils.clip_grad_norm_(self.slow, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = group["base"] * factor
        self.adam.step()
        self.muon.step(factor)
        self.model.zero_grad(set_to_none=True)
        # early on the average forgets fast: it must not hold on to the start
        keep = min(self.config.optimizer["average"], (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        self.steps, self.tokens = self.steps + 1, self.tokens + self.values(batch)
        return loss.detach()

    def values(self, batch):
        return batch[0].numel()

    def save(self, path):
        state = dict(
            shape=self.config.model,
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            muon=self.muon.state_dict(),
            adam=self.adam.state_dict(),
            streams={name: stream.state() for name, stream in self.streams.items()},
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
        for name, stream in self.streams.items():
            stream.restore(state["streams"][name])
        self.tokens, self.steps, self.cpu_seconds = state["counters"]
