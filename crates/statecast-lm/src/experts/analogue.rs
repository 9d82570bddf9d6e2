//! What followed when all channels were last like this.

use std::collections::VecDeque;
use std::sync::Arc;

use super::candidates::Candidates;
use super::channels::Channels;
use super::products::distance;
use super::regression::{Noise, Prior};
use super::{Expert, Next, Past, Student};

/// Rows that are compared, and how many of the nearest past ones count.
const SETTINGS: [(usize, usize); 4] = [(1, 1), (1, 4), (3, 1), (3, 4)];

/// Most rows and neighbours of a setting.
const LAGS: usize = 3;
const NEAREST: usize = 4;

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
pub(super) struct Analogue {
    kinds: Channels,
    channels: Vec<Channel>,
    /// Of the last rows, latest first: squared distances of their values to those of the rows
    /// before, the closest in time first. The next rows are compared by the same ones again.
    distances: VecDeque<Arc<[f64]>>,
}

#[derive(Debug, Clone)]
struct Channel {
    candidates: Candidates,
    noises: [Noise; SETTINGS.len()],
    predicted: Vec<Option<Student>>,
}

impl Analogue {
    pub(super) fn new(kinds: Channels) -> Self {
        let channel = Channel {
            candidates: Candidates::new(SETTINGS.len()),
            noises: [Noise::new(Prior::NOISE); SETTINGS.len()],
            predicted: vec![None; SETTINGS.len()],
        };
        Self {
            channels: vec![channel; kinds.count()],
            kinds,
            distances: VecDeque::with_capacity(LAGS),
        }
    }

    /// Measures how far a row that follows those of the past is from them.
    fn measure(&mut self, past: &Past, row: &[f64]) {
        let row = self.kinds.inputs(row);
        let rows = past.len().saturating_sub(REACH)..past.len();
        let squared = rows.rev().map(|s| distance(&row, past.inputs(s)));
        self.distances.truncate(LAGS - 1);
        self.distances.push_front(squared.collect());
    }

    /// The past rows most like the one before the next, nearest first: index of the row that
    /// followed, and squared distance. Of equal ones the later is first.
    fn nearest(&self, next: &Next, lags: usize, actions: &[f64]) -> Vec<(usize, f64)> {
        let mut near: Vec<(usize, f64)> = Vec::with_capacity(NEAREST + 1);
        for (back, action) in actions.iter().enumerate() {
            let s = next.t - 1 - back;
            if next.past.age(s) < lags {
                continue;
            }
            let values = self.distances.iter().take(lags).map(|lag| lag[back]);
            let squared = values.sum::<f64>() + action;
            let at = near.partition_point(|(_, other)| *other <= squared);
            if at < NEAREST {
                near.truncate(NEAREST - 1);
                near.insert(at, (s, squared));
            }
        }
        near
    }
}

/// Squared distances, in units of values, of the last row's actions to those of the rows before,
/// the closest in time first.
fn action_distances(next: &Next) -> Vec<f64> {
    let Next { past, t, .. } = *next;
    let last = past.actions(t - 1);
    let rows = t.saturating_sub(REACH).max(1)..t;
    let squared = |s: usize| ACTION * distance(last, past.actions(s - 1));
    rows.rev().map(squared).collect()
}

/// Where the nearest rows lead each channel: inputs from their present value by the steps that were
/// taken there, outcomes to the values that they had there.
fn locations(next: &Next, near: &[(usize, f64)], channels: &Channels) -> Vec<f64> {
    let weights: Vec<f64> = near.iter().map(|(_, d)| 1.0 / (d + SAME)).collect();
    let total: f64 = weights.iter().sum();
    let past = next.past;
    let mut from = vec![false; channels.count()];
    channels.indices().iter().for_each(|&c| from[c] = true);
    let origin = |s: usize, c: usize| if from[c] { past.values(s)[c] } else { 0.0 };
    let step = |s: usize, c: usize| past.values(s)[c] - origin(s - 1, c);
    let location = |c: usize| {
        let steps = near.iter().zip(&weights);
        let moved = steps.map(|((s, _), weight)| weight / total * step(*s, c));
        origin(next.t - 1, c) + moved.sum::<f64>()
    };
    (0..channels.count()).map(location).collect()
}

impl Expert for Analogue {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        let actions = match next.age {
            0 => Vec::new(),
            _ => action_distances(next),
        };
        let mut near = Vec::new();
        let mut searched = 0;
        for (candidate, (lags, count)) in SETTINGS.into_iter().enumerate() {
            if next.age >= lags && searched != lags {
                near = self.nearest(next, lags, &actions);
                searched = lags;
            }
            let known = next.age >= lags && near.len() >= count;
            let locations = known.then(|| locations(next, &near[..count], &self.kinds));
            for (c, channel) in self.channels.iter_mut().enumerate() {
                let of = |locations: &Vec<f64>| channel.noises[candidate].around(locations[c], 1.0);
                channel.predicted[candidate] = locations.as_ref().map(of);
            }
        }
        let best = |channel: &Channel| channel.candidates.best(&channel.predicted);
        self.channels.iter().map(best).collect()
    }

    fn learn(&mut self, next: &Next, row: &[f64]) {
        for (channel, &x) in self.channels.iter_mut().zip(row) {
            channel.candidates.learn(&channel.predicted, x);
            for (noise, predicted) in channel.noises.iter_mut().zip(&channel.predicted) {
                if let Some(predicted) = predicted {
                    noise.learn(x - predicted.location, 1.0);
                }
            }
        }
        self.measure(next.past, row);
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn bytes(&self, rows: usize) -> usize {
        let of = |c: &Channel| {
            size_of::<Channel>() + c.candidates.bytes() + size_of_val(&c.predicted[..])
        };
        let measured = self.distances.front().map_or(0, |last| last.len()) + rows;
        let distances = LAGS.min(rows) * measured.min(REACH) * size_of::<f64>();
        self.channels.iter().map(of).sum::<usize>() + distances
    }
}
