//! Weights of linear regressions of several targets, and their covariance.

use super::factors::Factors;
use super::products::add;

/// Weights of several targets on the same features; the covariance is that of each target's, in
/// units of its noise's variance.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    pub(super) factors: Factors,
    /// `[feature][target]`.
    weights: Vec<f64>,
    targets: usize,
}

impl Posterior {
    /// Weights `[feature][target]` that are expected, all with one variance.
    pub(super) fn new(variance: f64, weights: Vec<f64>, targets: usize) -> Self {
        let features = weights.len() / targets.max(1);
        Self {
            factors: Factors::new(features, variance),
            weights,
            targets,
        }
    }

    /// Returns the bytes for a number of features and targets.
    pub(super) fn bytes(features: usize, targets: usize) -> usize {
        size_of::<f64>() * (Factors::numbers(features) + features * targets)
    }

    /// A feature's weights, one a target.
    pub(super) fn weights(&self, feature: usize) -> &[f64] {
        &self.weights[feature * self.targets..][..self.targets]
    }

    /// Every target's expected value.
    pub(super) fn locate(&self, features: &[f64]) -> Vec<f64> {
        let mut locations = vec![0.0; self.targets];
        self.add_locations(features, &mut locations);
        locations
    }

    /// Adds every target's expected value.
    pub(super) fn add_locations(&self, features: &[f64], to: &mut [f64]) {
        let weights = self.weights.chunks_exact(self.targets.max(1));
        for (feature, weights) in features.iter().zip(weights) {
            add(to, *feature, weights);
        }
    }

    /// Learns from the targets' errors where features, as the factors project them, were observed.
    pub(super) fn learn(&mut self, projected: &[f64], errors: &[f64]) {
        let moves = self.factors.observe(projected);
        let weights = self.weights.chunks_exact_mut(self.targets.max(1));
        for (weights, by) in weights.zip(moves) {
            add(weights, by, errors);
        }
    }
}
