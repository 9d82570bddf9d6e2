//! Transitions of imagined paths under the policy.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::rngs::ChaCha8Rng;

use super::imagination::{narrow, wide};
use super::{LearningError, SacActor, Transition};
use crate::environment::{Environment, Task};
use crate::forecast::{EpisodeSteps, ForecastError};
use crate::network::Tape;

/// Applies the policy on imagined paths and collects the transitions.
pub(super) struct TransitionRecorder<'r> {
    task: &'r Task,
    actor: &'r SacActor,
    /// Observation and action of the current step, one per path.
    pending: Vec<Option<(Vec<f32>, Vec<f32>)>>,
    ended: Vec<bool>,
    pub(super) imagined: Vec<Transition>,
    caution: Caution,
    /// Forecast variance of the step to come, by path.
    variances: Vec<f64>,
    pub(super) random: &'r mut ChaCha8Rng,
}

/// What uncertain steps cost. Variances are in units of the mean squared step, averaged over the
/// states.
#[derive(Debug, Clone, Default)]
pub(super) struct Caution {
    /// Mean squared step of each state.
    pub(super) moves: Vec<f64>,
    /// Variance beyond which a path stops.
    pub(super) max_variance: Option<f64>,
    /// Penalty on the reward per unit of standard deviation.
    pub(super) penalty: f64,
}

impl Caution {
    /// Returns the variance of a step with these standard deviations.
    fn variance(&self, std: ArrayView1<f64>) -> f64 {
        let shares = std
            .iter()
            .zip(&self.moves)
            .filter(|&(_, &moves)| moves > 0.0);
        let (sum, count) = shares.fold((0.0, 0), |(sum, count), (d, moves)| {
            (sum + d * d / moves, count + 1)
        });
        sum / f64::from(count.max(1))
    }
}

impl<'r> TransitionRecorder<'r> {
    pub(super) fn new(
        task: &'r Task,
        actor: &'r SacActor,
        paths: usize,
        random: &'r mut ChaCha8Rng,
    ) -> Self {
        Self {
            task,
            actor,
            pending: vec![None; paths],
            ended: vec![false; paths],
            imagined: Vec::new(),
            caution: Caution::default(),
            variances: vec![0.0; paths],
            random,
        }
    }

    /// Stops paths before uncertain steps, or takes them for worth less.
    pub(super) fn with_caution(self, caution: Caution) -> Self {
        Self { caution, ..self }
    }

    /// Completes a path's transition with its next state, and its predicted reward where the task
    /// has no reward function; true if the path has ended.
    fn complete_step(&mut self, path: usize, state: &[f64], predicted: Option<f64>) -> bool {
        let Some((observation, action)) = self.pending[path].take() else {
            return true;
        };
        let earned = match (&self.task.reward, predicted) {
            (Some(rule), _) => rule.of_step(&wide(&observation), &wide(&action), state),
            (None, Some(predicted)) => predicted,
            (None, None) => return true,
        };
        let earned = earned - self.caution.penalty * self.variances[path].sqrt();
        let terminated = self.task.ends(state);
        self.imagined.push(Transition {
            observation,
            action,
            reward: earned as f32,
            next: narrow(state.iter().copied()),
            terminated,
            weight: 1.0,
            state: Vec::new(),
        });
        terminated
    }
}

impl EpisodeSteps for TransitionRecorder<'_> {
    fn act(
        &mut self,
        _step: usize,
        paths: Range<usize>,
        states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError> {
        let observations: Vec<f32> = narrow(states.iter().copied());
        let mut tape = Tape::default();
        let drawn = self.actor.draw(&observations, &mut tape, self.random);
        let width = self.actor.actions();
        let rows = observations
            .chunks(states.ncols())
            .zip(drawn.actions.chunks(width));
        for (path, (observation, action)) in paths.clone().zip(rows) {
            let continues = !self.ended[path];
            self.pending[path] = continues.then(|| (observation.to_vec(), action.to_vec()));
        }
        let actions = Array2::from_shape_vec((paths.len(), width), wide(&drawn.actions));
        Ok(actions.expect("an action a path"))
    }

    fn arrive(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        rewards: Option<ArrayView1<f64>>,
    ) {
        for (row, (path, state)) in paths.zip(states.rows()).enumerate() {
            let predicted = rewards.map(|rewards| rewards[row]);
            self.ended[path] = self.complete_step(path, &state.to_vec(), predicted);
        }
    }

    fn wants_spread(&self) -> bool {
        self.caution.max_variance.is_some() || self.caution.penalty > 0.0
    }

    fn spread(&mut self, paths: Range<usize>, std: ArrayView2<f64>) {
        for (path, std) in paths.zip(std.rows()) {
            self.variances[path] = self.caution.variance(std);
            let most = self.caution.max_variance;
            if most.is_some_and(|most| self.variances[path] > most) {
                self.pending[path] = None;
            }
        }
    }

    fn has_ended(&self, path: usize) -> bool {
        self.ended[path]
    }
}

/// Appends the transitions of at most `steps` steps of the simulator from the state before a
/// transition: the exact one or, where that was not recorded, the one of the observation.
pub(super) fn simulate_path(
    simulator: &mut dyn Environment,
    start: &Transition,
    steps: usize,
    act: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    into: &mut Vec<Transition>,
) -> Result<(), LearningError> {
    let mut observation = narrow(match start.state.is_empty() {
        true => simulator.restore_observation(&wide(&start.observation))?,
        false => simulator.restore(&start.state)?,
    });
    for _ in 0..steps {
        let action = act(&observation);
        let step = simulator.step(&wide(&action))?;
        let next = narrow(step.observation);
        into.push(Transition {
            observation: std::mem::replace(&mut observation, next.clone()),
            action,
            reward: step.reward as f32,
            next,
            terminated: step.terminated,
            weight: 1.0,
            state: Vec::new(),
        });
        if step.terminated || step.truncated {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::SeedableRng;

    use super::*;
    use crate::environment::ActionSpace;

    /// Of two paths, the one whose step is more uncertain than the limit stops before it, and the
    /// other one earns less by its own uncertainty.
    #[test]
    fn each_path_stops_and_pays_by_its_own_variance() {
        let task = Task::named("pendulum").unwrap();
        let space = ActionSpace::Box {
            low: &[-2.0],
            high: &[2.0],
        };
        let actor = SacActor::new(3, space, 8, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        // A state that never moves has no unit.
        let caution = Caution {
            moves: vec![0.04, 0.0, 4.0],
            max_variance: Some(0.5),
            penalty: 3.0,
        };
        let recorder = TransitionRecorder::new(task, &actor, 2, &mut random);
        let mut recorder = recorder.with_caution(caution);
        let states = array![[1.0, 0.0, 0.5], [1.0, 0.0, 0.5]];
        recorder.act(0, 0..2, states.view()).unwrap();
        // Variances of (0.01 / 0.04 + 1 / 4) / 2 and of (0.16 / 0.04 + 1 / 4) / 2.
        let std = array![[0.1, 9.0, 1.0], [0.4, 9.0, 1.0]];
        recorder.spread(0..2, std.view());
        recorder.arrive(0..2, states.view(), None);
        assert!(!recorder.has_ended(0) && recorder.has_ended(1));
        let [step] = &recorder.imagined[..] else {
            panic!("one step was taken");
        };
        let rule = task.reward.as_ref().unwrap();
        let earned = rule.of_step(&wide(&step.observation), &wide(&step.action), &[]);
        let paid = earned - f64::from(step.reward);
        assert!((paid - 3.0 * 0.5).abs() < 1e-5, "{paid}");
    }
}
