//! Models fitted to runs with unknown values, by expectation and maximisation.

use nalgebra::{DMatrix, DVector};

use super::form::{Form, Layout};
use super::model::{Conditional, Equation, Model, Track};
use super::moments::Moments;
use super::regression;

/// Rounds of expectation and maximisation at most, of a form that is tried and of the one that is taken.
pub(super) const TRIED: usize = 4;
pub(super) const TAKEN: usize = 10;

/// The change of the unknown values, in standard deviations of their channels, below which the rounds end early.
const SETTLED: f64 = 1e-3;

/// A model and what it says of the unknown values of each run.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub(super) model: Model,
    pub(super) runs: Vec<Conditional>,
}

impl Fitted {
    /// The random walk, from which the other forms begin.
    pub(super) fn walk(layout: &Layout, tracks: &[Track], rounds: usize) -> Self {
        let model = Model {
            equations: vec![first_walk(layout, tracks), start(layout)],
        };
        Self::of(model, tracks).improved(&Form::WALK, layout, tracks, rounds)
    }

    /// A model of a form. Rows at the begin of a run, which have too few rows before them, are a random walk.
    pub(super) fn fit(
        form: &Form,
        layout: &Layout,
        tracks: &[Track],
        walk: &Self,
        rounds: usize,
    ) -> Self {
        if *form == Form::WALK {
            return walk.clone();
        }
        let mut equations = walk.model.equations.clone();
        equations.insert(0, placeholder(form, layout, &equations[0]));
        let model = Model { equations };
        let runs: Vec<(&Track, &Conditional)> = tracks.iter().zip(&walk.runs).collect();
        // The first moments are the walk's: its covariances reach one row only, so others are taken as none.
        let moments = Moments::of(&model, 0, &runs);
        let model = model.with_first(regression::fit(form, layout, &moments));
        Self::of(model, tracks).improved(form, layout, tracks, rounds)
    }

    /// The same model on other runs.
    pub(super) fn of(model: Model, tracks: &[Track]) -> Self {
        let runs = tracks.iter().map(|track| Conditional::of(&model, track));
        Self {
            runs: runs.collect(),
            model,
        }
    }

    fn improved(mut self, form: &Form, layout: &Layout, tracks: &[Track], rounds: usize) -> Self {
        if self.runs.iter().all(|run| run.holes.is_empty()) {
            return self;
        }
        for _ in 0..rounds {
            let runs: Vec<(&Track, &Conditional)> = tracks.iter().zip(&self.runs).collect();
            let moments = Moments::of(&self.model, 0, &runs);
            let first = regression::fit(form, layout, &moments);
            let next = Self::of(self.model.clone().with_first(first), tracks);
            let moved = next.distance(&self);
            self = next;
            if moved < SETTLED {
                break;
            }
        }
        self
    }

    /// Root of the mean squared difference of unknown values.
    fn distance(&self, other: &Self) -> f64 {
        let pairs = self.runs.iter().zip(&other.runs);
        let pairs = pairs.flat_map(|(a, b)| a.mean.iter().zip(&b.mean));
        let (count, sum) = pairs.fold((0.0, 0.0), |(count, sum), (a, b)| {
            (count + 1.0, sum + (a - b) * (a - b))
        });
        (sum / f64::max(count, 1.0)).sqrt()
    }
}

impl Model {
    fn with_first(mut self, equation: Equation) -> Self {
        self.equations[0] = equation;
        self
    }
}

/// The first row of a run: standard normal, as channels are standardised.
fn start(layout: &Layout) -> Equation {
    Equation {
        weights: Vec::new(),
        inputs: DMatrix::zeros(layout.channels, layout.width),
        intercept: DVector::zeros(layout.channels),
        precision: DMatrix::identity(layout.channels, layout.channels),
    }
}

/// A random walk whose steps are those between known values.
fn first_walk(layout: &Layout, tracks: &[Track]) -> Equation {
    let channels = layout.channels;
    let step_variance = |channel: usize| {
        let (mut count, mut sum) = (0.0, 0.0);
        for track in tracks {
            let column = track.values.iter().skip(channel).step_by(channels);
            let known = column.enumerate().filter(|(_, x)| !x.is_nan());
            let mut last: Option<(usize, f64)> = None;
            for (row, &x) in known {
                if let Some((before, value)) = last {
                    sum += (x - value) * (x - value) / (row - before) as f64;
                    count += 1.0;
                }
                last = Some((row, x));
            }
        }
        if count > 0.0 && sum > 0.0 {
            sum / count
        } else {
            1.0
        }
    };
    let precisions = (0..channels).map(|channel| 1.0 / step_variance(channel));
    Equation {
        weights: vec![DMatrix::identity(channels, channels)],
        precision: DMatrix::from_diagonal(&DVector::from_iterator(channels, precisions)),
        ..start(layout)
    }
}

/// An equation of a form's order without regressors.
fn placeholder(form: &Form, layout: &Layout, walk: &Equation) -> Equation {
    let channels = layout.channels;
    let mut weights = vec![DMatrix::zeros(channels, channels); form.order];
    weights[0].fill_with_identity();
    Equation {
        weights,
        ..walk.clone()
    }
}
