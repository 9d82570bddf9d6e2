//! Values from a policy's own recorded runs, and the misspecification of models.

use super::importance::mean_return;
use super::value::variance;
use super::{ImaginedRollouts, Logged, Value};

/// Returns the mean return of a policy's own recorded runs, with a model's values of the same
/// starts as control variate: it corrects for starts that are better or worse than average.
///
/// `source` is the recording of the policy, `imagined` the model's paths under it from the first
/// states of all runs in their order. Returns `None` for fewer than three runs of the policy.
pub fn on_policy(
    logged: &Logged,
    source: usize,
    imagined: &ImaginedRollouts,
    discount: f64,
    horizon: usize,
) -> Option<Value> {
    let starts: Vec<f64> = (0..logged.runs.len())
        .map(|start| {
            let of_start = imagined.paths.iter().filter(|path| path.start == start);
            let values: Vec<f64> = of_start.map(|path| path.value).collect();
            values.iter().sum::<f64>() / values.len().max(1) as f64
        })
        .collect();
    let (horizon, own) = logged.covered_horizon(|run| run.source == source, horizon);
    if own.len() < 3 {
        return None;
    }
    let count = own.len() as f64;
    let real: Vec<f64> = own
        .iter()
        .map(|&r| logged.runs[r].discounted(discount, horizon))
        .collect();
    let model: Vec<f64> = own.iter().map(|&run| starts[run]).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (real_mean, model_mean, all_mean) = (mean(&real), mean(&model), mean(&starts));
    let pairs = real.iter().zip(&model);
    let together: f64 = pairs.map(|(r, m)| (r - real_mean) * (m - model_mean)).sum();
    let spread = variance(&model) * (count - 1.0);
    let slope = if spread > 0.0 { together / spread } else { 0.0 };
    let left: Vec<f64> = real
        .iter()
        .zip(&model)
        .map(|(r, m)| r - slope * (m - model_mean))
        .collect();
    // The starts of all runs are a sample as well.
    let of_starts = slope.powi(2) * variance(&starts) / starts.len() as f64;
    let error = (variance(&left) / count + of_starts).sqrt();
    let value = real_mean - slope * (model_mean - all_mean);
    Some(Value::new(value, error, count - 2.0))
}

/// Returns the standard deviation of a model's value errors beyond its stated uncertainty, from
/// pairs of its estimate for a recorded policy and the recorded value.
///
/// A misspecified model is also wrong about other policies, by an amount that agreement between its
/// members does not show.
pub fn misspecification_error(pairs: &[(Value, Value)]) -> f64 {
    let excess = pairs.iter().map(|(imagined, earned)| {
        // Without an interval, the sampling error of a value is unknown.
        let errors = [imagined.error, earned.error];
        let known: f64 = errors
            .iter()
            .filter(|e| e.is_finite())
            .map(|e| e.powi(2))
            .sum();
        (imagined.mean - earned.mean).powi(2) - known
    });
    let mean = excess.sum::<f64>() / pairs.len().max(1) as f64;
    mean.max(0.0).sqrt()
}

/// Mean return of one recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedReturn {
    /// Mean return of the runs that cover the horizon.
    pub value: Value,
    /// Steps.
    pub horizon: usize,
    /// Number of runs that were truncated earlier.
    pub left_out: usize,
}

/// Returns the mean return of one recording over the horizon, at most `horizon`, for which its runs
/// hold the most rewards. Runs that were truncated earlier are left out.
pub fn recorded_return(
    logged: &Logged,
    source: usize,
    discount: f64,
    horizon: usize,
) -> RecordedReturn {
    let (horizon, own) = logged.covered_horizon(|run| run.source == source, horizon);
    let all = logged.runs.iter().filter(|run| run.source == source);
    RecordedReturn {
        value: mean_return(logged, &own, discount, horizon),
        horizon,
        left_out: all.count() - own.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspecification_is_the_error_beyond_the_stated_uncertainty() {
        let value = |mean: f64, error: f64| Value::new(mean, error, 5.0);
        assert_eq!(misspecification_error(&[]), 0.0);
        assert_eq!(
            misspecification_error(&[(value(3.0, 4.0), value(5.0, 0.1))]),
            0.0
        );
        let off = misspecification_error(&[
            (value(3.0, 0.0), value(13.0, 0.0)),
            (value(1.0, 0.0), value(1.0, 0.0)),
        ]);
        assert!((off - 50f64.sqrt()).abs() < 1e-12);
    }
}
