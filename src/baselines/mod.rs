//! Simple rules that every forecast is held against, behind the trait of the language model.
//!
//! All see positions on the channels' axes and state densities on the same 1000 bins, so that
//! scores compare like with like; each is mixed with a little of the uniform density, so that no
//! outcome is impossible. None looks at a row before it has predicted it.

mod autoregression;
mod channels;
mod climatology;
mod joint;
mod kernel;
mod learned;
mod mlp;
mod neighbours;
mod persistence;
mod transition;

use std::sync::Arc;

use crate::dynamics::Dynamics;
use crate::experts::Source;
use crate::forecast::{Online, Predictor, Variables};

use autoregression::Orders;
use channels::{PerChannel, Rule};
use climatology::Values;
pub use learned::Learned;
use mlp::Mlp;
use neighbours::Past;
use persistence::Increments;
use transition::Transition;

/// Sets the draws of a path's parameters apart from those of its values.
const PARAMETERS: u64 = 0x5eed_ba5e;

/// Names of the baselines, as [`named`] takes them.
pub const NAMES: [&str; 12] = [
    "persistence",
    "mean",
    "ar",
    "linear",
    "knn",
    "mlp",
    "quadratic",
    "fourier",
    "smoothing",
    "seasonal",
    "analogue",
    "scales",
];

/// The baseline of a name; `None` if there is none.
///
/// ```
/// use statecast::baselines::{NAMES, named};
/// assert!(NAMES.iter().all(|name| named(name).unwrap().name() == *name));
/// ```
pub fn named(name: &str) -> Option<Arc<dyn Predictor>> {
    Some(match name {
        "persistence" => per_channel("persistence", Increments::default()),
        "mean" => per_channel("mean", Values::default()),
        "ar" => per_channel("ar", Orders::new()),
        "knn" => per_channel("knn", Past::new()),
        "mlp" => Arc::new(Mlp::default()),
        "linear" => expert("linear", &[Source::Linear]),
        "quadratic" => expert("quadratic", &[Source::Quadratic]),
        // Of many variables it knows nothing.
        "fourier" => expert("fourier", &[Source::Fourier, Source::Quadratic]),
        "smoothing" => expert("smoothing", &[Source::Smoothing]),
        // What has no period yet, or no past to compare with, is smoothed.
        "seasonal" => Arc::new(of_season()),
        "analogue" => expert("analogue", &[Source::Analogue, Source::Smoothing]),
        "scales" => Arc::new(Online::scales()),
        _ => return None,
    })
}

/// The baseline `seasonal` with a season of so many rows.
pub fn seasonal(period: usize) -> Arc<dyn Predictor> {
    Arc::new(of_season().with_period(period))
}

fn of_season() -> Online {
    Online::first("seasonal", &[Source::Seasonal, Source::Smoothing])
}

/// The baseline `mlp`, trained on other recordings of the system before it reads a context. Their
/// variables are those of the contexts.
pub fn trained_mlp(training: Vec<Variables>) -> Arc<dyn Predictor> {
    Arc::new(Mlp {
        training: training.into(),
    })
}

/// A learned model of one step as a forecaster. The variables are its states, followed by the reward of
/// the step that led to them if there is one more; actions are none of them.
pub fn of_dynamics(dynamics: Arc<dyn Dynamics>, states: usize) -> Arc<dyn Predictor> {
    Arc::new(Transition { dynamics, states })
}

fn expert(name: &'static str, sources: &'static [Source]) -> Arc<dyn Predictor> {
    Arc::new(Online::first(name, sources))
}

fn per_channel<R: Rule>(name: &'static str, rule: R) -> Arc<dyn Predictor> {
    Arc::new(PerChannel { name, rule })
}
