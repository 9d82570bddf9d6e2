//! Who acts on imagined paths.

use ndarray::{Array2, ArrayView2};
use rand::rngs::ChaCha8Rng;

use crate::policy::{Policy, PolicyError};

/// Who acts on imagined paths.
pub enum Actor<'a> {
    /// A policy, at what is imagined.
    Policy(&'a mut dyn Policy),
    /// A recording: the actions `[steps, actions]` that were taken, on every path the same; the last
    /// one again after its end.
    Recorded(ArrayView2<'a, f64>),
}

impl Actor<'_> {
    /// Actions `[paths, actions]` of a step at states `[paths, states]`.
    pub(super) fn act(
        &mut self,
        step: usize,
        states: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        match self {
            Self::Policy(policy) => policy.act(states, random),
            Self::Recorded(actions) => {
                let row = actions.row(step.min(actions.nrows() - 1));
                let shape = (states.nrows(), row.len());
                Ok(Array2::from_shape_fn(shape, |(_, a)| row[a]))
            }
        }
    }
}
