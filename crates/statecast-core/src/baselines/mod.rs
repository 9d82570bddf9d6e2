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
use crate::forecast::{Form, Online, Predictor, Univariate, Variables};

use autoregression::Orders;
use channels::{PerChannel, Rule};
use climatology::Values;
pub use learned::Learned;
use mlp::Mlp;
use neighbours::Past;
use persistence::Increments;
use transition::OneStepModel;

/// Names of the baselines, for [`named`].
pub const NAMES: [&str; 23] = [
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
    "ari",
    "sari",
    "log-sari",
    "harmonic",
    "log-harmonic",
    "harmonic-ari",
    "log-harmonic-ari",
    "calendar",
    "log-calendar",
    "calendar-ari",
    "log-calendar-ari",
];

/// Returns the baseline of a name, if any.
///
/// ```
/// use statecast::baselines::{NAMES, named};
/// assert!(NAMES.iter().all(|name| named(name).unwrap().name() == *name));
/// ```
pub fn named(name: &str) -> Option<Arc<dyn Predictor>> {
    of_season(name, None)
}

/// Returns the baseline of a name, if any, where a season of so many rows, at least two, is known: `seasonal` looks for none,
/// [regressions of a channel's own past](Univariate) for longer ones.
///
/// ```
/// use statecast::baselines::named_with_period;
/// assert_eq!(named_with_period("sari", 12).unwrap().name(), "sari");
/// ```
pub fn named_with_period(name: &str, rows: usize) -> Option<Arc<dyn Predictor>> {
    of_season(name, Some(rows))
}

fn of_season(name: &str, period: Option<usize>) -> Option<Arc<dyn Predictor>> {
    // Smoothing applies until a period or similar past rows are found.
    let seasonal = Online::first("seasonal", &[ExpertKind::Seasonal, ExpertKind::Smoothing]);
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
        "seasonal" => match period {
            Some(rows) => Arc::new(seasonal.with_period(rows)),
            None => Arc::new(seasonal),
        },
        "analogue" => expert("analogue", &[ExpertKind::Analogue, ExpertKind::Smoothing]),
        "scales" => Arc::new(Online::scales()),
        _ => {
            let form = Form::ALL.into_iter().find(|form| form.name() == name)?;
            Arc::new(Univariate::of(form).with_period(period))
        }
    })
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
