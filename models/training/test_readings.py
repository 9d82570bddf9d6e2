"""python -m unittest: the readings of a window beside each other, the joint distribution, the arms of the ablations."""

import unittest

import numpy as np
import torch
from scipy.special import ndtr

from attention_over_channels import GridResidualModel, windowed_round
from digit_reading import DigitReading, DigitsBeside
from encoding import BOS, NATS_OFFSET
from hinted_reader import HintedReader
from joint import Copula, in_order
from model import DigitModel
from model_reading import ModelReading
from residual import PRIOR_ROWS, ResidualModel, gate_corrections, hint_features
from set_of_experts import SetModel, SetReading
from test_residual import TINY, driven_windows, stirred


class Digits(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.model = DigitModel(**TINY).eval()
        self.positions = np.random.default_rng(0).uniform(1, 9, (3, 20))

    def test_values_one_by_one_are_values_at_once(self):
        reading = DigitReading(self.model, self.positions[:, :12])
        for t in range(12, 20):
            ids = torch.from_numpy(np.floor(100 * self.positions[:, :t]).astype(int))
            ids = torch.cat([torch.full((3, 1), BOS), ids], 1)
            with torch.no_grad():
                logs = self.model(ids)[:, -1, :1000].double().log_softmax(-1).numpy()
            at = np.floor(100 * self.positions[:, t]).astype(int)
            np.testing.assert_allclose(
                reading.log_density(self.positions[:, t]), logs[np.arange(3), at] + NATS_OFFSET, atol=1e-4
            )
            reading.read(self.positions[:, t])

    def test_the_better_reading_wins_the_mixture(self):
        starts = np.zeros((3, 20), bool)
        for worth, share in ((50.0, 0.99), (-50.0, 0.01)):
            beside = DigitsBeside(self.model, self.positions)
            density, mass = beside.mixed(self.positions, np.full((3, 20), worth), np.full((3, 20), 0.5), starts)
            self.assertTrue(np.all(np.abs(beside.share() - share) < 0.01))
            self.assertTrue(np.all(density >= worth - 5))
            self.assertTrue(np.all((mass > 0) & (mass < 1)))


class Lone(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.reading = ModelReading(stirred(ResidualModel(**TINY)))
        self.positions = 5 + np.sin(np.arange(60) / 4)[None] * [[1.0], [2.5]]
        self.starts = np.zeros((2, 60), bool)
        self.starts[:, 0] = True

    def test_paths_of_a_lone_channel_read_digits_beside_hints(self):
        nothing = np.zeros((2, 60, 0)), np.zeros((2, 5, 0))
        x = self.positions[..., None]
        paths = self.reading.paths(x, nothing[0], self.starts, nothing[1], 6, seed=1)
        again = self.reading.paths(x, nothing[0], self.starts, nothing[1], 6, seed=1)
        self.assertEqual(paths.shape, (2, 6, 5, 1))
        np.testing.assert_array_equal(paths, again)
        behind = self.reading.read(x, nothing[0], self.starts, horizon=5)
        before = behind.beside.log_odds.copy()
        self.reading.paths_behind(behind, nothing[1], 6, np.random.default_rng(1))
        np.testing.assert_array_equal(behind.beside.log_odds, before)

    def test_densities_on_bins_are_masses_of_the_bins(self):
        reader = HintedReader.__new__(HintedReader)
        reader.reading = self.reading
        bins = np.floor(100 * self.positions).astype(int)
        density = reader.densities(bins)
        self.assertTrue(np.all(density.sum(-1) < 1.0001))
        # before the experts know anything a part lies off the axis
        np.testing.assert_allclose(density[:, 5:].sum(-1), 1, atol=0.01)
        centres = (bins + 0.5) / 100
        _, mass = self.reading.one_step(centres[..., None], np.zeros((2, 60, 0)), self.starts)
        at = np.take_along_axis(density, bins[..., None], -1)[..., 0]
        # the weights of the two readings learn masses of bins here, densities there
        np.testing.assert_allclose(at[:, :2], mass[:, :2, 0], rtol=0.02, atol=1e-5)


class Joint(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(3)
        common = self.rng.normal(size=(400, 1))
        self.x = 0.9 * common + 0.436 * self.rng.normal(size=(400, 3))

    def test_a_copula_gains_what_channels_share(self):
        copula = Copula(ndtr(self.x[:300]))
        gained = np.mean([copula.log_density(ndtr(row)) for row in self.x[300:]])
        exact = -0.5 * np.linalg.slogdet(0.81 + 0.19 * np.eye(3))[1]
        self.assertAlmostEqual(gained, exact, delta=0.25)
        alone = Copula(self.rng.random((300, 3)))
        self.assertLess(abs(np.mean([alone.log_density(ndtr(row)) for row in self.x[300:]])), 0.2)

    def test_drawing_in_order_couples_channels(self):
        draws = self.rng.normal(size=(300, 3, 40))
        out = in_order(draws[0], draws, self.x[:300], np.ones(300, bool))
        self.assertGreater(np.corrcoef(out)[0, 1], 0.6)
        np.testing.assert_allclose(out[0], draws[0][0])


class Corrections(unittest.TestCase):
    def test_a_component_that_is_worth_nothing_loses_its_weight(self):
        parts = torch.tensor([0.0, -40.0]).expand(1, 50, 2)
        given = torch.tensor([0.5, 0.5]).log().expand(1, 50, 2)
        counts = torch.ones(1, 50, dtype=torch.bool)
        counts[:, 30:] = False
        c = gate_corrections(parts, given, counts)
        self.assertEqual(c.shape, (1, 51, 2))
        self.assertEqual(c[0, 0].abs().max(), 0)
        self.assertAlmostEqual(c[0, 30, 1].exp().item(), PRIOR_ROWS / (15 + PRIOR_ROWS), places=4)
        torch.testing.assert_close(c[0, 50], c[0, 30])


class Arms(unittest.TestCase):
    def test_channels_of_other_windows_are_not_attended_to(self):
        s = windowed_round(3, 40, 64)
        window = s.window[:, 0]
        counts = torch.unique(window, return_counts=True)
        first = counts[0][counts[1].argmax()]
        own, other = s[window == first], s[window != first][:4]
        model = GridResidualModel(**TINY)
        torch.manual_seed(1)
        stirred(model)
        for across in model.digits.across:
            torch.nn.init.normal_(across.o.weight, std=0.1)
        both = type(s)(*(torch.cat(pair) for pair in zip(vars(own).values(), vars(other).values())))
        with torch.no_grad():
            alone = model.log_density(own, hint_features(own))[0]
            beside = model.log_density(both, hint_features(both))[0][: len(own)]
            single = model.log_density(own[:1], hint_features(own[:1]))[0]
        torch.testing.assert_close(alone, beside, atol=1e-4, rtol=1e-4)
        self.assertGreater((alone[:1] - single).abs().max(), 1e-3)

    def test_a_set_of_experts_starts_as_no_hint_and_does_not_see_what_comes(self):
        windows = driven_windows(n=2, rows=70)
        torch.manual_seed(1)
        reading = SetReading(stirred(SetModel(**TINY)).eval())
        torch.nn.init.normal_(reading.model.told.weight, std=0.1)
        acts = windows.actions
        density, _ = reading.one_step(5 + windows.values, acts, windows.starts)
        changed = 5 + windows.values
        changed[:, 50:] += 1
        other, _ = reading.one_step(changed, acts, windows.starts)
        np.testing.assert_allclose(density[:, :50], other[:, :50], atol=1e-5)
        self.assertGreater(np.abs(density[:, 50:] - other[:, 50:]).max(), 0.1)


if __name__ == "__main__":
    unittest.main()
