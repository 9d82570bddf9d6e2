//! Control tasks: their descriptions ([`Task`]) and simulators ([`Environment`]).
//!
//! An [`EnvironmentSource`] makes environments by the name of a built-in task or the command of a program
//! (`docs/environments.md` has its protocol). Rewards and ends are [`RewardRule`]s and [`TerminationRule`]s: those of a
//! task, or expressions of its columns.
//!
//! The built-in tasks are those of Gymnasium (Farama Foundation, MIT) by the same equations,
//! constants, starts and roundings, so that a policy has the same value in both; seeds give
//! different starts. MuJoCo tasks are always described, and simulated with the feature `mujoco`.
//!
//! That feature links libmujoco 3.17.0, which PyPI has as `mujoco==3.17.0`. Beside the wheel's
//! `libmujoco.so.3.17.0` there has to be a link `libmujoco.so`; the folder of both is
//! `MUJOCO_DYNAMIC_LINK_DIR` when the program is built and in `LD_LIBRARY_PATH` when it runs. The
//! robots' models are those of Gymnasium: `STATECAST_MUJOCO_MODELS` names its folder
//! `gymnasium/envs/mujoco/assets`.

mod cart_pole;
mod catalogue;
mod description;
mod error;
mod locomotion;
mod mountain_car;
#[cfg(feature = "mujoco")]
mod mujoco;
mod pendulum;
mod program;
mod ruled;
mod rules;
mod simulation;
mod source;
mod swing_up;
mod task;

pub use catalogue::named;
pub use description::{ColumnDescription, TaskDescription};
pub use error::EnvironmentError;
pub use ruled::with_rules;
pub use rules::{
    FailureExpression, RewardExpression, RewardRule, TerminationExpression, TerminationRule,
};
pub use source::EnvironmentSource;
pub use task::{ActionSpace, Quantity, Reward, Task, Terminated};

/// Result of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// The observation after the step, as wide as [`Task::observation`].
    pub observation: Vec<f64>,
    /// The reward of the step.
    pub reward: f64,
    /// Whether the step reached a terminal state, such as a fall or a goal.
    pub terminated: bool,
    /// Whether the time limit truncated the episode.
    pub truncated: bool,
}

/// A simulator of a task, with the meaning of Gymnasium's `Env` under its `TimeLimit`.
///
/// ```
/// let mut pendulum = statecast::environment::named("pendulum")?;
/// let first = pendulum.reset(7)?;
/// assert_eq!(first.len(), pendulum.task().observation.len());
/// let mut value = 0.0;
/// loop {
///     let step = pendulum.step(&[0.5])?;
///     value += step.reward;
///     if step.terminated || step.truncated {
///         break;
///     }
/// }
/// assert!(value < 0.0);
/// assert!(pendulum.step(&[0.5]).is_err());
/// assert_eq!(pendulum.reset(7)?, first);
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
pub trait Environment: Send {
    /// Returns the simulated task.
    fn task(&self) -> &Task;

    /// Starts an episode in a state drawn from the task's starts, the same for the same seed, and
    /// returns the first observation.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Program`] if a program fails.
    fn reset(&mut self, seed: u64) -> Result<Vec<f64>, EnvironmentError>;

    /// Returns the exact internal state, which [`restore`](Environment::restore) takes; its width
    /// and meaning are the simulator's own.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::NoState`] if the environment does not tell it.
    fn state(&self) -> Result<Vec<f64>, EnvironmentError>;

    /// Starts an episode in an exact internal state, as if [`reset`](Environment::reset) had
    /// drawn it, and returns the first observation.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::State`] if the state has another width or a value that is not finite,
    /// [`EnvironmentError::NoState`] if the environment takes none; nothing is changed then.
    fn restore(&mut self, state: &[f64]) -> Result<Vec<f64>, EnvironmentError>;

    /// Starts an episode in the state at which an observation is made, and returns the first
    /// observation. What neither dynamics nor rewards depend on, such as how far a robot has run,
    /// is zero.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Unobserved`] if observations of the task do not tell the state, or this
    /// one has another width or a value that is not finite, [`EnvironmentError::NoState`] if the environment takes
    /// none, as by default; nothing is changed then.
    fn restore_observation(&mut self, _observation: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        Err(EnvironmentError::NoState {
            task: self.task().name,
        })
    }

    /// Takes an action, as wide as [`Task::action`] and in its units, and lets [`Task::dt`] pass.
    ///
    /// # Errors
    ///
    /// The errors of [`Task::check_action`], and [`EnvironmentError::NotRunning`] after the end of
    /// an episode and before the first; nothing is changed then. [`EnvironmentError::Program`] if a program fails,
    /// [`EnvironmentError::Undefined`] if a reward by an expression is not defined: the episode is over then.
    fn step(&mut self, action: &[f64]) -> Result<StepResult, EnvironmentError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_task_has_its_environment() {
        for name in [
            "Pendulum-v1",
            "mountain-car",
            "CartPole-v1",
            "cart-pole-swing-up",
        ] {
            let environment = named(name).unwrap();
            assert_eq!(environment.task().name, Task::named(name).unwrap().name);
        }
        assert!(matches!(
            named("pong"),
            Err(EnvironmentError::Unknown { .. })
        ));
    }

    #[cfg(not(feature = "mujoco"))]
    #[test]
    fn a_task_of_mujoco_asks_for_the_feature() {
        let Err(error) = named("Hopper-v5") else {
            panic!("MuJoCo is not available");
        };
        assert!(error.to_string().contains("--features mujoco"));
    }
}
