//! The error of the crate's short way.

use crate::forecast::ForecastError;
use crate::forecasters::{ForecastersError, NameError};
use crate::model::ModelError;
use crate::output::OutputError;
use crate::recording::RecordingError;
use crate::study::forecast::ForecastStudyError;

/// Whatever can go wrong between a recording and its forecast. Each room has an error of its own; all become this
/// one. Messages name settings as `` `setting=value` ``.
///
/// ```
/// use statecast::{Error, Recording};
/// let missing: Error = Recording::read("nowhere.csv").unwrap_err().into();
/// assert!(missing.to_string().starts_with("nowhere.csv: "));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read as a recording.
    #[error(transparent)]
    Recording(Box<RecordingError>),
    /// A model that cannot be loaded or run.
    #[error(transparent)]
    Model(Box<ModelError>),
    /// A text that names no forecaster.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Names that make no forecaster.
    #[error(transparent)]
    Forecasters(#[from] ForecastersError),
    /// What a forecaster refuses.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    /// A recording that cannot be forecast.
    #[error(transparent)]
    Study(Box<ForecastStudyError>),
    /// A file that cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<RecordingError> for Error {
    fn from(error: RecordingError) -> Self {
        Self::Recording(Box::new(error))
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<ForecastStudyError> for Error {
    fn from(error: ForecastStudyError) -> Self {
        Self::Study(Box::new(error))
    }
}
