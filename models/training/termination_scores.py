"""How well the end of an episode is foreseen: python termination_scores.py MODEL ... [--windows 6]

The flag of termination is a channel of two levels beside the states; the row of an episode's final state carries it.
Log loss of the flag, in nats a row, rows behind the context, beside the base rate of the rows before and a logistic
regression on the states and actions of the row before, fitted anew as rows come.
"""

import argparse

import numpy as np
import torch

from hints.reading import axis_positions, scaled_actions
from model_reading import ModelReading, distribution, read_experts
from recordings import FOLDER
from residual import hint_features
from scores import paired_interval

RECORDINGS = ("CartPole-v1__medium", "CartPole-v1__random", "Hopper-v5__best", "Hopper-v5__random", "InvertedPendulum-v5__medium", "InvertedPendulum-v5__random")
ROWS, CONTEXT, REFIT, LEAST = 500, 250, 20, 1e-4


def with_final_states(name, folder=FOLDER):
    """States, actions, flags and episode starts of all rows, each episode's final state a row of its own."""
    with np.load(f"{folder}/{name}.npz") as data:
        obs, after = data["obs"].astype(float), data["next_obs"].astype(float)
        acts, ended = data["action"].astype(float).reshape(len(obs), -1), data["terminated"]
        begun = list(data["episode_starts"])
    parts = []
    for a, b in zip(begun, begun[1:] + [len(obs)]):
        x, u = np.concatenate([obs[a:b], after[b - 1 : b]]), np.concatenate([acts[a:b], 0 * acts[:1]])
        flag, start = np.zeros(len(x)), np.zeros(len(x), bool)
        flag[-1], start[0] = ended[b - 1], True
        parts.append((x, u, flag, start))
    return tuple(np.concatenate(columns) for columns in zip(*parts))


def logistic(f, y, ridge=1.0, steps=12):
    """Weights of a logistic regression on standardised features, by Newton's method."""
    w = np.zeros(f.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(f @ w, -30, 30)))
        hessian = (f * (p * (1 - p))[:, None]).T @ f + ridge * np.eye(len(w))
        w = w - np.linalg.solve(hessian, f.T @ (p - y) + ridge * w)
    return w


def simple_rules(x, u, flag, start):
    """Probabilities [rows] of the base rate and of the logistic regression; rows that begin episodes are none."""
    inner = np.flatnonzero(~start)
    f = np.concatenate([x[inner - 1], u[inner - 1]], 1)
    rate, fitted, w = np.full(len(x), np.nan), np.full(len(x), np.nan), None
    for i, t in enumerate(inner):
        if t < CONTEXT:
            continue
        y = flag[inner[:i]]
        rate[t] = (y.sum() + 0.5) / (i + 1)
        if w is None or i % REFIT == 0:
            mean, size = f[:i].mean(0), f[:i].std(0) + 1e-9
            design = lambda z: np.concatenate([(z - mean) / size, ((z - mean) / size) ** 2, np.ones((len(z), 1))], 1)
            w = logistic(design(f[:i]), y)
        fitted[t] = 1 / (1 + np.exp(-np.clip(design(f[i : i + 1])[0] @ w, -30, 30)))
    return rate, fitted


@torch.no_grad()
def foreseen(model, x, u, flag, start):
    """Probabilities [windows, rows] that the model gives to the flag."""
    n, first = len(x), np.full(len(x), CONTEXT)
    values = np.concatenate([x, flag[..., None]], 2)
    levels = np.zeros(values.shape[::2], bool)
    levels[:, -1] = True
    positions, _ = axis_positions(values, first, np.zeros(values.shape, bool), levels)
    whole, _ = read_experts(positions, scaled_actions(u, first), start)
    at = np.arange(n) * values.shape[2] + values.shape[2] - 1
    s = whole[torch.from_numpy(at)]
    digits, residual, gate = model.model(s, hint_features(s))
    parts, log_weights = model.model.mixture(s, digits, residual, gate)
    density = torch.logsumexp(log_weights + parts, -1).double().numpy()
    beside, middle = model.beside(positions[..., -1:], density, start), np.full(s.digits.shape, 5.0)
    hinted, digits = distribution(s, digits, residual, log_weights, middle), beside.digits.rows(middle)[1]
    return 1 - (beside.weights * hinted + (1 - beside.weights) * digits)


def log_loss(p, flag):
    p = np.clip(p, LEAST, 1 - LEAST)
    return -np.where(flag > 0, np.log(p), np.log1p(-p))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="folders or checkpoints: NAME=PATH")
    parser.add_argument("--windows", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    models = {name or "model": ModelReading.of(path) for name, _, path in (m.rpartition("=") for m in arguments.models)}
    methods, losses = ["base rate", "logistic", *models], {}
    print("| recording, windows, flags | " + " | ".join(methods) + " |\n|---" + "|---" * len(methods) + "|")
    for name in RECORDINGS:
        columns = with_final_states(name)
        count = min(arguments.windows, len(columns[0]) // ROWS)
        rows = ROWS if count else len(columns[0])
        cut = [np.stack([column[w * rows : (w + 1) * rows] for w in range(max(1, count))]) for column in columns]
        x, u, flag, start = cut
        start[:, 0] = True
        probabilities = {"base rate": [], "logistic": []}
        for w in range(len(x)):
            for key, p in zip(probabilities, simple_rules(x[w], u[w], flag[w], start[w])):
                probabilities[key].append(p)
        probabilities |= {key: foreseen(model, x, u, flag, start) for key, model in models.items()}
        counts = ~start & (np.arange(rows) >= CONTEXT)
        losses[name] = {}
        for key, p in probabilities.items():
            loss = np.where(counts, log_loss(np.nan_to_num(np.array(p)), flag), 0)
            losses[name][key] = loss.sum(1) / counts.sum(1)
        print(f"| {name}, {len(x)}, {int((flag * counts).sum())} | " + " | ".join(f"{losses[name][m].mean():.4f}" for m in methods) + " |", flush=True)
    print("| mean | " + " | ".join(f"{np.mean([of[m].mean() for of in losses.values()]):.4f}" for m in methods) + " |")
    for m in models:
        for other in methods[:2]:
            mean, low, high = paired_interval([of[m] - of[other] for of in losses.values()])
            print(f"{m} less {other}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
