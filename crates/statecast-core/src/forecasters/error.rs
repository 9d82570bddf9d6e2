//! Why forecasters cannot be made.

use crate::forecast::ForecastError;

/// Why forecasters cannot be made of their names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastersError {
    /// More names than make sense.
    #[error("{found} forecasters: at most {max}")]
    TooMany {
        /// Names given.
        found: usize,
        /// Most names.
        max: usize,
    },
    /// A name that no baseline and no loaded model has.
    #[error("'{0}' cannot be an expert")]
    Unknown(String),
    /// A mixture among the members of a mixture.
    #[error("'{0}' cannot be an expert")]
    Nested(String),
    /// No language model, where one is needed.
    #[error("no language model")]
    NoLanguage,
    /// A simulator that no forecaster reads.
    #[error("no language model among the methods takes it")]
    NoReaderOfSimulator,
    /// A period that no forecaster reads.
    #[error("neither a language model nor one of {} is among the methods", super::seasonal().join(", "))]
    NoReaderOfPeriod,
    /// What the forecaster itself refuses.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
}
