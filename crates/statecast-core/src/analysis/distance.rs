//! Distances between distributions on the same states.

/// Returns the total variation distance, from 0 to 1.
///
/// ```
/// use statecast::analysis::total_variation;
/// assert_eq!(total_variation(&[0.5, 0.5, 0.0], &[0.25, 0.25, 0.5]), 0.5);
/// ```
pub fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    0.5 * a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

/// Returns the Hellinger distance `sqrt(1 - Σ sqrt(a b))`, from 0 to 1.
///
/// ```
/// use statecast::analysis::hellinger;
/// assert_eq!(hellinger(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
/// assert_eq!(hellinger(&[0.25, 0.75], &[0.25, 0.75]), 0.0);
/// ```
pub fn hellinger(a: &[f64], b: &[f64]) -> f64 {
    let coefficient: f64 = a.iter().zip(b).map(|(a, b)| (a * b).sqrt()).sum();
    (1.0 - coefficient).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// `H² <= TV <= sqrt(2) H` (Le Cam).
        #[test]
        fn distances_bound_each_other(
            a in prop::collection::vec(0.01..1.0f64, 5), b in prop::collection::vec(0.01..1.0f64, 5),
        ) {
            let distribution = |weights: &[f64]| -> Vec<f64> {
                let sum: f64 = weights.iter().sum();
                weights.iter().map(|w| w / sum).collect()
            };
            let (a, b) = (distribution(&a), distribution(&b));
            let (tv, h) = (total_variation(&a, &b), hellinger(&a, &b));
            prop_assert!(h * h <= tv + 1e-12 && tv <= 2f64.sqrt() * h + 1e-12);
            prop_assert!((tv - total_variation(&b, &a)).abs() < 1e-15);
        }
    }
}
