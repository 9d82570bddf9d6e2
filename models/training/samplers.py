"""Sample paths of forecasters without training, after one window: single experts and "scales", which learn from the
paths' own draws, and the digit reading of each channel by itself.
"""

import numpy as np

from digit_reading import DigitReading, digit_paths
from mixing import ScalesMixture
from model_reading import MOST_MOVE, read_experts

SAMPLERS = ("linear", "quadratic", "scales", "bundled")
EXPERTS = ("linear", "quadratic")  # the first of hints.Experts


class Samplers:
    """PathStart positions [rows, channels], scaled actions and episode starts; `digits` is the model of the digit reading.
    Paths have at most so many steps.
    """

    def __init__(self, digits, positions, acts, starts, horizon):
        self.scales = ScalesMixture(1, positions.shape[1], 5)
        window = positions[None], acts[None], starts[None]
        self.experts = read_experts(*window, horizon=horizon, mixture=self.scales)[1]
        self.digits = DigitReading(digits, positions.T)
        self.digits.read(positions[-1])

    def paths(self, name, future, count, rng):
        """Paths [count, steps, channels] on the axis under the actions to come [steps, actions]."""
        if name == "bundled":
            return digit_paths(self.digits, len(future), count, rng)
        if name == "scales":
            return stepped(self.experts, self.scales, scales_draw, future, count, rng)
        return stepped(self.experts.only(EXPERTS.index(name)), None, student_draw, future, count, rng)


def stepped(experts, scales, draw, future, count, rng):
    """Paths [count, steps, channels] after one window's experts."""
    experts, scales = experts.repeated(count), scales and scales.repeated(count)
    bound, last, out = MOST_MOVE * experts.past.largest_move, experts.past.last, []
    for action in future:
        experts.predict()
        x = last = np.clip(draw(experts.laws, scales, rng), last - bound, last + bound)
        if scales:
            scales.learn_row(experts.laws, x)
        experts.learn(x, np.repeat(action[None], count, 0), np.zeros(count, bool), np.ones(x.shape, bool))
        out.append(5 + x)
    return np.stack(out, 1)


def student_draw(laws, scales, rng):
    return laws.location[:, 0] + laws.scale[:, 0] * rng.standard_t(laws.freedom[:, 0])


def scales_draw(laws, scales, rng):
    centre, deviation, known = scales.normals(laws)
    chance = np.exp(scales.current(known)).cumsum(-1)
    part = (chance < rng.random((*chance.shape[:2], 1)) * chance[..., -1:]).sum(-1, keepdims=True)
    part = part.clip(0, chance.shape[-1] - 1)
    of = lambda array: np.take_along_axis(array, part, -1)[..., 0]
    return of(centre) + of(deviation) * rng.standard_normal(chance.shape[:2])
