//! Common parts of all environments: checks of actions and states, step counts, episode ends.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Environment, EnvironmentError, StepResult, Task};

/// The dynamics of a task. Its arguments are checked by the caller.
pub(super) trait System: Send {
    /// Returns the task.
    fn task(&self) -> &'static Task;

    /// Draws a start of the task: a state.
    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64>;

    /// Returns the exact state.
    fn state(&self) -> Vec<f64>;

    /// Sets the start state of an episode, as wide as [`state`](System::state).
    fn start(&mut self, state: &[f64]);

    /// Returns the observation of the state.
    fn observation(&self) -> Vec<f64>;

    /// Returns the state at which an observation is made, as far as the dynamics depend on it;
    /// `None` if observations do not tell it.
    fn state_of(&self, _observation: &[f64]) -> Option<Vec<f64>> {
        None
    }

    /// Advances one time step under an action; returns the reward and whether the new state is
    /// terminal.
    fn advance(&mut self, action: &[f64]) -> (f64, bool);
}

/// A system with a step count.
#[derive(Debug)]
pub(super) struct Simulation<S> {
    system: S,
    /// Steps until the time limit; `None` while no episode runs.
    left: usize,
}

impl<S: System> Simulation<S> {
    pub(super) fn new(system: S) -> Self {
        Self { system, left: 0 }
    }

    fn start(&mut self, state: &[f64]) -> Vec<f64> {
        self.system.start(state);
        self.left = self.system.task().time_limit;
        self.system.observation()
    }
}

impl<S: System> Environment for Simulation<S> {
    fn task(&self) -> &Task {
        self.system.task()
    }

    fn reset(&mut self, seed: u64) -> Result<Vec<f64>, EnvironmentError> {
        let state = self.system.draw(&mut ChaCha8Rng::seed_from_u64(seed));
        Ok(self.start(&state))
    }

    fn state(&self) -> Result<Vec<f64>, EnvironmentError> {
        Ok(self.system.state())
    }

    fn restore(&mut self, state: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        let expected = self.system.state().len();
        let invalid = |reason: String| EnvironmentError::State {
            task: self.task().name,
            expected,
            reason,
        };
        if state.len() != expected {
            return Err(invalid(format!("{} were given", state.len())));
        }
        if let Some(place) = state.iter().position(|value| !value.is_finite()) {
            return Err(invalid(format!("number {place} is {}", state[place])));
        }
        Ok(self.start(state))
    }

    fn restore_observation(&mut self, observation: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        let task = self.task();
        let expected = task.observation.len();
        let finite = observation.iter().all(|value| value.is_finite());
        let state = match observation.len() == expected && finite {
            true => self.system.state_of(observation),
            false => None,
        };
        let state = state.ok_or(EnvironmentError::Unobserved { task: task.name })?;
        self.restore(&state)
    }

    fn step(&mut self, action: &[f64]) -> Result<StepResult, EnvironmentError> {
        let task = self.system.task();
        task.check_action(action)?;
        if self.left == 0 {
            return Err(EnvironmentError::NotRunning { task: task.name });
        }
        let (reward, terminated) = self.system.advance(action);
        let truncated = self.left == 1;
        self.left = if terminated { 0 } else { self.left - 1 };
        Ok(StepResult {
            observation: self.system.observation(),
            reward,
            terminated,
            truncated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ActionSpace, named};
    use super::*;
    use proptest::prelude::*;

    const BUILT_IN: [&str; 4] = [
        "pendulum",
        "mountain-car",
        "cart-pole",
        "cart-pole-swing-up",
    ];

    /// Returns an action at a fraction of the range from the lowest to the highest.
    fn action(task: &Task, share: f64) -> Vec<f64> {
        match task.action_space {
            ActionSpace::Discrete(choices) => vec![(share * choices as f64).floor()],
            ActionSpace::Box { low, high } => low
                .iter()
                .zip(high)
                .map(|(low, high)| low + share * (high - low))
                .collect(),
        }
    }

    /// A step from the state of an observation is the step from the state itself.
    #[test]
    fn the_state_follows_from_an_observation() {
        for name in BUILT_IN {
            let (mut one, mut other) = (named(name).unwrap(), named(name).unwrap());
            one.reset(3).unwrap();
            let push = action(one.task(), 0.7);
            let observation = one.step(&push).unwrap().observation;
            other.restore_observation(&observation).unwrap();
            let (found, expected) = (other.step(&push).unwrap(), one.step(&push).unwrap());
            let pairs = found.observation.iter().zip(&expected.observation);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
            let short = other.restore_observation(&observation[1..]);
            assert!(matches!(short, Err(EnvironmentError::Unobserved { .. })));
        }
    }

    #[test]
    fn a_step_needs_a_running_episode() {
        for name in BUILT_IN {
            let mut environment = named(name).unwrap();
            let middle = action(environment.task(), 0.5);
            let not_running = |result| matches!(result, Err(EnvironmentError::NotRunning { .. }));
            assert!(not_running(environment.step(&middle)));
            environment.reset(1).unwrap();
            let limit = environment.task().time_limit;
            let steps = (1..=limit)
                .find(|_| {
                    let step = environment.step(&middle).unwrap();
                    step.terminated || step.truncated
                })
                .unwrap();
            assert!(steps <= limit);
            assert!(not_running(environment.step(&middle)));
        }
    }

    #[test]
    fn the_time_limit_truncates() {
        let mut pendulum = named("pendulum").unwrap();
        pendulum.reset(1).unwrap();
        for t in 1..=200 {
            let step = pendulum.step(&[0.0]).unwrap();
            assert_eq!((step.terminated, step.truncated), (false, t == 200));
        }
    }

    #[test]
    fn an_invalid_state_is_an_error_and_changes_nothing() {
        for name in BUILT_IN {
            let mut environment = named(name).unwrap();
            environment.reset(3).unwrap();
            let state = environment.state().unwrap();
            let mut wrong = state.clone();
            wrong[1] = f64::NAN;
            let message = environment.restore(&wrong).unwrap_err().to_string();
            assert!(message.ends_with("number 1 is NaN"), "{message}");
            wrong.pop();
            assert!(environment.restore(&[]).is_err());
            assert_eq!(environment.state().unwrap(), state);
        }
    }

    #[test]
    fn a_wrong_action_changes_nothing() {
        for name in BUILT_IN {
            let mut environment = named(name).unwrap();
            environment.reset(3).unwrap();
            let state = environment.state().unwrap();
            assert!(environment.step(&[]).is_err());
            assert!(environment.step(&[f64::INFINITY]).is_err());
            assert!(environment.step(&[0.0, 0.0]).is_err());
            assert_eq!(environment.state().unwrap(), state);
        }
    }

    proptest! {
        /// Equal seeds and actions give equal episodes, and a restored state continues like the
        /// original.
        #[test]
        fn episodes_repeat(
            name in prop::sample::select(&BUILT_IN[..]),
            seed: u64,
            shares in prop::collection::vec(0.0..1.0f64, 1..60),
        ) {
            let [mut one, mut two, mut three] = [(); 3].map(|()| named(name).unwrap());
            prop_assert_eq!(one.reset(seed).unwrap(), two.reset(seed).unwrap());
            prop_assert_ne!(one.reset(seed.wrapping_add(1)).unwrap(), two.reset(seed).unwrap());
            one.reset(seed).unwrap();
            three.restore(&one.state().unwrap()).unwrap();
            for share in shares {
                let action = action(one.task(), share);
                let step = one.step(&action).unwrap();
                prop_assert_eq!(step.observation.len(), one.task().observation.len());
                prop_assert!(step.observation.iter().all(|value| value.is_finite()));
                prop_assert_eq!(&step, &two.step(&action).unwrap());
                prop_assert_eq!(&step, &three.step(&action).unwrap());
                if step.terminated {
                    break;
                }
            }
        }

        /// The rewards and ends of an environment are those that its task states.
        #[test]
        fn rewards_and_ends_are_those_of_the_task(
            name in prop::sample::select(&BUILT_IN[..]),
            seed: u64,
            shares in prop::collection::vec(0.0..1.0f64, 1..200),
        ) {
            let mut environment = named(name).unwrap();
            let task = environment.task().clone();
            let mut before = environment.reset(seed).unwrap();
            for share in shares {
                let action = action(&task, share);
                let step = environment.step(&action).unwrap();
                let reward = task.reward.as_ref().unwrap().of_step(&before, &action, &step.observation);
                prop_assert!((reward - step.reward).abs() < 1e-4);
                prop_assert_eq!(task.ends(&step.observation), step.terminated);
                if step.terminated || step.truncated {
                    break;
                }
                before = step.observation;
            }
        }
    }
}
