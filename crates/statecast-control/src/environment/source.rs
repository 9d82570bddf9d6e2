//! Environments by name or command.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use super::program::ProgramEnvironment;
use super::{
    Environment, EnvironmentError, Quantity, RewardExpression, RewardRule, Task,
    TerminationExpression, TerminationRule, named, with_rules,
};

/// Where an environment comes from: a built-in task, or a program that simulates one (`command:PROGRAM`), with rewards and
/// ends of its own or by expressions.
///
/// ```
/// use statecast::environment::EnvironmentSource;
/// let source: EnvironmentSource = "Pendulum-v1".parse()?;
/// assert_eq!(source.to_string(), "pendulum");
/// let upright = source.with_rules(Some("cos_theta".parse()?), None);
/// let mut pendulum = upright.make()?;
/// let first = pendulum.reset(0)?;
/// assert_eq!(pendulum.step(&[0.0])?.reward, first[0]);
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentSource {
    simulator: Simulator,
    reward: Option<RewardExpression>,
    terminated: Option<TerminationExpression>,
}

#[derive(Debug, Clone, PartialEq)]
enum Simulator {
    /// A task by its name here.
    BuiltIn(&'static str),
    /// A program by its command.
    Program(String),
}

impl FromStr for EnvironmentSource {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        let simulator = match text.strip_prefix("command:") {
            Some(command) if !command.trim().is_empty() => Simulator::Program(command.to_owned()),
            _ => Simulator::BuiltIn(Task::named(text)?.name),
        };
        Ok(Self {
            simulator,
            reward: None,
            terminated: None,
        })
    }
}

impl fmt::Display for EnvironmentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.simulator {
            Simulator::BuiltIn(name) => f.write_str(name),
            Simulator::Program(command) => write!(f, "command:{command}"),
        }
    }
}

/// Tasks of programs, by their commands, so that a program is not started to be asked again what it simulates.
static OF_PROGRAMS: Mutex<Option<HashMap<String, Task>>> = Mutex::new(None);

fn known(command: &str) -> Option<Task> {
    let known = OF_PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref()?.get(command).cloned()
}

impl EnvironmentSource {
    /// The same with rewards and ends by expressions of the task's columns, where any are given.
    pub fn with_rules(
        self,
        reward: Option<RewardExpression>,
        terminated: Option<TerminationExpression>,
    ) -> Self {
        Self {
            reward: reward.or(self.reward),
            terminated: terminated.or(self.terminated),
            ..self
        }
    }

    /// Makes the environment.
    ///
    /// # Errors
    /// Those of [`named`]; [`EnvironmentError::Program`] if a program does not start or describes nothing;
    /// [`EnvironmentError::Expression`] for rules of columns that the task does not have.
    pub fn make(&self) -> Result<Box<dyn Environment>, EnvironmentError> {
        let environment = match &self.simulator {
            Simulator::BuiltIn(name) => named(name)?,
            Simulator::Program(command) => {
                let environment = ProgramEnvironment::start(command)?;
                let mut known = OF_PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
                let known = known.get_or_insert_default();
                known.insert(command.clone(), environment.task().clone());
                Box::new(environment)
            }
        };
        let (reward, terminated) = self.rules(environment.task())?;
        Ok(match (&reward, &terminated) {
            (None, None) => environment,
            _ => with_rules(environment, reward, terminated),
        })
    }

    /// The task with these rules. A program is started to say what it simulates, once.
    ///
    /// # Errors
    /// Those of [`make`](Self::make), but for simulators that this program was built without.
    pub fn task(&self) -> Result<Task, EnvironmentError> {
        let own = match &self.simulator {
            Simulator::BuiltIn(name) => Task::named(name)?.clone(),
            Simulator::Program(command) => {
                // The lock is free again before the program is started.
                match known(command) {
                    Some(task) => task,
                    None => return Ok(self.make()?.task().clone()),
                }
            }
        };
        let (reward, terminated) = self.rules(&own)?;
        Ok(Task {
            reward: reward.or(own.reward),
            terminated: terminated.or(own.terminated),
            ..own
        })
    }

    /// The same of what the simulator is now: a program is asked anew, as it may have changed.
    ///
    /// # Errors
    /// Those of [`task`](Self::task).
    pub fn task_anew(&self) -> Result<Task, EnvironmentError> {
        match self.simulator {
            Simulator::BuiltIn(_) => self.task(),
            Simulator::Program(_) => Ok(self.make()?.task().clone()),
        }
    }

    fn rules(
        &self,
        task: &Task,
    ) -> Result<(Option<RewardRule>, Option<TerminationRule>), EnvironmentError> {
        let names = |of: &[Quantity]| -> Vec<String> {
            of.iter().map(|quantity| quantity.name.to_owned()).collect()
        };
        let (observations, actions) = (names(task.observation), names(task.action));
        let reward = self.reward.as_ref();
        let reward = reward.map(|reward| reward.bind(&observations, &actions));
        let terminated = self.terminated.as_ref();
        let terminated = terminated.map(|terminated| terminated.bind(&observations));
        Ok((reward.transpose()?, terminated.transpose()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in ["cart-pole", "command:python -m env 'a b'"] {
            let source: EnvironmentSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        for wrong in ["pong", "", "command:", "command: "] {
            let error = wrong.parse::<EnvironmentSource>().unwrap_err().to_string();
            assert!(error.contains("or command:PROGRAM"), "{error}");
        }
    }

    #[test]
    fn rules_are_of_the_columns_of_the_task() {
        let source: EnvironmentSource = "hopper".parse().unwrap();
        let healthy = source
            .clone()
            .with_rules(None, Some("rootz < 0.5".parse().unwrap()));
        let task = healthy.task().unwrap();
        let mut low = vec![0.0; 11];
        assert!(task.ends(&low) && !task.ends(&[[0.6].as_slice(), &low[1..]].concat()));
        low[0] = 0.6;
        assert!(source.task().unwrap().ends(&low));
        let wrong = source.with_rules(Some("height".parse().unwrap()), None);
        let error = wrong.task().unwrap_err().to_string();
        assert!(
            error.contains("no variable 'height'; there are rootz"),
            "{error}"
        );
    }
}
