//! Autoregression of one channel, its order chosen by BIC.

use rand::rngs::ChaCha8Rng;

use super::channels::Rule;
use crate::codec::{BIN_WIDTH, Cell};
use crate::density::Mass;
use crate::experts::{Prior, Regression, Sampled};
use crate::forecast::Point;

/// Highest order.
const MAX_ORDER: usize = 8;

/// The noise prior is half a count of the squared hundredth of a bin.
const PRIOR: Prior = Prior {
    ridge: 1e-3,
    noise: (0.5, 5e-5),
};

/// AR(p) with intercept, p from 1 to 8 by Schwarz' criterion: Bayesian regressions on the past
/// values, fitted row by row; a path draws its weights and noise from their posterior.
#[derive(Debug, Clone)]
pub(super) struct Orders(Vec<Regression>);

impl Orders {
    pub(super) fn new() -> Self {
        let order = |p: usize| Regression::new(PRIOR, p + 1, 1);
        Self((1..=MAX_ORDER).map(order).collect())
    }

    /// Returns the best order with enough past values.
    fn best(&self, available: usize) -> Option<usize> {
        let bic = |p: usize| {
            let regression = &self.0[p - 1];
            // All orders are compared on the rows that the highest can predict.
            let n = (regression.observations() as f64).max(1.0);
            n * (regression.residual(0) / n).ln() + (p + 1) as f64 * n.ln()
        };
        (1..=MAX_ORDER.min(available))
            .filter(|&p| self.0[p - 1].observations() > p + 1)
            .min_by(|&a, &b| bic(a).total_cmp(&bic(b)))
    }
}

/// Returns the last `order` values, latest first, relative to the middle of the axis, and 1 for the
/// intercept.
fn features(tail: &[f64], order: usize) -> Vec<f64> {
    let lags = tail.iter().rev().take(order).map(|y| y - 5.0);
    lags.chain([1.0]).collect()
}

impl Rule for Orders {
    type Path = Option<(usize, Sampled)>;
    const LAGS: usize = MAX_ORDER;

    fn learn(&mut self, tail: &[f64], value: f64, _cell: Cell) {
        for p in 1..=MAX_ORDER.min(tail.len()) {
            self.0[p - 1].learn(&features(tail, p), &[value - 5.0]);
        }
    }

    fn density(&self, tail: &[f64]) -> Mass {
        let mut mass = Mass::default();
        match (self.best(tail.len()), tail.last()) {
            (Some(p), _) => {
                let law = self.0[p - 1].predict(&features(tail, p))[0];
                let scale = law.scale.max(0.3 * BIN_WIDTH);
                mass.add_student(1.0, 5.0 + law.location, scale, law.freedom);
            }
            (None, Some(last)) => mass.add_normal(1.0, *last, 1.0),
            (None, None) => {}
        }
        mass
    }

    fn path(&self, random: &mut ChaCha8Rng) -> Self::Path {
        let order = self.best(MAX_ORDER)?;
        Some((order, self.0[order - 1].sample(0, random)))
    }

    fn draw(&self, path: &Self::Path, tail: &[f64], level: f64) -> Point {
        match (path, tail.last()) {
            (Some((order, drawn)), _) if tail.len() >= *order => {
                Point::of(5.0 + drawn.value(&features(tail, *order), level))
            }
            (_, last) => Point::of(last.copied().unwrap_or(5.0)),
        }
    }
}
