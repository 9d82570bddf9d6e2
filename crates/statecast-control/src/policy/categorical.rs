//! Networks over discrete actions.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::{Policy, PolicyError, Widths};
use crate::network::{Network, Tape};

/// A network whose outputs are the logits of discrete actions, numbered from 0: an action is drawn from their softmax, or is
/// the one of the largest logit, the first of equal ones.
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::network::{Activation, Layer, Network};
/// use statecast::policy::{Categorical, Policy};
/// let layer = Layer { weight: vec![0.0, 2.0], bias: vec![0.0, 0.0] }; // [2 actions, 1 observation]
/// let policy = Categorical::new(Network::from_layers(&[layer], Activation::Relu)?);
/// let logs = policy.log_probabilities(array![[1.0]].view(), array![[1.0]].view())?.unwrap();
/// assert!((logs[0] - (2f64.exp() / (1.0 + 2f64.exp())).ln()).abs() < 1e-6);
/// let mut random = [ChaCha8Rng::seed_from_u64(0)];
/// assert_eq!(policy.greedy().act(array![[-1.0]].view(), &mut random)?, array![[0.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Categorical {
    network: Network,
    greedy: bool,
}

impl Categorical {
    /// Draws actions from the softmax of a network's outputs.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            greedy: false,
        }
    }

    /// Returns the policy that always takes the most probable action.
    pub fn greedy(self) -> Self {
        Self {
            greedy: true,
            ..self
        }
    }

    /// Returns the number of actions.
    pub fn choices(&self) -> usize {
        self.network.outputs()
    }

    /// Log probabilities `[rows, choices]`.
    fn logs(&self, observations: ArrayView2<f64>) -> Array2<f64> {
        let inputs: Vec<f32> = observations.iter().map(|&x| x as f32).collect();
        let mut tape = Tape::default();
        let outputs = self.network.forward(&inputs, &mut tape);
        let shape = (observations.nrows(), self.network.outputs());
        let logits = ArrayView2::from_shape(shape, outputs)
            .expect("a network has one row of outputs per row of inputs");
        let mut logs = logits.mapv(f64::from);
        for mut row in logs.rows_mut() {
            let most = row.fold(f64::NEG_INFINITY, |most, &x| most.max(x));
            match self.greedy {
                true => {
                    let best = row.iter().position(|&x| x == most);
                    row.indexed_iter_mut().for_each(|(choice, x)| {
                        *x = if Some(choice) == best {
                            0.0
                        } else {
                            f64::NEG_INFINITY
                        };
                    });
                }
                false => {
                    let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
                    row.mapv_inplace(|x| x - most - sum.ln());
                }
            }
        }
        logs
    }
}

/// The choice that a share of the probability, from 0 to 1, falls on.
fn drawn(logs: ArrayView1<f64>, share: f64) -> usize {
    let mut left = share;
    let found = logs.iter().position(|log| {
        left -= log.exp();
        left < 0.0
    });
    // Rounding may leave a little of the share.
    let possible = || logs.iter().rposition(|log| log.is_finite());
    found.or_else(possible).unwrap_or(0)
}

impl Policy for Categorical {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.network.inputs(),
            actions: 1,
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let logs = self.logs(observations);
        let rows = logs.rows().into_iter().zip(random);
        let choices = rows.map(|(row, random)| drawn(row, random.random()) as f64);
        let choices: Array1<f64> = choices.collect();
        Ok(choices.insert_axis(ndarray::Axis(1)))
    }

    /// Minus infinity for a number that is no action.
    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let logs = self.logs(observations);
        let of = |(row, action): (ArrayView1<f64>, &f64)| {
            let choice = row
                .iter()
                .enumerate()
                .find(|(choice, _)| *choice as f64 == *action);
            choice.map_or(f64::NEG_INFINITY, |(_, log)| *log)
        };
        let rows = logs.rows().into_iter().zip(actions.column(0));
        Ok(Some(rows.map(of).collect()))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::network::{Activation, Layer};

    fn policy(bias: [f32; 3]) -> Categorical {
        let layer = Layer {
            weight: vec![0.0; 3],
            bias: bias.to_vec(),
        };
        Categorical::new(Network::from_layers(&[layer], Activation::Relu).unwrap())
    }

    /// Actions come as often as their probabilities say.
    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        let mut policy = policy([0.0, 1.0, -1.0]);
        let rows = 20_000;
        let mut random: Vec<_> = (0..rows).map(ChaCha8Rng::seed_from_u64).collect();
        let observations = Array2::zeros((random.len(), 1));
        let actions = policy.act(observations.view(), &mut random).unwrap();
        let logs = policy.logs(array![[0.0]].view());
        for choice in 0..3 {
            let expected = logs[[0, choice]].exp();
            let count = actions.iter().filter(|&&a| a == choice as f64).count() as f64;
            let error = (expected * (1.0 - expected) / rows as f64).sqrt();
            assert!(
                (count / rows as f64 - expected).abs() < 4.0 * error,
                "{choice}"
            );
        }
    }

    #[test]
    fn the_greedy_policy_takes_the_first_of_the_best() {
        let mut greedy = policy([1.0, 3.0, 3.0]).greedy();
        let mut random = [ChaCha8Rng::seed_from_u64(1)];
        let action = greedy.act(array![[0.0]].view(), &mut random).unwrap();
        assert_eq!(action, array![[1.0]]);
        let observations = array![[0.0], [0.0], [0.0]];
        let logs =
            greedy.log_probabilities(observations.view(), array![[1.0], [2.0], [0.5]].view());
        assert_eq!(
            logs.unwrap().unwrap(),
            array![0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]
        );
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one(bias in prop::array::uniform3(-80.0f32..80.0), share in 0.0..1.0f64) {
            let policy = policy(bias);
            let logs = policy.logs(array![[0.0]].view());
            prop_assert!((logs.iter().map(|log| log.exp()).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(drawn(logs.row(0), share) < 3);
        }
    }
}
