//! What any forecaster of channels is: the language model, a baseline, a mixture of them.

use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView2, s};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Encoding, ForecastError, PathWeight};
use crate::codec::{BIN_COUNT, Bin, Cell, Grid, Quantised};
use crate::density::locate;
use crate::experts::Leadership;
use crate::recording::Calendar;

/// Separates the random stream of a path's parameters from that of its values.
const PARAMETERS: u64 = 0x5eed_ba5e;

/// A value: the bin of a grid in which it was drawn or read, and the fraction of the way through it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    grid: Grid,
    bin: Bin,
    fraction: f64,
}

impl Point {
    /// The point of a position among the bins of digits; one off the axis is moved to its end.
    ///
    /// ```
    /// use statecast::codec::Grid;
    /// use statecast::forecast::Point;
    /// let point = Point::of(5.0125);
    /// assert_eq!(point.quantise(Grid::Digits).bin.index(), 501);
    /// assert_eq!(Point::of(-3.0).position(), 0.0);
    /// assert_eq!(Point::at(-3.0).position(), -3.0);
    /// ```
    pub fn of(position: f64) -> Self {
        let point = Self::at(position);
        Self {
            fraction: point.fraction.clamp(0.0, 1.0),
            ..point
        }
    }

    /// The point of a position on the axis or off it.
    pub fn at(position: f64) -> Self {
        let bin = Bin::quantise(position).bin;
        Self {
            grid: Grid::Digits,
            bin,
            fraction: 100.0 * position - bin.index() as f64,
        }
    }

    /// A fraction, 0 to 1, of a bin of a grid.
    pub fn on(grid: Grid, bin: Bin, fraction: f64) -> Self {
        Self {
            grid,
            bin,
            fraction,
        }
    }

    /// The position, in axis units.
    pub fn position(self) -> f64 {
        self.grid.position(self.bin, self.fraction)
    }

    /// Its bin on a grid: on that on which it was drawn the very one.
    pub fn quantise(self, grid: Grid) -> Quantised {
        match self.grid == grid {
            true => Quantised {
                bin: self.bin,
                clipped: !(0.0..=1.0).contains(&self.fraction),
            },
            false => grid.quantise(self.position()),
        }
    }

    /// Its bin and the fraction of it, on the grid on which it was drawn.
    pub(super) fn place(self) -> (Bin, f64) {
        (self.bin, self.fraction)
    }

    /// The same fraction of the same bin of another grid.
    pub(super) fn moved_to(self, grid: Grid) -> Self {
        Self { grid, ..self }
    }
}

/// Rows that were observed.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'o> {
    /// Positions on the channels' axes, `[rows, channels]`.
    pub positions: ArrayView2<'o, f64>,
    /// Actions taken in the rows, in their own units, `[rows, actions]`; no columns if there are none.
    pub actions: ArrayView2<'o, f64>,
    /// Steps in which the channels are read, in axis units; below a bin's width the bins.
    pub resolutions: &'o [f64],
    /// Rows that begin a run, which nothing is to be learned from about how well they were predicted.
    pub begins: &'o [bool],
}

impl Observed<'_> {
    /// Some of the rows.
    pub fn rows(&self, rows: Range<usize>) -> Observed<'_> {
        Observed {
            positions: self.positions.slice(s![rows.clone(), ..]),
            actions: self.actions.slice(s![rows.clone(), ..]),
            begins: &self.begins[rows],
            resolutions: self.resolutions,
        }
    }

    /// What an observation stands for on a grid.
    pub fn cell(&self, row: usize, channel: usize, grid: Grid) -> Cell {
        grid.cell(self.positions[[row, channel]], self.resolutions[channel])
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.positions.nrows()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is to be forecast.
#[derive(Debug, Clone, Copy)]
pub struct Start<'s> {
    /// How variables become channels.
    pub encoding: &'s Encoding,
    /// Indices of the channels that are forecast: all but the constant ones.
    pub active: &'s [usize],
    /// Sizes of the context's largest actions, in their own units; one an action that comes with every
    /// row.
    pub units: &'s [f64],
    /// Whether the last of the actions is the time to the next row, which nobody takes.
    pub timed: bool,
    /// Those of the channels that are forecast, by their place among them, from which no other value follows
    /// ([`Role::Outcome`](super::Role::Outcome)); none where channels mix variables.
    pub outcomes: &'s [usize],
    /// Observed rows that are going to come, for what has to reserve memory.
    pub rows: usize,
    /// Steps that are going to be forecast after them; zero if their number is not known.
    pub ahead: usize,
    /// The calendar of the rows, where it is known and shows cycles.
    pub calendar: Option<&'s Calendar>,
}

impl Start<'_> {
    /// Actions that are taken, without the time to the next row.
    pub fn taken(&self) -> usize {
        self.units.len() - usize::from(self.timed)
    }

    /// Channels that are forecast.
    pub fn channels(&self) -> usize {
        self.active.len()
    }

    /// Positions `[rows, channels]` of variables `[rows, variables]`.
    pub fn positions(&self, variables: ArrayView2<f64>) -> Array2<f64> {
        let channels = self.encoding.disentangler().to_channels(variables);
        Array2::from_shape_fn((variables.nrows(), self.active.len()), |(t, i)| {
            let channel = self.active[i];
            self.encoding.axes()[channel].position(channels[[t, channel]])
        })
    }
}

/// Paths that are drawn together: `count` of them, of which the first is the `first` of all. What
/// is random in a path follows from the seed and the path's number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paths {
    /// Number of the first path.
    pub first: usize,
    /// Paths.
    pub count: usize,
    /// Seed of all paths.
    pub seed: u64,
}

impl Paths {
    /// The random stream of the parameters that a channel of a path draws once, independent of the levels of its draws.
    pub(crate) fn random(self, path: usize, channel: usize) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ PARAMETERS);
        random.set_stream(((channel as u64) << 40) + path as u64);
        random
    }
}

/// Densities of rows of sequences, of 1000 bins each.
#[derive(Debug, Clone)]
pub struct Densities {
    /// Probabilities of the bins, `[rows, sequences, 1000]`.
    pub masses: Array3<f32>,
    /// Where the bins lie, `[rows, sequences]`.
    pub grids: Array2<Grid>,
}

impl From<Array3<f32>> for Densities {
    /// Densities on the bins of digits.
    fn from(masses: Array3<f32>) -> Self {
        let (rows, sequences, _) = masses.dim();
        let grids = Array2::from_elem((rows, sequences), Grid::Digits);
        Self { masses, grids }
    }
}

impl Densities {
    /// Densities of one row on the bins of digits, `[sequences, 1000]` row by row.
    ///
    /// # Panics
    /// If there are not 1000 probabilities a sequence.
    pub fn of_row(masses: Vec<f32>) -> Self {
        let shape = (1, masses.len() / BIN_COUNT, BIN_COUNT);
        let masses = Array3::from_shape_vec(shape, masses);
        masses.expect("1000 probabilities a sequence").into()
    }

    /// Probabilities of a sequence's bins in a row.
    pub(super) fn mass(&self, row: usize, sequence: usize) -> Vec<f32> {
        self.masses.slice(s![row, sequence, ..]).to_vec()
    }

    /// The points of the first row's sequences at which the cumulated probabilities reach levels.
    pub(super) fn points(&self, levels: &[f64]) -> Vec<Point> {
        let drawn = levels.iter().enumerate();
        let point = |(i, &level)| {
            let mass = self.mass(0, i);
            point_at(&mass, level).moved_to(self.grids[[0, i]])
        };
        drawn.map(point).collect()
    }
}

/// Forecasts channels from their past, value by value.
pub trait Predictor: Send + Sync {
    /// Name in tables, such as `ar`.
    fn name(&self) -> String;

    /// What is known before the first row of some channels.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster cannot start.
    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError>;

    /// Rows of context and steps, together, that it remembers at most. Of longer contexts the first rows
    /// need only be [passed](Continuation::pass).
    fn window(&self) -> usize {
        usize::MAX
    }

    /// Most rows of context that leave room for a forecast of `horizon` steps.
    fn longest_context(&self, _horizon: usize) -> usize {
        usize::MAX
    }

    /// Whether a context and a horizon fit.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if they do not.
    fn check(&self, _context: usize, _horizon: usize) -> Result<(), ForecastError> {
        Ok(())
    }

    /// True if forecasts beyond the context need the actions to come.
    fn needs_actions(&self) -> bool {
        false
    }

    /// True if it forecasts better where the calendar of rows is known.
    fn reads_calendar(&self) -> bool {
        false
    }

    /// Last rows of a long context that it needs at least: those of a known season, and none if it has none.
    fn rows_needed(&self) -> usize {
        0
    }

    /// True if it reads positions on the axis only, and others as if they lay at its ends.
    fn is_bounded(&self) -> bool {
        true
    }
}

/// What a forecaster has read of a batch of sequences, and its densities of each one's next value.
///
/// Sequence `channel * paths + path` of a forked batch is a path's channel.
pub trait Continuation: Send {
    /// Sequences.
    fn batch(&self) -> usize;

    /// Reads observed rows and learns from them; densities `[wanted, batch]` of some of these rows,
    /// each given the rows before it.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn observe(&mut self, rows: Observed, wanted: Range<usize>)
    -> Result<Densities, ForecastError>;

    /// Reads observed rows of which a model need not know: what has a window forgets what it remembers,
    /// and begins after them; everything else learns from them.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.observe(rows, 0..0).map(|_| ())
    }

    /// Densities of the next value, of one row.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn next_densities(&mut self) -> Result<Densities, ForecastError>;

    /// Turns independent uniform levels, one a sequence, into levels that go together as the channels
    /// of a row do, each still uniform.
    fn couple(&self, _levels: &mut [f64]) {}

    /// Draws every sequence's next value: where the cumulated probability reaches the sequence's
    /// level in `[0, 1)`.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        Ok(self.next_densities()?.points(levels))
    }

    /// Says of which sequences the values drawn last are not taken.
    fn discard(&mut self, _sequences: &[usize]) {}

    /// Goes on with values that were imagined and the actions `[paths * actions]` taken at them. What it
    /// knows of how well it predicts does not change; online experts learn the path that they are on.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError>;

    /// Says of which paths the values that it goes on with next will not follow from those before,
    /// before they are drawn. Draws stay what they are, but nobody is asked about them.
    fn detach(&mut self, _paths: &[usize]) {}

    /// Says of some paths that the values which it goes on with next do not follow from those before, such as a
    /// state at which an episode starts.
    fn begin(&mut self, _paths: &[usize]) {}

    /// Steps of paths that [`prepare`](Self::prepare) takes before paths of so many steps are sampled.
    fn preparation(&self, _steps: usize) -> usize {
        0
    }

    /// Does what the first paths of so many steps need, which is otherwise done when they are forked.
    /// `progress` is told which share of it is done.
    ///
    /// # Errors
    /// [`ForecastError`] if the forecaster fails.
    fn prepare(&self, _steps: usize, _progress: &dyn Fn(f64)) -> Result<(), ForecastError> {
        Ok(())
    }

    /// Continuations of every sequence, with room for `steps` more values each.
    ///
    /// # Errors
    /// [`ForecastError`] if memory runs out.
    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError>;

    /// Values that it has moved to the ends of grids of its own since it was started or forked.
    fn clipped(&self) -> usize {
        0
    }

    /// Which of its online experts led in the rows that were observed, one a channel that is
    /// forecast; none if it has no experts.
    fn leaders(&self) -> Vec<Leadership> {
        Vec::new()
    }

    /// Whose paths were pooled, the largest weight first, once it was forked for more than one step;
    /// none if all paths are its own.
    fn path_weights(&self) -> Vec<PathWeight> {
        Vec::new()
    }

    /// Paths of so many steps that should be forked together.
    fn paths_at_once(&self, _steps: usize) -> usize {
        usize::MAX
    }
}

/// The point, among the bins of digits, at which the cumulated probability reaches a level.
pub(crate) fn point_at(mass: &[f32], level: f64) -> Point {
    let (k, fraction) = locate(mass, level);
    let bin = Bin::new(k).expect("an index among the masses of BIN_COUNT bins");
    Point::on(Grid::Digits, bin, fraction)
}
