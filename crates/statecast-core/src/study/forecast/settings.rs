//! What is forecast, and how.

use std::num::NonZeroUsize;

use super::{ActionsAhead, ForecastStudyError};
use crate::forecast::{Derived, Level, RolloutSettings};
use crate::recording::Episode;

/// What is forecast of a recording's episodes, and how.
#[non_exhaustive]
pub struct ForecastSettings {
    /// Steps to forecast, at least 1.
    pub horizon: usize,
    /// Sample paths, at least 1.
    pub samples: usize,
    /// Seed of the draws; equal seeds give equal paths.
    pub seed: u64,
    /// Paths that advance together: it changes speed and memory, not the result. By default as many as take a
    /// third of the weights' memory.
    pub paths_at_once: Option<NonZeroUsize>,
    /// Most rows of context, the last ones of an episode; by default all that the forecaster can read.
    pub context: Option<usize>,
    /// Whether the reward is forecast, too.
    pub with_reward: bool,
    /// Whether the last `horizon` rows of every episode are held back to be compared with.
    pub holdout: bool,
    /// Actions of the steps ahead.
    pub actions: ActionsAhead,
    /// Quantities that are computed from the variables of every path.
    pub derived: Vec<Derived>,
    /// Probability with which the simultaneous band of a variable holds its whole path.
    pub simultaneous: Level,
    /// Last rows of the context that get one-step densities.
    pub scored: usize,
    /// Whether the first step gets exact densities beside the paths.
    pub next_row: bool,
}

impl ForecastSettings {
    /// A forecast of so many steps by 100 paths.
    pub fn new(horizon: usize) -> Self {
        let RolloutSettings { samples, seed, .. } = RolloutSettings::default();
        Self {
            horizon,
            samples: samples.get(),
            seed,
            paths_at_once: None,
            context: None,
            with_reward: false,
            holdout: false,
            actions: ActionsAhead::default(),
            derived: Vec::new(),
            simultaneous: Level::default(),
            scored: 0,
            next_row: true,
        }
    }

    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`ForecastStudyError::Nothing`] if there are no steps or no paths.
    pub fn check(&self) -> Result<(), ForecastStudyError> {
        self.rollout().map(drop)
    }

    /// How many rows are drawn.
    ///
    /// # Errors
    /// [`ForecastStudyError::Nothing`] if there are no steps or no paths.
    pub fn rollout(&self) -> Result<RolloutSettings, ForecastStudyError> {
        let count = |name, count| NonZeroUsize::new(count).ok_or(ForecastStudyError::Nothing(name));
        Ok(RolloutSettings {
            horizon: count("horizon", self.horizon)?,
            samples: count("samples", self.samples)?,
            seed: self.seed,
            paths_at_once: self.paths_at_once,
            max_steps: None,
        })
    }

    /// Rows of an episode that may be read: all but those held back.
    pub fn end(&self, episode: &Episode) -> usize {
        let held = if self.holdout { self.horizon } else { 0 };
        episode.states().nrows().saturating_sub(held)
    }
}
