//! Paths that advance together, each along the draws of one sampler.

use std::ops::Range;

use ndarray::{Array3, s};
use rayon::prelude::*;

use super::Sampler;
use crate::codec::BIN_COUNT;
use crate::forecast::{Continuation, Densities, ForecastError, Observed, Paths, Point};

/// Multiples of the golden ratio, less their integers, are the most even of all sequences: any
/// first paths are shared out by the weights.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Paths of several forecasters.
pub(super) struct Pool {
    channels: usize,
    count: usize,
    parts: Vec<Part>,
}

/// The paths of one forecaster.
struct Part {
    continuation: Box<dyn Continuation>,
    /// Their indices among all, and the sampler of each.
    paths: Vec<usize>,
    samplers: Vec<Sampler>,
}

/// Index of the sampler of a path.
fn sampler_of(path: usize, weights: &[f64]) -> usize {
    let level = (0.5 + path as f64 * GOLDEN).fract();
    let mut below = 0.0;
    let reached = |&weight: &f64| {
        below += weight;
        below > level
    };
    let found = weights.iter().position(reached);
    let last = || weights.iter().rposition(|&weight| weight > 0.0);
    found.or_else(last).unwrap_or(0)
}

impl Pool {
    /// Forks forecasters whose samplers have weights.
    pub(super) fn new(
        forecasters: &[&dyn Continuation],
        samplers: &[Sampler],
        weights: &[f64],
        paths: Paths,
        steps: usize,
    ) -> Result<Self, ForecastError> {
        let of = |path: usize| samplers[sampler_of(path, weights)];
        let numbers = paths.first..paths.first + paths.count;
        let followed: Vec<Sampler> = numbers.map(of).collect();
        let mut parts = Vec::new();
        for (number, forecaster) in forecasters.iter().enumerate() {
            let own = followed.iter().enumerate();
            let own = own.filter(|(_, sampler)| sampler.forecaster == number);
            let (own, samplers): (Vec<usize>, Vec<Sampler>) = own.unzip();
            if own.is_empty() {
                continue;
            }
            // Its paths are numbered among themselves, however many advance together.
            let before = (0..paths.first).filter(|&path| of(path).forecaster == number);
            let paths = Paths {
                first: before.count(),
                count: own.len(),
                seed: paths.seed,
            };
            parts.push(Part {
                continuation: forecaster.fork(paths, steps)?,
                paths: own,
                samplers,
            });
        }
        Ok(Self {
            channels: forecasters[0].batch(),
            count: paths.count,
            parts,
        })
    }
}

impl Part {
    /// Indices of its sequences among those of `channels` of `count` paths.
    fn sequences(&self, channels: usize, count: usize) -> impl Iterator<Item = usize> + '_ {
        (0..channels).flat_map(move |c| self.paths.iter().map(move |path| c * count + path))
    }

    /// Those of some paths that are its own, by their indices in it.
    fn own(&self, paths: &[usize]) -> Vec<usize> {
        let own = self.paths.iter().enumerate();
        let own = own.filter(|(_, path)| paths.contains(path));
        own.map(|(i, _)| i).collect()
    }
}

impl Continuation for Pool {
    fn batch(&self) -> usize {
        self.channels * self.count
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        self.parts[0].continuation.observe(rows, wanted)
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let (channels, count) = (self.channels, self.count);
        let mut all: Densities = Array3::zeros((1, self.batch(), BIN_COUNT)).into();
        for part in &mut self.parts {
            let own = part.continuation.next_densities()?;
            for (from, to) in part.sequences(channels, count).enumerate() {
                all.grids[[0, to]] = own.grids[[0, from]];
                let masses = own.masses.slice(s![0, from, ..]);
                all.masses.slice_mut(s![0, to, ..]).assign(&masses);
            }
        }
        Ok(all)
    }

    fn couple(&self, levels: &mut [f64]) {
        for part in &self.parts {
            let sequences: Vec<usize> = part.sequences(self.channels, self.count).collect();
            let mut own: Vec<f64> = sequences.iter().map(|&i| levels[i]).collect();
            part.continuation.couple(&mut own);
            for (i, level) in sequences.into_iter().zip(own) {
                levels[i] = level;
            }
        }
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let (channels, count) = (self.channels, self.count);
        let drawn: Vec<Vec<(usize, Point)>> = self
            .parts
            .par_iter_mut()
            .map(|part| {
                let sequences: Vec<usize> = part.sequences(channels, count).collect();
                let samplers = part.samplers.iter().cycle();
                let own = sequences.iter().zip(samplers);
                let own: Vec<f64> = own.map(|(&i, sampler)| sampler.level(levels[i])).collect();
                let drawn = part.continuation.draw(&own)?;
                Ok(sequences.into_iter().zip(drawn).collect())
            })
            .collect::<Result<_, ForecastError>>()?;
        let mut points = vec![Point::of(0.0); levels.len()];
        for (i, point) in drawn.into_iter().flatten() {
            points[i] = point;
        }
        Ok(points)
    }

    fn discard(&mut self, sequences: &[usize]) {
        let (channels, count) = (self.channels, self.count);
        for part in &mut self.parts {
            let own = part.sequences(channels, count).enumerate();
            let own = own.filter(|(_, i)| sequences.contains(i));
            let own: Vec<usize> = own.map(|(i, _)| i).collect();
            part.continuation.discard(&own);
        }
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let (channels, count) = (self.channels, self.count);
        let width = actions.len() / count;
        self.parts.par_iter_mut().try_for_each(|part| {
            let own = part.sequences(channels, count);
            let own: Vec<Point> = own.map(|i| values[i]).collect();
            let taken = part.paths.iter().map(|path| path * width);
            let taken = taken.flat_map(|first| &actions[first..first + width]);
            let taken: Vec<f64> = taken.copied().collect();
            part.continuation.advance(&own, &taken)
        })
    }

    fn detach(&mut self, paths: &[usize]) {
        for part in &mut self.parts {
            let own = part.own(paths);
            part.continuation.detach(&own);
        }
    }

    fn begin(&mut self, paths: &[usize]) {
        for part in &mut self.parts {
            let own = part.own(paths);
            part.continuation.begin(&own);
        }
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        self.parts[0].continuation.fork(paths, steps)
    }

    fn clipped(&self) -> usize {
        let clipped = self.parts.iter().map(|part| part.continuation.clipped());
        clipped.sum()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let at_once = self.parts.iter();
        let at_once = at_once.map(|part| part.continuation.paths_at_once(steps));
        at_once.min().unwrap_or(usize::MAX)
    }
}
