//! Errors of task names, actions and states, with remedies.

use thiserror::Error;

/// Errors of creating, stepping or restoring an environment.
///
/// Each message is one line.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No task has this name.
    #[error("there is no task {name:?}; choose one of {known}, or command:PROGRAM")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names of all tasks, listed.
        known: String,
    },

    /// A rule that is no expression, or one of columns that the system does not have.
    #[error("`{setting}={text}`: {source}")]
    Expression {
        /// The setting, such as `reward-expr`.
        setting: &'static str,
        /// Its text.
        text: String,
        /// What is wrong with it.
        source: crate::expression::ExpressionError,
    },

    /// A rule that is not defined at a step.
    #[error(
        "{task}: `{setting}=` is not defined after {step} steps of the episode (a division by zero, a root of a negative number)"
    )]
    Undefined {
        /// Name of the task.
        task: &'static str,
        /// The setting, such as `reward-expr`.
        setting: &'static str,
        /// Steps of the episode so far.
        step: usize,
    },

    /// A description of an environment that cannot be one.
    #[error("{0}")]
    Description(String),

    /// A violation of the protocol by an environment program.
    #[error("environment program '{program}': {reason}")]
    Program {
        /// The command.
        program: String,
        /// What went wrong.
        reason: String,
    },

    /// An environment whose states cannot be read and restored.
    #[error("{task}: its state cannot be restored, which only built-in tasks allow")]
    NoState {
        /// Name of the task.
        task: &'static str,
    },

    /// The task runs in MuJoCo, which this program was built without.
    #[error(
        "{task} runs in the simulator MuJoCo; build the program with `--features mujoco` to step it"
    )]
    NeedsMujoco {
        /// Name of the task.
        task: &'static str,
    },

    /// An action has too few or too many components.
    #[error("{task}: the action has {found} components but the task takes {expected}")]
    ActionWidth {
        /// Name of the task.
        task: &'static str,
        /// Components of the task's actions.
        expected: usize,
        /// Components given.
        found: usize,
    },

    /// A component of an action is NaN or infinite.
    #[error("{task}: component {component} of the action is {value}; actions must be finite")]
    ActionValue {
        /// Name of the task.
        task: &'static str,
        /// Position of the component, from 0.
        component: usize,
        /// Its value.
        value: f64,
    },

    /// An invalid action of a discrete task.
    #[error("{task}: the action is {value} but must be a whole number from 0 to {}", choices - 1)]
    Choice {
        /// Name of the task.
        task: &'static str,
        /// Number of choices, at least 1.
        choices: usize,
        /// The action given.
        value: f64,
    },

    /// A step without a running episode.
    #[error("{task}: the episode is over or has not begun; reset the environment before a step")]
    NotRunning {
        /// Name of the task.
        task: &'static str,
    },

    /// A state to restore has another width or a value that is NaN or infinite.
    #[error("{task}: a state is {expected} finite numbers; {reason}")]
    State {
        /// Name of the task.
        task: &'static str,
        /// Numbers that make a state.
        expected: usize,
        /// What was given.
        reason: String,
    },

    /// An observation that does not tell the state.
    #[error("{task}: the state does not follow from this observation")]
    Unobserved {
        /// Name of the task.
        task: &'static str,
    },

    /// MuJoCo's description of a robot cannot be read.
    #[error("{task}: {reason}")]
    Model {
        /// Name of the task.
        task: &'static str,
        /// What was looked for and what went wrong.
        reason: String,
    },
}
