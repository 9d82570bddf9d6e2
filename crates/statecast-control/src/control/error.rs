//! Why a system cannot be controlled.

use crate::evaluation::EvaluationError;
use crate::forecast::ForecastError;

/// Why a system cannot be controlled. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// A setting outside of its range.
    #[error("`{setting}={value}`: {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        range: &'static str,
    },
    /// A goal that is none.
    #[error("`goal={0}`: write it as NAME=VALUE, the name of a state and a number")]
    Goal(String),
    /// A limit that is none.
    #[error("`limit={0}`: write it as 'NAME < VALUE @ PROBABILITY', or with >")]
    Limit(String),
    /// A goal or limit of something else than a state.
    #[error("`{setting}={name}`: the states are {}", states.join(", "))]
    UnknownState {
        /// Goal or limit.
        setting: &'static str,
        /// The name.
        name: String,
        /// Names of the states.
        states: Vec<String>,
    },
    /// Recordings of another system than the task.
    #[error(
        "`env={task}`: it has {} observations and {} actions, the recordings have {} and {}; choose columns with `state=` and \
         `action=`", expected.0, expected.1, found.0, found.1
    )]
    OtherTask {
        /// The task.
        task: &'static str,
        /// Its observations and actions.
        expected: (usize, usize),
        /// Recorded states and actions.
        found: (usize, usize),
    },
    /// States in another order than the task's observations.
    #[error("`state={}`: the task `{task}` observes {}, in this order", found.join(","), expected.join(", "))]
    OtherOrder {
        /// The task.
        task: &'static str,
        /// Its observations.
        expected: Vec<&'static str>,
        /// Recorded states.
        found: Vec<String>,
    },
    /// An action that was always the same.
    #[error(
        "`action={0}`: it has one value in all recordings, from which nothing can be learned about others"
    )]
    ConstantAction(String),
    /// Paths that do not hold what the recordings did.
    #[error(
        "{:.0} % of recorded steps lie in the model's 90 % intervals along {steps} steps, less than {:.0} %: a plan made in it \
         would be of another system. Record more, choose other `experts=`, or lower `least-coverage=`",
        100.0 * held, 100.0 * least
    )]
    NotTrusted {
        /// Share that was held.
        held: f64,
        /// Share that is needed.
        least: f64,
        /// Steps ahead.
        steps: usize,
    },
    /// What the recordings do not allow.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// What the model refuses.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
}
