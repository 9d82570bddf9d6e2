//! Online experts: forecasters of the next row of all channels that learn row by row.
//!
//! An expert gives a [`Student`] distribution (location, scale, degrees of freedom) of each
//! channel's next value from the rows before it and the actions up to the row before. Its state
//! depends on those rows only; along a sampled path it continues with the path's own draws. Experts
//! contribute what a model of digits cannot see: other channels, actions, trend, season and
//! resolution.
//!
//! A [`ExpertPanel`] runs several experts on one recording; a [`Simulator`] of the user may be one
//! of them. [`Slots`] turns their predictions into the hints that centre a model's
//! [residual axis](crate::codec); [`Scales`] mixes them at several scales into a forecaster of its
//! own. Values are positions on a channel's axis less 5, so that
//! contexts span [-3.5, 3.5]; actions are in units of the largest of the context. An episode's
//! first row has no predecessor: no expert predicts it or learns from it, and no lag crosses it.
//!
//! The numbers are a contract with the training recipe in Python; `tests/golden_experts.rs` holds
//! both to an independent computation.

mod analogue;
mod candidates;
mod channels;
mod factors;
mod fits;
mod fourier;
mod linear;
mod panel;
mod past;
mod posterior;
mod products;
mod quadratic;
mod regression;
mod scales;
mod seasonal;
mod simulator;
mod slots;
mod smoothing;
mod student;

use rand::rngs::ChaCha8Rng;

pub use panel::paths_that_fit;
pub use panel::{ExpertKind, ExpertPanel};
pub use past::Past;
pub use regression::{Prior, Regression, Sampled};
pub use scales::{Normal, Scales};
pub use seasonal::autocorrelation_peaks;
pub use simulator::ask;
pub use simulator::{Simulated, Simulator, SimulatorError, SimulatorProgram};
pub use slots::{Hint, Leadership, Slot, Slots};
pub use student::Student;

/// Position on a channel's axis that is zero for experts.
pub const CENTRE: f64 = 5.0;

/// Resolution of values, as a density: upper bound of scored densities.
const FINEST: f64 = 1e4;

/// Clipping bound of values and actions, against overflow.
pub const MAX_POSITION: f64 = 1e3;

fn bounded(x: f64) -> f64 {
    x.clamp(-MAX_POSITION, MAX_POSITION)
}

/// An expert of all channels. A row is predicted, then learned.
trait Expert: Send + Sync {
    /// Distributions of the channels of the next row, `None` where the expert has none.
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>>;

    /// Learns the values of the row that was [predicted](Self::predict) last. The first row of an
    /// episode only initialises the state.
    fn learn(&mut self, next: &Next, row: &[f64]);

    /// Returns a copy.
    fn copy(&self) -> Box<dyn Expert>;

    /// Switches to a sampled path: its draws update the state, but not what was learned about the
    /// system.
    fn settle(&mut self) {}

    /// The same, with weights that are drawn once for the path, where there are such.
    fn settle_by_draw(&mut self, _random: &mut ChaCha8Rng) {
        self.settle();
    }

    /// Bytes of the weights that [`settle_by_draw`](Self::settle_by_draw) draws.
    fn drawn_bytes(&self) -> usize {
        0
    }

    /// Returns the approximate bytes of a copy on a path of a number of rows.
    fn bytes(&self, rows: usize) -> usize;
}

/// The row that an expert predicts.
#[derive(Clone, Copy)]
struct Next<'n> {
    /// Rows; only those before the index are used.
    past: &'n Past,
    /// Index of the row.
    t: usize,
    /// Rows between it and the first row of its episode that is kept.
    age: usize,
    /// Simulator predictions per channel; empty without a simulator.
    simulated: &'n [Option<Simulated>],
}

impl<'n> Next<'n> {
    /// Returns a row that is already known, of an episode of which earlier ones may be forgotten.
    fn replayed(past: &'n Past, t: usize) -> Self {
        let age = past.age(t).min(t - past.first());
        Self {
            past,
            t,
            age,
            simulated: &[],
        }
    }
}
