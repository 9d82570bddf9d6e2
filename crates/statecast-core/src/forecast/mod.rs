//! Forecasts: one-step densities over a context and sampled rollouts beyond it.
//!
//! A [`Forecaster`] reads a context `[rows, variables]` once ([`Forecaster::read`]); the [`Reading`]
//! holds the density of every row of the context, given the rows before it, and continues the
//! context as often as asked ([`Reading::rollout`]). Row `t` is predicted from rows `0..t`; a
//! forecast of horizon `H` after `T` rows predicts rows `T..T+H`.

mod axis_simulator;
mod bounds;
mod conformal;
mod derived;
mod encoding;
mod ends;
mod episode_control;
mod even;
mod expert_paths;
mod forecaster;
mod hinted;
mod known_steps;
mod language;
mod levels;
mod long_context;
mod mixture;
mod one_step;
mod online;
mod predictor;
mod reading;
mod recalibration;
mod residual;
mod rollout;
mod simultaneous;
mod stacked;
mod summary;
mod tails;
mod transition;
mod univariate;
mod variables;

use bounds::Clipped;
pub use conformal::{Conformal, Futures, Rollouts};
pub use derived::{Derivation, Derived, DerivedError, ExpressionError};
pub use encoding::Encoding;
pub use episode_control::{EpisodeControl, EpisodeSteps};
pub use expert_paths::Knowledge;
pub use forecaster::{Forecaster, Irregular, Method, Settings};
pub use hinted::Hinted;
pub use language::Language;
pub use mixture::{Mixture, MixtureWeights};
pub use one_step::{NextRow, OneStep};
pub use online::Online;
pub(crate) use predictor::point_at;
pub use predictor::{Continuation, Densities, Observed, Paths, Point, Predictor, Start};
pub use reading::Reading;
pub use recalibration::{Map, Places, Recalibrated};
pub use residual::Residual;
pub use rollout::{Control, KnownFuture, Rollout, RolloutSettings};
pub use simultaneous::{Level, SimultaneousBand, WholePaths};
pub use stacked::{PathWeight, Stacked};
pub use statecast_lm::decode::{Session, Temperature, TemperatureError, Tolerance};
pub use summary::{Levels, Summary};
pub use univariate::{Cycles, Form, Univariate};
pub use variables::{ChannelParts, RewardRow, Role, Variables};

/// Why a forecast cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// More values of sample paths than can be held.
    #[error(
        "{samples} paths of {horizon} steps and {variables} variables are more than {most} values; take a shorter \
         horizon or fewer paths"
    )]
    TooManyValues {
        /// Paths.
        samples: usize,
        /// Steps.
        horizon: usize,
        /// Variables.
        variables: usize,
        /// Values that can be held.
        most: usize,
    },
    /// More variables than are forecast together.
    #[error(
        "{variables} variables are more than the {most} that are forecast together; choose those that matter by \
         `state=`"
    )]
    TooManyVariables {
        /// Variables.
        variables: usize,
        /// Most that are forecast together.
        most: usize,
    },
    /// More than one variable where one is needed.
    #[error("{0} variables and actions: the kernel of a context is that of one variable alone")]
    OneVariable(usize),
    /// A context of fewer than two rows.
    #[error("the context has {0} row(s); a forecast needs at least 2")]
    TooFewRows(usize),
    /// A context or horizon for which the model's window is too short.
    #[error(
        "{context} rows of context and a horizon of {horizon} take {tokens} tokens, but the model \
         reads {window}: shorten the context or the horizon"
    )]
    Window {
        /// Rows of context.
        context: usize,
        /// Steps to forecast.
        horizon: usize,
        /// Tokens they take together.
        tokens: usize,
        /// Tokens that the model reads.
        window: usize,
    },
    /// Known future actions of another shape than the horizon and the actions call for.
    #[error("known future actions: {found:?} rows and columns where {expected:?} are needed")]
    Future {
        /// Rows and columns given.
        found: (usize, usize),
        /// Rows and columns needed.
        expected: (usize, usize),
    },
    /// Recordings of other variables or actions than those that they are read beside.
    #[error(
        "a recording of {} and {} action(s), beside one of {} and {}: recordings of one system have \
         the same columns",
        found.0.join(", "), found.1, expected.0.join(", "), expected.1
    )]
    Earlier {
        /// Names of its variables, and its actions.
        found: (Vec<String>, usize),
        /// Those of the others.
        expected: (Vec<String>, usize),
    },
    /// A predictor that depends on actions, continued without them.
    #[error("{0} predicts from actions: give those to come with `future=`")]
    ActionsToCome(String),
    /// A mixture of nothing, or one whose alpha is no fraction.
    #[error(
        "a mixture of {experts} forecasters with alpha {alpha}: needs one or more, and an alpha from 0 to 1"
    )]
    Mixture {
        /// Forecasters given.
        experts: usize,
        /// Fixed-share alpha given.
        alpha: f64,
    },
    /// A number that is no temperature.
    #[error(transparent)]
    Temperature(#[from] TemperatureError),
    /// Quantile levels that are not strictly between 0 and 1, or none.
    #[error("quantile levels '{0}': give numbers between 0 and 1, such as 0.05,0.5,0.95")]
    Levels(String),
    /// The level of a band that is not strictly between 0 and 1.
    #[error("level '{0}': give a number between 0 and 1, such as 0.9")]
    Level(String),
    /// A method name that does not exist.
    #[error("method '{0}': use vicl, dicl-s, dicl-sa or residual")]
    Method(String),
    /// A reading of irregular rows that does not exist.
    #[error("`irregular={0}`: use even, known or none")]
    Irregular(String),
    /// dicl-sa on data without actions.
    #[error("method dicl-sa needs action columns; choose them with `action=` or use dicl-s")]
    NoActions,
    /// A variable whose values cannot be put on an axis.
    #[error("channel {channel}: {source}")]
    Channel {
        /// Name of the channel.
        channel: String,
        /// What is wrong with it.
        source: crate::codec::CodecError,
    },
    /// A value of a context that lies too far off its axis for online experts.
    #[error(
        "channel {channel}: the value {value} lies more than 1000 units of the axis [0, 10) off its \
         middle, where online experts tell no values apart: choose another `scale=`, such as minmax"
    )]
    BeyondReach {
        /// Name of the channel.
        channel: String,
        /// The value, in its units.
        value: f64,
    },
    /// The variables cannot be disentangled.
    #[error(transparent)]
    Disentangle(#[from] crate::disentangle::DisentangleError),
    /// What acts along the paths failed.
    #[error(transparent)]
    Control(Box<dyn std::error::Error + Send + Sync>),
    /// A simulator failed, or what it said is no prediction.
    #[error("simulator, asked for row {row} (the context's first is 0): {source}")]
    Simulator {
        /// The row that it was to predict.
        row: usize,
        /// What happened.
        source: crate::experts::SimulatorError,
    },
    /// A simulator of variables that are mixed to other channels.
    #[error("a simulator predicts variables, not principal components: use method residual")]
    SimulatedComponents,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
}

impl From<candle_core::Error> for ForecastError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
