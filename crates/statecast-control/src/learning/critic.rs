//! Critics: networks from observations and actions to values.

use rand::rngs::ChaCha8Rng;

use super::SacSettings;
use crate::network::{Activation, Adam, AdamSettings, Network, NetworkError, Tape};

/// One of the critics, with its target and optimizer.
#[derive(Debug, Clone)]
pub(super) struct Critic {
    pub(super) network: Network,
    pub(super) target: Network,
    pub(super) adam: Adam,
    pub(super) gradients: Vec<f32>,
    pub(super) tape: Tape,
}

impl Critic {
    /// Creates a critic with layers of these widths.
    pub(super) fn new(
        widths: &[usize],
        settings: SacSettings,
        random: &mut ChaCha8Rng,
    ) -> Result<Self, NetworkError> {
        let mut network = Network::new(widths, Activation::Relu, random)?;
        if settings.layer_norm {
            network = network.with_layer_norm();
        }
        let parameters = network.parameters().len();
        Ok(Self {
            target: network.clone(),
            network,
            adam: Adam::new(parameters, AdamSettings::with_rate(settings.critic_rate)),
            gradients: vec![0.0; parameters],
            tape: Tape::default(),
        })
    }

    /// Returns the values of inputs `[rows, observations + actions]` in an update.
    pub(super) fn forward(
        &mut self,
        inputs: &[f32],
        dropout: f32,
        random: &mut ChaCha8Rng,
    ) -> &[f32] {
        self.network
            .forward_with_dropout(inputs, dropout, random, &mut self.tape)
    }

    /// The same by the target.
    pub(super) fn forward_target(
        &mut self,
        inputs: &[f32],
        dropout: f32,
        random: &mut ChaCha8Rng,
    ) -> &[f32] {
        self.target
            .forward_with_dropout(inputs, dropout, random, &mut self.tape)
    }
}

/// Returns the minimum of several critics' values, row by row.
pub(super) fn minimum(values: impl Iterator<Item = Vec<f32>>) -> Vec<f32> {
    let smaller = |all: Vec<f32>, next: Vec<f32>| {
        let pairs = all.iter().zip(&next);
        pairs.map(|(a, b)| a.min(*b)).collect()
    };
    values.reduce(smaller).unwrap_or_default()
}
