"""Writes windows.json: the bundled checkpoint's exact chain over windows of states, by transformers and SciPy.

    python make_windows.py [--out FOLDER]

For 3 states and windows of 5, 2 states and windows of 8, at temperatures 1 and 0.6. States stand at 1.5 to 8.5 of the
axis; a law is the mass nearer to each state than to the others. The chain is a sparse matrix over all windows: its
stationary law by power iteration, the second eigenvalue by a dense solver, classes by connected components, the least
passage from a power of the matrix.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.csgraph import connected_components
from transformers import LlamaForCausalLM

HERE = Path(__file__).resolve().parent
BOS = 1000
LEAST = 0.01


def laws(model, states, window, temperature):
    """[windows, states]: the law behind every window, the oldest state first in a window's number."""
    places = 150 + 700 * np.arange(states) / (states - 1)
    ids = np.minimum(np.floor(places + 1e-9), 999).astype(np.int64)
    numbers = np.arange(states**window)
    digits = np.stack([numbers // states ** (window - 1 - k) % states for k in range(window)], 1)
    tokens = np.concatenate([np.full((len(numbers), 1), BOS), ids[digits]], 1)
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)).logits[:, -1, :1000].double().numpy()
    mass = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    mass /= mass.sum(1, keepdims=True)
    below = np.concatenate([np.zeros((len(mass), 1)), mass.cumsum(1)], 1)
    edges = (places[1:] + places[:-1]) / 2  # in bins; within a bin the mass is even
    at = np.stack([np.interp(edges, np.arange(1001), row) for row in below])
    return np.diff(np.concatenate([np.zeros((len(at), 1)), at, np.ones((len(at), 1))], 1), axis=1)


def chain(law, states):
    count = len(law)
    start = np.repeat(np.arange(count), states)
    end = (start * states + np.tile(np.arange(states), count)) % count
    return sparse.csr_matrix((law.ravel(), (start, end)), shape=(count, count))


def described(law, states, window):
    matrix = chain(law, states)
    stationary = np.full(len(law), 1 / len(law))
    for _ in range(500_000):
        after = 0.5 * (matrix.T @ stationary + stationary)  # half of the steps stay: no period
        change = np.abs(after - stationary).sum()
        stationary = after / after.sum()
        if change < 1e-14:
            break
    print(f"{states} states, windows of {window}: last change {change:.1e}")
    assert change < 1e-10
    moduli = np.sort(np.abs(np.linalg.eigvals(matrix.toarray())))[::-1]
    assert abs(moduli[0] - 1) < 1e-9
    components, _ = connected_components(
        sparse.csr_matrix(matrix > LEAST), directed=True, connection="strong"
    )
    power = matrix
    for _ in range(window - 1):
        power = power @ matrix
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(law > 0, -law * np.log(law), 0).sum(1)
    return {
        "law": [stationary[np.arange(len(law)) % states == k].sum() for k in range(states)],
        "second": moduli[1],
        "entropy": float(stationary @ information),
        "classes": int(components),
        "least_passage": float(power.toarray().min()),
    }


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=HERE)
torch.set_num_threads(1)
model = LlamaForCausalLM.from_pretrained(HERE.parents[1] / "models" / "builtin", dtype=torch.float32).eval()
cases = []
for states, window in ((3, 5), (2, 8)):
    for temperature in (1.0, 0.6):
        found = described(laws(model, states, window, temperature), states, window)
        cases.append({"states": states, "window": window, "temperature": temperature, **found})
text = json.dumps({"least": LEAST, "cases": cases}, indent=1)
(parser.parse_args().out / "windows.json").write_text(text + "\n")
