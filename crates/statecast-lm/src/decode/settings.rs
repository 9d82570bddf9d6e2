//! How numbers are decoded.

/// Divisor of the logits: 1 is the model as it is, below 1 is narrower, above 1 wider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(f64);

impl Temperature {
    /// A temperature above zero.
    ///
    /// # Errors
    /// [`TemperatureError`] otherwise.
    pub fn new(value: f64) -> Result<Self, TemperatureError> {
        if value > 0.0 && value.is_finite() {
            Ok(Self(value))
        } else {
            Err(TemperatureError(value))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Temperature {
    fn default() -> Self {
        Self(1.0)
    }
}

/// A number that is no temperature.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("temperature {0}: must be a number above 0")]
pub struct TemperatureError(pub f64);

/// Greatest error of the cumulated probability in the density of a number that is written digit by digit. Beginnings
/// with less probability are not read on: what they have is spread evenly over their numbers. A number that was observed
/// has its exact probability in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance(f64);

impl Tolerance {
    /// Everything is refined.
    pub const EXACT: Self = Self(0.0);

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }

    /// A tolerance from 0 to 1.
    pub fn new(tolerance: f64) -> Option<Self> {
        (0.0..=1.0).contains(&tolerance).then_some(Self(tolerance))
    }
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(0.05)
    }
}
