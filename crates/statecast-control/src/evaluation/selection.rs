//! Policies that are better than an incumbent.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Value;

/// The difference of a policy's value from the incumbent's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the policy.
    pub policy: String,
    /// Its value minus the incumbent's; `None` where it is not known.
    pub value: Option<Value>,
    /// Probability of such a difference, or a larger one, if the policy were not better.
    pub p_value: Option<f64>,
    /// Whether the policy is among those selected.
    pub is_better: bool,
}

/// The policies that are better than an incumbent, with a controlled share of errors among them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selection {
    /// Name of the incumbent.
    pub incumbent: String,
    /// Largest expected share of policies among the selected that are not better.
    pub false_discovery_rate: f64,
    /// All other policies.
    pub differences: Vec<Difference>,
}

impl Selection {
    /// Selects by the procedure of Benjamini and Hochberg (J. R. Stat. Soc. B, 1995). It controls the rate for tests
    /// that are positively dependent, as those against one incumbent are (Benjamini and Yekutieli, Ann. Stat. 2001).
    ///
    /// ```
    /// use statecast::evaluation::{Selection, Value};
    /// let of = |mean: f64| Some(Value::new(mean, 1.0, 20.0));
    /// let differences = [("a", of(5.0)), ("b", of(0.5)), ("c", None)];
    /// let differences = differences.map(|(name, value)| (name.to_owned(), value));
    /// let found = Selection::of("now".to_owned(), differences.into(), 0.1);
    /// assert_eq!(found.better().collect::<Vec<_>>(), ["a"]);
    /// ```
    pub fn of(
        incumbent: String,
        differences: Vec<(String, Option<Value>)>,
        false_discovery_rate: f64,
    ) -> Self {
        let mut differences: Vec<Difference> = differences
            .into_iter()
            .map(|(policy, value)| Difference {
                policy,
                p_value: value.and_then(|value| p_value(&value)),
                value,
                is_better: false,
            })
            .collect();
        let mut known: Vec<f64> = differences.iter().filter_map(|d| d.p_value).collect();
        known.sort_by(f64::total_cmp);
        let count = known.len() as f64;
        let allowed = |(rank, p): (usize, &f64)| {
            (*p <= (rank + 1) as f64 / count * false_discovery_rate).then_some(*p)
        };
        let largest = known.iter().enumerate().rev().find_map(allowed);
        for difference in &mut differences {
            difference.is_better = difference
                .p_value
                .is_some_and(|p| largest.is_some_and(|largest| p <= largest));
        }
        Self {
            incumbent,
            false_discovery_rate,
            differences,
        }
    }

    /// Returns the names of the selected policies.
    pub fn better(&self) -> impl Iterator<Item = &str> {
        let better = self.differences.iter().filter(|d| d.is_better);
        better.map(|d| d.policy.as_str())
    }
}

/// Returns the one-sided probability of a difference this large without a true one.
fn p_value(difference: &Value) -> Option<f64> {
    if !difference.has_interval() {
        return None;
    }
    // Without errors, a difference is one of rounding or of all certainty.
    if difference.error <= 0.0 {
        return Some(if difference.mean > 0.0 { 0.0 } else { 1.0 });
    }
    let reach = (difference.high - difference.mean) / difference.error;
    let law = StudentsT::new(0.0, 1.0, freedom_of(reach)).ok()?;
    Some(law.sf(difference.mean / difference.error))
}

/// Returns the degrees of freedom of Student's t distribution whose 90 % interval has a half width of so many standard
/// errors, at most 1000.
fn freedom_of(reach: f64) -> f64 {
    let reach_of = |freedom: f64| {
        let law = StudentsT::new(0.0, 1.0, freedom);
        law.map_or(f64::INFINITY, |law| law.inverse_cdf(0.95))
    };
    let (mut low, mut high) = (1.0f64, 1000.0f64);
    for _ in 0..40 {
        let middle = (low * high).sqrt();
        match reach_of(middle) > reach {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};
    use statrs::distribution::Normal;

    #[test]
    fn degrees_of_freedom_are_those_of_the_interval() {
        for freedom in [1.0, 3.0, 7.5, 40.0] {
            let value = Value::new(0.0, 1.0, freedom);
            assert!((freedom_of(value.high) / freedom - 1.0).abs() < 1e-3);
        }
        assert!(freedom_of(1.0) > 900.0);
        let p = p_value(&Value::new(2.131_847, 1.0, 4.0)).unwrap();
        assert!((p - 0.05).abs() < 1e-4, "{p}");
    }

    /// Policies of which nine in ten equal the incumbent, estimated from four models that err together on the incumbent:
    /// over 500 selections, the share of these among the selected is at most the rate. Without the procedure, with every
    /// p-value up to the rate, it is not.
    #[test]
    fn the_false_discovery_rate_holds_in_500_selections() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let rate = 0.1;
        let (mut share, mut plain, mut found) = (0.0, 0.0, 0);
        for _ in 0..500 {
            let mut normal = || {
                let level: f64 = random.random_range(1e-12..1.0);
                Normal::standard().inverse_cdf(level)
            };
            let incumbent: Vec<f64> = (0..4).map(|_| normal()).collect();
            let differences = (0..20).map(|policy| {
                let truth = if policy < 18 { 0.0 } else { 20.0 };
                let models: Vec<f64> = incumbent
                    .iter()
                    .map(|shared| truth + normal() - shared)
                    .collect();
                let mean = models.iter().sum::<f64>() / 4.0;
                let error = (super::super::value::variance(&models) / 4.0).sqrt();
                (format!("{policy}"), Some(Value::new(mean, error, 3.0)))
            });
            let selection = Selection::of("now".to_owned(), differences.collect(), rate);
            let wrong_of = |chosen: &dyn Fn(&Difference) -> bool| {
                let chosen: Vec<usize> = (0..20)
                    .filter(|&policy| chosen(&selection.differences[policy]))
                    .collect();
                let wrong = chosen.iter().filter(|&&policy| policy < 18).count();
                (wrong, chosen.len())
            };
            let (wrong, chosen) = wrong_of(&|d| d.is_better);
            share += wrong as f64 / chosen.max(1) as f64 / 500.0;
            found += chosen - wrong;
            let (wrong, chosen) = wrong_of(&|d| d.p_value.is_some_and(|p| p <= rate));
            plain += wrong as f64 / chosen.max(1) as f64 / 500.0;
        }
        assert!(share <= rate, "{share}");
        assert!(plain > 2.0 * rate, "{plain}");
        assert!(found > 800, "{found} of 1000");
    }
}
