//! Backtests: forecasts from many origins of recordings, scored against what came.
//!
//! Every forecaster reads the same context before an origin, continues it along sampled paths
//! ([`Step`]) and then predicts the same rows one by one as they are observed ([`OneStepScore`]).
//! Nothing of a forecast depends on a row at or after its origin, but the actions taken where they
//! were recorded: those are given to all.

mod run;
mod summary;
mod windows;

pub use run::{BacktestSettings, Joint, OneStepScore, Results, Step, run};
pub use summary::{ByStep, MethodSummary, Residuals, Summary, summarise};
pub use windows::{Windows, WindowsError};
