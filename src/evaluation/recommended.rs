//! Which estimator to trust, by what it says of the recorded policies.

use super::Value;

/// The estimator that is nearest to what recorded policies earned.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Recommended {
    /// Its number.
    pub estimator: usize,
    /// Mean size of its errors about the recorded policies.
    pub off: f64,
    /// The same of a guess: that each earned what the others did on average. There is none about a single one,
    /// which is too little to recommend by.
    pub guess: Option<f64>,
}

impl Recommended {
    /// Among estimators with values of recorded policies, `[policy]` what they earned and `[policy][estimator]`
    /// what was said of them; only those count that say something of all. `None` if there is none.
    ///
    /// ```
    /// use statecast::evaluation::{Recommended, Value};
    /// let value = |mean| Value::new(mean, 1.0, 10.0);
    /// let earned = [value(10.0), value(50.0)];
    /// let said = [vec![Some(value(30.0)), Some(value(12.0))], vec![None, Some(value(47.0))]];
    /// let found = Recommended::of(&earned, &said).unwrap();
    /// assert_eq!((found.estimator, found.off, found.guess), (1, 2.5, Some(40.0)));
    /// assert!(found.is_fit());
    /// ```
    pub fn of(earned: &[Value], said: &[Vec<Option<Value>>]) -> Option<Self> {
        let estimators = said.first().map_or(0, Vec::len);
        let count = earned.len() as f64;
        let off = |estimator: usize| {
            let errors = earned
                .iter()
                .zip(said)
                .map(|(earned, said)| Some((said[estimator]?.mean - earned.mean).abs()));
            let total: f64 = errors.sum::<Option<f64>>()?;
            (total.is_finite() && count > 0.0).then_some((estimator, total / count))
        };
        let nearest = (0..estimators).filter_map(off);
        let (estimator, off) = nearest.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let sum: f64 = earned.iter().map(|value| value.mean).sum();
        let others = |value: &Value| (sum - value.mean) / (count - 1.0);
        let guess = earned
            .iter()
            .map(|value| (value.mean - others(value)).abs());
        Some(Self {
            estimator,
            off,
            guess: (earned.len() > 1).then(|| guess.sum::<f64>() / count),
        })
    }

    /// Whether it is nearer than half of what a guess is off by.
    pub fn is_fit(&self) -> bool {
        self.guess.is_some_and(|guess| self.off <= 0.5 * guess)
    }
}

/// The policy of the largest value, and those that cannot be told apart from it: their intervals overlap, or are not
/// known.
/// `None` without any value.
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
    fn who_is_off_about_the_recordings_is_not_recommended() {
        let earned = [value(-300.0), value(-700.0)];
        let said = [
            vec![Some(value(-500.0)), Some(value(f64::NAN))],
            vec![Some(value(-480.0)), Some(value(-700.0))],
        ];
        let found = Recommended::of(&earned, &said).unwrap();
        assert_eq!((found.estimator, found.guess), (0, Some(400.0)));
        // A number that is added to all rewards makes nobody fit.
        let single = Recommended::of(&[value(1000.0)], &[vec![Some(value(1010.0))]]).unwrap();
        assert!(!single.is_fit());
        assert!(!found.is_fit(), "{found:?}");
        assert_eq!(Recommended::of(&[], &[]), None);
    }
}
