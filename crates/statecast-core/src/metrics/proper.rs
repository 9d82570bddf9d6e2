//! Proper scores; lower is better (Gneiting & Raftery, JASA 2007).

use ndarray::{ArrayView1, ArrayView2};

use crate::codec::Bin;
use crate::density::BinnedDensity;

/// Returns the continuous ranked probability score of a sample, in the variable's units.
///
/// This is the unbiased ("fair") estimate: the mean distance to the observation minus half the mean
/// distance between two different draws. `NaN` for fewer than two draws.
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
    // Sum over pairs of sorted draws: each draw is the larger one of `i` pairs, the smaller of the
    // rest. The weights sum to zero, so that a level can be subtracted.
    let spread: f64 = sample
        .iter()
        .enumerate()
        .map(|(i, x)| (x - observed) * (2.0 * i as f64 + 1.0 - count))
        .sum();
    distance - spread / (count * (count - 1.0))
}

/// Returns the continuous ranked probability score of a density, in the channel's units: the exact
/// integral of `(F(x) - 1{x >= observed})^2` for its piecewise linear distribution function.
///
/// ```
/// use statecast::{codec::Axis, density::BinnedDensity, metrics::density_crps};
/// let uniform = BinnedDensity::new(Axis::Identity, &[0.001; 1000]).unwrap();
/// // The uniform density on [0, 10) and its middle: 10 / 12.
/// assert!((density_crps(&uniform, 5.0) - 10.0 / 12.0).abs() < 1e-6);
/// ```
pub fn density_crps(density: &BinnedDensity, observed: f64) -> f64 {
    let axis = density.axis();
    if axis.is_constant() {
        return (axis.low() - observed).abs();
    }
    let y = axis.position(observed);
    let grid = density.grid();
    // A line from a to b over a width has the mean square (a^2 + ab + b^2) / 3.
    let square = |a: f64, b: f64, width: f64| width * (a * a + a * b + b * b) / 3.0;
    let (mut below, mut score) = (0.0, 0.0);
    for k in 0..crate::codec::BIN_COUNT {
        let bin = Bin::new(k).expect("k counts the bins");
        let p = density.probability(bin);
        let (left, right) = (grid.edge(k), grid.edge(k + 1));
        let cut = y.clamp(left, right);
        let middle = below + p * (cut - left) / (right - left);
        score += square(below, middle, cut - left);
        score += square(1.0 - middle, 1.0 - below - p, right - cut);
        below += p;
    }
    let (first, last) = (grid.edge(0), grid.edge(crate::codec::BIN_COUNT));
    (score + (first - y).max(0.0) + (y - last).max(0.0)) * axis.unit()
}

/// Returns the energy score of joint draws `[draws, variables]`, every variable divided by its
/// entry of `scales`: the mean distance to the observation minus half the mean distance between two
/// different draws. `NaN` for fewer than two draws.
///
/// In contrast to marginal scores, it depends on the dependence between variables.
pub fn energy_score(
    draws: ArrayView2<f64>,
    observed: ArrayView1<f64>,
    scales: ArrayView1<f64>,
) -> f64 {
    let n = draws.nrows();
    if n < 2 {
        return f64::NAN;
    }
    let distance = |a: ArrayView1<f64>, b: ArrayView1<f64>| {
        let squares = a.iter().zip(b).zip(scales);
        squares
            .map(|((a, b), s)| ((a - b) / s).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let rows = || draws.rows().into_iter();
    let to_observed: f64 = rows().map(|draw| distance(draw, observed)).sum();
    let between: f64 = rows()
        .enumerate()
        .map(|(i, a)| rows().take(i).map(|b| distance(a, b)).sum::<f64>())
        .sum();
    to_observed / n as f64 - between / (n * (n - 1)) as f64
}

/// Returns the variogram score of order 1/2 of joint draws `[draws, variables]`, every variable
/// divided by its entry of `scales`: over all ordered pairs of variables, the sum of the squared
/// differences between the root of the distance of the two that was observed and its mean over the
/// draws (Scheuerer & Hamill, Monthly Weather Review 143, 2015, with equal weights). `NaN` without
/// draws.
///
/// It is more sensitive to wrong dependence than the energy score, but insensitive to a common bias
/// of all variables and to a single variable.
///
/// ```
/// use ndarray::{array, aview1};
/// use statecast::metrics::variogram_score;
/// let draws = array![[0.0, 1.0], [0.0, 9.0]];
/// let score = variogram_score(draws.view(), aview1(&[2.0, 2.0]), aview1(&[1.0, 1.0]));
/// assert_eq!(score, 2.0 * (0.0 - (1.0 + 3.0) / 2.0f64).powi(2));
/// ```
pub fn variogram_score(
    draws: ArrayView2<f64>,
    observed: ArrayView1<f64>,
    scales: ArrayView1<f64>,
) -> f64 {
    let draws = &draws / &scales;
    let observed = &observed / &scales;
    let distance = |row: ArrayView1<f64>, i: usize, j: usize| (row[i] - row[j]).abs().sqrt();
    let pairs = (0..observed.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let differences = pairs.map(|(i, j)| {
        let rows = draws.rows().into_iter();
        let mean = rows.map(|row| distance(row, i, j)).sum::<f64>() / draws.nrows() as f64;
        distance(observed.view(), i, j) - mean
    });
    2.0 * differences.map(|d| d * d).sum::<f64>()
}

/// Returns the interval score of a central interval of a `level`: its width plus `2 / (1 - level)`
/// times the distance of an outcome outside.
///
/// ```
/// let score = statecast::metrics::interval_score((0.0, 1.0), 0.9, 1.1);
/// assert!((score - 3.0).abs() < 1e-12);
/// ```
pub fn interval_score((low, high): (f64, f64), level: f64, observed: f64) -> f64 {
    let missed = (low - observed).max(0.0) + (observed - high).max(0.0);
    high - low + 2.0 / (1.0 - level) * missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Axis;
    use ndarray::{array, aview1};
    use proptest::prelude::*;

    /// Fault: a high level cancelled the digits of distances between draws.
    #[test]
    fn a_level_does_not_change_the_score_of_a_sample() {
        let draws = |level: f64| -> Vec<f64> {
            (0..50)
                .map(|i| level + 0.125 * f64::from(i * i % 17))
                .collect()
        };
        let low = crps(&mut draws(0.0), 1.5);
        let high = crps(&mut draws(1e14), 1e14 + 1.5);
        assert!((low - high).abs() < 1e-9, "{low} {high}");
    }

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

    #[test]
    fn energy_score_of_one_variable_is_its_crps() {
        let draws = array![[0.3], [-1.2], [2.5], [0.9]];
        let energy = energy_score(draws.view(), aview1(&[0.4]), aview1(&[1.0]));
        let single = crps(&mut draws.column(0).to_vec(), 0.4);
        assert!((energy - single).abs() < 1e-12);
    }

    #[test]
    fn crps_of_a_point_is_the_distance() {
        let mass = crate::density::point_mass();
        let density = BinnedDensity::new(Axis::Constant(2.0), &mass).unwrap();
        assert_eq!(density_crps(&density, 5.0), 3.0);
    }

    proptest! {
        /// Includes observations outside of the axis.
        #[test]
        fn density_crps_is_the_integral(
            spikes in prop::collection::vec((0usize..1000, 0.01f32..1.0), 1..20),
            observed in -4.0..16.0f64,
        ) {
            let mut mass = vec![0.0; 1000];
            spikes.iter().for_each(|&(k, p)| mass[k] += p);
            let axis = Axis::Span { min: -3.0, max: 11.0 };
            let density = BinnedDensity::new(axis, &mass).unwrap();
            let x = axis.value(observed);
            let (from, to, steps) = (axis.value(-5.0), axis.value(17.0), 110_000);
            let width = (to - from) / f64::from(steps);
            let integral: f64 = (0..steps)
                .map(|i| {
                    let at = from + (f64::from(i) + 0.5) * width;
                    (density.cdf(at) - f64::from(at >= x)).powi(2) * width
                })
                .sum();
            prop_assert!((density_crps(&density, x) - integral).abs() < 2.0 * width);
        }
    }
}
