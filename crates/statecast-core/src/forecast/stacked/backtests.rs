//! Backtests inside a context: paths from origins before its end, compared with the observed rows.

use ndarray::{Array2, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::Sampler;
use super::rows::Rows;
use super::weights::Distances;
use crate::forecast::{Continuation, ForecastError, Observed, Paths, Point};

/// Places of the context at which backtests may begin, and how many of them do: more where few channels are
/// continued for few steps.
const PLACES: usize = 12;
pub(super) const ORIGINS: usize = 2;
const ENOUGH_STEPS: usize = 48;

/// Share of the rows that were read before the first place, and share that the steps after an
/// origin take at most.
const READ: f64 = 0.4;
const AHEAD: f64 = 0.4;

/// Fewest and most steps of a backtest.
const MIN_STEPS: usize = 4;
pub(super) const MAX_STEPS: usize = 50;

/// Paths of every sampler from an origin, if as many may advance together, and the fewest.
const PATHS: usize = 8;
const MIN_PATHS: usize = 2;

/// Channels from which on there are fewer: many channels show enough, and narrow paths, which differ less,
/// most of it.
const MANY_CHANNELS: usize = 21;
const PATHS_OF_MANY: f64 = 4.0;

/// Sets the draws of backtests apart from those of forecasts.
const SEED: u64 = 0xbac7_7e57;

/// Rows at which backtests may begin, evenly spaced in the last `window` of `rows` rows.
pub(super) fn places(rows: usize, window: usize) -> Vec<usize> {
    let window = window.min(rows);
    let first = rows - window + (READ * window as f64) as usize;
    let last = rows.saturating_sub(MIN_STEPS);
    if last < first + PLACES {
        return Vec::new();
    }
    let place = |k: usize| first + k * (last - first) / (PLACES - 1);
    (0..PLACES).map(place).collect()
}

/// Steps of the backtests in a context of so many rows and channels that is going to be continued for
/// `steps`, and the indices of those places at which they begin, `least` or more of few channels.
///
/// They begin as late as their steps do not overlap: a forecaster that learns fast is far better after the context
/// than it was halfway through.
pub(super) fn origins(
    places: &[usize],
    (rows, channels): (usize, usize),
    steps: usize,
    least: usize,
) -> (usize, Vec<usize>) {
    let steps = steps.min(MAX_STEPS).min((AHEAD * rows as f64) as usize);
    let fitting = places.iter().filter(|&&row| row + steps <= rows).count();
    let wanted = match channels < MANY_CHANNELS {
        true => least.max(ENOUGH_STEPS / steps.max(1)),
        false => ORIGINS,
    };
    let count = wanted.min(fitting);
    let rows_apart = match places {
        [first, .., last] => ((last - first) / (places.len() - 1)).max(1),
        _ => 1,
    };
    let origin = |k: usize| match count {
        1 => fitting - 1,
        _ => {
            let even = k * (fitting - 1) / (count - 1);
            let from_last = (count - 1 - k) * steps.div_ceil(rows_apart);
            even.max((fitting - 1).saturating_sub(from_last))
        }
    };
    (steps, (0..count).map(origin).collect())
}

/// Paths of a sampler of so many channels from an origin.
fn paths_of(sampler: Sampler, channels: usize) -> usize {
    match channels < MANY_CHANNELS {
        true => PATHS,
        false => MIN_PATHS.max((PATHS_OF_MANY * sampler.spread.min(1.0)) as usize),
    }
}

/// Steps of all paths of some samplers of so many channels from an origin, each of so many steps.
pub(super) fn path_steps(samplers: &[Sampler], channels: usize, steps: usize) -> usize {
    let paths = samplers.iter().map(|&s| paths_of(s, channels));
    steps * paths.sum::<usize>()
}

/// A row, the forecasters' states before it, and the steps after it.
pub(super) struct Backtest<'b> {
    pub(super) row: usize,
    pub(super) steps: usize,
    pub(super) forecasters: Vec<&'b dyn Continuation>,
    /// Which of them read and draw positions on the axis only. That of the context knows more than an axis
    /// that was fitted before the row: their draws are held to the latter.
    pub(super) bounded: Vec<bool>,
}

impl Backtest<'_> {
    /// Distances between the samplers' paths and to the observed rows, step by step. `progress` is told
    /// which share of the work is done.
    pub(super) fn run(
        &self,
        samplers: &[Sampler],
        rows: &Rows,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<Distances>, ForecastError> {
        let came = rows.get(self.row..self.row + self.steps);
        let channels = came.positions.ncols();
        let row = self.row;
        let mut trials = self.trials(samplers, channels)?;
        // Every forecaster on a thread of its own, the first one on this, which may be stopped by what is told.
        rayon::in_place_scope(|scope| {
            let Some((first, others)) = trials.split_first_mut() else {
                return;
            };
            for trial in others {
                scope.spawn(|_| trial.drawn = trial.sampled(row, came, &|_| ()));
            }
            first.drawn = first.sampled(row, came, progress);
        });
        let mut drawn: Vec<Array2<f64>> = vec![Array2::zeros((channels, 0)); self.steps];
        let mut counts = Vec::with_capacity(samplers.len());
        for trial in trials {
            let mut sampled = trial.drawn?;
            if self.bounded[trial.number] {
                for (c, step) in (0..channels).flat_map(|c| (0..self.steps).map(move |t| (c, t))) {
                    let (low, high) = rows.axis(c, self.row);
                    let mut row = sampled[step].row_mut(c);
                    row.mapv_inplace(|y| y.clamp(low, high));
                }
            }
            for (all, sampled) in drawn.iter_mut().zip(sampled) {
                all.append(Axis(1), sampled.view())
                    .expect("one row a channel");
            }
            counts.extend(trial.counts);
        }
        let extents: Vec<f64> = (0..channels).map(|c| rows.extent(c)).collect();
        let mut distances = vec![Distances::new(samplers.len()); self.steps];
        for t in (0..self.steps).filter(|&t| !came.begins[t]) {
            for (c, &extent) in extents.iter().enumerate() {
                let row = drawn[t].row(c).to_vec();
                let mut rest = &row[..];
                let of_samplers = counts.iter().map(|&count| {
                    let (own, others) = rest.split_at(count);
                    rest = others;
                    own
                });
                let draws: Vec<&[f64]> = of_samplers.collect();
                distances[t].add(&draws, came.positions[[t, c]], extent);
            }
        }
        Ok(distances)
    }

    /// One of every forecaster that has samplers.
    fn trials(
        &self,
        samplers: &[Sampler],
        channels: usize,
    ) -> Result<Vec<OfForecaster>, ForecastError> {
        let mut trials = Vec::with_capacity(self.forecasters.len());
        for (number, forecaster) in self.forecasters.iter().enumerate() {
            let own = samplers.iter().filter(|s| s.forecaster == number);
            let own: Vec<Sampler> = own.copied().collect();
            if own.is_empty() {
                continue;
            }
            let fitting = forecaster.paths_at_once(self.steps) / own.len();
            let count = |&s: &Sampler| paths_of(s, channels).min(fitting.max(MIN_PATHS));
            let counts: Vec<usize> = own.iter().map(count).collect();
            let batch = Batch::new(own.into_iter().zip(counts.iter().copied()));
            let together = Paths {
                first: 0,
                count: batch.paths.len(),
                seed: SEED,
            };
            trials.push(OfForecaster {
                number,
                forked: forecaster.fork(together, self.steps)?,
                batch,
                counts,
                drawn: Ok(Vec::new()),
            });
        }
        Ok(trials)
    }
}

/// A forecaster's paths from an origin.
struct OfForecaster {
    number: usize,
    forked: Box<dyn Continuation>,
    batch: Batch,
    /// Paths of every one of its samplers.
    counts: Vec<usize>,
    drawn: Result<Vec<Array2<f64>>, ForecastError>,
}

impl OfForecaster {
    /// Draws of all steps, `[channels, paths]` each, along recorded actions. To the first row of an
    /// episode all paths are led.
    fn sampled(
        &mut self,
        row: usize,
        came: Observed,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<Array2<f64>>, ForecastError> {
        let Self { forked, batch, .. } = self;
        let steps = came.len();
        let channels = came.positions.ncols();
        let count = batch.paths.len();
        let all: Vec<usize> = (0..count).collect();
        let stream = |path: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(SEED ^ row as u64);
            random.set_stream(path as u64);
            random
        };
        let mut random: Vec<ChaCha8Rng> = (0..batch.most).map(stream).collect();
        let mut drawn = Vec::with_capacity(steps);
        for t in 0..steps {
            // Paths of all samplers are drawn at the same levels.
            let shape = (batch.most, channels);
            let one = Array2::from_shape_fn(shape, |(path, _)| random[path].random());
            let shape = (channels, count);
            let levels = Array2::from_shape_fn(shape, |(c, path)| one[[batch.paths[path].1, c]]);
            let mut levels: Vec<f64> = levels.into_iter().collect();
            let points: Vec<Point> = match came.begins[t] {
                true => {
                    forked.begin(&all);
                    let observed = came.positions.row(t);
                    let row = observed.iter().map(|&y| Point::at(y));
                    row.flat_map(|point| std::iter::repeat_n(point, count))
                        .collect()
                }
                false => {
                    forked.couple(&mut levels);
                    for (i, level) in levels.iter_mut().enumerate() {
                        *level = batch.paths[i % count].0.level(*level);
                    }
                    forked.draw(&levels)?
                }
            };
            let positions = points.iter().map(|point| point.position()).collect();
            let positions = Array2::from_shape_vec(shape, positions);
            drawn.push(positions.expect("a point for every channel of every path"));
            if t + 1 < steps {
                let taken = came.actions.slice(s![t, ..]);
                let taken: Vec<f64> = (0..count).flat_map(|_| taken.iter().copied()).collect();
                forked.advance(&points, &taken)?;
            }
            progress((t + 1) as f64 / steps as f64);
        }
        Ok(drawn)
    }
}

/// Paths of one forecaster's samplers that advance together.
struct Batch {
    /// The sampler of each, and its number among that sampler's.
    paths: Vec<(Sampler, usize)>,
    /// Most paths of one sampler.
    most: usize,
}

impl Batch {
    fn new(counts: impl Iterator<Item = (Sampler, usize)>) -> Self {
        let of = |(sampler, count)| (0..count).map(move |path| (sampler, path));
        let paths: Vec<(Sampler, usize)> = counts.flat_map(of).collect();
        let most = paths.iter().map(|(_, path)| path + 1).max();
        Self {
            most: most.unwrap_or(0),
            paths,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backtests_lie_in_the_context() {
        for rows in [2, 20, 60, 500, 20_000] {
            for (window, steps) in [(1000, 1), (100, 20), (1000, 400)] {
                let places = places(rows, window);
                let (steps, origins) = origins(&places, (rows, 2), steps, ORIGINS);
                assert!(origins.is_sorted() && origins.len() <= PLACES);
                for i in origins {
                    assert!(places[i] + steps <= rows && places[i] + window >= rows);
                }
            }
        }
        assert_eq!(origins(&places(120, 1000), (120, 2), 50, ORIGINS).0, 48);
        assert_eq!(
            origins(&places(120, 1000), (120, 2), 50, ORIGINS).1.len(),
            ORIGINS
        );
        assert!(places(16, 1000).is_empty());
    }

    /// Fault: the first of two origins lay at 40 % of the context, where a fast learner knows little.
    #[test]
    fn backtests_begin_as_late_as_they_do_not_overlap() {
        let places = places(120, 1000);
        let (steps, origins) = origins(&places, (120, 2), 20, ORIGINS);
        let rows: Vec<usize> = origins.iter().map(|&i| places[i]).collect();
        assert_eq!((steps, rows), (20, vec![72, 97]));
    }

    /// Nine origins of five steps took longer than the forecast of 200 channels.
    #[test]
    fn contexts_of_many_channels_have_few_backtests() {
        let places = places(500, 1000);
        assert_eq!(origins(&places, (500, 200), 5, ORIGINS).1.len(), ORIGINS);
        assert!(origins(&places, (500, 2), 5, ORIGINS).1.len() > ORIGINS);
    }
}
