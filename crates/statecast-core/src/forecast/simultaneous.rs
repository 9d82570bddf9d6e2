//! Bands that hold a whole path at once.
//!
//! A pointwise 90 % band holds nine of ten values at every step, but far fewer whole paths: each
//! step is another chance to leave it. The simultaneous band widens the intervals of all steps by
//! one factor, up and down from the median, until they hold the share of whole paths that is wanted:
//! a sup-t band (Montiel Olea & Plagborg-Møller, Simultaneous confidence bands, Journal of Applied
//! Econometrics 34, 2019) whose scales are the pointwise quantiles' distances from the median, so
//! that it follows skewed distributions, and a few paths that run far off do not widen it. Each
//! path's distance counts among the other paths, as in the jackknife: a new path will not have been
//! among those that make the band.
//!
//! Where more paths run off than may be left out, each from steps at which the others lie close
//! together, that factor says nothing of other steps. So it is bounded by what independent normal
//! steps would call for, and beyond that the band is the envelope of its most central paths.
//!
//! Widening to equal ranks instead would need many paths: among a hundred, more than a tenth are
//! the outermost one at some of fifty steps, and the band would be the envelope of all of them.

use std::str::FromStr;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::levels::FewLevels;
use super::{ForecastError, Rollout};
use crate::density::normal_quantile;
use crate::metrics::ordered_quantile;

/// Part of what Bonferroni's inequality leaves to the values outside of a step's ends that bounds the
/// factor. With normal distributions that are known, all of it would hold enough paths; the rest is
/// for quantiles of few paths.
const LEFT_OUTSIDE: f64 = 0.05;

/// A probability strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(f64);

impl Level {
    /// A level.
    ///
    /// # Errors
    /// [`ForecastError::Level`] if it is not between 0 and 1.
    pub fn new(level: f64) -> Result<Self, ForecastError> {
        match level > 0.0 && level < 1.0 {
            true => Ok(Self(level)),
            false => Err(ForecastError::Level(level.to_string())),
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(0.9)
    }
}

impl FromStr for Level {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, ForecastError> {
        let level = text.trim().parse().ok().map(Self::new);
        level
            .and_then(Result::ok)
            .ok_or_else(|| ForecastError::Level(text.to_owned()))
    }
}

/// For each variable by itself, a band that holds its whole path with the probability of a level.
///
/// ```
/// use ndarray::Array3;
/// use statecast::forecast::{Level, Rollout};
/// // Straight lines from 0 with slopes from -1 to 1: whoever is outside is so at all steps.
/// let slope = |path: usize| (path as f64 - 49.5) / 49.5;
/// let paths = Array3::from_shape_fn((100, 5, 1), |(i, h, _)| slope(i) * (h + 1) as f64);
/// let rollout = Rollout { paths, clipped: 0 };
/// let band = rollout.simultaneous(Level::new(0.8)?);
/// assert!((band.high[[0, 0]] - 0.8).abs() < 0.05 && (band.low[[4, 0]] + 4.0).abs() < 0.25);
/// let paths = rollout.paths.outer_iter();
/// let inside = paths.filter(|path| band.holds(path.view()) == [Some(true)]);
/// assert!(inside.count() >= 80);
/// # Ok::<(), statecast::forecast::ForecastError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SimultaneousBand {
    /// Probability that a path lies in the band at all steps.
    pub level: Level,
    /// Lower ends, `[horizon, variables]`.
    pub low: Array2<f64>,
    /// Upper ends.
    pub high: Array2<f64>,
}

impl SimultaneousBand {
    /// Moves ends outwards to levels, of variables that took few in a context `[rows, variables]`: a switch takes
    /// nothing between its levels, nor beyond them.
    pub fn settle_on_levels(&mut self, context: ArrayView2<f64>) {
        FewLevels::of(context).settle_band(self);
    }

    /// Whether the band holds a whole path `[horizon, variables]`, variable by variable; `None`
    /// where the band is not defined, or the path at no step. Single steps at which the path is
    /// `NaN` do not count.
    pub fn holds(&self, path: ArrayView2<f64>) -> Vec<Option<bool>> {
        let inside = |v: usize| {
            let ends = self.low.column(v).into_iter().zip(self.high.column(v));
            let steps = path.column(v).into_iter().zip(ends);
            let mut known = steps.filter(|(x, (low, _))| !x.is_nan() && !low.is_nan());
            let within = |(x, (low, high)): (&f64, (&f64, &f64))| low <= x && x <= high;
            known.next().map(|first| within(first) && known.all(within))
        };
        (0..path.ncols()).map(inside).collect()
    }
}

impl Rollout {
    /// Bands of the variables' whole paths. Every band holds at least that share of the sample
    /// paths, and the pointwise intervals between the quantiles `(1 - level) / 2` and
    /// `(1 + level) / 2`. Paths on which a variable is not defined at some step (`NaN`) do not count
    /// for it; its band is `NaN` where fewer than two are left.
    pub fn simultaneous(&self, level: Level) -> SimultaneousBand {
        let (_, horizon, variables) = self.paths.dim();
        let mut band = SimultaneousBand {
            level,
            low: Array2::from_elem((horizon, variables), f64::NAN),
            high: Array2::from_elem((horizon, variables), f64::NAN),
        };
        for v in 0..variables {
            let paths = self.paths.slice(s![.., .., v]);
            let defined = (0..paths.nrows()).filter(|&i| !paths.row(i).iter().any(|x| x.is_nan()));
            let paths = paths.select(Axis(0), &defined.collect::<Vec<_>>());
            if paths.nrows() > 1 {
                let ends = ends(&paths, level);
                for (h, (low, high)) in ends.into_iter().enumerate() {
                    (band.low[[h, v]], band.high[[h, v]]) = (low, high);
                }
            }
        }
        band
    }
}

/// Ends of a band around at least two paths `[paths, horizon]` of one variable, step by step.
fn ends(paths: &Array2<f64>, level: Level) -> Vec<(f64, f64)> {
    let steps: Vec<Step> = paths
        .columns()
        .into_iter()
        .map(|values| Step::of(values, level))
        .collect();
    let farthest = |path: ArrayView1<f64>| {
        let distances = path
            .into_iter()
            .zip(&steps)
            .map(|(&x, step)| step.distance(x));
        distances.fold(0.0, f64::max)
    };
    let farthest: Vec<f64> = paths.rows().into_iter().map(farthest).collect();
    let mut sorted = farthest.clone();
    sorted.sort_by(f64::total_cmp);
    // With a new path there is one more, and it is as likely to be the k-th farthest as any.
    let wanted = (level.get() * (sorted.len() + 1) as f64).ceil() as usize;
    let reached = sorted[wanted.clamp(1, sorted.len()) - 1];
    let factor = reached.min(largest_factor(level, paths.ncols()));
    let mut ends: Vec<(f64, f64)> = steps.iter().map(|step| step.ends(factor)).collect();
    // The paths that are wanted lie inside, also those that reach beyond that factor.
    let inside = paths.rows().into_iter().zip(&farthest);
    for (path, _) in inside.filter(|(_, far)| **far <= reached) {
        for ((low, high), &x) in ends.iter_mut().zip(path) {
            (*low, *high) = (low.min(x), high.max(x));
        }
    }
    ends
}

/// Most that one factor widens the intervals of all steps.
fn largest_factor(level: Level, steps: usize) -> f64 {
    let level = level.get();
    let outside = LEFT_OUTSIDE * (1.0 - level) / (2 * steps) as f64;
    normal_quantile(1.0 - outside) / normal_quantile(0.5 + level / 2.0)
}

/// The paths' values at one step.
struct Step {
    /// In order.
    sorted: Vec<f64>,
    level: f64,
    interval: Interval,
}

impl Step {
    fn of(values: ArrayView1<f64>, level: Level) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let level = level.get();
        Self {
            interval: Interval::of(sorted.len(), |i| sorted[i], level),
            sorted,
            level,
        }
    }

    /// Distance of one of the values from the median, in units of its side: among all values or,
    /// if that is more, among the others. A new path will not have been among those that make the
    /// band, and would be farther out than these are among themselves.
    fn distance(&self, value: f64) -> f64 {
        let place = self.sorted.partition_point(|&x| x < value);
        let without = |i: usize| self.sorted[i + usize::from(i >= place)];
        let others = Interval::of(self.sorted.len() - 1, without, self.level);
        let among_others = others.distance(value);
        // Where all others are the same, no distance can be given.
        let among_others = if among_others.is_finite() {
            among_others
        } else {
            0.0
        };
        self.interval.distance(value).max(among_others)
    }

    /// The interval out to a distance, at least the pointwise one.
    fn ends(&self, distance: f64) -> (f64, f64) {
        let Interval {
            low,
            median,
            high,
            below,
            above,
        } = self.interval;
        (
            low.min(median - distance * below),
            high.max(median + distance * above),
        )
    }
}

/// The pointwise interval of a step.
struct Interval {
    low: f64,
    median: f64,
    high: f64,
    /// Units of distance below and above the median: those to the interval's ends or, where these
    /// are the median itself, to the outermost values.
    below: f64,
    above: f64,
}

impl Interval {
    /// That of at least one value, given in order by their places.
    fn of(count: usize, at: impl Fn(usize) -> f64, level: f64) -> Self {
        let quantile = |level: f64| ordered_quantile(count, &at, level);
        let (low, high) = (quantile(0.5 - level / 2.0), quantile(0.5 + level / 2.0));
        let median = quantile(0.5);
        let unit = |to_end: f64, to_last: f64| if to_end > 0.0 { to_end } else { to_last };
        Self {
            low,
            median,
            high,
            below: unit(median - low, median - at(0)),
            above: unit(high - median, at(count - 1) - median),
        }
    }

    fn distance(&self, value: f64) -> f64 {
        match value - self.median {
            d if d > 0.0 => d / self.above,
            d if d < 0.0 => -d / self.below,
            _ => 0.0,
        }
    }
}

/// Share of held-out paths that bands have held whole, variable by variable.
///
/// ```
/// use statecast::forecast::WholePaths;
/// let mut held = WholePaths::default();
/// held.add(&[Some(true), Some(false), None]);
/// held.add(&[Some(true), Some(true), None]);
/// let shares = held.shares();
/// assert_eq!(shares[..2], [1.0, 0.5]);
/// assert!(shares[2].is_nan());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WholePaths {
    /// Paths inside and all, one a variable.
    counts: Vec<(usize, usize)>,
}

impl WholePaths {
    /// Adds what [`SimultaneousBand::holds`] says of a path.
    pub fn add(&mut self, held: &[Option<bool>]) {
        self.counts.resize(held.len(), (0, 0));
        for ((inside, all), held) in self.counts.iter_mut().zip(held) {
            *inside += usize::from(*held == Some(true));
            *all += usize::from(held.is_some());
        }
    }

    /// Shares, one a variable; `NaN` where nothing could be said.
    pub fn shares(&self) -> Vec<f64> {
        let counts = self.counts.iter();
        counts
            .map(|&(inside, all)| inside as f64 / all as f64)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::Levels;
    use ndarray::Array3;
    use proptest::prelude::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};
    use statrs::distribution::{ContinuousCDF, Normal};

    fn rollout(paths: Array3<f64>) -> Rollout {
        Rollout { paths, clipped: 0 }
    }

    /// Paths `[paths, steps, 1]` whose values keep a share of the one before: 1 for random walks.
    fn paths(count: usize, steps: usize, kept: f64, random: &mut ChaCha8Rng) -> Array3<f64> {
        let normal = Normal::standard();
        let mut paths = Array3::zeros((count, steps, 1));
        for mut path in paths.outer_iter_mut() {
            let mut x = 0.0;
            for mut step in path.outer_iter_mut() {
                x = kept * x + normal.inverse_cdf(random.random());
                step[0] = x;
            }
        }
        paths
    }

    /// Share of new paths that bands made of others hold whole.
    fn coverage(samples: usize, steps: usize, kept: f64, level: f64) -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let (trials, fresh) = (100, 40);
        let mut inside = 0;
        for _ in 0..trials {
            let sample = rollout(paths(samples, steps, kept, &mut random));
            let band = sample.simultaneous(Level::new(level).unwrap());
            let new = paths(fresh, steps, kept, &mut random);
            inside += new
                .outer_iter()
                .filter(|path| band.holds(path.view())[0] == Some(true))
                .count();
        }
        inside as f64 / (trials * fresh) as f64
    }

    /// Distances of paths from quantiles to which they had contributed themselves gave 0.77 for 0.8.
    #[test]
    fn bands_of_random_walks_hold_new_walks() {
        for (samples, level) in [(100, 0.9), (50, 0.8), (400, 0.9)] {
            let share = coverage(samples, 50, 1.0, level);
            assert!((share - level).abs() < 0.03, "{samples} {level} {share}");
        }
    }

    /// The outermost of a hundred values at each of fifty steps are not enough for nine of ten
    /// paths of noise: ranks within the sample gave a band that held a third of new ones.
    #[test]
    fn bands_of_noise_hold_new_noise() {
        let share = coverage(100, 50, 0.0, 0.9);
        assert!((0.85..0.96).contains(&share), "{share}");
    }

    #[test]
    fn undefined_paths_do_not_count() {
        let mut paths = Array3::from_shape_fn((20, 2, 1), |(i, h, _)| (i * (h + 1)) as f64);
        let whole =
            rollout(paths.slice(s![..19, .., ..]).to_owned()).simultaneous(Level::default());
        paths[[19, 1, 0]] = f64::NAN;
        assert_eq!(rollout(paths.clone()).simultaneous(Level::default()), whole);
        paths.fill(f64::NAN);
        let none = rollout(paths.clone()).simultaneous(Level::default());
        assert!(none.low[[0, 0]].is_nan());
        assert_eq!(none.holds(paths.index_axis(Axis(0), 0)), [None]);
        assert_eq!(whole.holds(paths.index_axis(Axis(0), 0)), [None]);
    }

    /// The factor by which one step had to be widened widened the steps at which many had run off: bands
    /// were many times as wide as all paths together.
    #[test]
    fn paths_that_run_off_one_after_the_other_do_not_widen_the_band_beyond_them() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut mixed = |count: usize| {
            let mut paths = 0.01 * paths(count, 50, 0.0, &mut random);
            for mut path in paths.outer_iter_mut().step_by(8) {
                let (start, slope) = (random.random_range(0..40), random.random::<f64>() - 0.5);
                for h in start..50 {
                    path[[h, 0]] += slope * (h - start) as f64;
                }
            }
            rollout(paths)
        };
        let (mut inside, mut fresh) = (0, 0);
        for _ in 0..20 {
            let sample = mixed(100);
            let band = sample.simultaneous(Level::default());
            for h in 0..50 {
                let values = sample.paths.slice(s![.., h, 0]);
                let range = |sign: f64| values.iter().map(|x| sign * x).fold(f64::MIN, f64::max);
                let width = band.high[[h, 0]] - band.low[[h, 0]];
                assert!(width < 3.0 * (range(1.0) + range(-1.0)), "{h}: {width}");
            }
            let new = mixed(80).paths;
            fresh += 80;
            let held = |path: &ArrayView2<f64>| band.holds(*path)[0] == Some(true);
            inside += new.outer_iter().filter(held).count();
        }
        let share = inside as f64 / f64::from(fresh);
        assert!((0.85..0.96).contains(&share), "{share}");
    }

    /// Ranks made the band the envelope of all paths where a few ran off.
    #[test]
    fn a_few_paths_that_run_off_do_not_widen_the_band() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut paths = paths(100, 30, 0.0, &mut random);
        let calm = rollout(paths.clone()).simultaneous(Level::default());
        paths
            .slice_mut(s![..4, 15.., ..])
            .mapv_inplace(|x| x + 100.0);
        let band = rollout(paths).simultaneous(Level::default());
        assert!(band.high[[29, 0]] < 2.0 * calm.high[[29, 0]]);
    }

    #[test]
    fn levels_are_between_zero_and_one() {
        assert_eq!("0.8".parse::<Level>().unwrap().get(), 0.8);
        for bad in ["0", "1", "-0.5", "90", "nan", "", "x"] {
            let error = bad.parse::<Level>().unwrap_err().to_string();
            assert!(error.contains("between 0 and 1"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn bands_hold_the_share_of_paths_and_the_pointwise_intervals(
            values in prop::collection::vec(prop_oneof![-5.0..5.0f64, Just(0.0), Just(1.0)], 12..120),
            level in 0.05..0.99f64,
        ) {
            let steps = 4;
            let count = values.len() / steps;
            let sample = Array3::from_shape_fn((count, steps, 1), |(i, h, _)| values[i * steps + h]);
            let sample = rollout(sample);
            let band = sample.simultaneous(Level::new(level).unwrap());
            let inside = sample.paths.outer_iter().filter(|path| band.holds(path.view())[0] == Some(true));
            prop_assert!(inside.count() as f64 >= level * count as f64);
            let ends = vec![0.5 - level / 2.0, 0.5 + level / 2.0];
            let pointwise = sample.summary(&Levels::new(ends).unwrap()).quantiles;
            for h in 0..steps {
                prop_assert!(band.low[[h, 0]] <= pointwise[0][[h, 0]]);
                prop_assert!(band.high[[h, 0]] >= pointwise[1][[h, 0]]);
            }
        }
    }
}
