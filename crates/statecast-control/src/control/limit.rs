//! Bounds of states that are kept with a probability.

use std::fmt;
use std::str::FromStr;

use super::ControlError;

/// A state that stays on one side of a bound, along a whole plan, with a probability.
///
/// ```
/// use statecast::control::Limit;
/// let limit: Limit = "speed < 1.2 @ 0.95".parse()?;
/// assert_eq!((limit.state.as_str(), limit.bound, limit.probability), ("speed", 1.2, 0.95));
/// assert!(limit.is_kept(1.0) && !limit.is_kept(1.3));
/// # Ok::<(), statecast::control::ControlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Limit {
    /// Name of the state.
    pub state: String,
    /// Whether it stays below the bound, not above.
    pub below: bool,
    /// The bound, in the state's unit.
    pub bound: f64,
    /// The probability, above 0 and at most 1.
    pub probability: f64,
}

impl Limit {
    /// Whether a value is on the right side.
    pub fn is_kept(&self, value: f64) -> bool {
        match self.below {
            true => value < self.bound,
            false => value > self.bound,
        }
    }
}

impl FromStr for Limit {
    type Err = ControlError;

    /// `NAME < BOUND @ PROBABILITY` or with `>`; without a probability it is 0.95.
    fn from_str(text: &str) -> Result<Self, ControlError> {
        let wrong = || ControlError::Limit(text.to_owned());
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        let (bound, probability) = match text.split_once('@') {
            Some((bound, probability)) => (bound, number(probability).ok_or_else(wrong)?),
            None => (text, 0.95),
        };
        let at = bound.find(['<', '>']).ok_or_else(wrong)?;
        let (state, rest) = bound.split_at(at);
        let (state, below) = (state.trim(), rest.starts_with('<'));
        let bound = number(rest[1..].trim_start_matches('=')).ok_or_else(wrong)?;
        if state.is_empty() || !(probability > 0.0 && probability <= 1.0) {
            return Err(wrong());
        }
        Ok(Self {
            state: state.to_owned(),
            below,
            bound,
            probability,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sign = if self.below { '<' } else { '>' };
        write!(
            f,
            "{} {sign} {} @ {}",
            self.state, self.bound, self.probability
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        for text in ["x < 1.2 @ 0.95", "angle > -0.5 @ 1"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
        assert_eq!("x<=3".parse::<Limit>().unwrap().probability, 0.95);
        for wrong in [
            "x",
            "x < ",
            "< 3",
            "x < 3 @ 0",
            "x < 3 @ 1.5",
            "x = 3",
            "x < nan",
        ] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }
}
