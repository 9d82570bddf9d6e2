//! Models of one step that are learned from recorded transitions: from a state and an action to the
//! law of the next state and of the reward.

mod ensemble;
mod linear;

use ndarray::{Array2, ArrayView2};

pub use ensemble::{Ensemble, EnsembleSettings};
pub use linear::Ridge;

/// Recorded steps: inputs `[rows, states + actions]` and what followed them,
/// `[rows, states + 1]` with the reward last.
#[derive(Debug, Clone)]
pub struct Steps {
    /// States before the steps, `[rows, states]`.
    pub states: Array2<f64>,
    /// Actions taken, `[rows, actions]`.
    pub actions: Array2<f64>,
    /// Next states less the states, and the rewards if they are not among these, `[rows, states + 1]`; NaN
    /// where it is not known.
    pub changes: Array2<f64>,
    /// Number of the run of each row: runs are resampled as wholes.
    pub run: Vec<usize>,
}

/// Normal laws of what follows, row by row.
#[derive(Debug, Clone)]
pub struct Laws {
    /// Means of the next states and, last, of the reward if there was one, `[rows, states + 1]`.
    pub mean: Array2<f64>,
    /// Standard deviations of them.
    pub deviation: Array2<f64>,
}

/// A learned model with several members, each of which could be the system.
pub trait Dynamics: Send + Sync {
    /// Name in tables.
    fn name(&self) -> &'static str;

    /// Members.
    fn members(&self) -> usize;

    /// What follows states `[rows, states]` and actions `[rows, actions]` by one member.
    fn laws(&self, member: usize, states: ArrayView2<f64>, actions: ArrayView2<f64>) -> Laws;
}
