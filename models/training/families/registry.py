"""The registry of training families: a name, a generator and its share of the training series."""

from dataclasses import dataclass
from typing import Callable

# Systems kept for evaluation. None of them may be generated; test_families.py checks names and documentation.
HELD_OUT = (
    "lorenz63",
    "mackey_glass",
    "pendulum",
    "half_cheetah",
    "logistic_map",
    "ou_jumps",
    "geometric_brownian",
)


@dataclass(frozen=True)
class Family:
    name: str
    generate: Callable  # (draws, rows, length) -> float32 [rows, length]
    share: float  # relative share of the training series
    exact: float  # share of its series that no sensor touches
    curved: bool  # whether a sensor may bend its values: the exponential of a Gaussian walk is held out


FAMILIES: dict[str, Family] = {}


def family(share=1.0, exact=0.3, curved=True):
    """Registers a generator under its function's name."""

    def register(generate):
        FAMILIES[generate.__name__] = Family(generate.__name__, generate, share, exact, curved)
        return generate

    return register
