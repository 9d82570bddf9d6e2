//! Values of policies that have recorded data of their own.

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
    let own: Vec<usize> = (0..logged.runs.len())
        .filter(|&run| logged.runs[run].source == source)
        .collect();
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
