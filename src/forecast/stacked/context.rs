//! A context that was read by the first forecaster of a pool, and by the others once they are needed.

use std::cell::{Ref, RefCell};
use std::ops::Range;
use std::rc::Rc;

use ndarray::{Axis, concatenate};

use super::backtests::{Backtest, MOST, origins, places};
use super::pool::Pool;
use super::rows::Rows;
use super::weights::Distances;
use super::{PathWeight, Sampler, Steps};
use crate::experts::Leadership;
use crate::forecast::long_context::first_shown;
use crate::forecast::{
    Continuation, Densities, Encoding, ForecastError, Observed, Paths, Point, Predictor, Start,
};

/// Growth of a context, and of the steps asked for, since weights were chosen, from which on they are
/// chosen anew.
const GROWN: f64 = 1.5;
const LONGER: usize = 2;

/// What was read of a context.
pub(super) struct Context<'m> {
    predictor: Rc<dyn Predictor<'m> + 'm>,
    first: Box<dyn Continuation<'m> + 'm>,
    others: Vec<Rc<dyn Predictor<'m> + 'm>>,
    /// Names of all, the first one's first.
    names: Vec<String>,
    steps: Steps,
    encoding: Encoding,
    active: Vec<usize>,
    units: Vec<f64>,
    rows: Rows,
    /// Rows at which backtests may begin, and the first forecaster's states before those that
    /// have come.
    places: Vec<usize>,
    states: Vec<Box<dyn Continuation<'m> + 'm>>,
    stack: RefCell<Option<Stack<'m>>>,
}

/// The other forecasters behind the context, and the weights of all samplers.
struct Stack<'m> {
    others: Vec<Other<'m>>,
    weights: Vec<f64>,
    /// Rows of the context and steps for which they were chosen.
    rows: usize,
    steps: usize,
}

/// One of the other forecasters, and how many rows it has read.
struct Other<'m> {
    continuation: Box<dyn Continuation<'m> + 'm>,
    read: usize,
}

impl Other<'_> {
    /// Reads the rows up to one.
    fn read_to(&mut self, rows: &Rows, end: usize) -> Result<(), ForecastError> {
        if self.read < end {
            self.continuation.observe(rows.get(self.read..end), 0..0)?;
            self.read = end;
        }
        Ok(())
    }
}

impl<'m> Context<'m> {
    /// Nothing read yet; `predictor` is the first forecaster.
    pub(super) fn new(
        predictor: Rc<dyn Predictor<'m> + 'm>,
        (others, names): (Vec<Rc<dyn Predictor<'m> + 'm>>, Vec<String>),
        steps: Steps,
        start: Start,
    ) -> Result<Self, ForecastError> {
        let windows = others.iter().map(|other| other.window());
        let window = windows.min().unwrap_or(usize::MAX).min(predictor.window());
        Ok(Self {
            first: predictor.start(start)?,
            predictor,
            places: places(start.rows, window.saturating_sub(MOST)),
            others,
            names,
            steps,
            encoding: start.encoding.clone(),
            active: start.active.to_vec(),
            units: start.units.to_vec(),
            rows: Rows::new(start.channels(), start.units.len()),
            states: Vec::new(),
            stack: RefCell::default(),
        })
    }

    /// The other forecasters and the weights, which are chosen for paths of so many steps if there are
    /// none for nearly as long a context and as many steps.
    fn stack(&self, steps: usize) -> Result<Ref<'_, Stack<'m>>, ForecastError> {
        let before = self.stack.borrow().as_ref().map(|s| (s.rows, s.steps));
        let chosen = match before {
            None => Some(self.stacked(steps)?),
            Some((rows, _)) if self.rows.len() as f64 >= GROWN * rows as f64 => {
                Some(self.read_again()?.stacked(steps)?)
            }
            Some((_, few)) if steps.min(MOST) > LONGER * few => Some(self.stacked(steps)?),
            Some(_) => None,
        };
        if chosen.is_some() {
            self.stack.replace(chosen);
        }
        let stack = self.stack.borrow();
        Ok(Ref::map(stack, |stack| {
            stack.as_ref().expect("there was one, or it was chosen")
        }))
    }

    /// The same context, with states of the first forecaster from all over its rows.
    fn read_again(&self) -> Result<Self, ForecastError> {
        let rows = self.rows.len();
        let start = Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            rows,
        };
        let pool = (self.others.clone(), self.names.clone());
        let mut again = Self::new(self.predictor.clone(), pool, self.steps, start)?;
        let passed = first_shown(self.predictor.window(), rows, rows, MOST);
        if passed > 0 {
            again.pass(self.rows.get(0..passed))?;
        }
        again.observe(self.rows.get(passed..rows), 0..0)?;
        Ok(again)
    }

    fn stacked(&self, steps: usize) -> Result<Stack<'m>, ForecastError> {
        let rows = self.rows.len();
        let asked = steps.min(MOST);
        let mut others = self.others.iter().map(|o| self.started(o, steps));
        let mut others: Vec<Other> = others.by_ref().collect::<Result<_, _>>()?;
        let samplers = Sampler::all(1 + others.len());
        let bounded = self.others.iter().map(|other| other.is_bounded());
        let bounded: Vec<bool> = std::iter::once(self.predictor.is_bounded())
            .chain(bounded)
            .collect();
        // None may have read rows after an origin.
        let passed = others.iter().map(|other| other.read).max().unwrap_or(0);
        let come = &self.places[..self.states.len()];
        let first = come.partition_point(|&row| row < passed);
        let size = (rows, self.first.batch());
        let (steps, origins) = origins(&come[first..], size, steps);
        let mut by_origin = Vec::with_capacity(origins.len());
        for origin in origins.into_iter().map(|i| first + i) {
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
                bounded: bounded.clone(),
            };
            let mut distances = vec![Distances::new(samplers.len()); steps];
            backtest.run(&samplers, &self.rows, &mut distances)?;
            by_origin.push(distances);
        }
        for other in &mut others {
            other.read_to(&self.rows, rows)?;
        }
        let prior: Vec<f64> = samplers.iter().map(|sampler| sampler.prior()).collect();
        let distances = self.steps.distances(&by_origin, samplers.len());
        let weights = distances.stacked(&normalised(prior));
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let kept = weights.into_iter();
        let least = self.steps.least_weight() * largest;
        let kept = kept.map(|w| if w < least { 0.0 } else { w });
        Ok(Stack {
            others,
            weights: normalised(kept.collect()),
            rows,
            steps: asked,
        })
    }

    /// One of the other forecasters behind the rows that it need only pass to have so many steps ahead.
    fn started(
        &self,
        predictor: &Rc<dyn Predictor<'m> + 'm>,
        steps: usize,
    ) -> Result<Other<'m>, ForecastError> {
        let rows = self.rows.len();
        let passed = first_shown(predictor.window(), rows, rows, steps.max(MOST));
        let mut continuation = predictor.start(Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            rows,
        })?;
        if passed > 0 {
            continuation.pass(self.rows.get(0..passed))?;
        }
        Ok(Other {
            continuation,
            read: passed,
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
        if let Some(stack) = self.stack.get_mut() {
            let mut others = stack.others.iter_mut();
            others.try_for_each(|other| other.read_to(&self.rows, self.rows.len()))?;
        }
        let masses: Vec<_> = parts.iter().map(|part| part.masses.view()).collect();
        let grids: Vec<_> = parts.iter().map(|part| part.grids.view()).collect();
        Ok(Densities {
            masses: concatenate(Axis(0), &masses).expect("parts have the same sequences"),
            grids: concatenate(Axis(0), &grids).expect("parts have the same sequences"),
        })
    }

    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.rows.add(rows);
        let (come, passed) = (self.states.len(), self.rows.len());
        let mut places = self.places.split_off(come);
        places.retain(|&row| row >= passed);
        self.places.append(&mut places);
        self.first.pass(rows)
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
        if steps == 0 {
            // The paths' only step is the one of which the first forecaster gives the density.
            return self.first.fork(paths, steps);
        }
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

    fn leaders(&self) -> Vec<Leadership> {
        self.first.leaders()
    }

    fn path_weights(&self) -> Vec<PathWeight> {
        let stack = self.stack.borrow();
        let Some(stack) = stack.as_ref() else {
            return Vec::new();
        };
        let samplers = Sampler::all(self.names.len()).into_iter();
        let weighed = samplers.zip(&stack.weights).filter(|(_, w)| **w > 0.0);
        let weighed = weighed.map(|(sampler, &weight)| PathWeight {
            forecaster: self.names[sampler.forecaster].clone(),
            spread: sampler.spread,
            weight,
        });
        let mut weights: Vec<PathWeight> = weighed.collect();
        weights.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        weights
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        self.first.paths_at_once(steps)
    }
}
