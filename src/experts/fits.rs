//! Regressions of all channels on features of the past, with several settings beside each other.

use nalgebra::DVector;

use super::candidates::Candidates;
use super::regression::{Prepared, Prior, Regression};
use super::{Next, Student};

/// One setting: how many rows it looks back, and its regression. Every channel has two targets, its
/// level (weights are expected to be zero) and its persistence (a weight of 1 on its own last
/// value).
#[derive(Debug, Clone)]
struct Fit {
    lags: usize,
    regression: Regression,
    /// Of the row that was predicted last.
    prepared: Option<Prepared>,
}

/// Regressions of every setting, and which of them predicts each channel best.
#[derive(Debug, Clone)]
pub(super) struct Fits {
    fits: Vec<Fit>,
    channels: Vec<Candidates>,
    /// Of the row that was predicted last, `[channel][candidate]`.
    predicted: Vec<Vec<Option<Student>>>,
}

/// A setting before any row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Rows that it looks back.
    pub(super) lags: usize,
    /// Prior precision of its weights.
    pub(super) ridge: f64,
    /// Number of its features.
    pub(super) features: usize,
    /// Index of the first channel's last value among them; the others' follow.
    pub(super) last: usize,
}

impl Fits {
    pub(super) fn new(settings: &[Setting], channels: usize) -> Self {
        let fit = |setting: &Setting| {
            let targets = (0..channels).flat_map(|channel| {
                let level = DVector::zeros(setting.features);
                let mut persistence = level.clone();
                persistence[setting.last + channel] = 1.0;
                [level, persistence]
            });
            let prior = Prior::of(setting.ridge);
            Fit {
                lags: setting.lags,
                regression: Regression::around(prior, setting.features, targets.collect()),
                prepared: None,
            }
        };
        let candidates = 2 * settings.len();
        Self {
            fits: settings.iter().map(fit).collect(),
            channels: vec![Candidates::new(candidates); channels],
            predicted: vec![vec![None; candidates]; channels],
        }
    }

    /// Distributions of the channels. `features` gives those of a number of lags.
    pub(super) fn predict(
        &mut self,
        next: &Next,
        features: impl Fn(usize) -> DVector<f64>,
    ) -> Vec<Option<Student>> {
        for fit in &mut self.fits {
            let known = next.age >= fit.lags;
            fit.prepared = known.then(|| fit.regression.prepare(features(fit.lags)));
        }
        for (channel, predicted) in self.predicted.iter_mut().enumerate() {
            for (candidate, predicted) in predicted.iter_mut().enumerate() {
                let fit = &self.fits[candidate / 2];
                let target = 2 * channel + candidate % 2;
                let of = |at| fit.regression.predict_prepared(at, target);
                *predicted = fit.prepared.as_ref().map(of);
            }
        }
        let best = self.channels.iter().zip(&self.predicted);
        best.map(|(scores, predicted)| scores.best(predicted))
            .collect()
    }

    /// Bytes of a copy.
    pub(super) fn bytes(&self) -> usize {
        let prepared = |fit: &Fit| fit.prepared.as_ref().map_or(0, Prepared::bytes);
        let fits = self.fits.iter();
        let fits: usize = fits.map(|fit| fit.regression.bytes() + prepared(fit)).sum();
        let channels = self.channels.iter().zip(&self.predicted);
        let channels = channels.map(|(scores, predicted)| {
            scores.bytes() + size_of::<Vec<f64>>() + size_of_val(&predicted[..])
        });
        fits + channels.sum::<usize>()
    }

    /// Learns the row that was predicted last.
    pub(super) fn learn(&mut self, row: &[f64]) {
        for ((scores, predicted), &x) in self.channels.iter_mut().zip(&self.predicted).zip(row) {
            scores.learn(predicted, x);
        }
        for fit in &mut self.fits {
            if let Some(prepared) = fit.prepared.take() {
                let targets = row.iter().flat_map(|&x| [x, x]);
                fit.regression.learn_prepared(&prepared, targets);
            }
        }
    }
}

/// All channels of the last `lags` rows, latest first, and the actions of the last one.
pub(super) fn lagged<'n>(next: &Next<'n>, lags: usize) -> impl Iterator<Item = f64> + 'n {
    let Next { past, t, .. } = *next;
    let values = (1..=lags).flat_map(move |lag| past.values(t - lag));
    values.chain(past.actions(t - 1)).copied()
}
