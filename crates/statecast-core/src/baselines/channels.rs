//! Univariate baselines.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, aview1, s};
use rand::rngs::ChaCha8Rng;

use crate::codec::{BIN_COUNT, Cell, Grid};
use crate::density::Mass;
use crate::forecast::{
    Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start, point_at,
};

/// An online forecaster of one channel.
pub(super) trait Rule: Clone + Send + Sync + 'static {
    /// Parameters that a path draws once, for example from their posterior.
    type Path: Send + Sync;

    /// Number of past values that a density depends on.
    const LAGS: usize;

    /// Learns that `value`, known up to `cell`, followed `tail`, the last values (at most
    /// [`LAGS`](Self::LAGS)).
    fn learn(&mut self, tail: &[f64], value: f64, cell: Cell);

    /// Returns the density of the value after `tail`.
    fn density(&self, tail: &[f64]) -> Mass;

    /// Draws the parameters of a path.
    fn path(&self, random: &mut ChaCha8Rng) -> Self::Path;

    /// Draws the value after `tail` on a path, by default from the density.
    fn draw(&self, _path: &Self::Path, tail: &[f64], level: f64) -> Point {
        let mass: Vec<f32> = self.density(tail).density().collect();
        point_at(&mass, level)
    }
}

/// A rule, fitted separately to every channel.
pub(super) struct PerChannel<R> {
    pub(super) name: &'static str,
    /// The untrained rule.
    pub(super) rule: R,
}

impl<R: Rule> Predictor for PerChannel<R> {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(Channels::new(&self.rule, start.channels())))
    }
}

/// One rule per channel.
struct Channels<R: Rule> {
    rules: Vec<Arc<R>>,
    /// Last values of every sequence.
    tails: Vec<Vec<f64>>,
    /// One per sequence after a fork.
    paths: Vec<Arc<R::Path>>,
}

impl<R: Rule> Channels<R> {
    fn new(rule: &R, channels: usize) -> Self {
        Self {
            rules: (0..channels).map(|_| Arc::new(rule.clone())).collect(),
            tails: vec![Vec::new(); channels],
            paths: Vec::new(),
        }
    }

    /// Returns the rule of a sequence.
    fn rule(&self, sequence: usize) -> &R {
        &self.rules[sequence * self.rules.len() / self.tails.len()]
    }
}

fn push(tail: &mut Vec<f64>, value: f64, most: usize) {
    if tail.len() == most {
        tail.remove(0);
    }
    tail.push(value);
}

impl<R: Rule> Continuation for Channels<R> {
    fn batch(&self) -> usize {
        self.tails.len()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut densities = Array3::zeros((wanted.len(), self.batch(), BIN_COUNT));
        for (t, row) in rows.positions.rows().into_iter().enumerate() {
            for (c, &value) in row.iter().enumerate() {
                if wanted.contains(&t) {
                    let mass: Vec<f32> = self.rule(c).density(&self.tails[c]).density().collect();
                    let to = s![t - wanted.start, c, ..];
                    densities.slice_mut(to).assign(&aview1(&mass));
                }
                let value = Point::of(value).position();
                Arc::make_mut(&mut self.rules[c]).learn(
                    &self.tails[c],
                    value,
                    rows.cell(t, c, Grid::Digits),
                );
                push(&mut self.tails[c], value, R::LAGS);
            }
        }
        Ok(densities.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let mut densities = Vec::with_capacity(self.batch() * BIN_COUNT);
        for (i, tail) in self.tails.iter().enumerate() {
            densities.extend(self.rule(i).density(tail).density());
        }
        Ok(Densities::of_row(densities))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let sequences = self.tails.iter().zip(&self.paths).zip(levels).enumerate();
        let drawn =
            sequences.map(|(i, ((tail, path), &level))| self.rule(i).draw(path, tail, level));
        Ok(drawn.collect())
    }

    fn advance(&mut self, values: &[Point], _actions: &[f64]) -> Result<(), ForecastError> {
        for (tail, value) in self.tails.iter_mut().zip(values) {
            push(tail, value.position(), R::LAGS);
        }
        Ok(())
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let mut forked = Self {
            rules: self.rules.clone(),
            tails: Vec::with_capacity(self.batch() * paths.count),
            paths: Vec::with_capacity(self.batch() * paths.count),
        };
        for (c, tail) in self.tails.iter().enumerate() {
            for path in paths.first..paths.first + paths.count {
                let mut random = paths.random(path, c);
                forked.paths.push(Arc::new(self.rules[c].path(&mut random)));
                forked.tails.push(tail.clone());
            }
        }
        Ok(Box::new(forked))
    }
}
