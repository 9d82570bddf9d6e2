//! Reasons why a chain cannot be read.

use std::path::PathBuf;

use crate::analysis::AnalysisError;
use crate::forecast::Method;
use crate::forecasters::ForecastersError;
use crate::recording::RecordingError;

/// Reasons why a chain cannot be read. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkovStudyError {
    /// More label permutations than make sense.
    #[error("`label-permutations={0}`: at most {most}", most = super::MAX_PERMUTATIONS)]
    Permutations(usize),
    /// A threshold of the classes of windows that is no probability below 1.
    #[error("`least={0}`: needs a probability below 1")]
    Least(f64),
    /// A method that combines channels.
    #[error("`method={0}`: states are one channel")]
    Method(Method),
    /// An axis other than that of the states.
    #[error("`scale=`: states have places of their own on the axis")]
    Scale,
    /// A chain over windows of what is no language model alone.
    #[error(
        "`window=`: only a model alone has a chain over windows, without `experts=` or `recalibrate=`"
    )]
    Window,
    /// A context without transitions to average over.
    #[error("{0} row(s): distributions need at least 3")]
    TooFewRows(usize),
    /// Final rows that are none, or all.
    #[error("`last={last}`: needs 1 to {} of {rows} rows", rows - 1)]
    Last {
        /// Final rows asked for.
        last: usize,
        /// Rows of the context.
        rows: usize,
    },
    /// Final rows none of which follows the row before.
    #[error("each of the last {0} row(s) comes after a gap of the time: there is nothing to score")]
    NothingFollows(usize),
    /// A true matrix with another number of states than the sequence.
    #[error(
        "a true matrix of {rows} states for a sequence of {states}: name all states in their order, including those \
         that do not occur"
    )]
    TruthStates {
        /// States of the matrix.
        rows: usize,
        /// States of the sequence.
        states: usize,
    },
    /// A file that cannot be read as a true matrix.
    #[error("`truth={}`: {source}", path.display())]
    Truth {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<RecordingError>,
    },
    /// A file of several episodes, where a matrix is needed.
    #[error("`truth={}`: several tables", .0.display())]
    TruthTables(PathBuf),
    /// Several episodes of labels.
    #[error(
        "{0} episodes; a chain does not run from one into the next, so choose one with `select=`"
    )]
    SeveralRuns(usize),
    /// Several episodes of numbers.
    #[error("{0} episodes; choose one with `select=`")]
    SeveralEpisodes(usize),
    /// Several columns of states.
    #[error("{} state columns ({}); choose one with `state=`", .0.len(), .0.join(", "))]
    SeveralColumns(Vec<String>),
    /// A column whose values make no states.
    #[error("column {column}: {source}")]
    Column {
        /// Name of the column.
        column: String,
        /// What is wrong with its values.
        source: Box<AnalysisError>,
    },
    /// What the analysis reports.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A name that makes no forecaster.
    #[error(transparent)]
    Forecasters(#[from] ForecastersError),
}
