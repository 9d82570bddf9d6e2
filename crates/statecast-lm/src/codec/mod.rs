//! Values to tokens and back: axis, bins, prompt formats and the audit of a tokenizer.
//!
//! A channel's values lie on an axis `[0, 10)` ([`Axis`]), cut into 1000 bins ([`Bin`]) that are
//! written with three digits; the bins of a [`Grid`] may also be those of a residual around a
//! forecast. A
//! [`PromptFormat`] defines the serialisation of digits, the [`audit`](TokenTable::audit) checks that a tokenizer
//! encodes them accordingly, and the resulting [`TokenTable`] is all that the model needs.

mod audit;
mod axis;
mod bin;
mod cell;
mod format;
mod grid;

pub use audit::{Place, TextTokenizer, TokenTable};
pub use axis::{Axis, Scale};
pub use bin::{BIN_COUNT, BIN_WIDTH, Bin, Quantised};
pub use cell::{Cell, resolution};
pub use format::{Bos, PromptFormat, Symbols, builtin_formats};
pub use grid::Grid;

/// Errors of the codec.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A scale whose ends are not finite or not in order.
    #[error("scale {low},{high}: both ends must be finite and the first below the second")]
    Scale {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A scale that is neither a name nor two numbers.
    #[error("scale '{0}': use minmax, none, or two numbers LOW,HIGH")]
    ScaleName(String),
    /// A channel without values.
    #[error("channel has no values")]
    Empty,
    /// A channel whose range is not representable.
    #[error("channel spans {low:e} to {high:e}, more than a 64-bit float can hold: rescale it")]
    Range {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// A prompt format file that does not parse.
    #[error("prompt format {name}: {reason}")]
    Format {
        /// Name or file of the format.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tokenizer that does not support a format.
    #[error("tokenizer does not support prompt format '{format}': {reason}")]
    Audit {
        /// Name of the format.
        format: String,
        /// First violation.
        reason: String,
    },
    /// No known format fits the tokenizer.
    #[error("tokenizer supports none of the known prompt formats ({})", .0.join("; "))]
    NoFormat(Vec<String>),
}
