//! Recommendation of an estimator by its errors for the recorded policies.

use super::Value;

/// The estimator with the smallest error for the recorded policies.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RecommendedEstimator {
    /// Index of the estimator.
    pub estimator: usize,
    /// Mean absolute error for the recorded policies.
    pub error: f64,
    /// Mean absolute error of a baseline that predicts the mean of the other policies; `None` for a
    /// single policy, which does not suffice for a recommendation.
    pub baseline: Option<f64>,
}

impl RecommendedEstimator {
    /// Compares estimators by actual values `[policy]` and estimates `[policy][estimator]` of the
    /// recorded policies. Estimators without all estimates are left out. Returns `None` if none is
    /// left.
    ///
    /// ```
    /// use statecast::evaluation::{RecommendedEstimator, Value};
    /// let value = |mean| Value::new(mean, 1.0, 10.0);
    /// let actual = [value(10.0), value(50.0)];
    /// let estimates = [vec![Some(value(30.0)), Some(value(12.0))], vec![None, Some(value(47.0))]];
    /// let found = RecommendedEstimator::of(&actual, &estimates).unwrap();
    /// assert_eq!((found.estimator, found.error, found.baseline), (1, 2.5, Some(40.0)));
    /// assert!(found.is_reliable());
    /// ```
    pub fn of(actual: &[Value], estimates: &[Vec<Option<Value>>]) -> Option<Self> {
        let estimators = estimates.first().map_or(0, Vec::len);
        let count = actual.len() as f64;
        let error_of = |estimator: usize| {
            let errors = actual
                .iter()
                .zip(estimates)
                .map(|(actual, estimates)| Some((estimates[estimator]?.mean - actual.mean).abs()));
            let total: f64 = errors.sum::<Option<f64>>()?;
            (total.is_finite() && count > 0.0).then_some((estimator, total / count))
        };
        let nearest = (0..estimators).filter_map(error_of);
        let (estimator, error) = nearest.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let sum: f64 = actual.iter().map(|value| value.mean).sum();
        let others = |value: &Value| (sum - value.mean) / (count - 1.0);
        let guess = actual
            .iter()
            .map(|value| (value.mean - others(value)).abs());
        Some(Self {
            estimator,
            error,
            baseline: (actual.len() > 1).then(|| guess.sum::<f64>() / count),
        })
    }

    /// True if its error is at most half of the baseline's.
    pub fn is_reliable(&self) -> bool {
        self.baseline
            .is_some_and(|baseline| self.error <= 0.5 * baseline)
    }
}

/// Returns the policy with the largest value, and those whose intervals overlap its interval or are
/// unknown. Returns `None` without any value.
///
/// ```
/// use statecast::evaluation::{Value, leading};
/// let value = |mean| Some(Value::new(mean, 1.0, 100.0));
/// assert_eq!(leading(&[value(1.0), value(9.0), None, value(8.0)]), Some((1, vec![3])));
/// ```
pub fn leading(values: &[Option<Value>]) -> Option<(usize, Vec<usize>)> {
    let known = values.iter().enumerate();
    let known: Vec<(usize, Value)> = known.filter_map(|(i, v)| Some((i, (*v)?))).collect();
    let best = known.iter().max_by(|a, b| a.1.mean.total_cmp(&b.1.mean))?;
    let alike = known.iter().filter(|(i, value)| {
        let apart = value.high < best.1.low;
        *i != best.0 && !apart
    });
    Some((best.0, alike.map(|(i, _)| *i).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(mean: f64) -> Value {
        Value::new(mean, 0.5, 10.0)
    }

    #[test]
    fn inaccurate_estimators_are_not_recommended() {
        let actual = [value(-300.0), value(-700.0)];
        let estimates = [
            vec![Some(value(-500.0)), Some(value(f64::NAN))],
            vec![Some(value(-480.0)), Some(value(-700.0))],
        ];
        let found = RecommendedEstimator::of(&actual, &estimates).unwrap();
        assert_eq!((found.estimator, found.baseline), (0, Some(400.0)));
        // A constant added to all rewards makes no estimator reliable.
        let single =
            RecommendedEstimator::of(&[value(1000.0)], &[vec![Some(value(1010.0))]]).unwrap();
        assert!(!single.is_reliable());
        assert!(!found.is_reliable(), "{found:?}");
        assert_eq!(RecommendedEstimator::of(&[], &[]), None);
    }
}
