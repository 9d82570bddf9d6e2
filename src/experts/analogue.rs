//! What followed when all channels were last like this.

use super::candidates::Candidates;
use super::regression::{Noise, Prior};
use super::{Expert, Next, Student};

/// Rows that are compared, and how many of the nearest past ones count.
const SETTINGS: [(usize, usize); 4] = [(1, 1), (1, 4), (3, 1), (3, 4)];

/// Past rows that are searched.
const REACH: usize = 2000;

/// Squared axis units that one squared unit of an action counts as: the largest action is half of a
/// context's range.
const ACTION: f64 = 12.25;

/// Added to squared distances: what is closer than a tenth of a bin is the same.
const SAME: f64 = 1e-6;

/// The present row moved by the steps that followed the past rows most like it, over all channels
/// and the action.
#[derive(Debug, Clone)]
pub(super) struct Analogue(Vec<Channel>);

#[derive(Debug, Clone)]
struct Channel {
    candidates: Candidates,
    noises: [Noise; SETTINGS.len()],
    predicted: Vec<Option<Student>>,
}

impl Analogue {
    pub(super) fn new(channels: usize) -> Self {
        let channel = Channel {
            candidates: Candidates::new(SETTINGS.len()),
            noises: [Noise::new(Prior::NOISE); SETTINGS.len()],
            predicted: vec![None; SETTINGS.len()],
        };
        Self(vec![channel; channels])
    }
}

/// The past rows most like the one before the next, nearest first: index of the row that followed,
/// and squared distance. Of equal ones the later is first.
fn nearest(next: &Next, lags: usize, most: usize) -> Vec<(usize, f64)> {
    let Next { past, t, .. } = *next;
    let distance = |s: usize| {
        let actions = past.actions(t - 1).iter().zip(past.actions(s - 1));
        let actions: f64 = actions.map(|(a, b)| (a - b).powi(2)).sum();
        let values =
            (1..=lags).flat_map(|lag| past.values(t - lag).iter().zip(past.values(s - lag)));
        let values: f64 = values.map(|(a, b)| (a - b).powi(2)).sum();
        values + ACTION * actions
    };
    let rows = t.saturating_sub(REACH)..t;
    let mut all: Vec<(usize, f64)> = rows
        .filter(|&s| past.age(s) >= lags)
        .map(|s| (s, distance(s)))
        .collect();
    let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
    if all.len() > most {
        all.select_nth_unstable_by(most, order);
        all.truncate(most);
    }
    all.sort_by(order);
    all
}

/// Where the nearest rows lead each channel.
fn locations(next: &Next, near: &[(usize, f64)], channels: usize) -> Vec<f64> {
    let weights: Vec<f64> = near.iter().map(|(_, d)| 1.0 / (d + SAME)).collect();
    let total: f64 = weights.iter().sum();
    let past = next.past;
    let step = |s: usize, c: usize| past.values(s)[c] - past.values(s - 1)[c];
    let location = |c: usize| {
        let steps = near.iter().zip(&weights);
        let moved = steps.map(|((s, _), weight)| weight / total * step(*s, c));
        past.values(next.t - 1)[c] + moved.sum::<f64>()
    };
    (0..channels).map(location).collect()
}

impl Expert for Analogue {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        let channels = self.0.len();
        let mut near = Vec::new();
        let mut searched = 0;
        for (candidate, (lags, count)) in SETTINGS.into_iter().enumerate() {
            if next.age >= lags && searched != lags {
                near = nearest(
                    next,
                    lags,
                    SETTINGS.map(|s| s.1).into_iter().max().unwrap_or(1),
                );
                searched = lags;
            }
            let known = next.age >= lags && near.len() >= count;
            let locations = known.then(|| locations(next, &near[..count], channels));
            for (c, channel) in self.0.iter_mut().enumerate() {
                let of = |locations: &Vec<f64>| channel.noises[candidate].around(locations[c], 1.0);
                channel.predicted[candidate] = locations.as_ref().map(of);
            }
        }
        let best = |channel: &Channel| channel.candidates.best(&channel.predicted);
        self.0.iter().map(best).collect()
    }

    fn learn(&mut self, _next: &Next, row: &[f64]) {
        for (channel, &x) in self.0.iter_mut().zip(row) {
            channel.candidates.learn(&channel.predicted, x);
            for (noise, predicted) in channel.noises.iter_mut().zip(&channel.predicted) {
                if let Some(predicted) = predicted {
                    noise.learn(x - predicted.location, 1.0);
                }
            }
        }
    }

    fn fork(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn bytes(&self, _rows: usize) -> usize {
        let of = |c: &Channel| {
            size_of::<Channel>() + c.candidates.bytes() + size_of_val(&c.predicted[..])
        };
        self.0.iter().map(of).sum()
    }
}
