//! Combination of several estimators' values.

use std::collections::BTreeSet;

use super::value::NORMAL_REACH;
use super::{EstimatorKind, Value};

/// Several estimates of one value, weighted by their precisions.
///
/// ```
/// use statecast::evaluation::{Combined, Value};
/// let sure = Some(Value::new(10.0, 1.0, 50.0));
/// let unsure = Some(Value::new(30.0, 3.0, 50.0));
/// let found = Combined::of(&[sure, None, unsure]).unwrap();
/// assert!((found.value.mean - 12.0).abs() < 1e-12); // weights 0.9 and 0.1
/// assert!(found.value.low < 10.0 && found.value.error > 3.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Combined {
    /// The weighted mean. Its variance is that of a mixture of the estimates: estimators of the same recordings share
    /// errors, so that their agreement is no reason for a narrower interval.
    pub value: Value,
    /// Weight of each estimate, 0 where there is none; the sum is 1.
    pub weights: Vec<f64>,
}

impl Combined {
    /// Weights estimates by the inverse of the squared half widths of their intervals. Those without an interval are left out.
    /// Returns `None` if none is left.
    pub fn of(values: &[Option<Value>]) -> Option<Self> {
        let usable = |value: &&Value| value.has_interval() && value.mean.is_finite();
        let known: Vec<Option<&Value>> = values
            .iter()
            .map(|value| value.as_ref().filter(usable))
            .collect();
        let largest = known.iter().flatten().map(|v| v.mean.abs());
        let largest = largest.fold(0.0, f64::max);
        // An estimator that claims no error at all still rounds.
        let least = (1e-9 * largest).max(f64::MIN_POSITIVE.sqrt());
        // Half widths, not standard errors: with few members, a small error is likely an accident.
        let half_width = |value: &Value| (value.high - value.low) / 2.0;
        let precision = |value: &Value| half_width(value).max(least).powi(-2);
        let total: f64 = known.iter().flatten().map(|value| precision(value)).sum();
        if total == 0.0 {
            return None;
        }
        let weights: Vec<f64> = known
            .iter()
            .map(|value| value.map_or(0.0, |value| precision(value) / total))
            .collect();
        let weighted = |of: &dyn Fn(&Value) -> f64| -> f64 {
            let terms = known.iter().zip(&weights);
            terms.map(|(v, w)| v.map_or(0.0, |v| w * of(v))).sum()
        };
        let mean = weighted(&|value| value.mean);
        let variance = weighted(&|value| value.error.powi(2) + (value.mean - mean).powi(2));
        let error = variance.sqrt();
        // The reach of each interval in standard errors: Student's t with few members has a long one.
        let reach = weighted(&|value| match value.error > least {
            true => (value.high - value.mean) / value.error,
            false => NORMAL_REACH,
        });
        let value = Value {
            mean,
            error,
            low: mean - reach * error,
            high: mean + reach * error,
        };
        Some(Self { value, weights })
    }

    /// The same in two stages: first among the estimates of each kind, then among the kinds. Estimators of one kind make
    /// the same errors, so that many of them say no more than one.
    ///
    /// Where rollouts and value functions disagree, one of them extrapolates wrongly. The difference adds to the errors
    /// of both: to those of rollouts by the share of their models' steps that is unpredicted, to those of value
    /// functions by the rest.
    ///
    /// ```
    /// use statecast::evaluation::{Combined, EstimateOfKind, EstimatorKind::{self, Rollouts, Values}, Value};
    /// let of = |kind: EstimatorKind, mean: f64, unpredicted: f64| EstimateOfKind {
    ///     kind,
    ///     value: Some(Value::new(mean, 1.0, 50.0)),
    ///     unpredicted,
    /// };
    /// let of_good = Combined::of_kinds(&[of(Rollouts, 0.0, 0.0), of(Values, 9.0, 0.0), of(Rollouts, 0.0, 0.0)]).unwrap();
    /// assert!(of_good.value.mean < 0.2);
    /// assert_eq!(of_good.weights[0], of_good.weights[2]);
    /// let of_poor = Combined::of_kinds(&[of(Rollouts, 0.0, 1.0), of(Values, 9.0, 0.0)]).unwrap();
    /// assert!(of_poor.value.mean > 8.8);
    /// ```
    pub fn of_kinds(estimates: &[EstimateOfKind]) -> Option<Self> {
        let kinds: BTreeSet<EstimatorKind> = estimates.iter().map(|e| e.kind).collect();
        let kinds: Vec<EstimatorKind> = kinds.into_iter().collect();
        let of_kind = |kind: &EstimatorKind| {
            let own = estimates
                .iter()
                .map(|e| e.value.filter(|_| e.kind == *kind));
            Self::of(&own.collect::<Vec<_>>())
        };
        let within: Vec<Option<Self>> = kinds.iter().map(of_kind).collect();
        let value_of = |kind: EstimatorKind| {
            let place = kinds.iter().position(|&of| of == kind)?;
            within[place].as_ref()
        };
        let mut found: Vec<Option<Value>> = within
            .iter()
            .map(|kind| kind.as_ref().map(|kind| kind.value))
            .collect();
        if let (Some(rollouts), Some(values)) = (
            value_of(EstimatorKind::Rollouts),
            value_of(EstimatorKind::Values),
        ) {
            let weighted = estimates.iter().zip(&rollouts.weights);
            let unpredicted: f64 = weighted.map(|(e, weight)| weight * e.unpredicted).sum();
            let apart = (rollouts.value.mean - values.value.mean).abs();
            for (kind, value) in kinds.iter().zip(&mut found) {
                let share = match kind {
                    EstimatorKind::Rollouts => unpredicted,
                    EstimatorKind::Values => 1.0 - unpredicted,
                    _ => continue,
                };
                *value = value.map(|value| value.widen_by(share * apart));
            }
        }
        let among = Self::of(&found)?;
        let mut weights = vec![0.0; estimates.len()];
        for (kind, share) in within.iter().zip(&among.weights) {
            let own = kind.iter().flat_map(|kind| &kind.weights);
            weights
                .iter_mut()
                .zip(own)
                .for_each(|(w, own)| *w += share * own);
        }
        Some(Self { weights, ..among })
    }
}

/// An estimate of a policy's value, to be combined with others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EstimateOfKind {
    /// What its estimator learns.
    pub kind: EstimatorKind,
    /// The value, if there is one.
    pub value: Option<Value>,
    /// Of rollouts, the share of the variance of states that the model does not predict, from 0 to 1.
    pub unpredicted: f64,
}
