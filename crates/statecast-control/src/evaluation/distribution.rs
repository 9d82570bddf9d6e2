//! The distribution of a policy's returns over episodes.

use super::value::{NORMAL_REACH, groups, variance};
use super::{Path, SimulatedReturn, Value};
use crate::metrics::quantile;

/// Share of the worst episodes.
const WORST: f64 = 0.1;

/// How a policy's returns differ from episode to episode, each number with a 90 % interval of its own uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ReturnDistribution {
    /// The return that 10 % of the episodes fall short of.
    pub quantile_10: Value,
    /// Median return.
    pub median: Value,
    /// Mean return of the worst 10 % of the episodes: the conditional value at risk.
    pub cvar_10: Value,
    /// Probability that an episode terminates before the horizon.
    pub termination: Value,
    /// Probability that an episode reaches a failure before the horizon, where failures are known.
    pub failure: Option<Value>,
}

/// The same numbers of known returns.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ReturnStatistics {
    /// The return that 10 % of the episodes fall short of.
    pub quantile_10: f64,
    /// Median return.
    pub median: f64,
    /// Mean return of the worst 10 % of the episodes.
    pub cvar_10: f64,
    /// Share of the episodes that terminate before the horizon.
    pub termination: f64,
    /// Share of the episodes that reach a failure, where failures are known.
    pub failure: Option<f64>,
}

impl ReturnStatistics {
    /// Returns the statistics of some episodes.
    pub fn of(episodes: &[SimulatedReturn]) -> Self {
        let mut returns: Vec<f64> = episodes.iter().map(|episode| episode.value).collect();
        returns.sort_by(f64::total_cmp);
        let share = |ends: &dyn Fn(&SimulatedReturn) -> bool| {
            let count = episodes.iter().filter(|episode| ends(episode)).count();
            count as f64 / episodes.len().max(1) as f64
        };
        let known = episodes.iter().all(|episode| episode.failed.is_some());
        Self {
            quantile_10: quantile(&returns, WORST),
            median: quantile(&returns, 0.5),
            cvar_10: worst_mean(&returns),
            termination: share(&|episode| episode.terminated),
            failure: known.then(|| share(&|episode| episode.failed == Some(true))),
        }
    }
}

impl ReturnDistribution {
    /// Estimates the distribution from imagined paths and the probability of each that it has terminated, and failed. As for the
    /// mean ([`Value::of_paths`]), models are assumed to differ from the truth as they differ from each other. Returns
    /// `None` for fewer than two models.
    pub fn of(paths: &[Path], terminated: &[f64], failed: Option<&[f64]>) -> Option<Self> {
        let returns = by_model(paths, |path| paths[path].value);
        if returns.len() < 2 {
            return None;
        }
        let of_returns = |statistic: fn(&[f64]) -> f64| between(&returns, statistic);
        Some(Self {
            quantile_10: of_returns(|sorted| quantile(sorted, WORST)),
            median: of_returns(|sorted| quantile(sorted, 0.5)),
            cvar_10: of_returns(worst_mean),
            termination: probability(paths, terminated),
            failure: failed.map(|failed| probability(paths, failed)),
        })
    }

    /// Widens the intervals of returns by an independent error with this standard deviation.
    pub fn widen_by(self, std: f64) -> Self {
        Self {
            quantile_10: self.quantile_10.widen_by(std),
            median: self.median.widen_by(std),
            cvar_10: self.cvar_10.widen_by(std),
            ..self
        }
    }

    /// Cuts the intervals of probabilities off at 0 and 1.
    pub(super) fn within_bounds(self) -> Self {
        let cut = |value: Value| Value {
            low: value.low.clamp(0.0, 1.0),
            high: value.high.clamp(0.0, 1.0),
            ..value
        };
        Self {
            termination: cut(self.termination),
            failure: self.failure.map(cut),
            ..self
        }
    }

    /// Returns the mixture of several estimates of one distribution, by their weights; `None` if these are all zero.
    pub fn combined(all: &[(f64, Self)]) -> Option<Self> {
        let total: f64 = all.iter().map(|(weight, _)| weight).sum();
        if total <= 0.0 {
            return None;
        }
        let of = |part: fn(&Self) -> Value| {
            mixture(&all.iter().map(|(w, d)| (*w, part(d))).collect::<Vec<_>>())
        };
        let failures = all.iter().filter_map(|(w, d)| Some((*w, d.failure?)));
        let failures: Vec<(f64, Value)> = failures.collect();
        Some(Self {
            quantile_10: of(|d| d.quantile_10),
            median: of(|d| d.median),
            cvar_10: of(|d| d.cvar_10),
            termination: of(|d| d.termination),
            failure: failures
                .iter()
                .any(|(weight, _)| *weight > 0.0)
                .then(|| mixture(&failures)),
        })
    }
}

/// Returns the mixture of several values by their weights, not all zero.
fn mixture(all: &[(f64, Value)]) -> Value {
    let total: f64 = all.iter().map(|(weight, _)| weight).sum();
    let weighted = |of: &dyn Fn(Value) -> f64| {
        let terms = all.iter().map(|(weight, value)| weight * of(*value));
        terms.sum::<f64>() / total
    };
    let mean = weighted(&|value| value.mean);
    let square = |value: Value| value.error.powi(2) + (value.mean - mean).powi(2);
    let error = weighted(&square).sqrt();
    let reach = |value: Value| match value.error > 0.0 {
        true => (value.high - value.mean) / value.error,
        false => NORMAL_REACH,
    };
    let reach = weighted(&reach) * error;
    Value {
        mean,
        error,
        low: mean - reach,
        high: mean + reach,
    }
}

/// Returns the mean of the paths' probabilities of an event, with an interval that may leave 0 to 1. Beside the difference
/// of models, the number of paths counts: with one more that has the event and one more that has not, so that events of
/// which there is none yet are not impossible.
fn probability(paths: &[Path], of: &[f64]) -> Value {
    let value = between(&by_model(paths, |path| of[path]), mean);
    let count = of.len() as f64 + 2.0;
    let share = (of.iter().sum::<f64>() + 1.0) / count;
    value.with_error(value.error.hypot((share * (1.0 - share) / count).sqrt()))
}

/// Returns numbers of the paths of each model, in order of size.
fn by_model(paths: &[Path], of: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
    let numbered: Vec<Path> = (0..paths.len())
        .map(|path| Path {
            value: of(path),
            ..paths[path]
        })
        .collect();
    let mut groups = groups(&numbered, |path| path.model);
    groups.iter_mut().for_each(|g| g.sort_by(f64::total_cmp));
    groups
}

/// Returns a statistic of all models' values, with the error of one more model.
fn between(groups: &[Vec<f64>], statistic: impl Fn(&[f64]) -> f64) -> Value {
    let found: Vec<f64> = groups.iter().map(|group| statistic(group)).collect();
    let count = found.len() as f64;
    let error = (variance(&found) * (1.0 + 1.0 / count)).sqrt();
    let mut all = groups.concat();
    all.sort_by(f64::total_cmp);
    Value::new(statistic(&all), error, count - 1.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Returns the mean of the lowest tenth of sorted values, of which one may count in part.
fn worst_mean(sorted: &[f64]) -> f64 {
    let count = WORST * sorted.len() as f64;
    let weight = |rank: usize| (count - rank as f64).clamp(0.0, 1.0);
    let terms = sorted
        .iter()
        .enumerate()
        .map(|(rank, value)| weight(rank) * value);
    terms.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: probabilities of a mixture left 0 to 1, or had no width where a part was cut off at 1; events of which no path
    /// has one were impossible.
    #[test]
    fn probabilities_keep_their_width_until_they_are_cut() {
        let paths: Vec<Path> = (0..20)
            .map(|path| Path {
                model: path % 2,
                start: path,
                value: 0.0,
            })
            .collect();
        let of = |share: [f64; 2]| {
            let events: Vec<f64> = paths.iter().map(|path| share[path.model]).collect();
            let found = ReturnDistribution::of(&paths, &events, None).unwrap();
            let mixed = ReturnDistribution::combined(&[(1.0, found), (1.0, found)]).unwrap();
            assert!((mixed.termination.low - found.termination.low).abs() < 1e-9);
            mixed.within_bounds().termination
        };
        let often = of([0.9, 1.0]);
        assert!(often.low < 0.6 && often.high == 1.0, "{often:?}");
        let never = of([0.0, 0.0]);
        assert_eq!((never.mean, never.low), (0.0, 0.0));
        assert!(never.high > 0.05, "{never:?}");
    }

    /// Returns 1 to 100 of each of two models, the second's one higher.
    #[test]
    fn statistics_of_known_returns() {
        let path = |model: usize, rank: usize| Path {
            model,
            start: rank,
            value: (rank + model) as f64,
        };
        let paths: Vec<Path> = (0..2)
            .flat_map(|model| (1..=100).map(move |rank| path(model, rank)))
            .collect();
        let ends: Vec<f64> = paths.iter().map(|p| f64::from(p.start <= 25)).collect();
        let found = ReturnDistribution::of(&paths, &ends, Some(&ends)).unwrap();
        assert!((found.median.mean - 51.0).abs() < 1e-9, "{found:?}");
        assert!((found.quantile_10.mean - 11.0).abs() < 1e-9, "{found:?}");
        // 1, 2, 2, 3, 3, ..., 10, 10, 11.
        assert!((found.cvar_10.mean - 6.0).abs() < 1e-9, "{found:?}");
        let binomial = (51.0 / 202.0 * (151.0 / 202.0) / 202.0f64).sqrt();
        assert_eq!(found.termination.mean, 0.25);
        assert!((found.termination.error - binomial).abs() < 1e-12);
        assert_eq!(found.failure, Some(found.termination));
        assert!((worst_mean(&[1.0, 4.0, 5.0, 6.0, 7.0, 8.0]) - 1.0).abs() < 1e-12);
        let mixed = ReturnDistribution::combined(&[(1.0, found), (3.0, found)]).unwrap();
        assert!((mixed.median.high - found.median.high).abs() < 1e-9);
        // Two models that differ by 1: variance 1/2, and half of it once more.
        assert!((found.median.error - 0.75f64.sqrt()).abs() < 1e-9);
        assert_eq!(
            ReturnDistribution::of(&paths[..100], &ends[..100], None),
            None
        );
    }
}
