"""python -m unittest: scores and baselines on cases with known answers."""

import unittest

import numpy as np

from baselines import all_densities, autoregression_paths, random_walk_paths
from heldout import bins_of
from scores import crps, floored, log_density, paired_interval, pit, sample_crps, uniform_distance


class Scores(unittest.TestCase):
    def test_the_uniform_density_scores_minus_log_ten(self):
        density, bins = np.ones((2, 3, 1000)), np.array([[0, 500, 999]] * 2)
        np.testing.assert_allclose(log_density(floored(density), bins), -np.log(10), atol=1e-9)

    def test_a_point_on_the_truth_has_no_crps_and_one_beside_it_their_distance(self):
        density = np.zeros((1, 1, 1000))
        density[0, 0, 400] = 1
        self.assertAlmostEqual(crps(density, np.array([[400]]))[0, 0], 0)
        self.assertAlmostEqual(crps(density, np.array([[450]]))[0, 0], 0.5)

    def test_pit_of_the_true_law_is_uniform(self):
        random = np.random.default_rng(1)
        p = random.dirichlet(np.ones(1000) * 0.05)
        bins = random.choice(1000, (1, 4000), p=p)
        u = pit(np.broadcast_to(p, (1, 4000, 1000)), bins)[0]
        self.assertLess(uniform_distance(u), 0.03)

    def test_sample_crps_is_fair(self):
        random = np.random.default_rng(2)
        few = sample_crps(random.standard_normal((20000, 2, 1)), random.standard_normal((20000, 1))).mean()
        self.assertAlmostEqual(few, 1 / np.sqrt(np.pi), delta=0.03)  # E|X-X'|/2 of two standard Gaussians

    def test_the_paired_interval_holds_the_mean(self):
        mean, low, high = paired_interval([np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.1, 0.2])])
        self.assertAlmostEqual(mean, 0.15)
        self.assertTrue(low < mean < high)


class Baselines(unittest.TestCase):
    def setUp(self):
        t = np.arange(120)
        self.bins, valid = bins_of(np.sin(0.3 * t + np.array([[0.0], [1.0]])), 120)
        self.assertTrue(valid.all())

    def test_densities_are_densities_and_ar_knows_a_sine(self):
        densities = all_densities(self.bins)
        logs = {}
        for name, density in densities.items():
            np.testing.assert_allclose(density[:, 10:].sum(2, dtype=np.float64), 1, atol=0.15, err_msg=name)
            logs[name] = log_density(floored(density), self.bins)[:, 50:].mean()
        self.assertGreater(logs["ar"], 3)
        self.assertGreater(logs["ar"], logs["persistence"])
        self.assertGreater(logs["persistence"], logs["mean"])

    def test_paths_stay_on_the_axis_and_ar_follows_the_sine(self):
        ar = autoregression_paths(self.bins[:, :100], 20, 30)
        walk = random_walk_paths(self.bins[:, :100], 20, 30)
        truth = self.bins[:, 100:120].astype(float)
        for paths in (ar, walk):
            self.assertEqual(paths.shape, (2, 30, 20))
            self.assertTrue(((paths >= 0) & (paths <= 1000)).all())
        self.assertLess(sample_crps(ar, truth).mean(), 0.2 * sample_crps(walk, truth).mean())


if __name__ == "__main__":
    unittest.main()
