//! Kernel smoothing of samples.

use crate::codec::{BIN_COUNT, BIN_WIDTH};
use crate::density::{REACH, normal_cdf};
use crate::metrics::quantile;

/// Returns the quantile of a mixture of normal components (weight, centre, width), truncated to the
/// axis; that of the uniform density if no mass is on the axis.
pub(super) fn normal_mixture_quantile(parts: &[(f64, f64, f64)], level: f64) -> f64 {
    let below = |y: f64| -> f64 {
        let of =
            |&(weight, centre, width): &(f64, f64, f64)| weight * normal_cdf((y - centre) / width);
        parts.iter().map(of).sum()
    };
    let axis = BIN_COUNT as f64 * BIN_WIDTH;
    let (start, end) = (below(0.0), below(axis));
    let target = start + level * (end - start);
    if end - start < 1e-12 {
        return level * axis;
    }
    let (mut low, mut high) = (0.0, axis);
    // Accurate to a thousandth of a bin.
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        match below(middle) < target {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// A sample smoothed by normal kernels, as a distribution function on a grid.
#[derive(Debug, Clone)]
pub(super) struct SmoothedSample {
    start: f64,
    step: f64,
    cumulated: Vec<f64>,
}

impl SmoothedSample {
    /// Smooths a sample of at least one value. A fraction `1 / (n + 1)` goes to a wide normal
    /// distribution around `centre`, for unseen values.
    pub(super) fn of(sample: &[f64], centre: f64) -> Self {
        let width = bandwidth(sample);
        let spread = sample.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / sample.len() as f64;
        let wide = 3.0 * spread.sqrt().max(width);
        let (low, high) = sample.iter().fold((centre, centre), |(low, high), &x| {
            (low.min(x), high.max(x))
        });
        let start = (low - REACH * width).min(centre - REACH * wide);
        let end = (high + REACH * width).max(centre + REACH * wide);
        let step = (width / 8.0).max((end - start) / 20_000.0);
        let points = ((end - start) / step).ceil() as usize + 2;
        let mut cumulated = vec![0.0; points];
        // Increment of each kernel for all later grid points.
        let mut behind = vec![0.0; points + 1];
        let weight = 1.0 / (sample.len() + 1) as f64;
        let mut add = |centre: f64, width: f64| {
            let first = (((centre - REACH * width - start) / step).max(0.0) as usize).min(points);
            let last = ((centre + REACH * width - start) / step).max(0.0) as usize;
            let last = last.clamp(first, points);
            for (i, point) in cumulated[first..last].iter_mut().enumerate() {
                let x = start + (first + i) as f64 * step;
                *point += weight * normal_cdf((x - centre) / width);
            }
            behind[last] += weight;
        };
        sample.iter().for_each(|&x| add(x, width));
        add(centre, wide);
        let mut passed = 0.0;
        for (point, added) in cumulated.iter_mut().zip(&behind) {
            passed += added;
            *point += passed;
        }
        Self {
            start,
            step,
            cumulated,
        }
    }

    /// Returns the probability of at most `x`.
    pub(super) fn cdf(&self, x: f64) -> f64 {
        let at = (x - self.start) / self.step;
        if at <= 0.0 {
            return 0.0;
        }
        let i = at as usize;
        match (self.cumulated.get(i), self.cumulated.get(i + 1)) {
            (Some(a), Some(b)) => a + (at - i as f64) * (b - a),
            _ => 1.0,
        }
    }
}

/// A smoothed sample that is recomputed when the sample has grown by 5 %.
#[derive(Debug, Clone, Default)]
pub(super) struct RefreshedSample {
    size: usize,
    smoothed: Option<SmoothedSample>,
}

impl RefreshedSample {
    /// Recomputes it if the sample, now of this size, has grown enough.
    pub(super) fn refresh(&mut self, size: usize, make: impl FnOnce() -> SmoothedSample) {
        if size > self.size + self.size / 20 {
            self.smoothed = Some(make());
            self.size = size;
        }
    }

    pub(super) fn get(&self) -> Option<&SmoothedSample> {
        self.smoothed.as_ref()
    }
}

/// Returns the bandwidth of a sample (Silverman 1986, equation 3.31), at least half a bin.
fn bandwidth(sample: &[f64]) -> f64 {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let deviation = (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quartiles = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.34;
    let spread = match quartiles > 0.0 {
        true => deviation.min(quartiles),
        false => deviation,
    };
    (0.9 * spread * n.powf(-0.2)).max(0.5 * BIN_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::Mass;

    #[test]
    fn quantiles_of_normal_parts_are_those_of_their_density() {
        let parts = [(0.3, 2.0, 0.4), (0.5, 6.0, 0.05), (0.2, 9.9, 1.0)];
        let mut mass = Mass::default();
        parts
            .iter()
            .for_each(|&(weight, centre, width)| mass.add_normal(weight, centre, width));
        let density: Vec<f32> = mass.density().collect();
        for level in [0.01, 0.2, 0.4, 0.7, 0.97] {
            let (k, fraction) = crate::density::locate(&density, level);
            let binned = (k as f64 + fraction) * BIN_WIDTH;
            let exact = normal_mixture_quantile(&parts, level);
            assert!((exact - binned).abs() < 0.01, "{level}: {exact} {binned}");
        }
    }

    #[test]
    fn a_smoothed_sample_is_a_distribution() {
        let sample: Vec<f64> = (0..200).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let smoothed = SmoothedSample::of(&sample, 0.0);
        assert!(smoothed.cdf(-50.0) < 1e-9 && smoothed.cdf(50.0) > 1.0 - 1e-9);
        assert!((smoothed.cdf(0.0) - 0.5).abs() < 0.02);
        let mut points = (-300..300).map(|i| smoothed.cdf(f64::from(i) * 0.01));
        let first = points.next().unwrap();
        points.fold(first, |before, p| {
            assert!(p >= before - 1e-12);
            p
        });
    }
}
