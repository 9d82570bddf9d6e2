//! A linear model of all channels and the actions.

use rand::rngs::ChaCha8Rng;

use super::channels::Channels;
use super::fits::{Fits, Setting, lagged};
use super::{Expert, Next, Student};

/// Candidate lags and prior precisions.
const SETTINGS: [(usize, f64); 4] = [(1, 1e-4), (1, 0.1), (2, 1e-4), (2, 0.1)];

/// Vector autoregression with actions: regresses every channel on all channels of the last one or
/// two rows, the actions of the last row and an intercept.
#[derive(Debug, Clone)]
pub(super) struct Linear(Fits);

impl Linear {
    pub(super) fn new(channels: &Channels, actions: usize) -> Self {
        let setting = |(lags, ridge)| Setting {
            lags,
            ridge,
            features: lags * channels.indices().len() + actions + 1,
            last: 0,
        };
        Self(Fits::new(&SETTINGS.map(setting), channels))
    }
}

impl Expert for Linear {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        self.0
            .predict(next, |lags| lagged(next, lags).chain([1.0]).collect())
    }

    fn learn(&mut self, _next: &Next, row: &[f64]) {
        self.0.learn(row);
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn settle(&mut self) {
        self.0.settle();
    }

    fn settle_by_draw(&mut self, random: &mut ChaCha8Rng) {
        self.settle();
        self.0.draw(random);
    }

    fn drawn_bytes(&self) -> usize {
        self.0.drawn_bytes()
    }

    fn bytes(&self, _rows: usize) -> usize {
        self.0.bytes()
    }
}
