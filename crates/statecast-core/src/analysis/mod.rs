//! Language models as Markov chains (arXiv 2410.02724, 2402.00795).
//!
//! A [`Sequence`] of states comes from labels ([`labelled`]) or values ([`binned`]). [`infer`] reads a predictor's
//! distribution of every next state; [`counted`], [`frequencies`] and [`staying`] are baselines. [`Chain`] is a finite
//! chain with its classes, stationary distribution and spectral gap, and [`Counts`] are the transition counts of a
//! sequence; [`study::Markov`](crate::study::Markov) combines all of these. A [`WindowChain`] is the chain of a model
//! over windows of states.

mod alphabet;
mod chain;
mod counts;
mod distance;
mod inference;
mod model_chain;
mod rules;
mod sequence;
mod state_distributions;
mod windows;

pub use alphabet::{Binning, EncodedStates, MAX_STATES, binned, labelled};
pub use chain::{Chain, Class};
pub use counts::{Counts, ProbabilityInterval};
pub use distance::{hellinger, total_variation};
pub use inference::{infer, infer_permuted, mean_distributions};
pub use model_chain::chain_of_windows;
pub use rules::{counted, frequencies, staying};
pub use sequence::Sequence;
pub use state_distributions::{Distance, PowerLaw, StateDistributions, power_law};
pub use windows::{LongRun, MAX_WINDOWS, WindowChain};

/// Errors of the analyses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// A transition matrix that is not square, or has no or too many states.
    #[error(
        "a transition matrix of {rows} rows and {columns} columns: needs as many of both, 1 to {most}"
    )]
    Shape {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
        /// Most states.
        most: usize,
    },
    /// A row that is not a probability distribution.
    #[error(
        "row {row} of the transition matrix is not a probability distribution: its entries are {what}"
    )]
    Row {
        /// The row, from 0.
        row: usize,
        /// What is wrong with its entries.
        what: String,
    },
    /// A state out of range.
    #[error("state {state} at position {place}: there are {states} states, from 0")]
    State {
        /// The state.
        state: usize,
        /// Its position in the sequence, from 0.
        place: usize,
        /// Number of states.
        states: usize,
    },
    /// A label that the given order repeats or lacks.
    #[error("the label '{label}' is {what} among the labels that were named")]
    Label {
        /// The label.
        label: String,
        /// `twice` or `not`.
        what: &'static str,
    },
    /// An unsupported number of states, and the maximum.
    #[error("{0} state(s): needs 2 to {1}; bin a continuous channel with `states=`")]
    States(usize, usize),
    /// Values with too few distinct bins.
    #[error("the values do not fall into {0} distinct bins: too many of them are equal")]
    Parts(usize),
    /// A constant sequence.
    #[error("the sequence stays in one state: there is no transition to learn from")]
    Constant,
    /// Too many windows.
    #[error("windows of {window} of {states} states: {states}^{window} are not 2 to {MAX_WINDOWS}")]
    Windows {
        /// States.
        states: usize,
        /// States of a window.
        window: usize,
    },
    /// A model without probabilities.
    #[error("the model returned no probabilities")]
    NoDensity,
    /// A failure of the model.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// A failure of the forecaster.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
