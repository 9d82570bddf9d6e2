//! Why policies cannot be evaluated.

use crate::evaluation::EvaluationError;
use crate::forecasters::ForecastersError;
use crate::policy::PolicyError;

/// Why policies cannot be evaluated, or remaining rewards not be forecast. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationStudyError {
    /// A setting outside of its range.
    #[error("`{setting}={value}`: {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        range: String,
    },
    /// A task of another system.
    #[error(
        "`env={task}`: it has {observations} observations and {actions} actions, the recordings have {} and {}; choose \
         columns with `state=` and `action=`", recorded.0, recorded.1
    )]
    OtherTask {
        /// The task's name.
        task: &'static str,
        /// Its observations.
        observations: usize,
        /// Its actions.
        actions: usize,
        /// Recorded states and actions.
        recorded: (usize, usize),
    },
    /// States in another order than the task's observations.
    #[error("`state={}`: the task `{task}` observes {}, in this order", found.join(","), expected.join(", "))]
    OtherOrder {
        /// The task's name.
        task: &'static str,
        /// Its observations.
        expected: Vec<&'static str>,
        /// The recorded states.
        found: Vec<String>,
    },
    /// Recordings of another system to train on.
    #[error(
        "`train=`: has {} states and {} actions, the other recordings {} and {}", found.0, found.1, recorded.0, recorded.1
    )]
    OtherSystem {
        /// States and actions of those.
        found: (usize, usize),
        /// States and actions of the recordings.
        recorded: (usize, usize),
    },
    /// Termination by the rule of a task that is not known.
    #[error(
        "`termination=task`: name the task with `env=`, or give its rule with `terminated-expr=`"
    )]
    NoTask,
    /// Ends by a rule of the user's, and by what was recorded.
    #[error(
        "`terminated-expr=` says where episodes end: `termination=recorded` and `termination=never` contradict it"
    )]
    EndsTwice,
    /// A termination setting that changes nothing.
    #[error(
        "`termination={0}` has no effect: no recorded episode terminated, or no column such as terminated says so"
    )]
    NoTermination(&'static str),
    /// Behaviour policies for some recordings only.
    #[error("{policies} `behaviour=` for {recordings} files: give one for each file, or none")]
    Behaviours {
        /// Policies given.
        policies: usize,
        /// Recordings.
        recordings: usize,
    },
    /// Policies of one name.
    #[error("two policies are called {0}: name one with `policy=NAME=SOURCE`")]
    SameName(String),
    /// A simulation of an unknown task.
    #[error("`simulate=`: name the task with `env=`")]
    NoSimulator,
    /// A mixture with models that do not predict actions.
    #[error("`method=dicl-sa`: learned models do not predict actions; mix with vicl or dicl-s")]
    MixedActions,
    /// A model whose window is too short for any context.
    #[error("the model's window is too short for a context")]
    NoRoom,
    /// What failed for an estimator, a policy or a recording.
    #[error("{of}: {source}")]
    Of {
        /// Which one.
        of: String,
        /// What happened.
        source: Box<EvaluationStudyError>,
    },
    /// What the forecasters refuse.
    #[error(transparent)]
    Forecasters(#[from] ForecastersError),
    /// What the estimators refuse.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

impl EvaluationStudyError {
    /// Returns the error of a part of the study.
    pub(in crate::evaluation) fn of(part: impl Into<String>) -> impl FnOnce(Self) -> Self {
        |error| Self::Of {
            of: part.into(),
            source: Box::new(error),
        }
    }
}

impl From<PolicyError> for EvaluationStudyError {
    fn from(error: PolicyError) -> Self {
        Self::Evaluation(error.into())
    }
}
