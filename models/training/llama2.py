"""Like-for-like comparison with LLaMA-2-13B's published one-step densities (Liu et al., arXiv 2402.00795).

The series and its scorer are a local reference (see its README); nothing of them is part of this project.
Only the two-digit context is read: digit d becomes the id 10 d + 5, and the density is summed to the 100
cells.
"""

import csv
import importlib.util

import numpy as np

from scores import floored


def load_scorer(folder):
    specification = importlib.util.spec_from_file_location("llama2_score", f"{folder}/score.py")
    scorer = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(scorer)
    return scorer


def compare_with_llama2(reader, folder):
    """Prints a table: family and context bucket, our log density and LLaMA-2's, CRPS, pooled PIT-KS."""
    scorer = load_scorer(folder)
    meta, steps = scorer.index(), {}
    for name in meta:
        series = scorer.load_series(name)
        if series["kind"] == "markov":
            continue  # those are read as letters, not as two-digit values
        ids = np.clip(10 * series["digit"] + 5, 0, 999)[None]
        cells = floored(reader.densities(ids))[0].reshape(len(series["digit"]), 100, 10).sum(2)
        steps[name] = scorer.score_cont(cells, series)
    with open(f"{folder}/llama2_summary.csv") as file:
        theirs = {(r["group"], r["lo"]): r for r in csv.DictReader(file)}
    print("\nTwo-digit series of the llmICL study (nats on the axis)\n")
    columns = ["family", "bucket", "model", "LLaMA-2-13B", "difference"]
    columns += ["model CRPS", "LLaMA-2 CRPS", "model KS", "LLaMA-2 KS"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    differences = {}
    for row in scorer.summarise(steps, meta):
        other = {k: float(v) for k, v in theirs[row["group"], str(row["lo"])].items() if k != "group"}
        difference = row["logp"] - other["logp"]
        differences.setdefault(row["lo"], []).append(difference)
        print(
            f"| {row['group']} | [{row['lo']},{row['hi']}) | {row['logp']:+.3f} | {other['logp']:+.3f} "
            f"| {difference:+.3f} | {row['crps']:.3f} | {other['crps']:.3f} "
            f"| {row['pit_ks_pooled']:.3f} | {other['pit_ks']:.3f} |"
        )
    for low, values in differences.items():
        ahead = sum(d > 0 for d in values)
        print(
            f"\nbucket from {low}: mean difference {np.mean(values):+.3f}, ahead in {ahead} of {len(values)}"
        )
