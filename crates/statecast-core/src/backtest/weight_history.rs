//! Expert weights over time.

/// Weights of a mixture's experts over the rows of a context.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightHistory {
    /// Names of the experts.
    pub experts: Vec<String>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Weights `[channel][row][expert]`.
    pub weights: Vec<Vec<Vec<f64>>>,
    /// Description of the context.
    pub of: String,
}
