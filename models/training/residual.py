"""The model that reads hints: the digit model, reading residuals as if they were digits, with the slots of the next
row added to its input, and an answer on the residual axis.

The density of a value is a mixture of the bins of the residual axis, of those of digits and of normals of several
widths around both slots. Its weights are the components' Bayesian weights by what each gave to the values so far,
changed by what the model makes of its state. Without hints it is the digit model.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from encoding import BINS, BOS, NATS_OFFSET
from hints import EDGES, LOG_WIDTHS
from hints.axis import REACH
from model import DigitModel, ValueTable

SPREADS = torch.tensor([0.05, 0.15, 0.35, 0.6, 0.85, 1.1, 1.5, 2.5, 6.0])  # of the normals, in scales of a slot
COMPONENTS = 2 + 2 * len(SPREADS)  # digits, residual axis, normals of the first slot, of the second
SHARE, LEAST_LOG = 0.003, -30.0  # of the Bayesian weights: fixed share, floor of a row's log density
PRIOR_ROWS = 0.3  # rows at which what a component was worth counts as much as what the gate gave it
FREEDOM = 4.0  # of Student's law that the residual axis starts with

PERIODS = torch.tensor(np.concatenate([np.geomspace(0.25, 250, 32), [500, 1000]]), dtype=torch.float32)
LOG_SCALES, LOG_RATIOS = torch.linspace(-6, 6, 13), torch.linspace(-4, 4, 9)
LEADS, GAPS = torch.linspace(0, 6, 7), torch.linspace(-5, 5, 11)
SLOT_FEATURES = 2 * len(PERIODS) + 6 + len(LOG_SCALES) + len(LOG_RATIOS)
FEATURES = 2 * SLOT_FEATURES + len(LEADS) + len(GAPS)


@dataclass
class Sequences:
    """Channels with their hints, one a sequence; arrays [sequences, rows] or [sequences, rows, 2 slots]. What
    stands at a row is of that row: its value, and its hints, which know only the rows before.
    """

    digits: torch.Tensor  # bin of the value on the channel's axis, clamped
    on_axis: torch.Tensor
    observed: torch.Tensor  # a value that is missing is neither read nor scored
    begins: torch.Tensor  # first row of an episode: no hint of it
    residual: torch.Tensor  # bin on the residual axis
    position: torch.Tensor  # of the value on the channel's axis, a stand-in where it is missing
    z: torch.Tensor  # (value - location) / scale
    location: torch.Tensor
    scale: torch.Tensor
    freedom: torch.Tensor
    ratio: torch.Tensor
    lead: torch.Tensor
    weight: torch.Tensor  # of the row in the loss

    def __len__(self):
        return len(self.digits)

    def __getitem__(self, part):
        return self.map(lambda column: column[part])

    def map(self, change):
        return type(self)(**{f.name: change(getattr(self, f.name)) for f in fields(self)})


def bumps(v, at):
    return torch.exp(-0.5 * ((v[..., None] - at) / (at[1] - at[0])) ** 2)


def slot_features(location, scale, freedom, ratio, last):
    """Of a hint: waves of its location as in the digits' table and finer, its log scale in bins, the recent squared
    residuals of its expert, the move that it expects in scales and in bins, and how much is behind it.
    """
    x = (location / 10).clamp(-0.5, 1.5)
    angle = 2 * math.pi * x[..., None] * PERIODS
    move = location - last
    centred = 2 * x - 1
    ends = [torch.ones_like(x), centred, centred**2, torch.asinh(move / scale), torch.asinh(100 * move) / 3]
    ends.append(freedom.rsqrt())
    log_scale, log_ratio = (100 * scale).log().clamp(-7, 7), 0.5 * (ratio + 1e-4).log()
    parts = [angle.cos(), angle.sin(), torch.stack(ends, -1), bumps(log_scale, LOG_SCALES), bumps(log_ratio, LOG_RATIOS)]
    return torch.cat(parts, -1)


def hint_features(s):
    """Features [sequences, rows, FEATURES] of what is said of each row."""
    last = F.pad(s.position, (1, 0), value=5.0)[:, :-1]
    slots = [slot_features(s.location[..., k], s.scale[..., k], s.freedom[..., k], s.ratio[..., k], last) for k in (0, 1)]
    gap = torch.asinh((s.location[..., 1] - s.location[..., 0]) / s.scale[..., 0])
    return torch.cat([*slots, bumps(torch.asinh(s.lead).clamp(-1, 7), LEADS), bumps(gap.clamp(-6, 6), GAPS)], -1)


def bayesian_weights(logs, counts):
    """Log weights [sequences, rows, components] before each row, by the log densities of the rows before, with
    fixed share (Herbster & Warmuth 1998); rows that do not count change nothing.
    """
    k = logs.shape[-1]
    logs = torch.where(counts[..., None], logs.clamp_min(LEAST_LOG), 0.0)
    w, out = torch.full_like(logs[:, 0], -math.log(k)), []
    moves = counts[..., None].to(logs.dtype)
    for t in range(logs.shape[1]):
        out.append(w)
        learned = ((1 - SHARE) * (w + logs[:, t]).softmax(-1) + SHARE / k).log()
        w = torch.lerp(w, learned, moves[:, t])
    return torch.stack(out, 1)


@torch.no_grad()
def gate_corrections(parts, log_weights, counts):
    """Corrections of log weights before each row and after all, [sequences, rows + 1, components]: the log ratio of the
    responsibilities that components had for the rows so far to the weights that the gate gave them.
    """
    worth, given = (parts + log_weights).softmax(-1), log_weights.exp()
    worth, given = (F.pad((x * counts[..., None]).cumsum(1), (0, 0, 1, 0)) for x in (worth, given))
    return ((worth + PRIOR_ROWS) / (given + PRIOR_ROWS)).log()


def student_masses(edges):
    """Log probabilities of bins under Student's law of four degrees of freedom."""
    cdf = 0.5 + 0.5 * edges / np.sqrt(4 + edges**2) * (1 + 2 / (4 + edges**2))
    return np.log(np.maximum(np.diff(cdf), 1e-9))


class ResidualModel(nn.Module):
    """`arm` is for ablations: "axis" answers on the residual axis alone, "plain gate" has no Bayesian weights, "one
    slot" sees the best hint only, "digits" answers in digits alone; "values" reads the values' digits through the digit
    model's tables, and residuals through tables of their own.
    """

    def __init__(self, hidden, layers, heads, inner, waves=32, arm=""):
        super().__init__()
        self.arm = arm
        self.digits = DigitModel(hidden, layers, heads, inner, waves)
        self.shape = self.digits.shape
        self.hint = nn.Linear(FEATURES, hidden, bias=False)
        self.other_input = ValueTable(hidden, waves, 0.0, 0.0)
        self.other_head = ValueTable(hidden, waves, 0.0, 0.0)
        self.gate = nn.Linear(hidden, COMPONENTS)
        self.trust = nn.Parameter(torch.ones(1))
        self.marks = nn.Parameter(torch.zeros(3, hidden))  # hints are there, a value is missing, an episode begins
        for weight in (self.hint.weight, self.gate.weight, self.gate.bias):
            nn.init.zeros_(weight)
        student = torch.tensor(student_masses(EDGES), dtype=torch.float32)
        allowed = torch.ones(COMPONENTS, dtype=torch.bool)
        if arm == "one slot":
            allowed[2 + len(SPREADS) :] = False
        elif arm in ("axis", "digits"):
            allowed[:] = False
            allowed[1 if arm == "axis" else 0] = True
        self.register_buffer("allowed", allowed, persistent=False)
        if arm == "plain gate":
            self.trust.data.zero_()
            self.trust.requires_grad_(False)
            with torch.no_grad():  # digits, the axis and each slot alike; normals mostly near their slot's own scale
                widths = -((SPREADS.log() / 0.7) ** 2)
                self.gate.bias.copy_(torch.cat([torch.zeros(2), *[widths - widths.logsumexp(0)] * 2]))
        self.register_buffer("student", student, persistent=False)
        self.register_buffer("log_widths", torch.tensor(LOG_WIDTHS, dtype=torch.float32), persistent=False)

    def matrices(self):
        """The weights that Muon trains."""
        return self.digits.matrices()

    def fresh(self):
        """The weights that reading hints adds."""
        return [p for name, p in self.named_parameters() if not name.startswith("digits.")]

    def embedded(self, s, features):
        """Inputs [sequences, rows, hidden]: the residual and the value of the row before, what is said of the row."""
        before = F.pad(s.observed, (1, 0), value=True)[:, :-1, None]
        inner = F.pad(s.observed & ~s.begins, (1, 0), value=False)[:, :-1, None]
        value = F.pad(s.digits, (1, 0), value=BOS)[:, :-1]
        if self.arm == "values":
            residual = F.pad(s.residual, (1, 0), value=0)[:, :-1]
            x = torch.where(before, F.embedding(value, self.digits.embedding()), self.marks[1])
            x = x + torch.where(inner, F.embedding(residual, self.other_input()), 0.0)
        else:
            residual = torch.where(inner[..., 0], F.pad(s.residual, (1, 0), value=0)[:, :-1], BOS)
            x = torch.where(before, F.embedding(residual, self.digits.embedding()), self.marks[1])
            x = x + torch.where(before, F.embedding(value, self.other_input()), 0.0)
        if self.arm == "one slot":
            features = features.clone()
            features[..., SLOT_FEATURES:] = 0
        return x + self.marks[0] + torch.where(s.begins[..., None], self.marks[2], self.hint(features))

    def beside(self, s):
        """Further arguments of the decoder for these sequences."""
        return ()

    def forward(self, s, features):
        """Log probabilities [sequences, rows, 1000] of the digits' and the residual axis' bins, and the gate."""
        return self.answers(self.digits.states(self.embedded(s, features), *self.beside(s)))

    def answers(self, h):
        known = F.linear(h, self.digits.head()[:BINS]).float()
        other = F.linear(h, self.other_head()[:BINS]).float()
        digits, residual = (known, other + self.student) if self.arm == "values" else (other, known)
        return digits.log_softmax(-1), residual.log_softmax(-1), self.gate(h).float()

    def components(self, s, digits, residual):
        """Log densities [sequences, rows, COMPONENTS] of the values, axis units."""
        digits = digits.gather(-1, s.digits[..., None])[..., 0] + NATS_OFFSET
        digits = torch.where(s.on_axis, digits, LEAST_LOG)
        log_scale = s.scale.log()
        at = residual.gather(-1, s.residual[..., None])[..., 0]
        residual = at - self.log_spacings(s) - log_scale[..., 0]
        spreads = SPREADS.to(log_scale.device)
        normals = -0.5 * (s.z[..., None] / spreads) ** 2 - spreads.log() - log_scale[..., None]
        normals = normals - 0.5 * math.log(2 * math.pi)
        return torch.cat([torch.stack([digits, residual], -1), normals.flatten(-2)], -1)

    def log_spacings(self, s):
        """hints.log_spacings of the values."""
        far = s.z[..., 0].abs()
        ends = (s.residual == 0) | (s.residual == BINS - 1)
        inside = self.log_widths[s.residual] + ends * math.log(2.0)
        return torch.where(far > REACH, math.log(2 / REACH) + 2 * far.clamp_min(REACH).log(), inside)

    def gated(self, s, digits, residual, gate):
        """Log densities of the components and the log weights that the gate gives them before each row, [sequences,
        rows, COMPONENTS].
        """
        parts = self.components(s, digits, residual)
        bayes = bayesian_weights(parts.detach(), s.observed & ~s.begins)
        weights = (gate + self.trust * bayes).masked_fill(~self.allowed, -torch.inf)
        return parts, weights.log_softmax(-1)

    def mixture(self, s, digits, residual, gate):
        """As `gated`, with the gate's weights corrected by what the components were worth so far."""
        parts, log_weights = self.gated(s, digits, residual, gate)
        corrections = gate_corrections(parts, log_weights, s.observed & ~s.begins)[:, :-1]
        return parts, (log_weights + corrections).log_softmax(-1)

    def log_density(self, s, features):
        """Nats [sequences, rows] of the values in axis units, and the components' own."""
        parts, log_weights = self.mixture(s, *self(s, features))
        return torch.logsumexp(log_weights + parts, -1), parts
