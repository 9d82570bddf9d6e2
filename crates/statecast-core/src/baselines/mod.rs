//! Baseline forecasters, with the interface of the language model.
//!
//! All read positions on the channels' axes and give densities on the same 1000 bins, so that
//! scores are comparable. Each is mixed with a small uniform density, so that no outcome is
//! impossible. None uses a row before it is predicted.

mod autoregression;
mod channels;
mod climatology;
mod joint;
mod learned;
mod mlp;
mod neighbours;
mod persistence;
mod smoother;
mod transition;

use std::sync::Arc;

use crate::dynamics::Dynamics;
use crate::experts::ExpertKind;
use crate::forecast::{Online, Predictor, Variables};

use autoregression::Orders;
use channels::{PerChannel, Rule};
use climatology::Values;
pub use learned::Learned;
use mlp::Mlp;
use neighbours::Past;
use persistence::Increments;
use transition::OneStepModel;

/// Separates the random stream of a path's parameters from that of its values.
const PARAMETERS: u64 = 0x5eed_ba5e;

/// Names of the baselines, for [`named`].
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

/// Returns the baseline of a name, if any.
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
        "linear" => expert("linear", &[ExpertKind::Linear]),
        "quadratic" => expert("quadratic", &[ExpertKind::Quadratic]),
        // It has no prediction for many variables.
        "fourier" => expert("fourier", &[ExpertKind::Fourier, ExpertKind::Quadratic]),
        "smoothing" => expert("smoothing", &[ExpertKind::Smoothing]),
        // Smoothing applies until a period or similar past rows are found.
        "seasonal" => Arc::new(of_season()),
        "analogue" => expert("analogue", &[ExpertKind::Analogue, ExpertKind::Smoothing]),
        "scales" => Arc::new(Online::scales()),
        _ => return None,
    })
}

/// Returns the baseline `seasonal` with a known period in rows.
pub fn seasonal(period: usize) -> Arc<dyn Predictor> {
    Arc::new(of_season().with_period(period))
}

fn of_season() -> Online {
    Online::first("seasonal", &[ExpertKind::Seasonal, ExpertKind::Smoothing])
}

/// Returns the baseline `mlp`, trained on other recordings of the same variables before a context.
pub fn trained_mlp(training: Vec<Variables>) -> Arc<dyn Predictor> {
    Arc::new(Mlp {
        training: training.into(),
    })
}

/// Returns a learned one-step model as a forecaster. The variables are its states and, if there is
/// one more, the reward of the step before; actions are not variables.
pub fn of_dynamics(dynamics: Arc<dyn Dynamics>, states: usize) -> Arc<dyn Predictor> {
    Arc::new(OneStepModel { dynamics, states })
}

fn expert(name: &'static str, sources: &'static [ExpertKind]) -> Arc<dyn Predictor> {
    Arc::new(Online::first(name, sources))
}

fn per_channel<R: Rule>(name: &'static str, rule: R) -> Arc<dyn Predictor> {
    Arc::new(PerChannel { name, rule })
}
