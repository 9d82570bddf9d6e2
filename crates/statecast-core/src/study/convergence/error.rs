//! Reasons why the convergence of runs cannot be forecast.

use std::path::PathBuf;

use crate::convergence::ConvergenceError;
use crate::forecast::Method;
use crate::forecasters::{ForecastersError, NameError};
use crate::recording::RecordingError;

/// Reasons why the convergence of runs cannot be forecast. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvergenceStudyError {
    /// A probability of the interval that is none.
    #[error("`level={0}`: needs a probability between 0 and 1")]
    Level(f64),
    /// Too few or too many paths.
    #[error("`samples={0}`: an interval needs {min} to {max}", min = super::MIN_SAMPLES, max = super::MAX_SAMPLES)]
    Samples(usize),
    /// A method that combines channels.
    #[error("`method={0}`: a metric is one channel")]
    Method(Method),
    /// An axis other than that of the values.
    #[error("`scale=`: the axis of a metric is determined by its values")]
    Scale,
    /// A pool without members, or with itself among them.
    #[error("`pool=`: needs forecasters other than itself")]
    Pool,
    /// A text that names no forecaster.
    #[error("{text}: {source}")]
    Name {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A forecaster of settling values, where minima are forecast.
    #[error("`models={0}`: forecasts settling values only")]
    SettlingOnly(String),
    /// A log that cannot be read.
    #[error("{}", super::log::of_runs(&.0.to_string()))]
    Log(Box<RecordingError>),
    /// A pattern that fits several columns.
    #[error("{}: {column} fits {} columns ({}); name one", file.display(), found.len(), found.join(", "))]
    SeveralColumns {
        /// The log.
        file: PathBuf,
        /// The pattern.
        column: String,
        /// Columns that fit.
        found: Vec<String>,
    },
    /// A label that no run has.
    #[error("{}: `select={label}`: no such run", file.display())]
    NoSuchRun {
        /// The log.
        file: PathBuf,
        /// The label.
        label: String,
    },
    /// A column without values in the selected runs.
    #[error("{}: no row has a value of {column}", file.display())]
    NoValue {
        /// The log.
        file: PathBuf,
        /// The column.
        column: String,
    },
    /// A simulation of no runs.
    #[error("`runs=0`: there is nothing to forecast")]
    NoRuns,
    /// A column that simulated runs do not have.
    #[error("{column}: simulated runs have loss, {}", parameters.join(", "))]
    NoColumn {
        /// The column.
        column: String,
        /// Names of the parameters.
        parameters: Vec<String>,
    },
    /// A column of simulated runs that is no parameter of their function.
    #[error("{0}: no parameter")]
    NoParameter(String),
    /// An end that does not suit the only run.
    #[error("`until={until}` is row {row}: {source}")]
    Until {
        /// The step.
        until: usize,
        /// Its row.
        row: usize,
        /// What is wrong with it.
        source: ConvergenceError,
    },
    /// No run that can be forecast.
    #[error("no run is left to forecast")]
    NothingLeft,
    /// Too few blocks for a fit.
    #[error("too few blocks for a curve")]
    TooFewBlocks,
    /// Values beyond what a trend can be fitted to.
    #[error("the metric is too large for a trend")]
    TooLarge,
    /// As many runs in the context as there are, or none.
    #[error("`context-runs={context}`: {runs} runs; needs context runs and runs to forecast")]
    ContextRuns {
        /// Runs in the context.
        context: usize,
        /// All runs.
        runs: usize,
    },
    /// More simulated steps than make sense for the true distribution.
    #[error(
        "{starts} unseen starts of {steps} steps: the true distribution takes {runs} runs each; choose fewer `runs=` \
         or `steps=`",
        runs = super::TRUE_RUNS
    )]
    TooManySteps {
        /// Unseen starts.
        starts: usize,
        /// Steps of a run.
        steps: usize,
    },
    /// Positions of minima that are none or not finite.
    #[error("`at=`: needs finite positions")]
    At,
    /// A start from which simulated runs do not converge.
    #[error("run {0}: runs from its start diverge")]
    Diverges(usize),
    /// What the forecasts of convergence report.
    #[error(transparent)]
    Convergence(#[from] ConvergenceError),
    /// A name that makes no forecaster.
    #[error(transparent)]
    Forecasters(#[from] ForecastersError),
}
