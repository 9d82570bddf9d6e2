//! A context that was read: its densities, and how it is observed further.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, CowArray, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::ends::Ends;
use super::known_steps::KnownSteps;
use super::{
    Continuation, Encoding, ForecastError, Levels, NextRow, Observed, OneStep, PathWeight, Point,
    Predictor, Start, Summary, Variables,
};
use crate::codec::Bin;
use crate::density::BinnedDensity;
use crate::experts::Leadership;
use crate::recording::Calendar;

/// Joint draws after the one-step quantiles of a mixed variable.
const ONE_STEP_DRAWS: usize = 1000;

/// A context that was read: its densities, and the state from which it is continued.
pub struct Reading {
    pub(super) predictor: Arc<dyn Predictor>,
    pub(super) encoding: Encoding,
    /// Channels that are predicted: all but the constant ones.
    pub(super) active: Vec<usize>,
    pub(super) continuation: Option<Box<dyn Continuation>>,
    /// Indices of the variables that are actions.
    pub(super) actions: Vec<usize>,
    /// Sizes of the largest actions that were recorded, whether they are variables or not, and of the largest step of time
    /// where it is one more.
    pub(super) units: Vec<f64>,
    /// The time from each row to the next, if it is read as one more action.
    pub(super) known_steps: Option<KnownSteps>,
    /// Places, among the channels that are predicted, of those from which nothing follows.
    pub(super) outcomes: Vec<usize>,
    /// The calendar of the rows, if it is read.
    pub(super) calendar: Option<Calendar>,
    pub(super) one_step: OneStep,
    /// How often the values of the channels that are predicted have left their axes.
    pub(super) ends: Vec<Ends>,
    pub(super) rows: usize,
    /// Whether the next row does not follow from the last that was shown.
    pub(super) begins_anew: bool,
    pub(super) clipped: usize,
}

impl Reading {
    /// The map between variables and bins.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Which online experts have led in the rows that were observed, channel by channel, with the
    /// channel's index; none where the predictor reads no experts. Constant channels have none.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::experts::ExpertKind;
    /// use statecast::forecast::{Forecaster, Residual, Role, Settings, Variables};
    /// let values = Array2::from_shape_fn((80, 1), |(t, _)| (0.3 * t as f64).sin());
    /// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    /// let residual = Residual::new(named("mean").unwrap());
    /// let reading = Forecaster::of(Arc::new(residual), Settings::default()).read(&context)?;
    /// let (channel, leadership) = &reading.leaders()[0];
    /// assert_eq!((*channel, leadership.last), (0, Some(ExpertKind::Linear)));
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    pub fn leaders(&self) -> Vec<(usize, Leadership)> {
        let leaders = self.continuation.as_ref().map(|c| c.leaders());
        let leaders = leaders.unwrap_or_default();
        self.active.iter().copied().zip(leaders).collect()
    }

    /// Whose paths were pooled in its rollouts, the largest weight first ([`Stacked`](super::Stacked));
    /// none where all paths are the predictor's own, or it was not continued for more than one step.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use std::sync::Arc;
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::forecast::{Forecaster, Role, RolloutSettings, Settings, Stacked, Variables};
    /// let values = Array2::from_shape_fn((120, 1), |(t, _)| (0.3 * t as f64).sin());
    /// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    /// let others = vec![named("linear").unwrap()];
    /// let stacked = Stacked::new(named("persistence").unwrap(), others);
    /// let reading = Forecaster::of(Arc::new(stacked), Settings::default()).read(&context)?;
    /// let horizon = NonZeroUsize::new(10).unwrap();
    /// reading.rollout(&RolloutSettings { horizon, ..Default::default() }, None, &|_| ())?;
    /// assert_eq!(reading.path_weights()[0].forecaster, "linear");
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    pub fn path_weights(&self) -> Vec<PathWeight> {
        let continuation = self.continuation.as_ref();
        continuation.map(|c| c.path_weights()).unwrap_or_default()
    }

    /// Rows of the context.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The densities of the context's rows, or of its last ones if only those were asked for.
    pub fn one_step(&self) -> &OneStep {
        &self.one_step
    }

    /// Values of the context that lay outside their channel's axis, or that of its residual, and were moved to
    /// its end.
    pub fn clipped(&self) -> usize {
        match (&self.continuation, self.predictor.is_bounded()) {
            (Some(continuation), false) => continuation.clipped(),
            _ => self.clipped,
        }
    }

    /// One-step mean, spread and quantiles of the variables, `[rows, variables]`, of the rows that
    /// have a density.
    ///
    /// Quantiles of mixed variables come from 1000 joint draws of the channels a row, seeded.
    pub fn one_step_summary(&self, levels: &Levels, seed: u64) -> Summary {
        if self.encoding.disentangler().is_identity() {
            self.separate_summary(levels)
        } else {
            self.mixed_summary(levels, seed)
        }
    }

    fn separate_summary(&self, levels: &Levels) -> Summary {
        let (rows, channels) = self.one_step.observed().dim();
        let mut summary = Summary::zeros(rows, channels, levels);
        for t in 0..rows {
            for c in 0..channels {
                let density = self.one_step.density(t, c);
                summary.mean[[t, c]] = density.mean();
                summary.std[[t, c]] = density.std();
                for (quantiles, &level) in summary.quantiles.iter_mut().zip(levels.as_slice()) {
                    quantiles[[t, c]] = density.quantile(level);
                }
            }
        }
        summary
    }

    fn mixed_summary(&self, levels: &Levels, seed: u64) -> Summary {
        let (rows, channels) = self.one_step.observed().dim();
        let disentangler = self.encoding.disentangler();
        let variables = disentangler.variables();
        let mut summary = Summary::zeros(rows, variables, levels);
        (summary.mean, summary.std) = self.one_step_moments();
        let mut draws = Array2::zeros((ONE_STEP_DRAWS, channels));
        for t in 0..rows {
            let densities = self.densities(t);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(t as u64);
            for mut draw in draws.rows_mut() {
                for (c, density) in densities.iter().enumerate() {
                    draw[c] = density.quantile(random.random());
                }
            }
            let mut drawn = disentangler.to_variables(draws.view());
            if let Some(residuals) = disentangler.residuals() {
                for mut row in drawn.rows_mut() {
                    row += &residuals.row(random.random_range(0..residuals.nrows()));
                }
            }
            for (v, column) in drawn.columns().into_iter().enumerate() {
                summary.set_quantiles(t, v, &mut column.to_vec());
            }
        }
        summary
    }

    /// One-step means and standard deviations of the variables, `[rows, variables]`, of the rows that
    /// have a density.
    pub fn one_step_moments(&self) -> (Array2<f64>, Array2<f64>) {
        let disentangler = self.encoding.disentangler();
        let shape = (self.one_step.rows(), disentangler.variables());
        let (mut means, mut deviations) = (Array2::zeros(shape), Array2::zeros(shape));
        for t in 0..self.one_step.rows() {
            let densities = self.densities(t);
            let mean: Array1<f64> = densities.iter().map(|d| d.mean()).collect();
            let variance: Array1<f64> = densities.iter().map(|d| d.variance()).collect();
            means
                .row_mut(t)
                .assign(&self.encoding.variables(mean.view()));
            let covariance = disentangler.covariance(variance.view());
            deviations
                .row_mut(t)
                .assign(&covariance.diag().mapv(f64::sqrt));
        }
        (means, deviations)
    }

    /// One joint draw of the variables of every row that has a density, `[rows, variables]`.
    pub fn one_step_draw(&self, random: &mut ChaCha8Rng) -> Array2<f64> {
        let disentangler = self.encoding.disentangler();
        let mut drawn = Array2::zeros((self.one_step.rows(), disentangler.variables()));
        for (t, mut row) in drawn.rows_mut().into_iter().enumerate() {
            let levels = self.densities(t).into_iter();
            let channels: Array1<f64> = levels.map(|d| d.quantile(random.random())).collect();
            row.assign(&self.encoding.variables(channels.view()));
            if let Some(residuals) = disentangler.residuals() {
                row += &residuals.row(random.random_range(0..residuals.nrows()));
            }
        }
        drawn
    }

    fn densities(&self, row: usize) -> Vec<BinnedDensity<'_>> {
        let channels = 0..self.one_step.channels();
        channels.map(|c| self.one_step.density(row, c)).collect()
    }

    /// The densities of the row after the context, given all its rows and actions.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::forecast::{Forecaster, Role, Settings, Variables};
    /// let wave = Array2::from_shape_fn((90, 1), |(t, _)| (0.3 * t as f64).sin());
    /// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], wave);
    /// let ar = Forecaster::of(named("ar").unwrap(), Settings::default());
    /// let mut reading = ar.read(&context)?;
    /// let next = reading.next_row()?;
    /// assert!((next.density(0).mean() - (0.3f64 * 90.0).sin()).abs() < 0.05);
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    ///
    /// # Errors
    /// [`ForecastError::Window`] if the window leaves no room for the row, and what the predictor reports.
    pub fn next_row(&mut self) -> Result<NextRow, ForecastError> {
        self.predictor.check(self.rows + 1, 0)?;
        let mut next = NextRow::constant(self.encoding.axes());
        if let Some(continuation) = &mut self.continuation {
            let read = continuation.next_densities()?;
            next.keep(&read, &self.active, &self.ends, self.begins_anew);
        }
        Ok(next)
    }

    /// Reads rows that came after the context, `[rows, variables]` with their actions, and returns
    /// their densities, each given all rows before it. The axes stay those of the context.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if the window ends, and what the predictor reports.
    pub fn observe(&mut self, came: &Variables) -> Result<OneStep, ForecastError> {
        let rows = came.rows();
        self.predictor.check(self.rows + rows, 0)?;
        self.take(came, 0..rows)?;
        Ok(self.one_step.clone())
    }

    /// Reads rows, of which the densities of those that are wanted are kept.
    pub(super) fn take(
        &mut self,
        came: &Variables,
        wanted: Range<usize>,
    ) -> Result<(), ForecastError> {
        let values = came.values.as_standard_layout();
        let scored = values.slice(s![wanted.clone(), ..]);
        let mut one_step = OneStep::constant(&self.encoding, scored);
        let active = self.active.clone();
        let mut ends = std::mem::take(&mut self.ends);
        let read = self.show(came, |continuation, rows| {
            let read = continuation.observe(rows, wanted.clone())?;
            learn_ends(&mut ends, rows.rows(0..wanted.start));
            one_step.keep(&read, &active, &mut ends, &rows.begins[wanted.clone()]);
            learn_ends(&mut ends, rows.rows(wanted.end..rows.len()));
            Ok(())
        });
        (self.one_step, self.ends) = (one_step, ends);
        read.map(|_| ())
    }

    /// Passes rows that a model need not know of.
    pub(super) fn pass(&mut self, came: &Variables) -> Result<(), ForecastError> {
        let mut ends = std::mem::take(&mut self.ends);
        let passed = self.show(came, |continuation, rows| {
            learn_ends(&mut ends, rows);
            continuation.pass(rows)
        });
        self.ends = ends;
        passed.map(|_| ())
    }

    /// Shows rows to what forecasts the channels, if there is any.
    fn show<T>(
        &mut self,
        came: &Variables,
        show: impl FnOnce(&mut dyn Continuation, Observed) -> Result<T, ForecastError>,
    ) -> Result<Option<T>, ForecastError> {
        let rows = came.rows();
        let values = came.values.as_standard_layout();
        self.clipped += self.encoding.bins(values.view()).1;
        self.rows += rows;
        let positions = self.start(rows, 0).positions(values.view());
        let actions = match &mut self.known_steps {
            Some(steps) => steps.beside(came.actions.view()).into(),
            None => CowArray::from(came.actions.view()),
        };
        let resolutions = self.active_resolutions();
        let mut begins = came.begins.clone();
        if let Some(first) = begins.first_mut() {
            *first |= std::mem::take(&mut self.begins_anew);
        }
        let observed = Observed {
            positions: positions.view(),
            actions: actions.view(),
            begins: &begins,
            resolutions: &resolutions,
        };
        let continuation = self.continuation.as_mut();
        continuation.map(|c| show(&mut **c, observed)).transpose()
    }

    /// Actions that are taken, without the step of time.
    pub(super) fn taken(&self) -> usize {
        self.units.len() - usize::from(self.known_steps.is_some())
    }

    fn active_resolutions(&self) -> Vec<f64> {
        let resolutions = self.encoding.resolutions();
        self.active.iter().map(|&c| resolutions[c]).collect()
    }

    /// What a predictor is started on, for so many rows and a forecast of `ahead` steps.
    pub(super) fn start(&self, rows: usize, ahead: usize) -> Start<'_> {
        Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            timed: self.known_steps.is_some(),
            outcomes: &self.outcomes,
            rows,
            ahead,
            calendar: self.calendar.as_ref(),
        }
    }

    /// Points of the channels that are predicted, of one row of variables, and how many of them were moved to the
    /// end of the axis.
    pub(super) fn active_points(&self, variables: ArrayView1<f64>) -> (Vec<Point>, usize) {
        let positions = self
            .start(1, 0)
            .positions(variables.insert_axis(ndarray::Axis(0)));
        if !self.predictor.is_bounded() {
            return (positions.iter().map(|&y| Point::at(y)).collect(), 0);
        }
        let clipped = positions.iter().filter(|&&y| Bin::quantise(y).clipped);
        let clipped = clipped.count();
        (positions.iter().map(|&y| Point::of(y)).collect(), clipped)
    }
}

fn learn_ends(ends: &mut [Ends], rows: Observed) {
    for (row, &begins) in rows.positions.rows().into_iter().zip(rows.begins) {
        let positions = ends.iter_mut().zip(row);
        positions.for_each(|(ends, &position)| ends.learn(position, begins));
    }
}
