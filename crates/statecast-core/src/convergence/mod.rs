//! Convergence of optimisation runs (after "Can LLMs predict the convergence of SGD?", arXiv
//! 2408.01736).
//!
//! A [`Span`] averages the metric of a run over blocks. Predictors, curves ([`Decay`]) and a
//! [`LocalTrend`] forecast its settling value with an interval ([`SettlingValue`]). A
//! [`TransitionKernel`] is the transition kernel that a predictor infers for a parameter from
//! several runs; it predicts the minimum that a run reaches from a new start. [`Descent`] simulates
//! runs on a [`Landscape`] with known minima.

mod descent;
mod extrapolation;
mod landscape;
mod settling;
mod transition_kernel;
mod trend;

pub use descent::{Descent, DescentRun};
pub use extrapolation::{Decay, FittedCurve};
pub use landscape::Landscape;
pub use settling::{BlockAverages, SettlingValue, Span};
pub use transition_kernel::{TransitionKernel, minima_of_ends, nearest};
pub use trend::LocalTrend;

fn range(values: &[f64]) -> (f64, f64) {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    values
        .iter()
        .fold(ends, |(low, high), x| (low.min(*x), high.max(*x)))
}

/// Errors of convergence forecasts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvergenceError {
    /// An invalid setting.
    #[error("{name} {value}: needs {needs}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value.
        value: f64,
        /// The requirement.
        needs: &'static str,
    },
    /// An end within the known rows.
    #[error(
        "the forecast would end at row {until}, but {prefix} rows are known: choose a later end or a shorter prefix"
    )]
    Until {
        /// Known rows.
        prefix: usize,
        /// The end.
        until: usize,
    },
    /// A prefix that is too short for the end.
    #[error(
        "{prefix} rows are too few for a forecast of row {until}: at least {needed} are needed, or more blocks"
    )]
    Short {
        /// Known rows.
        prefix: usize,
        /// The end.
        until: usize,
        /// Required rows.
        needed: usize,
    },
    /// A value that is not finite.
    #[error("the run diverges: row {row} is not finite")]
    Diverged {
        /// The row, from 1.
        row: usize,
    },
    /// No sufficiently long run.
    #[error("no run has the required {needed} rows")]
    Runs {
        /// Required rows.
        needed: usize,
    },
    /// A constant parameter.
    #[error("the parameter never changes: there is no kernel to infer")]
    Still,
    /// A metric whose range overflows.
    #[error(transparent)]
    Range(#[from] crate::codec::CodecError),
    /// A failure of the forecast.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
