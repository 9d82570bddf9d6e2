"""What the online experts say of some recordings, by plain loops: python tests/golden/make_experts.py [--out FOLDER]

Shares no code with the program (crates/statecast-lm/src/experts) or with the recipe (models/training/hints). Every candidate of every channel is
an object of its own, every row is a pass of loops. Writes experts.npz.
"""

import argparse
import math
from pathlib import Path

import numpy as np

CAP = math.log(1e4)
EXPERTS = "linear", "quadratic", "smoothing", "seasonal", "analogue"
SCALES = 0.05, 0.15, 0.35, 0.6, 0.85, 1.1, 1.5, 2.5, 6.0
SHARE = 0.003


def log_density(law, x):
    location, scale, v = law
    z = (x - location) / scale
    constant = math.lgamma((v + 1) / 2) - math.lgamma(v / 2) - 0.5 * math.log(v * math.pi)
    return constant - math.log(scale) - (v + 1) / 2 * math.log(1 + z * z / v)


def score(law, x):
    return min(log_density(law, x), CAP)


class Noise:
    def __init__(self):
        self.shape, self.rate = 0.5, 5e-7

    def law(self, location, leverage=1.0):
        return location, math.sqrt(self.rate / self.shape * leverage), 2 * self.shape

    def learn(self, error, leverage=1.0):
        self.shape += 0.5
        self.rate += 0.5 * error * error / leverage


class Regression:
    """One target with a covariance of its own."""

    def __init__(self, ridge, weights):
        self.p, self.w, self.noise = np.eye(len(weights)) / ridge, np.array(weights, float), Noise()

    def law(self, f):
        return self.noise.law(float(self.w @ f), self.leverage(f))

    def leverage(self, f):
        return 1 + max(0.0, float(f @ self.p @ f))

    def learn(self, f, x):
        spread, h = self.p @ f, self.leverage(f)
        error = x - float(self.w @ f)
        self.noise.learn(error, h)
        self.w = self.w + error / h * spread
        self.p = self.p - np.outer(spread, spread) / h


class Best:
    """The best of the candidates of one channel."""

    def __init__(self, candidates):
        self.candidates, self.scores = candidates, [0.0] * len(candidates)

    def law(self, laws):
        best = None
        for i, law in enumerate(laws):
            if law is not None and (best is None or self.scores[i] >= self.scores[best]):
                best = i
        return None if best is None else laws[best]

    def learn(self, laws, x):
        if all(law is not None for law in laws):
            for i, law in enumerate(laws):
                self.scores[i] += score(law, x)


class Recording:
    def __init__(self, x, u, begins):
        self.x, self.u, self.age = x, u, []
        for t in range(len(x)):
            self.age.append(0 if t == 0 or begins[t] else self.age[-1] + 1)


class Fitted:
    """Linear or quadratic regressions of one channel."""

    def __init__(self, c, channels, actions, settings, features):
        self.settings, self.features, self.fits = settings, features, []
        for lags, ridge in settings:
            zero = np.zeros(features(np.zeros((9, channels)), np.zeros((9, actions)), 5, lags).size)
            one = zero.copy()
            one[c] = 1
            self.fits += [(lags, Regression(ridge, zero)), (lags, Regression(ridge, one))]
        self.best, self.c = Best(self.fits), c

    def laws(self, r, t):
        out = []
        for lags, fit in self.fits:
            out.append(fit.law(self.features(r.x, r.u, t, lags)) if r.age[t] >= lags else None)
        return out

    def learn(self, r, t, laws):
        self.best.learn(laws, r.x[t, self.c])
        for lags, fit in self.fits:
            if r.age[t] >= lags:
                fit.learn(self.features(r.x, r.u, t, lags), r.x[t, self.c])


def linear_features(x, u, t, lags):
    return np.concatenate([x[t - 1 - i] for i in range(lags)] + [u[t - 1], [1.0]])


def quadratic_features(x, u, t, _lags):
    z = np.concatenate([x[t - 1] / 3, u[t - 1]])
    products = [z[i] * z[j] for i in range(len(z)) for j in range(i, len(z))]
    return np.concatenate([x[t - 1], u[t - 1], products, [1.0]])


class Smoothing:
    GAINS = (1, 0), (1, 0.05), (1, 0.3), (1, 1), (0.3, 0), (0.1, 0), (0.3, 0.05)

    def __init__(self, c):
        self.c, self.state = c, [[0.0, 0.0, Noise()] for _ in self.GAINS]
        self.best = Best(self.state)

    def laws(self, r, t):
        return [n.law(level + slope) if r.age[t] else None for level, slope, n in self.state]

    def learn(self, r, t, laws):
        x = r.x[t, self.c]
        self.best.learn(laws, x)
        for (a, b), state in zip(self.GAINS, self.state):
            if r.age[t] == 0:
                state[0], state[1] = x, 0.0
                continue
            expected = state[0] + state[1]
            error = x - expected
            state[0], state[1] = expected + a * error, state[1] + a * b * error
            state[2].learn(error)


class Seasonal:
    def __init__(self, c):
        self.c, self.period = c, 0

    def renew(self, r, rows):
        self.noises = [Noise(), Noise()]
        self.fits = [Regression(0.1, [0, 1, 0, 0]), Regression(0.1, [1, 1, -1, 0])]
        self.best = Best([0] * 4)
        for t in rows:
            self.learn(r, t, self.rules(r, t))

    def lagged(self, r, t):
        x, p = r.x[:, self.c], self.period
        return x[t - 1], x[t - p], x[t - 1 - p]

    def rules(self, r, t):
        if not self.period or r.age[t] < self.period + 1:
            return [None] * 4
        last, season, before = self.lagged(r, t)
        f = np.array([last, season, before, 1.0])
        naive = [self.noises[0].law(season), self.noises[1].law(season + last - before)]
        return naive + [fit.law(f) for fit in self.fits]

    def laws(self, r, t):
        if t >= 16 and t & (t - 1) == 0:
            rows = range(t - 1 - r.age[t - 1], t)
            if len(rows) >= 16:
                period = found_period([r.x[s, self.c] for s in rows])
                if period != self.period:
                    self.period = period
                    self.renew(r, rows)
        if not self.period:
            return [None] * 4
        return self.rules(r, t)

    def learn(self, r, t, laws):
        if laws[0] is None:
            return
        x = r.x[t, self.c]
        self.best.learn(laws, x)
        for noise, law in zip(self.noises, laws):
            noise.learn(x - law[0])
        last, season, before = self.lagged(r, t)
        for fit in self.fits:
            fit.learn(np.array([last, season, before, 1.0]), x)


def found_period(x):
    d = [b - a for a, b in zip(x, x[1:])]
    mean = sum(d) / len(d)
    d = [v - mean for v in d]
    r = {}
    for lag in range(2, min(len(x) // 2, 512) + 1):
        later, earlier = d[lag:], d[: len(d) - lag]
        size = math.sqrt(sum(v * v for v in later) * sum(v * v for v in earlier))
        r[lag] = sum(a * b for a, b in zip(later, earlier)) / size if size > 0 else 0.0
    peaks = [lag for lag in r if lag - 1 in r and lag + 1 in r and r[lag] >= r[lag - 1] and r[lag] >= r[lag + 1]]
    if not peaks or max(r[lag] for lag in peaks) < 0.2:
        return 0
    best = max(r[lag] for lag in peaks)
    return min(lag for lag in peaks if r[lag] >= 0.9 * best)


class Analogue:
    SETTINGS = (1, 1), (1, 4), (3, 1), (3, 4)

    def __init__(self, c):
        self.c, self.noises = c, [Noise() for _ in self.SETTINGS]
        self.best = Best(self.noises)

    def laws(self, r, t):
        return [self.law(r, t, *setting, noise) for setting, noise in zip(self.SETTINGS, self.noises)]

    def law(self, r, t, lags, k, noise):
        if r.age[t] < lags:
            return None
        found = []
        for s in range(max(0, t - 2000), t):
            if r.age[s] >= lags:
                distance = 12.25 * sum((r.u[t - 1] - r.u[s - 1]) ** 2)
                for lag in range(lags):
                    distance += sum((r.x[t - 1 - lag] - r.x[s - 1 - lag]) ** 2)
                found.append((distance, -s))
        if len(found) < k:
            return None
        near = sorted(found)[:k]
        weights = [1 / (distance + 1e-6) for distance, _ in near]
        x = r.x[:, self.c]
        moved = sum(w * (x[-s] - x[-s - 1]) for w, (_, s) in zip(weights, near)) / sum(weights)
        return noise.law(x[t - 1] + moved)

    def learn(self, r, t, laws):
        x = r.x[t, self.c]
        self.best.learn(laws, x)
        for noise, law in zip(self.noises, laws):
            if law is not None:
                noise.learn(x - law[0])


def experts(c, channels, actions):
    linear = [(1, 1e-4), (1, 0.1), (2, 1e-4), (2, 0.1)]
    quadratic = [(1, 1e-3), (1, 0.1), (1, 10.0)]
    return [
        Fitted(c, channels, actions, linear, linear_features),
        Fitted(c, channels, actions, quadratic, quadratic_features),
        Smoothing(c),
        Seasonal(c),
        Analogue(c),
    ]


def best_law(expert, laws):
    return None if isinstance(expert, Seasonal) and not expert.period else expert.best.law(laws)


def counting(laws):
    """Laws after at least two errors: before, their scale is still that of the prior."""
    out = []
    for law in laws:
        out.append(law if law is not None and law[2] >= 3 else None)
    return out


class Slots:
    def __init__(self):
        self.s, self.ratio = [0.0] * 5, [1.0] * 5

    def hints(self, laws):
        laws = counting(laws)
        order = sorted((e for e in range(5) if laws[e] is not None), key=lambda e: (-self.s[e], e))
        if not order:
            return [(0.0, 2.0, 1.0, 1.0)] * 2, 0.0
        order = (order * 2)[:2]
        return [(*laws[e], self.ratio[e]) for e in order], self.s[order[0]] - self.s[order[1]]

    def learn(self, laws, x, age):
        for e, law in enumerate(counting(laws)):
            if age == 0:
                continue
            self.s[e] = 0.99 * self.s[e] + (score(law, x) if law else -math.log(7) - 3)
            if law:
                z = (x - law[0]) / law[1]
                self.ratio[e] = 0.85 * self.ratio[e] + 0.15 * min(z * z, 100)


class Mixed:
    """The normals of several scales, a channel."""

    def __init__(self):
        self.w = [1 / 45] * 45

    def components(self, laws):
        return [(law[0], s * law[1]) if law else None for law in laws for s in SCALES]

    def normal(self, component, x):
        m, s = component
        return -0.5 * ((x - m) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)

    def log_density(self, laws, x):
        parts = self.components(laws)
        if not any(parts):
            return self.normal((0.0, 2.0), x)
        known = [(w, part) for w, part in zip(self.w, parts) if part]
        logs = [math.log(w) + self.normal(part, x) for w, part in known]
        top = max(logs)
        total = sum(w for w, _ in known)
        return top + math.log(sum(math.exp(v - top) for v in logs)) - math.log(total)

    def learn(self, laws, x, age):
        if age == 0:
            return
        parts = self.components(laws)
        logs = [max(self.normal(part, x), -30.0) if part else None for part in parts]
        known = [(w, v) for w, v in zip(self.w, logs) if v is not None]
        mixed = math.log(sum(w * math.exp(v) for w, v in known) / sum(w for w, _ in known))
        new = [w * math.exp(mixed if v is None else v) for w, v in zip(self.w, logs)]
        total = sum(new)
        self.w = [(1 - SHARE) * v / total + SHARE / 45 for v in new]


def residual_bin(x, slot):
    z = (x - slot[0]) / slot[1]
    at = math.floor((math.asinh(z * math.sinh(9) / 200) / 9 + 1) / 2 * 1000)
    return min(max(at, 0), 999)


def read(x, u, begins):
    r = Recording(x, u, begins)
    rows, channels = x.shape
    nan = np.full((rows, channels, 5, 3), np.nan)
    out = dict(laws=nan, slots=np.zeros((rows, channels, 2, 4)), lead=np.zeros((rows, channels)))
    out |= dict(bins=np.zeros((rows, channels), np.int64), scales=np.zeros((rows, channels)))
    for c in range(channels):
        panel, slots, mixed = experts(c, channels, u.shape[1]), Slots(), Mixed()
        for t in range(rows):
            candidates = [expert.laws(r, t) for expert in panel]
            laws = [best_law(expert, law) for expert, law in zip(panel, candidates)]
            for e, law in enumerate(laws):
                if law:
                    out["laws"][t, c, e] = law
            hints, out["lead"][t, c] = slots.hints(laws)
            out["slots"][t, c] = hints
            out["bins"][t, c] = residual_bin(x[t, c], hints[0])
            out["scales"][t, c] = mixed.log_density(laws, x[t, c])
            slots.learn(laws, x[t, c], r.age[t])
            mixed.learn(laws, x[t, c], r.age[t])
            for expert, law in zip(panel, candidates):
                expert.learn(r, t, law)
    return out


def driven(rng):
    """A noisy pendulum with two actions, in three episodes."""
    rows, begins = 170, np.zeros(170, bool)
    begins[[60, 62, 110]] = True
    x, u = np.zeros((rows, 3)), rng.normal(size=(rows, 2))
    for t in range(rows):
        if t == 0 or begins[t]:
            x[t] = rng.normal(size=3)
            continue
        a, v, w = x[t - 1]
        push = 0.4 * u[t - 1, 0]
        x[t] = a + 0.2 * v, v - 0.3 * math.sin(a) + push, 0.6 * w + 0.3 * a * v + 0.2 * u[t - 1, 1]
        x[t] += 0.02 * rng.normal(size=3)
    return x, u / np.abs(u).max(0), begins


def seasonal(rng):
    """Two channels with periods, one that changes, no action."""
    rows = 150
    t = np.arange(rows)
    one = 2 * np.sin(2 * np.pi * t / 12) + 0.01 * t
    two = np.where(t < 60, np.sin(2 * np.pi * t / 5), 1.5 * (t % 9 < 3))
    x = np.stack([one, two], 1) + 0.05 * rng.normal(size=(rows, 2))
    return x, np.zeros((rows, 0)), np.zeros(rows, bool)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    rng = np.random.default_rng(23)
    arrays = {}
    for name, made in (("driven", driven(rng)), ("seasonal", seasonal(rng))):
        for key, value in zip(("x", "u", "begins"), made):
            arrays[f"{name}_{key}"] = value.astype(np.uint8) if key == "begins" else value
        arrays |= {f"{name}_{key}": value for key, value in read(*made).items()}
    np.savez_compressed(out / "experts.npz", **arrays)


if __name__ == "__main__":
    main()
