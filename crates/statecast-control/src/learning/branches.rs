//! Short imagined branches from states of the replay buffer (Janner et al., arXiv 1906.08253).

use std::num::NonZeroUsize;

use ndarray::Array2;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::imagination::EpisodeSegment;
use super::recorder::{TransitionRecorder, VarianceLimit, simulate_path};
use super::{BranchSettings, LearningError, ReplayBuffer, SacActor, Transition};
use crate::environment::{Environment, Task};
use crate::forecast::{EpisodeControl, Forecaster, Method, RolloutSettings, Variables};
use crate::network::Tape;

/// A round of branches.
pub(super) struct Round<'r> {
    pub(super) replay: &'r ReplayBuffer,
    pub(super) task: &'static Task,
    pub(super) actor: &'r SacActor,
    pub(super) settings: BranchSettings,
    /// Transitions that the forecaster reads, the latest ones.
    pub(super) context: usize,
}

impl Round<'_> {
    /// Draws the transitions from whose first states branches start.
    fn starts(&self, random: &mut ChaCha8Rng) -> Vec<&Transition> {
        let rows = self.rows();
        let drawn = (0..self.settings.count).map(|_| rows[random.random_range(0..rows.len())]);
        drawn.collect()
    }

    fn rows(&self) -> Vec<&Transition> {
        let rows = self.replay.episodes().flatten();
        rows.filter_map(|row| self.replay.row(row)).collect()
    }

    /// Returns the latest transitions as a context of whole episodes, the first of which may lack
    /// its beginning.
    fn variables(&self, method: Method) -> Variables {
        let skipped = self.replay.len().saturating_sub(self.context);
        let rows = self.replay.episodes().flat_map(|episode| {
            let start = episode.start;
            episode.map(move |row| (start, row))
        });
        let mut parts: Vec<(usize, Vec<&Transition>)> = Vec::new();
        for (episode, row) in rows.skip(skipped) {
            let Some(row) = self.replay.row(row) else {
                continue;
            };
            match parts.last_mut() {
                Some((last, rows)) if *last == episode => rows.push(row),
                _ => parts.push((episode, vec![row])),
            }
        }
        let read = parts.into_iter().map(|(_, rows)| {
            let segment = EpisodeSegment {
                rows,
                task: self.task,
                actor: self.actor,
            };
            let mut variables = segment.variables(segment.rows.len() + 1, method);
            variables.begins[0] = true;
            variables
        });
        Variables::joined(&read.collect::<Vec<_>>())
    }

    /// Returns the mean squared step of each state.
    fn moves(&self) -> Vec<f64> {
        let rows = self.rows();
        let mut sums = vec![0.0; self.task.observation.len()];
        for row in &rows {
            let steps = row.next.iter().zip(&row.observation);
            for (sum, (next, before)) in sums.iter_mut().zip(steps) {
                *sum += f64::from(next - before).powi(2) / rows.len() as f64;
            }
        }
        sums
    }

    /// Branches in a forecaster that has read the replay buffer.
    pub(super) fn forecast(
        &self,
        forecaster: &Forecaster,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let settings = self.settings;
        let context = self.variables(forecaster.settings().method);
        let reading = forecaster.read_last(&context, 0)?;
        let starts = self.starts(random);
        let states = starts[0].observation.len();
        let limit = settings.max_variance.map(|most| VarianceLimit {
            moves: self.moves(),
            most,
        });
        let seed = random.random();
        let mut control = EpisodeControl {
            starts: Array2::from_shape_fn((starts.len(), states), |(path, state)| {
                f64::from(starts[path].observation[state])
            }),
            reward: None,
            steps: TransitionRecorder::new(self.task, self.actor, starts.len(), random)
                .with_limit(limit),
        };
        let rollout = RolloutSettings {
            // One row more than steps: the last row is the state after the last step.
            horizon: NonZeroUsize::MIN.saturating_add(settings.steps),
            samples: NonZeroUsize::new(starts.len()).unwrap_or(NonZeroUsize::MIN),
            seed,
            paths_at_once: None,
            max_steps: None,
        };
        reading.rollout_with_policy(&rollout, &mut control, &|_| ())?;
        Ok(control.steps.imagined)
    }

    /// Branches in the simulator itself, from the exact states of the buffer.
    pub(super) fn simulate(
        &self,
        simulator: &mut dyn Environment,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let mut imagined = Vec::new();
        let mut tape = Tape::default();
        for start in self.starts(random) {
            let mut act =
                |observation: &[f32]| self.actor.draw(observation, &mut tape, random).actions;
            let steps = self.settings.steps;
            simulate_path(simulator, &start.state, steps, &mut act, &mut imagined)?;
        }
        Ok(imagined)
    }
}
