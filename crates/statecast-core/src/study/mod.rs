//! Studies: what the commands compute, each from checked settings to one result that is printed, written and
//! reported from the same value.
//!
//! | study | result | command |
//! |---|---|---|
//! | [`ForecastStudy`] | [`Forecast`] | `forecast` |
//! | [`Backtest`] | [`Backtest`] | `backtest` |
//! | [`CalibrationStudy`] | [`CalibrationStudy`] | `calibrate` |
//! | [`DensityStudy`] | an NPZ file | `density` |
//! | [`FilledRecording`] | [`FilledRecording`] | `impute` |
//! | [`LabelledRecording`] | [`LabelledRecording`] | `impute --actions` |
//! | [`Markov`] | [`Markov`] | `markov` |
//! | [`SettlingStudy`], [`MinimaStudy`] | [`Settling`], [`Minima`] | `training-run` |
//!
//! Those of policies and agents (`evaluate`, `replay`, `train`) are in `statecast-control`: `evaluation::EvaluationStudy`,
//! `evaluation::ReplayStudy`, `learning::TrainingRun`, `learning::Comparison`.
//!
//! All have one shape. Settings hold everything that is chosen, `check` what can be refused before anything is read, and errors
//! name settings as `` `setting=value` ``. A study says what it does to an [`Observer`]; it prints nothing itself. Its result
//! is serialised by `serde`, and has tables where there is one row a number.
//!
//! Studies of one or more [`Forecaster`](crate::forecast::Forecaster)s, which know how they read, take them made. Those that
//! make forecasters by name take the loaded models as [`Forecasters`](crate::forecasters::Forecasters), and their settings say in
//! `forecast` how these read.

pub mod backtest;
mod calibration;
mod context;
pub mod convergence;
pub mod density;
pub mod forecast;
mod imputation;
mod labelling;
pub mod markov;

pub use backtest::{Backtest, BacktestSeries};
pub use calibration::{
    CalibrationSettings, CalibrationStudy, CalibrationStudyError, ChannelCalibration,
    ROWS_TO_FALSE_ALARM, Verdict,
};
pub use convergence::{
    ConvergenceStudyError, Minima, MinimaStudy, Settling, SettlingSettings, SettlingStudy,
};
pub use density::{DensitySettings, DensityStudy};
pub use forecast::{Forecast, ForecastSettings, ForecastStudy};
pub use imputation::FilledRecording;
pub use labelling::{LabelledRecording, LabellingError};
pub use markov::{Markov, MarkovSettings, MarkovStudyError};

use context::note_contexts;

/// What a study says while it works, maybe from several threads.
pub trait Observer: Sync {
    /// A remark, such as which rows a model reads.
    fn note(&self, _text: &str) {}

    /// What may spoil the result.
    fn warning(&self, _text: &str) {}

    /// The stage of the work that begins, whose progress follows.
    fn begin(&self, _stage: &str) {}

    /// The share of the work, or of its stage, that is done, 0 to 1.
    fn progress(&self, _share: f64) {}
}

/// Listens to nothing.
impl Observer for () {}
