//! Agents that learn to control: soft actor-critic, its replay buffer, and what a forecaster adds to it.

mod actor;
mod replay;
mod sac;

pub use actor::{Actor, Drawn};
pub use replay::{Batch, Replay, Transition};
pub use sac::{Losses, Sac, SacSettings};
