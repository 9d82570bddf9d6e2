//! Normals of several scales around every expert, as a forecaster by itself.

use std::f64::consts::PI;

use statrs::distribution::ContinuousCDF;

use super::{Panel, bounded};

/// Scales of the normals, in those of the expert.
const SCALES: [f64; 9] = [0.05, 0.15, 0.35, 0.6, 0.85, 1.1, 1.5, 2.5, 6.0];

/// Share of the weights that is spread evenly at every row.
const SHARE: f64 = 0.003;

/// Least log density that a component is held to.
const LEAST: f64 = -30.0;

/// Mean and standard deviation where no expert has a prediction.
const UNKNOWN: (f64, f64) = (0.0, 2.0);

/// Standard deviations within which quantiles lie, and halvings of the interval in which one is
/// looked for.
const REACH: f64 = 8.0;
const HALVINGS: usize = 50;

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
    /// The value below which the share `level` of a mixture's probability lies.
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
        let below = |x: f64| -> f64 {
            let of = |n: &Self| n.weight * standard.cdf((x - n.mean) / n.std);
            mixture.iter().map(of).sum()
        };
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            match below(middle) < level {
                true => low = middle,
                false => high = middle,
            }
        }
        (low + high) / 2.0
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
/// use statecast::experts::{Panel, Scales, Source};
/// let mut panel = Panel::new(&Source::ALL, 1, &[]);
/// let mut scales = Scales::new(Source::ALL.len(), 1);
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
    /// Even weights of so many experts and channels.
    pub fn new(experts: usize, channels: usize) -> Self {
        let components = experts * SCALES.len();
        Self {
            weights: vec![vec![1.0 / components as f64; components]; channels],
        }
    }

    /// Bytes of a copy.
    pub(crate) fn bytes(&self) -> usize {
        let of = |weights: &Vec<f64>| size_of::<Vec<f64>>() + size_of_val(&weights[..]);
        self.weights.iter().map(of).sum()
    }

    /// Components of a channel, `None` where the expert has no prediction.
    fn components(&self, panel: &Panel, channel: usize) -> Vec<Option<Normal>> {
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

    /// The density of a channel of the row that the panel has predicted last.
    pub fn mixture(&self, panel: &Panel, channel: usize) -> Vec<Normal> {
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

    /// Natural logarithm of that density.
    pub fn log_density(&self, panel: &Panel, channel: usize, x: f64) -> f64 {
        let mixture = self.mixture(panel, channel);
        let densities = mixture.iter().map(|n| n.weight.ln() + n.log_density(x));
        let densities: Vec<f64> = densities.collect();
        let largest = densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = densities.iter().map(|d| (d - largest).exp()).sum();
        largest + sum.ln()
    }

    /// Learns the observed values of the row that the panel predicted last.
    pub fn learn(&mut self, panel: &Panel, row: &[f64]) {
        if panel.age() == 0 {
            return;
        }
        for (channel, &x) in row.iter().enumerate() {
            let components = self.components(panel, channel);
            let of = |n: &Option<Normal>| n.map(|n| n.log_density(bounded(x)).max(LEAST));
            let densities: Vec<Option<f64>> = components.iter().map(of).collect();
            self.update(channel, &densities);
        }
    }

    /// Multiplies weights by densities, given as logarithms. Those of components without one keep
    /// their share of the total.
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
        let even = SHARE / weights.len() as f64;
        for (weight, density) in weights.iter_mut().zip(densities) {
            let posterior = match density {
                Some(density) => *weight * (density - largest).exp() * known / given,
                None => *weight,
            };
            *weight = (1.0 - SHARE) * posterior + even;
        }
    }
}
