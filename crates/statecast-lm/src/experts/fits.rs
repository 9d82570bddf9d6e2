//! Regressions of all channels on features of the past, with several settings beside each other.

use std::sync::Arc;

use super::candidates::Candidates;
use super::channels::Channels;
use super::regression::{Prepared, Prior, Regression};
use super::{Next, Student};

/// One setting: how many rows it looks back, and its regression. Every channel has two targets, its
/// level (weights are expected to be zero) and its persistence (a weight of 1 on its own last
/// value, if that is an input).
#[derive(Debug, Clone)]
struct Fit {
    lags: usize,
    regression: Regression,
    /// Of the row that was predicted last; copies share it.
    prepared: Option<Arc<Prepared>>,
}

/// Regressions of every setting, and which of them predicts each channel best.
#[derive(Debug, Clone)]
pub(super) struct Fits {
    fits: Vec<Fit>,
    channels: Vec<Candidates>,
    /// True along sampled paths.
    settled: bool,
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
    /// Index of the first input's last value among them; the others' follow.
    pub(super) last: usize,
}

impl Fits {
    pub(super) fn new(settings: &[Setting], channels: &Channels) -> Self {
        let fit = |setting: &Setting| {
            let targets = 2 * channels.count();
            let mut weights = vec![0.0; setting.features * targets];
            for (input, channel) in channels.indices().iter().enumerate() {
                weights[(setting.last + input) * targets + 2 * channel + 1] = 1.0;
            }
            Fit {
                lags: setting.lags,
                regression: Regression::around(Prior::of(setting.ridge), weights, targets),
                prepared: None,
            }
        };
        let candidates = 2 * settings.len();
        Self {
            fits: settings.iter().map(fit).collect(),
            channels: vec![Candidates::new(candidates); channels.count()],
            settled: false,
            predicted: vec![vec![None; candidates]; channels.count()],
        }
    }

    /// Distributions of the channels. `features` gives those of a number of lags.
    pub(super) fn predict(
        &mut self,
        next: &Next,
        features: impl Fn(usize) -> Vec<f64>,
    ) -> Vec<Option<Student>> {
        let mut last: Option<(usize, Vec<f64>)> = None;
        for fit in &mut self.fits {
            fit.prepared = (next.age >= fit.lags).then(|| {
                let (_, features) = match last.take().filter(|(lags, _)| *lags == fit.lags) {
                    Some(same) => last.insert(same),
                    None => last.insert((fit.lags, features(fit.lags))),
                };
                Arc::new(fit.regression.prepare(features))
            });
        }
        for (channel, predicted) in self.predicted.iter_mut().enumerate() {
            for (candidate, predicted) in predicted.iter_mut().enumerate() {
                let fit = &self.fits[candidate / 2];
                let target = 2 * channel + candidate % 2;
                let of = |at| fit.regression.predict_prepared(at, target);
                *predicted = fit.prepared.as_deref().map(of);
            }
        }
        let best = self.channels.iter().zip(&self.predicted);
        best.map(|(scores, predicted)| scores.best(predicted))
            .collect()
    }

    /// Bytes of a copy that is settled.
    pub(super) fn bytes(&self) -> usize {
        let fit = |fit: &Fit| {
            let prepared = fit.prepared.as_ref().map_or(0, |at| at.bytes());
            fit.regression.bytes(false) + prepared
        };
        let fits: usize = self.fits.iter().map(fit).sum();
        let channels = self.channels.iter().zip(&self.predicted);
        let channels = channels.map(|(scores, predicted)| {
            scores.bytes() + size_of::<Vec<f64>>() + size_of_val(&predicted[..])
        });
        fits + channels.sum::<usize>()
    }

    /// Goes on by what is known now.
    ///
    /// What is drawn beyond what was observed is the regressions' own guess: were they to learn
    /// from it, it would confirm them, and they would run off with the path.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }

    /// Learns the row that was predicted last.
    pub(super) fn learn(&mut self, row: &[f64]) {
        if self.settled {
            return;
        }
        for ((scores, predicted), &x) in self.channels.iter_mut().zip(&self.predicted).zip(row) {
            scores.learn(predicted, x);
        }
        let targets: Vec<f64> = row.iter().flat_map(|&x| [x, x]).collect();
        for fit in &mut self.fits {
            if let Some(prepared) = fit.prepared.take() {
                fit.regression.learn_prepared(&prepared, &targets);
            }
        }
    }
}

/// All inputs of the last `lags` rows, latest first, and the actions of the last one.
pub(super) fn lagged<'n>(next: &Next<'n>, lags: usize) -> impl Iterator<Item = f64> + 'n {
    let Next { past, t, .. } = *next;
    let values = (1..=lags).flat_map(move |lag| past.inputs(t - lag));
    values.chain(past.actions(t - 1)).copied()
}
