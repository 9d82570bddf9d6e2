//! The combination of all estimators.

use super::PolicyValues;
use crate::evaluation::{Combined, Estimate, Estimator, EstimatorKind, ReturnDistribution, Value};

/// Fills in the estimates of [`Estimator::Combined`], and the weights of the others in them. `own` are the mean returns
/// of the policies' own recordings.
pub(super) fn combine(values: &mut PolicyValues, own: &[Option<Value>]) {
    let wanted = |estimator: &Estimator| *estimator == Estimator::Combined;
    let Some(place) = values.estimators.iter().position(wanted) else {
        return;
    };
    let parts: Vec<usize> = (0..values.estimators.len())
        .filter(|&estimator| values.estimators[estimator].is_checked())
        .collect();
    let policies = values.policies.len();
    for (policy, own) in own.iter().enumerate() {
        let of = |part: usize| values.estimates[part * policies + policy].value;
        let estimate = |&part: &usize| Estimate {
            kind: values.estimators[part].kind(),
            value: of(part),
            unpredicted: values.unpredicted(part),
        };
        let mut found: Vec<Estimate> = parts.iter().map(estimate).collect();
        found.push(Estimate {
            kind: EstimatorKind::Returns,
            value: *own,
            unpredicted: 0.0,
        });
        let Some(combined) = Combined::of_kinds(&found) else {
            continue;
        };
        let distributions = parts
            .iter()
            .filter_map(|&part| values.estimates[part * policies + policy].distribution);
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
            Estimate {
                kind: values.estimators[part].kind(),
                value: value.map(|value| value.widen_by(error)),
                unpredicted: unpredicted[part],
            }
        };
        let found: Vec<_> = parts.iter().zip(&misspecification).map(widened).collect();
        recorded.imagined[place] = Combined::of_kinds(&found).map(|combined| combined.value);
    }
}
