"""Windows of the control recordings in shared/data/trajectories, which nothing was trained or tuned on.

Where episodes are long a window lies in the middle of one; where they are short it holds several.
"""

import os
from dataclasses import dataclass

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "data", "trajectories")
MOST = 10  # windows of a recording
# rows of a window, rows that set its axes and actions' units, most windows
WINDOWS = {
    "Pendulum-v1__expert": (200, 120, MOST),
    "Pendulum-v1__medium": (200, 120, MOST),
    "Pendulum-v1__random": (200, 120, MOST),
    "CartPole-v1__expert": (280, 200, MOST),
    "CartPole-v1__good": (280, 200, MOST),
    "CartPole-v1__medium": (140, 90, MOST),
    "CartPole-v1__random": (250, 130, 2),
    "MountainCarContinuous-v0__random": (280, 200, MOST),
    "MountainCarContinuous-v0__expert": (100, 60, MOST),
    "InvertedPendulum-v5__best": (80, 50, MOST),
    "InvertedPendulum-v5__medium": (195, 120, 3),
    "InvertedPendulum-v5__random": (230, 130, 5),
    "Hopper-v5__best": (160, 110, MOST),
    "Hopper-v5__random": (400, 250, MOST),
    "HalfCheetah-v5__random": (270, 200, 6),
    "HalfCheetah-v5__medium": (270, 200, 6),
    "HalfCheetah-v5__best": (270, 200, 6),
}


@dataclass
class Recording:
    """Raw `values` [windows, rows, channels], `actions`, `starts` [windows, rows]; `context` rows set the axes."""

    name: str
    values: np.ndarray
    actions: np.ndarray
    starts: np.ndarray
    context: int


def recording(name, folder=FOLDER):
    rows, context, most = WINDOWS[name]
    with np.load(f"{folder}/{name}.npz") as data:
        obs, acts, begun = data["obs"].astype(float), data["action"].astype(float), data["episode_starts"]
    acts, starts = acts.reshape(len(obs), -1), np.zeros(len(obs), bool)
    starts[begun] = True
    ends = [*begun[1:], len(obs)]
    long = [(a, b) for a, b in zip(begun, ends) if b - a >= rows]
    if len(long) >= 3:
        firsts = [a + (b - a - rows) // 2 for a, b in long[:most]]
    else:
        firsts = [int(begun[np.searchsorted(begun, i * rows)]) for i in range(most) if i * rows <= begun[-1]]
        firsts = [a for a in firsts if a + rows <= len(obs)]
    cut = lambda array: np.stack([array[a : a + rows] for a in firsts])
    begins = cut(starts)
    begins[:, 0] = True
    return Recording(name, cut(obs), cut(acts), begins, context)


def recordings(names=WINDOWS, folder=FOLDER):
    return [recording(name, folder) for name in names]
