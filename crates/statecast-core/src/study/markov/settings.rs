//! What is read of a sequence of states, and how.

use ndarray::Array2;

use super::MarkovStudyError;
use crate::codec::Scale;
use crate::forecast::{Method, Settings, Temperature};
use crate::forecasters::{Combining, ForecasterName};
use crate::model::ModelSource;

/// Most permutations: each is a reading of the whole sequence.
pub const MAX_PERMUTATIONS: usize = 100;

/// What is read of a sequence of states, and how.
///
/// ```
/// use statecast::study::MarkovSettings;
/// let mut settings = MarkovSettings::default();
/// settings.label_permutations = 1000;
/// let refused = settings.check().unwrap_err();
/// assert_eq!(refused.to_string(), "`label-permutations=1000`: at most 100");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MarkovSettings {
    /// The forecaster whose chain is inferred.
    pub forecaster: ForecasterName,
    /// How the forecaster reads: its temperature and tolerance. The method is `vicl`, the axis that
    /// of the states.
    pub forecast: Settings,
    /// How densities are mixed and corrected.
    pub combining: Combining,
    /// Most rows of context, the last ones of the sequence; by default all that the forecaster can
    /// read, at most 10,000.
    pub context: Option<usize>,
    /// Rows at the end over which distributions are averaged and scored; by default a third of all.
    pub last: Option<usize>,
    /// The true transition matrix `[from, to]`, if it is known.
    pub truth: Option<Array2<f64>>,
    /// Permutations of the labels that the same sequence is shown under, at most
    /// [`MAX_PERMUTATIONS`].
    pub label_permutations: usize,
    /// Seed of the permutations.
    pub seed: u64,
    /// Temperatures to compare.
    pub temperatures: Vec<Temperature>,
    /// States of the windows over which the model's own chain is analysed; none for no such
    /// analysis.
    pub window: Option<usize>,
    /// Probability above which a step of the chain over windows joins their classes.
    pub least: f64,
}

impl Default for MarkovSettings {
    /// The bundled model, four label permutations and the temperatures 0.5, 1 and 2, without windows.
    fn default() -> Self {
        let temperatures = [0.5, 1.0, 2.0].map(Temperature::new);
        Self {
            forecaster: ForecasterName::Language(ModelSource::Builtin),
            forecast: Settings::default(),
            combining: Combining::default(),
            context: None,
            last: None,
            truth: None,
            label_permutations: 4,
            seed: 0,
            temperatures: temperatures.into_iter().flatten().collect(),
            window: None,
            least: 0.01,
        }
    }
}

impl MarkovSettings {
    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`MarkovStudyError`] for the first setting that cannot be.
    pub fn check(&self) -> Result<(), MarkovStudyError> {
        if self.label_permutations > MAX_PERMUTATIONS {
            return Err(MarkovStudyError::Permutations(self.label_permutations));
        }
        if !(0.0..1.0).contains(&self.least) {
            return Err(MarkovStudyError::Least(self.least));
        }
        if self.forecast.method != Method::Vicl {
            return Err(MarkovStudyError::Method(self.forecast.method));
        }
        if self.forecast.scale != Scale::MinMax {
            return Err(MarkovStudyError::Scale);
        }
        let alone = self.forecaster.is_language() && !self.combining.recalibrated;
        match self.window.is_some() && !alone {
            true => Err(MarkovStudyError::Window),
            false => Ok(()),
        }
    }

    /// Rows over which distributions of a context of `rows` are averaged and scored.
    pub(super) fn last_of(&self, rows: usize) -> Result<usize, MarkovStudyError> {
        if rows <= 2 {
            return Err(MarkovStudyError::TooFewRows(rows));
        }
        let last = self.last.unwrap_or(rows / 3);
        match (1..rows).contains(&last) {
            true => Ok(last),
            false => Err(MarkovStudyError::Last { last, rows }),
        }
    }
}
