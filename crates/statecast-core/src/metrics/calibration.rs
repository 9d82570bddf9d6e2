//! Calibration of probabilistic forecasts.

use nalgebra::DMatrix;

use crate::codec::Cell;
use crate::density::BinnedDensity;

/// Probability integral transforms (PIT values) of outcomes, uniform on `[0, 1]` for calibrated
/// forecasts (Dawid 1984).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pit(Vec<f64>);

impl Pit {
    /// Creates an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an outcome that is known up to a bin or an interval: its PIT value is randomised within
    /// it, by `random` uniform on `[0, 1)`.
    pub fn add_bin(&mut self, density: &BinnedDensity, observed: impl Into<Cell>, random: f64) {
        self.0.push(density.pit(observed, random));
    }

    /// Adds an outcome by its rank in a sample, randomised among ties by `random` uniform on `[0,
    /// 1)`.
    pub fn add_sample(&mut self, sample: &[f64], observed: f64, random: f64) {
        let below = sample.iter().filter(|&&x| x < observed).count() as f64;
        let equal = sample.iter().filter(|&&x| x == observed).count() as f64;
        let places = sample.len() as f64 + 1.0;
        self.0.push((below + random * (equal + 1.0)) / places);
    }

    /// Adds a PIT value.
    pub fn push(&mut self, pit: f64) {
        self.0.push(pit);
    }

    /// Returns the PIT values in the order of addition.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Adds all values of another collection.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Returns the relative frequencies in `parts` equal bins of `[0, 1]`.
    pub fn histogram(&self, parts: usize) -> Vec<f64> {
        let mut shares = vec![0.0; parts];
        for &u in &self.0 {
            let part = ((u * parts as f64) as usize).min(parts - 1);
            shares[part] += 1.0 / self.0.len() as f64;
        }
        shares
    }

    /// Returns the fraction of outcomes at or below the quantile of a level.
    pub fn share_below(&self, level: f64) -> f64 {
        self.share(|u| u <= level)
    }

    /// Returns the coverage of the central interval of a level.
    pub fn coverage(&self, level: f64) -> f64 {
        self.share(|u| (u - 0.5).abs() <= level / 2.0)
    }

    fn share(&self, holds: impl Fn(f64) -> bool) -> f64 {
        self.0.iter().filter(|&&u| holds(u)).count() as f64 / self.0.len() as f64
    }

    /// Summarises the calibration.
    pub fn calibration(&self) -> Calibration {
        let ks = ks_distance(&self.0);
        let levels = (1..20).map(|i| f64::from(i) / 20.0);
        let errors = levels.map(|level| (self.share_below(level) - level).abs());
        Calibration {
            outcomes: self.0.len(),
            ks,
            p_value: ks_p_value(ks, self.0.len()),
            ece: errors.sum::<f64>() / 19.0,
            coverage_50: self.coverage(0.5),
            coverage_80: self.coverage(0.8),
            coverage_90: self.coverage(0.9),
            coverage_99: self.tail_coverage(0.99),
            coverage_999: self.tail_coverage(0.999),
        }
    }

    /// Returns the coverage of the central interval of a level where at least one outcome outside is expected; of fewer
    /// outcomes it says nothing.
    fn tail_coverage(&self, level: f64) -> Option<f64> {
        let expected_outside = (1.0 - level) * self.0.len() as f64;
        (expected_outside > 1.0 - 1e-9).then(|| self.coverage(level))
    }
}

/// Summary of calibration.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Calibration {
    /// Number of outcomes.
    pub outcomes: usize,
    /// Kolmogorov-Smirnov distance of the PIT values from the uniform distribution.
    pub ks: f64,
    /// p-value of this distance for calibrated, independent forecasts.
    pub p_value: f64,
    /// Expected calibration error: mean absolute difference between the fraction of outcomes below
    /// a quantile and its level, over the levels 0.05 to 0.95.
    pub ece: f64,
    /// Coverage of central 50 % intervals.
    pub coverage_50: f64,
    /// Coverage of central 80 % intervals.
    pub coverage_80: f64,
    /// Coverage of central 90 % intervals.
    pub coverage_90: f64,
    /// Coverage of central 99 % intervals of densities, from 100 outcomes on. None for sample paths, whose quantiles so
    /// far out are those of one or two paths.
    pub coverage_99: Option<f64>,
    /// Coverage of central 99.9 % intervals of densities, from 1000 outcomes on.
    pub coverage_999: Option<f64>,
}

/// Returns the Kolmogorov-Smirnov distance of values from the uniform distribution on `[0, 1]`;
/// `NaN` for none.
///
/// ```
/// let distance = statecast::metrics::ks_distance(&[0.1, 0.5, 0.9]);
/// assert!((distance - 0.7 / 3.0).abs() < 1e-12);
/// ```
pub fn ks_distance(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gaps = sorted.iter().enumerate().flat_map(|(i, u)| {
        let (below, up_to) = (i as f64 / n, (i + 1) as f64 / n);
        [u - below, up_to - u]
    });
    gaps.fold(f64::NAN, f64::max)
}

/// Sample sizes up to which the exact distribution of the distance is computed.
const EXACT: usize = 2000;

/// Returns the probability that `n` independent uniform values have at least a Kolmogorov-Smirnov
/// distance: exact up to 2000 values (Marsaglia, Tsang & Wang 2003), Kolmogorov's limit with
/// Vrbik's (2018) correction beyond. `NaN` without values.
///
/// ```
/// let p = statecast::metrics::ks_p_value(0.5, 1);
/// assert_eq!(p, 1.0); // a single value has a distance of at least 0.5
/// ```
pub fn ks_p_value(distance: f64, n: usize) -> f64 {
    let count = n as f64;
    if n == 0 || distance.is_nan() {
        return f64::NAN;
    }
    let limit = distance * count.sqrt();
    let x = limit + 1.0 / (6.0 * count.sqrt()) + (limit - 1.0) / (4.0 * count);
    // In the far tail, the limit is as accurate.
    if n <= EXACT && x < 2.0 {
        return (1.0 - within(distance, n)).clamp(0.0, 1.0);
    }
    if x < 0.2 {
        return 1.0;
    }
    let terms = (1..=100).map(|k| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    });
    terms.sum::<f64>().clamp(0.0, 1.0)
}

/// Returns the probability of a distance below `distance`: an entry of a power of Durbin's matrix.
fn within(distance: f64, n: usize) -> f64 {
    let reach = distance * n as f64;
    let k = reach.floor() as usize + 1;
    let h = k as f64 - reach;
    let size = 2 * k - 1;
    let mut matrix = DMatrix::from_fn(size, size, |i, j| f64::from(u8::from(i + 1 >= j)));
    for i in 0..size {
        matrix[(i, 0)] -= h.powi(i as i32 + 1);
        matrix[(size - 1, i)] -= h.powi((size - i) as i32);
    }
    matrix[(size - 1, 0)] += (2.0 * h - 1.0).max(0.0).powi(size as i32);
    for i in 0..size {
        for j in 0..=i {
            (1..=i + 1 - j).for_each(|g| matrix[(i, j)] /= g as f64);
        }
    }
    // The power times n!/n^n, in logarithms to avoid overflow.
    let (mut power, mut base, mut left) = (DMatrix::identity(size, size), matrix, n);
    let (mut scale, mut base_scale) = (0.0, 0.0);
    while left > 0 {
        if left % 2 == 1 {
            power *= &base;
            scale += base_scale + normalise(&mut power);
        }
        base = &base * &base;
        base_scale = 2.0 * base_scale + normalise(&mut base);
        left /= 2;
    }
    let factor: f64 = (1..=n).map(|i| (i as f64 / n as f64).ln()).sum();
    (power[(k - 1, k - 1)].ln() + scale + factor).exp()
}

/// Divides a matrix by its largest entry and returns that entry's logarithm.
fn normalise(matrix: &mut DMatrix<f64>) -> f64 {
    let largest = matrix.amax();
    if largest > 0.0 {
        *matrix /= largest;
    }
    largest.ln()
}

/// Returns Pearson's correlation of two series of equal length; `NaN` if one is constant.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    ab / (aa * bb).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Axis;

    #[test]
    fn a_calibrated_forecast_has_uniform_transforms() {
        let mut mass = vec![0.0; 1000];
        (300..700).for_each(|k| mass[k] = (k - 250) as f32);
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let mut pit = Pit::new();
        // Outcomes at evenly spread levels of the forecast itself.
        for i in 0..2000 {
            let (bin, _) = density.locate((f64::from(i) + 0.5) / 2000.0);
            pit.add_bin(&density, bin, f64::from(i % 7) / 7.0);
        }
        let calibration = pit.calibration();
        assert!(calibration.ks < 0.01 && calibration.ece < 0.01);
        assert!((calibration.coverage_90 - 0.9).abs() < 0.01);
        assert!(calibration.p_value > 0.9);
        assert!((calibration.coverage_99.unwrap() - 0.99).abs() < 0.002);
        assert!((calibration.coverage_999.unwrap() - 0.999).abs() < 0.001);
    }

    #[test]
    fn coverage_of_a_tail_needs_an_expected_miss() {
        let known = |outcomes: u32| {
            let mut pit = Pit::new();
            (0..outcomes).for_each(|i| pit.push((f64::from(i) + 0.5) / f64::from(outcomes)));
            let calibration = pit.calibration();
            [calibration.coverage_99, calibration.coverage_999].map(|share| share.is_some())
        };
        assert_eq!(known(99), [false, false]);
        assert_eq!(known(100), [true, false]);
        assert_eq!(known(1000), [true, true]);
    }

    #[test]
    fn ranks_in_a_sample_cover_the_unit_interval() {
        let mut pit = Pit::new();
        pit.add_sample(&[1.0, 2.0, 3.0], 0.0, 0.0);
        pit.add_sample(&[1.0, 2.0, 3.0], 9.0, 0.999);
        pit.add_sample(&[2.0, 2.0, 2.0], 2.0, 0.5);
        assert_eq!(pit.values()[0], 0.0);
        assert!(pit.values()[1] > 0.99);
        assert_eq!(pit.values()[2], 0.5);
    }
}
