//! Estimated values of policies.

use std::path::Path;

use serde::Serialize;

use crate::evaluation::{
    Combined, EstimateOfKind, Estimator, EstimatorKind, Path as EpisodePath, RankingMetrics,
    RecommendedEstimator, ReturnDistribution, ReturnStatistics, Selection, Value, leading,
    ranking_metrics,
};
use crate::output::{Column, OutputError, Table, number, numbers};

/// One estimate of one policy's value.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyEstimate {
    /// Name of the policy.
    pub policy: String,
    /// Name of the estimator.
    pub estimator: &'static str,
    /// The value; `None` where the estimator is not applicable.
    pub value: Option<Value>,
    /// Mean number of steps of imagined paths.
    pub length: Option<f64>,
    /// Number of clipped values on the paths.
    pub clipped: Option<usize>,
    /// Discounted share of the imagined steps, or of the policy's actions at recorded states, that the recordings do not
    /// cover.
    pub uncovered: Option<f64>,
    /// Weight in the combination.
    pub weight: Option<f64>,
    /// Effective number of runs of importance sampling.
    pub effective_runs: Option<f64>,
    /// Mean probability ratio of importance sampling, if it is significantly below 1.
    pub too_small_ratio: Option<f64>,
    /// Standard deviation of the estimator's errors for the recorded policies beyond their stated
    /// uncertainty.
    pub misspecification_error: Option<f64>,
    /// Standard deviation of the error that steps outside of the recordings add.
    pub support_error: f64,
    /// Share of the variance of states that the model does not predict over the steps that count, by its errors at
    /// recorded steps; for rollouts.
    pub unpredicted: Option<f64>,
    /// Error that the model's errors at recorded steps add to the return, by the policy's value functions; for rollouts
    /// beside fitted Q evaluation.
    pub value_error: Option<f64>,
    /// Distribution of the returns, from two or more models.
    pub distribution: Option<ReturnDistribution>,
    /// Returns of imagined paths, or values of starts, in an order that is the same for all policies.
    #[serde(skip)]
    pub paths: Vec<EpisodePath>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Actual and estimated returns of a recorded policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedPolicy {
    /// Name of the recording.
    pub name: String,
    /// Actual mean return from its own starts over `steps` steps.
    pub actual: Value,
    /// Horizon of the return, in steps.
    pub steps: usize,
    /// Estimates of the return, one per estimator; `None` where not applicable.
    pub imagined: Vec<Option<Value>>,
}

/// Estimated values of policies, beside actual returns of the recorded ones and true values where these are known.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyValues {
    /// Names of the policies.
    pub policies: Vec<String>,
    /// The estimators.
    pub estimators: Vec<Estimator>,
    /// Estimates, estimator by estimator, each of all policies.
    pub estimates: Vec<PolicyEstimate>,
    /// True values per policy, with an interval if simulated.
    pub truth: Vec<Option<Value>>,
    /// Statistics of true returns per policy, if simulated.
    pub true_returns: Vec<Option<ReturnStatistics>>,
    /// Mean returns of the policies' own recordings, where these cover the horizon.
    pub recorded_returns: Vec<Option<Value>>,
    /// Steps of an episode.
    pub horizon: usize,
    /// Recorded policies.
    pub recorded: Vec<RecordedPolicy>,
}

impl PolicyValues {
    /// Returns an estimator's values, one per policy.
    ///
    /// # Panics
    /// If there are not so many estimators.
    pub fn of(&self, estimator: usize) -> Vec<Option<Value>> {
        let count = self.policies.len();
        let estimates = self.estimates[estimator * count..].iter().take(count);
        estimates.map(|estimate| estimate.value).collect()
    }

    /// Returns the combination of the estimators with its error for the recorded policies, or without it the estimator
    /// with the smallest.
    pub fn candidate(&self) -> Option<RecommendedEstimator> {
        let actual: Vec<Value> = self.recorded.iter().map(|r| r.actual).collect();
        let combined = |estimator: &Estimator| *estimator == Estimator::Combined;
        if let Some(place) = self.estimators.iter().position(combined) {
            let estimates = self.recorded.iter().map(|r| vec![r.imagined[place]]);
            if let Some(found) = RecommendedEstimator::of(&actual, &estimates.collect::<Vec<_>>()) {
                return Some(RecommendedEstimator {
                    estimator: place,
                    ..found
                });
            }
        }
        let estimates: Vec<_> = self.recorded.iter().map(|r| r.imagined.clone()).collect();
        RecommendedEstimator::of(&actual, &estimates)
    }

    /// Returns the [candidate](Self::candidate) if it is reliable.
    pub fn recommended(&self) -> Option<Estimator> {
        let candidate = self.candidate().filter(RecommendedEstimator::is_reliable)?;
        Some(self.estimators[candidate.estimator])
    }

    /// States the recommended estimator and the best policy by it, one line each.
    pub fn verdict(&self) -> Vec<String> {
        let Some(found) = self.candidate() else {
            return vec![
                "No estimator is recommended: none has estimates for all recorded policies."
                    .to_owned(),
            ];
        };
        let name = self.estimators[found.estimator];
        let Some(baseline) = found.baseline else {
            return vec![format!(
                "No estimator is recommended: one recording does not suffice. The error of {name} is {}.",
                number(found.error, 1)
            )];
        };
        let [error, baseline] = numbers([found.error, baseline], 1);
        if !found.is_reliable() {
            return vec![format!(
                "No estimator is recommended: the error of {name} for the recorded policies is {error}; that of the mean is {baseline}."
            )];
        }
        let mut lines = vec![format!(
            "Recommended: {name}, with an error of {error} for the recorded policies ({baseline} for the mean)."
        )];
        if let Some((best, alike)) = leading(&self.of(found.estimator))
            && self.policies.len() > 1
        {
            let alike: Vec<&str> = alike.iter().map(|&i| self.policies[i].as_str()).collect();
            let best = &self.policies[best];
            lines.push(match alike.is_empty() {
                true => format!("By its estimates, {best} is the best policy."),
                false => format!(
                    "By its estimates, {best} has the highest value, but its interval overlaps with {}.",
                    alike.join(", ")
                ),
            });
        }
        lines
    }

    /// Returns the distributions of single returns by the first estimator that has any, with what a simulator gave, by
    /// policy.
    pub fn distributions(&self) -> Vec<(&str, ReturnDistribution, Option<ReturnStatistics>)> {
        let mut all = self.estimates.chunks(self.policies.len().max(1));
        let first = all.find(|all| all.iter().any(|estimate| estimate.distribution.is_some()));
        let beside = first.into_iter().flatten().zip(&self.true_returns);
        beside
            .filter_map(|(estimate, truth)| {
                Some((estimate.policy.as_str(), estimate.distribution?, *truth))
            })
            .collect()
    }

    /// Whether the distributions say how likely a failure is.
    pub fn failures_are_known(&self) -> bool {
        let mut all = self.distributions().into_iter();
        all.any(|(_, found, _)| found.failure.is_some())
    }

    /// Returns the share of variance that an estimator's model does not predict.
    pub(super) fn unpredicted(&self, estimator: usize) -> f64 {
        let first = self.estimates.get(estimator * self.policies.len());
        first
            .and_then(|estimate| estimate.unpredicted)
            .unwrap_or(0.0)
    }

    /// Returns the difference of two policies' values by one estimator: paths of the same model and start are paired.
    /// Each policy's errors of misspecification and support widen the interval.
    fn difference_by(&self, estimator: usize, policy: usize, incumbent: usize) -> Option<Value> {
        let count = self.policies.len();
        let of = |policy: usize| &self.estimates[estimator * count + policy];
        let (own, other) = (of(policy), of(incumbent));
        let (value, reference) = (own.value?, other.value?);
        let alike = own.paths.len() == other.paths.len() && !own.paths.is_empty();
        let pairs = own.paths.iter().zip(&other.paths);
        let is_pair =
            |(a, b): (&EpisodePath, &EpisodePath)| (a.model, a.start) == (b.model, b.start);
        if !alike || !pairs.clone().all(is_pair) {
            return Some(minus(value, reference));
        }
        let differences: Vec<EpisodePath> = pairs
            .map(|(a, b)| EpisodePath {
                value: a.value - b.value,
                ..*a
            })
            .collect();
        let shared = |e: &PolicyEstimate| {
            e.misspecification_error
                .unwrap_or(0.0)
                .hypot(e.support_error)
        };
        let found = Value::of_paths(&differences);
        Some(found.widen_by(shared(own)).widen_by(shared(other)))
    }

    /// Returns the difference of two policies' values by all estimators, weighted by their precisions.
    pub fn difference(&self, policy: usize, incumbent: usize) -> Option<Value> {
        let parts = (0..self.estimators.len()).filter(|&e| self.estimators[e].is_checked());
        let of = |estimator: usize| {
            let difference = self.difference_by(estimator, policy, incumbent);
            let unpredicted = self.unpredicted(estimator);
            EstimateOfKind {
                kind: self.estimators[estimator].kind(),
                value: difference,
                unpredicted,
            }
        };
        let mut found: Vec<EstimateOfKind> = parts.map(of).collect();
        if let [Some(own), Some(other)] = [policy, incumbent].map(|p| self.recorded_returns[p]) {
            found.push(EstimateOfKind {
                kind: EstimatorKind::Returns,
                value: Some(minus(own, other)),
                unpredicted: 0.0,
            });
        }
        Combined::of_kinds(&found).map(|combined| combined.value)
    }

    /// Selects the policies that are better than an incumbent, whose index is given.
    pub fn better_than(&self, incumbent: usize, false_discovery_rate: f64) -> Selection {
        let others = (0..self.policies.len()).filter(|&policy| policy != incumbent);
        let differences = others.map(|policy| {
            let difference = self.difference(policy, incumbent);
            (self.policies[policy].clone(), difference)
        });
        Selection::of(
            self.policies[incumbent].clone(),
            differences.collect(),
            false_discovery_rate,
        )
    }

    /// Returns the ranking metrics of each estimator by name, where two or more true values are known.
    pub fn rankings(&self) -> Vec<(&'static str, RankingMetrics)> {
        let known: Vec<f64> = self.truth.iter().flatten().map(|t| t.mean).collect();
        // Returns over fewer steps are no baseline.
        let actual = self
            .recorded
            .iter()
            .map(|recorded| match recorded.steps == self.horizon {
                true => recorded.actual.mean,
                false => f64::NAN,
            });
        let behaviour = actual.sum::<f64>() / self.recorded.len().max(1) as f64;
        let of = |(index, estimator): (usize, &Estimator)| {
            let values = self.of(index);
            let pairs = values.iter().zip(&self.truth);
            let pairs: Vec<(Value, f64)> = pairs
                .filter_map(|(value, truth)| Some(((*value)?, truth.as_ref()?.mean)))
                .collect();
            Some((
                estimator.name(),
                ranking_metrics(&pairs, &known, behaviour)?,
            ))
        };
        self.estimators.iter().enumerate().filter_map(of).collect()
    }

    /// Returns the table of all estimates, one row each.
    pub fn table(&self) -> Table {
        let estimates = &self.estimates;
        let text = |of: &dyn Fn(&PolicyEstimate) -> String| {
            Column::Text(estimates.iter().map(of).collect())
        };
        let real = |of: &dyn Fn(&PolicyEstimate) -> Option<f64>| {
            let values = estimates.iter().map(|e| of(e).unwrap_or(f64::NAN));
            Column::Real(values.collect())
        };
        let value = |of: fn(Value) -> f64| real(&move |e: &PolicyEstimate| e.value.map(of));
        let columns = [
            ("policy", text(&|e| e.policy.clone())),
            ("estimator", text(&|e| e.estimator.to_owned())),
            ("value", value(|v| v.mean)),
            ("standard_error", value(|v| v.error)),
            ("low", value(|v| v.low)),
            ("high", value(|v| v.high)),
            ("length", real(&|e| e.length)),
            ("clipped", real(&|e| e.clipped.map(|s| s as f64))),
            ("uncovered", real(&|e| e.uncovered)),
            ("unpredicted", real(&|e| e.unpredicted)),
            ("value_error", real(&|e| e.value_error)),
            ("weight", real(&|e| e.weight)),
            ("effective_runs", real(&|e| e.effective_runs)),
            (
                "misspecification_error",
                real(&|e| e.misspecification_error),
            ),
            ("seconds", real(&|e| Some(e.seconds))),
        ];
        let columns = columns
            .into_iter()
            .map(|(name, column)| (name.to_owned(), column));
        Table::new(columns.collect()).expect("every column has a value per estimate")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }

    /// Says why estimates are missing, and which paths were clipped, one line each. `covered` is whether a recorded
    /// episode covers the horizon.
    pub(super) fn remarks(&self, covered: bool) -> Vec<String> {
        let count = self.policies.len().max(1);
        let weighs = |index: usize| self.estimators[index / count].weighs();
        let estimates = || self.estimates.iter().enumerate();
        let missing = estimates().filter(|(_, e)| e.value.is_none());
        let missing = missing.filter_map(|(i, e)| why_missing(e, weighs(i) && covered));
        let clipped = estimates().filter_map(|(_, estimate)| match estimate.clipped {
            Some(clipped @ 1..) => Some(format!(
                "{} of {}: {clipped} value(s) were clipped to the range of the recordings",
                estimate.estimator, estimate.policy
            )),
            _ => None,
        });
        missing.chain(clipped).collect()
    }
}

/// Returns the difference of two values with independent errors.
fn minus(value: Value, other: Value) -> Value {
    let moved = Value {
        mean: value.mean - other.mean,
        error: value.error,
        low: value.low - other.mean,
        high: value.high - other.mean,
    };
    moved.widen_by(other.error)
}

/// Says why importance sampling has no value.
fn why_missing(estimate: &PolicyEstimate, weighs: bool) -> Option<String> {
    let of = format!("{} of {}: no value", estimate.estimator, estimate.policy);
    if let Some(ratio) = estimate.too_small_ratio {
        return Some(format!(
            "{of}: the mean probability ratio of the recorded actions is {} instead of 1; the policy takes actions \
             without recorded support, such as actions on narrower limits, or the recorded log probabilities are wrong",
            number(ratio, 2)
        ));
    }
    match estimate.effective_runs {
        _ if !weighs => None,
        Some(effective) => Some(format!(
            "{of}: the effective number of episodes is {}, below 2; its actions differ from the recorded ones",
            number(effective, 1)
        )),
        None => Some(format!(
            "{of}: action probabilities of the policy or the recordings are unknown (`behaviour=`, or a column such as \
             log_prob)"
        )),
    }
}
