//! Bootstrap intervals of means of dependent values.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::quantile;

/// Level of the intervals.
const LEVEL: f64 = 0.95;
const RESAMPLES: usize = 2000;

/// A mean with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Computes the mean of a time series with a percentile interval of the circular block bootstrap
/// (Politis & Romano 1992). Blocks of `block` neighbours account for dependence. All `NaN` for no
/// values.
///
/// ```
/// use statecast::metrics::block_bootstrap;
/// let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
/// let estimate = block_bootstrap(&values, 10, 0);
/// assert_eq!(estimate.mean, 4.5);
/// assert!(estimate.low <= 4.5 && estimate.high >= 4.5);
/// ```
pub fn block_bootstrap(values: &[f64], block: usize, seed: u64) -> Estimate {
    let n = values.len();
    let block = block.clamp(1, n.max(1));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let resample = || {
        let mut sum = 0.0;
        let mut taken = 0;
        while taken < n {
            let start = random.random_range(0..n);
            let length = block.min(n - taken);
            sum += (0..length).map(|i| values[(start + i) % n]).sum::<f64>();
            taken += length;
        }
        sum / n as f64
    };
    interval(values.iter().sum::<f64>() / n as f64, resample)
}

/// Computes the mean over series of the series' means, with the interval of a bootstrap over whole
/// series. Empty series are ignored.
pub fn mean_over_series(series: &[Vec<f64>], seed: u64) -> Estimate {
    let means: Vec<f64> = series
        .iter()
        .filter(|values| !values.is_empty())
        .map(|values| values.iter().sum::<f64>() / values.len() as f64)
        .collect();
    block_bootstrap(&means, 1, seed)
}

/// Computes the interquartile mean: a quarter of the values, rounded down, is left out at each end
/// (Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS
/// 2021).
///
/// ```
/// use statecast::metrics::interquartile_mean;
/// assert_eq!(interquartile_mean(&[100.0, 2.0, 1.0, 4.0, -50.0]), 7.0 / 3.0);
/// ```
pub fn interquartile_mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    let middle = &sorted[cut..sorted.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Computes the interquartile mean of runs, with the interval of a bootstrap over them.
pub fn interquartile_over_runs(values: &[f64], seed: u64) -> Estimate {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let n = values.len();
    let resample = || {
        let drawn: Vec<f64> = (0..n).map(|_| values[random.random_range(0..n)]).collect();
        interquartile_mean(&drawn)
    };
    interval(interquartile_mean(values), resample)
}

fn interval(mean: f64, mut resample: impl FnMut() -> f64) -> Estimate {
    if mean.is_nan() {
        return Estimate {
            mean,
            low: mean,
            high: mean,
        };
    }
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    means.sort_by(f64::total_cmp);
    Estimate {
        mean,
        low: quantile(&means, (1.0 - LEVEL) / 2.0),
        high: quantile(&means, (1.0 + LEVEL) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interval of the mean of independent normal values: +-1.96 / sqrt(n).
    #[test]
    fn independent_values_give_the_textbook_interval() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> = (0..2000)
            .map(|_| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0)
            .collect();
        let estimate = block_bootstrap(&values, 1, 2);
        let expected = 2.0 * 1.96 / (2000f64).sqrt();
        assert!(((estimate.high - estimate.low) / expected - 1.0).abs() < 0.1);
    }

    #[test]
    fn blocks_widen_the_interval_of_dependent_values() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from((i / 50) % 2)).collect();
        let width = |block| {
            let e = block_bootstrap(&values, block, 3);
            e.high - e.low
        };
        assert!(width(50) > 3.0 * width(1));
    }

    /// scipy.stats.trim_mean([3, 1, 4, 1.5, 9, 2.6, 5.3, 5.8, 9.7], 0.25), SciPy 1.17.1.
    #[test]
    fn the_interquartile_mean_is_that_of_scipy() {
        let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3, 5.8, 9.7];
        assert!((interquartile_mean(&values) - 4.14).abs() < 1e-12);
        let estimate = interquartile_over_runs(&values, 0);
        assert!(estimate.low < estimate.mean && estimate.mean < estimate.high);
        assert!(estimate.low >= 1.0 && estimate.high <= 9.7);
        let one = interquartile_over_runs(&[2.0], 0);
        assert_eq!((one.low, one.mean, one.high), (2.0, 2.0, 2.0));
        assert!(interquartile_over_runs(&[], 0).mean.is_nan());
    }

    #[test]
    fn nothing_gives_nan() {
        assert!(block_bootstrap(&[], 5, 0).mean.is_nan());
        assert!(mean_over_series(&[vec![]], 0).low.is_nan());
    }
}
