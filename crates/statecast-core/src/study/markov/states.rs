//! Sequences of states in recordings.

use std::path::Path;

use ndarray::Array2;

use super::MarkovStudyError;
use crate::analysis::{Binning, EncodedStates, binned, labelled};
use crate::recording::{
    Episode, LabelledRun, MissingPolicy, Recording, RoleSelection, TimeAxis, read,
};

/// How the values of a column become states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateCoding {
    /// Each number is a label. The labels in their order on the axis, also those that do not occur;
    /// none for those that occur, sorted.
    Labels(Vec<String>),
    /// So many bins of a continuous channel.
    Bins(usize, Binning),
}

/// A sequence of states with their labels, and the rows that do not follow the row before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSequence {
    /// The states in the order of time, and their labels.
    pub encoded: EncodedStates,
    /// Rows, from 0, that come later than one step after the row before.
    pub breaks: Vec<usize>,
}

impl StateSequence {
    /// States of the labels of a `column`, in the given order on the axis; sorted without one.
    ///
    /// # Errors
    /// [`MarkovStudyError::SeveralRuns`] unless there is one run, [`MarkovStudyError::Column`] for
    /// too few or too many labels, or one that the order lacks or repeats.
    ///
    /// ```
    /// use statecast::recording::{RoleSelection, read_labels};
    /// use statecast::study::markov::StateSequence;
    /// let path = "examples/weather.csv".as_ref();
    /// let (runs, _) = read_labels(path, "sky", &RoleSelection::default())?;
    /// let states = StateSequence::of_labels("sky", &runs, &[])?;
    /// assert_eq!(states.encoded.labels, ["cloud", "rain", "sun"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_labels(
        column: &str,
        runs: &[LabelledRun],
        order: &[String],
    ) -> Result<Self, MarkovStudyError> {
        let [run] = runs else {
            return Err(MarkovStudyError::SeveralRuns(runs.len()));
        };
        let encoded = labelled(&run.labels, order).map_err(|source| MarkovStudyError::Column {
            column: column.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            encoded,
            breaks: run.breaks.clone(),
        })
    }

    /// States of the only state column of the only episode.
    ///
    /// # Errors
    /// [`MarkovStudyError::SeveralEpisodes`] or [`MarkovStudyError::SeveralColumns`] if there are
    /// others, [`MarkovStudyError::Column`] for too few or too many states.
    ///
    /// ```
    /// use statecast::analysis::Binning;
    /// use statecast::recording::{MissingPolicy, RoleSelection, read};
    /// use statecast::study::markov::{StateCoding, StateSequence};
    /// let angle = RoleSelection { state: vec!["obs_cos_theta".to_owned()], ..RoleSelection::default() };
    /// let path = "examples/pendulum.csv".as_ref();
    /// let (recording, _) = read(path, &angle, MissingPolicy::Error)?;
    /// let coding = StateCoding::Bins(4, Binning::EqualWidth);
    /// let first = &recording.episodes()[0];
    /// let states = StateSequence::of_recording(&recording, &[first], &coding)?;
    /// assert_eq!((states.rows(), states.encoded.labels.len()), (first.rows(), 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_recording(
        recording: &Recording,
        episodes: &[&Episode],
        coding: &StateCoding,
    ) -> Result<Self, MarkovStudyError> {
        let [episode] = episodes else {
            return Err(MarkovStudyError::SeveralEpisodes(episodes.len()));
        };
        let [column] = recording.state_names() else {
            return Err(MarkovStudyError::SeveralColumns(
                recording.state_names().to_vec(),
            ));
        };
        let values = episode.states().column(0).to_vec();
        let encoded = match coding {
            StateCoding::Bins(states, binning) => binned(&values, *states, *binning),
            StateCoding::Labels(order) => {
                // Zero has no sign as a label.
                let labels = values.iter().map(|x| (x + 0.0).to_string());
                labelled(&labels.collect::<Vec<_>>(), order)
            }
        };
        let encoded = encoded.map_err(|source| MarkovStudyError::Column {
            column: column.clone(),
            source: Box::new(source),
        })?;
        Ok(Self {
            encoded,
            breaks: episode.times().map(TimeAxis::breaks).unwrap_or_default(),
        })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.encoded.sequence.len()
    }

    /// Returns the last rows, at most as many as there are, and the row at which they begin.
    pub(super) fn last(&self, rows: usize) -> (usize, Self) {
        let first = self.rows().saturating_sub(rows);
        let breaks = self
            .breaks
            .iter()
            .filter_map(|row| row.checked_sub(first))
            .filter(|&row| row > 0);
        let last = Self {
            encoded: EncodedStates {
                sequence: self.encoded.sequence[first..].to_vec(),
                labels: self.encoded.labels.clone(),
            },
            breaks: breaks.collect(),
        };
        (first, last)
    }
}

/// Reads a transition matrix `[from, to]` from a file of numbers: CSV, NPY, NPZ or Parquet, a row a
/// state.
///
/// # Errors
/// [`MarkovStudyError::Truth`] if the file cannot be read, [`MarkovStudyError::TruthTables`] if it
/// has several episodes.
///
/// ```
/// let path = "examples/weather_matrix.csv".as_ref();
/// let matrix = statecast::study::markov::read_matrix(path)?;
/// assert_eq!((matrix.dim(), matrix[[2, 1]]), ((3, 3), 0.05));
/// # Ok::<(), statecast::study::MarkovStudyError>(())
/// ```
pub fn read_matrix(path: &Path) -> Result<Array2<f64>, MarkovStudyError> {
    let selection = RoleSelection {
        state: vec!["*".to_owned()],
        ..RoleSelection::default()
    };
    let (recording, _) =
        read(path, &selection, MissingPolicy::Error).map_err(|source| MarkovStudyError::Truth {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
    match recording.episodes() {
        [episode] => Ok(episode.states().to_owned()),
        _ => Err(MarkovStudyError::TruthTables(path.to_owned())),
    }
}
