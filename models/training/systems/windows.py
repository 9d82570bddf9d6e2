"""Windows of driven systems, a function of the seed."""

from dataclasses import dataclass

import numpy as np

from .registry import SYSTEMS
from .rollout import rollout
from .sampler import Sampler
from .sensing import Spreads, recorded_actions, sense

GROUP = 24  # windows simulated together: one system, one shape
CHANNELS = ((1,), range(2, 9), range(9, 15), range(15, 21))  # sizes wanted, with their shares
CHANNEL_SHARES = (0.07, 0.68, 0.17, 0.08)
ACTION_SHARES = (0.2, 0.3, 0.2, 0.14, 0.06, 0.04, 0.06)  # of 0 to 6 actions
MOST_CHANNELS, MOST_TOGETHER = 20, 22
EPISODIC = 0.22  # of the groups whose plant does not fall by itself


@dataclass
class Windows:
    """A group of windows with equal counts of channels and actions."""

    values: np.ndarray  # float64 [n, rows, channels], raw units
    actions: np.ndarray  # float64 [n, rows, actions]; row t's acts between rows t and t+1
    starts: np.ndarray  # bool [n, rows]: the row begins an episode
    levels: np.ndarray  # bool [n, channels]: the channel holds few discrete levels
    missing: np.ndarray  # bool [n, rows, channels]: to be treated as not observed

    def __getitem__(self, which):
        return Windows(*(part[which] for part in vars(self).values()))


def alive(windows):
    """Windows [n] that are finite and keep moving."""
    y = windows.values
    n, rows, _ = y.shape
    size = np.abs(y).max(1)
    with np.errstate(all="ignore"):
        std, late = y.std(1), y[:, rows // 2 :].std(1)
        still = ~(std > 1e-7 * (1e-3 + size))
        good = np.isfinite(size) & (size < 1e8) & (windows.levels | ~still)
        moving = np.median(late / np.maximum(std, 1e-300), 1) > 0.06  # most of it has not come to rest
        steep = np.abs(y - y.mean(1, keepdims=True)).max(1) < 60 * std + 1e-12
    used = windows.actions
    acting = np.ptp(used, 1).max(1) > 0 if used.shape[2] else np.ones(n, bool)
    calm = (steep | windows.levels).all(1)
    return good.all(1) & moving & (still.mean(1) <= 1 / 3) & calm & acting & (windows.starts.mean(1) < 0.12)


def simulate(seed, system, n, rows, actions, nudge=None, played=None):
    """Windows of one group with `actions` actions, dead ones too, and the spreads of their sensors.

    `nudge` changes the actions of that row; `played` are the spreads of an earlier run.
    """
    s = Sampler(np.random.default_rng(seed))
    limit = min(MOST_CHANNELS, MOST_TOGETHER - actions)
    wanted = min(limit, s.pick(s.pick(CHANNELS, CHANNEL_SHARES)))
    spreads = Spreads(played)
    with np.errstate(all="ignore"):
        plant = system.generate(s.child(), n, wanted, max(1, actions))
        episodes = plant.balance or s.chance(0.7 if plant.fallen else EPISODIC)
        roll = rollout(s.child(), plant, n, rows, actions, episodes, nudge)
        values, levels, missing = sense(s, roll, wanted, limit, spreads)
    return Windows(values, recorded_actions(s, roll), roll.starts, levels, missing), spreads.kept


def strata(sampler, count, shares):
    """`count` sorted indices of `shares`, each as often as its share says, to one."""
    steps = (np.arange(count) + sampler.uniform(0, 1)) / count
    edges = np.cumsum(shares) / np.sum(shares)
    return np.searchsorted(edges, steps, side="right").clip(0, len(edges) - 1)


def generate(seed, windows, rows, families=None):
    """About `windows` windows of `rows` rows in groups of equal shape, a function of the seed alone.

    `families` are names of SYSTEMS; all by their shares if None.
    """
    names = list(SYSTEMS) if families is None else list(families)
    groups, size = max(1, round(windows / GROUP)), min(GROUP, windows)
    s = Sampler(np.random.default_rng(seed))
    chosen = strata(s, groups, [SYSTEMS[name].share for name in names])
    actions = s.generator.permutation(strata(s, groups, ACTION_SHARES))
    result = []
    for number in s.order(groups):
        system = SYSTEMS[names[chosen[number]]]
        group = simulate(s.integer(0, 2**62), system, size, rows, int(actions[number]))[0]
        group = group[alive(group)]
        if len(group.values):
            result.append(group)
    return result
