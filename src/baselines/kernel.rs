//! Densities on the bins of the axis, built up from parts.

use std::sync::LazyLock;

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

use crate::codec::{BIN_COUNT, BIN_WIDTH};

/// Share of the uniform density in every baseline's.
const UNIFORM: f64 = 1e-4;

/// Widths beyond which a normal kernel is nothing.
const REACH: f64 = 8.0;

/// Widths beyond which it is less than the uniform density's share in every density.
const SEEN: f64 = 5.0;

/// Scale, in axis units, from which on Student's density is smooth within a bin.
const SMOOTH: f64 = 5.0 * BIN_WIDTH;

/// Degrees of freedom from which on Student's law is normal to the digits that count.
const NORMAL: f64 = 200.0;

/// A density that is built up from parts.
pub(super) struct Mass(Vec<f64>);

impl Mass {
    pub(super) fn new() -> Self {
        Self(vec![0.0; BIN_COUNT])
    }

    /// Adds a normal density at a position, of a width above zero.
    pub(super) fn add_normal(&mut self, weight: f64, centre: f64, width: f64) {
        let first = ((centre - SEEN * width) / BIN_WIDTH).floor();
        let last = ((centre + SEEN * width) / BIN_WIDTH).ceil();
        let inside = |k: f64| k.clamp(0.0, BIN_COUNT as f64) as usize;
        self.add(weight, inside(first)..inside(last), |edge| {
            normal_cdf((edge - centre) / width)
        });
    }

    /// Adds Student's density of some degrees of freedom at a position, of a scale above zero.
    pub(super) fn add_student(&mut self, weight: f64, centre: f64, scale: f64, freedom: f64) {
        let Some(student) = StudentsT::new(0.0, 1.0, freedom)
            .ok()
            .filter(|_| freedom < NORMAL)
        else {
            return self.add_normal(weight, centre, scale);
        };
        let inside = |k: f64| k.clamp(0.0, BIN_COUNT as f64) as usize;
        // The distribution function costs ten times what the density costs, which is as good where
        // it hardly bends within a bin.
        let reach = if scale < SMOOTH {
            12.0 * scale + 8.0 * BIN_WIDTH
        } else {
            0.0
        };
        let first = inside(((centre - reach) / BIN_WIDTH).floor());
        let last = inside(((centre + reach) / BIN_WIDTH).ceil());
        self.add(weight, first..last, |edge| {
            student.cdf((edge - centre) / scale)
        });
        let peak = student.ln_pdf(0.0);
        let density = |y: f64| {
            let z = (y - centre) / scale;
            (peak - (freedom + 1.0) / 2.0 * (z * z / freedom).ln_1p()).exp() / scale
        };
        for bins in [0..first, last..BIN_COUNT] {
            let mut low = density(bins.start as f64 * BIN_WIDTH);
            for k in bins {
                let middle = density((k as f64 + 0.5) * BIN_WIDTH);
                let high = density((k + 1) as f64 * BIN_WIDTH);
                self.0[k] += weight * BIN_WIDTH * (low + 4.0 * middle + high) / 6.0;
                low = high;
            }
        }
    }

    /// Adds a density of a given distribution function.
    pub(super) fn add(
        &mut self,
        weight: f64,
        bins: std::ops::Range<usize>,
        cdf: impl Fn(f64) -> f64,
    ) {
        if bins.is_empty() {
            return;
        }
        let mut below = cdf(bins.start as f64 * BIN_WIDTH);
        for k in bins {
            let up_to = cdf((k + 1) as f64 * BIN_WIDTH);
            self.0[k] += weight * (up_to - below).max(0.0);
            below = up_to;
        }
    }

    /// Normalised probabilities. What lies off the axis is cut away: the next value is taken to lie
    /// on it.
    pub(super) fn density(&self) -> impl Iterator<Item = f32> + '_ {
        let total: f64 = self.0.iter().sum();
        let known = total > 1e-12;
        let even = 1.0 / BIN_COUNT as f64;
        self.0.iter().map(move |&p| {
            let own = if known { p / total } else { even };
            ((1.0 - UNIFORM) * own + UNIFORM * even) as f32
        })
    }
}

/// Distribution function of the standard normal law to 2e-7, from a table: it is most of what the
/// baselines compute.
pub(super) fn normal_cdf(z: f64) -> f64 {
    const STEPS: f64 = 500.0;
    static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let ends = (2.0 * REACH * STEPS) as usize + 1;
        let z = |i: usize| i as f64 / STEPS - REACH;
        (0..=ends).map(|i| Normal::standard().cdf(z(i))).collect()
    });
    if z >= REACH {
        return 1.0;
    }
    let at = ((z + REACH) * STEPS).max(0.0);
    let i = at as usize;
    TABLE[i] + (at - i as f64) * (TABLE[i + 1] - TABLE[i])
}

/// Its inverse.
pub(super) fn normal_quantile(level: f64) -> f64 {
    Normal::standard().inverse_cdf(level.clamp(1e-12, 1.0 - 1e-12))
}

/// The position at which the cumulated probability of normal parts (weight, centre, width) that are cut
/// to the axis reaches a level; that of the uniform density if nothing is on it.
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
    // To a thousandth of a bin.
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        match below(middle) < target {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// A sample smoothed by normal kernels: its distribution function on a grid.
#[derive(Debug, Clone)]
pub(super) struct Smoothed {
    start: f64,
    step: f64,
    cumulated: Vec<f64>,
}

impl Smoothed {
    /// Smooths a sample, at least one value; a share `1 / (n + 1)` goes to a wide normal law around
    /// `centre`, for what was not seen yet.
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
        // What a kernel adds to all points behind it, at the first of them.
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

    /// Probability of at most `x`.
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

/// A smoothed sample that is made anew when the sample has grown by a twentieth.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    size: usize,
    smoothed: Option<Smoothed>,
}

impl Kept {
    /// Makes it anew if the sample, which has so many values now, has grown enough.
    pub(super) fn refresh(&mut self, size: usize, make: impl FnOnce() -> Smoothed) {
        if size > self.size + self.size / 20 {
            self.smoothed = Some(make());
            self.size = size;
        }
    }

    pub(super) fn get(&self) -> Option<&Smoothed> {
        self.smoothed.as_ref()
    }
}

/// Width of the kernels that smooth a sample (Silverman 1986, equation 3.31), at least half a bin.
fn bandwidth(sample: &[f64]) -> f64 {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let deviation = (sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |level: f64| sorted[(level * (n - 1.0)).round() as usize];
    let quartiles = (at(0.75) - at(0.25)) / 1.34;
    let spread = match quartiles > 0.0 {
        true => deviation.min(quartiles),
        false => deviation,
    };
    (0.9 * spread * n.powf(-0.2)).max(0.5 * BIN_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_weights() {
        let mut mass = Mass::new();
        mass.add_normal(0.25, 3.0, 0.1);
        mass.add_student(0.75, 7.0, 0.1, 5.0);
        let density: Vec<f32> = mass.density().collect();
        let left: f32 = density[..500].iter().sum();
        assert!((density.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!((left - 0.25).abs() < 1e-3, "{left}");
        assert!(density.iter().all(|&p| p > 0.0));
    }

    #[test]
    fn the_table_is_the_normal_law() {
        for i in -2000..2000 {
            let z = f64::from(i) * 0.00513;
            assert!(
                (normal_cdf(z) - Normal::standard().cdf(z)).abs() < 2e-7,
                "{z}"
            );
        }
    }

    #[test]
    fn students_masses_are_differences_of_its_distribution_function() {
        for (centre, scale, freedom) in [
            (5.0, 0.002, 1.5),
            (3.003, 0.03, 4.0),
            (9.5, 0.3, 12.0),
            (4.0, 2.0, 90.0),
        ] {
            let mut mass = Mass::new();
            mass.add_student(1.0, centre, scale, freedom);
            let student = StudentsT::new(centre, scale, freedom).unwrap();
            for (k, &p) in mass.0.iter().enumerate() {
                let (low, high) = (k as f64 * BIN_WIDTH, (k + 1) as f64 * BIN_WIDTH);
                let exact = student.cdf(high) - student.cdf(low);
                assert!(
                    (p - exact).abs() < 1e-7,
                    "{centre} {scale} {freedom}: {k}: {p} {exact}"
                );
            }
        }
    }

    #[test]
    fn quantiles_of_normal_parts_are_those_of_their_density() {
        let parts = [(0.3, 2.0, 0.4), (0.5, 6.0, 0.05), (0.2, 9.9, 1.0)];
        let mut mass = Mass::new();
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
    fn a_density_off_the_axis_is_uniform() {
        let mut mass = Mass::new();
        mass.add_normal(1.0, 50.0, 0.1);
        assert!(mass.density().all(|p| (p - 1e-3).abs() < 1e-6));
    }

    #[test]
    fn a_smoothed_sample_is_a_distribution() {
        let sample: Vec<f64> = (0..200).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let smoothed = Smoothed::of(&sample, 0.0);
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
