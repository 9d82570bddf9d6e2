//! A mixture of normals at several scales around every expert.

use std::f64::consts::PI;

use statrs::distribution::ContinuousCDF;

use super::{ExpertPanel, bounded};

/// Scales of the normals, relative to that of the expert.
const SCALES: [f64; 9] = [0.05, 0.15, 0.35, 0.6, 0.85, 1.1, 1.5, 2.5, 6.0];

/// Fixed-share alpha: fraction of the weights that is shared evenly at every row (Herbster &
/// Warmuth 1998).
const ALPHA: f64 = 0.003;

/// Lower bound of the log density of a component.
const MIN_LOG_DENSITY: f64 = -30.0;

/// Mean and standard deviation where no expert has a prediction.
const UNKNOWN: (f64, f64) = (0.0, 2.0);

/// Range of quantiles in standard deviations, iteration limit of the search, and its relative
/// tolerance.
const REACH: f64 = 8.0;
const STEPS: usize = 100;
const TOLERANCE: f64 = 1e-12;

/// Weight below which a component does not affect quantiles.
const NEGLIGIBLE_WEIGHT: f64 = 1e-15;

/// A normal component of a mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normal {
    /// Weight; those of a mixture sum to one.
    pub weight: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

impl Normal {
    /// Returns the quantile of a mixture at `level`.
    ///
    /// # Panics
    /// If the mixture is empty.
    pub fn quantile(mixture: &[Self], level: f64) -> f64 {
        let level = level.clamp(1e-12, 1.0 - 1e-12);
        let reach = |n: &Self, z: f64| n.mean + z * n.std;
        let ends = |z: f64| mixture.iter().map(move |n| reach(n, z));
        let mut low = ends(-REACH).fold(f64::INFINITY, f64::min);
        let mut high = ends(REACH).fold(f64::NEG_INFINITY, f64::max);
        let standard = statrs::distribution::Normal::standard();
        // Negligible components only cost time.
        let counting: Vec<&Self> = mixture
            .iter()
            .filter(|n| n.weight > NEGLIGIBLE_WEIGHT)
            .collect();
        let below = |x: f64| -> f64 {
            let of = |n: &&Self| n.weight * standard.cdf((x - n.mean) / n.std);
            counting.iter().map(of).sum()
        };
        let density = |x: f64| -> f64 {
            let of = |n: &&Self| n.weight * n.log_density(x).exp();
            counting.iter().map(of).sum()
        };
        let (mut x, mut last) = ((low + high) / 2.0, f64::INFINITY);
        for _ in 0..STEPS {
            let error = below(x) - level;
            match error < 0.0 {
                true => low = x,
                false => high = x,
            }
            // Newton steps, with bisection where they leave the bracket or are slow.
            let newton = x - error / density(x);
            let fast = error.abs() < 0.5 * last;
            let next = match fast && low < newton && newton < high {
                true => newton,
                false => (low + high) / 2.0,
            };
            last = error.abs();
            if (next - x).abs() <= TOLERANCE * (high - low).max(x.abs()) {
                return next;
            }
            x = next;
        }
        x
    }

    fn log_density(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.std;
        -0.5 * (z * z + (2.0 * PI).ln()) - self.std.ln()
    }
}

/// Bayesian weights, channel by channel, of normals at nine scales around each expert's location,
/// with fixed-share alpha (Herbster & Warmuth 1998): the strongest forecaster without training.
///
/// ```
/// use statecast_lm::experts::{ExpertPanel, Scales, ExpertKind};
/// let mut panel = ExpertPanel::new(&ExpertKind::ALL, 1, &[]);
/// let mut scales = Scales::new(ExpertKind::ALL.len(), 1);
/// for t in 0..50 {
///     panel.predict(false);
///     let x = (0.3 * f64::from(t)).sin();
///     scales.learn(&panel, &[x]);
///     panel.learn(&[x], &[]);
/// }
/// panel.predict(false);
/// let mean: f64 = scales.mixture(&panel, 0).iter().map(|n| n.weight * n.mean).sum();
/// assert!((mean - (0.3f64 * 50.0).sin()).abs() < 1e-2);
/// ```
#[derive(Debug, Clone)]
pub struct Scales {
    /// `[channel][expert * scales + scale]`, summing to one.
    weights: Vec<Vec<f64>>,
}

impl Scales {
    /// Creates uniform weights for a number of experts and channels.
    pub fn new(experts: usize, channels: usize) -> Self {
        let components = experts * SCALES.len();
        Self {
            weights: vec![vec![1.0 / components as f64; components]; channels],
        }
    }

    /// Returns the bytes of a copy.
    pub fn bytes(&self) -> usize {
        let of = |weights: &Vec<f64>| size_of::<Vec<f64>>() + size_of_val(&weights[..]);
        self.weights.iter().map(of).sum()
    }

    /// Returns the components of a channel, `None` where the expert has no prediction.
    fn components(&self, panel: &ExpertPanel, channel: usize) -> Vec<Option<Normal>> {
        let weights = self.weights[channel].chunks(SCALES.len());
        let experts = panel.predicted().iter().zip(weights);
        experts
            .flat_map(|(predicted, weights)| {
                let predicted = predicted[channel];
                SCALES.iter().zip(weights).map(move |(scale, &weight)| {
                    predicted.map(|p| Normal {
                        weight,
                        mean: p.location,
                        std: scale * p.scale,
                    })
                })
            })
            .collect()
    }

    /// Returns the density of a channel of the last predicted row.
    pub fn mixture(&self, panel: &ExpertPanel, channel: usize) -> Vec<Normal> {
        let components = self.components(panel, channel).into_iter();
        let mut known: Vec<Normal> = components.flatten().collect();
        let total: f64 = known.iter().map(|n| n.weight).sum();
        if known.is_empty() {
            let (mean, std) = UNKNOWN;
            let weight = 1.0;
            return vec![Normal { weight, mean, std }];
        }
        known.iter_mut().for_each(|n| n.weight /= total);
        known
    }

    /// Returns the natural logarithm of that density.
    pub fn log_density(&self, panel: &ExpertPanel, channel: usize, x: f64) -> f64 {
        let mixture = self.mixture(panel, channel);
        let densities = mixture.iter().map(|n| n.weight.ln() + n.log_density(x));
        let densities: Vec<f64> = densities.collect();
        let largest = densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = densities.iter().map(|d| (d - largest).exp()).sum();
        largest + sum.ln()
    }

    /// Learns the observed values of the last predicted row.
    pub fn learn(&mut self, panel: &ExpertPanel, row: &[f64]) {
        if panel.age() == 0 {
            return;
        }
        for (channel, &x) in row.iter().enumerate() {
            let components = self.components(panel, channel);
            let of = |n: &Option<Normal>| n.map(|n| n.log_density(bounded(x)).max(MIN_LOG_DENSITY));
            let densities: Vec<Option<f64>> = components.iter().map(of).collect();
            self.update(channel, &densities);
        }
    }

    /// Multiplies weights by densities, given as logarithms. Components without one keep their
    /// fraction of the total.
    fn update(&mut self, channel: usize, densities: &[Option<f64>]) {
        let weights = &mut self.weights[channel];
        let largest = densities.iter().flatten().copied();
        let largest = largest.fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return;
        }
        let (mut known, mut given) = (0.0, 0.0);
        for (weight, density) in weights.iter().zip(densities) {
            if let Some(density) = density {
                known += weight;
                given += weight * (density - largest).exp();
            }
        }
        let even = ALPHA / weights.len() as f64;
        for (weight, density) in weights.iter_mut().zip(densities) {
            let posterior = match density {
                Some(density) => *weight * (density - largest).exp() * known / given,
                None => *weight,
            };
            *weight = (1.0 - ALPHA) * posterior + even;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newton's steps alone stay on the flat of a distribution between narrow normals.
    #[test]
    fn quantiles_are_where_the_distribution_reaches_the_level() {
        let normal = |weight, mean, std| Normal { weight, mean, std };
        let mixtures = [
            vec![normal(1.0, 3.0, 1e-6)],
            vec![normal(0.5, -1.0, 1e-5), normal(0.5, 1.0, 1e-5)],
            vec![
                normal(0.899, 0.0, 1e-4),
                normal(0.1, 0.001, 3.0),
                normal(0.001, 40.0, 1.0),
            ],
            vec![normal(1.0, 0.0, 1.0), normal(1e-30, 7.0, 100.0)],
        ];
        let standard = statrs::distribution::Normal::standard();
        for mixture in &mixtures {
            let cdf = |x: f64| -> f64 {
                let of = |n: &Normal| n.weight * standard.cdf((x - n.mean) / n.std);
                mixture.iter().map(of).sum()
            };
            for level in [1e-6, 0.01, 0.2, 0.5, 0.77, 0.95, 0.999_999] {
                let x = Normal::quantile(mixture, level);
                let off = 1e-9 * x.abs().max(1e-3);
                assert!(
                    cdf(x - off) <= level + 1e-9 && cdf(x + off) >= level - 1e-9,
                    "{level} {x}"
                );
            }
        }
    }
}
