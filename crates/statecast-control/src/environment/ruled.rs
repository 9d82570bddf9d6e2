//! Environments with other rewards and ends than their own.

use super::{Environment, EnvironmentError, RewardRule, StepResult, Task, TerminationRule};

/// An environment whose steps have rewards and ends by rules.
struct Ruled {
    inner: Box<dyn Environment>,
    task: Task,
    reward: Option<RewardRule>,
    terminated: Option<TerminationRule>,
    /// The last observation; `None` while no episode runs.
    before: Option<Vec<f64>>,
    steps: usize,
}

/// Gives an environment other rewards or ends than its own. Where the rule ends no episode but the environment does, the
/// episode is truncated.
///
/// ```
/// use statecast::environment::{self, RewardRule, with_rules};
/// let height = RewardRule::of_function(|_, _, after| after[0]);
/// let mut pendulum = with_rules(environment::named("pendulum")?, Some(height), None);
/// pendulum.reset(3)?;
/// let step = pendulum.step(&[0.0])?;
/// assert_eq!(step.reward, step.observation[0]);
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
pub fn with_rules(
    environment: Box<dyn Environment>,
    reward: Option<RewardRule>,
    terminated: Option<TerminationRule>,
) -> Box<dyn Environment> {
    let own = environment.task();
    let task = Task {
        reward: reward.clone().or_else(|| own.reward.clone()),
        terminated: terminated.clone().or_else(|| own.terminated.clone()),
        ..own.clone()
    };
    Box::new(Ruled {
        inner: environment,
        task,
        reward,
        terminated,
        before: None,
        steps: 0,
    })
}

impl Ruled {
    fn begin(&mut self, observation: Vec<f64>) -> Vec<f64> {
        self.before = Some(observation.clone());
        self.steps = 0;
        observation
    }
}

impl Environment for Ruled {
    fn task(&self) -> &Task {
        &self.task
    }

    fn reset(&mut self, seed: u64) -> Result<Vec<f64>, EnvironmentError> {
        let observation = self.inner.reset(seed)?;
        Ok(self.begin(observation))
    }

    fn state(&self) -> Result<Vec<f64>, EnvironmentError> {
        self.inner.state()
    }

    fn restore(&mut self, state: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        let observation = self.inner.restore(state)?;
        Ok(self.begin(observation))
    }

    fn restore_observation(&mut self, observation: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        let observation = self.inner.restore_observation(observation)?;
        Ok(self.begin(observation))
    }

    fn step(&mut self, action: &[f64]) -> Result<StepResult, EnvironmentError> {
        self.task.check_action(action)?;
        let task = self.task.name;
        let before = self.before.take();
        let before = before.ok_or(EnvironmentError::NotRunning { task })?;
        let mut step = self.inner.step(action)?;
        self.steps += 1;
        if let Some(reward) = &self.reward {
            step.reward = reward.of_step(&before, action, &step.observation);
            if !step.reward.is_finite() {
                return Err(EnvironmentError::Undefined {
                    task,
                    setting: "reward-expr",
                    step: self.steps,
                });
            }
        }
        if let Some(terminated) = &self.terminated {
            if !terminated.is_defined(&step.observation) {
                return Err(EnvironmentError::Undefined {
                    task,
                    setting: "terminated-expr",
                    step: self.steps,
                });
            }
            let own = step.terminated;
            step.terminated = terminated.ends(&step.observation);
            step.truncated |= own && !step.terminated;
        }
        if !step.terminated && !step.truncated {
            self.before = Some(step.observation.clone());
        }
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RewardExpression, TerminationExpression, named};
    use super::*;

    fn names(of: &[super::super::Quantity]) -> Vec<String> {
        of.iter().map(|quantity| quantity.name.to_owned()).collect()
    }

    #[test]
    fn rules_take_the_place_of_rewards_and_ends() {
        let task = Task::named("cart-pole").unwrap();
        let observations = names(task.observation);
        let reward: RewardExpression = "-abs(next_x) + 10 * push_right".parse().unwrap();
        let reward = reward.bind(&observations, &names(task.action));
        let terminated: TerminationExpression = "abs(theta) > 0.05".parse().unwrap();
        let terminated = terminated.bind(&observations).unwrap();
        let mut cart = with_rules(
            named("cart-pole").unwrap(),
            Some(reward.unwrap()),
            Some(terminated),
        );
        assert!(cart.task().ends(&[0.0, 0.0, 0.06, 0.0]));
        cart.reset(1).unwrap();
        for _ in 0..100 {
            let step = cart.step(&[1.0]).unwrap();
            assert_eq!(step.reward, 10.0 - step.observation[0].abs());
            let fell = step.observation[2].abs() > 0.05;
            assert_eq!((step.terminated, step.truncated), (fell, false));
            if fell {
                assert!(cart.step(&[1.0]).is_err());
                return;
            }
        }
        panic!("the pole falls when it is pushed one way");
    }

    #[test]
    fn an_end_that_the_rule_does_not_know_is_a_truncation() {
        let never: TerminationExpression = "0".parse().unwrap();
        let never = never.bind(&[]).unwrap();
        let mut cart = with_rules(named("cart-pole").unwrap(), None, Some(never));
        cart.reset(1).unwrap();
        let last = (0..200).map(|_| cart.step(&[1.0]).unwrap());
        let last = last.take_while(|step| !step.truncated).count();
        assert!(last < 199);
        assert!(matches!(
            cart.step(&[1.0]),
            Err(EnvironmentError::NotRunning { .. })
        ));
    }

    #[test]
    fn a_reward_that_is_not_defined_is_an_error() {
        let bad: RewardExpression = "sqrt(0 - 1 - x^2)".parse().unwrap();
        let task = Task::named("cart-pole").unwrap();
        let bad = bad.bind(&names(task.observation), &[]).unwrap();
        let undefined: TerminationExpression = "1 / (x - x) > 0".parse().unwrap();
        let undefined = undefined.bind(&names(task.observation)).unwrap();
        let mut other = with_rules(named("cart-pole").unwrap(), None, Some(undefined));
        other.reset(1).unwrap();
        let error = other.step(&[1.0]).unwrap_err().to_string();
        assert!(
            error.contains("`terminated-expr=` is not defined"),
            "{error}"
        );
        let mut cart = with_rules(named("cart-pole").unwrap(), Some(bad), None);
        cart.reset(1).unwrap();
        let error = cart.step(&[1.0]).unwrap_err().to_string();
        assert!(
            error.starts_with("cart-pole: `reward-expr=` is not defined after 1 step"),
            "{error}"
        );
    }
}
