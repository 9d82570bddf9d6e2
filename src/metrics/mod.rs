//! Scores of forecasts against what came: pure functions, no files.

/// Continuous ranked probability score of a sample, in the variable's units; lower is better.
///
/// The unbiased ("fair") estimate: the mean distance to the observation less half the mean distance
/// between two different draws. `NaN` for fewer than two draws.
///
/// ```
/// let crps = statecast::metrics::crps(&mut [0.0, 1.0], 0.0);
/// assert_eq!(crps, 0.0);
/// ```
pub fn crps(sample: &mut [f64], observed: f64) -> f64 {
    let n = sample.len();
    if n < 2 {
        return f64::NAN;
    }
    sample.sort_by(f64::total_cmp);
    let count = n as f64;
    let distance = sample.iter().map(|x| (x - observed).abs()).sum::<f64>() / count;
    // Sum over pairs of sorted draws: each draw is the larger one of `i` pairs, the smaller of the rest.
    let spread: f64 = sample
        .iter()
        .enumerate()
        .map(|(i, x)| x * (2.0 * i as f64 + 1.0 - count))
        .sum();
    distance - spread / (count * (count - 1.0))
}

/// Root of the mean squared error of point forecasts; `NaN` for none.
pub fn rmse(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, count) = pairs.fold((0.0, 0usize), |(sum, n), (a, b)| {
        (sum + (a - b).powi(2), n + 1)
    });
    (sum / count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crps_equals_the_sum_over_all_pairs() {
        let mut sample: [f64; 5] = [0.3, -1.2, 2.5, 0.9, 0.3];
        let observed = 0.4;
        let n = sample.len() as f64;
        let mut pairs = 0.0;
        for a in sample {
            for b in sample {
                pairs += (a - b).abs();
            }
        }
        let distance: f64 = sample.iter().map(|x| (x - observed).abs()).sum();
        let expected = distance / n - pairs / (2.0 * n * (n - 1.0));
        assert!((crps(&mut sample, observed) - expected).abs() < 1e-12);
    }
}
