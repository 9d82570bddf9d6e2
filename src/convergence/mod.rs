//! Where optimisation runs go (after "Can LLMs predict the convergence of SGD?", arXiv 2408.01736).
//!
//! A [`Span`] cuts the metric of a run into blocks, whose continuation predictors, curves ([`Decay`]) and a
//! [`LocalTrend`] forecast: where it settles, with an interval ([`Settling`]). A [`Kernel`] is what a predictor infers of
//! a parameter's next value from several runs; it says which minimum a run reaches from a start that none of them had.
//! [`Descent`] simulates runs down a [`Landscape`], for which the truth is known.

mod descent;
mod extrapolation;
mod kernel;
mod landscape;
mod settling;
mod trend;

pub use descent::{Descent, Run};
pub use extrapolation::{Decay, Fitted};
pub use kernel::{Kernel, minima_of_ends, nearest};
pub use landscape::Landscape;
pub use settling::{Settling, Span, Thinned};
pub use trend::LocalTrend;

fn range(values: &[f64]) -> (f64, f64) {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    values
        .iter()
        .fold(ends, |(low, high), x| (low.min(*x), high.max(*x)))
}

/// Why a run cannot be forecast.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvergenceError {
    /// A setting of a simulated run that makes none.
    #[error("{name} {value}: needs {needs}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it needs.
        needs: &'static str,
    },
    /// An end that lies within what is known.
    #[error(
        "the forecast would end at row {until}, but {prefix} rows are known: choose a later end or a shorter prefix"
    )]
    Until {
        /// Known rows.
        prefix: usize,
        /// The end.
        until: usize,
    },
    /// Too short a prefix for so far an end.
    #[error(
        "{prefix} rows say too little of row {until}: at least {needed} are needed for so far an end, or more blocks"
    )]
    Short {
        /// Known rows.
        prefix: usize,
        /// The end.
        until: usize,
        /// Rows that would be enough.
        needed: usize,
    },
    /// A value that is not finite.
    #[error("the run diverges: row {row} is not finite")]
    Diverged {
        /// The row, from 1.
        row: usize,
    },
    /// No run that is long enough.
    #[error("no run has the {needed} rows that are needed")]
    Runs {
        /// Rows that would be enough.
        needed: usize,
    },
    /// A parameter that never changes.
    #[error("the parameter never changes: there is no kernel to infer")]
    Still,
    /// A metric whose range is beyond what numbers hold.
    #[error(transparent)]
    Range(#[from] crate::codec::CodecError),
    /// The forecast failed.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
