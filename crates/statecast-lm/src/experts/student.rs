//! Student's t distribution.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;
use statrs::function::gamma::ln_gamma;

/// Degrees of freedom from which on the distribution function is that of the normal to the digits
/// that count.
const NORMAL: f64 = 1e6;

/// Steps in which a quantile is found at most.
const STEPS: usize = 100;

/// Student's t distribution, in the units of what it predicts.
///
/// ```
/// use statecast_lm::experts::Student;
/// let cauchy = Student { location: 1.0, scale: 2.0, freedom: 1.0 };
/// assert!((cauchy.cdf(3.0) - 0.75).abs() < 1e-12);
/// assert!((cauchy.quantile(0.75) - 3.0).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Student {
    /// Location: median, and mean where there is one.
    pub location: f64,
    /// Scale, above zero.
    pub scale: f64,
    /// Degrees of freedom, above zero.
    pub freedom: f64,
}

impl Student {
    /// Natural logarithm of the density.
    pub fn log_density(&self, x: f64) -> f64 {
        self.log_density_from(log_peak(self.freedom), x)
    }

    /// The same, from the [peak](log_peak) of the standard distribution.
    pub(super) fn log_density_from(&self, log_peak: f64, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        let fall = match self.freedom > NORMAL {
            true => z * z / 2.0,
            false => (self.freedom + 1.0) / 2.0 * (1.0 + z * z / self.freedom).ln(),
        };
        log_peak - self.scale.ln() - fall
    }

    /// Probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        if self.freedom > NORMAL {
            return Normal::standard().cdf(z);
        }
        let whole = self.freedom + z * z;
        let (outside, inside) = (self.freedom / whole, z * z / whole);
        // Close to the location the other tail of the beta distribution has the digits.
        let tail = match outside > 0.5 {
            true => 1.0 - beta_reg(0.5, self.freedom / 2.0, inside),
            false => beta_reg(self.freedom / 2.0, 0.5, outside),
        };
        if z > 0.0 {
            1.0 - tail / 2.0
        } else {
            tail / 2.0
        }
    }

    /// The value below which the share `level` of the probability lies; levels are kept away from 0
    /// and 1 by 1e-12.
    pub fn quantile(&self, level: f64) -> f64 {
        let level = level.clamp(1e-12, 1.0 - 1e-12);
        let standard = Self {
            location: 0.0,
            scale: 1.0,
            ..*self
        };
        // By symmetry in the lower half, where probabilities keep their digits.
        let z = standard.lower_quantile(level.min(1.0 - level));
        self.location + self.scale * if level > 0.5 { -z } else { z }
    }

    /// Newton's steps, halved where they leave the interval in which the quantile lies.
    fn lower_quantile(&self, level: f64) -> f64 {
        let (mut low, mut high) = (-1.0, 0.0);
        while self.cdf(low) > level {
            (low, high) = (2.0 * low, low);
        }
        let mut z = (low + high) / 2.0;
        for _ in 0..STEPS {
            let error = self.cdf(z) - level;
            match error > 0.0 {
                true => high = z,
                false => low = z,
            }
            let step = error / self.log_density(z).exp();
            let newton = z - step;
            let next = match (low..=high).contains(&newton) {
                true => newton,
                false => (low + high) / 2.0,
            };
            if (next - z).abs() <= 1e-12 * z.abs() {
                return next;
            }
            z = next;
        }
        z
    }
}

/// Natural logarithm of the density of location zero and scale 1 at its peak.
pub(super) fn log_peak(freedom: f64) -> f64 {
    if freedom > NORMAL {
        return -0.5 * std::f64::consts::TAU.ln();
    }
    ln_gamma((freedom + 1.0) / 2.0)
        - ln_gamma(freedom / 2.0)
        - 0.5 * (freedom * std::f64::consts::PI).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scipy.stats.t.cdf and logpdf.
    #[test]
    fn agrees_with_scipy() {
        let law = Student {
            location: 0.5,
            scale: 0.1,
            freedom: 3.5,
        };
        assert!((law.cdf(0.62) - 0.847_492_757_311_067_8).abs() < 1e-12);
        assert!((law.log_density(0.62) - 0.537_756_185_649_501_5).abs() < 1e-12);
    }

    /// Fault: of so many degrees of freedom the density was no number.
    #[test]
    fn with_endless_freedom_it_is_normal() {
        let law = Student {
            location: 1.0,
            scale: 2.0,
            freedom: f64::MAX,
        };
        let normal = -0.5 - 2f64.ln() - 0.5 * std::f64::consts::TAU.ln();
        assert!((law.log_density(3.0) - normal).abs() < 1e-12);
        assert!((law.quantile(0.841_344_746_068_542_9) - 3.0).abs() < 1e-9);
        let many = Student {
            freedom: 1e6,
            ..law
        };
        assert!((many.log_density(3.0) - normal).abs() < 1e-5);
    }

    /// One less a share of almost one has lost its digits.
    #[test]
    fn the_distribution_function_is_exact_close_to_the_median() {
        let (location, scale) = (-2.0, 1e-3);
        let freedom = 375.362_944_079_751_86;
        let law = Student {
            location,
            scale,
            freedom,
        };
        let level = 0.500_021_125_829_079;
        assert!((law.cdf(law.quantile(level)) - level).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn quantiles_invert_the_distribution_function(
            level in 1e-6..1.0f64,
            freedom in 1.0..500.0f64,
        ) {
            let law = Student { location: -2.0, scale: 1e-3, freedom };
            prop_assert!((law.cdf(law.quantile(level)) - level).abs() < 1e-10);
        }
    }
}
