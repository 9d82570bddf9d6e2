//! Behaviour cloning.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::rules::normal;
use super::{Policy, PolicyError, Widths};
use crate::network::{FitSettings, NormalNetwork};

/// Largest number of distinct values of a discrete action.
const MAX_CHOICES: usize = 16;

/// Behaviour cloning: normal distributions of the recorded actions given the observations, limited
/// to recorded values.
#[derive(Debug, Clone)]
pub struct Cloned {
    distribution: NormalNetwork,
    observations: usize,
    range: Vec<Range>,
}

/// Recorded values of an action.
#[derive(Debug, Clone, PartialEq)]
enum Range {
    /// A few values, in order.
    Choice(Vec<f64>),
    /// A range.
    Interval(f64, f64),
}

impl Range {
    fn of(actions: ArrayView1<f64>) -> Self {
        let mut values = actions.to_vec();
        values.sort_by(f64::total_cmp);
        values.dedup();
        match values.as_slice() {
            [low, .., high] if values.len() > MAX_CHOICES => Self::Interval(*low, *high),
            _ => Self::Choice(values),
        }
    }

    fn nearest(&self, action: f64) -> f64 {
        let distance = |value: &f64| (value - action).abs();
        match self {
            Self::Interval(low, high) => action.clamp(*low, *high),
            Self::Choice(values) => values
                .iter()
                .copied()
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))
                .unwrap_or(action),
        }
    }
}

impl Cloned {
    /// Fits observations `[rows, observations]` and actions `[rows, actions]`.
    ///
    /// # Panics
    /// If there is no row, observation or action, or the numbers of rows differ.
    pub fn fit(observations: ArrayView2<f64>, actions: ArrayView2<f64>, seed: u64) -> Self {
        let settings = FitSettings {
            width: 64,
            updates: 5_000,
            ..FitSettings::default()
        };
        let narrow = |values: ArrayView2<f64>| values.mapv(|x| x as f32);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            distribution: NormalNetwork::fit(
                &narrow(observations),
                &narrow(actions),
                settings,
                &mut random,
                &|_| (),
            ),
            observations: observations.ncols(),
            range: actions.columns().into_iter().map(Range::of).collect(),
        }
    }
}

/// It tells no probabilities: the clone's are not those of the behaviour policy.
impl Policy for Cloned {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.observations,
            actions: self.range.len(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let (mut actions, std) = self
            .distribution
            .distributions(&observations.mapv(|x| x as f32));
        for ((row, column), action) in actions.indexed_iter_mut() {
            let z = normal(random[row].random());
            *action = self.range[column].nearest(*action + std[[row, column]] * z);
        }
        Ok(actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_reproduces_the_recorded_actions() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let seen = Array2::from_shape_fn((2000, 2), |_| 2.0 * random.random::<f64>() - 1.0);
        let done = Array2::from_shape_fn((2000, 2), |(i, c)| match c {
            0 => (3.0 * seen[[i, 0]]).clamp(-1.0, 1.0),
            _ => f64::from(u8::from(seen[[i, 1]] > 0.0)),
        });
        let mut clone = Cloned::fit(seen.view(), done.view(), 0);
        let mut random: Vec<ChaCha8Rng> = (0..2000).map(ChaCha8Rng::seed_from_u64).collect();
        let again = clone.act(seen.view(), &mut random).unwrap();
        let error = (&again - &done).mapv(f64::abs);
        assert!(error.column(0).mean().unwrap() < 0.1);
        // Wrong only near the edge, where the distribution is wide; half would be wrong by chance.
        let wrong = error.column(1).mean().unwrap();
        assert!(wrong < 0.1, "{wrong}");
        assert!(again.iter().all(|a| (-1.0..=1.0).contains(a)));
        assert!(again.column(1).iter().all(|a| [0.0, 1.0].contains(a)));
    }
}
