//! Weights of samplers whose paths are pooled: those of least CRPS.

/// Steps of the exponentiated gradient; the size of the first, in units of one over the least CRPS; and the
/// steps after which it is half of that, a third, and so on.
const STEPS: usize = 500;
const RATE: f64 = 2.0;
const SLOWING: f64 = 8.0;

/// Farthest that one step moves the logarithm of a weight.
const FARTHEST: f64 = 20.0;

/// Least weight while they are sought: logarithms are taken of them.
const MIN_WEIGHT: f64 = 1e-12;

/// Sums, over observed values, of mean distances between samplers' draws and to the values.
#[derive(Debug, Clone)]
pub(super) struct Distances {
    /// From a draw of a sampler to the value.
    to_observed: Vec<f64>,
    /// Between a draw of one and another draw of another, `[samplers][samplers]`.
    between: Vec<Vec<f64>>,
}

impl Distances {
    /// No values yet.
    pub(super) fn new(samplers: usize) -> Self {
        Self {
            to_observed: vec![0.0; samplers],
            between: vec![vec![0.0; samplers]; samplers],
        }
    }

    /// Adds an observed value and two or more draws of each sampler, in units of `scale`. The first draws of
    /// all samplers were made at one level of their distributions, and so on.
    pub(super) fn add(&mut self, draws: &[&[f64]], observed: f64, scale: f64) {
        for (m, own) in draws.iter().enumerate() {
            let distance: f64 = own.iter().map(|x| (x - observed).abs()).sum();
            self.to_observed[m] += distance / (own.len() as f64 * scale);
            for (n, other) in draws[..=m].iter().enumerate() {
                // Draws of one number are made at one level, and are not independent.
                let from = |(i, x): (usize, &f64)| {
                    let others = other.iter().enumerate().filter(|(j, _)| *j != i);
                    others.map(|(_, y)| (x - y).abs()).sum::<f64>()
                };
                let sum: f64 = own.iter().enumerate().map(from).sum();
                let pairs = own.len() * other.len() - own.len().min(other.len());
                let mean = sum / (pairs as f64 * scale);
                self.between[m][n] += mean;
                if m != n {
                    self.between[n][m] += mean;
                }
            }
        }
    }

    /// Mean distance between a draw of a sampler and one of the pool.
    fn to_pool(&self, sampler: usize, weights: &[f64]) -> f64 {
        let between = self.between[sampler].iter().zip(weights);
        between.map(|(distance, weight)| distance * weight).sum()
    }

    /// CRPS of a sampler alone (Gneiting & Raftery 2007, equation 21), from different draws.
    pub(super) fn crps(&self, sampler: usize) -> f64 {
        self.to_observed[sampler] - 0.5 * self.between[sampler][sampler]
    }

    /// The sums of some.
    pub(super) fn sum(all: &[Self], samplers: usize) -> Self {
        let mut sum = Self::new(samplers);
        for one in all {
            for m in 0..samplers {
                sum.to_observed[m] += one.to_observed[m];
                for n in 0..samplers {
                    sum.between[m][n] += one.between[m][n];
                }
            }
        }
        sum
    }

    /// Those of some samplers.
    pub(super) fn of(&self, samplers: &[usize]) -> Self {
        let some = |all: &[f64]| samplers.iter().map(|&i| all[i]).collect();
        Self {
            to_observed: some(&self.to_observed),
            between: samplers.iter().map(|&i| some(&self.between[i])).collect(),
        }
    }

    /// The least CRPS of one sampler.
    pub(super) fn least(&self) -> f64 {
        let alone = (0..self.to_observed.len()).map(|m| self.crps(m));
        alone.fold(f64::INFINITY, f64::min)
    }

    /// In units of the least CRPS; `None` if there is none above zero.
    pub(super) fn relative(&self) -> Option<Self> {
        let unit = self.least();
        let scaled = |all: &[f64]| all.iter().map(|x| x / unit).collect();
        (unit.is_finite() && unit > 0.0).then(|| Self {
            to_observed: scaled(&self.to_observed),
            between: self.between.iter().map(|row| scaled(row)).collect(),
        })
    }

    /// The weights with which the pool has the least CRPS, near a prior that sums to one: the nearer, the greater the
    /// caution, in units of the least CRPS of one sampler.
    ///
    /// The CRPS of a pool is convex in the weights; it is minimised, with the divergence from the prior,
    /// by exponentiated gradient (Kivinen & Warmuth 1997). Where there is nothing to learn from, the
    /// weights are the prior.
    pub(super) fn stacked(&self, prior: &[f64], caution: f64) -> Vec<f64> {
        let mut weights = prior.to_vec();
        let unit = self.least();
        if !unit.is_finite() || unit <= 0.0 {
            return weights;
        }
        for step in 0..STEPS {
            let rate = RATE / (1.0 + step as f64 / SLOWING);
            let slope = |m: usize| {
                let crps = (self.to_observed[m] - self.to_pool(m, &weights)) / unit;
                crps + caution * (weights[m] / prior[m]).ln()
            };
            let slopes: Vec<f64> = (0..prior.len()).map(slope).collect();
            let lowest = slopes.iter().copied().fold(f64::INFINITY, f64::min);
            for (weight, slope) in weights.iter_mut().zip(slopes) {
                let down = (rate * (slope - lowest)).min(FARTHEST);
                *weight = (*weight * (-down).exp()).max(MIN_WEIGHT);
            }
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(centre: f64, width: f64) -> Vec<f64> {
        (0..8)
            .map(|i| centre + width * (f64::from(i) - 3.5))
            .collect()
    }

    /// Values around zero, with a sampler that is right, one that is too wide and one that is off.
    fn distances() -> Distances {
        let mut distances = Distances::new(3);
        for i in 0..50 {
            let observed = (f64::from(i) * 0.618).fract() - 0.5;
            let draws = [spread(0.0, 0.125), spread(0.0, 1.0), spread(3.0, 0.125)];
            let draws: Vec<&[f64]> = draws.iter().map(|d| &d[..]).collect();
            distances.add(&draws, observed, 1.0);
        }
        distances
    }

    #[test]
    fn the_sampler_that_is_right_has_the_weight() {
        let weights = distances().stacked(&[0.2, 0.4, 0.4], 0.05);
        assert!(weights[0] > 0.9, "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    /// Two samplers that miss on either side are better together.
    #[test]
    fn samplers_that_miss_on_either_side_share_the_weight() {
        let mut distances = Distances::new(2);
        for i in 0..50 {
            let observed = f64::from(i % 2);
            let draws = [spread(0.0, 0.01), spread(1.0, 0.01)];
            distances.add(&[&draws[0], &draws[1]], observed, 1.0);
        }
        let weights = distances.stacked(&[0.9, 0.1], 0.05);
        assert!((weights[0] - 0.5).abs() < 0.1, "{weights:?}");
    }

    #[test]
    fn weights_are_their_prior_where_nothing_was_seen() {
        let prior = [0.5, 0.3, 0.2];
        assert_eq!(Distances::new(3).stacked(&prior, 0.05), prior);
        let mut endless = Distances::new(2);
        endless.add(&[&[1e308, -1e308], &[1e308, -1e308]], 0.0, 1e-300);
        assert_eq!(endless.stacked(&prior[..2], 0.05), prior[..2]);
    }
}
