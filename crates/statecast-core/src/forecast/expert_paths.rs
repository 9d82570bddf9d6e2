//! The experts of a batch of sampled paths, and what they say of the paths' next rows.

use std::sync::OnceLock;
use std::sync::{Arc, Mutex};

use ndarray::ArrayView1;

use super::axis_simulator::AxisSimulator;
use super::{ForecastError, Start};
use crate::codec::Grid;
use crate::experts::{
    CENTRE, ExpertKind, ExpertPanel, Hint, Leadership, Simulated, Simulator, Slots,
};

/// What a user knows about a system, for the experts of those who read hints or residuals.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use ndarray::Array2;
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Knowledge, Residual, Role, Settings, Variables};
/// // The logistic map, known but for a small term.
/// let mut values = Array2::from_elem((60, 1), 0.3);
/// for t in 1..60 {
///     let x: f64 = values[[t - 1, 0]];
///     values[[t, 0]] = 3.9 * x * (1.0 - x) + 1e-4 * (9.0 * x).sin();
/// }
/// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
/// let map = |state: &[f64], _actions: &[f64]| vec![Some(3.9 * state[0] * (1.0 - state[0]))];
/// let knowledge = Knowledge::default().with_simulator(Arc::new(Mutex::new(map)));
/// let residual = Residual::new(named("mean").unwrap()).knowing(knowledge);
/// let reading = Forecaster::of(Arc::new(residual), Settings::default()).read(&context)?;
/// let density = reading.one_step().density(5, 0);
/// assert!((density.mean() - context.values[[5, 0]]).abs() < 1e-3);
/// # Ok::<(), statecast::forecast::ForecastError>(())
/// ```
#[derive(Clone, Default)]
pub struct Knowledge {
    simulator: Option<Arc<Mutex<dyn Simulator>>>,
    /// Whether the simulator was learned from rows that are passed.
    learned: bool,
    period: Option<usize>,
}

impl Knowledge {
    /// The same, with a model of the system among the experts. In contexts it is asked row by row,
    /// along sampled paths about those of all paths at once, and never about what follows a row
    /// unless that is wanted.
    pub fn with_simulator(mut self, simulator: Arc<Mutex<dyn Simulator>>) -> Self {
        self.simulator = Some(simulator);
        self.learned = false;
        self
    }

    /// The same, with a model that was learned from [earlier recordings](super::Forecaster::with_earlier).
    /// It is not asked about rows of which only the experts learn: its errors there say nothing of others.
    pub fn with_learned(mut self, simulator: Arc<Mutex<dyn Simulator>>) -> Self {
        self.simulator = Some(simulator);
        self.learned = true;
        self
    }

    /// The same, with a season of so many rows that is known beforehand.
    pub fn with_period(mut self, rows: usize) -> Self {
        self.period = Some(rows);
        self
    }

    /// Rows of the season, if they are known.
    pub fn period(&self) -> Option<usize> {
        self.period
    }
}

/// Experts of paths that advance together; sequence `channel * paths + path` is a path's channel.
/// Paths that have just been forked share theirs.
pub(super) struct ExpertPaths {
    simulator: Option<AxisSimulator>,
    /// Whether the simulator was learned from rows that are passed.
    learned: bool,
    channels: usize,
    paths: Vec<Arc<Path>>,
    /// Whether a path's next row will not follow from its last.
    detached: Vec<bool>,
}

/// One path's experts and their hints for its next row.
#[derive(Clone)]
struct Path {
    panel: ExpertPanel,
    slots: Slots,
    /// For the next row if the experts have predicted it.
    hints: Vec<Hint>,
    predicts: bool,
    /// Whether the next row was predicted as the first of an episode.
    begins: bool,
    /// The simulator's prediction of the next row, once it was asked; forks share it.
    simulated: Arc<OnceLock<Vec<Option<Simulated>>>>,
    /// Of the channels in the last row.
    positions: Vec<f64>,
    /// Taken in the last row.
    actions: Vec<f64>,
}

impl Path {
    fn predict(&mut self, begins: bool) {
        self.panel.predict(begins);
        self.hints = self.slots.hints(&self.panel);
        self.predicts = true;
        self.begins = begins;
    }

    fn fork(&self) -> Self {
        Self {
            panel: self.panel.fork(),
            slots: self.slots.fork(),
            ..self.clone()
        }
    }

    /// Learns positions of the channels.
    fn learn(&mut self, positions: impl Iterator<Item = f64>, actions: ArrayView1<f64>) {
        self.positions = positions.collect();
        let row: Vec<f64> = self.positions.iter().map(|y| y - CENTRE).collect();
        self.actions = actions.to_vec();
        self.slots.learn(&self.panel, &row);
        self.panel.learn(&row, &self.actions);
        self.predicts = false;
        self.simulated = Arc::default();
    }
}

/// Where a hint's residual bins lie.
pub(super) fn grid_of(hint: &Hint) -> Grid {
    let first = hint.slots[0].predicted;
    Grid::Residual {
        centre: CENTRE + first.location,
        scale: first.scale,
    }
}

impl ExpertPaths {
    /// One path that has seen nothing, and whose first row begins an episode.
    pub(super) fn start(start: &Start, knowledge: &Knowledge) -> Result<Self, ForecastError> {
        let channels = start.channels();
        let simulator = knowledge.simulator.as_ref();
        let simulator = simulator.map(|simulator| AxisSimulator::new(simulator, start));
        let simulator = simulator.transpose()?;
        let mut sources = ExpertKind::ALL.to_vec();
        sources.extend(simulator.as_ref().map(|_| ExpertKind::Simulator));
        let panel = ExpertPanel::new(&sources, channels, start.units).with_outcomes(start.outcomes);
        let mut path = Path {
            panel: match knowledge.period {
                Some(rows) => panel.with_period(rows),
                None => panel,
            },
            slots: Slots::new(sources.len(), channels),
            hints: Vec::new(),
            predicts: false,
            begins: true,
            simulated: Arc::default(),
            positions: vec![0.0; channels],
            actions: vec![0.0; start.units.len()],
        };
        path.predict(true);
        Ok(Self {
            simulator,
            learned: knowledge.learned,
            channels,
            paths: vec![Arc::new(path)],
            detached: vec![false],
        })
    }

    /// So many paths that continue the first one.
    pub(super) fn fork(&self, count: usize) -> Self {
        let forked = Arc::new(self.paths[0].fork());
        Self {
            simulator: self.simulator.clone(),
            learned: self.learned,
            channels: self.channels,
            paths: vec![forked; count],
            detached: vec![false; count],
        }
    }

    /// Path and channel of every sequence.
    pub(super) fn sequences(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let paths = self.paths.len();
        (0..self.channels).flat_map(move |c| (0..paths).map(move |path| (path, c)))
    }

    /// What was predicted of a path's channel.
    pub(super) fn hint(&self, path: usize, channel: usize) -> &Hint {
        &self.paths[path].hints[channel]
    }

    /// Where the residual bins of a path's channel lie.
    pub(super) fn grid(&self, path: usize, channel: usize) -> Grid {
        grid_of(self.hint(path, channel))
    }

    /// Whether a path's next row was predicted as the first of an episode.
    pub(super) fn begins(&self, path: usize) -> bool {
        self.paths[path].begins
    }

    /// Asks the simulator about the next rows of the paths that want one and are not detached.
    fn simulate(&self) -> Result<(), ForecastError> {
        let Some(simulator) = &self.simulator else {
            return Ok(());
        };
        let wants = |&(i, path): &(usize, &Arc<Path>)| {
            !path.predicts && path.simulated.get().is_none() && !self.detached[i]
        };
        let paths = self.paths.iter().enumerate().filter(wants);
        let mut paths: Vec<&Arc<Path>> = paths.map(|(_, path)| path).collect();
        paths.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let Some(first) = paths.first() else {
            return Ok(());
        };
        let row = first.panel.past().len();
        let last = paths.iter().map(|p| (&p.positions[..], &p.actions[..]));
        let next = simulator.next(row, &last.collect::<Vec<_>>())?;
        for (path, next) in paths.iter().zip(next) {
            path.simulated.get_or_init(|| next);
        }
        Ok(())
    }

    /// Has the experts of all paths predict their next rows, unless they have.
    pub(super) fn predict(&mut self) -> Result<(), ForecastError> {
        self.simulate()?;
        let kind = |(path, detached): (&Arc<Path>, &bool)| (Arc::as_ptr(path), *detached);
        let kinds: Vec<_> = self.paths.iter().zip(&self.detached).map(kind).collect();
        for i in 0..self.paths.len() {
            if self.paths[i].predicts {
                continue;
            }
            // Paths that have just been forked are one.
            if i > 0 && kinds[i - 1] == kinds[i] {
                self.paths[i] = Arc::clone(&self.paths[i - 1]);
                continue;
            }
            let path = Arc::make_mut(&mut self.paths[i]);
            match path.simulated.get() {
                Some(simulated) if !self.detached[i] => path.panel.tell(simulated.clone()),
                _ => {}
            }
            path.predict(false);
        }
        Ok(())
    }

    /// Predicts the next row of some paths as the first of an episode.
    pub(super) fn begin(&mut self, paths: &[usize]) {
        for &path in paths {
            Arc::make_mut(&mut self.paths[path]).predict(true);
        }
    }

    /// Says which paths' next rows will not follow from their last.
    pub(super) fn detach(&mut self, paths: &[usize]) {
        self.detached.fill(false);
        paths.iter().for_each(|&path| self.detached[path] = true);
    }

    /// Says whether the next rows of the only path are passed.
    pub(super) fn pass(&mut self, passed: bool) {
        self.detached[0] = passed && self.learned;
    }

    /// Predicts the only path's next row, for which it is known whether it begins an episode.
    pub(super) fn predict_row(&mut self, begins: bool) -> Result<(), ForecastError> {
        match begins {
            true => {
                self.begin(&[0]);
                Ok(())
            }
            false => self.predict(),
        }
    }

    /// Learns the only path's next row.
    pub(super) fn learn_row(&mut self, positions: ArrayView1<f64>, actions: ArrayView1<f64>) {
        Arc::make_mut(&mut self.paths[0]).learn(positions.iter().copied(), actions);
    }

    /// Learns the next row of all paths: positions of all sequences, and actions `[paths * actions]`;
    /// without any those of the last row are taken to go on.
    pub(super) fn learn(&mut self, positions: &[f64], actions: &[f64]) {
        let count = self.paths.len();
        for (i, path) in self.paths.iter_mut().enumerate() {
            let path = Arc::make_mut(path);
            let width = path.actions.len();
            let taken = actions.get(i * width..(i + 1) * width);
            let taken = taken.map_or_else(|| path.actions.clone(), <[f64]>::to_vec);
            let row = (0..self.channels).map(|c| positions[c * count + i]);
            path.learn(row, ArrayView1::from(&taken));
        }
        self.detached.fill(false);
    }

    /// Which experts led in the rows that were observed, one a channel; none along sampled paths.
    pub(super) fn leaders(&self) -> Vec<Leadership> {
        let path = &self.paths[0];
        path.slots.leaders(&path.panel)
    }

    /// Paths of so many steps whose experts take no more memory than they may.
    pub(super) fn paths_at_once(&self, steps: usize) -> usize {
        let path = &self.paths[0];
        path.panel.paths_at_once(steps, path.slots.bytes())
    }
}
