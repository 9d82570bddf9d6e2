//! Tanh-Gaussian policies.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::rules::{log_normal, normal};
use super::{Policy, PolicyError, Widths};
use crate::network::{Network, Tape};

/// Smallest distance of squashed actions to their limits, relative to the range: 32-bit floats do
/// not resolve smaller ones, and the density is unbounded there.
const MIN_MARGIN: f64 = 1e-6;

/// Bounds of the log standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LogStdBounds {
    /// `low + (high - low) (tanh x + 1) / 2`, as in CleanRL and Spinning Up's successors.
    Squashed(f64, f64),
    /// `x` clipped to the bounds, as in Stable-Baselines3.
    Clipped(f64, f64),
}

impl LogStdBounds {
    fn apply(self, x: f64) -> f64 {
        match self {
            Self::Squashed(low, high) => low + 0.5 * (high - low) * (x.tanh() + 1.0),
            Self::Clipped(low, high) => x.clamp(low, high),
        }
    }
}

/// The policy of soft actor-critic (Haarnoja et al., arXiv 1812.05905): `a = tanh(μ(s) + σ(s) ε)
/// scale + bias` with `ε` standard normal, or `ε = 0` for a deterministic policy.
#[derive(Debug, Clone)]
pub struct TanhGaussian {
    /// Maps observations to the means and, unless deterministic, the raw log standard deviations.
    pub(super) network: Network,
    pub(super) spread: Option<LogStdBounds>,
    pub(super) scale: Array1<f64>,
    pub(super) bias: Array1<f64>,
}

impl TanhGaussian {
    /// Creates a policy from a network whose outputs are the means, then the raw log standard
    /// deviations, which are squashed to bounds. Actions are `tanh(·) scale + bias`.
    ///
    /// # Panics
    /// If the network does not have two outputs per action dimension.
    pub fn squashed(
        network: Network,
        log_spread: (f64, f64),
        scale: Array1<f64>,
        bias: Array1<f64>,
    ) -> Self {
        assert_eq!(network.outputs(), 2 * scale.len());
        assert_eq!(scale.len(), bias.len());
        Self {
            network,
            spread: Some(LogStdBounds::Squashed(log_spread.0, log_spread.1)),
            scale,
            bias,
        }
    }

    /// Returns the deterministic policy of the squashed mean.
    pub fn mean(self) -> Self {
        Self {
            spread: None,
            ..self
        }
    }

    /// Returns mean and standard deviation before squashing, `[rows, actions]`; no standard
    /// deviation for a deterministic policy.
    pub fn before_squashing(
        &self,
        observations: ArrayView2<f64>,
    ) -> (Array2<f64>, Option<Array2<f64>>) {
        let inputs: Vec<f32> = observations.iter().map(|&x| x as f32).collect();
        let mut tape = Tape::default();
        let outputs = self.network.forward(&inputs, &mut tape);
        let shape = (observations.nrows(), self.network.outputs());
        let outputs = ArrayView2::from_shape(shape, outputs)
            .expect("a network has one row of outputs per row of inputs");
        let actions = self.scale.len();
        let spread = self.spread.map(|bounds| {
            let raw = outputs.slice(s![.., actions..]);
            raw.mapv(|x| bounds.apply(f64::from(x)).exp())
        });
        (outputs.slice(s![.., ..actions]).mapv(f64::from), spread)
    }
}

impl Policy for TanhGaussian {
    fn widths(&self) -> Widths {
        Widths {
            observations: self.network.inputs(),
            actions: self.scale.len(),
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let (mut actions, spread) = self.before_squashing(observations);
        if let Some(spread) = spread {
            let rows = actions
                .axis_iter_mut(Axis(0))
                .zip(spread.axis_iter(Axis(0)));
            for ((mut row, spread), random) in rows.zip(random) {
                row.zip_mut_with(&spread, |z, s| *z += s * normal(random.random()));
            }
        }
        actions.mapv_inplace(f64::tanh);
        Ok(actions * &self.scale + &self.bias)
    }

    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let (mean, spread) = self.before_squashing(observations);
        let Some(spread) = spread else {
            return Ok(None);
        };
        let squashed = (&actions - &self.bias) / &self.scale;
        let limit = 1.0 - MIN_MARGIN;
        let density = |((row, column), &y): ((usize, usize), &f64)| {
            let y = y.clamp(-limit, limit);
            let normal = log_normal(y.atanh(), mean[[row, column]], spread[[row, column]]);
            normal - (self.scale[column] * (1.0 - y * y)).ln()
        };
        let mut logs = Array1::zeros(squashed.nrows());
        for (place, y) in squashed.indexed_iter() {
            logs[place.0] += density((place, y));
        }
        Ok(Some(logs))
    }
}
