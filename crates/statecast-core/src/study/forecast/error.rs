//! Why a recording cannot be forecast.

use crate::forecast::{DerivedError, ForecastError};
use crate::recording::RecordingError;

/// Why a recording cannot be forecast. Settings are named as `setting=value`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastStudyError {
    /// No steps or no paths.
    #[error("`{0}=0`: at least 1")]
    Nothing(&'static str),
    /// No episode.
    #[error("no episode to forecast")]
    NoEpisodes,
    /// Several episodes, where one forecast is asked for.
    #[error("{0} episodes: forecast each, or choose one (`select=`)")]
    SeveralEpisodes(usize),
    /// No episode with rows for a context.
    #[error("too few rows{}: a context needs at least {min}", held_back(*.held))]
    TooFewRows {
        /// Rows that are held back.
        held: usize,
        /// Fewest rows of a context.
        min: usize,
    },
    /// A model whose window is too short for any context.
    #[error("the model's window leaves no room for a context")]
    NoRoom,
    /// Actions to come for a recording without actions.
    #[error("{0}: the recording has no action columns; choose them with `action=`")]
    NoActions(&'static str),
    /// Actions to come for a forecaster that does not see them.
    #[error(
        "{0} needs `method=residual` or dicl-sa, or an expert such as linear: actions act on nothing else"
    )]
    ActionsUnseen(&'static str),
    /// A quantity of actions that a policy takes on every path for itself.
    #[error(
        "`derive=`: {0} is an action, and with `policy=` every path takes actions of its own; derive from the variables only, or \
         give the actions with `future=` or `hold-actions=`"
    )]
    DerivedFromPolicy(String),
    /// A derived quantity that cannot be computed.
    #[error("`derive=`: {0}")]
    Derived(#[from] DerivedError),
    /// A plan that does not fit an episode.
    #[error(transparent)]
    Plan(#[from] RecordingError),
    /// What failed in an episode.
    #[error("episode {episode}: {source}")]
    Episode {
        /// Its label.
        episode: String,
        /// What happened.
        source: Box<ForecastStudyError>,
    },
    /// What the forecaster refuses.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
}

fn held_back(held: usize) -> String {
    match held {
        0 => String::new(),
        held => format!(" to hold {held} back"),
    }
}
