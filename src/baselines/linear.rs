//! A linear model of all channels and the actions.

use nalgebra::DVector;
use rand::rngs::ChaCha8Rng;

use super::joint::{Joint, JointRule, Tail};
use super::kernel::Mass;
use super::regression::{Drawn, Regression};
use crate::codec::BIN_WIDTH;
use crate::forecast::{Continuation, ForecastError, Predictor, Start};

/// Rows and prior precisions (ridge) that are tried.
const SETTINGS: [(usize, f64); 4] = [(1, 0.01), (1, 1.0), (2, 0.01), (2, 1.0)];

/// Vector autoregression with actions: every channel on all channels of the last one or two rows,
/// the actions of the last row and an intercept, by Bayesian ridge regression. Each channel takes
/// the setting that would have predicted it best so far; a path draws weights and noise from their
/// posterior.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear;

impl<'m> Predictor<'m> for Linear {
    fn name(&self) -> String {
        "linear".to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        let (channels, actions) = (start.channels(), start.actions);
        let fits = SETTINGS
            .map(|(rows, ridge)| Regression::new(rows * channels + actions + 1, channels, ridge));
        let fits = Fits {
            fits: fits.to_vec(),
            scores: vec![[0.0; SETTINGS.len()]; channels],
        };
        Ok(Box::new(Joint::new(fits, channels)))
    }

    fn needs_actions(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Fits {
    fits: Vec<Regression>,
    /// Summed log densities of what came, `[channel][setting]`.
    scores: Vec<[f64; SETTINGS.len()]>,
}

fn features(tail: &Tail, rows: usize) -> Option<DVector<f64>> {
    let from = tail.rows.len().checked_sub(rows)?;
    let values = tail.rows[from..].iter().flatten().copied();
    let all: Vec<f64> = values
        .chain(tail.actions.iter().copied())
        .chain([1.0])
        .collect();
    Some(DVector::from_vec(all))
}

impl Fits {
    fn best(&self, channel: usize) -> usize {
        let scores = &self.scores[channel];
        let order = |&a: &usize, &b: &usize| scores[a].total_cmp(&scores[b]);
        (0..SETTINGS.len()).max_by(order).unwrap_or(0)
    }
}

impl JointRule for Fits {
    type Path = Vec<(usize, Drawn)>;

    fn learn(&mut self, tail: &Tail, row: &[f64]) -> Result<(), ForecastError> {
        for (setting, (rows, _)) in SETTINGS.iter().enumerate() {
            let Some(features) = features(tail, *rows) else {
                continue;
            };
            let laws = self.fits[setting].predict(&features);
            for ((scores, law), value) in self.scores.iter_mut().zip(laws).zip(row) {
                // A bin's width is as precise as a value is known.
                scores[setting] += law.log_density(*value).min(-BIN_WIDTH.ln());
            }
            self.fits[setting].learn(&features, row);
        }
        Ok(())
    }

    fn densities(&self, tails: &[Tail]) -> Result<Vec<Vec<Mass>>, ForecastError> {
        let of_tail = |tail: &Tail| {
            let channel = |c: usize| {
                let setting = self.best(c);
                let mut mass = Mass::new();
                if let Some(features) = features(tail, SETTINGS[setting].0) {
                    let law = self.fits[setting].predict(&features)[c];
                    let scale = law.scale.max(0.3 * BIN_WIDTH);
                    mass.add_student(1.0, 5.0 + law.location, scale, law.freedom);
                }
                mass
            };
            (0..self.scores.len()).map(channel).collect()
        };
        Ok(tails.iter().map(of_tail).collect())
    }

    fn path(&self, random: &mut ChaCha8Rng) -> Self::Path {
        let channel = |c: usize| {
            let setting = self.best(c);
            (setting, self.fits[setting].draw(c, random))
        };
        (0..self.scores.len()).map(channel).collect()
    }

    fn draw(
        &self,
        paths: &[Self::Path],
        tails: &[Tail],
        levels: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>, ForecastError> {
        let of_path = |((path, tail), levels): ((&Self::Path, &Tail), &Vec<f64>)| {
            let channels = path.iter().zip(levels);
            let value = |((setting, drawn), &level): (&(usize, Drawn), &f64)| {
                features(tail, SETTINGS[*setting].0).map_or(0.0, |f| drawn.value(&f, level))
            };
            channels.map(value).collect()
        };
        Ok(paths.iter().zip(tails).zip(levels).map(of_path).collect())
    }
}
