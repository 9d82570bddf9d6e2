//! Online experts: forecasters of the next row of all channels that learn row by row.
//!
//! An expert gives a [`Student`] distribution (location, scale, degrees of freedom) of each
//! channel's next value from the rows before it and the actions up to the row before. Its state
//! depends on those rows only; along a sampled path it goes on with the path's own draws. Experts
//! bring what a model of digits cannot see: other channels, actions, trend, season and resolution.
//!
//! A [`Panel`] runs several experts on one recording; a [`Simulator`] of the user may be one of
//! them. [`Slots`] turns their predictions into the hints that centre a model's
//! [residual axis](crate::codec); [`Scales`] mixes them at several scales into a forecaster of its
//! own. Values are positions on a channel's axis less 5, so that
//! contexts span [-3.5, 3.5]; actions are in units of the largest of the context. An episode's
//! first row follows from nothing: no expert predicts it or learns from it, and no lag reaches over
//! it.
//!
//! The numbers are a contract with the training recipe in Python; `tests/golden_experts.rs` holds
//! both to an independent computation.

mod analogue;
mod candidates;
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

pub(crate) use panel::paths_that_fit;
pub use panel::{Panel, Source};
pub use past::Past;
pub use regression::{Prior, Regression, Sampled};
pub use scales::{Normal, Scales};
pub(crate) use simulator::ask;
pub use simulator::{Simulated, Simulator, SimulatorError, SimulatorProgram};
pub use slots::{Hint, Leadership, Slot, Slots};
pub use student::Student;

/// Position on a channel's axis that experts have as zero.
pub(crate) const CENTRE: f64 = 5.0;

/// Precision, as a density, to which values are known: more than this no prediction earns.
const FINEST: f64 = 1e4;

/// Farthest value and largest action that are taken as they are: later ones must not leave the
/// range of a float.
pub(crate) const MOST: f64 = 1e3;

fn bounded(x: f64) -> f64 {
    x.clamp(-MOST, MOST)
}

/// An expert of all channels. A row is predicted, then learned.
trait Expert: Send + Sync {
    /// Distributions of the channels of the next row, `None` where the expert has none.
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>>;

    /// Learns the row that was [predicted](Self::predict) last: values of the channels. The first
    /// row of an episode teaches nothing, but what follows may start from it.
    fn learn(&mut self, next: &Next, row: &[f64]);

    /// A copy.
    fn copy(&self) -> Box<dyn Expert>;

    /// Goes on along a sampled path: its draws say in which state the path is, but teach nothing
    /// about the system.
    fn settle(&mut self) {}

    /// Bytes that a copy takes, about, that is settled and has read so many rows.
    fn bytes(&self, rows: usize) -> usize;
}

/// The row that an expert predicts.
#[derive(Clone, Copy)]
struct Next<'n> {
    /// The rows, of which only those before it count.
    past: &'n Past,
    /// Its index.
    t: usize,
    /// Rows between it and the first row of its episode.
    age: usize,
    /// What a simulator says of it, one a channel; empty if there is none.
    simulated: &'n [Option<Simulated>],
}

impl<'n> Next<'n> {
    /// A row that is known already.
    fn replayed(past: &'n Past, t: usize) -> Self {
        let age = past.age(t);
        Self {
            past,
            t,
            age,
            simulated: &[],
        }
    }
}
