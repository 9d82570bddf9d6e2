"""Forecasts from rows at jittered times beside those from rows at even times, into docs/recordings.md: python bench/irregular.py

Ten systems are sampled exactly at even times and at times whose steps are those of the even ones times 1 + U(-0.5, 0.5). Both
contexts have 400 rows, are of one realisation and end at the same moment. 20 rows are forecast; they are scored at the times that
the forecast's table states: of jittered rows these are multiples of the median step after the last row.

CRPS is the mean pinball loss (twice) of 19 quantiles over the channel's standard deviation, a mean over channels and steps. Ratios
are geometric means over series, with 95 % bootstrap intervals over series. The list of systems was fixed before any was measured.
"""

import argparse
import csv
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from document import put

ROOT = Path(__file__).resolve().parents[1]
LEVELS = np.arange(1, 20) / 20
ROWS, HORIZON, JITTER = 400, 20, 0.5
# Reading of the rows' times: which rows the program gets, and how it is called.
READINGS = {
    "even": ("even", []),
    "as rows": ("jittered", ["--irregular", "none"]),
    "known steps": ("jittered", ["--irregular", "known"]),
    "even grid": ("jittered", []),
}


class Flow:
    """A differential equation, by fourth-order Runge-Kutta steps of at most `grain`."""

    def __init__(self, slope, start, grain, seen=lambda state: state):
        self.slope, self.start, self.grain, self.seen = slope, start, grain, seen

    def sample(self, times, random):
        state = np.array(self.start) * (1 + 0.1 * random.standard_normal(len(self.start)))
        rows, now = [], times[0] - 200 * (times[-1] - times[-2])
        for time in times:
            steps = max(1, int(np.ceil((time - now) / self.grain)))
            for _ in range(steps):
                state = self.advanced(state, (time - now) / steps)
            now = time
            rows.append(self.seen(state))
        return np.array(rows)

    def advanced(self, state, step):
        a = self.slope(state)
        b = self.slope(state + 0.5 * step * a)
        c = self.slope(state + 0.5 * step * b)
        d = self.slope(state + step * c)
        return state + step / 6 * (a + 2 * b + 2 * c + d)


class Oscillator:
    """x'' = -x - 2 damping x' + noise, exactly: its transition is that of a linear system with white noise."""

    def __init__(self, damping, both):
        self.drift = np.array([[0.0, 1.0], [-1.0, -2 * damping]])
        # At rest the speed's variance is 1, and so is the place's.
        self.both = both

    def sample(self, times, random):
        state, rows = random.standard_normal(2), []
        for step in np.diff(times, prepend=times[0]):
            move = exponential(self.drift * step)
            noise = np.eye(2) - move @ move.T
            values, vectors = np.linalg.eigh(noise)
            state = move @ state + vectors @ (np.sqrt(np.maximum(values, 0)) * random.standard_normal(2))
            rows.append(state if self.both else state[:1])
        return np.array(rows)


class Reverting:
    """A value that returns to zero at a rate, under noise (Ornstein & Uhlenbeck), exactly; with a sine around which it lies."""

    def __init__(self, rate, period=None, size=0.0):
        self.rate, self.period, self.size = rate, period, size

    def sample(self, times, random):
        value, rows = random.standard_normal(), []
        for step in np.diff(times, prepend=times[0]):
            kept = np.exp(-self.rate * step)
            value = kept * value + np.sqrt(1 - kept**2) * random.standard_normal()
            rows.append(value)
        phase = random.uniform(0, 2 * np.pi)
        wave = self.size * np.sin(2 * np.pi * times / self.period + phase) if self.period else 0.0
        return (np.array(rows) + wave)[:, None]


class Sines:
    """Sines of two periods, with noise of the measurement."""

    def __init__(self, periods, noise):
        self.periods, self.noise = periods, noise

    def sample(self, times, random):
        phases = random.uniform(0, 2 * np.pi, len(self.periods))
        waves = sum(np.sin(2 * np.pi * times / p + phase) for p, phase in zip(self.periods, phases))
        return (waves + self.noise * random.standard_normal(len(times)))[:, None]


def exponential(matrix):
    """Of a matrix of small norm, by its series after halving."""
    total = term = np.eye(len(matrix))
    for power in range(1, 15):
        term = term @ matrix / (64 * power)
        total = total + term
    return np.linalg.matrix_power(total, 64)


def lorenz(s):
    return np.array([10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]])


def roessler(s):
    return np.array([-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)])


def van_der_pol(s):
    return np.array([s[1], 1.5 * (1 - s[0] ** 2) * s[1] - s[0]])


def pendulum(s):
    return np.array([s[1], -np.sin(s[0])])


def prey_and_predators(s):
    return np.array([s[0] * (1 - 0.5 * s[1]), s[1] * (0.5 * s[0] - 1)])


# The even step, and the system.
SYSTEMS = {
    "Lorenz": (0.05, Flow(lorenz, [5.0, 5.0, 20.0], 0.005)),
    "Rössler": (0.2, Flow(roessler, [4.0, 4.0, 0.5], 0.01)),
    "Van der Pol": (0.2, Flow(van_der_pol, [1.0, 1.0], 0.01)),
    "pendulum": (0.3, Flow(pendulum, [2.0, 0.3], 0.01, lambda s: np.array([np.cos(s[0]), np.sin(s[0]), s[1]]))),
    "prey and predators": (0.2, Flow(prey_and_predators, [3.0, 2.0], 0.01)),
    "noisy oscillator": (0.3, Oscillator(0.05, both=True)),
    "noisy oscillator, place": (0.3, Oscillator(0.2, both=False)),
    "Ornstein-Uhlenbeck": (1.0, Reverting(0.05)),
    "season and noise": (1.0, Reverting(0.1, period=24.0, size=2.0)),
    "two sines, noise": (1.0, Sines([17.3, 41.0], 0.2)),
}


class Series:
    """Even and jittered rows of one realisation, and what follows both."""

    def __init__(self, name, seed):
        step, system = SYSTEMS[name]
        random = np.random.default_rng([seed, list(SYSTEMS).index(name)])
        steps = step * (1 + random.uniform(-JITTER, JITTER, ROWS - 1))
        ahead = np.arange(1, HORIZON + 1)
        times = {
            "even": step * np.arange(1 - ROWS, 1),
            "jittered": -np.append(np.cumsum(steps)[::-1], 0.0),
        }
        later = {"even": step * ahead, "jittered": np.median(steps) * ahead}
        moments, places = np.unique(np.concatenate([*times.values(), *later.values()]), return_inverse=True)
        values = system.sample(moments, random)[places]
        cut = np.split(values, np.cumsum([ROWS, ROWS, HORIZON]))
        self.name, self.times = name, {kind: 1000 * step + own for kind, own in times.items()}
        self.rows = dict(zip(times, cut[:2]))
        self.truth = dict(zip(later, cut[2:]))
        self.std = values.std(0)

    def score(self, program, reading):
        """CRPS over the standard deviation, and the share of values in the 80 % band."""
        kind, flags = READINGS[reading]
        quantiles = forecast(program, self.times[kind], self.rows[kind], flags)
        error = self.truth[kind][..., None] - quantiles
        pinball = 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(-1)
        inside = (error[..., 1] >= 0) & (error[..., -2] <= 0)
        return (pinball / self.std).mean(), inside.mean()


def forecast(program, times, rows, flags):
    """Quantiles `[horizon, channels, 19]`."""
    names = [f"x{c}" for c in range(rows.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "x.csv", Path(folder) / "f.csv"
        with open(table, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["time", *names])
            writer.writerows([repr(float(t)), *(repr(float(x)) for x in row)] for t, row in zip(times, rows))
        command = [program, "forecast", table, "--horizon", HORIZON, "--output", output, *flags]
        command += ["--quantiles", ",".join(f"{level:.2f}" for level in LEVELS)]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        with open(output) as file:
            found = list(csv.DictReader(file))
    levels = [f"q{level:g}" for level in LEVELS.round(2)]
    values = np.array([[float(row[level]) for level in levels] for row in found])
    return values.reshape(HORIZON, len(names), len(LEVELS))


def interval(values):
    """A geometric mean with its 95 % bootstrap interval over series."""
    values = np.log(values)
    draws = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(1)
    low, high = np.exp(np.quantile(draws, [0.025, 0.975]))
    return f"{np.exp(values.mean()):.2f} [{low:.2f}, {high:.2f}]"


def table(series, found):
    """CRPS of every system, and ratios to even rows over all."""
    others = [reading for reading in READINGS if reading != "even"]
    lines = ["| system | " + " | ".join([*READINGS, *(f"{o} / even" for o in others)]) + " |"]
    lines.append("|---" * (1 + len(READINGS) + len(others)) + "|")
    groups = {name: [i for i, s in enumerate(series) if s.name == name] for name in SYSTEMS}
    groups["**all**"] = list(range(len(series)))
    for name, of in groups.items():
        crps = {reading: np.array([found[reading][i][0] for i in of]) for reading in READINGS}
        cells = [f"{values.mean():.4f}" for values in crps.values()]
        cells += [interval(crps[other] / crps["even"]) for other in others]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    cover = (f"{reading} {np.mean([inside for _, inside in found[reading]]):.0%}" for reading in READINGS)
    return "\n".join([*lines, "", "In the 80 % band: " + ", ".join(cover).replace("%", " %") + "."])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "target/release/statecast")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    series = [Series(name, seed) for name in SYSTEMS for seed in range(arguments.seeds)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        of = lambda reading: list(pool.map(lambda s: s.score(arguments.program, reading), series))
        found = {reading: of(reading) for reading in READINGS}
    put(ROOT / "docs/recordings.md", "irregular", table(series, found))


if __name__ == "__main__":
    main()
