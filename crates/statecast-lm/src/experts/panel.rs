//! A panel of experts on one recording.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;

use super::analogue::Analogue;
use super::channels::Channels;
use super::fourier::Fourier;
use super::linear::Linear;
use super::quadratic::Quadratic;
use super::seasonal::Seasonal;
use super::simulator::SimulatorExpert;
use super::smoothing::Smoothing;
use super::{Expert, Next, Past, Simulated, Student, bounded};

/// Memory limit of the experts of paths that advance together, in bytes.
const PATH_BYTES: usize = 256 << 20;

/// Returns the number of paths within the memory limit, given the bytes per path.
pub fn paths_that_fit(bytes: usize) -> usize {
    (PATH_BYTES / bytes.max(1)).max(1)
}

/// Kind of an expert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpertKind {
    /// Linear regression on all channels of the last one or two rows and the actions.
    Linear,
    /// Linear regression on one row with products of two variables.
    Quadratic,
    /// Regression with products of three variables and random Fourier features, for few variables.
    /// Not a model input.
    Fourier,
    /// Exponential smoothing of each channel, including persistence.
    Smoothing,
    /// Value of each channel one period ago.
    Seasonal,
    /// Successors of the past rows that are most similar to the last one.
    Analogue,
    /// The prediction that is [passed](ExpertPanel::tell) to the panel.
    Simulator,
}

impl ExpertKind {
    /// All kinds that need rows only and that models read, in the order of results.
    pub const ALL: [Self; 5] = [
        Self::Linear,
        Self::Quadratic,
        Self::Smoothing,
        Self::Seasonal,
        Self::Analogue,
    ];

    /// Returns the name in model files and in results.
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

    fn start(self, channels: &Channels, actions: usize) -> Box<dyn Expert> {
        let count = channels.count();
        match self {
            Self::Linear => Box::new(Linear::new(channels, actions)),
            Self::Quadratic => Box::new(Quadratic::new(channels.clone(), actions)),
            Self::Fourier => Box::new(Fourier::new(channels, actions)),
            Self::Smoothing => Box::new(Smoothing::new(count)),
            Self::Seasonal => Box::new(Seasonal::new(count, None)),
            Self::Analogue => Box::new(Analogue::new(channels.clone())),
            Self::Simulator => Box::new(SimulatorExpert::new(count)),
        }
    }
}

/// Experts that read a recording row by row. Each row is [predicted](Self::predict), then
/// [learned](Self::learn); a path continues from a [fork](Self::fork).
///
/// ```
/// use statecast_lm::experts::{ExpertPanel, ExpertKind};
/// // One channel that halves, driven by an action.
/// let mut panel = ExpertPanel::new(&[ExpertKind::Linear], 1, &[1.0]);
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
pub struct ExpertPanel {
    past: Arc<Past>,
    /// Largest action of the context, per action.
    units: Vec<f64>,
    channels: Channels,
    sources: Vec<ExpertKind>,
    experts: Vec<Box<dyn Expert>>,
    /// Predictions of the last predicted row, `[expert][channel]`.
    predicted: Vec<Vec<Option<Student>>>,
    /// The simulator's prediction of the next row.
    simulated: Option<Vec<Option<Simulated>>>,
    age: usize,
}

impl Clone for ExpertPanel {
    fn clone(&self) -> Self {
        Self {
            past: Arc::clone(&self.past),
            units: self.units.clone(),
            channels: self.channels.clone(),
            sources: self.sources.clone(),
            experts: self.experts.iter().map(|expert| expert.copy()).collect(),
            predicted: self.predicted.clone(),
            simulated: self.simulated.clone(),
            age: self.age,
        }
    }
}

impl ExpertPanel {
    /// Creates untrained experts. `units` are the sizes of the context's largest actions, one per
    /// action; zero counts as 1.
    pub fn new(sources: &[ExpertKind], channels: usize, units: &[f64]) -> Self {
        let all = Channels::new(channels, &[]);
        let start = |source: &ExpertKind| source.start(&all, units.len());
        let unit = |&unit: &f64| if unit > 0.0 { unit } else { 1.0 };
        Self {
            past: Arc::default(),
            units: units.iter().map(unit).collect(),
            channels: all.clone(),
            sources: sources.to_vec(),
            experts: sources.iter().map(start).collect(),
            predicted: vec![vec![None; channels]; sources.len()],
            simulated: None,
            age: 0,
        }
    }

    /// Sets a known period of at least one row.
    ///
    /// ```
    /// use statecast_lm::experts::{ExpertPanel, ExpertKind};
    /// let mut panel = ExpertPanel::new(&[ExpertKind::Seasonal], 1, &[]).with_period(4);
    /// for t in 0..8 {
    ///     panel.predict(false);
    ///     panel.learn(&[[0.0, 3.0, 1.0, 2.0][t % 4]], &[]);
    /// }
    /// assert!(panel.predict(false)[0][0].unwrap().location.abs() < 1e-3);
    /// ```
    pub fn with_period(mut self, period: usize) -> Self {
        let channels = self.channels.count();
        let period = period.max(1);
        for (source, expert) in self.sources.iter().zip(&mut self.experts) {
            if *source == ExpertKind::Seasonal {
                *expert = Box::new(Seasonal::new(channels, Some(period)));
            }
        }
        self.past = Arc::new(Past::keeping(period.saturating_add(2)));
        self
    }

    /// Declares channels from which no other value follows, such as a reward. They are predicted from the
    /// others and the actions; their own past counts for [`ExpertKind::Smoothing`] and
    /// [`ExpertKind::Seasonal`] only.
    ///
    /// ```
    /// use statecast_lm::experts::{ExpertPanel, ExpertKind};
    /// // A state and a reward, whose last value must not change what is predicted of the state.
    /// let predict = |last: f64| {
    ///     let panel = ExpertPanel::new(&[ExpertKind::Quadratic], 2, &[]);
    ///     let mut panel = panel.with_outcomes(&[1]);
    ///     for t in 0..100 {
    ///         let x = f64::from(t).sin();
    ///         panel.predict(t == 0);
    ///         panel.learn(&[x, if t == 99 { last } else { x * x }], &[]);
    ///     }
    ///     panel.predict(false)[0][0].unwrap().location
    /// };
    /// assert_eq!(predict(0.0), predict(3.0));
    /// ```
    ///
    /// # Panics
    /// If there is no such channel, or rows were learned.
    pub fn with_outcomes(mut self, outcomes: &[usize]) -> Self {
        let count = self.channels.count();
        assert!(outcomes.iter().all(|&channel| channel < count) && self.past.is_empty());
        self.channels = Channels::new(count, outcomes);
        for (source, expert) in self.sources.iter().zip(&mut self.experts) {
            // A season that is known beforehand stays.
            if *source != ExpertKind::Seasonal {
                *expert = source.start(&self.channels, self.units.len());
            }
        }
        self
    }

    /// Passes a simulator's prediction of the next row, in the panel's units, before that row is
    /// [predicted](Self::predict). It is dropped when the row is [learned](Self::learn).
    ///
    /// ```
    /// use statecast_lm::experts::{ExpertPanel, Simulated, ExpertKind};
    /// let mut panel = ExpertPanel::new(&[ExpertKind::Simulator], 1, &[]);
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

    /// Returns the approximate bytes of a path of a number of steps: experts, predictions and rows.
    pub fn path_bytes(&self, steps: usize) -> usize {
        self.path_bytes_after(0, steps)
    }

    /// Returns the same after a number of further rows.
    pub fn path_bytes_after(&self, rows: usize, steps: usize) -> usize {
        let experts = self.experts.iter();
        let experts: usize = experts.map(|expert| expert.bytes(rows + steps)).sum();
        let predicted = self.predicted.iter().map(|row| size_of_val(&row[..]));
        let channels = self.channels.count();
        let inputs = match self.channels.are_inputs() {
            true => 0,
            false => self.channels.indices().len(),
        };
        let row = channels + inputs + self.units.len();
        let row = size_of::<f64>() * row + Past::ROW_BYTES;
        experts + predicted.sum::<usize>() + steps * row + size_of::<Self>()
    }

    /// Returns the bytes of the weights that [`fork_by_draw`](Self::fork_by_draw) draws for a path.
    pub fn drawn_bytes(&self) -> usize {
        self.experts.iter().map(|expert| expert.drawn_bytes()).sum()
    }

    /// Returns the number of paths of some steps within the memory limit, each with `beside`
    /// further bytes.
    pub fn paths_at_once(&self, steps: usize, beside: usize) -> usize {
        paths_that_fit(self.path_bytes(steps) + beside)
    }

    /// Predicts the next row, `[expert][channel]`; `None` where an expert has no prediction.
    /// `begins` marks the first row of an episode; the very first row always is one.
    pub fn predict(&mut self, begins: bool) -> &[Vec<Option<Student>>] {
        self.age = self.past.next_age(begins);
        let next = Next {
            past: &self.past,
            t: self.past.len(),
            age: self.kept_age(),
            simulated: self.simulated.as_deref().unwrap_or_default(),
        };
        let all = self.experts.iter_mut();
        self.predicted = all.map(|expert| expert.predict(&next)).collect();
        &self.predicted
    }

    /// Rows between the next one and the first of its episode that is kept.
    fn kept_age(&self) -> usize {
        self.age.min(self.past.len() - self.past.first())
    }

    /// Returns the last predictions.
    pub fn predicted(&self) -> &[Vec<Option<Student>>] {
        &self.predicted
    }

    /// Returns the experts in their order.
    pub fn sources(&self) -> &[ExpertKind] {
        &self.sources
    }

    /// Returns the number of rows between the last predicted one and the first of its episode.
    pub fn age(&self) -> usize {
        self.age
    }

    /// Returns the learned rows.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Learns the last predicted row: values of the channels, and actions in their own units.
    pub fn learn(&mut self, row: &[f64], actions: &[f64]) {
        let row: Vec<f64> = row.iter().map(|&x| bounded(x)).collect();
        let scaled = actions.iter().zip(&self.units);
        let scaled = scaled.map(|(action, unit)| bounded(action / unit));
        let actions: Vec<f64> = scaled.collect();
        let next = Next {
            past: &self.past,
            t: self.past.len(),
            age: self.kept_age(),
            simulated: self.simulated.as_deref().unwrap_or_default(),
        };
        let all = self.experts.iter_mut();
        all.for_each(|expert| expert.learn(&next, &row));
        let begins = self.age == 0;
        Past::push(&mut self.past, &self.channels, &row, &actions, begins);
        self.simulated = None;
    }

    /// Returns the experts for a sampled path. Its rows update the state only; regressions keep
    /// what they learned.
    pub fn fork(&self) -> Self {
        let mut forked = self.clone();
        forked.experts.iter_mut().for_each(|expert| expert.settle());
        forked
    }

    /// Returns the same with weights of regressions that are drawn once for the path, and so their errors.
    ///
    /// ```
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// use statecast_lm::experts::{ExpertKind, ExpertPanel};
    /// let mut panel = ExpertPanel::new(&[ExpertKind::Linear], 1, &[]);
    /// for t in 0..20 {
    ///     panel.predict(t == 0);
    ///     panel.learn(&[f64::from(t * t % 7)], &[]);
    /// }
    /// let [mut a, mut b] = [1, 2].map(|seed| panel.fork_by_draw(&mut ChaCha8Rng::seed_from_u64(seed)));
    /// assert_ne!(a.predict(false)[0][0], b.predict(false)[0][0]);
    /// ```
    pub fn fork_by_draw(&self, random: &mut ChaCha8Rng) -> Self {
        let mut forked = self.clone();
        let all = forked.experts.iter_mut();
        all.for_each(|expert| expert.settle_by_draw(random));
        forked
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn row(t: usize, channels: usize) -> Vec<f64> {
        let phase = |c: usize| (t * (c + 3)) as f64;
        (0..channels).map(|c| phase(c).sin()).collect()
    }

    fn go_on(panel: &mut ExpertPanel, rows: std::ops::Range<usize>, channels: usize) {
        for t in rows {
            panel.predict(t == 0);
            panel.learn(&row(t, channels), &[]);
        }
    }

    /// Fault: rewards, which errors of imagined states blow up, led the states that experts imagined.
    #[test]
    fn states_are_predicted_as_if_there_were_no_outcome() {
        let sources = [&ExpertKind::ALL[..], &[ExpertKind::Fourier]].concat();
        let action = |t: usize| [(0.9 * t as f64).cos()];
        let with = ExpertPanel::new(&sources, 3, &[1.0]).with_outcomes(&[1]);
        let mut panels = [with, ExpertPanel::new(&sources, 2, &[1.0])];
        for t in 0..120 {
            if t == 90 {
                panels = panels.map(|panel| panel.fork());
            }
            let [a, b, noise] = row(t * t, 3)[..] else {
                unreachable!("three channels")
            };
            let predicted = panels
                .each_mut()
                .map(|panel| panel.predict(t % 50 == 0).to_vec());
            for (with, without) in predicted[0].iter().zip(&predicted[1]) {
                assert_eq!((with[0], with[2]), (without[0], without[1]), "row {t}");
            }
            panels[0].learn(&[a, noise, b], &action(t));
            panels[1].learn(&[a, b], &action(t));
        }
    }

    /// A path goes on by the best candidates alone, which must change nothing.
    #[test]
    fn a_fork_predicts_what_its_context_would() {
        let sources = [&ExpertKind::ALL[..], &[ExpertKind::Fourier]].concat();
        let mut panel = ExpertPanel::new(&sources, 2, &[]);
        go_on(&mut panel, 0..80, 2);
        let mut fork = panel.fork();
        assert_eq!(panel.predict(false), fork.predict(false));
        // After a first row of an episode, those with two lags know nothing.
        let mut begun = panel.clone();
        for panel in [&mut begun, &mut fork] {
            panel.predict(true);
            panel.learn(&row(80, 2), &[]);
        }
        let locations = |panel: &mut ExpertPanel| -> Vec<Option<f64>> {
            let predicted = panel.predict(false).iter().flatten();
            predicted.map(|p| p.map(|p| p.location)).collect()
        };
        assert_eq!(locations(&mut begun), locations(&mut fork));
    }

    /// Many draws scatter around the prediction as widely as it says.
    #[test]
    fn drawn_weights_scatter_as_predictions_say() {
        for source in [
            ExpertKind::Linear,
            ExpertKind::Quadratic,
            ExpertKind::Fourier,
        ] {
            let mut panel = ExpertPanel::new(&[source], 2, &[]);
            for t in 0..60 {
                panel.predict(t == 0);
                let noise = 0.3 * ((t * t) as f64 * 12.9).sin();
                panel.learn(&[row(t, 2)[0] + noise, row(t, 2)[1]], &[]);
            }
            let expected = panel.predict(false)[0][0].unwrap();
            let draws: Vec<Student> = (0..2000)
                .map(|seed| {
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    panel.fork_by_draw(&mut random).predict(false)[0][0].unwrap()
                })
                .collect();
            let mean = draws.iter().map(|d| d.location).sum::<f64>() / 2000.0;
            let around = |d: &Student| (d.location - mean).powi(2) + d.scale.powi(2);
            let variance = draws.iter().map(around).sum::<f64>() / 2000.0;
            let said = expected.scale.powi(2) * expected.freedom / (expected.freedom - 2.0);
            assert!(
                (mean - expected.location).abs() < 0.1 * said.sqrt(),
                "{source:?}"
            );
            assert!(
                (variance / said - 1.0).abs() < 0.15,
                "{source:?}: {variance} {said}"
            );
        }
    }

    /// Moved from its present value, a reward would be as far off as that is.
    #[test]
    fn of_what_follows_an_analogue_takes_outcomes_as_they_were() {
        let panel = ExpertPanel::new(&[ExpertKind::Analogue], 2, &[]).with_outcomes(&[1]);
        let [mut panel, mut last] = [panel.clone(), panel];
        let state = |t: usize| [0.0, 1.0, 3.0][t % 3];
        for t in 0..60 {
            panel.predict(t == 0);
            last.predict(t == 0);
            panel.learn(&[state(t), state(t + 1)], &[]);
            last.learn(&[state(t), if t == 59 { -3.0 } else { state(t + 1) }], &[]);
        }
        let next = panel.predict(false)[0][1].unwrap().location;
        assert!((next - state(61)).abs() < 1e-3, "{next}");
        assert_eq!(last.predict(false)[0][1].unwrap().location, next);
    }

    /// Only covariances counted: 300 paths of 150 channels took twice the memory they were meant
    /// to. Then every path had a copy of them, which it does not need.
    #[test]
    fn bytes_of_a_path_include_states_and_rows_but_nothing_that_is_shared() {
        let channels = 150;
        let mut panel = ExpertPanel::new(&[ExpertKind::Linear], channels, &[]);
        go_on(&mut panel, 0..10, channels);
        panel.predict(false);
        let step = panel.path_bytes(301) - panel.path_bytes(201);
        assert!(step >= 100 * 8 * channels);
        let states = 2 * 2 * channels * 8 + 3 * channels;
        let covariance = (2 * channels + 1) * (2 * channels + 2) / 2;
        let bytes = panel.path_bytes(0);
        assert!(bytes >= 8 * states && bytes < 8 * covariance, "{bytes}");
        let small = ExpertPanel::new(&[ExpertKind::Smoothing], channels, &[]);
        assert!(small.path_bytes(1) >= channels * 7 * 4 * 8);
    }
}
