//! Control: environments, policies, what policies are worth by recordings, and agents that learn.
//!
//! [`environment`] describes and simulates tasks, [`policy`] reads and runs policies, [`evaluation`] estimates their
//! values, [`learning`] trains agents. The crate `statecast` shows these modules under the same names.

pub mod environment;
pub mod evaluation;
pub mod learning;
pub mod policy;

use statecast_core::{
    baselines, dynamics, forecast, forecasters, metrics, model, network, output, recording, study,
};
use statecast_lm::{pipe, stand_in};
