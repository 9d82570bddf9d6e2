//! Agents that learn to control: soft actor-critic, its replay buffer, and what a forecaster adds to it.

mod actor;
mod checkpoint;
mod replay;
mod sac;
mod training;

pub use actor::{Actor, Drawn};
pub use checkpoint::Resumed;
pub use replay::{Batch, Replay, Transition};
pub use sac::{Losses, Sac, SacSettings};
pub use training::{Evaluation, Training, TrainingSettings};

/// Why an agent cannot learn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearningError {
    /// A count of zero.
    #[error("{0}: must not be 0")]
    Setting(&'static str),
    /// Networks or batches that take too much memory.
    #[error("hidden is at most 4096, batch at most 65536")]
    Large,
    /// A run with other settings.
    #[error("{0}")]
    Other(String),
    /// Actions that are choices.
    #[error("{0} has choices for actions; soft actor-critic needs numbers")]
    Choices(&'static str),
    /// An environment that is not known, or refuses an action.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// Networks that cannot be.
    #[error(transparent)]
    Network(#[from] crate::network::NetworkError),
    /// A checkpoint that cannot be written or read.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// The file or folder.
        file: String,
        /// What is wrong.
        reason: String,
    },
}
