//! A forecaster of digits that reads what online experts leave over.
//!
//! Before every row the experts give each channel a location and a scale. The forecaster reads the
//! past residuals `(value - location) / scale`, each as the number of its bin among 1000 that are
//! spaced by sinh over ±200 scales, and its probabilities of the next number are those of the next
//! residual's bins. The density of the value is that of its residual over the scale: exact, at any
//! level, never coarser than a bin of the residual. Channels, actions, trends and resolution come
//! from the experts, everything that they do not know from the forecaster, which may be any
//! language model as it is. Bins far out are weighted by how often residuals have come there so far
//! ([`Tails`]).

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use ndarray::{Array2, Array3, ArrayView1, aview1, s};

use super::axis_simulator::AxisSimulator;
use super::mixture::CHUNK;
use super::tails::Tails;
use super::{
    Bounds, Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start,
    point_at,
};
use crate::codec::{BIN_COUNT, Bin, Grid};
use crate::experts::{Hint, Panel, Simulated, Simulator, Slots, Source};

/// Position on the axis that experts have as zero.
pub(super) const CENTRE: f64 = 5.0;

/// Memory that experts of paths which advance together may take.
const PATH_BYTES: usize = 256 << 20;

/// Bin that is read where no expert has a prediction: that of a residual of zero.
const MASKED: usize = BIN_COUNT / 2;

/// A forecaster on the residual axis of online experts.
///
/// ```
/// use std::rc::Rc;
/// use ndarray::Array2;
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Residual, Role, Settings, Variables};
/// // A decaying oscillation that the experts come to know to the last digit.
/// let wave = |t: usize| 0.97f64.powi(t as i32) * (0.3 * t as f64).sin();
/// let values = Array2::from_shape_fn((80, 1), |(t, _)| wave(t));
/// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
/// let residual = Residual::new(named("mean").unwrap());
/// let reading = Forecaster::of(Rc::new(residual), Settings::default()).read(&context)?;
/// let density = reading.one_step().density(79, 0);
/// assert!((density.mean() - context.values[[79, 0]]).abs() < 1e-3);
/// # Ok::<(), statecast::forecast::ForecastError>(())
/// ```
pub struct Residual<'m> {
    reader: Rc<dyn Predictor<'m> + 'm>,
    simulator: Option<Rc<RefCell<dyn Simulator>>>,
    period: Option<usize>,
}

impl<'m> Residual<'m> {
    /// Residuals as read by a forecaster.
    pub fn new(reader: Rc<dyn Predictor<'m> + 'm>) -> Self {
        Self {
            reader,
            simulator: None,
            period: None,
        }
    }

    /// The same, with a model of the system among the experts. In contexts it is asked row by row,
    /// along sampled paths about those of all paths at once, and never about what follows a row
    /// unless that is wanted.
    pub fn with_simulator(mut self, simulator: Rc<RefCell<dyn Simulator>>) -> Self {
        self.simulator = Some(simulator);
        self
    }

    /// The same, with a season of so many rows that is known beforehand.
    pub fn with_period(mut self, rows: usize) -> Self {
        self.period = Some(rows);
        self
    }
}

impl<'m> Predictor<'m> for Residual<'m> {
    fn name(&self) -> String {
        self.reader.name()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        let channels = start.channels();
        let simulator = self.simulator.as_ref();
        let simulator = simulator.map(|simulator| AxisSimulator::new(simulator, &start));
        let simulator = simulator.transpose()?;
        let mut sources = Source::ALL.to_vec();
        sources.extend(simulator.as_ref().map(|_| Source::Simulator));
        let panel = Panel::new(&sources, channels, start.units);
        let mut path = Path {
            panel: match self.period {
                Some(rows) => panel.with_period(rows),
                None => panel,
            },
            slots: Slots::new(sources.len(), channels),
            hints: Vec::new(),
            predicts: false,
            simulated: OnceCell::new(),
            positions: vec![0.0; channels],
            actions: vec![0.0; start.units.len()],
        };
        path.predict(true);
        Ok(Box::new(State {
            inner: self.reader.start(start)?,
            simulator,
            channels,
            paths: vec![Rc::new(path)],
            detached: vec![false],
            tails: Tails::default(),
            bounds: Bounds::new(channels),
            held: Vec::new(),
            clipped: 0,
        }))
    }

    fn longest_context(&self, horizon: usize) -> usize {
        self.reader.longest_context(horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        self.reader.check(context, horizon)
    }

    fn needs_actions(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

/// One path's experts and their hints for its next row.
#[derive(Clone)]
struct Path {
    panel: Panel,
    slots: Slots,
    /// For the next row if the experts have predicted it.
    hints: Vec<Hint>,
    predicts: bool,
    /// The simulator's prediction of the next row, once it was asked.
    simulated: OnceCell<Vec<Option<Simulated>>>,
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
    }

    fn grid(&self, channel: usize) -> Grid {
        let hint = self.hints[channel].slots[0].predicted;
        Grid::Residual {
            centre: CENTRE + hint.location,
            scale: hint.scale,
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
        self.simulated = OnceCell::new();
    }

    /// Masses of a channel of which nothing is known but the hint's own distribution.
    fn masked(&self, channel: usize) -> Vec<f32> {
        let grid = self.grid(channel);
        let hint = self.hints[channel].slots[0].predicted;
        let below: Vec<f64> = (1..BIN_COUNT)
            .map(|k| hint.cdf(grid.edge(k) - CENTRE))
            .collect();
        let edges = |k: usize| match k {
            0 => 0.0,
            BIN_COUNT => 1.0,
            _ => below[k - 1],
        };
        (0..BIN_COUNT)
            .map(|k| (edges(k + 1) - edges(k)) as f32)
            .collect()
    }
}

struct State<'m> {
    inner: Box<dyn Continuation<'m> + 'm>,
    simulator: Option<AxisSimulator>,
    channels: usize,
    paths: Vec<Rc<Path>>,
    /// Whether a path's next row will not follow from its last.
    detached: Vec<bool>,
    tails: Tails,
    bounds: Bounds,
    /// Sequences whose last draw was held within the bounds, and counted.
    held: Vec<usize>,
    /// Residuals beyond the ends of their bins, and draws beyond the bounds.
    clipped: usize,
}

impl State<'_> {
    /// Path and channel of every sequence.
    fn sequences(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let paths = self.paths.len();
        (0..self.channels).flat_map(move |c| (0..paths).map(move |path| (path, c)))
    }

    /// Asks the simulator about the next rows of the paths that want one and are not detached.
    fn simulate(&self) -> Result<(), ForecastError> {
        let Some(simulator) = &self.simulator else {
            return Ok(());
        };
        let wants = |&(i, path): &(usize, &Rc<Path>)| {
            !path.predicts && path.simulated.get().is_none() && !self.detached[i]
        };
        let paths = self.paths.iter().enumerate().filter(wants);
        let mut paths: Vec<&Rc<Path>> = paths.map(|(_, path)| path).collect();
        paths.dedup_by(|a, b| Rc::ptr_eq(a, b));
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
    fn predict(&mut self) -> Result<(), ForecastError> {
        self.simulate()?;
        let kind = |(path, detached): (&Rc<Path>, &bool)| (Rc::as_ptr(path), *detached);
        let kinds: Vec<_> = self.paths.iter().zip(&self.detached).map(kind).collect();
        for i in 0..self.paths.len() {
            if self.paths[i].predicts {
                continue;
            }
            // Paths that have just been forked are one.
            if i > 0 && kinds[i - 1] == kinds[i] {
                self.paths[i] = Rc::clone(&self.paths[i - 1]);
                continue;
            }
            let path = Rc::make_mut(&mut self.paths[i]);
            match path.simulated.get() {
                Some(simulated) if !self.detached[i] => path.panel.tell(simulated.clone()),
                _ => {}
            }
            path.predict(false);
        }
        Ok(())
    }

    /// Reads rows with the experts.
    fn residuals(&mut self, rows: Observed) -> Result<Residuals, ForecastError> {
        let mut residuals = Residuals {
            bins: Array2::from_elem(rows.positions.dim(), Bin::MIN),
            grids: Array2::from_elem(rows.positions.dim(), Grid::Digits),
            masked: Vec::new(),
        };
        self.bounds.observe(rows.positions);
        for t in 0..rows.len() {
            if !rows.begins[t] {
                self.predict()?;
            }
            let path = Rc::make_mut(&mut self.paths[0]);
            if rows.begins[t] {
                path.predict(true);
            }
            for c in 0..self.channels {
                let known = path.hints[c].known;
                let read = path.grid(c).quantise(rows.positions[[t, c]]);
                self.clipped += usize::from(known && read.saturated);
                let masked = Bin::new(MASKED).filter(|_| !known);
                residuals.bins[[t, c]] = masked.unwrap_or(read.bin);
                residuals.grids[[t, c]] = path.grid(c);
                if !known {
                    residuals.masked.push((t, c, path.masked(c)));
                }
            }
            let positions = rows.positions.row(t);
            path.learn(positions.iter().copied(), rows.actions.row(t));
        }
        Ok(residuals)
    }
}

/// Residuals of the experts in some rows.
struct Residuals {
    /// `[rows, channels]`; where there is no hint, a stand-in.
    bins: Array2<Bin>,
    grids: Array2<Grid>,
    /// Row, channel and masses where there is no hint.
    masked: Vec<(usize, usize, Vec<f32>)>,
}

impl State<'_> {
    /// Densities of all of some rows, from which tails are learned.
    fn read(&mut self, rows: Observed) -> Result<Densities, ForecastError> {
        let residuals = self.residuals(rows)?;
        let positions = residuals.bins.mapv(Bin::centre);
        let read = Observed {
            positions: positions.view(),
            resolutions: &vec![0.0; self.channels],
            ..rows
        };
        let mut masses = self.inner.observe(read, 0..rows.len())?.masses;
        for (t, c, mass) in &residuals.masked {
            masses.slice_mut(s![*t, *c, ..]).assign(&aview1(mass));
        }
        for t in 0..rows.len() {
            // The channels of a row are predicted before any of them is learned.
            let before = self.tails.clone();
            for c in 0..self.channels {
                if residuals.masked.iter().any(|m| (m.0, m.1) == (t, c)) {
                    continue;
                }
                let mut mass = masses.slice(s![t, c, ..]).to_vec();
                self.tails.learn(&mass, residuals.bins[[t, c]].index());
                before.weigh(&mut mass);
                masses.slice_mut(s![t, c, ..]).assign(&aview1(&mass));
            }
        }
        Ok(Densities {
            masses,
            grids: residuals.grids,
        })
    }
}

impl<'m> Continuation<'m> for State<'m> {
    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut densities: Densities =
            Array3::zeros((wanted.len(), self.channels, BIN_COUNT)).into();
        for start in (0..rows.len()).step_by(CHUNK) {
            let chunk = start..rows.len().min(start + CHUNK);
            let read = self.read(rows.rows(chunk.clone()))?;
            for t in chunk.filter(|t| wanted.contains(t)) {
                let (from, to) = (t - start, t - wanted.start);
                let masses = read.masses.slice(s![from, .., ..]);
                densities.masses.slice_mut(s![to, .., ..]).assign(&masses);
                densities.grids.row_mut(to).assign(&read.grids.row(from));
            }
        }
        Ok(densities)
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        self.predict()?;
        let mut densities = self.inner.next_densities()?;
        for (i, (path, c)) in self.sequences().enumerate() {
            let path = &self.paths[path];
            densities.grids[[0, i]] = path.grid(c);
            let mass = match path.hints[c].known {
                true => {
                    let mut mass = densities.mass(0, i);
                    self.tails.weigh(&mut mass);
                    mass
                }
                false => path.masked(c),
            };
            let masses = densities.masses.slice_mut(s![0, i, ..]);
            aview1(&mass).assign_to(masses);
        }
        Ok(densities)
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        self.predict()?;
        let inner = &mut self.inner;
        let mut drawn = self.tails.draw(levels, |levels| inner.draw(levels))?;
        self.held.clear();
        for (i, (path, c)) in self.sequences().enumerate() {
            let path = &self.paths[path];
            if !path.hints[c].known {
                drawn[i] = point_at(&path.masked(c), levels[i]);
            }
            drawn[i] = drawn[i].moved_to(path.grid(c));
            if let Some(held) = self.bounds.held(c, drawn[i].position()) {
                drawn[i] = Point::at(held);
                self.held.push(i);
            }
        }
        self.clipped += self.held.len();
        Ok(drawn)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        self.predict()?;
        let count = self.paths.len();
        let mut residuals = Vec::with_capacity(values.len());
        let held = std::mem::take(&mut self.held);
        for (i, ((path, c), value)) in self.sequences().zip(values).enumerate() {
            let path = &self.paths[path];
            let read = value.quantise(path.grid(c));
            let known = path.hints[c].known;
            let new = known && read.saturated && !held.contains(&i);
            self.clipped += usize::from(new);
            let masked = Bin::new(MASKED).filter(|_| !known);
            residuals.push(Point::on(Grid::Digits, masked.unwrap_or(read.bin), 0.5));
        }
        self.inner.advance(&residuals, actions)?;
        for (i, path) in self.paths.iter_mut().enumerate() {
            let path = Rc::make_mut(path);
            let width = path.actions.len();
            // Without actions to come those of the last row are taken to go on.
            let taken = actions.get(i * width..(i + 1) * width);
            let taken = taken.map_or_else(|| path.actions.clone(), <[f64]>::to_vec);
            let row = (0..self.channels).map(|c| values[c * count + i].position());
            path.learn(row, aview1(&taken));
        }
        self.detached.fill(false);
        Ok(())
    }

    fn fork(
        &self,
        paths: Paths,
        steps: usize,
    ) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        Ok(Box::new(Self {
            inner: self.inner.fork(paths, steps)?,
            simulator: self.simulator.clone(),
            channels: self.channels,
            paths: vec![Rc::clone(&self.paths[0]); paths.count],
            detached: vec![false; paths.count],
            tails: self.tails.clone(),
            bounds: self.bounds.clone(),
            held: Vec::new(),
            clipped: 0,
        }))
    }

    fn detach(&mut self, paths: &[usize]) {
        self.detached.fill(false);
        paths.iter().for_each(|&path| self.detached[path] = true);
    }

    fn begin(&mut self, paths: &[usize]) {
        for &path in paths {
            Rc::make_mut(&mut self.paths[path]).predict(true);
        }
    }

    fn clipped(&self) -> usize {
        self.clipped
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let path = &self.paths[0];
        let bytes = path.panel.path_bytes(steps) + path.slots.bytes();
        let with_experts = PATH_BYTES / bytes;
        self.inner.paths_at_once(steps).min(with_experts.max(1))
    }
}
