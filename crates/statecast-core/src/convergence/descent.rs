//! Simulated stochastic gradient descent.

use ndarray::Array2;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{ConvergenceError, Landscape};

/// Largest number of values over all runs.
const MAX_VALUES: usize = 50_000_000;

/// Separates the random stream of the noise from that of the start.
const NOISE: u64 = 0x5DEE_CE66_D001;

/// Settings of simulated descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    /// Objective function.
    pub landscape: Landscape,
    /// Step size.
    pub step_size: f64,
    /// Standard deviation of the noise on every entry of the gradient.
    pub noise: f64,
    /// Irreducible loss, added to the function.
    pub floor: f64,
    /// Steps per run.
    pub steps: usize,
}

/// A simulated run.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentRun {
    /// Parameters before every step, `[steps, parameters]`.
    pub parameters: Array2<f64>,
    /// Loss before every step, including the floor.
    pub loss: Vec<f64>,
}

impl Descent {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConvergenceError::Setting`] for a step size that is not above zero, noise or floor below zero or not finite,
    /// or too few or too many steps.
    pub fn checked(self, runs: usize) -> Result<Self, ConvergenceError> {
        let refuse = |name: &'static str, value: f64, needs: &'static str| {
            Err(ConvergenceError::Setting { name, value, needs })
        };
        if !(self.step_size > 0.0 && self.step_size.is_finite()) {
            return refuse("step size", self.step_size, "a number above 0");
        }
        for (name, value) in [("noise", self.noise), ("floor", self.floor)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(name, value, "a number of at least 0");
            }
        }
        let columns = self.landscape.parameters().len() + 1;
        let values = self
            .steps
            .checked_mul(columns)
            .and_then(|n| n.checked_mul(runs));
        if self.steps < 2 || values.is_none_or(|values| values > MAX_VALUES) {
            return refuse(
                "steps",
                self.steps as f64,
                "at least 2, and 50 million values of all runs",
            );
        }
        Ok(self)
    }

    /// Draws a start from [`Landscape::starts`], determined by seed and run number.
    pub fn start(&self, seed: u64, number: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let starts = self.landscape.starts().iter();
        let drawn = starts.map(|&(low, high)| low + (high - low) * random.random::<f64>());
        drawn.collect()
    }

    /// Iterates over the parameters before every step and after the last one; seed and run number
    /// determine the noise.
    ///
    /// # Panics
    /// If a start has fewer parameters than the function.
    fn steps_from(&self, start: &[f64], seed: u64, number: u64) -> impl Iterator<Item = Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ NOISE);
        random.set_stream(number);
        let (landscape, normal) = (self.landscape, Normal::standard());
        let (step_size, spread) = (self.step_size, self.noise);
        std::iter::successors(Some(start.to_vec()), move |at| {
            let gradient = landscape.gradient(at);
            let next = at.iter().zip(gradient).map(|(x, slope)| {
                let level: f64 = random.random_range(f64::EPSILON..1.0);
                x - step_size * (slope + spread * normal.inverse_cdf(level))
            });
            Some(next.collect())
        })
    }

    /// Simulates a run from a start, see [`start`](Self::start).
    ///
    /// # Panics
    /// If the start has fewer parameters than the function.
    pub fn run(&self, start: &[f64], seed: u64, number: u64) -> DescentRun {
        let mut parameters = Array2::zeros((self.steps, start.len()));
        let mut loss = Vec::with_capacity(self.steps);
        let steps = self.steps_from(start, seed, number);
        for (mut row, at) in parameters.rows_mut().into_iter().zip(steps) {
            row.iter_mut().zip(&at).for_each(|(to, x)| *to = *x);
            loss.push(self.floor + self.landscape.value(&at));
        }
        DescentRun { parameters, loss }
    }

    /// Returns the parameters of the last row of a run.
    ///
    /// # Panics
    /// If the start has fewer parameters than the function.
    pub fn end(&self, start: &[f64], seed: u64, number: u64) -> Vec<f64> {
        let last = self.steps_from(start, seed, number).nth(self.steps - 1);
        last.unwrap_or_else(|| start.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCENT: Descent = Descent {
        landscape: Landscape::Quadratic,
        step_size: 0.1,
        noise: 0.5,
        floor: 0.3,
        steps: 20_000,
    };

    /// `x <- (1 - h c) x - h s e` has the variance `h s² / (c (2 - h c))` in the long run.
    #[test]
    fn the_loss_converges_to_the_theoretical_variance() {
        let run = DESCENT.run(&DESCENT.start(1, 0), 1, 0);
        let tail = &run.loss[2_000..];
        let mean = tail.iter().sum::<f64>() / tail.len() as f64;
        let variance = |curvature: f64| {
            let (h, s) = (DESCENT.step_size, DESCENT.noise);
            h * s * s / (curvature * (2.0 - h * curvature))
        };
        let expected = 0.3 + 0.5 * (variance(1.0) + 0.25 * variance(0.25));
        assert!((mean - expected).abs() < 0.002, "{mean} {expected}");
    }

    #[test]
    fn runs_are_determined_by_seed_and_number() {
        let short = Descent {
            steps: 50,
            ..DESCENT
        };
        let run = |number| short.run(&short.start(1, number), 1, number);
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        let end = short.end(&short.start(1, 3), 1, 3);
        assert_eq!(run(3).parameters.row(49).to_vec(), end);
        let still = Descent {
            noise: 0.0,
            ..short
        };
        let run = still.run(&[2.0, 1.0], 0, 0);
        assert_eq!(run.parameters.row(0).to_vec(), [2.0, 1.0]);
        assert!((run.parameters[[1, 0]] - 1.8).abs() < 1e-12);
    }

    #[test]
    fn invalid_settings_are_errors() {
        for wrong in [
            Descent {
                step_size: 0.0,
                ..DESCENT
            },
            Descent {
                step_size: f64::NAN,
                ..DESCENT
            },
            Descent {
                noise: -1.0,
                ..DESCENT
            },
            Descent {
                floor: f64::INFINITY,
                ..DESCENT
            },
            Descent {
                steps: 1,
                ..DESCENT
            },
            Descent {
                steps: usize::MAX,
                ..DESCENT
            },
        ] {
            assert!(wrong.checked(1).is_err(), "{wrong:?}");
        }
        assert!(DESCENT.checked(100_000).is_err());
        assert!(DESCENT.checked(10).is_ok());
    }
}
