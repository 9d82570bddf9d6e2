//! The actor of soft actor-critic.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::environment::ActionSpace;
use crate::network::{Activation, Network, NetworkError, Tape};
use crate::policy::TanhGaussian;

/// Bounds of the log of the standard deviation before squashing.
pub(super) const LOG_STD: (f32, f32) = (-5.0, 2.0);

/// Keeps the log density finite where the squashing saturates.
const MIN_SLOPE: f32 = 1e-6;

/// `a = tanh(μ(s) + σ(s) ε) scale + bias` (Haarnoja et al., arXiv 1812.05905), with one network
/// whose outputs are `μ`, then the raw log of `σ`.
#[derive(Debug, Clone)]
pub struct SacActor {
    pub(super) network: Network,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// Sampled actions, and the intermediate values of their gradients.
#[derive(Debug, Clone, Default)]
pub struct SampledActions {
    /// `[rows, actions]`.
    pub actions: Vec<f32>,
    /// Log densities `[rows]`.
    pub log_probability: Vec<f32>,
    /// Standard normal draws `[rows, actions]`.
    noise: Vec<f32>,
    /// Squashed actions before scaling `[rows, actions]`.
    squashed: Vec<f32>,
}

impl SacActor {
    /// Creates an actor with two hidden layers of `hidden` units.
    ///
    /// # Errors
    /// [`NetworkError::Sizes`] for a width of zero.
    ///
    /// # Panics
    /// If actions are discrete.
    pub fn new(
        observations: usize,
        space: ActionSpace,
        hidden: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Self, NetworkError> {
        let ActionSpace::Box { low, high } = space else {
            panic!("the caller has checked that actions are continuous");
        };
        let ends = || low.iter().zip(high);
        let widths = [observations, hidden, hidden, 2 * low.len()];
        Ok(Self {
            network: Network::new(&widths, Activation::Relu, random)?,
            scale: ends().map(|(l, h)| (0.5 * (h - l)) as f32).collect(),
            bias: ends().map(|(l, h)| (0.5 * (h + l)) as f32).collect(),
        })
    }

    /// Returns the number of action dimensions.
    pub fn actions(&self) -> usize {
        self.scale.len()
    }

    /// Returns squashed means `[rows, actions]` at observations `[rows, observations]`.
    pub fn mean(&self, observations: &[f32], tape: &mut Tape) -> Vec<f32> {
        let width = self.actions();
        let output = self.network.forward(observations, tape);
        let rows = output.chunks(2 * width);
        rows.flat_map(|row| (0..width).map(|a| row[a].tanh() * self.scale[a] + self.bias[a]))
            .collect()
    }

    /// Draws actions at observations `[rows, observations]`.
    pub fn draw(
        &self,
        observations: &[f32],
        tape: &mut Tape,
        random: &mut ChaCha8Rng,
    ) -> SampledActions {
        let width = self.actions();
        let output = self.network.forward(observations, tape);
        let count = output.len() / 2;
        let mut drawn = SampledActions {
            actions: Vec::with_capacity(count),
            log_probability: Vec::with_capacity(count / width),
            noise: (0..count).map(|_| normal(random)).collect(),
            squashed: Vec::with_capacity(count),
        };
        for (row, output) in output.chunks(2 * width).enumerate() {
            let mut log = 0.0;
            for a in 0..width {
                let noise = drawn.noise[row * width + a];
                let (log_std, _) = log_std(output[width + a]);
                let squashed = (output[a] + log_std.exp() * noise).tanh();
                let slope = self.scale[a] * (1.0 - squashed * squashed) + MIN_SLOPE;
                log -= 0.5 * noise * noise + log_std + HALF_LOG_TAU + slope.ln();
                drawn.actions.push(squashed * self.scale[a] + self.bias[a]);
                drawn.squashed.push(squashed);
            }
            drawn.log_probability.push(log);
        }
        drawn
    }

    /// Makes the standard deviation the smallest one everywhere. It stays so unless it is trained.
    pub(super) fn without_noise(&mut self) {
        let width = self.actions();
        let inputs = self
            .network
            .layers()
            .last()
            .map_or(0, |layer| layer.weight.len() / (2 * width));
        let parameters = self.network.parameters_mut();
        // The last layer has the weights of all outputs by rows, then their biases.
        let biases = parameters.len() - 2 * width;
        let weights = biases - width * inputs..biases;
        parameters[weights].fill(0.0);
        parameters[biases + width..].fill(-10.0);
    }

    /// Returns the gradient of a loss with respect to the network's outputs `[rows, 2 actions]`,
    /// given that with respect to the mean actions `[rows, actions]`. The tape is that of
    /// [`mean`](Self::mean).
    pub(super) fn mean_gradient(&self, tape: &Tape, by_action: &[f32]) -> Vec<f32> {
        let width = self.actions();
        let mut gradient = vec![0.0; tape.output().len()];
        for (row, output) in tape.output().chunks(2 * width).enumerate() {
            for a in 0..width {
                let y = output[a].tanh();
                let slope = (1.0 - y * y) * self.scale[a];
                gradient[2 * row * width + a] = by_action[row * width + a] * slope;
            }
        }
        gradient
    }

    /// Returns the actor as a policy.
    pub fn policy(&self) -> TanhGaussian {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        TanhGaussian::squashed(
            self.network.clone(),
            (f64::from(LOG_STD.0), f64::from(LOG_STD.1)),
            wide(&self.scale),
            wide(&self.bias),
        )
    }

    /// Returns the gradient of a loss with respect to the network's outputs `[rows, 2 actions]`,
    /// given its gradients with respect to the drawn actions `[rows, actions]` and their log
    /// densities `[rows]`. The tape is that of the draw.
    pub(super) fn output_gradient(
        &self,
        drawn: &SampledActions,
        tape: &Tape,
        by_action: &[f32],
        by_log: &[f32],
    ) -> Vec<f32> {
        let width = self.actions();
        let mut gradient = vec![0.0; tape.output().len()];
        for (row, output) in tape.output().chunks(2 * width).enumerate() {
            for a in 0..width {
                let at = row * width + a;
                let y = drawn.squashed[at];
                let slope = 1.0 - y * y;
                let scale = self.scale[a];
                let log_by_y = 2.0 * scale * y / (scale * slope + MIN_SLOPE);
                let by_x = (by_action[at] * scale + by_log[row] * log_by_y) * slope;
                let (log_std, bend) = log_std(output[width + a]);
                let by_std = by_x * log_std.exp() * drawn.noise[at] - by_log[row];
                gradient[2 * row * width + a] = by_x;
                gradient[(2 * row + 1) * width + a] = by_std * bend;
            }
        }
        gradient
    }
}

/// `ln(2 π) / 2`.
const HALF_LOG_TAU: f32 = 0.918_938_5;

/// Returns the log of the standard deviation for a raw output, and its derivative.
fn log_std(raw: f32) -> (f32, f32) {
    let (low, high) = LOG_STD;
    let half = 0.5 * (high - low);
    let bent = raw.tanh();
    (low + half * (bent + 1.0), half * (1.0 - bent * bent))
}

pub(super) fn normal(random: &mut ChaCha8Rng) -> f32 {
    // Level 0 would be minus infinity.
    let level = random.random::<f64>().max(f64::EPSILON);
    Normal::standard().inverse_cdf(level) as f32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::policy::Policy;

    const SPACE: ActionSpace = ActionSpace::Box {
        low: &[-2.0, 0.0],
        high: &[2.0, 1.0],
    };

    fn actor() -> SacActor {
        SacActor::new(3, SPACE, 8, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    /// Central differences of a loss of actions and log densities, by every parameter.
    #[test]
    fn gradients_are_those_of_the_loss() {
        // A smooth activation: finite differences are wrong at kinks.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut actor = SacActor {
            network: Network::new(&[3, 8, 8, 4], Activation::Silu, &mut random).unwrap(),
            ..actor()
        };
        let observations = [0.3, -0.5, 1.0, -1.2, 0.4, 0.1];
        let loss = |actor: &SacActor| {
            let mut tape = Tape::default();
            let mut random = ChaCha8Rng::seed_from_u64(2);
            let drawn = actor.draw(&observations, &mut tape, &mut random);
            let of_actions = drawn
                .actions
                .iter()
                .map(|&a| f64::from(a).powi(2))
                .sum::<f64>();
            let of_logs = drawn
                .log_probability
                .iter()
                .map(|&l| f64::from(l))
                .sum::<f64>();
            (of_actions + 0.3 * of_logs, drawn, tape)
        };
        let (_, drawn, mut tape) = loss(&actor);
        let by_action: Vec<f32> = drawn.actions.iter().map(|a| 2.0 * a).collect();
        let output = actor.output_gradient(&drawn, &tape, &by_action, &[0.3, 0.3]);
        let mut gradients = vec![0.0; actor.network.parameters().len()];
        actor.network.backward(&mut tape, &output, &mut gradients);
        for (i, &found) in gradients.iter().enumerate() {
            let at = |actor: &mut SacActor, step: f32| {
                actor.network.parameters_mut()[i] += step;
                let value = loss(actor).0;
                actor.network.parameters_mut()[i] -= step;
                value
            };
            let step = 4e-3;
            let slope = (at(&mut actor, step) - at(&mut actor, -step)) / f64::from(2.0 * step);
            let found = f64::from(found);
            assert!(
                (slope - found).abs() < 2e-3 * (1.0 + slope.abs()),
                "{i}: {slope} {found}"
            );
        }
    }

    /// The actor in training and the policy that `evaluate` reads have the same densities.
    #[test]
    fn densities_are_those_of_the_policy() {
        let actor = actor();
        let policy: TanhGaussian = actor.policy();
        let observations = [0.3f32, -0.5, 1.0];
        let mut tape = Tape::default();
        let drawn = actor.draw(&observations, &mut tape, &mut ChaCha8Rng::seed_from_u64(2));
        let wide = |values: &[f32]| {
            let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
            ndarray::Array2::from_shape_vec((1, values.len()), values).unwrap()
        };
        let log = policy
            .log_probabilities(wide(&observations).view(), wide(&drawn.actions).view())
            .unwrap()
            .unwrap()[0];
        assert!((log - f64::from(drawn.log_probability[0])).abs() < 1e-3);
        let mean = policy
            .mean()
            .act(wide(&observations).view(), &mut [])
            .unwrap();
        for (a, b) in mean.iter().zip(actor.mean(&observations, &mut tape)) {
            assert!((a - f64::from(b)).abs() < 1e-6);
        }
    }
}
