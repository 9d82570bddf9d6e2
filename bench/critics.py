"""The update of benches/network.rs with PyTorch on one thread: python bench/critics.py

Updates a second, the best of ten runs: twin critics with targets, Adam, Polyak averages.
"""

import copy
import time

import torch
from torch import nn

INPUTS = 4


def critic(hidden):
    return nn.Sequential(
        nn.Linear(INPUTS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
    )


def updates_per_second(hidden, batch, seconds=1.0, runs=10):
    twins = [critic(hidden), critic(hidden)]
    targets = copy.deepcopy(twins)
    parameters = [p for network in twins for p in network.parameters()]
    averages = [p for network in targets for p in network.parameters()]
    adam = torch.optim.Adam(parameters, lr=3e-4)
    inputs, following = torch.rand(2, batch, INPUTS) * 2 - 1
    rewards = torch.rand(batch, 1) * 2 - 1

    def update():
        with torch.no_grad():
            returns = rewards + 0.99 * torch.min(targets[0](following), targets[1](following))
        loss = sum(nn.functional.mse_loss(network(inputs), returns) for network in twins)
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.005)

    best = 0.0
    for _ in range(runs):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            update()
            count += 1
        best = max(best, count / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    torch.set_num_threads(1)
    for hidden, batch in [(256, 256), (64, 256), (64, 64)]:
        print(f"{hidden}x{hidden}, batch {batch}: {updates_per_second(hidden, batch):.0f} updates/s")
