//! Reasons why a backtest cannot be made.

use crate::forecast::ForecastError;

/// Reasons why a backtest cannot be made. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestStudyError {
    /// A recording without the reward that is to be forecast.
    #[error("{0}: `with-reward=` has no effect: there is no reward column; name it with `reward=`")]
    NoReward(String),
    /// Recordings with different columns.
    #[error("{found}: its columns are not those of {first}")]
    Columns {
        /// Name of the recording.
        found: String,
        /// Name of the first series.
        first: String,
    },
    /// No episode with the rows of a window.
    #[error("no episode has the {0} rows of a window: use a shorter `context=` or `horizon=`")]
    TooShort(usize),
    /// A forecaster whose window is shorter than the context.
    #[error(
        "{forecaster}: its window leaves room for {longest} rows of context, `context=` is {context}"
    )]
    Window {
        /// Name of the forecaster.
        forecaster: String,
        /// Longest context.
        longest: usize,
        /// Context asked for.
        context: usize,
    },
    /// A single path, whose score is not defined.
    #[error("`samples=1`: a score needs at least 2")]
    OnePath,
    /// Constant variables only.
    #[error("nothing to score: every variable is constant in every context")]
    Constant,
    /// Error of a forecaster.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
}
