//! What policies are worth, from recorded trajectories and without running them.
//!
//! [`Logged`] holds what was recorded. A policy's value is estimated by walking it through a model
//! of the system ([`in_context`], [`learned`]), by fitting its value function ([`FittedQ`]), by
//! weighting what was recorded ([`importance`]), or by several of them together; each gives a
//! [`Value`] with an interval.

mod actor;
mod continuation;
mod correction;
mod ends;
mod fitted;
mod imagined;
mod importance;
mod in_context;
mod learned;
mod ledger;
mod logged;
mod recommended;
mod recording;
mod simulated;
mod standing;
mod support;
mod truth;
mod value;

pub use actor::{Actor, Follower, Following};
pub use continuation::{Continuations, Continued, Cut, Rule};
pub use correction::{Earned, doubt, on_policy, recorded};
pub use ends::{RecordedEnds, TimeLimit, time_limit};
pub use fitted::{FittedQ, FittedSettings};
pub use imagined::{Imagined, Walk};
pub use importance::{Critic, Weighted, behaviour_mean, doubly_robust, importance};
pub use in_context::{Contexts, Piece, in_context, pieces};
pub use learned::{Models, learned};
pub use logged::{Logged, Run, Transitions};
pub use recommended::{Recommended, leading};
pub use recording::{RecordingFormat, SimulatedEpisodes};
pub use simulated::simulated;
pub use standing::{Standing, standing};
pub use support::{Beyond, actions_beyond};
pub use truth::read_truth;
pub use value::{Path, Value};

use std::path::PathBuf;

use crate::environment::{Reward, Task};

/// Whether a state ends a run for good.
pub type Terminated = fn(&[f64]) -> bool;

/// What is known of a system beside its recordings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Its reward; predicted where it is not known.
    pub reward: Option<Reward>,
    /// Where it ends; nowhere if that is not known.
    pub terminated: Option<Terminated>,
}

impl Rules {
    /// What is known of a task.
    pub fn of(task: &Task) -> Self {
        Self {
            reward: task.reward,
            terminated: Some(task.terminated),
        }
    }
}

/// Why a policy cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A recording has other columns than the first.
    #[error("recording {0} (counted from 0) has other states or actions than the first")]
    Recordings(usize),
    /// No action column.
    #[error("the recordings have no action columns; choose them with --action")]
    NoActions,
    /// No run is long enough to be cut.
    #[error("no episode has {0} steps and {1} more")]
    TooShort(usize, usize),
    /// Nothing says what a step earned.
    #[error("the recordings have no reward column and no environment says what a step earns")]
    NoReward,
    /// A recording without a step.
    #[error("recording {0} (counted from 0) has no step, or none whose next state is known")]
    NoRuns(usize),
    /// Too few steps to learn a model from.
    #[error("{0} recorded steps with a next state; a model needs at least {1}")]
    TooFew(usize, usize),
    /// A table of true values that is none.
    #[error("{}: {reason}", file.display())]
    Truth {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A policy that cannot act.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// An environment that refuses an action.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// A forecast that cannot be made.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
