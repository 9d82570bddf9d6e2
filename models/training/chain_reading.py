"""How well exported models read Markov chains: python chain_reading.py MODEL ...

Ten chains of 1000 steps for each number of states, rows of their matrices uniform on all laws; states stand from 1.5
to 8.5 of the axis, a state's probability is the mass nearer to it than to the others. Printed: mean total variation
of the mean laws of the last 300 steps from the rows of the true matrix, the same of what is counted, and log scores
of those steps beside the Bayes rule that knows how the rows were drawn.
"""

import sys

import numpy as np

from reader import Reader

CHAINS, STEPS, LAST, STATES = 10, 1000, 300, (2, 3, 5, 10)


def simulated(states):
    """Matrices [chains, from, to] and sequences [chains, steps]."""
    rng = np.random.default_rng(100 + states)
    truth = rng.dirichlet(np.ones(states), size=(CHAINS, states))
    sequences = np.zeros((CHAINS, STEPS), int)
    for matrix, sequence in zip(truth, sequences):
        state = 0
        for t in range(STEPS):
            state = sequence[t] = rng.choice(states, p=matrix[state])
    return truth, sequences


def laws_of(reader, sequences, states):
    """[chains, steps, states]: the law of every state given those before it."""
    places = 150 + 700 * np.arange(states) / (states - 1)
    mass = reader.densities(np.floor(places + 1e-9).astype(int)[sequences])
    nearest = np.searchsorted((places[1:] + places[:-1]) / 2, np.arange(1000) + 0.5)
    return np.stack([mass[..., nearest == k].sum(-1) for k in range(states)], -1)


def counted(sequence, states):
    counts = np.zeros((states, states))
    np.add.at(counts, (sequence[:-1], sequence[1:]), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def bayes_score(sequence, states):
    """Mean log score of the last steps of the rule with a uniform prior on every row."""
    weights, scores = np.ones((states, states)), []
    for before, now in zip(sequence[:-1], sequence[1:]):
        scores.append(np.log(weights[before, now] / weights[before].sum()))
        weights[before, now] += 1
    return np.mean(scores[-LAST:])


def main():
    for folder in sys.argv[1:]:
        reader = Reader(folder, "cpu")
        print(folder)
        for states in STATES:
            truth, sequences = simulated(states)
            laws = laws_of(reader, sequences, states)
            inferred, count, score, best = [], [], [], []
            for matrix, sequence, law in zip(truth, sequences, laws):
                before = sequence[-LAST - 1 : -1]
                there = np.unique(before)
                rows = np.stack([law[-LAST:][before == k].mean(0) for k in there])
                inferred.append(0.5 * np.abs(rows - matrix[there]).sum(1).mean())
                count.append(0.5 * np.abs(counted(sequence, states) - matrix)[there].sum(1).mean())
                score.append(np.log(law[np.arange(STEPS), sequence][-LAST:]).mean())
                best.append(bayes_score(sequence, states))
            print(
                f"{states:3} states: inferred {np.mean(inferred):.3f}, counted {np.mean(count):.3f}, "
                f"log score {np.mean(score):.3f}, Bayes {np.mean(best):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
