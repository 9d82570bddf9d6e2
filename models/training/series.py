"""An endless, resumable stream of synthetic series: families in their shares, sensors on a part of them."""

from collections import deque
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context

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


def series_round(seed, rows, length=LENGTH, families=None, shares=None):
    """About `rows` shuffled float32 series [n, length], standardised before their sensors; a function of the
    seed. `shares` replaces the share of the families that it names; of a share of 0 there are none.
    """
    draws = Draws(seed)
    chosen = [FAMILIES[name] for name in families] if families else list(FAMILIES.values())
    share = {f.name: f.share for f in chosen} | (shares or {})
    chosen = [f for f in chosen if share[f.name]]
    total = sum(share[f.name] for f in chosen)
    exact, touched, curved = [], [], []
    with torch.no_grad():
        for f in chosen:
            y = f.generate(draws, max(4, round(rows * share[f.name] / total)), length).float()
            y = standardised(y[alive(draws, y)])
            untouched = draws.flags(f.exact, len(y))
            exact.append(y[untouched])
            touched.append(y[~untouched])
            curved.append(torch.full((len(touched[-1]),), f.curved))
        readings = standardised(sensed(draws, torch.cat(touched), torch.cat(curved)))
        readings = readings[alive(draws, readings)]
        y = torch.cat(exact + [readings])
        return y[torch.randperm(len(y), generator=draws.generator)]


def generators(processes):
    """A context of processes of one thread each that series can be generated in; of None for 0 of them."""
    if not processes:
        return nullcontext()
    return get_context("spawn").Pool(processes, torch.set_num_threads, (1,))


def round_as_array(*arguments, **options):
    """A round that goes from process to process through a pipe; tensors would need shared memory."""
    return series_round(*arguments, **options).numpy()


def later(workers, *arguments, work=round_as_array):
    """A round when it is called for: generated meanwhile if there are `workers`, else then."""
    if workers is None:
        return partial(work, *arguments)
    return workers.apply_async(work, arguments).get


class Stream:
    """Hands out what is made in rounds, in order; `round` and `cursor` are its whole state. With `workers` the next
    `ahead` rounds are made meanwhile.
    """

    def __init__(self, device="cpu", workers=None, ahead=0):
        self.device, self.workers, self.ahead, self.begun = device, workers, ahead, deque()
        self.round, self.cursor, self.pool = 0, 0, None

    def take(self, count):
        """So many that were not handed out before."""
        if self.pool is None:
            self.pool = self._generate()
        while self.cursor + count > len(self.pool):
            self.round, self.cursor = self.round + 1, 0
            self.pool = self._generate()
        self.cursor += count
        return self.pool[self.cursor - count : self.cursor]

    def state(self):
        return {"round": self.round, "cursor": self.cursor}

    def restore(self, state):
        self.round, self.cursor, self.pool = state["round"], state["cursor"], None
        self.begun.clear()

    def begin(self):
        """Has the rounds from this one on made, as many as are to be ahead."""
        while len(self.begun) <= self.ahead:
            self.begun.append(self.begin_round(self.round + len(self.begun)))

    def _generate(self):
        self.begin()
        return self.arrived(self.begun.popleft()())


class SeriesStream(Stream):
    """Series [count, LENGTH]."""

    def __init__(self, seed, rows=4096, device="cpu", families=None, shares=None, workers=None, ahead=0):
        super().__init__(device, workers, ahead)
        self.seed, self.rows, self.families, self.shares = seed, rows, families, shares

    def begin_round(self, number):
        seed = self.seed * 1_000_003 + number
        return later(self.workers, seed, self.rows, LENGTH, self.families, self.shares)

    def arrived(self, array):
        return torch.from_numpy(array).to(self.device)
