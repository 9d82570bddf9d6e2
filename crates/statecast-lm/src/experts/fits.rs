//! Regressions of all channels on features of the past, with several settings beside each other.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;

use super::candidates::Candidates;
use super::channels::Channels;
use super::regression::{Prepared, Prior, Regression, Sampled};
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
    path: OnPath,
    /// Of the row that was predicted last, `[channel][candidate]`.
    predicted: Vec<Vec<Option<Student>>>,
}

/// How a sampled path is predicted: each channel by its best candidate.
#[derive(Debug, Clone)]
enum OnPath {
    /// There is none, but rows that are learned.
    No,
    /// By the candidates of these numbers.
    Settled(Arc<[usize]>),
    /// By weights that were drawn once, with the number of their fit.
    Drawn(Arc<[(usize, Sampled)]>),
}

/// Features of the number of lags that was asked for last.
struct Once<F> {
    features: F,
    last: Option<(usize, Vec<f64>)>,
}

impl<F: Fn(usize) -> Vec<f64>> Once<F> {
    fn new(features: F) -> Self {
        Self {
            features,
            last: None,
        }
    }

    fn of(&mut self, lags: usize) -> &[f64] {
        let last = self.last.take().filter(|(of, _)| *of == lags);
        let last = last.unwrap_or_else(|| (lags, (self.features)(lags)));
        &self.last.insert(last).1
    }
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
            path: OnPath::No,
            predicted: vec![vec![None; candidates]; channels.count()],
        }
    }

    /// Distributions of the channels. `features` gives those of a number of lags.
    pub(super) fn predict(
        &mut self,
        next: &Next,
        features: impl Fn(usize) -> Vec<f64>,
    ) -> Vec<Option<Student>> {
        let mut features = Once::new(features);
        match &self.path {
            OnPath::Drawn(drawn) => {
                let of = |(fit, sampled): &(usize, Sampled)| {
                    let lags = self.fits[*fit].lags;
                    (next.age >= lags).then(|| sampled.predict(features.of(lags)))
                };
                drawn.iter().map(of).collect()
            }
            OnPath::Settled(leaders) if self.know(next) => {
                let leaders = Arc::clone(leaders);
                self.prepare(next, &mut features, |fit| {
                    leaders.iter().any(|candidate| candidate / 2 == fit)
                });
                let channels = leaders.iter().enumerate();
                channels
                    .map(|(channel, &candidate)| self.predict_candidate(channel, candidate))
                    .collect()
            }
            OnPath::No | OnPath::Settled(_) => {
                self.prepare(next, &mut features, |_| true);
                let candidates = 2 * self.fits.len();
                for channel in 0..self.channels.len() {
                    for candidate in 0..candidates {
                        self.predicted[channel][candidate] =
                            self.predict_candidate(channel, candidate);
                    }
                }
                let best = self.channels.iter().zip(&self.predicted);
                best.map(|(scores, predicted)| scores.best(predicted))
                    .collect()
            }
        }
    }

    /// Whether there are rows enough for all fits.
    fn know(&self, next: &Next) -> bool {
        self.fits.iter().all(|fit| next.age >= fit.lags)
    }

    fn prepare<F: Fn(usize) -> Vec<f64>>(
        &mut self,
        next: &Next,
        features: &mut Once<F>,
        wanted: impl Fn(usize) -> bool,
    ) {
        for (number, fit) in self.fits.iter_mut().enumerate() {
            let prepare = next.age >= fit.lags && wanted(number);
            fit.prepared = prepare.then(|| Arc::new(fit.regression.prepare(features.of(fit.lags))));
        }
    }

    fn predict_candidate(&self, channel: usize, candidate: usize) -> Option<Student> {
        let fit = &self.fits[candidate / 2];
        let target = 2 * channel + candidate % 2;
        let of = |at| fit.regression.predict_prepared(at, target);
        fit.prepared.as_deref().map(of)
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

    /// Bytes of weights that are drawn once.
    pub(super) fn drawn_bytes(&self) -> usize {
        let features = self.fits.iter().map(|fit| fit.regression.features());
        let sampled = size_of::<f64>() * features.max().unwrap_or(0);
        self.channels.len() * (size_of::<(usize, Sampled)>() + sampled)
    }

    /// Goes on by what is known now.
    ///
    /// What is drawn beyond what was observed is the regressions' own guess: were they to learn
    /// from it, it would confirm them, and they would run off with the path.
    pub(super) fn settle(&mut self) {
        let leaders = self.channels.iter().map(Candidates::leader);
        self.path = OnPath::Settled(leaders.collect());
    }

    /// Goes on by weights that are drawn once from what is known now.
    ///
    /// What is uncertain about them is the same at every step: paths whose errors are drawn anew at each of them are too
    /// narrow after many.
    pub(super) fn draw(&mut self, random: &mut ChaCha8Rng) {
        let drawn = self.channels.iter().enumerate().map(|(channel, scores)| {
            let candidate = scores.leader();
            let regression = &self.fits[candidate / 2].regression;
            let target = 2 * channel + candidate % 2;
            (candidate / 2, regression.sample(target, random))
        });
        self.path = OnPath::Drawn(drawn.collect());
    }

    /// Learns the row that was predicted last.
    pub(super) fn learn(&mut self, row: &[f64]) {
        if !matches!(self.path, OnPath::No) {
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
