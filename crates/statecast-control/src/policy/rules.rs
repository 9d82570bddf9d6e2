//! Policies without observations, and the normal distribution.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{Policy, PolicyError, Widths};
use crate::environment::ActionSpace;

/// Returns the standard normal quantile of a level in `[0, 1)`.
pub(super) fn normal(level: f64) -> f64 {
    // Level 0 has an infinite quantile.
    Normal::standard().inverse_cdf(level.max(f64::EPSILON))
}

/// Returns the log density of a normal distribution.
pub(super) fn log_normal(x: f64, mean: f64, deviation: f64) -> f64 {
    let z = (x - mean) / deviation;
    -0.5 * z * z - deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
}

/// A constant action.
#[derive(Debug, Clone)]
pub struct Constant {
    action: Array1<f64>,
    observations: usize,
    is_choice: bool,
}

impl Constant {
    /// Creates a policy with a constant continuous action.
    pub fn new(action: Vec<f64>, observations: usize) -> Self {
        Self {
            action: action.into(),
            observations,
            is_choice: false,
        }
    }

    /// Creates a policy with a constant discrete action, which has probability 1 instead of a
    /// density.
    pub fn of_choice(action: usize, observations: usize) -> Self {
        Self {
            is_choice: true,
            ..Self::new(vec![action as f64], observations)
        }
    }
}

impl Policy for Constant {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.observations,
            actions: self.action.len(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        _: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let mut actions = Array2::zeros((observations.nrows(), self.action.len()));
        actions += &self.action;
        Ok(actions)
    }

    fn log_probabilities(
        &self,
        _: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let log = |action: ArrayView1<f64>| match action == self.action {
            true => 0.0,
            false => f64::NEG_INFINITY,
        };
        let known = self.is_choice;
        Ok(known.then(|| actions.rows().into_iter().map(log).collect()))
    }
}

/// Uniformly random actions.
#[derive(Debug, Clone)]
pub struct Uniform {
    space: ActionSpace,
    observations: usize,
}

impl Uniform {
    /// Creates a policy with uniform actions over a space.
    pub fn new(space: ActionSpace, observations: usize) -> Self {
        Self {
            space,
            observations,
        }
    }
}

impl Policy for Uniform {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.observations,
            actions: self.space.width(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let mut actions = Array2::zeros((observations.nrows(), self.widths().actions));
        for (mut row, random) in actions.axis_iter_mut(Axis(0)).zip(random) {
            match self.space {
                ActionSpace::Box { low, high } => {
                    row.iter_mut()
                        .zip(low.iter().zip(high))
                        .for_each(|(a, (low, high))| {
                            *a = low + (high - low) * random.random::<f64>();
                        });
                }
                ActionSpace::Discrete(choices) => row[0] = random.random_range(0..choices) as f64,
            }
        }
        Ok(actions)
    }

    fn log_probabilities(
        &self,
        _: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let log: f64 = match self.space {
            ActionSpace::Box { low, high } => low
                .iter()
                .zip(high)
                .map(|(low, high)| -(high - low).ln())
                .sum(),
            ActionSpace::Discrete(choices) => -(choices as f64).ln(),
        };
        Ok(Some(Array1::from_elem(actions.nrows(), log)))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::{PolicySource, read};
    use super::*;

    /// Fault: the probability of a constant discrete action was unknown.
    #[test]
    fn a_constant_discrete_action_has_probability_one() {
        let system = Widths {
            observations: 1,
            actions: 1,
        };
        let known = |space: Option<ActionSpace>| {
            let policy = read(&PolicySource::Constant(vec![1.0]), system, space).unwrap();
            let actions = array![[1.0], [0.0]];
            policy
                .log_probabilities(array![[0.0], [0.0]].view(), actions.view())
                .unwrap()
        };
        let choices = known(Some(ActionSpace::Discrete(2)));
        assert_eq!(choices, Some(array![0.0, f64::NEG_INFINITY]));
        assert_eq!(known(None), None);
    }
}
