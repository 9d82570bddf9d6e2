//! A context that was read by the first forecaster of a pool, and by the others once they are needed.

use std::cell::{Ref, RefCell};
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Axis, concatenate};
use rayon::prelude::*;

use super::backtests::{Backtest, MAX_STEPS, origins, path_steps, places};
use super::pool::Pool;
use super::rows::Rows;
use super::trial::Trial;
use super::{PathWeight, Sampler, Stacked};
use crate::experts::Leadership;
use crate::forecast::long_context::first_shown;
use crate::forecast::{
    Continuation, Densities, Encoding, ForecastError, Observed, Paths, Point, Predictor, Start,
};
use crate::recording::Calendar;

/// Growth of a context, and of the steps asked for, since weights were chosen, from which on they are
/// chosen anew.
const GROWN: f64 = 1.5;
const LONGER: usize = 2;

/// Part of the rows that pools read which the first forecaster learns again before the places of backtests.
const LEARNED_AGAIN: usize = 4;

/// What was read of a context.
pub(super) struct Context {
    forecasters: Stacked,
    first: Box<dyn Continuation>,
    /// The shortest of all.
    window: usize,
    encoding: Encoding,
    active: Vec<usize>,
    units: Vec<f64>,
    timed: bool,
    outcomes: Vec<usize>,
    calendar: Option<Calendar>,
    rows: Rows,
    /// Rows that were going to come when the places of backtests were chosen.
    announced: usize,
    /// Rows that are going to come, and steps that are going to be forecast after them: until the first
    /// rows come that were not passed.
    expected: Option<(usize, usize)>,
    /// Rows at which backtests begin, and the first forecaster's states before those that have come.
    places: Vec<usize>,
    states: Vec<Box<dyn Continuation>>,
    stack: RefCell<Option<Stack>>,
}

/// The samplers that draw paths, their weights, and the other forecasters that they need, after the
/// context.
struct Stack {
    others: Vec<Other>,
    samplers: Vec<Sampler>,
    weights: Vec<f64>,
    /// Rows of the context and steps for which they were chosen.
    rows: usize,
    steps: usize,
}

/// One of the other forecasters, and how many rows it has read.
struct Other {
    name: String,
    continuation: Box<dyn Continuation>,
    bounded: bool,
    read: usize,
}

impl Other {
    /// Reads the rows up to one of which none that it has not read is forgotten.
    fn read_to(&mut self, rows: &Rows, end: usize) -> Result<(), ForecastError> {
        if self.read < end {
            self.continuation.observe(rows.get(self.read..end), 0..0)?;
            self.read = end;
        }
        Ok(())
    }
}

/// Has all other forecasters read the rows up to one.
fn read_all(others: &mut [Other], rows: &Rows, end: usize) -> Result<(), ForecastError> {
    others
        .par_iter_mut()
        .try_for_each(|other| other.read_to(rows, end))
}

/// Keeps those of the other forecasters that samplers need; samplers are numbered anew.
fn keep_needed(others: &mut Vec<Other>, samplers: &mut [Sampler]) {
    let needs = |number: usize| samplers.iter().any(|s| s.forecaster == number);
    let needed: Vec<bool> = (1..=others.len()).map(needs).collect();
    for sampler in samplers {
        let before = &needed[..sampler.forecaster.saturating_sub(1)];
        sampler.forecaster -= before.iter().filter(|needed| !**needed).count();
    }
    let mut needed = needed.into_iter();
    others.retain(|_| needed.next().unwrap_or(true));
}

/// Last rows of a context in which backtests may begin.
fn tried(window: usize, forecasters: &Stacked) -> usize {
    window.saturating_sub(MAX_STEPS).min(forecasters.rows())
}

impl Context {
    /// Nothing read yet.
    pub(super) fn new(forecasters: Stacked, start: Start) -> Result<Self, ForecastError> {
        let rows = Rows::new(start.channels(), start.units.len(), forecasters.rows());
        let first = forecasters.first.start(start)?;
        Ok(Self::of(forecasters, start, first, rows))
    }

    /// With what the first forecaster and the others are to know before the first row comes.
    fn of(forecasters: Stacked, start: Start, first: Box<dyn Continuation>, before: Rows) -> Self {
        let windows = forecasters.others.iter().map(|other| other.window());
        let window = windows.min().unwrap_or(usize::MAX);
        let window = window.min(forecasters.first.window());
        Self {
            window,
            expected: Some((start.rows, start.ahead)),
            places: places(start.rows, tried(window, &forecasters)),
            announced: start.rows,
            encoding: start.encoding.clone(),
            active: start.active.to_vec(),
            units: start.units.to_vec(),
            timed: start.timed,
            outcomes: start.outcomes.to_vec(),
            calendar: start.calendar.cloned(),
            rows: before,
            first,
            forecasters,
            states: Vec::new(),
            stack: RefCell::default(),
        }
    }

    /// Leaves those of the places at which backtests begin if as many rows and steps come as were
    /// expected.
    fn choose_places(&mut self) {
        let Some((rows, steps)) = self.expected.take() else {
            return;
        };
        let steps = if steps == 0 { MAX_STEPS } else { steps };
        let passed = first_shown(self.window, rows, rows, steps.max(MAX_STEPS));
        self.places.retain(|&row| row >= passed);
        let (_, origins) = origins(
            &self.places,
            (rows, self.first.batch()),
            steps,
            self.forecasters.judging.origins,
        );
        self.places = match steps {
            // A single step is not backtested.
            1 => Vec::new(),
            _ => origins.into_iter().map(|i| self.places[i]).collect(),
        };
    }

    /// Whether weights were chosen for nearly as long a context and as many steps.
    fn is_chosen_for(&self, steps: usize) -> bool {
        let (rows, steps) = (self.rows.len() as f64, steps.min(MAX_STEPS));
        let holds = |s: &Stack| {
            let can_go_on = s.others.iter().all(|other| other.read >= self.rows.first());
            can_go_on && rows < GROWN * s.rows as f64 && steps <= LONGER * s.steps
        };
        self.stack.borrow().as_ref().is_some_and(holds)
    }

    /// Whether backtests can begin at the places that were chosen: it is the first time, and the context has not grown far
    /// beyond them.
    fn has_places(&self) -> bool {
        let is_first = self.stack.borrow().is_none();
        is_first && (self.rows.len() as f64) < GROWN * self.announced.max(1) as f64
    }

    /// The other forecasters after all rows, and the weights, which are chosen for paths of so many steps if they were not.
    fn stack(&self, steps: usize, progress: &dyn Fn(f64)) -> Result<Ref<'_, Stack>, ForecastError> {
        if !self.is_chosen_for(steps) {
            let chosen = match self.has_places() {
                true => self.stacked(steps, progress)?,
                false => self.read_again(steps)?.stacked(steps, progress)?,
            };
            self.stack.replace(Some(chosen));
        }
        if let Some(stack) = self.stack.borrow_mut().as_mut() {
            read_all(&mut stack.others, &self.rows, self.rows.len())?;
        }
        let stack = self.stack.borrow();
        Ok(Ref::map(stack, |stack| {
            stack.as_ref().expect("there was one, or it was chosen")
        }))
    }

    /// The same context, with states of the first forecaster where backtests of so many steps begin.
    fn read_again(&self, steps: usize) -> Result<Self, ForecastError> {
        let rows = self.rows.len();
        let start = Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            timed: self.timed,
            outcomes: &self.outcomes,
            rows,
            ahead: steps,
            calendar: self.calendar.as_ref(),
        };
        let passed = first_shown(
            self.forecasters.first.window(),
            rows,
            rows,
            steps.max(MAX_STEPS),
        );
        // What a stream taught long ago is not learned again by the first, whose experts take most of the time.
        let kept = self.forecasters.rows();
        let passed = passed.max(self.rows.first());
        let from = match rows > kept {
            true => passed.saturating_sub(kept / LEARNED_AGAIN),
            false => 0,
        };
        let from = from.max(self.rows.first());
        let calendar = self.calendar.as_ref().map(|all| all.slice(from..rows));
        let first = self.forecasters.first.start(Start {
            calendar: calendar.as_ref(),
            ..start
        })?;
        let mut before = self.rows.again();
        before.add(self.rows.get(self.rows.first()..from));
        let mut again = Self::of(self.forecasters.clone(), start, first, before);
        if from < passed {
            again.pass(self.rows.get(from..passed))?;
        }
        again.observe(self.rows.get(passed..rows), 0..0)?;
        Ok(again)
    }

    fn stacked(&self, steps: usize, progress: &dyn Fn(f64)) -> Result<Stack, ForecastError> {
        let rows = self.rows.len();
        let asked = steps.min(MAX_STEPS);
        let forecasters = &self.forecasters;
        let others = forecasters.others.iter().zip(&forecasters.names[1..]);
        let others = others.map(|(other, name)| self.started(other, name, steps));
        let mut others: Vec<Other> = others.collect::<Result<_, _>>()?;
        // None may have read rows after an origin.
        let passed = others.iter().map(|other| other.read).max();
        let passed = passed.unwrap_or(0).max(self.rows.first());
        let come = &self.places[..self.states.len()];
        let first = come.partition_point(|&row| row < passed);
        let (steps, origins) = origins(
            &come[first..],
            (rows, self.first.batch()),
            steps,
            self.forecasters.judging.origins,
        );
        let mut trial = Trial::new(
            forecasters.samplers(1 + others.len(), !origins.is_empty()),
            forecasters.judging,
        );
        for (i, origin) in origins.iter().map(|i| first + i).enumerate() {
            if i > 0 {
                trial.leave_out_hopeless();
                keep_needed(&mut others, trial.samplers_mut());
            }
            let row = self.places[origin];
            read_all(&mut others, &self.rows, row)?;
            let mut forecasters = vec![&*self.states[origin]];
            forecasters.extend(others.iter().map(|other| &*other.continuation));
            let bounded = others.iter().map(|other| other.bounded);
            let backtest = Backtest {
                row,
                steps,
                forecasters,
                bounded: std::iter::once(self.forecasters.first.is_bounded())
                    .chain(bounded)
                    .collect(),
            };
            let done = |share: f64| progress((i as f64 + share) / origins.len() as f64);
            trial.add(backtest.run(trial.samplers(), &self.rows, &done)?);
        }
        let (mut samplers, weights): (Vec<Sampler>, Vec<f64>) =
            trial.weighted().into_iter().unzip();
        keep_needed(&mut others, &mut samplers);
        read_all(&mut others, &self.rows, rows)?;
        Ok(Stack {
            others,
            samplers,
            weights,
            rows,
            steps: asked,
        })
    }

    /// One of the other forecasters after the rows that it need only pass to have so many steps ahead.
    fn started(
        &self,
        predictor: &Arc<dyn Predictor>,
        name: &str,
        steps: usize,
    ) -> Result<Other, ForecastError> {
        let rows = self.rows.len();
        let passed = first_shown(predictor.window(), rows, rows, steps.max(MAX_STEPS));
        let kept = rows.saturating_sub(self.forecasters.rows());
        let passed = passed.max(kept);
        let calendar = self.calendar.as_ref().map(|all| all.slice(kept..rows));
        let mut continuation = predictor.start(Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            timed: self.timed,
            outcomes: &self.outcomes,
            rows,
            ahead: steps,
            calendar: calendar.as_ref(),
        })?;
        if passed > kept {
            continuation.pass(self.rows.get(kept..passed))?;
        }
        Ok(Other {
            name: name.to_owned(),
            continuation,
            bounded: predictor.is_bounded(),
            read: passed,
        })
    }
}

impl Continuation for Context {
    fn batch(&self) -> usize {
        self.first.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        self.choose_places();
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

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        if steps == 0 {
            // The paths' only step is the one of which the first forecaster gives the density.
            return self.first.fork(paths, steps);
        }
        let stack = self.stack(steps + 1, &|_| ())?;
        let mut forecasters = vec![&*self.first];
        forecasters.extend(stack.others.iter().map(|other| &*other.continuation));
        let pool = Pool::new(&forecasters, &stack.samplers, &stack.weights, paths, steps)?;
        Ok(Box::new(pool))
    }

    fn preparation(&self, steps: usize) -> usize {
        if steps == 1 || self.is_chosen_for(steps) {
            return 0;
        }
        let rows = self.rows.len();
        let anew = places(rows, tried(self.window, &self.forecasters));
        let places = match self.has_places() {
            true => &self.places[..self.states.len()],
            false => &anew,
        };
        let (steps, origins) = origins(
            places,
            (rows, self.first.batch()),
            steps,
            self.forecasters.judging.origins,
        );
        let samplers = self
            .forecasters
            .samplers(1 + self.forecasters.others.len(), !origins.is_empty());
        origins.len() * path_steps(&samplers, self.first.batch(), steps)
    }

    fn prepare(&self, steps: usize, progress: &dyn Fn(f64)) -> Result<(), ForecastError> {
        match steps {
            1 => Ok(()),
            _ => self.stack(steps, progress).map(|_| ()),
        }
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
        let others = stack.others.iter().map(|other| &other.name);
        let names: Vec<&String> = self
            .forecasters
            .names
            .iter()
            .take(1)
            .chain(others)
            .collect();
        let weighed = stack.samplers.iter().zip(&stack.weights);
        let weighed = weighed.map(|(sampler, &weight)| PathWeight {
            forecaster: names[sampler.forecaster].clone(),
            spread: sampler.spread,
            weight,
        });
        let mut weights: Vec<PathWeight> = weighed.collect();
        weights.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        weights
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let stack = self.stack.borrow();
        let others = stack.iter().flat_map(|stack| &stack.others);
        let others = others.map(|other| other.continuation.paths_at_once(steps));
        others.fold(self.first.paths_at_once(steps), usize::min)
    }
}
