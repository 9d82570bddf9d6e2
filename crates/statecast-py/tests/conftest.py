"""What the tests share."""

import os
from pathlib import Path

import numpy as np
import pytest

import statecast

ROOT = Path(__file__).resolve().parents[3]

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def builtin():
    return statecast.Forecaster.builtin()


@pytest.fixture(scope="session")
def linear():
    return statecast.Forecaster(experts="linear")


@pytest.fixture
def driven():
    """`x' = 0.8 x + a` under random actions: states and actions, 150 rows."""
    random = np.random.default_rng(0)
    actions = random.uniform(-1, 1, (150, 1))
    states = np.zeros((150, 1))
    for t in range(149):
        states[t + 1] = 0.8 * states[t] + actions[t]
    return states, actions


@pytest.fixture
def pendulum():
    return statecast.Recording.read(ROOT / "examples" / "pendulum.csv")
