//! Sampled continuations of a context.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayViewMut2, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::long_context::stretch_of;
use super::{Continuation, ForecastError, Levels, Paths, Point, Reading, Summary};
use crate::density::BinnedDensity;
use crate::metrics::{mean_and_std, quantile};

/// How a context is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutSettings {
    /// Steps to forecast.
    pub horizon: NonZeroUsize,
    /// Sample paths.
    pub samples: NonZeroUsize,
    /// Seed of the draws; equal seeds give equal paths.
    pub seed: u64,
    /// Paths that advance together; `None` for [`Continuation::paths_at_once`]. It changes speed and
    /// memory, not the paths.
    pub paths_at_once: Option<NonZeroUsize>,
    /// Most generated steps after the context; `None` for all, or as many as fit into a model's window.
    /// A path with that many restarts from the context plus their last quarter, so that horizons are
    /// not bounded by the window.
    pub max_steps: Option<NonZeroUsize>,
}

/// Most values of sample paths, of 8 bytes each.
const MAX_VALUES: usize = 200_000_000;

impl RolloutSettings {
    /// Checks that paths of so many variables can be held.
    ///
    /// # Errors
    /// [`ForecastError::TooManyValues`] if they cannot.
    pub fn check(&self, variables: usize) -> Result<(), ForecastError> {
        let (horizon, samples) = (self.horizon.get(), self.samples.get());
        let values = samples.saturating_mul(horizon).saturating_mul(variables);
        match values <= MAX_VALUES && horizon <= MAX_VALUES / 10 {
            true => Ok(()),
            false => Err(ForecastError::TooManyValues {
                samples,
                horizon,
                variables,
                most: MAX_VALUES,
            }),
        }
    }

    /// Returns the most generated steps after the context.
    pub(super) fn max_steps(&self) -> usize {
        let horizon = self.horizon.get();
        self.max_steps.map_or(horizon, |s| s.get().min(horizon))
    }
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            horizon: const { NonZeroUsize::new(50).unwrap() },
            samples: const { NonZeroUsize::new(100).unwrap() },
            seed: 0,
            paths_at_once: None,
            max_steps: None,
        }
    }
}

/// Actions that will be taken, `[horizon, actions]`: they replace the sampled ones.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownFuture(pub Array2<f64>);

impl Control for KnownFuture {
    fn act(
        &mut self,
        step: usize,
        _first: usize,
        drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        let actions = self.0.row(step);
        let actions = actions.broadcast((drawn.nrows(), actions.len()));
        Ok(actions.map(|actions| actions.to_owned()))
    }
}

/// What acts on sampled paths.
pub trait Control: Send {
    /// Actions `[paths, actions]` that paths `first..` take at the variables `[paths, variables]` that
    /// were drawn of a step; `None` if none of these paths goes on. What is known of the step may
    /// be written over what was drawn, such as the state at which a path starts.
    ///
    /// # Errors
    /// [`ForecastError::Control`] if it cannot act.
    fn act(
        &mut self,
        step: usize,
        first: usize,
        drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError>;

    /// Those of `paths` whose state in a step does not follow from the one before: it is going to
    /// be written over, or the path was ended. Models of the system are not asked about them.
    fn detached(&self, _step: usize, _paths: Range<usize>) -> Vec<usize> {
        Vec::new()
    }

    /// Whether it is told how uncertain each step is, which takes about as long as the step.
    fn wants_spread(&self) -> bool {
        false
    }

    /// Takes the standard deviations `[paths, variables]` of the densities from which a step of the paths `first..` is
    /// drawn; the draws follow by [`act`](Self::act).
    fn spread(&mut self, _step: usize, _first: usize, _std: Array2<f64>) {}
}

/// Sample paths of the variables.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// `[samples, horizon, variables]`.
    pub paths: Array3<f64>,
    /// Values fed back that were moved to an end: of their channel's axis, where only known actions
    /// can bring them beyond it, or, of paths that online experts follow, of the context's range
    /// widened by as much on either side. Each is counted once.
    pub clipped: usize,
}

impl Rollout {
    /// Share of the paths, of those on which a variable is defined, whose value at a step is a level; `NaN` if it is defined on
    /// none.
    ///
    /// # Panics
    /// If there is no such step or variable.
    pub fn share_at(&self, step: usize, variable: usize, level: f64) -> f64 {
        let values = self.paths.slice(s![.., step, variable]);
        let defined = values.iter().filter(|x| !x.is_nan()).count();
        let there = values.iter().filter(|x| **x == level).count();
        there as f64 / defined as f64
    }

    /// Values that are not defined (`NaN`), as those of a [derived](super::Derivation) quantity
    /// may be.
    pub fn undefined(&self) -> usize {
        self.paths.iter().filter(|x| x.is_nan()).count()
    }

    /// A quantile over the paths, `[horizon, variables]`, of a level from 0 to 1. Values that are not defined do
    /// not count; where none is, it is `NaN`.
    pub fn quantile(&self, level: f64) -> Array2<f64> {
        let (_, horizon, variables) = self.paths.dim();
        Array2::from_shape_fn((horizon, variables), |(h, v)| {
            let mut sample = self.paths.slice(s![.., h, v]).to_vec();
            sample.retain(|x| !x.is_nan());
            sample.sort_by(f64::total_cmp);
            quantile(&sample, level)
        })
    }

    /// Mean, spread and quantiles over the paths, `[horizon, variables]`. Values that are not defined
    /// do not count; where none is, all are `NaN`.
    pub fn summary(&self, levels: &Levels) -> Summary {
        let (_, horizon, variables) = self.paths.dim();
        let mut summary = Summary::zeros(horizon, variables, levels);
        for h in 0..horizon {
            for v in 0..variables {
                let mut sample = self.paths.slice(s![.., h, v]).to_vec();
                sample.retain(|x| !x.is_nan());
                (summary.mean[[h, v]], summary.std[[h, v]]) = mean_and_std(&sample);
                summary.set_quantiles(h, v, &mut sample);
            }
        }
        summary
    }
}

impl Reading {
    /// Continues the context along sampled paths. All paths and channels of a step are one batch;
    /// the context's keys and values are shared by all paths. Every path draws from its own stream
    /// of random numbers, so neither threads nor groups change it. `progress` is told after each
    /// step which share of the work is done.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if the context leaves no room in the model's window,
    /// [`ForecastError::Future`] if the known actions have another shape.
    pub fn rollout(
        &self,
        settings: &RolloutSettings,
        future: Option<&KnownFuture>,
        progress: &dyn Fn(f64),
    ) -> Result<Rollout, ForecastError> {
        let horizon = settings.horizon.get();
        match future {
            None if self.predictor.needs_actions() && self.taken() > 0 => {
                return Err(ForecastError::ActionsToCome(self.predictor.name()));
            }
            Some(KnownFuture(actions)) if actions.dim() != (horizon, self.taken()) => {
                return Err(ForecastError::Future {
                    found: actions.dim(),
                    expected: (horizon, self.taken()),
                });
            }
            _ => {}
        }
        let mut known = future.cloned();
        let control = known.as_mut().map(|known| known as &mut dyn Control);
        self.paths(settings, control, progress)
    }

    /// Continues the context along sampled paths on which a policy acts, as
    /// [`rollout`](Self::rollout) does otherwise.
    ///
    /// Where actions are variables, what was drawn of them is dropped and those taken are read in
    /// their place. The steps of a path after it was ended are zero.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if the context leaves no room in the model's window, and what the
    /// control reports.
    pub fn rollout_with_policy(
        &self,
        settings: &RolloutSettings,
        control: &mut dyn Control,
        progress: &dyn Fn(f64),
    ) -> Result<Rollout, ForecastError> {
        self.paths(settings, Some(control), progress)
    }

    fn paths(
        &self,
        settings: &RolloutSettings,
        mut control: Option<&mut dyn Control>,
        progress: &dyn Fn(f64),
    ) -> Result<Rollout, ForecastError> {
        let (horizon, samples) = (settings.horizon.get(), settings.samples.get());
        let predictor = &*self.predictor;
        let max_steps = match settings.max_steps {
            None => stretch_of(predictor, self.rows(), horizon),
            Some(_) => settings.max_steps(),
        };
        predictor.check(self.rows(), max_steps)?;
        let variables = self.encoding.disentangler().variables();
        settings.check(variables)?;
        let mut rollout = Rollout {
            paths: Array3::zeros((samples, horizon, variables)),
            clipped: 0,
        };
        let mut before = 0;
        if let Some(continuation) = &self.continuation {
            before = continuation.preparation(max_steps);
            let share = before as f64 / (before + samples * horizon) as f64;
            continuation.prepare(max_steps, &|done| progress(done * share))?;
        }
        let fitting = self
            .continuation
            .as_ref()
            .map(|s| s.paths_at_once(max_steps));
        let at_once = settings
            .paths_at_once
            .map_or(fitting.unwrap_or(samples), NonZeroUsize::get);
        for first in (0..samples).step_by(at_once) {
            let count = at_once.min(samples - first);
            let mut group = Group::new(self, (settings.seed, max_steps), first, count)?;
            for step in 0..horizon {
                let paths = first..first + count;
                let detached = control
                    .as_ref()
                    .map(|control| control.detached(step, paths));
                let detached = detached.unwrap_or_default();
                let detached: Vec<usize> = detached.iter().map(|path| path - first).collect();
                if let Some(control) = control.as_mut().filter(|control| control.wants_spread()) {
                    control.spread(step, first, group.spread()?);
                }
                let mut row = group.draw(detached)?;
                let mut actions = Vec::new();
                if let Some(control) = &mut control {
                    let Some(taken) = control.act(step, first, row.variables.view_mut())? else {
                        break;
                    };
                    rollout.clipped += group.take(&mut row, &taken);
                    actions = taken.into_iter().collect();
                }
                let to = s![first..first + count, step, ..];
                rollout.paths.slice_mut(to).assign(&row.variables);
                if step + 1 < horizon {
                    if let Some(steps) = &self.known_steps {
                        actions = steps.after(step, &actions, count);
                    }
                    group.advance(row, actions)?;
                }
                let done = before + first * horizon + count * (step + 1);
                progress(done as f64 / (before + samples * horizon) as f64);
            }
            rollout.clipped += group.clipped();
        }
        Ok(rollout)
    }
}

/// Paths that advance together. Sequence `channel * paths + path` of the continuation is a path's
/// channel.
struct Group<'r> {
    reading: &'r Reading,
    continuation: Option<Box<dyn Continuation>>,
    random: Vec<ChaCha8Rng>,
    paths: Paths,
    /// Most steps after the context.
    max_steps: usize,
    /// What was fed back since the context, and the actions.
    fed: Vec<Fed>,
    /// Values that continuations which were given up have clipped.
    clipped: usize,
    /// Values that the present one has clipped of those that were fed before, which are counted.
    replayed: usize,
}

impl<'r> Group<'r> {
    fn new(
        reading: &'r Reading,
        (seed, max_steps): (u64, usize),
        first: usize,
        count: usize,
    ) -> Result<Self, ForecastError> {
        let paths = Paths { first, count, seed };
        let forked = reading.continuation.as_ref();
        let forked = forked.map(|c| c.fork(paths, max_steps - 1));
        let random = (first..first + count)
            .map(|path| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(path as u64);
                random
            })
            .collect();
        Ok(Self {
            reading,
            continuation: forked.transpose()?,
            random,
            paths,
            max_steps,
            fed: Vec::new(),
            clipped: 0,
            replayed: 0,
        })
    }

    /// Standard deviations of the next step's densities, `[paths, variables]`.
    fn spread(&mut self) -> Result<Array2<f64>, ForecastError> {
        let encoding = &self.reading.encoding;
        let (axes, paths) = (encoding.axes(), self.random.len());
        let mut variances = Array2::zeros((paths, axes.len()));
        if let Some(continuation) = &mut self.continuation {
            let densities = continuation.next_densities()?;
            for (i, &channel) in self.reading.active.iter().enumerate() {
                for path in 0..paths {
                    let at = i * paths + path;
                    let masses = densities.masses.slice(s![0, at, ..]).to_vec();
                    let grid = densities.grids[[0, at]];
                    if let Some(density) = BinnedDensity::on(axes[channel], grid, &masses) {
                        variances[[path, channel]] = density.variance();
                    }
                }
            }
        }
        let disentangler = encoding.disentangler();
        let mut std = Array2::zeros((paths, disentangler.variables()));
        for (mut to, variance) in std.rows_mut().into_iter().zip(variances.rows()) {
            to.assign(&disentangler.covariance(variance).diag().mapv(f64::sqrt));
        }
        Ok(std)
    }

    /// Draws one step of every path, some of which are detached.
    fn draw(&mut self, detached: Vec<usize>) -> Result<Row, ForecastError> {
        let encoding = &self.reading.encoding;
        let (axes, active) = (encoding.axes(), &self.reading.active);
        let paths = self.random.len();
        let mut levels = vec![0.0; active.len() * paths];
        for (path, random) in self.random.iter_mut().enumerate() {
            (0..active.len()).for_each(|i| levels[i * paths + path] = random.random());
        }
        let feed = match &mut self.continuation {
            Some(continuation) => {
                continuation.detach(&detached);
                continuation.couple(&mut levels);
                continuation.draw(&levels)?
            }
            None => Vec::new(),
        };
        let width = encoding.disentangler().variables();
        let mut variables = Array2::zeros((paths, width));
        let mut residuals = Array2::zeros((paths, width));
        for (path, random) in self.random.iter_mut().enumerate() {
            let mut channels: Array1<f64> = axes.iter().map(|axis| axis.value(0.0)).collect();
            for (i, &channel) in active.iter().enumerate() {
                channels[channel] = axes[channel].value(feed[i * paths + path].position());
            }
            let drawn = encoding.variables(channels.view());
            variables.row_mut(path).assign(&drawn);
            if let Some(rows) = encoding.disentangler().residuals() {
                let row = rows.row(random.random_range(0..rows.nrows()));
                residuals.row_mut(path).assign(&row);
            }
        }
        variables += &residuals;
        Ok(Row {
            drawn: variables.clone(),
            variables,
            residuals,
            feed,
            begin: detached,
        })
    }

    /// Writes the actions taken and what else is known into a row and what it feeds back; returns how
    /// many values lay outside their axes.
    fn take(&self, row: &mut Row, actions: &Array2<f64>) -> usize {
        let paths = self.random.len();
        let mut clipped = 0;
        for path in 0..paths {
            let of_actions = self.reading.actions.iter().zip(actions.row(path));
            for (&variable, &action) in of_actions {
                row.variables[[path, variable]] = action;
            }
            let known: Vec<usize> = (0..row.variables.ncols())
                .filter(|&v| row.variables[[path, v]] != row.drawn[[path, v]])
                .collect();
            if known.is_empty() {
                continue;
            }
            if known.iter().any(|v| !self.reading.actions.contains(v)) {
                row.begin.push(path);
            }
            known.iter().for_each(|&v| row.residuals[[path, v]] = 0.0);
            let shown = &row.variables.row(path) - &row.residuals.row(path);
            let (points, outside) = self.reading.active_points(shown.view());
            clipped += outside;
            for (i, point) in points.into_iter().enumerate() {
                row.feed[i * paths + path] = point;
            }
        }
        clipped
    }

    /// Values that were moved to the ends of residual axes.
    fn clipped(&self) -> usize {
        let now = self.continuation.as_ref().map_or(0, |c| c.clipped());
        self.clipped + now - self.replayed
    }

    fn advance(&mut self, row: Row, actions: Vec<f64>) -> Result<(), ForecastError> {
        let (points, begin) = (row.feed, row.begin);
        let Some(continuation) = &mut self.continuation else {
            return Ok(());
        };
        self.fed.push(Fed {
            points,
            actions,
            begin,
        });
        if self.fed.len() < self.max_steps {
            return self.fed[self.fed.len() - 1].to(&mut **continuation);
        }
        let kept = (self.max_steps / 4).max(1).min(self.max_steps - 1);
        self.fed.drain(..self.max_steps - kept);
        if let Some(context) = &self.reading.continuation {
            self.clipped += continuation.clipped() - self.replayed;
            *continuation = context.fork(self.paths, self.max_steps - 1)?;
        }
        // The first of them does not follow from the context.
        if let Some(first) = self.fed.first_mut() {
            first.begin = (0..self.paths.count).collect();
        }
        let mut fed = self.fed.iter();
        let read = fed.try_for_each(|fed| fed.to(&mut **continuation));
        self.replayed = continuation.clipped();
        read
    }
}

/// One step of all paths of a group.
struct Row {
    /// Variables `[paths, variables]`, as they were drawn and then as they are known.
    variables: Array2<f64>,
    drawn: Array2<f64>,
    /// What the kept channels do not carry of them.
    residuals: Array2<f64>,
    /// Points to feed back, in the continuation's order.
    feed: Vec<Point>,
    /// Paths whose state does not follow from the one before.
    begin: Vec<usize>,
}

/// What was fed back of one step.
struct Fed {
    points: Vec<Point>,
    actions: Vec<f64>,
    begin: Vec<usize>,
}

impl Fed {
    fn to(&self, continuation: &mut dyn Continuation) -> Result<(), ForecastError> {
        continuation.begin(&self.begin);
        continuation.advance(&self.points, &self.actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::named;
    use crate::forecast::{Forecaster, Role, Settings, Variables};

    /// Keeps what it is told of each step.
    struct Told(Vec<Array2<f64>>);

    impl Control for Told {
        fn act(
            &mut self,
            _step: usize,
            _first: usize,
            drawn: ArrayViewMut2<f64>,
        ) -> Result<Option<Array2<f64>>, ForecastError> {
            Ok(Some(Array2::zeros((drawn.nrows(), 0))))
        }

        fn wants_spread(&self) -> bool {
            true
        }

        fn spread(&mut self, _step: usize, _first: usize, std: Array2<f64>) {
            self.0.push(std);
        }
    }

    #[test]
    fn the_spread_of_a_step_is_that_of_its_draws() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut at = 0.0;
        let walk = Array2::from_shape_simple_fn((200, 1), || {
            at += random.random_range(-1.0..1.0);
            at
        });
        let context = Variables::new(vec!["x".to_owned()], vec![Role::State], walk);
        let persistence = named("persistence").unwrap();
        let reading = Forecaster::of(persistence, Settings::default()).read(&context);
        let settings = RolloutSettings {
            horizon: NonZeroUsize::new(3).unwrap(),
            samples: NonZeroUsize::new(2000).unwrap(),
            ..Default::default()
        };
        let mut told = Told(Vec::new());
        let rollout = reading
            .unwrap()
            .rollout_with_policy(&settings, &mut told, &|_| ());
        let paths = rollout.unwrap().paths;
        assert_eq!(told.0.len(), 3);
        for (step, std) in told.0.iter().enumerate() {
            let from = match step {
                0 => Array1::zeros(2000),
                _ => paths.slice(s![.., step - 1, 0]).to_owned(),
            };
            let steps = &paths.slice(s![.., step, 0]) - &from;
            let (drawn, stated) = (steps.std(0.0), std.column(0).mean().unwrap());
            assert!(
                (drawn / stated - 1.0).abs() < 0.1,
                "{step}: {drawn}, {stated}"
            );
        }
    }
}
