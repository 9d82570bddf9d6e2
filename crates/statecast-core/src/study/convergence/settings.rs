//! What is forecast of a metric, and how.

use std::num::NonZeroUsize;

use super::ConvergenceStudyError;
use crate::codec::Scale;
use crate::forecast::{Method, RolloutSettings, Settings};
use crate::forecasters::Combining;

/// Fewest sample paths of an interval.
pub const MIN_SAMPLES: usize = 10;

/// Most sample paths: with the most blocks they take 800 MB.
pub const MAX_SAMPLES: usize = 10_000;

/// Blocks until the end.
const BLOCKS: NonZeroUsize = NonZeroUsize::new(300).unwrap();

/// What is forecast of a metric, and how.
///
/// ```
/// use statecast::study::SettlingSettings;
/// let mut settings = SettlingSettings::new(10_000);
/// settings.level = 90.0;
/// let refused = settings.check().unwrap_err();
/// assert_eq!(refused.to_string(), "`level=90`: needs a probability between 0 and 1");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SettlingSettings {
    /// End step of the forecast; a row number among those with the metric, if the log has no step
    /// column.
    pub until: usize,
    /// Rows of every run from which it is forecast, later ones score the forecast; by default all.
    pub prefix: Option<usize>,
    /// Number of blocks over which all steps until the end are averaged, at most 10,000.
    pub blocks: NonZeroUsize,
    /// Probability of the interval.
    pub level: f64,
    /// Sample paths, [`MIN_SAMPLES`] to [`MAX_SAMPLES`].
    pub samples: NonZeroUsize,
    /// Seed of the draws.
    pub seed: u64,
    /// How predictors read: their temperature and tolerance. The method is `vicl`, the axis that of
    /// the values.
    pub forecast: Settings,
    /// How densities are mixed and corrected.
    pub combining: Combining,
    /// Runs, the first ones, of which the forecasts of all blocks are kept, for figures.
    pub block_forecasts: usize,
}

impl SettlingSettings {
    /// A forecast until a step by 300 blocks and 100 paths, with intervals of 90 %.
    pub fn new(until: usize) -> Self {
        let RolloutSettings { samples, seed, .. } = RolloutSettings::default();
        Self {
            until,
            prefix: None,
            blocks: BLOCKS,
            level: 0.9,
            samples,
            seed,
            forecast: Settings::default(),
            combining: Combining::default(),
            block_forecasts: 0,
        }
    }

    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] for the first setting that cannot be.
    pub fn check(&self) -> Result<(), ConvergenceStudyError> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(ConvergenceStudyError::Level(self.level));
        }
        if !(MIN_SAMPLES..=MAX_SAMPLES).contains(&self.samples.get()) {
            return Err(ConvergenceStudyError::Samples(self.samples.get()));
        }
        check_reading(self.forecast)
    }
}

/// Checks how predictors read a single column.
pub(super) fn check_reading(settings: Settings) -> Result<(), ConvergenceStudyError> {
    if settings.method != Method::Vicl {
        return Err(ConvergenceStudyError::Method(settings.method));
    }
    match settings.scale {
        Scale::MinMax => Ok(()),
        _ => Err(ConvergenceStudyError::Scale),
    }
}
