//! One-step models learned from recorded transitions: from a state and an action to the
//! distribution of the next state and the reward.

mod ensemble;
mod linear;

use ndarray::{Array2, ArrayView2};

pub use ensemble::{Ensemble, EnsembleSettings};
pub use linear::Ridge;

/// Recorded steps: inputs `[rows, states + actions]` and targets `[rows, states + 1]` with the
/// reward last.
#[derive(Debug, Clone)]
pub struct Steps {
    /// States before the steps, `[rows, states]`.
    pub states: Array2<f64>,
    /// Actions, `[rows, actions]`.
    pub actions: Array2<f64>,
    /// Changes of state, and the rewards unless they are state variables, `[rows, states + 1]`; NaN
    /// where unknown.
    pub changes: Array2<f64>,
    /// Run of each row: whole runs are resampled.
    pub run: Vec<usize>,
}

/// Normal distributions of next states and rewards, row by row.
#[derive(Debug, Clone)]
pub struct NormalDistributions {
    /// Means of the next states and, last, of the reward if there was one, `[rows, states + 1]`.
    pub mean: Array2<f64>,
    /// Their standard deviations.
    pub std: Array2<f64>,
}

/// An ensemble of one-step models.
pub trait Dynamics: Send + Sync {
    /// Returns the name in tables.
    fn name(&self) -> &'static str;

    /// Returns the number of members.
    fn members(&self) -> usize;

    /// Predicts the next states and rewards of states `[rows, states]` and actions `[rows,
    /// actions]` by one member.
    fn distributions(
        &self,
        member: usize,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> NormalDistributions;
}
