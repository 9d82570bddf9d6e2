"""Soft actor-critic updates a second, here and with PyTorch on one thread: python bench/updates.py

The whole update on both sides: a batch drawn from a replay of 10,000 rows, twin critics with targets, the tanh-Gaussian
actor twice every second update, the temperature, Polyak averages; hidden layers of equal width, Adam, float32. Sides take
turns, one second each; medians of the turns and the quartiles of their ratios.
"""

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
# Name, observations, actions, hidden, batch.
SHAPES = [
    ("Pendulum", 3, 1, 64, 64),
    ("Pendulum", 3, 1, 64, 256),
    ("Pendulum", 3, 1, 256, 256),
    ("HalfCheetah", 17, 6, 256, 128),
    ("HalfCheetah", 17, 6, 256, 256),
]
ROWS = 10_000


def mlp(inputs, hidden, outputs):
    layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    return nn.Sequential(*layers)


class Agent:
    def __init__(self, observations, actions, hidden, fused):
        self.actions = actions
        self.actor = mlp(observations, hidden, 2 * actions)
        self.critics = [mlp(observations + actions, hidden, 1) for _ in range(2)]
        self.targets = [mlp(observations + actions, hidden, 1) for _ in range(2)]
        for target, critic in zip(self.targets, self.critics):
            target.load_state_dict(critic.state_dict())
        self.log_temperature = torch.zeros(1, requires_grad=True)
        critic_parameters = [p for critic in self.critics for p in critic.parameters()]
        self.critic_adam = torch.optim.Adam(critic_parameters, lr=1e-3, fused=fused)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), lr=3e-4, fused=fused)
        self.temperature_adam = torch.optim.Adam([self.log_temperature], lr=1e-3, fused=fused)
        self.critic_parameters = critic_parameters
        self.target_parameters = [p for target in self.targets for p in target.parameters()]
        self.updates = 0

    def draw(self, observations):
        mean, raw = self.actor(observations).chunk(2, dim=-1)
        log_spread = -5 + 3.5 * (torch.tanh(raw) + 1)
        noise = torch.randn_like(mean)
        squashed = torch.tanh(mean + log_spread.exp() * noise)
        log = -0.5 * noise**2 - log_spread - 0.9189385 - torch.log(1 - squashed**2 + 1e-6)
        return squashed, log.sum(-1, keepdim=True)

    def update(self, observations, actions, rewards, following):
        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            chosen, log = self.draw(following)
            inputs = torch.cat([following, chosen], -1)
            worth = torch.min(self.targets[0](inputs), self.targets[1](inputs)) - temperature * log
            returns = rewards + 0.99 * worth
        inputs = torch.cat([observations, actions], -1)
        loss = sum(nn.functional.mse_loss(critic(inputs), returns) for critic in self.critics)
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        self.updates += 1
        if self.updates % 2 == 0:
            for _ in range(2):
                self.update_actor(observations)
        with torch.no_grad():
            torch._foreach_lerp_(self.target_parameters, self.critic_parameters, 0.005)

    def update_actor(self, observations):
        chosen, log = self.draw(observations)
        inputs = torch.cat([observations, chosen], -1)
        value = torch.min(self.critics[0](inputs), self.critics[1](inputs))
        loss = (self.log_temperature.exp().detach() * log - value).mean()
        self.actor_adam.zero_grad()
        loss.backward()
        self.actor_adam.step()
        loss = -(self.log_temperature.exp() * (log.detach() - self.actions)).mean()
        self.temperature_adam.zero_grad()
        loss.backward()
        self.temperature_adam.step()


class Theirs:
    def __init__(self, observations, actions, hidden, batch, fused):
        self.agent, self.batch = Agent(observations, actions, hidden, fused), batch
        uniform = lambda width: torch.rand(ROWS, width) * 2 - 1
        self.replay = [uniform(observations), uniform(actions), uniform(1), uniform(observations)]

    def rate(self, seconds):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            rows = torch.randint(0, ROWS, (self.batch,))
            self.agent.update(*(column[rows] for column in self.replay))
            count += 1
        return count / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/examples/updates")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam instead of its default")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipe = subprocess.PIPE
    ours = subprocess.Popen([arguments.program], stdin=pipe, stdout=pipe, text=True, env={"RAYON_NUM_THREADS": "1"})
    print("| task | hidden | batch | PyTorch | statecast | ratio |\n|---|---|---|---|---|---|")
    for name, *shape in SHAPES:
        theirs = Theirs(*shape, arguments.fused)
        theirs.rate(0.3)
        rates = []
        for _ in range(arguments.turns):
            print(*shape, arguments.seconds, file=ours.stdin, flush=True)
            own = float(ours.stdout.readline())
            rates.append((theirs.rate(arguments.seconds), own))
        torch_rate, rate = np.median(rates, axis=0)
        low, middle, high = np.quantile([ours / torch for torch, ours in rates], [0.25, 0.5, 0.75])
        print(f"| {name} | {shape[2]} | {shape[3]} | {torch_rate:.0f} | {rate:.0f} | {middle:.2f} [{low:.2f}, {high:.2f}] |")
    ours.stdin.close()


if __name__ == "__main__":
    main()
