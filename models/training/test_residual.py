"""python -m unittest: experts, hints, the model that reads them, its training."""

import os
import tempfile
import unittest

import numpy as np
import torch
from scipy.special import ndtr

import systems
from config import read_config
from encoding import BOS
from export import export
from hints import BINS, EDGES, LOG_WIDTHS, Experts, log_spacings, read_hints, residual_ids
from hints.reading import axis_positions, carried_on, scaled_actions
from hints.regression import Regressions
from hints.seasonal import found_periods
from joint import Copula
from model import DigitModel
from cached import Cached
from model_reading import ModelReading, bin_mass, distribution, read_experts, weights_after
from residual import COMPONENTS, ResidualModel, bayesian_weights, hint_features
from residual_export import export_residual, read_residual
from residual_run import ResidualRun, residual_loss
from sequences import SequenceStream, joined, sequence_round, sequences_of
from train import HERE
from warm_start import loaded, start_from

TINY = dict(hidden=64, layers=2, heads=1, inner=96)
CHANGED = 60  # row from which on a window is another one


def driven_windows(n=5, rows=110, channels=3, seed=0):
    """Noisy linear systems with actions, several episodes and missing values."""
    rng = np.random.default_rng(seed)
    u, x = rng.normal(size=(n, rows, 2)), np.zeros((n, rows, channels))
    a, b = 0.9 * np.linalg.qr(rng.normal(size=(n, channels, channels)))[0], rng.normal(size=(n, channels, 2))
    starts = rng.random((n, rows)) < 0.03
    starts[:, 0] = True
    for t in range(rows):
        x[:, t] = rng.normal(size=(n, channels))
        if t:
            moved = np.einsum("nij,nj->ni", a, x[:, t - 1]) + np.einsum("nij,nj->ni", b, u[:, t - 1])
            x[:, t] = np.where(starts[:, t, None], x[:, t], moved + 0.1 * x[:, t])
    return systems.Windows(x, u, starts, np.zeros((n, channels), bool), rng.random(x.shape) < 0.05)


def hints_of(windows, prefix=40):
    first = np.full(len(windows.values), prefix)
    positions, _ = axis_positions(windows.values, first, windows.missing, windows.levels)
    acts = scaled_actions(windows.actions, first)
    return read_hints(positions, acts, windows.starts, windows.missing)


def stirred(model):
    """The model with weights that are all of some size."""
    torch.manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape))
    return model.eval()


class Axis(unittest.TestCase):
    def test_a_residual_lies_in_its_bin(self):
        z = np.random.default_rng(0).standard_cauchy(5000) * 3
        ids = residual_ids(z)
        inside = np.abs(z) < 200
        self.assertTrue(((EDGES[ids] <= z + 1e-9) & (z <= EDGES[ids + 1] + 1e-9))[inside].all())
        self.assertEqual(residual_ids(np.array([-1e9, 0.0, 1e9])).tolist(), [0, 500, 999])

    def test_what_lies_beyond_the_axis_is_scored_by_how_far(self):
        """The densities of all bins, end bins and tails sum to the masses."""
        z = np.concatenate([EDGES[:-1] + np.diff(EDGES) / 2, np.geomspace(200.001, 1e7, 200_001)])
        ids = residual_ids(z)
        density = np.exp(-log_spacings(z, ids))
        inside = density[:1000] * np.exp(LOG_WIDTHS)
        self.assertTrue(np.allclose(inside[1:-1], 1))
        self.assertTrue(np.allclose(inside[[0, -1]], 0.5))
        tail, far = density[1000:], z[1000:]
        self.assertAlmostEqual(((tail[1:] + tail[:-1]) / 2 * np.diff(far)).sum(), 0.5, places=3)
        model, part = ResidualModel(**TINY), sequences_of(driven_windows(), np.random.default_rng(5))
        expected = log_spacings(part.z[..., 0].double().numpy(), part.residual.numpy())
        self.assertLess(np.abs(model.log_spacings(part).numpy() - expected).max(), 1e-4)

    def test_the_axis_reaches_two_hundred_scales(self):
        self.assertAlmostEqual(np.exp(LOG_WIDTHS).sum(), 400, places=6)
        self.assertAlmostEqual(EDGES[500], 0, places=12)


class ExpertsOfRows(unittest.TestCase):
    def test_regressions_are_ridge_regressions(self):
        rng = np.random.default_rng(1)
        f, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 2))
        online = Regressions(1, 2, 4, (0.3,))
        for row, target in zip(f, y):
            online.law(row[None], np.ones(1, bool))
            online.learn(target[None], np.ones(1, bool), np.ones((1, 2), bool))
        gram = f.T @ f + 0.3 * np.eye(4)
        for prior, first in ((0, np.zeros((4, 2))), (1, np.eye(4)[:, :2])):
            expected = first + np.linalg.solve(gram, f.T @ (y - f @ first))
            self.assertTrue(np.allclose(online.weights[0, 0, prior].T, expected, atol=1e-9))
            rest = ((y - f @ expected) ** 2).sum(0) + 0.3 * ((expected - first) ** 2).sum(0)
            self.assertTrue(np.allclose(2 * online.rate[0, 0, prior] - 1e-6, rest, atol=1e-9))

    def test_a_linear_system_without_noise_is_predicted_exactly(self):
        windows = driven_windows()
        rng = np.random.default_rng(3)
        x = np.zeros_like(windows.values)
        a = 0.95 * np.linalg.qr(rng.normal(size=(3, 3)))[0]
        x[:, 0] = rng.normal(size=(5, 3))
        for t in range(1, x.shape[1]):
            x[:, t] = x[:, t - 1] @ a.T + windows.actions[:, t - 1, :1]
        clean = systems.Windows(x, windows.actions, windows.starts * (np.arange(110) == 0), windows.levels, windows.missing * False)
        hints = hints_of(clean)
        error = np.abs(hints.position - hints.location[..., 0])[:, 60:]
        self.assertLess(np.median(error), 1e-3)
        self.assertEqual((hints.chosen[:, 60:, :, 0] == 0).mean(), 1)

    def test_seasons_are_found_at_their_period(self):
        t = np.arange(128)
        rng = np.random.default_rng(0)
        profile = rng.normal(size=12)
        x = np.stack([profile[t % 12], np.sin(2 * np.pi * t / 24) + 0.05 * rng.normal(size=128), rng.normal(size=128).cumsum()], 1)
        self.assertEqual(found_periods(x)[0], 12)
        self.assertIn(found_periods(x)[1], (23, 24, 25))
        self.assertEqual(found_periods(np.ones((64, 2))).tolist(), [0, 0])

    def test_a_season_is_the_best_hint_of_a_season(self):
        rng = np.random.default_rng(0)
        y = np.tile(rng.normal(size=(3, 24)), (1, 10))[..., None] + 0.05 * rng.normal(size=(3, 240, 1))
        starts = np.zeros((3, 240), bool)
        starts[:, 0] = True
        hints = read_hints(y + 5, np.zeros((3, 240, 0)), starts, np.zeros(y.shape, bool))
        self.assertGreater(np.isin(hints.chosen[:, 150:, 0, 0], (3, 4)).mean(), 0.95)
        self.assertLess(np.median(np.abs(hints.location[:, 150:, 0, 0] - hints.position[:, 150:, 0])), 0.15)

    def test_nothing_is_said_of_an_episodes_first_row(self):
        windows = driven_windows()
        hints = hints_of(windows)
        first = windows.starts
        self.assertTrue((hints.chosen[first] == -1).all())
        self.assertTrue((hints.location[first] == 5).all())
        self.assertTrue((hints.chosen[~first] >= 0).any())

    def test_hints_do_not_see_what_comes(self):
        windows = driven_windows()
        other = driven_windows(seed=9)
        late = np.arange(110) >= CHANGED
        changed = systems.Windows(
            np.where(late[None, :, None], other.values, windows.values),
            np.where(late[None, :, None], other.actions, windows.actions),
            np.where(late[None] & (np.arange(110) > CHANGED), other.starts, windows.starts),
            windows.levels,
            np.where(late[None, :, None], other.missing, windows.missing),
        )
        one, two = hints_of(windows), hints_of(changed)
        for name in ("location", "scale", "freedom", "ratio", "lead", "chosen"):
            a, b = getattr(one, name), getattr(two, name)
            self.assertTrue(np.array_equal(a[:, : CHANGED + 1], b[:, : CHANGED + 1]), name)
            self.assertFalse(np.array_equal(a, b), name)

    def test_an_action_counts_for_the_row_after_it(self):
        windows = driven_windows()
        acts = windows.actions.copy()
        acts[:, CHANGED] += 1
        changed = systems.Windows(windows.values, acts, windows.starts, windows.levels, windows.missing)
        one, two = hints_of(windows), hints_of(changed)
        self.assertTrue(np.array_equal(one.location[:, : CHANGED + 1], two.location[:, : CHANGED + 1]))
        self.assertFalse(np.allclose(one.location[:, CHANGED + 1], two.location[:, CHANGED + 1]))

    def test_windows_of_a_batch_do_not_touch_each_other(self):
        windows = driven_windows()
        part = systems.Windows(*(column[1:2] for column in vars(windows).values()))
        self.assertTrue(np.allclose(hints_of(windows).location[1:2], hints_of(part).location, atol=1e-9))

    def test_repeated_experts_go_on_like_the_first(self):
        windows = driven_windows(2)
        positions, _ = axis_positions(windows.values, np.full(2, 40), windows.missing, windows.levels)
        x, none = carried_on(positions, windows.missing) - 5, np.zeros(2, bool)
        experts = Experts(2, 3, 2, 110)
        for t in range(70):
            experts.predict()
            experts.learn(x[:, t], windows.actions[:, t], windows.starts[:, t + 1], ~windows.missing[:, t])
        path, many = experts.repeated(1), experts.repeated(3)
        for t in range(70, 80):
            one, three = path.predict(), many.predict()
            self.assertTrue(np.allclose(np.repeat(one.location[0], 3, 0), three.location[0], atol=1e-10))
            seen = np.ones((2, 3), bool)
            path.learn(x[:, t], windows.actions[:, t], none, seen)
            many.learn(np.repeat(x[:, t], 3, 0), np.repeat(windows.actions[:, t], 3, 0), np.repeat(none, 3), np.repeat(seen, 3, 0))

    def test_paths_teach_regressions_nothing(self):
        """They ran off with paths that had left what was observed, for their own draws confirmed them."""
        windows = driven_windows(2)
        positions, _ = axis_positions(windows.values, np.full(2, 40), windows.missing, windows.levels)
        x, seen, none = positions - 5, np.ones((2, 3), bool), np.zeros(2, bool)
        experts = Experts(2, 3, 2, 110)
        for t in range(70):
            experts.predict()
            experts.learn(x[:, t], windows.actions[:, t], windows.starts[:, t + 1], seen)
        path = experts.repeated(1)
        weights, scores = path.experts[1].fits.weights.copy(), path.scores.copy()
        for t in range(70, 75):
            path.predict()
            path.learn(x[:, t] + 100, windows.actions[:, t], none, seen)
        self.assertTrue(np.array_equal(path.experts[1].fits.weights, weights))
        self.assertTrue(np.array_equal(path.scores, scores))
        self.assertTrue(np.allclose(path.past.last, x[:, 74] + 100))

    def test_laws_and_slots_are_those_of_plain_loops(self):
        """tests/golden/make_experts.py; the program's experts are held to the same file."""
        with np.load(f"{HERE}/../../tests/golden/experts.npz") as file:
            golden = dict(file)
        for name in ("driven", "seasonal"):
            of = lambda key: golden[f"{name}_{key}"]
            rows, channels = of("x").shape
            experts = Experts(1, channels, of("u").shape[1], rows)
            ends = np.append(of("begins")[1:], 0).astype(bool)
            for t in range(rows):
                slots, laws = experts.predict(), experts.laws
                for k, part in enumerate((laws.location, laws.scale, laws.freedom)):
                    expected = of("laws")[t, :, :, k].T
                    got = np.where(laws.known[0], part[0], np.nan)
                    self.assertTrue(np.allclose(got, expected, rtol=1e-9, atol=1e-9, equal_nan=True), (name, t, k))
                for k, field in enumerate(("location", "scale", "freedom", "ratio")):
                    got = np.stack(getattr(slots, field), -1)[0]
                    self.assertTrue(np.allclose(got, of("slots")[t, :, :, k], rtol=1e-9, atol=1e-9), (name, t, field))
                self.assertTrue(np.allclose(slots.lead[0], of("lead")[t], rtol=1e-9, atol=1e-9))
                z = (of("x")[t] - slots.location[0][0]) / slots.scale[0][0]
                self.assertEqual(residual_ids(z).tolist(), of("bins")[t].tolist())
                experts.learn(of("x")[None, t], of("u")[None, t], ends[t : t + 1], np.ones((1, channels), bool))

    def test_products_of_many_channels_are_chosen_as_rows_come(self):
        """Thirty channels: one is the product of two that are not among the first 24."""
        rng = np.random.default_rng(4)
        y = rng.normal(size=(1, 200, 30))
        y[:, :, 26:28] += 0.9 * np.roll(y[:, :, 26:28], 1, 1)
        y[:, 1:, 0] = y[:, :-1, 26] * y[:, :-1, 27] + y[:, :-1, 26] + y[:, :-1, 27]
        starts = np.zeros((1, 200), bool)
        starts[0, 0] = True
        experts = Experts(1, 30, 0, 200)
        for t in range(200):
            experts.predict()
            experts.learn(y[:, t], np.zeros((1, 0)), np.zeros(1, bool), np.ones((1, 30), bool))
        self.assertTrue({26, 27} <= set(experts.experts[1].choice.chosen[0]))
        self.assertFalse(experts.repeated(2).experts[1].choice.open)

    def test_a_level_of_a_billion_and_a_constant_channel_do_no_harm(self):
        windows = driven_windows()
        windows.values[..., 2] = 7
        far = systems.Windows(
            windows.values + 1e9, windows.actions, windows.starts, windows.levels, windows.missing
        )
        hints, near = hints_of(far), hints_of(windows)
        self.assertTrue(np.isfinite(hints.location).all() and np.isfinite(hints.scale).all())
        self.assertTrue((hints.position[..., 2] == 5).all())
        self.assertLess(np.median(np.abs(hints.location[..., :2, 0] - near.location[..., :2, 0])), 1e-4)


class Model(unittest.TestCase):
    def sequences(self, windows):
        return sequences_of(windows, np.random.default_rng(5))

    def test_densities_do_not_see_what_comes(self):
        windows = driven_windows()
        values = windows.values.copy()
        values[:, CHANGED:] = np.random.default_rng(8).normal(size=values[:, CHANGED:].shape)
        changed = systems.Windows(values, windows.actions, windows.starts, windows.levels, windows.missing)
        # the same prefix for both: it sets the axis
        rng = lambda: np.random.default_rng(11)
        one, two = sequences_of(windows, rng()), sequences_of(changed, rng())
        model = stirred(ResidualModel(**TINY))
        same = (one.position[:, :CHANGED] == two.position[:, :CHANGED]).all(1)
        self.assertGreater(same.sum().item(), 5)
        with torch.no_grad():
            outs = []
            for s in (one, two):
                part = s[same]
                digits, residual, gate = model(part, hint_features(part))
                weights = model.mixture(part, digits, residual, gate)[1]
                outs.append((digits, residual, gate, weights))
        for a, b in zip(*outs):
            self.assertLess((a[:, : CHANGED + 1] - b[:, : CHANGED + 1]).abs().max().item(), 1e-4)
            self.assertGreater((a[:, CHANGED + 1 :] - b[:, CHANGED + 1 :]).abs().max().item(), 1e-3)

    def test_it_starts_as_the_digit_model_reading_residuals(self):
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            export(stirred(DigitModel(**TINY)), folder)
            model, digits = ResidualModel(**TINY), loaded(folder)
            start_from(model.digits, folder)
        part = self.sequences(driven_windows())
        bins = torch.where(part.begins, BOS, part.residual)
        ids = torch.cat([torch.full_like(bins[:, :1], BOS), bins[:, :-1]], 1)
        whole = part.observed.all(1)
        with torch.no_grad():
            law, residual, gate = model(part, hint_features(part))
            expected = digits(ids)[..., :BINS].log_softmax(-1)
        seen = (part.observed.cumprod(1) > 0) | whole[:, None]
        self.assertLess(((residual - expected).abs().amax(-1) * seen).max().item(), 1e-3)
        self.assertLess((law + np.log(BINS)).abs().max().item(), 1e-4)
        self.assertEqual(gate.abs().max().item(), 0)
        self.assertEqual(gate.shape[-1], COMPONENTS)

    def test_an_exported_folder_is_the_same_model(self):
        model = stirred(ResidualModel(**TINY))
        part = self.sequences(driven_windows())
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            export_residual(model, folder)
            again = read_residual(folder)
            for a, b in zip(model(part, hint_features(part)), again(part, hint_features(part))):
                self.assertLess((a - b).abs().max().item(), 0.1)  # BF16 tables and matrices

    def test_the_density_is_one_over_all_values(self):
        """Sum over a fine grid of values of one row, by components."""
        part = self.sequences(driven_windows())[:1, :50].map(torch.clone)
        model, row = stirred(ResidualModel(**TINY)), 49
        grid = torch.linspace(-60, 70, 40001)
        whole = part.map(lambda column: column.repeat(len(grid), *[1] * (column.dim() - 1)))
        with torch.no_grad():
            digits, residual, gate = model(part, hint_features(part))
            weights = model.mixture(part, digits, residual, gate)[1][:, row]
            z = (grid[:, None].double() - part.location[:, row].double()) / part.scale[:, row].double()
            whole.digits[:, row] = (100 * grid).floor().clamp(0, 999).long()
            whole.on_axis[:, row] = (grid >= 0) & (grid < 10)
            whole.residual[:, row] = torch.from_numpy(residual_ids(z[:, 0].numpy()))
            whole.z[:, row] = z.float()
            one = whole[:, row : row + 1]
            spread = lambda p: p[:, row : row + 1].expand(len(grid), -1, -1)
            parts = model.components(one, spread(digits), spread(residual))
            density = torch.logsumexp(weights[:, None] + parts, -1).double().exp()
        self.assertAlmostEqual((density.sum() * (grid[1] - grid[0])).item(), 1, delta=0.02)

    def test_weights_are_those_of_bayes_without_a_share(self):
        logs = torch.randn(2, 30, 4)
        counts = torch.ones(2, 30, dtype=torch.bool)
        weights = bayesian_weights(logs, counts)
        prior = torch.full((2, 1, 4), 0.25).log()
        exact = (prior + before_each_row(logs)).log_softmax(-1)
        self.assertTrue(torch.allclose(weights[:, :3].exp(), exact[:, :3].exp(), atol=0.02))
        counts[:, 5] = False
        self.assertTrue(torch.equal(bayesian_weights(logs, counts)[:, 5], bayesian_weights(logs, counts)[:, 6]))


def before_each_row(logs):
    return torch.cat([torch.zeros_like(logs[:, :1]), logs.cumsum(1)[:, :-1]], 1)


class Reading(unittest.TestCase):
    """Cached rows, paths and their coupling."""

    def setUp(self):
        windows = driven_windows(2)
        self.acts, self.starts = windows.actions, windows.starts
        whole = np.zeros(windows.missing.shape, bool)
        self.positions, _ = axis_positions(windows.values, np.full(2, 40), whole, windows.levels)
        self.reading = ModelReading(stirred(ResidualModel(**TINY)))

    def test_rows_one_by_one_are_rows_at_once(self):
        s, _ = read_experts(self.positions, self.acts, self.starts)
        model, cached = self.reading.model, Cached(self.reading.model.digits)
        with torch.no_grad():
            x = model.embedded(s, hint_features(s))
            once = model.digits.states(x)
            first = cached.read(x[:, :70])
            rest = [cached.read(x[:, t : t + 1]) for t in range(70, x.shape[1])]
        self.assertLess((torch.cat([first, *rest], 1) - once).abs().max().item(), 1e-4)

    def test_weights_behind_rows_are_those_of_training(self):
        s, _ = read_experts(self.positions, self.acts, self.starts)
        with torch.no_grad():
            digits, residual, gate = self.reading.model(s, hint_features(s))
            parts = self.reading.model.components(s, digits, residual)
        expected = bayesian_weights(parts.double(), ~s.begins)[:, -1].numpy()
        got = weights_after(parts[:, :-1].double().numpy(), s.begins[:, :-1].numpy())
        self.assertTrue(np.allclose(expected, got, atol=1e-6))

    def test_the_distribution_function_has_the_density(self):
        s, _ = read_experts(self.positions, self.acts, self.starts)
        s = s[:2]
        with torch.no_grad():
            law = self.reading.model(s, hint_features(s))
            parts, weights = self.reading.model.mixture(s, *law)
        low, high = (distribution(s, law[0], law[1], weights, np.full(s.digits.shape, x)) for x in (-400.0, 400.0))
        self.assertTrue((low < 0.02).all() and (high > 0.98).all())
        mass = bin_mass(s, law[0], law[1], weights)
        self.assertTrue(((mass >= 0) & (mass <= 1)).all())

    def test_paths_are_seeded_and_follow_the_actions(self):
        future = np.zeros((2, 6, 2))
        run = lambda future, seed: self.reading.paths(self.positions, self.acts, self.starts, future, 8, seed)
        one = run(future, 1)
        self.assertEqual(one.shape, (2, 8, 6, 3))
        self.assertTrue(np.array_equal(one, run(future, 1)))
        self.assertFalse(np.array_equal(one, run(future, 2)))
        later = future.copy()
        later[:, 3] = 1
        other = run(later, 1)
        self.assertTrue(np.array_equal(one[:, :, :4], other[:, :, :4]))
        self.assertFalse(np.array_equal(one[:, :, 4], other[:, :, 4]))

    def test_a_copula_couples_levels_and_keeps_them_uniform(self):
        rng = np.random.default_rng(0)
        z = rng.standard_normal((500, 1)) * 0.9 + 0.3 * rng.standard_normal((500, 2))
        copula = Copula(ndtr(z))
        levels = copula.levels(rng, 4000)
        self.assertGreater(np.corrcoef(levels.T)[0, 1], 0.7)
        self.assertLess(np.abs(np.quantile(levels, [0.1, 0.5, 0.9], axis=0).T - [0.1, 0.5, 0.9]).max(), 0.03)


class Training(unittest.TestCase):
    def config(self):
        config = read_config(f"{HERE}/residual.toml", tokens=4096)
        config.model = TINY
        config.budget["step_tokens"] = 512
        config.data |= dict(round_rows=60, round_values=4000, lengths=[64], shares_at_start=[1.0], shares_at_end=[1.0])
        return config

    def test_a_round_is_a_function_of_its_seed(self):
        one, two, other = (sequence_round(seed, 60, 96) for seed in (3, 3, 4))
        self.assertGreater(len(one.digits), 40)
        for name, column in vars(one).items():
            self.assertTrue(torch.equal(column, getattr(two, name)), name)
            if column.is_floating_point():
                self.assertTrue(torch.isfinite(column).all(), name)
        self.assertFalse(one.digits.shape == other.digits.shape and torch.equal(one.digits, other.digits))

    def test_a_stream_goes_on_where_it_stood(self):
        stream = SequenceStream(1, 3000, 64)
        stream.take(10)
        state = stream.state()
        expected = stream.take(7)
        again = SequenceStream(1, 3000, 64)
        again.restore(state)
        self.assertTrue(torch.equal(again.take(7).z, expected.z))

    def test_a_resumed_run_continues_exactly(self):
        straight = ResidualRun(self.config(), "cpu")
        settings = straight.config.objective
        for _ in range(2):
            straight.step(residual_loss(straight.model, settings, False))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "checkpoint.pt")
            straight.save(path)
            resumed = ResidualRun(self.config(), "cpu")
            resumed.load(path)
        for _ in range(2):
            for run in (straight, resumed):
                run.step(residual_loss(run.model, settings, False))
        for a, b in zip(straight.model.parameters(), resumed.model.parameters()):
            self.assertTrue(torch.equal(a, b))

    def test_every_weight_is_trained(self):
        run = ResidualRun(self.config(), "cpu")
        blind, sequences = run.batch()
        run.model = stirred(run.model)
        residual_loss(run.model, run.config.objective, False)(blind, sequences).backward()
        for name, p in run.model.named_parameters():
            self.assertIsNotNone(p.grad, name)
        self.assertEqual(joined([sequences, sequences]).digits.shape[0], 2 * len(sequences.digits))


if __name__ == "__main__":
    unittest.main()
