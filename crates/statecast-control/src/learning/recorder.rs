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
    task: &'static Task,
    actor: &'r SacActor,
    /// Observation and action of the current step, one per path.
    pending: Vec<Option<(Vec<f32>, Vec<f32>)>>,
    ended: Vec<bool>,
    pub(super) imagined: Vec<Transition>,
    /// Limit of the forecast variance, beyond which a path stops.
    limit: Option<VarianceLimit>,
    pub(super) random: &'r mut ChaCha8Rng,
}

/// Limit of the forecast variance of a step.
pub(super) struct VarianceLimit {
    /// Mean squared step of each state.
    pub(super) moves: Vec<f64>,
    /// Largest mean over the states of variance over mean squared step.
    pub(super) most: f64,
}

impl VarianceLimit {
    /// True if a step with these standard deviations is too uncertain.
    fn is_exceeded(&self, std: ArrayView1<f64>) -> bool {
        let shares = std.iter().zip(&self.moves).filter(|&(_, &moves)| moves > 0.0);
        let (sum, count) = shares.fold((0.0, 0), |(sum, count), (d, moves)| {
            (sum + d * d / moves, count + 1)
        });
        sum > self.most * f64::from(count.max(1))
    }
}

impl<'r> TransitionRecorder<'r> {
    pub(super) fn new(
        task: &'static Task,
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
            limit: None,
            random,
        }
    }

    /// Stops paths before a step that is more uncertain than the limit.
    pub(super) fn with_limit(self, limit: Option<VarianceLimit>) -> Self {
        Self { limit, ..self }
    }

    /// Completes a path's transition with its next state; true if the path has ended.
    fn complete_step(&mut self, path: usize, state: &[f64]) -> bool {
        let Some((observation, action)) = self.pending[path].take() else {
            return true;
        };
        let Some(reward) = self.task.reward else {
            return true;
        };
        let earned = reward(&wide(&observation), &wide(&action), state);
        let terminated = (self.task.terminated)(state);
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
        _rewards: Option<ArrayView1<f64>>,
    ) {
        for (path, state) in paths.zip(states.rows()) {
            self.ended[path] = self.complete_step(path, &state.to_vec());
        }
    }

    fn wants_spread(&self) -> bool {
        self.limit.is_some()
    }

    fn spread(&mut self, paths: Range<usize>, std: ArrayView2<f64>) {
        let Some(limit) = &self.limit else {
            return;
        };
        for (path, std) in paths.zip(std.rows()) {
            if limit.is_exceeded(std) {
                self.pending[path] = None;
            }
        }
    }

    fn has_ended(&self, path: usize) -> bool {
        self.ended[path]
    }
}

/// Appends the transitions of at most `steps` steps of the simulator from an exact state.
pub(super) fn simulate_path(
    simulator: &mut dyn Environment,
    state: &[f64],
    steps: usize,
    act: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    into: &mut Vec<Transition>,
) -> Result<(), LearningError> {
    let mut observation = narrow(simulator.restore(state)?);
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
