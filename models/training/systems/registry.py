"""The registry of driven systems: a name, a maker of plants and its share of the windows."""

from dataclasses import dataclass
from typing import Callable

# Systems kept for evaluation, and their close relatives. None of them may be generated.
NEVER = (
    "pendulum",
    "cartpole",
    "cart_pole",
    "mountain_car",
    "acrobot",
    "swing_up",
    "half_cheetah",
    "hopper",
    "walker2d",
    "humanoid",
    "swimmer",
    "reacher",
    "pusher",
    "mujoco_ant",
    "lunar_lander",
    "bipedal_walker",
    "car_racing",
    "mujoco",
    "gymnasium",
    "mackey_glass",
    "logistic_map",
    "ou_jumps",
    "geometric_brownian",
    "dysts",
    "lorenz",
    "rossler",
    "chua",
    "duffing",
    "van_der_pol",
    "fitzhugh",
    "thomas",
    "halvorsen",
    "rikitake",
    "sprott",
    "lotka_volterra",
    "double_pendulum",
    "hindmarsh",
)


@dataclass(frozen=True)
class System:
    name: str
    generate: Callable  # (sampler, windows, readings wanted, actions) -> Plant
    share: float  # relative share of the windows
    doc: str  # first line of the maker's documentation


SYSTEMS: dict[str, System] = {}


def system(share):
    """Registers a maker of plants under its function's name."""

    def register(make):
        SYSTEMS[make.__name__] = System(make.__name__, make, share, make.__doc__.strip().splitlines()[0])
        return make

    return register
