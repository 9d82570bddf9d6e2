//! The distribution function of a distribution, where only some of its components count.
//!
//! A draw asks for it some forty times, the masses of a row a thousand times; the exponentials of a
//! component's bins are made once, and only if it counts.

use super::distribution::{Around, Binned, Distribution};
use crate::codec::{BIN_COUNT, Grid};

/// Bins whose probabilities are summed together.
const BLOCK: usize = 20;

/// Standard deviations within which quantiles of normals lie.
const FARTHEST: f64 = 9.0;

/// Halvings of the interval within a bin, or beyond all, in which a quantile lies.
const HALVINGS: usize = 26;
const HALVINGS_OUTSIDE: usize = 60;

/// Bins of one grid, and what lies below them; all of it sums to a weight.
struct Cumulated {
    grid: Grid,
    masses: Vec<f32>,
    /// Below each block of bins, and below the end of all.
    below: Vec<f64>,
}

impl Cumulated {
    fn new(binned: &Binned, weight: f64) -> Self {
        let mut masses = binned.powers();
        let mut sum = 0.0;
        let mut below = Vec::with_capacity(BIN_COUNT / BLOCK + 1);
        below.push(0.0);
        for block in masses.chunks(BLOCK) {
            sum += f64::from(block.iter().sum::<f32>());
            below.push(sum);
        }
        let scale = weight / sum;
        masses.iter_mut().for_each(|mass| *mass *= scale as f32);
        below.iter_mut().for_each(|mass| *mass *= scale);
        Self {
            grid: binned.grid,
            masses,
            below,
        }
    }

    /// What lies below the lower end of bin `k`, or below that of all.
    fn below(&self, k: usize) -> f64 {
        let block = k / BLOCK;
        let part = &self.masses[block * BLOCK..k];
        self.below[block] + f64::from(part.iter().sum::<f32>())
    }

    fn cdf(&self, position: f64) -> f64 {
        let place = self.grid.place(position);
        let k = (place as usize).min(BIN_COUNT - 1);
        self.below(k) + (place - k as f64) * f64::from(self.masses[k])
    }
}

/// The components of a distribution that count.
pub(super) struct Mixed {
    grid: Grid,
    digits: Option<Cumulated>,
    residual: Option<Cumulated>,
    /// With their weights.
    normals: Vec<(f64, Around)>,
}

impl Mixed {
    /// Components of a distribution with their weights, up to a factor.
    pub(super) fn new(distribution: &Distribution, weights: &[(usize, f64)]) -> Self {
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut mixed = Self {
            grid: distribution.grid(),
            digits: None,
            residual: None,
            normals: Vec::with_capacity(weights.len()),
        };
        for &(component, weight) in weights {
            let weight = weight / total;
            match component {
                0 => mixed.digits = Some(Cumulated::new(&distribution.digits, weight)),
                1 => mixed.residual = Some(Cumulated::new(&distribution.residual, weight)),
                normal => mixed
                    .normals
                    .push((weight, distribution.normals[normal - 2])),
            }
        }
        mixed
    }

    /// Probability of a value of at most `position`, but for the part of the residual's bins.
    fn beside_residual(&self, position: f64) -> f64 {
        let normals = self.normals.iter();
        let normals = normals.map(|(weight, normal)| weight * normal.cdf(position));
        let digits = self.digits.as_ref().map_or(0.0, |d| d.cdf(position));
        digits + normals.sum::<f64>()
    }

    /// Probability of a value of at most `position`.
    pub(super) fn cdf(&self, position: f64) -> f64 {
        let residual = self.residual.as_ref().map_or(0.0, |r| r.cdf(position));
        self.beside_residual(position) + residual
    }

    /// Probability of a value below the lower end of the residual's bin `k`, or below that of all.
    fn below(&self, k: usize) -> f64 {
        let residual = self.residual.as_ref().map_or(0.0, |r| r.below(k));
        self.beside_residual(self.grid.edge(k)) + residual
    }

    /// The position at which the cumulated probability reaches `level` in `[0, 1)`.
    pub(super) fn quantile(&self, level: f64) -> f64 {
        let (first, last) = (self.grid.edge(0), self.grid.edge(BIN_COUNT));
        let low = |x: f64| self.cdf(x) < level;
        if self.below(0) > level {
            return halved((self.lowest().min(first), first), HALVINGS_OUTSIDE, low);
        }
        if self.below(BIN_COUNT) <= level {
            return halved((last, self.highest().max(last)), HALVINGS_OUTSIDE, low);
        }
        self.within(self.bin(level), level)
    }

    /// The last of the residual's bins below which there is at most `level`.
    fn bin(&self, level: f64) -> usize {
        let (mut low, mut high) = (0, BIN_COUNT);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match self.below(middle) <= level {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }

    /// The position within a bin of the residual at which the cumulated probability reaches `level`.
    fn within(&self, bin: usize, level: f64) -> f64 {
        let (start, end) = (self.grid.edge(bin), self.grid.edge(bin + 1));
        let residual = self.residual.as_ref();
        let below = residual.map_or(0.0, |r| r.below(bin));
        let slope = residual.map_or(0.0, |r| f64::from(r.masses[bin]) / (end - start));
        halved((start, end), HALVINGS, |x| {
            self.beside_residual(x) + below + slope * (x - start) < level
        })
    }

    /// Where components but the residual's bins begin.
    fn lowest(&self) -> f64 {
        let normals = self.normals.iter();
        let ends = normals.map(|(_, normal)| normal.mean - FARTHEST * normal.std);
        ends.fold(
            self.digits.as_ref().map_or(f64::INFINITY, |_| 0.0),
            f64::min,
        )
    }

    /// Where they end.
    fn highest(&self) -> f64 {
        let normals = self.normals.iter();
        let ends = normals.map(|(_, normal)| normal.mean + FARTHEST * normal.std);
        let digits = self.digits.as_ref();
        ends.fold(digits.map_or(f64::NEG_INFINITY, |_| 10.0), f64::max)
    }

    /// Masses on the bins of the residual; what lies outside of them goes to those at the ends.
    pub(super) fn masses(&self) -> Vec<f32> {
        let mut residual = 0.0;
        let mut below = Vec::with_capacity(BIN_COUNT + 1);
        below.push(0.0);
        for k in 1..BIN_COUNT {
            residual += self
                .residual
                .as_ref()
                .map_or(0.0, |r| f64::from(r.masses[k - 1]));
            below.push(self.beside_residual(self.grid.edge(k)) + residual);
        }
        below.push(1.0);
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
