//! Policies that look at nothing, and the normal law.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{Policy, PolicyError, Widths};

/// A standard normal number from a level in `[0, 1)`.
pub(super) fn normal(level: f64) -> f64 {
    // Level 0 would be minus infinity.
    Normal::standard().inverse_cdf(level.max(f64::EPSILON))
}

/// Log density of the normal law.
pub(super) fn log_normal(x: f64, mean: f64, deviation: f64) -> f64 {
    let z = (x - mean) / deviation;
    -0.5 * z * z - deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
}

/// Always the same action.
#[derive(Debug, Clone)]
pub struct Constant {
    action: Array1<f64>,
    observations: usize,
}

impl Constant {
    /// A policy that takes one action whatever it observes.
    pub fn new(action: Vec<f64>, observations: usize) -> Self {
        Self {
            action: action.into(),
            observations,
        }
    }
}

impl Policy for Constant {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.observations,
            actions: self.action.len(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        _: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let mut actions = Array2::zeros((observations.nrows(), self.action.len()));
        actions += &self.action;
        Ok(actions)
    }

    fn log_probabilities(&self, _: ArrayView2<f64>, _: ArrayView2<f64>) -> Option<Array1<f64>> {
        None
    }
}

/// Uniformly random actions.
#[derive(Debug, Clone)]
pub struct Uniform {
    limits: Limits,
    observations: usize,
}

/// Actions that are possible.
#[derive(Debug, Clone, PartialEq)]
pub enum Limits {
    /// Numbers between a low and a high end each.
    Box(Vec<(f64, f64)>),
    /// One of so many choices, `0`, `1`, ….
    Discrete(usize),
}

impl Uniform {
    /// A policy that takes any action within limits, all as likely.
    pub fn new(limits: Limits, observations: usize) -> Self {
        Self {
            limits,
            observations,
        }
    }
}

impl Policy for Uniform {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.observations,
            actions: match &self.limits {
                Limits::Box(limits) => limits.len(),
                Limits::Discrete(_) => 1,
            },
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let mut actions = Array2::zeros((observations.nrows(), self.widths().actions));
        for (mut row, random) in actions.axis_iter_mut(Axis(0)).zip(random) {
            match &self.limits {
                Limits::Box(limits) => row.iter_mut().zip(limits).for_each(|(a, (low, high))| {
                    *a = low + (high - low) * random.random::<f64>();
                }),
                Limits::Discrete(choices) => row[0] = random.random_range(0..*choices) as f64,
            }
        }
        Ok(actions)
    }

    fn log_probabilities(
        &self,
        _: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Option<Array1<f64>> {
        let log: f64 = match &self.limits {
            Limits::Box(limits) => limits.iter().map(|(low, high)| -(high - low).ln()).sum(),
            Limits::Discrete(choices) => -(*choices as f64).ln(),
        };
        Some(Array1::from_elem(actions.nrows(), log))
    }
}
