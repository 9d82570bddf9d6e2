//! A context that was read by the first forecaster of a pool, and by the others once they are needed.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use ndarray::{Axis, concatenate};

use super::Sampler;
use super::backtests::{Backtest, MOST, origins, places};
use super::pool::Pool;
use super::rows::Rows;
use super::weights::Distances;
use crate::forecast::{
    Continuation, Densities, Encoding, ForecastError, Observed, Paths, Point, Predictor, Start,
};

/// Weight, as a share of the largest, below which a sampler draws no paths.
const LEAST: f64 = 0.02;

/// What was read of a context.
pub(super) struct Context<'m> {
    first: Box<dyn Continuation<'m> + 'm>,
    others: Vec<Rc<dyn Predictor<'m> + 'm>>,
    encoding: Encoding,
    active: Vec<usize>,
    units: Vec<f64>,
    rows: Rows,
    /// Rows at which backtests may begin, and the first forecaster's states before those that
    /// have come.
    places: Vec<usize>,
    states: Vec<Box<dyn Continuation<'m> + 'm>>,
    stack: OnceCell<Stack<'m>>,
}

/// The other forecasters behind the context, and the weights of all samplers.
struct Stack<'m> {
    others: Vec<Other<'m>>,
    weights: Vec<f64>,
}

/// One of the other forecasters and the rows that it has read.
struct Other<'m> {
    predictor: Rc<dyn Predictor<'m> + 'm>,
    continuation: Box<dyn Continuation<'m> + 'm>,
    read: Range<usize>,
}

impl Other<'_> {
    /// Reads the rows up to one.
    fn read_to(&mut self, rows: &Rows, end: usize) -> Result<(), ForecastError> {
        if self.read.end < end {
            let unread = rows.get(self.read.end..end);
            self.continuation.observe(unread, 0..0)?;
            self.read.end = end;
        }
        Ok(())
    }

    /// Whether the rows up to one fit, in front of so many steps.
    fn fits(&self, end: usize, steps: usize) -> bool {
        self.predictor.check(end - self.read.start, steps).is_ok()
    }
}

impl<'m> Context<'m> {
    pub(super) fn new(
        first: Box<dyn Continuation<'m> + 'm>,
        others: Vec<Rc<dyn Predictor<'m> + 'm>>,
        start: Start,
    ) -> Self {
        let longest = others.iter().map(|other| other.longest_context(MOST));
        Self {
            first,
            places: places(start.rows, longest.min().unwrap_or(usize::MAX)),
            others,
            encoding: start.encoding.clone(),
            active: start.active.to_vec(),
            units: start.units.to_vec(),
            rows: Rows::new(start.channels(), start.units.len()),
            states: Vec::new(),
            stack: OnceCell::new(),
        }
    }

    /// The other forecasters and the weights, for paths of so many steps if this is asked first.
    fn stack(&self, steps: usize) -> Result<&Stack<'m>, ForecastError> {
        if let Some(stack) = self.stack.get() {
            return Ok(stack);
        }
        let stack = self.stacked(steps)?;
        Ok(self.stack.get_or_init(|| stack))
    }

    fn stacked(&self, steps: usize) -> Result<Stack<'m>, ForecastError> {
        let rows = self.rows.len();
        let mut others = self.others.iter().map(|o| self.started(o, steps));
        let mut others: Vec<Other> = others.by_ref().collect::<Result<_, _>>()?;
        let samplers = Sampler::all(1 + others.len());
        let mut distances = Distances::new(samplers.len());
        let (steps, origins) = origins(&self.places[..self.states.len()], rows, steps);
        for origin in origins {
            let row = self.places[origin];
            for other in &mut others {
                other.read_to(&self.rows, row)?;
            }
            let mut forecasters = vec![&*self.states[origin]];
            forecasters.extend(others.iter().map(|other| &*other.continuation));
            let backtest = Backtest {
                row,
                steps,
                forecasters,
            };
            backtest.run(&samplers, &self.rows, &mut distances)?;
        }
        for other in &mut others {
            other.read_to(&self.rows, rows)?;
        }
        let prior: Vec<f64> = samplers.iter().map(|sampler| sampler.prior()).collect();
        let weights = distances.stacked(&normalised(prior));
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let kept = weights.into_iter();
        let kept = kept.map(|w| if w < LEAST * largest { 0.0 } else { w });
        Ok(Stack {
            others,
            weights: normalised(kept.collect()),
        })
    }

    /// One of the other forecasters before the rows that it is going to read: the last ones, as many as
    /// leave room for so many steps.
    fn started(
        &self,
        predictor: &Rc<dyn Predictor<'m> + 'm>,
        steps: usize,
    ) -> Result<Other<'m>, ForecastError> {
        let rows = self.rows.len();
        let longest = predictor.longest_context(steps.max(MOST));
        let begin = rows.saturating_sub(longest);
        let continuation = predictor.start(Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            rows: rows - begin,
        })?;
        Ok(Other {
            predictor: Rc::clone(predictor),
            continuation,
            read: begin..begin,
        })
    }
}

fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

impl<'m> Continuation<'m> for Context<'m> {
    fn batch(&self) -> usize {
        self.first.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let before = self.rows.len();
        self.rows.add(rows);
        let cuts = self.places[self.states.len()..].iter();
        let cuts = cuts.filter(|&&row| (before..before + rows.len()).contains(&row));
        let mut cuts: Vec<usize> = cuts.map(|row| row - before).collect();
        cuts.push(rows.len());
        let mut parts = Vec::with_capacity(cuts.len());
        let mut start = 0;
        for (i, &end) in cuts.iter().enumerate() {
            let within = |row: usize| row.clamp(start, end) - start;
            let wanted = within(wanted.start)..within(wanted.end);
            parts.push(self.first.observe(rows.rows(start..end), wanted)?);
            if i + 1 < cuts.len() {
                let one = Paths {
                    first: 0,
                    count: 1,
                    seed: 0,
                };
                self.states.push(self.first.fork(one, 0)?);
            }
            start = end;
        }
        if let Some(mut stack) = self.stack.take() {
            let end = self.rows.len();
            if stack.others.iter().all(|other| other.fits(end, MOST)) {
                for other in &mut stack.others {
                    other.read_to(&self.rows, end)?;
                }
                self.stack.get_or_init(|| stack);
            }
        }
        let masses: Vec<_> = parts.iter().map(|part| part.masses.view()).collect();
        let grids: Vec<_> = parts.iter().map(|part| part.grids.view()).collect();
        Ok(Densities {
            masses: concatenate(Axis(0), &masses).expect("parts have the same sequences"),
            grids: concatenate(Axis(0), &grids).expect("parts have the same sequences"),
        })
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        self.first.next_densities()
    }

    fn couple(&self, levels: &mut [f64]) {
        self.first.couple(levels);
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        self.first.draw(levels)
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.first.discard(sequences);
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        // What was imagined is not part of the context: from here on the first goes on alone.
        self.places.truncate(self.states.len());
        self.first.advance(values, actions)
    }

    fn fork(
        &self,
        paths: Paths,
        steps: usize,
    ) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        let stack = self.stack(steps + 1)?;
        let mut forecasters = vec![&*self.first];
        forecasters.extend(stack.others.iter().map(|other| &*other.continuation));
        let samplers = Sampler::all(forecasters.len());
        let pool = Pool::new(&forecasters, &samplers, &stack.weights, paths, steps)?;
        Ok(Box::new(pool))
    }

    fn clipped(&self) -> usize {
        self.first.clipped()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        self.first.paths_at_once(steps)
    }
}
