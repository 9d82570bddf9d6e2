//! Several experts on one recording.

use std::sync::Arc;

use super::analogue::Analogue;
use super::fourier::Fourier;
use super::linear::Linear;
use super::quadratic::Quadratic;
use super::seasonal::Seasonal;
use super::simulator::SimulatorExpert;
use super::smoothing::Smoothing;
use super::{Expert, Next, Past, Simulated, Student, bounded};

/// Memory that the experts of paths which advance together may take.
const PATH_BYTES: usize = 256 << 20;

/// Paths that take no more memory than they may together, of which each takes so many bytes.
pub(crate) fn paths_that_fit(bytes: usize) -> usize {
    (PATH_BYTES / bytes.max(1)).max(1)
}

/// An expert, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Linear regression on all channels of the last one or two rows and the actions.
    Linear,
    /// The same on one row, with products of two.
    Quadratic,
    /// The same with products of three and random waves, of systems of few variables. Models do not read it.
    Fourier,
    /// Exponential smoothing of each channel, persistence among it.
    Smoothing,
    /// The value one period ago, of each channel.
    Seasonal,
    /// The rows that followed the past rows most like the last one.
    Analogue,
    /// The prediction that the panel is [told](Panel::tell).
    Simulator,
}

impl Source {
    /// All that need rows only and that models read, in the order in which they stand in results.
    pub const ALL: [Self; 5] = [
        Self::Linear,
        Self::Quadratic,
        Self::Smoothing,
        Self::Seasonal,
        Self::Analogue,
    ];

    /// Name in model files and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quadratic => "quadratic",
            Self::Fourier => "fourier",
            Self::Smoothing => "smoothing",
            Self::Seasonal => "seasonal",
            Self::Analogue => "analogue",
            Self::Simulator => "simulator",
        }
    }

    fn start(self, channels: usize, actions: usize) -> Box<dyn Expert> {
        match self {
            Self::Linear => Box::new(Linear::new(channels, actions)),
            Self::Quadratic => Box::new(Quadratic::new(channels, actions)),
            Self::Fourier => Box::new(Fourier::new(channels, actions)),
            Self::Smoothing => Box::new(Smoothing::new(channels)),
            Self::Seasonal => Box::new(Seasonal::new(channels, None)),
            Self::Analogue => Box::new(Analogue::new(channels)),
            Self::Simulator => Box::new(SimulatorExpert::new(channels)),
        }
    }
}

/// Experts that read a recording row by row. Each row is [predicted](Self::predict), then
/// [learned](Self::learn); a path goes on from a [fork](Self::fork).
///
/// ```
/// use statecast::experts::{Panel, Source};
/// // One channel that halves, driven by an action.
/// let mut panel = Panel::new(&[Source::Linear], 1, &[1.0]);
/// let (mut x, mut action) = (2.0, 0.0);
/// for t in 0..60 {
///     panel.predict(t == 0);
///     action = (0.7 * f64::from(t)).sin();
///     panel.learn(&[x], &[action]);
///     x = 0.5 * x + action;
/// }
/// let next = panel.predict(false)[0][0].unwrap();
/// assert!((next.location - x).abs() < 1e-3 && next.scale < 1e-2);
/// ```
pub struct Panel {
    past: Arc<Past>,
    /// Largest action of the context, one an action.
    units: Vec<f64>,
    sources: Vec<Source>,
    experts: Vec<Box<dyn Expert>>,
    /// `[expert][channel]`, of the row that was predicted last.
    predicted: Vec<Vec<Option<Student>>>,
    /// The simulator's prediction of the row to come.
    simulated: Option<Vec<Option<Simulated>>>,
    age: usize,
}

impl Clone for Panel {
    fn clone(&self) -> Self {
        Self {
            past: Arc::clone(&self.past),
            units: self.units.clone(),
            sources: self.sources.clone(),
            experts: self.experts.iter().map(|expert| expert.copy()).collect(),
            predicted: self.predicted.clone(),
            simulated: self.simulated.clone(),
            age: self.age,
        }
    }
}

impl Panel {
    /// Experts that have seen nothing of some channels. `units` are the sizes of the context's
    /// largest actions, one an action; zero counts as 1.
    pub fn new(sources: &[Source], channels: usize, units: &[f64]) -> Self {
        let start = |source: &Source| source.start(channels, units.len());
        let unit = |&unit: &f64| if unit > 0.0 { unit } else { 1.0 };
        Self {
            past: Arc::default(),
            units: units.iter().map(unit).collect(),
            sources: sources.to_vec(),
            experts: sources.iter().map(start).collect(),
            predicted: vec![vec![None; channels]; sources.len()],
            simulated: None,
            age: 0,
        }
    }

    /// The same, with a season of so many rows, at least one, that is known beforehand.
    ///
    /// ```
    /// use statecast::experts::{Panel, Source};
    /// let mut panel = Panel::new(&[Source::Seasonal], 1, &[]).with_period(4);
    /// for t in 0..8 {
    ///     panel.predict(false);
    ///     panel.learn(&[[0.0, 3.0, 1.0, 2.0][t % 4]], &[]);
    /// }
    /// assert!(panel.predict(false)[0][0].unwrap().location.abs() < 1e-3);
    /// ```
    pub fn with_period(mut self, period: usize) -> Self {
        let channels = self.predicted.first().map_or(0, Vec::len);
        let period = period.max(1);
        for (source, expert) in self.sources.iter().zip(&mut self.experts) {
            if *source == Source::Seasonal {
                *expert = Box::new(Seasonal::new(channels, Some(period)));
            }
        }
        self
    }

    /// Says what a simulator predicts of the next row's channels, in the panel's units, before that
    /// row is [predicted](Self::predict); it is forgotten once the row is [learned](Self::learn).
    ///
    /// ```
    /// use statecast::experts::{Panel, Simulated, Source};
    /// let mut panel = Panel::new(&[Source::Simulator], 1, &[]);
    /// let (mut x, model) = (0.4, |x: f64| 3.9 * x * (1.0 - x));
    /// for t in 0..10 {
    ///     panel.predict(t == 0);
    ///     panel.learn(&[x], &[]);
    ///     panel.tell(vec![Some(Simulated { mean: model(x), std: None })]);
    ///     x = model(x);
    /// }
    /// assert_eq!(panel.predict(false)[0][0].unwrap().location, x);
    /// ```
    pub fn tell(&mut self, simulated: Vec<Option<Simulated>>) {
        self.simulated = Some(simulated);
    }

    /// Bytes that a path of so many steps takes, about: its experts, what they predict, and its
    /// rows.
    pub(crate) fn path_bytes(&self, steps: usize) -> usize {
        self.path_bytes_after(0, steps)
    }

    /// The same, once the experts have read so many rows more.
    pub(crate) fn path_bytes_after(&self, rows: usize, steps: usize) -> usize {
        let experts = self.experts.iter();
        let experts: usize = experts.map(|expert| expert.bytes(rows + steps)).sum();
        let predicted = self.predicted.iter().map(|row| size_of_val(&row[..]));
        let row = self.predicted.first().map_or(0, Vec::len) + self.units.len();
        let row = size_of::<f64>() * row + Past::ROW_BYTES;
        experts + predicted.sum::<usize>() + steps * row + size_of::<Self>()
    }

    /// Paths of so many steps that take no more memory than they may together, each with `beside` bytes
    /// of other things.
    pub(crate) fn paths_at_once(&self, steps: usize, beside: usize) -> usize {
        paths_that_fit(self.path_bytes(steps) + beside)
    }

    /// Distributions of the next row's channels, `[expert][channel]`; `None` where an expert has
    /// none. `begins` says that the row is the first of an episode, as the very first one always
    /// is.
    pub fn predict(&mut self, begins: bool) -> &[Vec<Option<Student>>] {
        self.age = self.past.next_age(begins);
        let next = Next {
            past: &self.past,
            t: self.past.len(),
            age: self.age,
            simulated: self.simulated.as_deref().unwrap_or_default(),
        };
        let all = self.experts.iter_mut();
        self.predicted = all.map(|expert| expert.predict(&next)).collect();
        &self.predicted
    }

    /// The last predictions.
    pub fn predicted(&self) -> &[Vec<Option<Student>>] {
        &self.predicted
    }

    /// The experts, in their order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Rows between the one that was predicted last and the first of its episode.
    pub fn age(&self) -> usize {
        self.age
    }

    /// Rows that were learned.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Learns the row that was predicted last: values of the channels and, in their own units, the
    /// actions taken in it.
    pub fn learn(&mut self, row: &[f64], actions: &[f64]) {
        let row: Vec<f64> = row.iter().map(|&x| bounded(x)).collect();
        let scaled = actions.iter().zip(&self.units);
        let scaled = scaled.map(|(action, unit)| bounded(action / unit));
        let actions: Vec<f64> = scaled.collect();
        let next = Next {
            past: &self.past,
            t: self.past.len(),
            age: self.age,
            simulated: self.simulated.as_deref().unwrap_or_default(),
        };
        let all = self.experts.iter_mut();
        all.for_each(|expert| expert.learn(&next, &row));
        Past::push(&mut self.past, &row, &actions, self.age == 0);
        self.simulated = None;
    }

    /// The same experts on a sampled path. Its rows are learned as the state in which it is; the
    /// regressions go on by what the rows before have taught them.
    pub fn fork(&self) -> Self {
        let mut forked = self.clone();
        forked.experts.iter_mut().for_each(|expert| expert.settle());
        forked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t: usize, channels: usize) -> Vec<f64> {
        let phase = |c: usize| (t * (c + 3)) as f64;
        (0..channels).map(|c| phase(c).sin()).collect()
    }

    fn go_on(panel: &mut Panel, rows: std::ops::Range<usize>, channels: usize) {
        for t in rows {
            panel.predict(t == 0);
            panel.learn(&row(t, channels), &[]);
        }
    }

    /// Only covariances counted: 300 paths of 150 channels took twice the memory they were meant
    /// to. Then every path had a copy of them, which it does not need.
    #[test]
    fn bytes_of_a_path_include_states_and_rows_but_nothing_that_is_shared() {
        let channels = 150;
        let mut panel = Panel::new(&[Source::Linear], channels, &[]);
        go_on(&mut panel, 0..10, channels);
        panel.predict(false);
        let step = panel.path_bytes(301) - panel.path_bytes(201);
        assert!(step >= 100 * 8 * channels);
        let states = 2 * 2 * channels * 8 + 3 * channels;
        let covariance = (2 * channels + 1) * (2 * channels + 2) / 2;
        let bytes = panel.path_bytes(0);
        assert!(bytes >= 8 * states && bytes < 8 * covariance, "{bytes}");
        let small = Panel::new(&[Source::Smoothing], channels, &[]);
        assert!(small.path_bytes(1) >= channels * 7 * 4 * 8);
    }
}
