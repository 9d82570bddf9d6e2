//! Samplers that are tried from origin to origin.

use super::weights::Distances;
use super::{Judging, Sampler};

/// CRPS, in units of the least of one sampler, from which on a sampler without weight is not tried again.
const HOPELESS: f64 = 3.0;

/// Weight, as a share of the largest, that counts as none.
const NO_WEIGHT: f64 = 0.02;

/// Which samplers are tried, and the distances that they had from the origins so far.
pub(super) struct Trial {
    judging: Judging,
    samplers: Vec<Sampler>,
    /// By origin and step.
    distances: Vec<Vec<Distances>>,
}

impl Trial {
    pub(super) fn new(samplers: Vec<Sampler>, judging: Judging) -> Self {
        Self {
            judging,
            samplers,
            distances: Vec::new(),
        }
    }

    /// Those that are still tried.
    pub(super) fn samplers(&self) -> &[Sampler] {
        &self.samplers
    }

    /// The same, to be numbered anew.
    pub(super) fn samplers_mut(&mut self) -> &mut [Sampler] {
        &mut self.samplers
    }

    /// Adds the distances from an origin, step by step.
    pub(super) fn add(&mut self, distances: Vec<Distances>) {
        self.distances.push(distances);
    }

    /// Leaves out the samplers that have no weight and are far from the best.
    pub(super) fn leave_out_hopeless(&mut self) {
        let distances = self
            .judging
            .steps
            .distances(&self.distances, self.samplers.len());
        let weights = distances.stacked(&self.prior(), self.judging.caution);
        let (least, largest) = (distances.least(), largest(&weights));
        let counts =
            |i: usize| weights[i] >= NO_WEIGHT * largest || distances.crps(i) < HOPELESS * least;
        let left: Vec<usize> = (0..self.samplers.len()).filter(|&i| counts(i)).collect();
        for distances in self.distances.iter_mut().flatten() {
            *distances = distances.of(&left);
        }
        self.samplers = left.iter().map(|&i| self.samplers[i]).collect();
    }

    /// The samplers that draw paths, and their weights, which sum to one.
    pub(super) fn weighted(&self) -> Vec<(Sampler, f64)> {
        let distances = self
            .judging
            .steps
            .distances(&self.distances, self.samplers.len());
        let weights = distances.stacked(&self.prior(), self.judging.caution);
        let least = self.judging.least_weight * largest(&weights);
        let drawn = self.samplers.iter().copied().zip(weights);
        let drawn: Vec<(Sampler, f64)> = drawn.filter(|(_, weight)| *weight >= least).collect();
        let total: f64 = drawn.iter().map(|(_, weight)| weight).sum();
        drawn
            .into_iter()
            .map(|(s, weight)| (s, weight / total))
            .collect()
    }

    /// Sums to one.
    fn prior(&self) -> Vec<f64> {
        let prior = self.samplers.iter().map(|sampler| sampler.prior);
        let total: f64 = prior.clone().sum();
        prior.map(|weight| weight / total).collect()
    }
}

fn largest(weights: &[f64]) -> f64 {
    weights.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances from an origin at which samplers are off by so much.
    fn origin(off: [f64; 3]) -> Vec<Distances> {
        let mut distances = Distances::new(3);
        let draws = off.map(|off| [-0.1, 0.0, 0.1].map(|spread| off + spread));
        distances.add(&[&draws[0], &draws[1], &draws[2]], 0.0, 1.0);
        vec![distances]
    }

    fn trial() -> Trial {
        let sampler = |forecaster| Sampler {
            forecaster,
            spread: 1.0,
            prior: 1.0,
        };
        Trial::new((0..3).map(sampler).collect(), Judging::FORECASTS)
    }

    #[test]
    fn samplers_that_are_far_from_the_best_are_not_tried_again() {
        let mut trial = trial();
        trial.add(origin([0.5, 0.6, 5.0]));
        trial.leave_out_hopeless();
        let left: Vec<usize> = trial.samplers().iter().map(|s| s.forecaster).collect();
        assert_eq!(left, [0, 1]);
        let mut second = Distances::new(2);
        second.add(&[&[5.0, 5.1], &[0.1, 0.2]], 0.0, 1.0);
        trial.add(vec![second]);
        let weighted = trial.weighted();
        assert_eq!(weighted.iter().map(|(_, weight)| weight).sum::<f64>(), 1.0);
        let best = weighted.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(best.0.forecaster, 1, "{weighted:?}");
    }

    /// Nothing was learned of samplers whose distances are no numbers.
    #[test]
    fn all_are_tried_again_where_nothing_was_learned() {
        let mut trial = trial();
        trial.add(origin([f64::INFINITY; 3]));
        trial.leave_out_hopeless();
        assert_eq!(trial.samplers().len(), 3);
    }
}
