//! The law of a channel's next value: a mixture of the bins of digits, the bins of its residual and
//! normals around two hints.

use std::f64::consts::PI;

use super::gate::LEAST_LOG;
#[cfg(test)]
use super::gate::log_sum;
use super::normal;
use crate::codec::{BIN_COUNT, Grid};
use crate::experts::Hint;
use crate::forecast::Temperature;
use crate::forecast::expert_paths::{CENTRE, grid_of};

/// Components below this part of the largest weight are not drawn.
pub(super) const LEAST_DRAWN: f64 = 0.03;

/// Components below this part of the largest weight are not seen in the masses of bins.
const LEAST_SEEN: f64 = 1e-6;

/// Standard deviations within which quantiles of normals lie.
const FARTHEST: f64 = 9.0;

/// Halvings of the interval within a bin, or beyond all, in which a quantile lies.
const HALVINGS: usize = 26;
const HALVINGS_OUTSIDE: usize = 60;

/// Bins of one grid.
struct Binned {
    grid: Grid,
    /// Of the probabilities, the logarithm of their sum taken off; and what lies below each edge.
    log: Vec<f32>,
    below: Vec<f32>,
}

impl Binned {
    fn new(grid: Grid, logits: &[f32], temperature: Temperature) -> Self {
        // In double precision: a small divisor is not one of single precision.
        let cooled = |logit: f32| (f64::from(logit) / temperature.get()) as f32;
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut below = Vec::with_capacity(BIN_COUNT + 1);
        below.push(0.0f32);
        let mut sum = 0.0f64;
        for &logit in logits {
            sum += f64::from(cooled(logit - top).exp());
            below.push(sum as f32);
        }
        let (scale, log_sum) = (sum.recip() as f32, sum.ln() as f32);
        below.iter_mut().for_each(|mass| *mass *= scale);
        let log = logits.iter();
        let log = log.map(|logit| cooled(logit - top) - log_sum);
        Self {
            grid,
            log: log.collect(),
            below,
        }
    }

    /// Log density at a position.
    fn log_density(&self, position: f64) -> f64 {
        let bin = self.grid.quantise(position);
        let cell = self.grid.cell(position, 0.0);
        let at = bin.bin.index();
        // Of a bin at the end of a residual's half lies beyond, and `cell` says how much of it here.
        let share = cell.ends().map_or(1.0, |ends| match at {
            0 => ends[0],
            k if k == BIN_COUNT - 1 => ends[1],
            _ => 1.0,
        });
        f64::from(self.log[at]) + share.ln() - cell.width().ln()
    }

    fn cdf(&self, position: f64) -> f64 {
        let place = self.grid.place(position);
        let k = (place as usize).min(BIN_COUNT - 1);
        let (low, high) = (f64::from(self.below[k]), f64::from(self.below[k + 1]));
        low + (place - k as f64) * (high - low)
    }
}

/// A normal component.
struct Around {
    mean: f64,
    std: f64,
}

impl Around {
    fn log_density(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.std;
        -0.5 * (z * z + (2.0 * PI).ln()) - self.std.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        normal::cdf((x - self.mean) / self.std)
    }
}

/// The law of one value, in axis units.
pub(super) struct Law {
    /// Weights of the components: digits, residual, normals of the first slot, of the second.
    log_weights: Vec<f64>,
    digits: Binned,
    residual: Binned,
    normals: Vec<Around>,
}

/// A model's logits of one value.
pub(super) type Answer<'a> = (&'a [f32], &'a [f32], &'a [f32]);

impl Law {
    /// What a model's answer makes of a hint.
    pub(super) fn new(
        (digits, residual, _): Answer,
        hint: &Hint,
        spreads: &[f64],
        log_weights: Vec<f64>,
    ) -> Self {
        let slots = hint.slots.iter();
        let normals = slots.flat_map(|slot| {
            spreads.iter().map(|spread| Around {
                mean: CENTRE + slot.predicted.location,
                std: spread * slot.predicted.scale,
            })
        });
        Self {
            log_weights,
            digits: Binned::new(Grid::Digits, digits, Temperature::default()),
            residual: Binned::new(grid_of(hint), residual, Temperature::default()),
            normals: normals.collect(),
        }
    }

    /// The same to the power of the inverse temperature, component by component; a law that the gate
    /// learns from is at 1.
    pub(super) fn tempered(self, (digits, residual, _): Answer, temperature: Temperature) -> Self {
        if temperature == Temperature::default() {
            return self;
        }
        let widened = temperature.get().sqrt();
        let normals = self.normals.into_iter().map(|normal| Around {
            std: widened * normal.std,
            ..normal
        });
        Self {
            digits: Binned::new(Grid::Digits, digits, temperature),
            residual: Binned::new(self.residual.grid, residual, temperature),
            normals: normals.collect(),
            ..self
        }
    }

    /// Where the bins of the residual lie.
    pub(super) fn grid(&self) -> Grid {
        self.residual.grid
    }

    /// Log densities of the components at a position.
    pub(super) fn parts(&self, position: f64) -> Vec<f64> {
        let mut parts = Vec::with_capacity(self.log_weights.len());
        let on_axis = (0.0..10.0).contains(&position);
        parts.push(match on_axis {
            true => self.digits.log_density(position),
            false => LEAST_LOG,
        });
        parts.push(self.residual.log_density(position));
        parts.extend(self.normals.iter().map(|n| n.log_density(position)));
        parts
    }

    /// Log density of the mixture, from those of its components.
    #[cfg(test)]
    pub(super) fn log_density(&self, parts: &[f64]) -> f64 {
        let joint = parts.iter().zip(&self.log_weights).map(|(p, w)| p + w);
        log_sum(&joint.collect::<Vec<_>>())
    }

    /// Weights of the components, of those that count at all.
    pub(super) fn weights(&self, least: f64) -> Vec<(usize, f64)> {
        let top = self.log_weights.iter().copied();
        let least = top.fold(f64::NEG_INFINITY, f64::max) + least.ln();
        let counting = self.log_weights.iter().enumerate();
        let counting = counting.filter(|(_, log)| **log >= least);
        let counting: Vec<(usize, f64)> = counting.map(|(i, log)| (i, log.exp())).collect();
        let total: f64 = counting.iter().map(|(_, weight)| weight).sum();
        counting.into_iter().map(|(i, w)| (i, w / total)).collect()
    }

    pub(super) fn mixed_cdf(&self, weights: &[(usize, f64)], position: f64) -> f64 {
        let of = |component: usize| match component {
            0 => self.digits.cdf(position),
            1 => self.residual.cdf(position),
            normal => self.normals[normal - 2].cdf(position),
        };
        weights.iter().map(|&(i, weight)| weight * of(i)).sum()
    }

    /// Probability of a value of at most `position`.
    pub(super) fn cdf(&self, position: f64) -> f64 {
        self.mixed_cdf(&self.weights(f64::MIN_POSITIVE), position)
    }

    /// The position at which the cumulated probability reaches `level` in `[0, 1)`, of the
    /// components that count: those of small weight are what keeps a density from being surprised,
    /// and would throw paths off.
    pub(super) fn draw(&self, level: f64) -> f64 {
        let weights = self.weights(LEAST_DRAWN);
        let below = |x: f64| self.mixed_cdf(&weights, x);
        let grid = self.grid();
        let (first, last) = (grid.edge(0), grid.edge(BIN_COUNT));
        let farthest = |sign: f64| {
            let ends = weights.iter().map(|&(i, _)| match i {
                0 => {
                    if sign < 0.0 {
                        0.0
                    } else {
                        10.0
                    }
                }
                1 => {
                    if sign < 0.0 {
                        first
                    } else {
                        last
                    }
                }
                normal => {
                    let Around { mean, std } = self.normals[normal - 2];
                    mean + sign * FARTHEST * std
                }
            });
            ends.fold(sign * f64::NEG_INFINITY, |far: f64, end| {
                if sign < 0.0 {
                    far.min(end)
                } else {
                    far.max(end)
                }
            })
        };
        if below(first) > level {
            return halved((farthest(-1.0), first), HALVINGS_OUTSIDE, |x| {
                below(x) < level
            });
        }
        if below(last) <= level {
            return halved((last, farthest(1.0)), HALVINGS_OUTSIDE, |x| {
                below(x) < level
            });
        }
        let (mut low, mut high) = (0, BIN_COUNT);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match below(grid.edge(middle)) <= level {
                true => low = middle,
                false => high = middle,
            }
        }
        let ends = (grid.edge(low), grid.edge(high));
        halved(ends, HALVINGS, |x| below(x) < level)
    }

    /// Masses of the whole mixture on the bins of the residual; what lies outside of them goes to
    /// those at the ends.
    pub(super) fn masses(&self) -> Vec<f32> {
        let grid = self.grid();
        let edges: Vec<f64> = (0..=BIN_COUNT).map(|k| grid.edge(k)).collect();
        let mut below = vec![0.0; BIN_COUNT + 1];
        for (i, weight) in self.weights(LEAST_SEEN) {
            if i == 1 {
                let bins = below.iter_mut().zip(&self.residual.below);
                bins.for_each(|(b, &mass)| *b += weight * f64::from(mass));
                continue;
            }
            let cdf = |x: f64| match i {
                0 => self.digits.cdf(x),
                _ => self.normals[i - 2].cdf(x),
            };
            let edges = below.iter_mut().zip(&edges);
            edges.for_each(|(b, &x)| *b += weight * cdf(x));
        }
        (below[0], below[BIN_COUNT]) = (0.0, 1.0);
        let mass = below.windows(2);
        mass.map(|ends| (ends[1] - ends[0]).max(0.0) as f32)
            .collect()
    }
}

/// The end of an interval that is halved so often towards where `is_low` ceases to hold.
fn halved((mut low, mut high): (f64, f64), halvings: usize, is_low: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..halvings {
        let middle = f64::midpoint(low, high);
        match is_low(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}
