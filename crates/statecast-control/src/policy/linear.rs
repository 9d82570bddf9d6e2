//! Linear policies.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::rules::{log_normal, normal};
use super::{Policy, PolicyError, Widths, checked};

/// `a = K o + b`, with optional Gaussian noise, clipped to limits.
#[derive(Debug, Clone)]
pub struct LinearPolicy {
    gain: Array2<f64>,
    bias: Array1<f64>,
    spread: Option<Array1<f64>>,
    limits: Vec<(f64, f64)>,
}

impl LinearPolicy {
    /// Creates a policy from the gain `K [actions, observations]`, the bias `[actions]`, standard
    /// deviations `[actions]` of the noise, and a pair of limits per action.
    ///
    /// # Errors
    /// [`PolicyError::Shape`] or [`PolicyError::Weight`] if shapes are inconsistent, values are not finite, a
    /// standard deviation is not above zero, or a lower limit is above the upper one.
    pub fn new(
        gain: Array2<f64>,
        bias: Array1<f64>,
        spread: Option<Array1<f64>>,
        limits: Vec<(f64, f64)>,
    ) -> Result<Self, PolicyError> {
        let actions = gain.nrows();
        let shape = [actions, gain.ncols()];
        checked("gain", gain.iter().copied().collect(), &shape, &shape)?;
        checked("bias", bias.to_vec(), &[bias.len()], &[actions])?;
        if let Some(spread) = &spread {
            checked("std", spread.to_vec(), &[spread.len()], &[actions])?;
            if let Some(position) = spread.iter().position(|&s| s <= 0.0) {
                return Err(PolicyError::Weight {
                    what: "std".to_owned(),
                    position,
                    value: spread[position],
                });
            }
        }
        let ends = [("low", 0), ("high", 1)];
        for (what, end) in ends {
            let values = limits.iter().map(|&(low, high)| [low, high][end]);
            let bad = values.clone().position(|v| v.is_nan());
            if limits.len() != actions {
                checked(what, values.collect(), &[limits.len()], &[actions])?;
            } else if let Some(position) = bad {
                return Err(PolicyError::Weight {
                    what: what.to_owned(),
                    position,
                    value: f64::NAN,
                });
            }
        }
        if let Some(position) = limits.iter().position(|(low, high)| low > high) {
            return Err(PolicyError::Weight {
                what: "low (above high)".to_owned(),
                position,
                value: limits[position].0,
            });
        }
        Ok(Self {
            gain,
            bias,
            spread,
            limits,
        })
    }

    /// Returns the policy without noise.
    pub fn mean(self) -> Self {
        Self {
            spread: None,
            ..self
        }
    }

    fn centre(&self, observations: ArrayView2<f64>) -> Array2<f64> {
        observations.dot(&self.gain.t()) + &self.bias
    }
}

/// True if an action is outside its limits by more than single-precision rounding.
fn beyond(action: f64, low: f64, high: f64) -> bool {
    let margin = |limit: f64| 1e-6 * limit.abs().max(1e-3);
    action < low - margin(low) || action > high + margin(high)
}

impl Policy for LinearPolicy {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.gain.ncols(),
            actions: self.gain.nrows(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let mut actions = self.centre(observations);
        for (mut row, random) in actions.axis_iter_mut(Axis(0)).zip(random) {
            for (column, (action, (low, high))) in row.iter_mut().zip(&self.limits).enumerate() {
                if let Some(spread) = &self.spread {
                    *action += spread[column] * normal(random.random());
                }
                *action = action.clamp(*low, *high);
            }
        }
        Ok(actions)
    }

    /// At a limit, returns the log probability of being clipped to it; beyond it, minus infinity.
    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let Some(spread) = &self.spread else {
            return Ok(None);
        };
        let centre = self.centre(observations);
        let term = |row: usize, column: usize| {
            let (low, high) = self.limits[column];
            let (a, mean, deviation) = (
                actions[[row, column]],
                centre[[row, column]],
                spread[column],
            );
            let standard = Normal::standard();
            if beyond(a, low, high) {
                f64::NEG_INFINITY
            } else if a <= low {
                standard.cdf((low - mean) / deviation).ln()
            } else if a >= high {
                standard.sf((high - mean) / deviation).ln()
            } else {
                log_normal(a, mean, deviation)
            }
        };
        let row = |row| (0..self.limits.len()).map(|column| term(row, column)).sum();
        Ok(Some((0..actions.nrows()).map(row).collect()))
    }
}

/// Action 1 where a weighted sum of the observations is above zero and 0 elsewhere, with
/// epsilon-greedy exploration.
#[derive(Debug, Clone)]
pub struct ThresholdPolicy {
    weights: Array1<f64>,
    epsilon: f64,
}

impl ThresholdPolicy {
    /// Creates a policy from a weight per observation and the probability `epsilon` of a random
    /// action.
    ///
    /// # Errors
    /// [`PolicyError::Weight`] if a weight is not finite or `epsilon` is not from 0 to 1.
    pub fn new(weights: Vec<f64>, epsilon: f64) -> Result<Self, PolicyError> {
        let width = [weights.len()];
        let weights = checked("weights", weights, &width, &width)?;
        match (0.0..=1.0).contains(&epsilon) {
            true => Ok(Self {
                weights: weights.into(),
                epsilon,
            }),
            false => Err(PolicyError::Weight {
                what: "epsilon".to_owned(),
                position: 0,
                value: epsilon,
            }),
        }
    }

    /// Returns the greedy policy.
    pub fn mean(self) -> Self {
        Self {
            epsilon: 0.0,
            ..self
        }
    }
}

impl Policy for ThresholdPolicy {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.weights.len(),
            actions: 1,
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let sums = observations.dot(&self.weights);
        let choose = |(sum, random): (&f64, &mut ChaCha8Rng)| {
            let by_chance = random.random::<f64>() < self.epsilon;
            let coin = random.random_range(0..2);
            if by_chance {
                f64::from(coin)
            } else {
                f64::from(u8::from(*sum > 0.0))
            }
        };
        let actions: Array1<f64> = sums.iter().zip(random).map(choose).collect();
        Ok(actions.insert_axis(Axis(1)))
    }

    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let sums = observations.dot(&self.weights);
        let of = |(sum, action): (&f64, &f64)| {
            let chosen = (*sum > 0.0) == (*action > 0.5);
            let rest = 0.5 * self.epsilon;
            if chosen { (1.0 - rest).ln() } else { rest.ln() }
        };
        Ok(Some(sums.iter().zip(actions.column(0)).map(of).collect()))
    }
}
