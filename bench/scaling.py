"""How time grows with the rows of context T, the paths N, the channels D and the horizon H.

    .venv/bin/python bench/scaling.py [--threads 1] [--out docs/figures/scaling.svg]

Prints, per model and quantity, the median times of five and the exponent of a power law through the last half of them.
"""

import argparse
import math
import random
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import NullLocator  # noqa: E402

import models  # noqa: E402
from compare import HERE, Worker, waves  # noqa: E402

ROUNDS = 5
MODELS = {"builtin": "bundled", "smollm2": "135M"}


def score(rows):
    return {"task": "score", "series": waves(rows, 1)}


def rollout(rows, channels, paths, horizon):
    noise = random.Random(1)
    levels = [[noise.random() for _ in range(channels * paths)] for _ in range(horizon)]
    return {"task": "rollout", "series": waves(rows, channels), "paths": paths, "levels": levels}


def a_step(answer, request):
    return (answer["seconds"] - answer["prefill"]) / (len(request["levels"]) - 1)


def whole(answer, _):
    return answer["seconds"]


def quantities(large):
    """Name, unit, the requests by size, and what of an answer counts."""
    steps = 3 if large else 11
    sizes = [125, 250, 500, 1000] + ([2000] if large else [])
    yield "T: rows of context", "seconds to score 1 channel", {t: score(t) for t in sizes}, whole
    sizes = [1, 2, 5, 10, 20, 50, 100, 200]
    yield "N: paths", "seconds a step (3 channels, T = 500)", {n: rollout(500, 3, n, steps) for n in sizes}, a_step
    sizes = [1, 2, 4, 8, 16, 32]
    yield "D: channels", "seconds a step (10 paths, T = 200)", {d: rollout(200, d, 10, steps) for d in sizes}, a_step
    sizes = [10, 20, 50, 100, 200] if large else [10, 20, 50, 100, 200, 400]
    yield "H: horizon", "seconds (1 channel, 20 paths, T = 500)", {h: rollout(500, 1, 20, h) for h in sizes}, whole


def exponent(times):
    """Slope of the logarithms over the last half of the sizes."""
    points = [(math.log(size), math.log(time)) for size, time in times.items()]
    points = points[len(points) // 2 - 1:]
    x, y = (statistics.mean(p[i] for p in points) for i in (0, 1))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=HERE.parent / "target" / "compare", help="where the models are made")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "figures" / "scaling.svg")
    arguments = parser.parse_args()
    models.make(arguments.folder)
    plt.rcParams.update({"svg.hashsalt": "scaling", "font.size": 9})
    figure, axes = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
    for model, label in MODELS.items():
        worker = Worker("statecast", arguments.folder / model, "auto", arguments.threads)
        for axis, (name, unit, requests, counts) in zip(axes.flat, quantities(model == "smollm2")):
            times = {size: statistics.median(counts(worker.ask(request), request) for _ in range(ROUNDS)) for size, request in requests.items()}
            slope = exponent(times)
            print(f"{label}, {name}: " + ", ".join(f"{size} {time:.3g}" for size, time in times.items()) + f"; exponent {slope:.2f}", flush=True)
            axis.loglog(times.keys(), times.values(), "o-", label=f"{label} (exponent {slope:.2f})")
            axis.set(xlabel=name, ylabel=unit)
            axis.set_xticks(list(times), [str(size) for size in times], minor=False)
            axis.xaxis.set_minor_locator(NullLocator())
            axis.grid(True, alpha=0.3)
            axis.legend()
        worker.stop()
    figure.savefig(arguments.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
