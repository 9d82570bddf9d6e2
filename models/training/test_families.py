"""python -m unittest: what the generators promise."""

import re
import unittest

import torch

from draws import Draws
from families import FAMILIES, HELD_OUT
from sensors import readout, sensed, standardised
from series import LENGTH, SeriesStream, alive, generators, series_round

ROWS, STEPS = 24, 300


class Families(unittest.TestCase):
    def test_no_family_is_a_held_out_system(self):
        forbidden = [name.replace("_", "") for name in HELD_OUT]
        for name in FAMILIES:
            flat = re.sub(r"[^a-z0-9]", "", name)
            for system in forbidden:
                self.assertNotIn(system, flat)

    def test_no_family_describes_a_held_out_system(self):
        systems = r"lorenz.?63|mackey|pendulum|cheetah|logistic|jump|geometric brownian"
        for name, family in FAMILIES.items():
            self.assertIsNone(re.search(systems, family.generate.__doc__.lower()), name)

    def test_every_family_is_documented(self):
        for name, family in FAMILIES.items():
            self.assertTrue(family.generate.__doc__, name)

    def test_series_are_finite_and_move(self):
        for name, family in FAMILIES.items():
            with self.subTest(name):
                y = family.generate(Draws(1), 64, STEPS)
                self.assertEqual((tuple(y.shape), y.dtype), ((64, STEPS), torch.float32))
                self.assertTrue(torch.isfinite(y).all())
                # the stream drops the constant rest: systems that escaped to their bound or came to rest
                self.assertGreater((y.std(1) > 1e-7).float().mean().item(), 0.5)

    def test_a_seed_fixes_the_series(self):
        for name, family in FAMILIES.items():
            with self.subTest(name):
                once, again, other = (family.generate(Draws(seed), ROWS, STEPS) for seed in (3, 3, 4))
                self.assertTrue(torch.equal(once, again))
                self.assertFalse(torch.equal(once, other))


class Sensors(unittest.TestCase):
    def test_readings_are_finite_and_keep_their_shape(self):
        y = standardised(Draws(2).normal(500, STEPS).cumsum(1))
        curved = torch.ones(len(y), dtype=torch.bool)
        readings = sensed(Draws(3), y, curved)
        self.assertEqual(readings.shape, y.shape)
        self.assertTrue(torch.isfinite(readings).all())
        self.assertTrue(torch.equal(readings, sensed(Draws(3), y, curved)))

    def test_no_sensor_bends_a_walk(self):
        # exp of a Gaussian random walk would be a geometric Brownian motion, which is held out
        for name, family in FAMILIES.items():
            if family.generate.__module__.endswith("walks"):
                self.assertFalse(family.curved, name)
        y = standardised(Draws(2).normal(500, STEPS).cumsum(1))
        straight = readout(Draws(3), y, torch.zeros(len(y), dtype=torch.bool))
        self.assertTrue(torch.equal(straight, y))
        self.assertFalse(torch.equal(readout(Draws(3), y, torch.ones(len(y), dtype=torch.bool)), y))

    def test_constant_and_broken_rows_are_dropped(self):
        y = Draws(2).normal(4, STEPS)
        y[0], y[1, 5] = 3.0, torch.nan
        self.assertEqual(alive(Draws(1), y).tolist(), [False, False, True, True])


class Stream(unittest.TestCase):
    names = ["tones", "random_walk", "markov_levels"]

    def test_rounds_are_alive(self):
        y = series_round(5, 200, STEPS, families=self.names)
        self.assertTrue(torch.isfinite(y).all())
        self.assertGreater(y.std(1).min().item(), 0)

    def test_a_restored_stream_goes_on_with_the_same_series(self):
        stream = SeriesStream(1, 60, families=self.names)
        for _ in range(5):
            stream.take(30)
        other = SeriesStream(1, 60, families=self.names)
        other.restore(stream.state())
        for _ in range(3):
            self.assertTrue(torch.equal(stream.take(30), other.take(30)))
        self.assertEqual(stream.take(7).shape, (7, LENGTH))

    def test_processes_generate_the_same_series_in_the_same_order(self):
        alone = SeriesStream(1, 60, families=self.names)
        with generators(2) as workers:
            together = SeriesStream(1, 60, families=self.names, workers=workers, ahead=2)
            together.begin()
            for _ in range(5):
                self.assertTrue(torch.equal(alone.take(30), together.take(30)))


if __name__ == "__main__":
    unittest.main()
