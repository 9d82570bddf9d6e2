//! Sampled paths as episodes with actions, rewards and an end.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, s};

use super::{Control, ForecastError};

/// What happens along imagined episodes: actions at states, and what a step brings.
pub trait EpisodeSteps: Send {
    /// Returns the actions `[paths, actions]` of a step of some paths at states `[paths, states]`. What ended paths
    /// do is not used.
    ///
    /// # Errors
    /// [`ForecastError::Control`] if an action cannot be taken.
    fn act(
        &mut self,
        step: usize,
        paths: Range<usize>,
        states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError>;

    /// Completes a step of some paths with their next states `[paths, states]`, and with the rewards that the model
    /// predicts, if it does.
    fn arrive(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        rewards: Option<ArrayView1<f64>>,
    );

    /// True if a path has ended.
    fn has_ended(&self, path: usize) -> bool;

    /// Whether it is told how uncertain each step is, which takes about as long as the step.
    fn wants_spread(&self) -> bool {
        false
    }

    /// Takes the standard deviations `[paths, states]` of the next states of some paths, before
    /// [`arrive`](Self::arrive) is told which were drawn.
    fn spread(&mut self, _paths: Range<usize>, _std: ArrayView2<f64>) {}
}

/// Control of sampled paths as episodes from given starts. States are the first variables.
pub struct EpisodeControl<S> {
    /// First states `[paths, states]`.
    pub starts: Array2<f64>,
    /// Variable of the reward, if it is predicted.
    pub reward: Option<usize>,
    /// What happens along the paths.
    pub steps: S,
}

impl<S: EpisodeSteps> Control for EpisodeControl<S> {
    fn act(
        &mut self,
        step: usize,
        first: usize,
        mut drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        let paths = first..first + drawn.nrows();
        let states = s![.., ..self.starts.ncols()];
        match step {
            0 => {
                let starts = self.starts.slice(s![paths.clone(), ..]);
                drawn.slice_mut(states).assign(&starts);
            }
            _ => {
                let rewards = self.reward.map(|column| drawn.column(column));
                self.steps
                    .arrive(paths.clone(), drawn.slice(states), rewards);
            }
        }
        if paths.clone().all(|path| self.steps.has_ended(path)) {
            return Ok(None);
        }
        self.steps.act(step, paths, drawn.slice(states)).map(Some)
    }

    fn wants_spread(&self) -> bool {
        self.steps.wants_spread()
    }

    fn spread(&mut self, step: usize, first: usize, std: Array2<f64>) {
        // Starts are given.
        if step > 0 {
            let paths = first..first + std.nrows();
            let states = s![.., ..self.starts.ncols()];
            self.steps.spread(paths, std.slice(states));
        }
    }

    fn detached(&self, step: usize, paths: Range<usize>) -> Vec<usize> {
        let detached = |&path: &usize| step == 0 || self.steps.has_ended(path);
        paths.filter(detached).collect()
    }
}
