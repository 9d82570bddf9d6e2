//! Climatology.

use rand::rngs::ChaCha8Rng;

use super::channels::Rule;
use super::smoother::{RefreshedSample, SmoothedSample};
use crate::codec::{BIN_COUNT, Cell};
use crate::density::Mass;

/// The smoothed distribution of past values.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    seen: Vec<f64>,
    smoothed: RefreshedSample,
}

impl Rule for Values {
    type Path = ();
    const LAGS: usize = 1;

    fn learn(&mut self, _tail: &[f64], value: f64, _cell: Cell) {
        self.seen.push(value);
        let (seen, smoothed) = (&self.seen, &mut self.smoothed);
        smoothed.refresh(seen.len(), || {
            SmoothedSample::of(seen, seen.iter().sum::<f64>() / seen.len() as f64)
        });
    }

    fn density(&self, _tail: &[f64]) -> Mass {
        let mut mass = Mass::default();
        if let Some(smoothed) = self.smoothed.get() {
            mass.add(1.0, 0..BIN_COUNT, |edge| smoothed.cdf(edge));
        }
        mass
    }

    fn path(&self, _random: &mut ChaCha8Rng) {}
}
