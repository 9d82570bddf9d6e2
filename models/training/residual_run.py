"""Training of the model that reads hints: batches of series without hints and of sequences with them."""

import shutil

import torch
import torch.nn.functional as F

from objective import followed
from residual import ResidualModel, hint_features
from run import Run
from sequences import SequenceStream, round_as_arrays
from series import later
from validation import ValidationSet

VALIDATION_SEED, FIRST_SCORED = 888_000_888, 20
FINEST = 4.605  # nats: what a bin of the digits can give at most


class ResidualRun(Run):
    """A part of a step's sequences has no hints: the digit reading of a lone channel stays."""

    def new_model(self):
        return ResidualModel(**self.config.model, arm=self.config.data.get("arm", ""))

    def rates(self):
        fresh = {id(p) for p in self.model.fresh()}
        known = [p for p in self.slow if id(p) not in fresh]
        settings = self.config.optimizer
        return [
            dict(params=known, base=settings["adam_rate"]),
            dict(params=[p for p in self.slow if id(p) in fresh], base=settings["fresh_rate"]),
        ]

    def new_streams(self, workers, ahead):
        streams = super().new_streams(workers, ahead)
        values = self.config.data["round_values"]
        lengths = self.config.data["lengths"]
        # one round ahead of each at least: the first use of workers is that nothing waits
        more = max(1, ahead // len(lengths)) if workers else 0
        for length in lengths:
            disturbed = self.config.data.get("disturbed", True)
            stream = self.sequence_stream(values, length, workers, more, disturbed)
            streams[f"hinted{length}"] = stream
        return streams

    def sequence_stream(self, values, length, workers, ahead, disturbed):
        return SequenceStream(self.config.seed, values, length, self.device, workers, ahead, disturbed)

    def series_batch(self, draws, length, count):
        hinted = min(count - 1, round(self.config.data["hinted"] * count))
        blind = super().series_batch(draws, length, count - hinted)
        return blind, self.streams[f"hinted{length}"].take(hinted)

    def values(self, batch):
        return batch[0][0].numel() + batch[1].digits.numel()


def residual_loss(model, settings, compile_it, teacher=None):
    """The mean loss over the weighted positions, as a function of (blind batch, sequences).

    `settings`: "follow", what a teacher's law is of the target of series without hints; "axis", weight of the
    residual axis' own cross-entropy beside that of the mixture, "value", that of the digits of the value.
    """
    states = model.digits.states
    if compile_it and (shutil.which("g++") or shutil.which("c++")):
        states = torch.compile(states, dynamic=False)

    def loss(blind, sequences):
        inputs, targets, weights = blind
        count = len(inputs)
        features = hint_features(sequences)
        embedded = F.embedding(inputs, model.digits.embedding())
        h = states(torch.cat([embedded, model.embedded(sequences, features)]), *model.beside(sequences))
        logits = F.linear(h[:count], model.digits.head()).float()
        if teacher is None:
            digits = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(weights)
        else:
            with torch.no_grad():
                taught = teacher(inputs).float()
            digits = followed(logits, targets, weights, taught, settings["follow"])
        parts, log_weights = model.mixture(sequences, *model.answers(h[count:]))
        alone = settings["axis"] * parts[..., 1] + settings["value"] * parts[..., 0]
        hinted = -torch.logsumexp(log_weights + parts, -1) - alone
        total = (digits * weights).sum() + (hinted * sequences.weight).sum()
        return total / (weights.sum() + sequences.weight.sum())

    return loss


class HintedValidation:
    """Fresh sequences with hints beside fresh series without them."""

    def __init__(self, config, device, generated=None, workers=None):
        size = config.validation["series"], max(config.data["lengths"])
        self.series = ValidationSet(*size, device, generated)
        rows = config.data["lengths"][len(config.data["lengths"]) // 2]
        count = 2 * config.validation["series"]
        made = later(workers, VALIDATION_SEED, count, rows, work=round_as_arrays)()
        self.sequences = made[:count].map(lambda column: torch.from_numpy(column).to(device))
        self.features = hint_features(self.sequences)

    @torch.no_grad()
    def score(self, model, rows=8):
        """Nats a value with hints (also with each row's capped at what a bin can give, also of the residual axis
        alone), and without.
        """
        sums = torch.zeros(4)
        for i in range(0, len(self.sequences), rows):
            part = self.sequences[i : i + rows]
            density, parts = model.log_density(part, self.features[i : i + rows])
            w = part.weight.clone()
            w[:, :FIRST_SCORED] = 0
            axis = parts[..., 1]
            sums += torch.stack([(density * w).sum(), (density.clamp_max(FINEST) * w).sum(), (axis * w).sum(), w.sum()]).cpu()
        hinted, capped, axis = (round((total / sums[3]).item(), 4) for total in sums[:3])
        series = self.series.score(model.digits)
        return dict(nats=capped + series["nats"], hinted=hinted, capped=capped, axis=axis, series=series["nats"])
