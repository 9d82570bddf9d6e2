//! Ranking metrics of estimates against true values.

use super::Value;
use crate::metrics::{range, regret, spearman};

/// Accuracy and ranking of an estimator's values against the truth.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RankingMetrics {
    /// Number of policies with a true value and an estimate.
    pub policies: usize,
    /// Mean absolute error.
    pub error: f64,
    /// Mean absolute error relative to the range of the true values; NaN if these are all equal.
    pub relative: f64,
    /// Spearman's rank correlation.
    pub spearman: f64,
    /// Regret of the policy with the highest estimate, relative to the range of the true values.
    pub regret_1: f64,
    /// Regret of the best of the three policies with the highest estimates, relative to that range.
    pub regret_3: f64,
    /// Regret of the best of the five policies with the highest estimates, relative to that range.
    pub regret_5: f64,
    /// SharpeRatio@3 (Kiyohara et al., ICLR 2024): the value of the best of the three policies with the highest
    /// estimates above that of the behaviour policies, per standard deviation of the three's values.
    pub sharpe_3: f64,
    /// Number of policies whose 90 % interval covers the truth.
    pub covered: usize,
}

/// Computes the metrics of pairs of estimate and truth. `all` are the true values of all policies,
/// whose range is the unit of relative errors, `behaviour` is the mean return of the behaviour policies. Returns `None`
/// for fewer than two pairs.
///
/// ```
/// use statecast::evaluation::{Value, ranking_metrics};
/// let value = |mean| Value::new(mean, 1.0, 10.0);
/// let found = ranking_metrics(&[(value(1.0), 0.0), (value(4.0), 10.0)], &[0.0, 10.0], 4.0).unwrap();
/// assert_eq!((found.error, found.relative, found.covered), (3.5, 0.35, 1));
/// assert_eq!(found.sharpe_3, 6.0 / 5.0); // (10 - 4) / 5
/// ```
pub fn ranking_metrics(
    pairs: &[(Value, f64)],
    all: &[f64],
    behaviour: f64,
) -> Option<RankingMetrics> {
    if pairs.len() < 2 {
        return None;
    }
    let estimated: Vec<f64> = pairs.iter().map(|(value, _)| value.mean).collect();
    let truth: Vec<f64> = pairs.iter().map(|&(_, truth)| truth).collect();
    let errors = pairs
        .iter()
        .map(|(value, truth)| (value.mean - truth).abs());
    let error = errors.sum::<f64>() / pairs.len() as f64;
    // Values that differ only by rounding have no range.
    let largest = all.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let unit = Some(range(all)).filter(|unit| *unit > 1e-9 * largest);
    let share = |of: f64| if unit.is_some() { of } else { f64::NAN };
    Some(RankingMetrics {
        policies: pairs.len(),
        error,
        relative: unit.map_or(f64::NAN, |unit| error / unit),
        spearman: spearman(&estimated, &truth),
        regret_1: share(regret(&estimated, &truth, 1)),
        regret_3: share(regret(&estimated, &truth, 3)),
        regret_5: share(regret(&estimated, &truth, 5)),
        sharpe_3: sharpe_ratio(&estimated, &truth, 3, behaviour),
        covered: pairs
            .iter()
            .filter(|(value, truth)| value.covers(*truth))
            .count(),
    })
}

/// Returns the true value of the best of the `k` policies with the highest estimates above that of the behaviour policy,
/// per standard deviation of the true values of the `k`: what choosing them earns for its risk. NaN if these are equal.
fn sharpe_ratio(estimated: &[f64], truth: &[f64], k: usize, behaviour: f64) -> f64 {
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| estimated[b].total_cmp(&estimated[a]));
    let chosen: Vec<f64> = order.iter().take(k).map(|&policy| truth[policy]).collect();
    let mean = chosen.iter().sum::<f64>() / chosen.len().max(1) as f64;
    let squares: f64 = chosen.iter().map(|value| (value - mean).powi(2)).sum();
    let std = (squares / chosen.len().max(1) as f64).sqrt();
    let best = chosen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match std > 0.0 {
        true => (best - behaviour) / std,
        false => f64::NAN,
    }
}
