//! Digit decoding: what a model has read of a batch of sequences, and the densities of their next values.
//!
//! A [`Session`] reads values, predicts the next ones as densities over a thousand bins, is continued along many paths
//! that share the context, and is rolled back. Numbers of several tokens are trees of digits, refined to a
//! [`Tolerance`].

mod predicted;
mod session;
mod settings;
mod trees;

pub use session::Session;
pub use settings::{Temperature, TemperatureError, Tolerance};
