"""An endless, resumable stream of synthetic series: families in their shares, sensors on a part of them."""

import contextlib

import torch

from draws import Draws
from families import FAMILIES
from sensors import sensed, standardised

LENGTH = 1056  # values of a series; windows of at most 1025 are cut from it


def alive(draws, y):
    """Rows worth learning from: finite, moving, not lost in float32 rounding; 85 % of those that come to
    rest are dropped.
    """
    sd = y.std(1)
    moving = torch.isfinite(y).all(1) & (sd > 1e-7) & (sd > 1e-3 * y.mean(1).abs())
    resting = y[:, y.shape[1] // 2 :].std(1) < 0.03 * sd
    return moving & ~(resting & draws.flags(0.85, len(y)))


def series_round(seed, rows, length=LENGTH, device="cpu", families=None, shares=None):
    """About `rows` shuffled float32 series [n, length], standardised before their sensors; a function of the
    seed. `shares` replaces the share of the families that it names.
    """
    draws = Draws(seed, device)
    chosen = [FAMILIES[name] for name in families] if families else list(FAMILIES.values())
    share = {f.name: f.share for f in chosen} | (shares or {})
    total = sum(share[f.name] for f in chosen)
    exact, touched, curved = [], [], []
    # On a GPU, tensors made inside the generators must land there; on a CPU the context would only cost time.
    with contextlib.nullcontext() if draws.device.type == "cpu" else draws.device, torch.no_grad():
        for f in chosen:
            y = f.generate(draws, max(4, round(rows * share[f.name] / total)), length).float()
            y = standardised(y[alive(draws, y)])
            untouched = draws.flags(f.exact, len(y))
            exact.append(y[untouched])
            touched.append(y[~untouched])
            curved.append(torch.full((len(touched[-1]),), f.curved, device=draws.device))
        readings = standardised(sensed(draws, torch.cat(touched), torch.cat(curved)))
        readings = readings[alive(draws, readings)]
        y = torch.cat(exact + [readings])
        return y[torch.randperm(len(y), generator=draws.generator, device=draws.device)]


class SeriesStream:
    """Hands out series in order; `round` and `cursor` are its whole state."""

    def __init__(self, seed, rows=4096, device="cpu", families=None, shares=None):
        self.seed, self.rows, self.device = seed, rows, device
        self.families, self.shares = families, shares
        self.round, self.cursor, self.pool = 0, 0, None

    def take(self, count):
        """[count, LENGTH] series that were not handed out before."""
        if self.pool is None:
            self.pool = self._generate()
        if self.cursor + count > len(self.pool):
            self.round, self.cursor = self.round + 1, 0
            self.pool = self._generate()
        self.cursor += count
        return self.pool[self.cursor - count : self.cursor]

    def state(self):
        return {"round": self.round, "cursor": self.cursor}

    def restore(self, state):
        self.round, self.cursor, self.pool = state["round"], state["cursor"], None

    def _generate(self):
        seed = self.seed * 1_000_003 + self.round
        return series_round(seed, self.rows, LENGTH, self.device, self.families, self.shares)
