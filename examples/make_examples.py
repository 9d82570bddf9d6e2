"""Writes weather.csv (a simulated chain), weather_matrix.csv (its true matrix), training.csv (the log of a small network's training) and
pendulum_left.csv and pendulum_right.csv (torques for the pendulum).

    python make_examples.py      # needs numpy and torch
"""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
STATES = ["cloud", "rain", "sun"]
MATRIX = np.array([[0.45, 0.35, 0.20], [0.40, 0.50, 0.10], [0.25, 0.05, 0.70]])


def weather(days=900):
    rng = np.random.default_rng(4)
    state, lines = 2, ["day,sky"]
    for day in range(days):
        lines.append(f"{day},{STATES[state]}")
        state = rng.choice(3, p=MATRIX[state])
    (HERE / "weather.csv").write_text("\n".join(lines) + "\n")
    rows = [",".join(map(str, row)) for row in MATRIX]
    (HERE / "weather_matrix.csv").write_text("\n".join([",".join(STATES), *rows]) + "\n")


def training(steps=3000, batch=128):
    """Regression on a random teacher with noise of variance 0.25: the loss cannot settle below it."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    layers = torch.nn.Linear(12, 96), torch.nn.Tanh(), torch.nn.Linear(96, 1)
    teacher, student = torch.nn.Sequential(*layers), torch.nn.Sequential(
        torch.nn.Linear(12, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
    )
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01)
    lines = ["step,loss"]
    for step in range(steps):
        x = torch.randn(batch, 12)
        with torch.no_grad():
            y = 4 * teacher(3 * x) + 0.5 * torch.randn(batch, 1)
        loss = torch.nn.functional.mse_loss(student(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lines.append(f"{step},{loss.item():.5f}")
    (HERE / "training.csv").write_text("\n".join(lines) + "\n")


def torques(steps=20):
    """Constant torques to either side."""
    for name, torque in ("left", 1.0), ("right", -1.0):
        lines = ["act_torque", *[str(torque)] * steps]
        (HERE / f"pendulum_{name}.csv").write_text("\n".join(lines) + "\n")


weather()
training()
torques()
