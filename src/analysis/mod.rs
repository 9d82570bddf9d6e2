//! What the method's own theory asks: the model as a Markov chain (arXiv 2410.02724, 2402.00795).
//!
//! A [`Sequence`] of states comes from labels ([`labelled`]) or values ([`binned`]). [`infer`] shows it to a predictor and
//! reads the law of every next state; [`counted`], [`frequencies`] and [`staying`] say what simple rules make of it.
//! [`Chain`] is a finite chain with its classes, stationary law and spectral gap, [`Counts`] what a sequence shows of
//! one, [`study`] all of this together. A [`WindowChain`] is what a model is by itself over windows of so many states.

mod alphabet;
mod chain;
mod counts;
mod distance;
mod inference;
mod laws;
mod model_chain;
mod rules;
mod sequence;
mod study;
mod windows;

pub use alphabet::{Coded, Cuts, MOST_STATES, binned, labelled};
pub use chain::{Chain, Class};
pub use counts::{Counts, Share};
pub use distance::{hellinger, total_variation};
pub use inference::{infer, mean_laws, relabelled};
pub use laws::{Distance, Laws, PowerLaw, power_law};
pub use model_chain::chain_of_windows;
pub use rules::{counted, frequencies, staying};
pub use sequence::Sequence;
pub use study::{
    AtTemperature, Described, Judged, Questions, Relabelling, Study, at_temperatures, study,
};
pub use windows::{LongRun, MOST_WINDOWS, WindowChain};

/// Why something cannot be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// A transition matrix of another shape than a square, or of no state, or of too many.
    #[error(
        "a transition matrix of {rows} rows and {columns} columns: needs as many of both, 1 to {most}"
    )]
    Shape {
        /// Rows given.
        rows: usize,
        /// Columns given.
        columns: usize,
        /// Most states.
        most: usize,
    },
    /// A row that is no law.
    #[error("row {row} of the transition matrix is no law: its entries are {what}")]
    Row {
        /// The row, from 0.
        row: usize,
        /// What is wrong with them.
        what: String,
    },
    /// A true matrix of another number of states than the sequence has.
    #[error(
        "a true matrix of {rows} states for a sequence of {states}: name all of them in their order, also those that do not come"
    )]
    Truth {
        /// States of the matrix.
        rows: usize,
        /// States of the sequence.
        states: usize,
    },
    /// A state that is none of those there are.
    #[error("state {state} at place {place}: there are {states} states, from 0")]
    State {
        /// The state.
        state: usize,
        /// Where in the sequence, from 0.
        place: usize,
        /// States there are.
        states: usize,
    },
    /// A label that the given order has twice or not.
    #[error("the label '{label}' is {what} among the labels that were named")]
    Label {
        /// The label.
        label: String,
        /// `twice` or `not`.
        what: &'static str,
    },
    /// A number of states that the axis does not tell apart, and the most.
    #[error("{0} state(s): needs 2 to {1}; cut a continuous channel into --states")]
    States(usize, usize),
    /// Values that do not fall into so many parts.
    #[error("the values do not fall into {0} parts that differ: too many of them are equal")]
    Parts(usize),
    /// No row to score: each of so many at the end stands behind a gap.
    #[error(
        "each of the last {0} row(s) stands behind a gap of the time: there is nothing to score"
    )]
    NothingFollows(usize),
    /// A sequence in which nothing changes.
    #[error("the sequence stays in one state: there is no transition to learn from")]
    Constant,
    /// More windows than can be looked at.
    #[error(
        "windows of {window} of {states} states: {states}^{window} are not 2 to {MOST_WINDOWS}"
    )]
    Windows {
        /// States.
        states: usize,
        /// States of a window.
        window: usize,
    },
    /// A model that gave no probabilities.
    #[error("the model gave no probabilities")]
    NoDensity,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// The forecaster failed.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
