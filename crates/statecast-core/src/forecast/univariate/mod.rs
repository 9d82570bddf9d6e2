//! Regressions of a channel on its own past: of differences to the last value, to the value one season before, of values
//! around a periodic mean, and of the logarithms of all these.
//!
//! Weights and noise of a path are drawn once from the posterior, so that an uncertain growth is uncertain along whole
//! paths.

mod calendar;
mod channel;
mod component;
mod form;
mod seasons;
mod smoothing;
mod units;

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, aview1, s};

use super::{
    Clipped, Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start,
};
use crate::codec::BIN_COUNT;
pub use calendar::Cycles;
use calendar::Known;
use channel::{Channel, Path, kept_positions, most_positions};
pub use form::Form;

/// Regressions of every channel on its own past.
///
/// ```
/// use std::sync::Arc;
/// use ndarray::Array2;
/// use statecast::forecast::{Forecaster, Form, Role, RolloutSettings, Settings, Univariate, Variables};
/// // Three values again and again, half a percent higher from row to row.
/// let value = |t: usize| (100.0 + [0.0, 9.0, 4.0][t % 3]) * 1.005f64.powi(t as i32);
/// let values = Array2::from_shape_fn((60, 1), |(t, _)| value(t));
/// let context = Variables::new(vec!["sold".to_owned()], vec![Role::State], values);
/// let growing = Arc::new(Univariate::of(Form::LogSari));
/// let reading = Forecaster::of(growing, Settings::default()).read(&context)?;
/// let settings = RolloutSettings { horizon: 12.try_into()?, samples: 20.try_into()?, ..Default::default() };
/// let rollout = reading.rollout(&settings, None, &|_| ())?;
/// assert!((rollout.paths[[0, 11, 0]] / value(71) - 1.0).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Univariate {
    form: Form,
    /// Rows of a season that is known beforehand.
    period: Option<usize>,
}

impl Univariate {
    /// Of a form.
    pub fn of(form: Form) -> Self {
        Self { form, period: None }
    }

    /// The same, with a season of so many rows if they are known; there is none of fewer than two.
    pub fn with_period(self, period: Option<usize>) -> Self {
        let period = period.filter(|&rows| rows > 1);
        Self { period, ..self }
    }
}

impl Predictor for Univariate {
    fn name(&self) -> String {
        self.form.name().to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let encoding = start.encoding;
        let zero = |&channel: &usize| {
            let is_variable = encoding.disentangler().is_identity();
            is_variable.then(|| encoding.axes()[channel].position(0.0))
        };
        let calendar = start.calendar.filter(|_| self.form.reads_calendar());
        let rows = most_positions(self.period);
        let known = calendar.map(|calendar| Arc::new(Known::new(calendar, rows)));
        let channels = start.active.iter();
        let channels: Vec<Arc<Channel>> = channels
            .map(|channel| Channel::new(self.form, zero(channel), self.period))
            .map(|channel| Arc::new(channel.knowing(known.clone())))
            .collect();
        Ok(Box::new(State {
            clipped: Clipped::new(channels.len()),
            channels,
            paths: Vec::new(),
            count: 1,
        }))
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn reads_calendar(&self) -> bool {
        self.form.reads_calendar()
    }

    fn rows_needed(&self) -> usize {
        match self.period {
            Some(_) => kept_positions(self.period),
            None => 0,
        }
    }
}

/// The channels of a context, or of paths that go on from it.
struct State {
    channels: Vec<Arc<Channel>>,
    /// Sequence `channel * count + path`; none before a fork.
    paths: Vec<Path>,
    count: usize,
    clipped: Clipped,
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.channels.len() * self.count
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        self.clipped.observe(rows.positions);
        let mut densities = Array3::zeros((wanted.len(), self.batch(), BIN_COUNT));
        for (t, row) in rows.positions.rows().into_iter().enumerate() {
            for (c, (channel, &position)) in self.channels.iter_mut().zip(row).enumerate() {
                if wanted.contains(&t) {
                    let mass = channel.density(None);
                    let to = s![t - wanted.start, c, ..];
                    densities.slice_mut(to).assign(&aview1(&mass));
                }
                Arc::make_mut(channel).learn(position, rows.begins[t]);
            }
        }
        Ok(densities.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let sequences = 0..self.batch();
        let of = |i: usize| self.channels[i / self.count].density(self.paths.get(i));
        Ok(Densities::of_row(sequences.flat_map(of).collect()))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        self.clipped.draw();
        let mut drawn = Vec::with_capacity(levels.len());
        for (i, (path, &level)) in self.paths.iter().zip(levels).enumerate() {
            let c = i / self.count;
            let position = match self.channels[c].draw(path, level) {
                Some(position) => position,
                None => 10.0 * level,
            };
            let held = self.clipped.hold(i, c, position);
            drawn.push(Point::at(held.unwrap_or(position)));
        }
        Ok(drawn)
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.clipped.discard(sequences);
    }

    fn advance(&mut self, values: &[Point], _actions: &[f64]) -> Result<(), ForecastError> {
        for (i, (path, value)) in self.paths.iter_mut().zip(values).enumerate() {
            self.channels[i / self.count].advance(path, value.position());
            self.clipped.advance(i, i / self.count, false);
        }
        self.clipped.advanced();
        Ok(())
    }

    fn begin(&mut self, paths: &[usize]) {
        for c in 0..self.channels.len() {
            paths
                .iter()
                .for_each(|path| self.paths[c * self.count + path].begin());
        }
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let mut forked = Vec::with_capacity(self.channels.len() * paths.count);
        for (c, channel) in self.channels.iter().enumerate() {
            for number in paths.first..paths.first + paths.count {
                let before = self.paths.get(c * self.count);
                forked.push(channel.path(&mut paths.random(number, c), before));
            }
        }
        Ok(Box::new(Self {
            channels: self.channels.clone(),
            paths: forked,
            count: paths.count,
            clipped: self.clipped.fork(),
        }))
    }

    fn clipped(&self) -> usize {
        self.clipped.count()
    }
}
