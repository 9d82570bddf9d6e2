//! Multivariate baselines with actions.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, aview1, s};
use rand::rngs::ChaCha8Rng;

use crate::codec::BIN_COUNT;
use crate::density::Mass;
use crate::forecast::{Continuation, Densities, ForecastError, Observed, Paths, Point};

/// Number of past rows available to a rule.
pub(super) const ROWS: usize = 3;

/// Clipping bound of actions, in units of the largest of the first rows, and of positions: later
/// ones must not overflow.
const MAX_POSITION: f64 = 1e3;

/// The last rows of a path, oldest first, and the actions of the last one.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Positions of the channels minus 5, row by row; at most [`ROWS`].
    pub(super) rows: Vec<Vec<f64>>,
    /// Actions in units of the largest one of the first rows.
    pub(super) actions: Vec<f64>,
}

impl Tail {
    fn push(&mut self, row: Vec<f64>, actions: Vec<f64>) {
        if self.rows.len() == ROWS {
            self.rows.remove(0);
        }
        self.rows.push(row);
        self.actions = actions;
    }
}

/// An online forecaster of all channels.
pub(super) trait JointRule: Clone + Send + Sync + 'static {
    /// Parameters that a path draws once.
    type Path: Send + Sync;

    /// Learns that a row (channels minus 5) followed `tail`.
    fn learn(&mut self, tail: &Tail, row: &[f64]) -> Result<(), ForecastError>;

    /// Returns the densities of the channels after each tail.
    fn densities(&self, tails: &[Tail]) -> Result<Vec<Vec<Mass>>, ForecastError>;

    /// Draws the parameters of a path.
    fn path(&self, random: &mut ChaCha8Rng) -> Self::Path;

    /// Draws the channels, as positions minus 5, after each path's tail; levels and results are
    /// `[path][channel]`.
    fn draw(
        &self,
        paths: &[Self::Path],
        tails: &[Tail],
        levels: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>, ForecastError>;
}

/// One rule for all channels.
pub(super) struct Joint<R: JointRule> {
    rule: Arc<R>,
    channels: usize,
    /// Channels from which nothing follows: zero in tails.
    outcomes: Vec<usize>,
    tails: Vec<Tail>,
    /// One per path after a fork.
    paths: Vec<R::Path>,
    /// Largest action of the first rows, per action.
    scales: Vec<f64>,
}

impl<R: JointRule> Joint<R> {
    pub(super) fn new(rule: R, channels: usize, outcomes: &[usize]) -> Self {
        Self {
            rule: Arc::new(rule),
            channels,
            outcomes: outcomes.to_vec(),
            tails: vec![Tail::default()],
            paths: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// Learns from another recording: positions `[rows, channels]`, inside or outside of the axis,
    /// with actions.
    pub(super) fn learn(
        &mut self,
        positions: Array2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<(), ForecastError> {
        self.scale_to(actions);
        let mut tail = Tail::default();
        for (row, actions) in positions.rows().into_iter().zip(actions.rows()) {
            let row: Vec<f64> = row
                .iter()
                .map(|y| (y - 5.0).clamp(-MAX_POSITION, MAX_POSITION))
                .collect();
            Arc::make_mut(&mut self.rule).learn(&tail, &row)?;
            tail.push(self.inputs(row), self.scaled(actions));
        }
        Ok(())
    }

    /// Modifies the rule.
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut R) -> Result<(), ForecastError>,
    ) -> Result<(), ForecastError> {
        change(Arc::make_mut(&mut self.rule))
    }

    /// Sets the units of actions from the first ones.
    fn scale_to(&mut self, actions: ArrayView2<f64>) {
        if self.scales.is_empty() {
            let largest =
                |column: ArrayView1<f64>| column.iter().fold(0.0, |m: f64, a| m.max(a.abs()));
            let scales = actions.columns().into_iter().map(largest);
            self.scales = scales.map(|s| if s > 0.0 { s } else { 1.0 }).collect();
        }
    }

    /// Returns what of a row the next one follows from.
    fn inputs(&self, mut row: Vec<f64>) -> Vec<f64> {
        self.outcomes.iter().for_each(|&channel| row[channel] = 0.0);
        row
    }

    fn scaled(&self, actions: ArrayView1<f64>) -> Vec<f64> {
        let scaled = actions.iter().zip(&self.scales);
        let scaled =
            scaled.map(|(action, scale)| (action / scale).clamp(-MAX_POSITION, MAX_POSITION));
        scaled.collect()
    }
}

impl<R: JointRule> Continuation for Joint<R> {
    fn batch(&self) -> usize {
        self.channels * self.tails.len()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        self.scale_to(rows.actions);
        let mut densities = Array3::zeros((wanted.len(), self.channels, BIN_COUNT));
        for t in 0..rows.len() {
            if wanted.contains(&t) {
                let masses = self.rule.densities(&self.tails[..1])?;
                for (c, mass) in masses[0].iter().enumerate() {
                    let mass: Vec<f32> = mass.density().collect();
                    let to = s![t - wanted.start, c, ..];
                    densities.slice_mut(to).assign(&aview1(&mass));
                }
            }
            let row = rows.positions.row(t);
            let row: Vec<f64> = row.iter().map(|&y| Point::of(y).position() - 5.0).collect();
            Arc::make_mut(&mut self.rule).learn(&self.tails[0], &row)?;
            let (row, actions) = (self.inputs(row), self.scaled(rows.actions.row(t)));
            self.tails[0].push(row, actions);
        }
        Ok(densities.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let masses = self.rule.densities(&self.tails)?;
        let mut densities = Vec::with_capacity(self.batch() * BIN_COUNT);
        for c in 0..self.channels {
            for path in &masses {
                densities.extend(path[c].density());
            }
        }
        Ok(Densities::of_row(densities))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let paths = self.tails.len();
        let of_path = |path| (0..self.channels).map(move |c| levels[c * paths + path]);
        let levels: Vec<Vec<f64>> = (0..paths).map(|path| of_path(path).collect()).collect();
        let drawn = self.rule.draw(&self.paths, &self.tails, &levels)?;
        let points = (0..self.channels).flat_map(|c| drawn.iter().map(move |row| row[c]));
        Ok(points.map(|y| Point::of(5.0 + y)).collect())
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let paths = self.tails.len();
        let width = self.scales.len();
        for path in 0..paths {
            let row = (0..self.channels).map(|c| values[c * paths + path].position() - 5.0);
            let row = self.inputs(row.collect());
            // Without future actions, those of the last row are held.
            let actions = match actions.get(path * width..(path + 1) * width) {
                Some(actions) => self.scaled(aview1(actions)),
                None => self.tails[path].actions.clone(),
            };
            self.tails[path].push(row, actions);
        }
        Ok(())
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let numbers = paths.first..paths.first + paths.count;
        let drawn = numbers.map(|path| self.rule.path(&mut paths.random(path, 0)));
        Ok(Box::new(Self {
            rule: self.rule.clone(),
            channels: self.channels,
            outcomes: self.outcomes.clone(),
            tails: vec![self.tails[0].clone(); paths.count],
            paths: drawn.collect(),
            scales: self.scales.clone(),
        }))
    }
}
