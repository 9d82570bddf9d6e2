//! Control: environments, policies, what policies are worth by recordings, agents that learn, and control that plans.
//!
//! [`environment`] describes and simulates tasks, [`policy`] reads and runs policies, [`evaluation`] estimates their
//! values, [`learning`] trains agents, [`control`] plans without training. The crate `statecast` shows these modules under the same names.

pub mod control;
pub mod environment;
pub mod evaluation;
pub mod learning;
pub mod policy;

use statecast_core::{
    baselines, dynamics, expression, forecast, forecasters, metrics, model, network, output,
    recording, study,
};
use statecast_lm::{density, pipe, stand_in};
