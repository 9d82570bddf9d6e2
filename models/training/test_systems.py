"""python -m unittest: what the driven systems promise."""

import re
import time
import unittest

import numpy as np

from systems import NEVER, SYSTEMS, Windows, generate
from systems.windows import MOST_CHANNELS, MOST_TOGETHER, alive, simulate

ROWS, COUNT = 160, 8


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values()))


class Registry(unittest.TestCase):
    def test_no_system_is_kept_for_evaluation(self):
        for name, system in SYSTEMS.items():
            flat = re.sub(r"[^a-z0-9]", "", name + system.generate.__doc__.lower())
            for never in NEVER:
                self.assertNotIn(never.replace("_", ""), flat, name)

    def test_systems_have_shares_and_documentation(self):
        self.assertGreaterEqual(len(SYSTEMS), 30)
        for system in SYSTEMS.values():
            self.assertGreater(system.share, 0)
            self.assertTrue(system.doc.endswith("."), system.name)


class Systems(unittest.TestCase):
    def test_windows_are_finite_and_move(self):
        for name in SYSTEMS:
            with self.subTest(name):
                groups = generate(1, 60, ROWS, [name])
                self.assertGreater(sum(len(group.values) for group in groups), 30)
                for group in groups:
                    n, rows, k = group.values.shape
                    a = group.actions.shape[2]
                    self.assertTrue(rows == ROWS and 1 <= k <= MOST_CHANNELS and k + a <= MOST_TOGETHER)
                    self.assertEqual(group.actions.shape, (n, rows, a))
                    self.assertEqual((group.starts.shape, group.levels.shape), ((n, rows), (n, k)))
                    self.assertEqual(group.missing.shape, group.values.shape)
                    for part in (group.values, group.actions):
                        self.assertEqual(part.dtype, np.float64)
                        self.assertTrue(np.isfinite(part).all())
                    for flags in (group.starts, group.levels, group.missing):
                        self.assertEqual(flags.dtype, bool)
                    self.assertTrue((group.values.std(1) > 0).any(1).all())
                    self.assertTrue(group.starts[:, 0].all())

    def test_an_action_acts_on_later_rows_alone(self):
        row = 70
        for name, system in SYSTEMS.items():
            changed = []
            for seed, actions in enumerate((1, 2, 4, 1)):
                once, spreads = simulate(seed, system, COUNT, ROWS, actions)
                other, _ = simulate(seed, system, COUNT, ROWS, actions, nudge=row, played=spreads)
                with self.subTest(name, seed=seed):
                    for a, b in ((once.values, other.values), (once.starts, other.starts)):
                        self.assertTrue(
                            np.array_equal(a[:, : row + 1], b[:, : row + 1], equal_nan=a.dtype != bool)
                        )
                    self.assertTrue(np.array_equal(once.actions[:, :row], other.actions[:, :row]))
                usable = alive(once) & (once.actions[:, row] != other.actions[:, row]).any(1)
                changed += (once.values != other.values).any((1, 2))[usable].tolist()
            with self.subTest(name):
                self.assertGreater(np.mean(changed), 0.7)

    def test_falls_begin_new_episodes(self):
        for name in ("unstable_linear", "ball_on_beam", "springy_leg"):
            with self.subTest(name):
                starts = np.concatenate([group.starts for group in generate(2, 120, 300, [name])])
                self.assertGreater((starts.sum(1) > 1).mean(), 0.3)


class Generation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        generate(0, 20, 60)
        begun = time.process_time()
        cls.groups = generate(5, 1500, 300)
        cls.seconds = time.process_time() - begun

    def test_a_seed_fixes_the_windows(self):
        once, again, other = (generate(seed, 100, 200) for seed in (3, 3, 4))
        self.assertEqual(len(once), len(again))
        self.assertTrue(all(same(a, b) for a, b in zip(once, again)))
        self.assertFalse(same(once[0], other[0]))

    def test_throughput(self):
        values = sum(group.values.size for group in self.groups)
        rate = values / self.seconds
        print(f"{values} values of {len(SYSTEMS)} systems, {rate / 1e3:.0f} thousand values a second")
        self.assertGreater(rate, 1e5)

    def share(self, measure):
        counts = [len(group.values) for group in self.groups]
        return np.average([np.mean(measure(group)) for group in self.groups], weights=counts)

    def test_shares_of_what_windows_hold(self):
        count = sum(len(group.values) for group in self.groups)
        self.assertTrue(1250 < count <= 1600, count)
        bounds = {
            "without actions": (0.15, 0.25, lambda g: g.actions.shape[2] == 0),
            "several episodes": (0.25, 0.5, lambda g: g.starts.sum(1) > 1),
            "missing values": (0.03, 0.3, lambda g: g.missing.any((1, 2))),
            "two to eight channels": (0.5, 0.85, lambda g: 2 <= g.values.shape[2] <= 8),
            "levels": (0.1, 0.6, lambda g: g.levels.any(1)),
        }
        for what, (low, high, measure) in bounds.items():
            share = self.share(measure)
            print(f"{what}: {share:.2f}")
            self.assertTrue(low < share < high, f"{what}: {share:.2f}")

    def test_levels_are_few(self):
        for group in self.groups:
            for y, levels in zip(group.values, group.levels):
                for k in np.flatnonzero(levels):
                    self.assertLessEqual(len(np.unique(y[:, k])), 16)

    def test_windows_can_be_picked(self):
        group = self.groups[0]
        few = group[np.array([0, 2])]
        self.assertIsInstance(few, Windows)
        self.assertTrue(np.array_equal(few.starts, group.starts[[0, 2]]))


if __name__ == "__main__":
    unittest.main()
