//! What recorded runs of a policy say: of its value, and of models.

use super::importance::mean_return;
use super::value::variance;
use super::{Imagined, Logged, Value};

/// Mean return of a policy's own recorded runs, with what a model imagines from the same starts as
/// control variate: where the recorded starts were lucky ones, by the model, the mean is corrected.
///
/// `source` is the recording of the policy, `imagined` the model's paths under it from the first
/// states of all runs in their order. `None` for fewer than three runs of its own.
pub fn on_policy(
    logged: &Logged,
    source: usize,
    imagined: &Imagined,
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
    let (horizon, own) = logged.telling(|run| run.source == source, horizon);
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
    // The starts of all runs are a sample, too.
    let of_starts = slope.powi(2) * variance(&starts) / starts.len() as f64;
    let error = (variance(&left) / count + of_starts).sqrt();
    let value = real_mean - slope * (model_mean - all_mean);
    Some(Value::new(value, error, count - 2.0))
}

/// Standard deviation of what a model gets wrong about values beyond what it says itself: from pairs of
/// what it imagines recorded policies to earn and what they did earn.
///
/// A model that is off about what it was shown will be off about other policies, too; how far, its
/// members do not say where they agree.
pub fn doubt(pairs: &[(Value, Value)]) -> f64 {
    let excess = pairs.iter().map(|(imagined, earned)| {
        // Of a value without an interval it is not known how much of the difference is chance.
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

/// What the runs of one recording earned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Earned {
    /// Mean return of the runs that tell about so many steps.
    pub value: Value,
    /// Steps.
    pub horizon: usize,
    /// Runs that were cut off before.
    pub left_out: usize,
}

/// Mean of what the runs of one recording earned in as many steps, at most `horizon`, as the runs that
/// have them tell most about; those that were cut off before are left out.
pub fn recorded(logged: &Logged, source: usize, discount: f64, horizon: usize) -> Earned {
    let (horizon, own) = logged.telling(|run| run.source == source, horizon);
    let all = logged.runs.iter().filter(|run| run.source == source);
    Earned {
        value: mean_return(logged, &own, discount, horizon),
        horizon,
        left_out: all.count() - own.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_doubted_by_what_it_does_not_know_that_it_gets_wrong() {
        let value = |mean: f64, error: f64| Value::new(mean, error, 5.0);
        assert_eq!(doubt(&[]), 0.0);
        assert_eq!(doubt(&[(value(3.0, 4.0), value(5.0, 0.1))]), 0.0);
        let off = doubt(&[
            (value(3.0, 0.0), value(13.0, 0.0)),
            (value(1.0, 0.0), value(1.0, 0.0)),
        ]);
        assert!((off - 50f64.sqrt()).abs() < 1e-12);
    }
}
