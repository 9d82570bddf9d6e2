"""python -m unittest: what the everyday families promise."""

import time
import unittest
from contextlib import ExitStack
from unittest import mock

import torch

from draws import Draws
from families import (
    EVERYDAY,
    FAMILIES,
    everyday_calendar,
    everyday_events,
    everyday_models,
    everyday_parts,
    everyday_seasons,
)
from series import LENGTH, alive, series_round

PERIOD = 24
SEASONAL = ["trend_season", "multiplicative_season", "growing_season", "shifted_season", "seasonal_counts"]
SEASONAL += ["limited_season", "promotions", "seasonal_walk", "exponential_smoothing", "outages"]
SEASONAL += ["seasonal_arima"]


def generated(name, seed=1, rows=48, length=LENGTH):
    return FAMILIES[name].generate(Draws(seed), rows, length)


def with_one_period(name, rows=48):
    """A family's series where every season that it draws has PERIOD rows."""
    with ExitStack() as stack:
        for module in (everyday_events, everyday_models, everyday_seasons):
            stack.enter_context(
                mock.patch.object(module, "periods", lambda draws, rows: torch.full((rows, 1), 24.0))
            )
        return generated(name, rows=rows)


def repetition(y, lag, window):
    """Autocorrelation [rows] at `lag` of what a moving mean of `window` rows leaves over."""
    trend = torch.nn.functional.avg_pool1d(y[:, None].double(), window, 1)[:, 0]
    left = window // 2
    rest = y[:, left : left + trend.shape[1]].double() - trend
    rest = rest - rest.mean(1, keepdim=True)
    return (rest[:, lag:] * rest[:, :-lag]).mean(1) / (rest * rest).mean(1)


def whole(y):
    return (y == y.round()).all(1)


class Everyday(unittest.TestCase):
    def test_their_shares_are_thirty_percent_of_what_the_others_have(self):
        mine = sum(FAMILIES[name].share for name in EVERYDAY)
        others = sum(f.share for f in FAMILIES.values()) - mine
        self.assertAlmostEqual(mine / others, 0.3, 2)

    def test_series_are_finite_and_alive(self):
        for name in EVERYDAY:
            with self.subTest(name):
                y = generated(name)
                self.assertEqual((tuple(y.shape), y.dtype), ((48, LENGTH), torch.float32))
                self.assertTrue(torch.isfinite(y).all())
                self.assertGreater(alive(Draws(1), y).float().mean().item(), 0.9)

    def test_a_seed_fixes_a_round(self):
        once, again, other = (series_round(seed, 200, families=EVERYDAY) for seed in (3, 3, 4))
        self.assertTrue(torch.equal(once, again))
        self.assertFalse(torch.equal(once[:50], other[:50]))
        self.assertTrue(torch.isfinite(once).all())

    def test_a_hundred_thousand_values_a_second(self):
        series_round(5, 100, families=EVERYDAY)  # the calendar's tables
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        begun = time.process_time()
        values = series_round(5, 1000, families=EVERYDAY).numel()
        speed = values / (time.process_time() - begun)
        torch.set_num_threads(threads)
        print(f"everyday series with their sensors: {speed:,.0f} values a second")
        self.assertGreater(speed, 100_000)


class Seasons(unittest.TestCase):
    def test_series_repeat_at_the_period_they_were_given(self):
        for name in SEASONAL:
            with self.subTest(name):
                y = with_one_period(name, 100)
                there, beside = repetition(y, PERIOD, PERIOD), repetition(y, PERIOD * 3 // 4, PERIOD)
                self.assertGreater((there > beside + 0.05).float().mean().item(), 0.75)

    def test_volatility_follows_the_season(self):
        y = with_one_period("seasonal_volatility", 100)
        swing = (y[:, 1:] - y[:, :-1]).abs().sqrt()
        there, beside = repetition(swing, PERIOD, PERIOD), repetition(swing, PERIOD * 3 // 4, PERIOD)
        self.assertGreater((there > beside + 0.05).float().mean().item(), 0.75)

    def test_a_season_of_whole_rows_without_change_repeats_exactly(self):
        for period in (4.0, 7.0, 24.0, 365.0):
            draws, p = Draws(2), torch.full((50, 1), period)
            y = everyday_parts.profile(draws, everyday_parts.position(draws, 1000, p))
            torch.testing.assert_close(y[:, int(period) :], y[:, : -int(period)], rtol=0, atol=0)

    def test_working_days_repeat_after_a_week(self):
        with mock.patch.object(Draws, "choice", lambda draws, values, *shape: torch.full(shape, values[0])):
            y = generated("weekly_load", rows=60)  # 24 rows a day, one free day
        week, day = repetition(y, 168, 168), repetition(y, 24, 168)
        self.assertGreater((week > 0.4).float().mean().item(), 0.7)
        self.assertGreater((week > day).float().mean().item(), 0.5)

    def test_months_repeat_after_a_year(self):
        draws = Draws(4)
        with mock.patch.object(
            draws, "flags", wraps=lambda chance, *shape: torch.zeros(shape, dtype=torch.bool)
        ):
            y = FAMILIES["monthly_sums"].generate(draws, 60, LENGTH)
        self.assertGreater(repetition(y, 12, 12).median().item(), 0.7)

    def test_nights_are_dark(self):
        y = generated("daylight")
        dark = (y == 0).float().mean(1)
        self.assertGreater(((dark > 0.15) & (dark < 0.85)).float().mean().item(), 0.8)
        self.assertGreaterEqual(y.min().item(), 0)

    def test_kernels_have_their_covariance(self):
        def half(draws, rows, lag):
            return (0.5**lag).expand(rows, lag.shape[1])

        with (
            mock.patch.object(everyday_models, "kernel", half),
            mock.patch.object(everyday_models, "periods", lambda draws, rows: torch.full((rows, 1), 7.0)),
        ):
            y = everyday_models.composed(Draws(1), 4000, 100)
        # 40 % are 0.5**lag or its square, 39 % that times a periodic kernel, 21 % a periodic one alone
        self.assertAlmostEqual((y * y).mean().item(), 1, 1)
        far = (y[:, 70:] * y[:, :-70]).mean(1)
        self.assertAlmostEqual(far.mean().item(), 0.21, 1)
        again = (y[:, 7:] - y[:, :-7]).abs().amax(1) < 1e-3
        self.assertAlmostEqual(again.float().mean().item(), 0.21, 1)

    def test_futures_leave_the_range_of_the_past(self):
        for name in ("growing_season", "strong_trend"):
            y = generated(name, rows=200)
            past, future = y[:, :512], y[:, 512:768]
            above, below = future.amax(1) > past.amax(1), future.amin(1) < past.amin(1)
            self.assertGreater((above | below).float().mean().item(), 0.6, name)


class Counts(unittest.TestCase):
    def test_counts_are_whole_numbers_from_zero_on(self):
        for name in ("seasonal_counts", "intermittent_demand", "arrivals"):
            y = generated(name)
            self.assertTrue(whole(y).all(), name)
            self.assertGreaterEqual(y.min().item(), 0, name)
        self.assertTrue(0.4 < whole(generated("promotions", rows=200)).float().mean().item() < 0.8)

    def test_rare_demand_is_rare(self):
        y = generated("intermittent_demand", rows=200)
        self.assertGreater((y == 0).float().mean(1).median().item(), 0.6)


class Parts(unittest.TestCase):
    def test_carried_is_the_recursion(self):
        x, keep = Draws(1).normal(3, 50).double(), torch.tensor([[0.5], [0.9], [1.0]]).double()
        for lag in (torch.tensor([[1], [1], [1]]), torch.tensor([[2], [7], [12]])):
            expected = x.clone()
            for t in range(50):
                for row in range(3):
                    if t >= lag[row]:
                        expected[row, t] += keep[row, 0] * expected[row, t - lag[row, 0]]
            torch.testing.assert_close(everyday_parts.carried(x, keep, lag), expected)

    def test_easter_falls_on_the_right_days(self):
        days = {1999: 34, 2000: 53, 2008: 22, 2018: 31, 2024: 30, 2025: 50, 2038: 55}  # from 1 March
        self.assertEqual({year: everyday_calendar.easter(year) for year in days}, days)

    def test_months_have_their_days(self):
        days = everyday_calendar.weekdays_of_months().sum(1)
        self.assertEqual(days[12 * 100 : 12 * 101].tolist(), [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
        self.assertEqual(days[1].item(), 28)  # 1900 was no leap year


if __name__ == "__main__":
    unittest.main()
