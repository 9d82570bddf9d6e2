"""The two best experts of each channel so far."""

import copy
from dataclasses import dataclass, fields

import numpy as np

from .analogue import Analogue
from .law import Law
from .past import Past
from .regression import Linear, Quadratic
from .seasonal import Seasonal
from .smoothing import Smoothing

LEAST_FREEDOM = 3.0  # of a law that counts: its expert has learned two errors
MEMORY = 0.99  # of scores, a row
ABSENT = -np.log(7.0) - 3.0  # what a row costs that an expert has no law for
KEEP, MOST_SQUARE = 0.85, 100.0  # of recent squared residuals


@dataclass
class Slots:
    """Arrays [windows, channels], for the best (0) and the second (1) expert of each channel."""

    location: tuple
    scale: tuple
    freedom: tuple
    ratio: tuple
    lead: np.ndarray
    chosen: np.ndarray


class Experts:
    """All experts over a batch of windows, row by row."""

    def __init__(self, windows, channels, actions, room, periods=None):
        self.past = Past(windows, channels, actions, room)
        shape = windows, channels, actions
        kinds = Linear, Quadratic, Smoothing
        self.experts = [kind(*shape) for kind in kinds] + [Seasonal(*shape, periods), Analogue(*shape)]
        self.scores = np.zeros((windows, len(self.experts), channels))
        self.ratios = np.ones_like(self.scores)
        self.settled = False  # along sampled paths: a path's own draws teach nothing about the system

    def predict(self, pushed=None):
        """The slots of the next row, their locations moved by so many scales [windows, channels] if asked for.
        Called once a row, before `learn`.
        """
        laws = [expert.law(self.past) for expert in self.experts]
        if pushed is not None:
            for law in laws:
                law.location = law.location + pushed * law.scale
        self.laws = Law(*(np.stack([getattr(law, f.name) for law in laws], 1) for f in fields(Law)))
        self.counted = self.laws.known & (self.laws.freedom >= LEAST_FREEDOM)
        order = np.argsort(-np.where(self.counted, self.scores, -np.inf), axis=1, kind="stable")
        order = order[:, [0, min(1, order.shape[1] - 1)]]
        count = self.counted.sum(1)
        order = np.where(count[:, None] == 1, order[:, :1], order)
        none = count == 0

        def of(array, instead):
            parts = np.take_along_axis(array, order, 1)
            return tuple(np.where(none, instead, parts[:, slot]) for slot in (0, 1))

        scores = of(self.scores, 0.0)
        return Slots(
            of(self.laws.location, 0.0),
            of(self.laws.scale, 2.0),
            of(self.laws.freedom, 1.0),
            of(self.ratios, 1.0),
            scores[0] - scores[1],
            np.where(none[:, None], -1, order),
        )

    def said(self):
        """What every expert said of the row that was predicted, arrays [windows, channels, experts] by name."""
        parts = dict(
            location=5 + self.laws.location,
            scale=self.laws.scale,
            freedom=self.laws.freedom,
            ratio=self.ratios,
            score=self.scores,
            known=self.counted,
        )
        return {name: part.transpose(0, 2, 1) for name, part in parts.items()}

    def learn(self, x, u, next_begins, observed):
        """Reads the row that was predicted: x [windows, channels], u [windows, actions]; what is not observed
        has a stand-in in x and is learned by nobody.
        """
        x, u = np.clip(x, -1e3, 1e3), np.clip(u, -1e3, 1e3)
        if not self.settled:
            self.judge(x, observed)
        for expert in self.experts:
            if not (self.settled and isinstance(expert, (Linear, Quadratic))):
                expert.learn(self.past, x, observed)
        self.past.push(x, u, next_begins)

    def judge(self, x, observed):
        """Learns how well every expert predicted a row."""
        laws, known = self.laws, self.counted
        gained = np.where(known, laws.log_score(x[:, None]), ABSENT)
        counts = (self.past.age >= 1)[:, None, None] & observed[:, None]
        self.scores = np.where(counts, MEMORY * self.scores + gained, self.scores)
        square = np.minimum(((x[:, None] - laws.location) / laws.scale) ** 2, MOST_SQUARE)
        self.ratios = np.where(known & observed[:, None], KEEP * self.ratios + (1 - KEEP) * square, self.ratios)

    def only(self, number):
        """The same state of one expert by itself."""
        other = copy.copy(self)
        part = slice(number, number + 1)
        other.experts, other.scores, other.ratios = self.experts[part], self.scores[:, part], self.ratios[:, part]
        return other

    def repeated(self, paths):
        """The same state for so many sampled paths of every window, which go on by what the regressions know now.

        Regressions that learn from paths run off with those that have left what was observed: what is drawn there is
        their own guess.
        """
        other = _repeated(self, len(self.past.last), paths)
        other.settled = True
        for expert in other.experts:
            if isinstance(expert, Quadratic):
                expert.keep_choice()
        return other


def _repeated(value, windows, paths):
    """A deep copy in which every array [windows * k, ...] has the parts of each window `paths` times."""
    if isinstance(value, np.ndarray):
        parts = value.reshape(windows, len(value) // windows, *value.shape[1:])
        return np.repeat(parts, paths, 0).reshape(len(value) * paths, *value.shape[1:])
    if isinstance(value, list):
        return [_repeated(part, windows, paths) for part in value]
    if not hasattr(value, "__dict__"):
        return value
    other = copy.copy(value)
    for name, part in vars(value).items():
        setattr(other, name, _repeated(part, windows, paths))
    return other
