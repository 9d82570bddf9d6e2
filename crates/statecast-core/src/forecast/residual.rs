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

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, aview1, s};

use super::expert_paths::{ExpertPaths, grid_of};
use super::long_context::{check_window, longest_context};
use super::mixture::CHUNK;
use super::tails::Tails;
use super::{
    Clipped, Continuation, Densities, ForecastError, Knowledge, Observed, Paths, Point, Predictor,
    Start, point_at,
};
use crate::codec::{BIN_COUNT, Bin, Grid};
use crate::experts::{CENTRE, Hint, Leadership};

/// Bin that is read where no expert has a prediction: that of a residual of zero.
const MASKED: usize = BIN_COUNT / 2;

/// A forecaster on the residual axis of online experts.
///
/// ```
/// use std::sync::Arc;
/// use ndarray::Array2;
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Residual, Role, Settings, Variables};
/// // A decaying oscillation that the experts come to know to the last digit.
/// let wave = |t: usize| 0.97f64.powi(t as i32) * (0.3 * t as f64).sin();
/// let values = Array2::from_shape_fn((80, 1), |(t, _)| wave(t));
/// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
/// let residual = Residual::new(named("mean").unwrap());
/// let reading = Forecaster::of(Arc::new(residual), Settings::default()).read(&context)?;
/// let density = reading.one_step().density(79, 0);
/// assert!((density.mean() - context.values[[79, 0]]).abs() < 1e-3);
/// # Ok::<(), statecast::forecast::ForecastError>(())
/// ```
pub struct Residual {
    reader: Arc<dyn Predictor>,
    knowledge: Knowledge,
}

impl Residual {
    /// Residuals as read by a forecaster.
    pub fn new(reader: Arc<dyn Predictor>) -> Self {
        Self {
            reader,
            knowledge: Knowledge::default(),
        }
    }

    /// The same, with experts that know something about the system.
    pub fn knowing(mut self, knowledge: Knowledge) -> Self {
        self.knowledge = knowledge;
        self
    }
}

impl Predictor for Residual {
    fn name(&self) -> String {
        self.reader.name()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let channels = start.channels();
        let experts = ExpertPaths::start(&start, &self.knowledge)?;
        Ok(Box::new(State {
            inner: self.reader.start(start)?,
            experts,
            channels,
            tails: Tails::default(),
            clipped: Clipped::new(channels),
        }))
    }

    fn window(&self) -> usize {
        self.reader.window()
    }

    fn longest_context(&self, horizon: usize) -> usize {
        longest_context(self.window(), horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        check_window(self.window(), context, horizon)
    }

    fn needs_actions(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

/// Masses of a channel of which nothing is known but the hint's own distribution.
fn masked(hint: &Hint) -> Vec<f32> {
    let (grid, first) = (grid_of(hint), hint.slots[0].predicted);
    let below = |k: usize| match k {
        0 => 0.0,
        BIN_COUNT => 1.0,
        _ => first.cdf(grid.edge(k) - CENTRE),
    };
    let below: Vec<f64> = (0..=BIN_COUNT).map(below).collect();
    below
        .windows(2)
        .map(|ends| (ends[1] - ends[0]) as f32)
        .collect()
}

struct State {
    inner: Box<dyn Continuation>,
    experts: ExpertPaths,
    channels: usize,
    tails: Tails,
    clipped: Clipped,
}

impl State {
    /// Reads rows with the experts.
    fn residuals(&mut self, rows: Observed) -> Result<Residuals, ForecastError> {
        let mut residuals = Residuals {
            bins: Array2::from_elem(rows.positions.dim(), Bin::MIN),
            grids: Array2::from_elem(rows.positions.dim(), Grid::Digits),
            masked: Vec::new(),
        };
        self.clipped.observe(rows.positions);
        for t in 0..rows.len() {
            self.experts.predict_row(rows.begins[t])?;
            for c in 0..self.channels {
                let hint = self.experts.hint(0, c);
                let grid = grid_of(hint);
                let read = grid.quantise(rows.positions[[t, c]]);
                self.clipped.read(hint.known && read.clipped);
                let stand_in = Bin::new(MASKED).filter(|_| !hint.known);
                residuals.bins[[t, c]] = stand_in.unwrap_or(read.bin);
                residuals.grids[[t, c]] = grid;
                if !hint.known {
                    residuals.masked.push((t, c, masked(hint)));
                }
            }
            self.experts
                .learn_row(rows.positions.row(t), rows.actions.row(t));
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

impl State {
    /// Shows the forecaster the residuals of some rows.
    fn shown<T>(
        &mut self,
        residuals: &Residuals,
        rows: Observed,
        show: impl FnOnce(&mut dyn Continuation, Observed) -> Result<T, ForecastError>,
    ) -> Result<T, ForecastError> {
        let positions = residuals.bins.mapv(Bin::centre);
        let resolutions = vec![0.0; self.channels];
        let rows = Observed {
            positions: positions.view(),
            resolutions: &resolutions,
            ..rows
        };
        show(&mut *self.inner, rows)
    }

    /// Densities of all of some rows, from which tails are learned.
    fn read(&mut self, rows: Observed) -> Result<Densities, ForecastError> {
        let residuals = self.residuals(rows)?;
        let wanted = 0..rows.len();
        let read = |inner: &mut dyn Continuation, rows: Observed| inner.observe(rows, wanted);
        let mut masses = self.shown(&residuals, rows, read)?.masses;
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

impl Continuation for State {
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

    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.experts.pass(true);
        for start in (0..rows.len()).step_by(CHUNK) {
            let chunk = rows.rows(start..rows.len().min(start + CHUNK));
            let residuals = self.residuals(chunk)?;
            self.shown(&residuals, chunk, |inner, rows| inner.pass(rows))?;
        }
        self.experts.pass(false);
        Ok(())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        self.experts.predict()?;
        let mut densities = self.inner.next_densities()?;
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let hint = self.experts.hint(path, c);
            densities.grids[[0, i]] = grid_of(hint);
            let mass = match hint.known {
                true => {
                    let mut mass = densities.mass(0, i);
                    self.tails.weigh(&mut mass);
                    mass
                }
                false => masked(hint),
            };
            let masses = densities.masses.slice_mut(s![0, i, ..]);
            aview1(&mass).assign_to(masses);
        }
        Ok(densities)
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        self.experts.predict()?;
        let inner = &mut self.inner;
        let mut drawn = self.tails.draw(levels, |levels| inner.draw(levels))?;
        self.clipped.draw();
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let hint = self.experts.hint(path, c);
            if !hint.known {
                drawn[i] = point_at(&masked(hint), levels[i]);
            }
            drawn[i] = drawn[i].moved_to(grid_of(hint));
            if let Some(held) = self.clipped.hold(i, c, drawn[i].position()) {
                drawn[i] = Point::at(held);
            }
        }
        Ok(drawn)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        self.experts.predict()?;
        let mut residuals = Vec::with_capacity(values.len());
        for (i, ((path, c), value)) in self.experts.sequences().zip(values).enumerate() {
            let hint = self.experts.hint(path, c);
            let read = value.quantise(grid_of(hint));
            self.clipped.advance(i, c, hint.known && read.clipped);
            let stand_in = Bin::new(MASKED).filter(|_| !hint.known);
            residuals.push(Point::on(Grid::Digits, stand_in.unwrap_or(read.bin), 0.5));
        }
        self.clipped.advanced();
        self.inner.advance(&residuals, actions)?;
        let positions: Vec<f64> = values.iter().map(|value| value.position()).collect();
        self.experts.learn(&positions, actions);
        Ok(())
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(Self {
            inner: self.inner.fork(paths, steps)?,
            experts: self.experts.fork(paths.count),
            channels: self.channels,
            tails: self.tails.clone(),
            clipped: self.clipped.fork(),
        }))
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.clipped.discard(sequences);
    }

    fn detach(&mut self, paths: &[usize]) {
        self.experts.detach(paths);
    }

    fn begin(&mut self, paths: &[usize]) {
        self.experts.begin(paths);
    }

    fn clipped(&self) -> usize {
        self.clipped.count()
    }

    fn leaders(&self) -> Vec<Leadership> {
        self.experts.leaders()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let with_experts = self.experts.paths_at_once(steps);
        self.inner.paths_at_once(steps).min(with_experts)
    }
}
