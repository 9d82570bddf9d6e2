//! Extrapolation of losses by parametric curves.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A parametric decay to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// `a + b t^-c`, c from 0.1 to 3.
    PowerLaw,
    /// `a + b exp(-t / c)`, c from a hundredth of the rows to twice as many.
    Exponential,
}

/// Fraction of initial rows that a fit ignores.
const BURN_IN: f64 = 0.25;
/// Number of shapes in the grid.
const GRID: usize = 60;
/// Fewest rows for a fit.
const MIN_ROWS: usize = 8;

/// A fitted curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedCurve {
    decay: Decay,
    /// Limit of the curve.
    pub limit: f64,
    size: f64,
    shape: f64,
}

impl Decay {
    /// Returns the decay from about 1 to 0.
    fn fall(self, t: f64, shape: f64) -> f64 {
        match self {
            Self::PowerLaw => (t + 1.0).powf(-shape),
            Self::Exponential => (-t / shape).exp(),
        }
    }

    /// Returns the grid of shapes for a number of rows.
    fn shapes(self, rows: usize) -> Vec<f64> {
        let (low, high) = match self {
            Self::PowerLaw => (0.1f64, 3.0),
            Self::Exponential => (0.01 * rows as f64, 2.0 * rows as f64),
        };
        let share = |i: usize| i as f64 / (GRID - 1) as f64;
        (0..GRID)
            .map(|i| low * (high / low).powf(share(i)))
            .collect()
    }

    /// Fits values at the rows 0, 1, 2, … by least squares, without the first quarter; `None` for
    /// fewer than 8 rows.
    ///
    /// ```
    /// use statecast::convergence::Decay;
    /// let values: Vec<f64> = (0..200).map(|t| 0.5 + 2.0 * (-f64::from(t) / 40.0).exp()).collect();
    /// let curve = Decay::Exponential.fit(&values).unwrap();
    /// assert!((curve.limit - 0.5).abs() < 1e-2);
    /// ```
    pub fn fit(self, values: &[f64]) -> Option<FittedCurve> {
        if values.len() < MIN_ROWS {
            return None;
        }
        let shapes = self.shapes(values.len());
        let first = (BURN_IN * values.len() as f64) as usize;
        let best = |shapes: &mut dyn Iterator<Item = f64>| {
            shapes
                .map(|shape| self.line(values, first, shape))
                .min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let (_, coarse) = best(&mut shapes.iter().copied())?;
        // Refine between the neighbours of the best grid point, sixteen times as fine.
        let ratio = (shapes[1] / shapes[0]).ln();
        let fine = (-16..=16).map(|i| coarse.shape * (ratio * f64::from(i) / 16.0).exp());
        best(&mut fine.into_iter()).map(|(_, fitted)| fitted)
    }

    /// Fits limit and size for a shape; returns the residual sum of squares as well.
    fn line(self, values: &[f64], first: usize, shape: f64) -> (f64, FittedCurve) {
        let falls: Vec<f64> = (first..values.len())
            .map(|t| self.fall(t as f64, shape))
            .collect();
        let values = &values[first..];
        let n = values.len() as f64;
        let mean_fall = falls.iter().sum::<f64>() / n;
        let mean = values.iter().sum::<f64>() / n;
        let (mut products, mut squares) = (0.0, 0.0);
        for (fall, value) in falls.iter().zip(values) {
            products += (fall - mean_fall) * (value - mean);
            squares += (fall - mean_fall).powi(2);
        }
        let size = if squares > 0.0 {
            products / squares
        } else {
            0.0
        };
        let limit = mean - size * mean_fall;
        let each = falls.iter().zip(values);
        let left = each.map(|(fall, value)| (value - limit - size * fall).powi(2));
        let fitted = FittedCurve {
            decay: self,
            limit,
            size,
            shape,
        };
        (left.sum(), fitted)
    }

    /// Draws the mean over the later rows `from..to`, each with its curve, by a block bootstrap of
    /// the residuals; `None` without a fit.
    pub fn draws(
        self,
        values: &[f64],
        from: usize,
        to: usize,
        draws: usize,
        seed: u64,
    ) -> Option<Vec<(f64, FittedCurve)>> {
        let fitted = self.fit(values)?;
        let rows = values.len();
        let residuals: Vec<f64> = (0..rows).map(|t| values[t] - fitted.at(t)).collect();
        // Residuals of all fitted rows, misfit included.
        let whole = &residuals[(BURN_IN * rows as f64) as usize..];
        // Recent residuals stand for future ones.
        let late = &residuals[rows / 2..];
        let block = (late.len() as f64).sqrt().ceil() as usize;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = |source: &[f64], count: usize| -> Vec<f64> {
            let mut taken = Vec::with_capacity(count + block);
            while taken.len() < count {
                let start = random.random_range(0..=source.len() - block);
                taken.extend_from_slice(&source[start..start + block]);
            }
            taken.truncate(count);
            taken
        };
        let draw = |_| {
            let again = drawn(whole, rows);
            let values: Vec<f64> = (0..rows).map(|t| fitted.at(t) + again[t]).collect();
            let curve = self.fit(&values).unwrap_or(fitted);
            let rest = drawn(late, to - from);
            let mean = (from..to)
                .zip(rest)
                .map(|(t, left)| curve.at(t) + left)
                .sum::<f64>();
            (mean / (to - from) as f64, curve)
        };
        Some((0..draws).map(draw).collect())
    }
}

impl FittedCurve {
    /// Returns the curve at a row.
    pub fn at(&self, row: usize) -> f64 {
        self.limit + self.size * self.decay.fall(row as f64, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_the_family_are_recovered() {
        let power: Vec<f64> = (0..300)
            .map(|t| 0.2 + 3.0 * (f64::from(t) + 1.0).powf(-0.7))
            .collect();
        let fitted = Decay::PowerLaw.fit(&power).unwrap();
        assert!((fitted.limit - 0.2).abs() < 0.01, "{fitted:?}");
        assert!((fitted.at(3000) - (0.2 + 3.0 * 3001f64.powf(-0.7))).abs() < 0.01);
        let draws = Decay::PowerLaw.draws(&power, 2700, 3000, 20, 1).unwrap();
        let expected = (2700..3000).map(|t| fitted.at(t)).sum::<f64>() / 300.0;
        assert!(draws.iter().all(|(x, _)| (x - expected).abs() < 0.01));
        assert!(Decay::PowerLaw.fit(&power[..7]).is_none());
        // A constant is its own limit for any shape.
        let flat = Decay::Exponential.fit(&[2.0; 50]).unwrap();
        assert!((flat.at(500) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn noise_widens_the_draws() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut noisy = |size: f64| -> Vec<f64> {
            let noise =
                |t: i32| size * (random.random::<f64>() - 0.5) + (-f64::from(t) / 30.0).exp();
            (0..200).map(noise).collect()
        };
        let width = |values: &[f64]| {
            let draws = Decay::Exponential.draws(values, 350, 400, 200, 0).unwrap();
            let mut draws: Vec<f64> = draws.into_iter().map(|(draw, _)| draw).collect();
            draws.sort_by(f64::total_cmp);
            draws[189] - draws[10]
        };
        let (quiet, loud) = (width(&noisy(0.1)), width(&noisy(1.0)));
        assert!(quiet > 0.0 && loud > 4.0 * quiet, "{quiet} {loud}");
    }
}
