//! Control without training: model predictive control in a model that reads the recordings as its context.
//!
//! At every step a [`Planner`] proposes sequences of actions, all of which are imagined at once from the present state, and
//! narrows its proposals around the best ones (cross-entropy method, Rubinstein & Kroese 2004; correlated noise and kept
//! elites as in iCEM, Pinneri et al., arXiv 2008.06389). The first action of the best is taken, and the result is read.
//! A [`ControlStudy`] first asks whether the model's paths hold what the recordings did, then runs episodes.

mod controller;
mod coverage;
mod error;
mod limit;
mod objective;
mod planner;
mod settings;
mod study;

pub use controller::Controller;
pub use coverage::Coverage;
pub use error::ControlError;
pub use limit::Limit;
pub use objective::{Objective, SetPoint};
pub use planner::{ActionRange, Planner, PlannerSettings, Score};
pub use settings::ControlSettings;
pub use study::{ControlOutcome, ControlStudy};
