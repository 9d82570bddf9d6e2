//! What describes a control task.

use super::{EnvironmentError, RewardRule, TerminationRule};

/// A column of an observation or an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Name, as in the columns of recordings without their prefix `obs_` or `act_`.
    pub name: &'static str,
    /// Unit; `1` where there is none.
    pub unit: &'static str,
}

/// The actions of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ActionSpace {
    /// Continuous actions, clipped to the bounds by the environment. The bounds have one entry per
    /// component, in its unit.
    Box {
        /// Lower bounds.
        low: &'static [f64],
        /// Upper bounds, above the lower ones.
        high: &'static [f64],
    },
    /// A number of discrete actions, written as 0, 1, ….
    Discrete(usize),
}

impl ActionSpace {
    /// Returns the number of components of an action.
    pub fn width(&self) -> usize {
        match self {
            Self::Box { low, .. } => low.len(),
            Self::Discrete(_) => 1,
        }
    }
}

/// Reward of a step from the observation before it, the action, and the observation after it.
pub type Reward = fn(&[f64], &[f64], &[f64]) -> f64;

/// Tells whether an observation is terminal.
pub type Terminated = fn(&[f64]) -> bool;

/// The description of a control task: the content of Gymnasium's documentation, as data.
///
/// Observations have the units of [`observation`](Task::observation), actions those of
/// [`action`](Task::action). The rules panic on arguments that are narrower than the task; they take
/// any values, since forecasts may have any.
///
/// ```
/// use statecast::environment::Task;
///
/// let task = Task::named("CartPole-v1")?;
/// assert_eq!((task.name, task.time_limit, task.dt), ("cart-pole", 500, 0.02));
/// let upright = [0.0, 0.0, 0.0, 0.0];
/// let fallen = [0.0, 0.0, 0.3, 0.0];
/// assert!(!task.ends(&upright) && task.ends(&fallen));
/// assert_eq!(task.reward.as_ref().unwrap().of_step(&upright, &[1.0], &fallen), 1.0);
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Task {
    /// Name in this program.
    pub name: &'static str,
    /// Gymnasium's name, where the task is one of Gymnasium's.
    pub gymnasium_id: Option<&'static str>,
    /// The columns of an observation.
    pub observation: &'static [Quantity],
    /// The columns of an action.
    pub action: &'static [Quantity],
    /// The actions it takes, as wide as `action`.
    pub action_space: ActionSpace,
    /// Steps after which an episode is truncated.
    pub time_limit: usize,
    /// Seconds between two steps.
    pub dt: f64,
    /// The reward, where it is a function of observations and action.
    pub reward: Option<RewardRule>,
    /// Whether an observation is terminal, where that is known.
    pub terminated: Option<TerminationRule>,
}

impl Task {
    /// Whether an observation is known to be terminal.
    pub fn ends(&self, observation: &[f64]) -> bool {
        let rule = self.terminated.as_ref();
        rule.is_some_and(|rule| rule.ends(observation))
    }

    /// Whether recorded states have the names of the task's observations, `obs_` before them or not, in another order.
    ///
    /// ```
    /// use statecast::environment::Task;
    /// let pendulum = Task::named("pendulum")?;
    /// let names = |names: [&str; 3]| names.map(str::to_owned);
    /// assert!(pendulum.is_in_other_order(&names(["theta_dot", "cos_theta", "sin_theta"])));
    /// assert!(!pendulum.is_in_other_order(&names(["obs_cos_theta", "obs_sin_theta", "obs_theta_dot"])));
    /// assert!(!pendulum.is_in_other_order(&names(["x", "y", "v"])));
    /// # Ok::<(), statecast::environment::EnvironmentError>(())
    /// ```
    pub fn is_in_other_order(&self, states: &[String]) -> bool {
        let bare = |name: &String| name.strip_prefix("obs_").unwrap_or(name).to_owned();
        let bare: Vec<String> = states.iter().map(bare).collect();
        let names: Vec<&str> = self.observation.iter().map(|of| of.name).collect();
        bare != names
            && names
                .iter()
                .all(|name| bare.iter().any(|known| known == name))
    }

    /// Checks that `action` is valid.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::ActionWidth`], [`EnvironmentError::ActionValue`], or
    /// [`EnvironmentError::Choice`] for a discrete task.
    pub fn check_action(&self, action: &[f64]) -> Result<(), EnvironmentError> {
        let (task, expected) = (self.name, self.action_space.width());
        if action.len() != expected {
            return Err(EnvironmentError::ActionWidth {
                task,
                expected,
                found: action.len(),
            });
        }
        if let Some(component) = action.iter().position(|value| !value.is_finite()) {
            return Err(EnvironmentError::ActionValue {
                task,
                component,
                value: action[component],
            });
        }
        match self.action_space {
            ActionSpace::Discrete(choices) if !is_choice(action[0], choices) => {
                Err(EnvironmentError::Choice {
                    task,
                    choices,
                    value: action[0],
                })
            }
            _ => Ok(()),
        }
    }
}

fn is_choice(value: f64, choices: usize) -> bool {
    value.fract() == 0.0 && (0.0..choices as f64).contains(&value)
}

/// A column's name and unit.
pub(super) const fn quantity(name: &'static str, unit: &'static str) -> Quantity {
    Quantity { name, unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_and_bounds_agree() {
        for task in Task::all() {
            assert_eq!(task.action.len(), task.action_space.width());
            if let ActionSpace::Box { low, high } = task.action_space {
                assert_eq!(low.len(), high.len());
                assert!(low.iter().zip(high).all(|(low, high)| low < high));
            }
            assert!(task.time_limit > 0 && task.dt > 0.0);
        }
    }

    #[test]
    fn the_known_functions_take_an_observation_of_the_stated_width() {
        for task in Task::all() {
            let observation = vec![0.1; task.observation.len()];
            let action = vec![0.0; task.action.len()];
            task.ends(&observation);
            if let Some(reward) = &task.reward {
                let reward = reward.of_step(&observation, &action, &observation);
                assert!(reward.is_finite());
            }
        }
    }

    #[test]
    fn actions_are_checked() {
        let cart_pole = Task::named("cart-pole").unwrap();
        let pendulum = Task::named("pendulum").unwrap();
        assert!(cart_pole.check_action(&[1.0]).is_ok());
        assert!(pendulum.check_action(&[-7.0]).is_ok());
        for wrong in [2.0, -1.0, 0.5] {
            let message = cart_pole.check_action(&[wrong]).unwrap_err().to_string();
            assert!(message.ends_with("from 0 to 1"), "{message}");
        }
        let error = pendulum.check_action(&[]).unwrap_err();
        assert!(matches!(error, EnvironmentError::ActionWidth { .. }));
        let error = pendulum.check_action(&[f64::NAN]).unwrap_err();
        assert!(matches!(error, EnvironmentError::ActionValue { .. }));
    }
}
