//! Quantiles, mean and standard deviation of a sample.

/// Returns the quantile of a sample in ascending order, linear between order statistics (Hyndman
/// and Fan's type 7, the default of NumPy and R); `NaN` of an empty one.
///
/// ```
/// use statecast::metrics::quantile;
/// assert_eq!(quantile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
/// assert!(quantile(&[], 0.5).is_nan());
/// ```
pub fn quantile(sorted: &[f64], level: f64) -> f64 {
    match sorted.is_empty() {
        true => f64::NAN,
        false => ordered_quantile(sorted.len(), |i| sorted[i], level),
    }
}

/// Returns the quantile of `count` ordered values, at least one, given by index.
pub fn ordered_quantile(count: usize, at: impl Fn(usize) -> f64, level: f64) -> f64 {
    let position = level.clamp(0.0, 1.0) * (count - 1) as f64;
    let below = position.floor();
    let share = position - below;
    let lower = at(below as usize);
    let upper = at(position.ceil() as usize);
    let between = upper - lower;
    // Between equal values the result is exactly that value.
    if lower == upper {
        lower
    } else if between.is_finite() {
        lower + share * between
    } else {
        (1.0 - share) * lower + share * upper
    }
}

/// Returns the mean and the sample standard deviation of values, summed around one of them so that
/// a high level does not cost precision; `NaN` for none.
///
/// ```
/// let (mean, std) = statecast::metrics::mean_and_std(&[1e15, 1e15 + 2.0, 1e15 + 4.0]);
/// assert_eq!((mean, std), (1e15 + 2.0, 2.0));
/// ```
pub fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let Some(&centre) = values.get(values.len() / 2) else {
        return (f64::NAN, f64::NAN);
    };
    let count = values.len() as f64;
    let off = values.iter().map(|x| (x - centre) / count).sum::<f64>();
    let squares: f64 = values.iter().map(|x| (x - centre - off).powi(2)).sum();
    (centre + off, (squares / (count - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As numpy.quantile([1, 2, 4, 8], [0.1, 0.5, 0.9]) has it.
    #[test]
    fn quantiles_are_type_7() {
        let sample = [1.0, 2.0, 4.0, 8.0];
        for (level, expected) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&sample, level) - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[-1.5e308, 1.5e308], 0.5), 0.0);
    }

    #[test]
    fn means_of_a_high_level_lie_within_the_values() {
        let values: Vec<f64> = (0..100).map(|i| 1e15 + 0.125 * f64::from(i % 3)).collect();
        let (mean, std) = mean_and_std(&values);
        assert!((1e15..=1e15 + 0.25).contains(&mean), "{mean}");
        assert!((0.09..0.12).contains(&std), "{std}");
        assert_eq!(mean_and_std(&[7.0]), (7.0, 0.0));
        assert!(mean_and_std(&[]).0.is_nan());
    }
}
