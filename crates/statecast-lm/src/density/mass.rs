//! Densities on the bins of the axis, composed of components.

use std::sync::LazyLock;

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

use crate::codec::{BIN_COUNT, BIN_WIDTH};

/// Fraction of the uniform density in every density.
const UNIFORM: f64 = 1e-4;

/// Widths beyond which a normal density is zero.
pub const REACH: f64 = 8.0;

/// Widths beyond which it is below the uniform fraction.
const SEEN: f64 = 5.0;

/// Scale, in axis units, from which on Student's t density is smooth within a bin.
const SMOOTH: f64 = 5.0 * BIN_WIDTH;

/// Degrees of freedom from which on Student's t distribution is normal to working precision.
const NORMAL: f64 = 200.0;

/// A density composed of components.
pub struct Mass(Vec<f64>);

impl Default for Mass {
    /// A density without components.
    fn default() -> Self {
        Self(vec![0.0; BIN_COUNT])
    }
}

impl Mass {
    /// Adds a normal density at a position, with a width above zero.
    pub fn add_normal(&mut self, weight: f64, centre: f64, width: f64) {
        let first = ((centre - SEEN * width) / BIN_WIDTH).floor();
        let last = ((centre + SEEN * width) / BIN_WIDTH).ceil();
        let inside = |k: f64| k.clamp(0.0, BIN_COUNT as f64) as usize;
        self.add(weight, inside(first)..inside(last), |edge| {
            normal_cdf((edge - centre) / width)
        });
    }

    /// Adds a Student t density at a position, with a scale above zero.
    pub fn add_student(&mut self, weight: f64, centre: f64, scale: f64, freedom: f64) {
        let Some(student) = StudentsT::new(0.0, 1.0, freedom)
            .ok()
            .filter(|_| freedom < NORMAL)
        else {
            return self.add_normal(weight, centre, scale);
        };
        let inside = |k: f64| k.clamp(0.0, BIN_COUNT as f64) as usize;
        // The distribution function costs ten times as much as the density, which is as accurate
        // where it is nearly linear within a bin.
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

    /// Adds a density with a given distribution function.
    pub fn add(&mut self, weight: f64, bins: std::ops::Range<usize>, cdf: impl Fn(f64) -> f64) {
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

    /// Returns normalised probabilities, truncated to the axis.
    pub fn density(&self) -> impl Iterator<Item = f32> + '_ {
        let total: f64 = self.0.iter().sum();
        let known = total > 1e-12;
        let even = 1.0 / BIN_COUNT as f64;
        self.0.iter().map(move |&p| {
            let own = if known { p / total } else { even };
            ((1.0 - UNIFORM) * own + UNIFORM * even) as f32
        })
    }
}

/// Returns the standard normal distribution function to 2e-7, from a table: baselines spend most of
/// their time on it.
pub fn normal_cdf(z: f64) -> f64 {
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

/// Returns the standard normal quantile.
pub fn normal_quantile(level: f64) -> f64 {
    Normal::standard().inverse_cdf(level.clamp(1e-12, 1.0 - 1e-12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_weights() {
        let mut mass = Mass::default();
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
            let mut mass = Mass::default();
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
    fn a_density_off_the_axis_is_uniform() {
        let mut mass = Mass::default();
        mass.add_normal(1.0, 50.0, 0.1);
        assert!(mass.density().all(|p| (p - 1e-3).abs() < 1e-6));
    }
}
