//! What imagined steps are worth.

use std::str::FromStr;

use super::ControlError;
use crate::environment::RewardRule;

/// What a controller wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// The most reward, by the task's rule; as the model predicts it where the task has none.
    Reward,
    /// The most reward, as the model predicts it from the recorded rewards, with the recorded ends.
    Predicted,
    /// States at given values: minus the squared distance to each in standard deviations of the recorded state, summed.
    /// It knows no ends.
    Goal(Vec<SetPoint>),
}

/// A value that a state should have.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SetPoint {
    /// Name of the state.
    pub state: String,
    /// The value, in the state's unit.
    pub value: f64,
}

impl FromStr for SetPoint {
    type Err = ControlError;

    /// `NAME=VALUE`.
    fn from_str(text: &str) -> Result<Self, ControlError> {
        let wrong = || ControlError::Goal(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let value: f64 = value.trim().parse().map_err(|_| wrong())?;
        match value.is_finite() && !name.trim().is_empty() {
            true => Ok(Self {
                state: name.trim().to_owned(),
                value,
            }),
            false => Err(wrong()),
        }
    }
}

/// Rewards of imagined steps.
#[derive(Debug, Clone)]
pub(super) enum Rewards {
    /// By a rule; where that is not defined, the least recorded one.
    Rule(RewardRule, f64),
    /// Within a range.
    Predicted(f64, f64),
    /// State, value and unit.
    Goal(Vec<(usize, f64, f64)>),
}

impl Rewards {
    /// Reward of a step.
    pub(super) fn of_step(
        &self,
        state: &[f64],
        action: &[f64],
        next: &[f64],
        predicted: Option<f64>,
    ) -> f64 {
        match self {
            Self::Rule(rule, least) => match rule.of_step(state, action, next) {
                reward if reward.is_nan() => *least,
                reward => reward,
            },
            Self::Predicted(low, high) => predicted.unwrap_or(0.0).clamp(*low, *high),
            Self::Goal(points) => {
                let off = points
                    .iter()
                    .map(|&(c, value, unit)| ((next[c] - value) / unit).powi(2));
                -off.sum::<f64>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_names_and_numbers() {
        let point: SetPoint = "angle = -1.5".parse().unwrap();
        assert_eq!((point.state.as_str(), point.value), ("angle", -1.5));
        for wrong in ["angle", "=1", "angle=x", "angle=inf", ""] {
            assert!(wrong.parse::<SetPoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn goals_cost_the_squared_distance_in_units() {
        let goal = Rewards::Goal(vec![(1, 2.0, 0.5)]);
        assert_eq!(goal.of_step(&[0.0, 0.0], &[0.0], &[9.0, 3.0], None), -4.0);
    }
}
