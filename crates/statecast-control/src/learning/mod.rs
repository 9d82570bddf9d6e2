//! Control agents: soft actor-critic, its replay buffer and imagined transitions.

use std::path::PathBuf;

mod actor;
mod augmentation;
mod augmented;
mod branches;
mod checkpoint;
mod choice;
mod comparison;
mod critic;
mod evaluation;
mod imagination;
mod offline;
mod recorded_pairs;
mod recorder;
mod replay;
mod run;
mod sac;
mod settings;
mod side_by_side;
mod state;
mod td3_bc;
mod training;

pub use actor::{SacActor, SampledActions};
pub use augmentation::{
    AugmentationSettings, AugmentationSource, BranchSettings, Imagination, ImaginedActions,
    NextState, SampleWeighting,
};
pub use checkpoint::Resumed;
pub use choice::PolicyValue;
pub use comparison::{Arm, ArmSummary, Comparison, CurvePoint, PlannedArm, compare};
pub use evaluation::Evaluation;
pub use offline::OfflineSettings;
pub use replay::{Batch, ReplayBuffer, Transition};
pub use run::TrainingRun;
pub use sac::{Losses, Sac, SacSettings};
pub use settings::TrainingSettings;
pub use side_by_side::{PlannedRun, RunProgress, train_side_by_side};
pub use training::Training;

/// Errors of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearningError {
    /// A count of zero.
    #[error("{0}: must not be 0")]
    Setting(&'static str),
    /// Learning rates, a discount or tau out of range.
    #[error("learning rates are above 0 and at most 1, discount and tau from 0 to 1")]
    Rates,
    /// A weight of states out of range, or without recordings or a weight of the values.
    #[error(
        "the weight of states is from 0 to 100, with recordings (`offline=`) and a weight of the values"
    )]
    StateWeight,
    /// A dropout rate out of range.
    #[error("dropout is from 0 to 0.9")]
    Dropout,
    /// Invalid or incompatible augmentation settings.
    #[error("{0}")]
    Augmentation(&'static str),
    /// No forecaster for a run that needs one.
    #[error("a forecaster is needed for imagined transitions")]
    NoForecaster,
    /// Divergence: network outputs that are not finite.
    #[error("the agent has diverged by step {0}: its values are not finite; try lower rates")]
    Diverged(usize),
    /// Runs that cannot be compared.
    #[error("compared runs need the same seeds and evaluations at the same steps, at least one")]
    Runs,
    /// A failure of the forecaster.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
    /// Networks or batches that take too much memory.
    #[error(
        "hidden is at most 4096, with more than 2 critics less, batch at most 65536 including imagined transitions, a \
         round of updates at most 10000000"
    )]
    Large,
    /// A run with other settings.
    #[error("{0}")]
    Other(String),
    /// A folder with another run.
    #[error("{} holds another run: {reason}", .folder.display())]
    Another {
        /// The folder.
        folder: PathBuf,
        /// The difference.
        reason: String,
    },
    /// A folder in use by another process.
    #[error("{}: another process trains here", .0.display())]
    Busy(PathBuf),
    /// Failure of one of several runs.
    #[error("{}: {source}", .folder.display())]
    Run {
        /// Its folder.
        folder: PathBuf,
        /// Why it failed.
        source: Box<LearningError>,
    },
    /// Recordings that do not fit to the task or the settings.
    #[error("recordings: {0}")]
    Recordings(String),
    /// Discrete actions.
    #[error("{0} has discrete actions; soft actor-critic needs continuous ones")]
    DiscreteActions(&'static str),
    /// An unknown environment, or an invalid action.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// A failed evaluation of a policy.
    #[error(transparent)]
    Evaluation(#[from] crate::evaluation::EvaluationError),
    /// Invalid networks.
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
