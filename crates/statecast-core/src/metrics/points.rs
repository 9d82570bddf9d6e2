//! Errors of point forecasts.

/// Returns the root mean squared error of `(forecast, observed)` pairs; `NaN` for none.
pub fn rmse(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    mean(pairs.map(|(a, b)| (a - b).powi(2))).sqrt()
}

/// Returns the mean absolute error of `(forecast, observed)` pairs; `NaN` for none.
pub fn mae(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    mean(pairs.map(|(a, b)| (a - b).abs()))
}

/// Returns the mean absolute error divided by that of one-step persistence over the context
/// (Hyndman & Koehler 2006). `NaN` for no pairs or a constant context.
///
/// ```
/// let mase = statecast::metrics::mase([(3.5, 3.0)].into_iter(), &[0.0, 1.0, 2.0]);
/// assert_eq!(mase, 0.5);
/// ```
pub fn mase(pairs: impl Iterator<Item = (f64, f64)>, context: &[f64]) -> f64 {
    let naive = mae(context.windows(2).map(|w| (w[0], w[1])));
    if naive > 0.0 {
        mae(pairs) / naive
    } else {
        f64::NAN
    }
}

/// Returns the symmetric mean absolute percentage error, 0 to 200; a pair of zeros counts as no
/// error.
///
/// ```
/// let smape = statecast::metrics::smape([(1.0, 3.0)].into_iter());
/// assert_eq!(smape, 100.0);
/// ```
pub fn smape(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    mean(pairs.map(|(a, b)| match a.abs() + b.abs() {
        0.0 => 0.0,
        size => 200.0 * (a - b).abs() / size,
    }))
}

/// Returns the coefficient of determination R²; `NaN` for constant observations.
pub fn r_squared(pairs: &[(f64, f64)]) -> f64 {
    let centre = mean(pairs.iter().map(|p| p.1));
    let total: f64 = pairs.iter().map(|p| (p.1 - centre).powi(2)).sum();
    let left: f64 = pairs.iter().map(|(a, b)| (a - b).powi(2)).sum();
    if total > 0.0 {
        1.0 - left / total
    } else {
        f64::NAN
    }
}

/// Returns the number of steps for which the error of a forecast path stays below `threshold` times
/// `scale` (0.4 standard deviations in the literature on chaos, for instance Gilpin 2023).
///
/// ```
/// use statecast::metrics::valid_prediction_time;
/// let steps = valid_prediction_time(&[1.0, 2.0, 3.0], &[1.0, 2.1, 9.0], 1.0, 0.4);
/// assert_eq!(steps, 2);
/// ```
pub fn valid_prediction_time(
    forecast: &[f64],
    observed: &[f64],
    scale: f64,
    threshold: f64,
) -> usize {
    forecast
        .iter()
        .zip(observed)
        .take_while(|(a, b)| (*a - *b).abs() < threshold * scale)
        .count()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, n), x| (sum + x, n + 1));
    sum / count as f64
}
