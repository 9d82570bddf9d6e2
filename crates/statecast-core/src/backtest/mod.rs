//! Backtests: forecasts from many origins of recordings, scored against the observations.
//!
//! Every forecaster reads the same context before an origin, continues it along sampled paths
//! ([`StepScore`]) and then predicts the same rows one by one as they are observed
//! ([`OneStepScore`]). No forecast depends on rows at or after its origin, except for recorded
//! actions, which all forecasters receive.

mod run;
mod summary;
mod weight_history;
mod windows;

pub use run::{BacktestSettings, JointStepScore, OneStepScore, Results, StepScore, run};
pub use summary::{BacktestSummary, MethodSummary, Residuals, StepSummary, summarise};
pub use weight_history::WeightHistory;
pub use windows::{Windows, WindowsError};
