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
    /// Weights estimates by the inverse of their squared standard errors. Those without an interval are left out.
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
        let precision = |value: &Value| value.error.max(least).powi(-2);
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
    /// ```
    /// use statecast::evaluation::{Combined, EstimatorKind::{Rollouts, Values}, Value};
    /// let of = |mean: f64| Some(Value::new(mean, 1.0, 50.0));
    /// let found = Combined::of_kinds(&[(Rollouts, of(0.0)), (Values, of(9.0)), (Rollouts, of(0.0))]).unwrap();
    /// assert!((found.value.mean - 4.5).abs() < 1e-12);
    /// assert_eq!(found.weights, [0.25, 0.5, 0.25]);
    /// ```
    pub fn of_kinds(values: &[(EstimatorKind, Option<Value>)]) -> Option<Self> {
        let kinds: BTreeSet<EstimatorKind> = values.iter().map(|&(kind, _)| kind).collect();
        let of_kind = |kind: &EstimatorKind| {
            let own = values
                .iter()
                .map(|&(of, value)| value.filter(|_| of == *kind));
            Self::of(&own.collect::<Vec<_>>())
        };
        let within: Vec<Option<Self>> = kinds.iter().map(of_kind).collect();
        let found: Vec<Option<Value>> = within
            .iter()
            .map(|kind| kind.as_ref().map(|kind| kind.value))
            .collect();
        let among = Self::of(&found)?;
        let mut weights = vec![0.0; values.len()];
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
