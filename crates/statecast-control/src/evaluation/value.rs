//! Estimated values and their uncertainty.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Half width of the 90 % interval of a normal distribution, in standard deviations.
pub(super) const NORMAL_REACH: f64 = 1.644_853_626_951_472_7;

/// Estimated value of a policy.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Value {
    /// Estimated mean of the return.
    pub mean: f64,
    /// Standard error.
    pub error: f64,
    /// Low end of the 90 % interval.
    pub low: f64,
    /// High end of the 90 % interval.
    pub high: f64,
}

impl Value {
    /// Creates a value with the interval of Student's t distribution.
    pub fn new(mean: f64, error: f64, freedom: f64) -> Self {
        let law = StudentsT::new(0.0, 1.0, freedom.max(1.0));
        let reach = law.map_or(f64::NAN, |law| law.inverse_cdf(0.95)) * error;
        Self {
            mean,
            error,
            low: mean - reach,
            high: mean + reach,
        }
    }

    /// Creates a value without an interval, such as that of a single episode.
    pub fn single(mean: f64) -> Self {
        Self {
            mean,
            error: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
        }
    }

    /// True if the interval is known.
    pub fn has_interval(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// Widens the interval by an independent error with this standard deviation.
    pub fn widen_by(self, std: f64) -> Self {
        self.with_error(self.error.hypot(std))
    }

    /// Returns the same with another standard error, and an interval in proportion.
    pub(super) fn with_error(self, error: f64) -> Self {
        // Few models have a wider interval than the normal distribution.
        let reach = match self.error > 0.0 {
            true => (self.high - self.mean) / self.error,
            false => NORMAL_REACH,
        };
        Self {
            error,
            low: self.mean - reach * error,
            high: self.mean + reach * error,
            ..self
        }
    }

    /// True if the interval covers a value.
    pub fn covers(&self, truth: f64) -> bool {
        (self.low..=self.high).contains(&truth)
    }

    /// Estimates the value from returns of paths, each with a model (a context, a network) and a
    /// start.
    ///
    /// The truth is assumed to differ from the models' mean as the models differ from each other,
    /// so that the error does not vanish with their number. The starts are a sample of all starts.
    pub fn of_paths(paths: &[Path]) -> Self {
        let mean = mean(paths.iter().map(|path| path.value));
        let models = groups(paths, |path| path.model);
        let starts = groups(paths, |path| path.start);
        if models.len() == 1 && starts.len() == 1 {
            return Self::single(mean);
        }
        let of_models = between(&models);
        let of_starts = between(&starts);
        let count = models.len() as f64;
        let model_variance = of_models * (1.0 + 1.0 / count);
        // Variance within a model and start, averaged over all paths.
        let noise = variance(&paths.iter().map(|path| path.value).collect::<Vec<_>>());
        let start_variance = (of_starts / starts.len() as f64).max(noise / paths.len() as f64);
        let freedom = match model_variance > start_variance {
            true => count - 1.0,
            false => starts.len() as f64 - 1.0,
        };
        Self::new(mean, (model_variance + start_variance).sqrt(), freedom)
    }
}

/// Return of one imagined path.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Index of its model.
    pub model: usize,
    /// Index of its start.
    pub start: usize,
    /// Return.
    pub value: f64,
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Returns the sample variance, 0 for fewer than two values.
pub(super) fn variance(values: &[f64]) -> f64 {
    let centre = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    squares / (values.len().max(2) - 1) as f64
}

pub(super) fn groups(paths: &[Path], key: impl Fn(&Path) -> usize) -> Vec<Vec<f64>> {
    let mut groups = std::collections::BTreeMap::<usize, Vec<f64>>::new();
    for path in paths {
        groups.entry(key(path)).or_default().push(path.value);
    }
    groups.into_values().collect()
}

/// Returns the between-group variance (random effects, method of moments).
fn between(groups: &[Vec<f64>]) -> f64 {
    let means: Vec<f64> = groups.iter().map(|g| mean(g.iter().copied())).collect();
    let within = groups.iter().map(|g| match g.len() {
        0 | 1 => 0.0,
        count => variance(g) / count as f64,
    });
    let within = within.sum::<f64>() / groups.len().max(1) as f64;
    (variance(&means) - within).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_agree_leave_the_error_of_the_starts() {
        let paths: Vec<Path> = (0..200)
            .map(|i| Path {
                model: i % 4,
                start: i / 4,
                value: f64::from(u32::try_from(i / 4).unwrap() % 10),
            })
            .collect();
        let value = Value::of_paths(&paths);
        assert!((value.mean - 4.5).abs() < 1e-12);
        let starts: Vec<f64> = (0..50).map(|i| f64::from(i % 10)).collect();
        assert!((value.error - (variance(&starts) / 50.0).sqrt()).abs() < 1e-9);
        assert!(value.covers(4.5) && value.low < value.high);
    }

    #[test]
    fn disagreement_of_models_does_not_vanish_with_more_paths() {
        let of = |paths: usize| {
            let path = |i: usize| Path {
                model: i % 4,
                start: i % 7,
                value: (i % 4) as f64,
            };
            Value::of_paths(&(0..paths).map(path).collect::<Vec<_>>()).error
        };
        assert!(of(2800) > 1.0 && (of(2800) - of(280)).abs() < 0.1);
    }

    /// Fault: one episode had an interval of no width.
    #[test]
    fn one_episode_has_no_interval() {
        let single = Value::single(3.0).widen_by(0.0);
        assert!(single.mean == 3.0 && !single.has_interval() && !single.covers(3.0));
        let path = |value| Path {
            model: 0,
            start: 0,
            value,
        };
        assert!(!Value::of_paths(&[path(1.0), path(1.0)]).has_interval());
    }

    #[test]
    fn misspecification_widens_an_interval() {
        let value = Value::new(1.0, 3.0, 4.0).widen_by(4.0);
        assert!((value.error - 5.0).abs() < 1e-12);
        assert!((value.high - (1.0 + 5.0 * 2.131_847)).abs() < 1e-4);
        let sure = Value::new(1.0, 0.0, 4.0).widen_by(1.0);
        assert!((sure.low - (1.0 - 1.644_854)).abs() < 1e-5);
    }

    /// Student's t distribution with 4 degrees of freedom: 2.1318 at 95 % (Abramowitz and Stegun,
    /// table 26.10).
    #[test]
    fn intervals_are_those_of_students_t() {
        let value = Value::new(1.0, 2.0, 4.0);
        assert!((value.high - (1.0 + 2.0 * 2.131_847)).abs() < 1e-4);
        assert!((value.low - (1.0 - 2.0 * 2.131_847)).abs() < 1e-4);
    }
}
