//! Recorded runs of a system: what was observed, what was done, what it earned.
//!
//! [`Trajectory`] is the plain data that the rest of the pipeline reads. Every file format has its
//! own reader in this room; all of them end in the same checked [`Episode`]s.

use ndarray::{Array1, Array2};

/// One uninterrupted run: row `t` holds the state before the step, the action taken in it and the
/// reward it earned.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    name: String,
    states: Array2<f64>,
    actions: Array2<f64>,
    rewards: Option<Array1<f64>>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
}

/// Episodes that share their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    state_names: Vec<String>,
    action_names: Vec<String>,
    reward_name: Option<String>,
    episodes: Vec<Episode>,
}
