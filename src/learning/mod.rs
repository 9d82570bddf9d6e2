//! Agents that learn to control: soft actor-critic, its replay buffer, and what a forecaster adds to it.

use std::path::PathBuf;

mod actor;
mod augmentation;
mod checkpoint;
mod comparison;
mod imagination;
mod replay;
mod run;
mod sac;
mod settings;
mod side_by_side;
mod state;
mod training;

pub use actor::{Actor, Drawn};
pub use augmentation::{Acting, AugmentationSettings, Imagining, NextState, Source, Trust};
pub use checkpoint::Resumed;
pub use comparison::{Arm, ArmSummary, CurvePoint, compare};
pub use replay::{Batch, Replay, Transition};
pub use run::TrainingRun;
pub use sac::{Losses, Sac, SacSettings};
pub use settings::TrainingSettings;
pub use side_by_side::{PlannedRun, RunProgress, train_side_by_side};
pub use training::{Evaluation, Training};

/// Why an agent cannot learn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearningError {
    /// A count of zero.
    #[error("{0}: must not be 0")]
    Setting(&'static str),
    /// Rates or shares that cannot be.
    #[error("rates are above 0 and at most 1, discount and follow from 0 to 1")]
    Rates,
    /// Imagined transitions that cannot be.
    #[error("{0}")]
    Augmentation(&'static str),
    /// A run that needs a forecaster and has none.
    #[error("a forecaster is needed for imagined transitions")]
    NoForecaster,
    /// Networks whose outputs are not finite any more.
    #[error("the agent has diverged by step {0}: its values are not finite; try lower rates")]
    Diverged(usize),
    /// Runs that cannot be compared.
    #[error("runs to compare need the same seeds and evaluations at the same steps, one at least")]
    Runs,
    /// A forecaster that failed.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
    /// Networks or batches that take too much memory.
    #[error("hidden is at most 4096, batch at most 65536 with what is imagined")]
    Large,
    /// A run with other settings.
    #[error("{0}")]
    Other(String),
    /// A folder with another run.
    #[error("{} holds another run: {reason}", .folder.display())]
    Another {
        /// The folder.
        folder: PathBuf,
        /// In what it differs.
        reason: String,
    },
    /// A folder in which another process trains.
    #[error("{}: another process trains here", .0.display())]
    Busy(PathBuf),
    /// A run that failed among others.
    #[error("{}: {source}", .folder.display())]
    Run {
        /// Its folder.
        folder: PathBuf,
        /// Why it failed.
        source: Box<LearningError>,
    },
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
