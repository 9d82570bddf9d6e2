//! What the method's own theory asks: the model as a Markov chain (arXiv 2410.02724, 2402.00795).
//!
//! [`Chain`] is a finite chain with its classes, stationary law and spectral gap; [`Counts`] is what a sequence of
//! states shows of one, [`infer`] what a forecaster makes of it. Distances between laws are [`total_variation`] and [`hellinger`].

mod chain;
mod counts;
mod distance;
mod inference;

pub use chain::{Chain, Class};
pub use counts::{Counts, Share};
pub use distance::{hellinger, total_variation};
pub use inference::{
    Distance, Inferred, MOST_STATES, PowerLaw, infer, power_law, settings_of_states,
};

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
    /// A number of states that the axis does not tell apart, and the most.
    #[error("{0} states: needs 2 to {1}")]
    States(usize, usize),
    /// The forecaster failed.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
