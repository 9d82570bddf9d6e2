"""Policies: open-loop signals, noisy feedback on the state, discrete levels, changes inside a window."""

import numpy as np

OPEN = ("white", "held", "sine", "bang", "coloured", "zero")
CLOSED = ("linear", "network", "regulator")


class Policy:
    """Actions in [-1, 1] for every row; one to four phases a window, each with a policy of its own.

    `gain` [n, actions, d] are the regulator's gains around `rest` [n, d], or None. `balance` makes it the
    usual policy. Features are the plant's readings, standardised.
    """

    def __init__(self, sampler, n, rows, actions, features, gain=None, rest=None, balance=False):
        s = sampler
        self.gain, self.rest = gain, rest
        weights = [3, 3, 2, 1.5, 3, 0.4, 3, 3, 0 if gain is None else 3]
        if balance and gain is not None:
            weights[-1] = 3 * sum(weights[:-1])
        weights = np.array(weights) / np.sum(weights)
        phases = np.where(s.flags(0.6, n), 1, s.integers(2, 5, n))
        cuts = np.sort(s.uniform(0, 1, n, 3), 1) * rows
        phase = (np.arange(rows)[None, :, None] >= cuts[:, None]).sum(2) % phases[:, None]
        kind = s.generator.choice(len(weights), (n, 4), p=weights)
        self.kind = np.take_along_axis(kind, phase, 1)
        self.open = self._signals(s, n, rows, actions)
        self.linear = s.normal(2, n, actions, features) * s.log_uniform(0.3, 4, 2, n, 1, 1) / features**0.5
        self.hidden = s.normal(n, 16, features) * s.log_uniform(0.5, 3, n, 1, 1) / features**0.5
        self.bias = s.normal(n, 16)
        self.out = s.normal(n, actions, 16) * s.log_uniform(0.3, 3, n, 1, 1) / 4
        self.skill = np.where(s.flags(0.5, n, 1), 1.0, s.uniform(0.15, 1.6, n, 1))
        self.phase = phase
        self.blur = s.some(n, 0.6, 0.02, 0.3) * s.normal(rows, n, features)  # what feedback sees wrongly
        self.flip = s.flags(0.12, n, 1)
        self.levels = None
        if s.chance(0.2):
            self.levels = self._levels(s, n, actions)

    def _signals(self, s, n, rows, actions):
        """What each kind adds without looking: the signals of open kinds, the exploration of feedback."""
        white = s.uniform(-1, 1, n, rows, actions)
        held = s.held(n, rows, actions)
        t = np.arange(rows)[None, :, None]
        period = s.log_uniform(5, 80, n, 1, actions)
        sine = np.sin(2 * np.pi * (t / period + s.uniform(0, 1, n, 1, actions))) * s.uniform(
            0.3, 1.2, n, 1, actions
        )
        coloured = s.coloured(n, rows, actions, s.uniform(0.6, 0.99, n, 1)) * 0.6
        size = s.choice([0, 0.02, 0.1, 0.3, 0.6], n, 1, 1)
        explore = size * np.where(s.flags(0.7, n, 1, 1), 1.7 * white, coloured)
        k = self.kind[..., None]
        small = s.choice([1, 1, 1, 0.5, 0.2], n, 1, 1)
        signal = np.select(
            [k == 0, k == 1, k == 2, k == 3, k == 4, k == 5],
            [white, held, sine, np.sign(held + 1e-9), coloured, 0.0 * white],
            explore / small,
        )
        return signal * small

    def _levels(self, s, n, actions):
        """Effects [n, actions, levels] of discrete actions; every fifth window's are in no order."""
        count = s.integer(2, 6)
        ordered = np.broadcast_to(np.linspace(-1, 1, count), (n, actions, count))
        return np.where(s.flags(0.2, n, 1, 1), s.uniform(-1, 1, n, actions, count), ordered)

    def at(self, t, x, features):
        """Actions [n, actions] at row t in state x with standardised readings `features`."""
        kind, u, features = self.kind[:, t], self.open[:, t], features + self.blur[t]
        if (kind == 6).any():
            k = np.where((self.phase[:, t] % 2 == 1)[:, None, None], self.linear[1], self.linear[0])
            u = u + np.where((kind == 6)[:, None], (k @ features[..., None])[..., 0], 0)
        if (kind == 7).any():
            h = np.tanh((self.hidden @ features[..., None])[..., 0] + self.bias)
            u = u + np.where((kind == 7)[:, None], (self.out @ h[..., None])[..., 0], 0)
        if self.gain is not None and (kind == 8).any():
            away = np.clip(x - self.rest, -1e6, 1e6)
            u = u - np.where((kind == 8)[:, None], self.skill * (self.gain @ away[..., None])[..., 0], 0)
        u = np.where(self.flip & (kind >= 6)[:, None], np.sign(u + 1e-9), u)
        return np.clip(u, -1, 1)

    def discrete(self, u):
        """Codes 0, 1, ... of the nearest levels and their effects; (u, u) where actions are continuous."""
        if self.levels is None:
            return u, u
        code = np.abs(self.levels - np.nan_to_num(u)[..., None]).argmin(2)
        return code.astype(float), np.take_along_axis(self.levels, code[..., None], 2)[..., 0]
