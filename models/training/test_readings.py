"""python -m unittest: the readings of a window beside each other, the joint distribution, the arms of the ablations."""

import ast
import builtins
import unittest

import numpy as np
import torch
from scipy.special import ndtr

from attention_over_channels import GridResidualModel, WindowedStream, windowed_round
from digit_reading import DigitReading, DigitsBeside
from encoding import BOS, NATS_OFFSET
from hinted_reader import HintedReader
from inverse import Inverse
from joint import Copula, in_order
from model import DigitModel
from model_reading import MOST_MOVE, ModelReading
from residual import PRIOR_ROWS, ResidualModel, gate_corrections, hint_features
from set_of_experts import SetModel, SetReading
from test_residual import TINY, driven_windows, stirred
from train import HERE


class Digits(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.model = DigitModel(**TINY).eval()
        self.positions = np.random.default_rng(0).uniform(1, 9, (3, 20))

    def test_values_one_by_one_are_values_at_once(self):
        reading = DigitReading(self.model, self.positions[:, :13])
        once, _ = DigitReading(self.model, self.positions).rows(self.positions)
        for t in range(12, 20):
            reading.read(self.positions[:, t])
            ids = torch.from_numpy(np.floor(100 * self.positions[:, : t + 1]).astype(int))
            ids = torch.cat([torch.full((3, 1), BOS), ids], 1)
            with torch.no_grad():
                logs = self.model(ids)[:, :, :1000].double().log_softmax(-1).numpy()
            np.testing.assert_allclose(reading.next_logs(), logs[:, -1], atol=1e-4)
            at = np.floor(100 * self.positions[:, t]).astype(int)
            np.testing.assert_allclose(once[:, t], logs[np.arange(3), t, at] + NATS_OFFSET, atol=1e-4)

    def test_as_many_rows_are_scored_as_the_model_reads(self):
        positions = np.random.default_rng(0).uniform(1, 9, (1, 1024))
        self.assertTrue(np.isfinite(DigitReading(self.model, positions).rows(positions)[0]).all())
        with self.assertRaisesRegex(ValueError, "1025 rows, the model reads at most 1024"):
            DigitReading(self.model, positions).read(positions[:, 0])

    def test_the_better_reading_wins_the_mixture(self):
        begins = np.zeros((3, 20), bool)
        for worth in (50.0, -50.0):
            density = np.full((3, 20), worth)
            beside = DigitsBeside(self.model, self.positions, density, begins)
            best = np.maximum(density, beside.own)
            self.assertTrue(np.all(np.abs(beside.weight() - (worth > 0)) < 0.01))
            self.assertTrue(np.all(np.abs(beside.density(density) - best)[:, 3:] < 0.01))
        beside = DigitsBeside(self.model, self.positions, density, ~begins)
        np.testing.assert_array_equal(beside.weight(), 0.5)

    def test_inverses_are_of_the_distribution_functions(self):
        rng = np.random.default_rng(5)
        chances = rng.random((4, 30)) ** 4
        levels = rng.random((20000, 4))
        bins = Inverse(chances).at(levels)
        for s in range(4):
            seen = np.bincount(bins[:, s], minlength=30) / 20000
            np.testing.assert_allclose(seen, chances[s] / chances[s].sum(), atol=0.02)
            cdf = (chances[s] / chances[s].sum()).cumsum()
            np.testing.assert_array_equal(bins[:200, s], (cdf[None] < levels[:200, s, None]).sum(-1))


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
        start = self.reading.read(x, nothing[0], self.starts, horizon=5)
        before = start.beside.log_odds.copy()
        run = lambda: self.reading.paths_after(start, nothing[1], 200, np.random.default_rng(1))
        run()
        np.testing.assert_array_equal(start.beside.log_odds, before)
        start.beside.log_odds[:] = -20  # digits alone
        digits = np.exp(start.beside.digits.next_logs())
        bins = np.floor(100 * run()[:, :, 0, 0]).astype(int)
        moved = 100 * MOST_MOVE * np.abs(np.diff(self.positions)).max(1)
        for window in (0, 1):
            inside = np.abs(np.arange(1000) - 100 * self.positions[window, -1]) < moved[window] - 1
            expected = (digits[window] * np.arange(1000) * inside).sum() / (digits[window] * inside).sum()
            kept = bins[window][inside[bins[window].clip(0, 999)]]
            self.assertLess(abs(kept.mean() - expected), 5 * kept.std() / len(kept) ** 0.5 + 1)

    def test_densities_on_bins_are_masses_of_the_bins(self):
        reader = HintedReader.__new__(HintedReader)
        reader.reading = self.reading
        bins = np.floor(100 * self.positions).astype(int)
        density = reader.densities(bins)
        np.testing.assert_allclose(density.sum(-1), 1, atol=1e-4)
        centres = (bins + 0.5) / 100
        _, mass = self.reading.one_step(centres[..., None], np.zeros((2, 60, 0)), self.starts)
        at = np.take_along_axis(density, bins[..., None], -1)[..., 0]
        np.testing.assert_allclose(at, mass[..., 0], rtol=0.02, atol=1e-5)


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

    def test_drawing_in_order_couples_channels_and_keeps_their_draws(self):
        draws = self.rng.normal(size=(300, 3, 40))
        for wide in (0.25, 1.0, 4.0):  # however wrong the width of a channel was
            past = self.x[:300] * [wide, 1, 1]
            out = in_order(draws[0], draws, past, np.ones(300, bool))
            self.assertGreater(np.corrcoef(out)[0, 1], 0.5)
            np.testing.assert_array_equal(np.sort(out), np.sort(draws[0]))


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
    def test_windows_are_handed_out_whole(self):
        stream = WindowedStream(seed=3, values=4000, rows=64)
        for _ in range(6):
            s, pool = stream.take(3), stream.pool
            for window in torch.unique(s.window[:, 0]):
                self.assertEqual((s.window[:, 0] == window).sum(), (pool.window[:, 0] == window).sum())

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

    def test_a_set_of_experts_starts_as_no_hint(self):
        reading, windows = self.set_reading()
        s = reading.sequences(5 + windows.values, windows.actions, windows.starts)
        with torch.no_grad():
            none = s.map(lambda column: column)
            none.every_known = torch.zeros_like(s.every_known)
            features = hint_features(s)
            torch.testing.assert_close(reading.model.embedded(s, features), reading.model.embedded(none, features))

    def test_a_set_of_experts_does_not_see_what_comes(self):
        reading, windows = self.set_reading()
        torch.nn.init.normal_(reading.model.told.weight, std=0.1)
        density, _ = reading.one_step(5 + windows.values, windows.actions, windows.starts)
        changed = 5 + windows.values
        changed[:, 50:] += 1
        other, _ = reading.one_step(changed, windows.actions, windows.starts)
        np.testing.assert_allclose(density[:, :50], other[:, :50], atol=1e-5)
        self.assertGreater(np.abs(density[:, 50:] - other[:, 50:]).max(), 0.1)

    def set_reading(self):
        torch.manual_seed(1)
        model = stirred(SetModel(**TINY)).eval()
        torch.nn.init.zeros_(model.told.weight)
        return SetReading(model), driven_windows(n=2, rows=70)


class Scripts(unittest.TestCase):
    def test_they_find_what_they_import(self):
        for name in ("benchmark_scores", "joint_scores", "path_scores", "recording_scores", "termination_scores", "evaluate"):
            with open(f"{HERE}/{name}.py") as file:
                tree = ast.parse(file.read())
            known = set(dir(builtins)) | {"__file__", "__doc__", "__name__"}
            for node in ast.walk(tree):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    known |= {(a.asname or a.name).split(".")[0] for a in node.names}
                elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    known.add(node.name)
                elif isinstance(node, ast.arg):
                    known.add(node.arg)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    known.add(node.id)
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            self.assertEqual(used - known, set(), name)


if __name__ == "__main__":
    unittest.main()
