//! Persistence.

use rand::rngs::ChaCha8Rng;

use super::channels::Rule;
use super::smoother::{RefreshedSample, SmoothedSample};
use crate::codec::{BIN_COUNT, Cell};
use crate::density::Mass;

/// The last value plus the smoothed distribution of past increments minus their mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Increments {
    seen: Vec<f64>,
    smoothed: RefreshedSample,
}

impl Rule for Increments {
    type Path = ();
    const LAGS: usize = 1;

    fn learn(&mut self, tail: &[f64], value: f64, _cell: Cell) {
        if let Some(last) = tail.last() {
            self.seen.push(value - last);
            self.smoothed.refresh(self.seen.len(), || {
                let mean = self.seen.iter().sum::<f64>() / self.seen.len() as f64;
                let centred: Vec<f64> = self.seen.iter().map(|d| d - mean).collect();
                SmoothedSample::of(&centred, 0.0)
            });
        }
    }

    fn density(&self, tail: &[f64]) -> Mass {
        let mut mass = Mass::default();
        match (tail.last(), self.smoothed.get()) {
            (Some(last), Some(smoothed)) => {
                mass.add(1.0, 0..BIN_COUNT, |edge| smoothed.cdf(edge - last));
            }
            (Some(last), None) => mass.add_normal(1.0, *last, 1.0),
            _ => {}
        }
        mass
    }

    fn path(&self, _random: &mut ChaCha8Rng) {}
}
