//! The combination of all estimators.

use super::PolicyValues;
use crate::evaluation::{Combined, EstimateOfKind, Estimator, EstimatorKind, ReturnDistribution};

/// Fills in the estimates of [`Estimator::Combined`], and the weights of the others in them.
pub(super) fn combine(values: &mut PolicyValues) {
    let wanted = |estimator: &Estimator| *estimator == Estimator::Combined;
    let Some(place) = values.estimators.iter().position(wanted) else {
        return;
    };
    let policies = values.policies.len();
    let checked = |estimator: usize| {
        let first = values.estimates.get(estimator * policies);
        first.is_some_and(|first| first.misspecification_error.is_some())
    };
    let kind = |estimator: usize| values.estimators[estimator].kind();
    let takes_part = |&estimator: &usize| {
        let others = 0..values.estimators.len();
        let mut alike = others.filter(|&other| kind(other) == kind(estimator));
        // Where the errors of its like are known and its own is not, it would seem the best.
        values.estimators[estimator].is_checked() && (checked(estimator) || !alike.any(checked))
    };
    let parts: Vec<usize> = (0..values.estimators.len()).filter(takes_part).collect();
    let own = values.recorded_returns.clone();
    for (policy, own) in own.into_iter().enumerate() {
        let of = |part: usize| values.estimates[part * policies + policy].value;
        let estimate = |&part: &usize| EstimateOfKind {
            kind: values.estimators[part].kind(),
            value: of(part),
            unpredicted: values.unpredicted(part),
        };
        let mut found: Vec<EstimateOfKind> = parts.iter().map(estimate).collect();
        found.push(EstimateOfKind {
            kind: EstimatorKind::Returns,
            value: own,
            unpredicted: 0.0,
        });
        let Some(combined) = Combined::of_kinds(&found) else {
            continue;
        };
        let weighted = parts.iter().zip(&combined.weights);
        let distributions = weighted.filter_map(|(&part, &weight)| {
            Some((
                weight,
                values.estimates[part * policies + policy].distribution?,
            ))
        });
        let distribution = ReturnDistribution::combined(&distributions.collect::<Vec<_>>());
        let estimate = &mut values.estimates[place * policies + policy];
        estimate.value = Some(combined.value);
        estimate.distribution = distribution;
        for (&part, weight) in parts.iter().zip(combined.weights) {
            values.estimates[part * policies + policy].weight = Some(weight);
        }
    }
    let misspecification: Vec<f64> = parts
        .iter()
        .map(|&part| values.estimates.get(part * policies))
        .map(|first| first.and_then(|e| e.misspecification_error).unwrap_or(0.0))
        .collect();
    let unpredicted: Vec<f64> = (0..values.estimators.len())
        .map(|estimator| values.unpredicted(estimator))
        .collect();
    for recorded in &mut values.recorded {
        let widened = |(&part, &error): (&usize, &f64)| {
            let value = recorded.imagined[part];
            EstimateOfKind {
                kind: values.estimators[part].kind(),
                value: value.map(|value| value.widen_by(error)),
                unpredicted: unpredicted[part],
            }
        };
        let found: Vec<_> = parts.iter().zip(&misspecification).map(widened).collect();
        recorded.imagined[place] = Combined::of_kinds(&found).map(|combined| combined.value);
    }
}
