//! Bands that hold a whole path at once.
//!
//! A pointwise 90 % band holds nine of ten values at every step, but far fewer whole paths: each
//! step is another chance to leave it. The simultaneous band widens all steps' intervals equally in
//! rank until it holds the share of whole paths that is wanted (the calibrated quantiles of Montiel
//! Olea & Plagborg-Møller, Simultaneous confidence bands, Journal of Applied Econometrics 34, 2019).
//! Ranks are log-odds here, which go on beyond the outermost paths. A path that is the outermost at
//! a step is ranked by the others, as it was not at hand to be ranked by itself: otherwise bands of
//! many steps would hold the paths from which they are made, but no new one.

use std::str::FromStr;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::sample_distribution::{SampleDistribution, log_odds};
use super::summary::sorted_quantile;
use super::{ForecastError, Rollout};

/// By how much the widening exceeds that of the path that decides it, so that rounding does not
/// put the path outside.
const ROUNDING: f64 = 1e-9;

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
/// use ndarray::{Array3, s};
/// use statecast::forecast::{Level, Rollout};
/// // Straight lines from 0 with slopes from -1 to 1: whoever is outside is so at all steps.
/// let slope = |path: usize| (path as f64 - 49.5) / 49.5;
/// let paths = Array3::from_shape_fn((100, 5, 1), |(i, h, _)| slope(i) * (h + 1) as f64);
/// let rollout = Rollout { paths, saturated: 0 };
/// let band = rollout.simultaneous(Level::new(0.8)?);
/// assert!((band.high[[0, 0]] - 0.8).abs() < 0.03 && (band.low[[4, 0]] + 4.0).abs() < 0.15);
/// let inside = |path| band.holds(path)[0];
/// let share = rollout.paths.outer_iter().filter(|path| inside(path.view())).count();
/// assert!(share >= 80);
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
    /// Whether the band holds a whole path `[horizon, variables]`, variable by variable. Steps at
    /// which the path is `NaN` do not count.
    pub fn holds(&self, path: ArrayView2<f64>) -> Vec<bool> {
        let inside = |v: usize| {
            let steps = path.column(v).into_iter();
            let ends = self.low.column(v).into_iter().zip(self.high.column(v));
            let mut steps = steps.zip(ends).filter(|(x, _)| !x.is_nan());
            steps.all(|(x, (low, high))| low <= x && x <= high)
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
    let level = level.get();
    let steps: Vec<Step> = paths.columns().into_iter().map(Step::of).collect();
    let mut farthest: Vec<f64> = paths
        .rows()
        .into_iter()
        .map(|path| {
            let ranks = path.iter().zip(&steps).map(|(&x, step)| step.rank(x));
            ranks.fold(0.0, f64::max)
        })
        .collect();
    farthest.sort_by(f64::total_cmp);
    // With a new path there is one more, and it is as likely to be the k-th farthest as any.
    let wanted = (level * (farthest.len() + 1) as f64).ceil() as usize;
    let decides = farthest[wanted.clamp(1, farthest.len()) - 1];
    let rank = decides.max(log_odds(0.5 + level / 2.0)) * (1.0 + ROUNDING);
    steps.iter().map(|step| step.ends(rank, level)).collect()
}

/// The paths' values at one step.
struct Step {
    /// In order.
    sorted: Vec<f64>,
    /// `None` if all are the same.
    all: Option<SampleDistribution>,
    /// That of all but the lowest and of all but the highest, where these are alone.
    without_ends: [Option<SampleDistribution>; 2],
}

impl Step {
    fn of(values: ArrayView1<f64>) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let distribution = |values: &[f64]| SampleDistribution::of(ArrayView1::from(values));
        let lowest = (sorted[0] < sorted[1]).then(|| distribution(&sorted[1..]));
        let highest = (sorted[last] > sorted[last - 1]).then(|| distribution(&sorted[..last]));
        Self {
            all: distribution(&sorted),
            without_ends: [lowest.flatten(), highest.flatten()],
            sorted,
        }
    }

    /// How far out one of the values lies, as the size of its log-odds.
    fn rank(&self, value: f64) -> f64 {
        let rank = |of: &Option<SampleDistribution>| {
            of.as_ref().map_or(0.0, |of| of.log_odds(value).abs())
        };
        let [lowest, highest] = &self.without_ends;
        let by_others = match value {
            x if x == self.sorted[0] => rank(lowest),
            x if x == self.sorted[self.sorted.len() - 1] => rank(highest),
            _ => 0.0,
        };
        rank(&self.all).max(by_others)
    }

    /// The interval out to a rank, at least that between the level's quantiles.
    fn ends(&self, rank: f64, level: f64) -> (f64, f64) {
        let quantile = |level: f64| sorted_quantile(&self.sorted, level);
        let (low, high) = (quantile(0.5 - level / 2.0), quantile(0.5 + level / 2.0));
        match &self.all {
            Some(all) => (low.min(all.value(-rank)), high.max(all.value(rank))),
            None => (low, high),
        }
    }
}

/// Share of held-out paths that bands have held whole, variable by variable.
///
/// ```
/// use ndarray::array;
/// use statecast::forecast::WholePaths;
/// let mut held = WholePaths::default();
/// held.add(&[true, false]);
/// held.add(&[true, true]);
/// assert_eq!(held.shares(), array![1.0, 0.5]);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WholePaths {
    inside: Vec<usize>,
    paths: usize,
}

impl WholePaths {
    /// Adds what [`SimultaneousBand::holds`] says of a path.
    pub fn add(&mut self, held: &[bool]) {
        self.inside.resize(held.len(), 0);
        let counts = self.inside.iter_mut().zip(held);
        counts.for_each(|(count, &held)| *count += usize::from(held));
        self.paths += 1;
    }

    /// Shares `[variables]`; empty if no path was added.
    pub fn shares(&self) -> Array1<f64> {
        let counts = self.inside.iter();
        counts.map(|&n| n as f64 / self.paths as f64).collect()
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
        Rollout {
            paths,
            saturated: 0,
        }
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
                .filter(|path| band.holds(path.view())[0])
                .count();
        }
        inside as f64 / (trials * fresh) as f64
    }

    #[test]
    fn bands_of_random_walks_hold_new_walks() {
        for (samples, level) in [(100, 0.9), (50, 0.8), (400, 0.9)] {
            let share = coverage(samples, 50, 1.0, level);
            assert!((share - level).abs() < 0.03, "{samples} {level} {share}");
        }
    }

    /// The outermost of a hundred values at each of fifty steps are not enough for nine of ten
    /// paths of noise: ranks within the sample alone gave a band that held a third of new ones.
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
        assert!(rollout(paths).simultaneous(Level::default()).low[[0, 0]].is_nan());
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
            let inside = sample.paths.outer_iter().filter(|path| band.holds(path.view())[0]);
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
