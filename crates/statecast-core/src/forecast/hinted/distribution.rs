//! Distribution of a channel's next value: a mixture of the bins of digits, the bins of its residual and
//! normals around two hints.

use std::f64::consts::PI;

use super::gate::MIN_LOG;
#[cfg(test)]
use super::gate::log_sum;
use super::mixed::Mixed;
use super::normal;
use crate::codec::{BIN_COUNT, Grid};
use crate::experts::{CENTRE, Hint};
use crate::forecast::Temperature;
use crate::forecast::expert_paths::grid_of;
use crate::kernel::LogSum;
use crate::model::{Answer, Logits};

/// Components below this part of the largest weight are not drawn.
pub(super) const MIN_DRAWN: f64 = 0.03;

/// Components below this part of the largest weight are not seen in the masses of bins.
const MIN_SEEN: f64 = 1e-6;

/// Bins of one grid.
#[derive(Clone, Copy)]
pub(super) struct Binned<'a> {
    pub(super) grid: Grid,
    logits: Logits<'a>,
    /// Divisor of the logits; the sum is that of the divided ones.
    temperature: f64,
}

impl<'a> Binned<'a> {
    fn new(grid: Grid, logits: Logits<'a>) -> Self {
        Self {
            grid,
            logits,
            temperature: 1.0,
        }
    }

    fn tempered(self, temperature: Temperature) -> Self {
        let tempered = Self {
            temperature: temperature.get(),
            ..self
        };
        let logits = self.logits.values.iter();
        let powers = logits.map(|&logit| f64::from(tempered.cooled(logit).exp()));
        let log_sum = powers.sum::<f64>().ln() as f32;
        let sum = LogSum {
            log_sum,
            ..self.logits.sum
        };
        Self {
            logits: Logits { sum, ..self.logits },
            ..tempered
        }
    }

    /// How far a logit lies below the largest. In double precision: a small temperature is no
    /// number of single precision.
    fn cooled(&self, logit: f32) -> f32 {
        (f64::from(logit - self.logits.sum.top) / self.temperature) as f32
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
        let log = self.cooled(self.logits.values[at]) - self.logits.sum.log_sum;
        f64::from(log) + share.ln() - cell.width().ln()
    }

    /// Probabilities of the bins, up to a factor: the largest is 1.
    pub(super) fn powers(&self) -> Vec<f32> {
        let Logits { values, sum } = self.logits;
        let mut powers = vec![0.0; values.len()];
        if self.temperature == 1.0 {
            crate::kernel::exponentials(values, sum.top, &mut powers);
        } else {
            let cooled = values.iter().map(|&logit| self.cooled(logit).exp());
            powers.iter_mut().zip(cooled).for_each(|(p, e)| *p = e);
        }
        powers
    }
}

/// A normal component.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) mean: f64,
    pub(super) std: f64,
}

impl Around {
    fn log_density(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.std;
        -0.5 * (z * z + (2.0 * PI).ln()) - self.std.ln()
    }

    pub(super) fn cdf(&self, x: f64) -> f64 {
        normal::cdf((x - self.mean) / self.std)
    }
}

/// The distribution of one value, in axis units.
pub(super) struct Distribution<'a> {
    /// Weights of the components: digits, residual, normals of the first slot, of the second.
    log_weights: Vec<f64>,
    pub(super) digits: Binned<'a>,
    pub(super) residual: Binned<'a>,
    pub(super) normals: Vec<Around>,
}

impl<'a> Distribution<'a> {
    /// What a model's answer makes of a hint.
    pub(super) fn new(
        answer: Answer<'a>,
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
            digits: Binned::new(Grid::Digits, answer.digits),
            residual: Binned::new(grid_of(hint), answer.residual),
            normals: normals.collect(),
        }
    }

    /// The same to the power of the inverse temperature, component by component; a distribution that the gate
    /// learns from is at 1.
    pub(super) fn tempered(self, temperature: Temperature) -> Self {
        if temperature == Temperature::default() {
            return self;
        }
        let widened = temperature.get().sqrt();
        let normals = self.normals.into_iter().map(|normal| Around {
            std: widened * normal.std,
            ..normal
        });
        Self {
            digits: self.digits.tempered(temperature),
            residual: self.residual.tempered(temperature),
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
            false => MIN_LOG,
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

    /// The distribution of the components whose weight is at least a part of the largest.
    pub(super) fn mixed(&self, least: f64) -> Mixed {
        let top = self.log_weights.iter().copied();
        let least = top.fold(f64::NEG_INFINITY, f64::max) + least.ln();
        let counting = self.log_weights.iter().enumerate();
        let counting = counting.filter(|(_, log)| **log >= least);
        let counting: Vec<(usize, f64)> = counting.map(|(i, log)| (i, log.exp())).collect();
        Mixed::new(self, &counting)
    }

    /// Probability of a value of at most `position`.
    pub(super) fn cdf(&self, position: f64) -> f64 {
        self.mixed(f64::MIN_POSITIVE).cdf(position)
    }

    /// The position at which the cumulated probability reaches `level` in `[0, 1)`, of the
    /// components that count: those of small weight are what keeps a density from being surprised,
    /// and would throw paths off.
    pub(super) fn draw(&self, level: f64) -> f64 {
        self.mixed(MIN_DRAWN).quantile(level)
    }

    /// Masses of the whole mixture on the bins of the residual; what lies outside of them goes to
    /// those at the ends.
    pub(super) fn masses(&self) -> Vec<f32> {
        self.mixed(MIN_SEEN).masses()
    }
}
