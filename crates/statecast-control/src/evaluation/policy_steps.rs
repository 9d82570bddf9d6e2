//! Steps of imagined episodes under a policy or recorded actions.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::rngs::ChaCha8Rng;

use super::ActionSource;
use super::return_accumulator::ReturnAccumulator;
use crate::forecast::{EpisodeSteps, ForecastError};
use crate::policy::PolicyError;

/// Actions of a source along imagined paths, and the returns of these.
pub(super) struct PolicySteps<'w, 'a> {
    pub(super) actor: &'w mut ActionSource<'a>,
    /// One generator per path.
    pub(super) random: Vec<ChaCha8Rng>,
    pub(super) accumulator: ReturnAccumulator,
}

impl PolicySteps<'_, '_> {
    /// Returns the actions `[paths, actions]` of a step at states `[paths, states]`, which begins.
    pub(super) fn begin(
        &mut self,
        step: usize,
        paths: Range<usize>,
        states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, PolicyError> {
        let random = &mut self.random[paths.clone()];
        let actions = self.actor.act(step, states, random)?;
        self.accumulator.begin_step(paths, states, &actions);
        Ok(actions)
    }
}

impl EpisodeSteps for PolicySteps<'_, '_> {
    fn act(
        &mut self,
        step: usize,
        paths: Range<usize>,
        states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError> {
        let actions = self.begin(step, paths, states);
        actions.map_err(|error| ForecastError::Control(Box::new(error)))
    }

    fn arrive(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        rewards: Option<ArrayView1<f64>>,
    ) {
        self.accumulator.complete_step(paths, states, rewards);
    }

    fn has_ended(&self, path: usize) -> bool {
        self.accumulator.has_ended(path)
    }
}
