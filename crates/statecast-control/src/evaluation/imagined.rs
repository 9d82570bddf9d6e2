//! Policy rollouts in a model.

use std::sync::Arc;

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::return_accumulator::StepsOutside;
use super::{Path, RecordedSupport, ReturnDistribution, Rules, TerminationModel, Value};
use crate::environment::TerminationRule;
use crate::metrics::block_bootstrap;

/// Separates the policy's random streams from the model's.
pub(super) const POLICY_SEED: u64 = 0xac7;

/// Specification of policy rollouts in a model.
#[derive(Debug, Clone)]
pub struct RolloutSpec {
    /// First states of the paths, `[starts, states]`; path `i` starts in number `i` modulo
    /// `starts`.
    pub starts: Array2<f64>,
    /// Number of paths.
    pub paths: usize,
    /// Steps per path, unless it terminates.
    pub horizon: usize,
    /// Discount factor per step, above 0 and at most 1.
    pub discount: f64,
    /// Known reward and termination of the system.
    pub rules: Rules,
    /// Termination model, if paths may terminate by it.
    pub termination: Option<Arc<TerminationModel>>,
    /// States that are failures, if any are.
    pub failure: Option<TerminationRule>,
    /// The recorded steps that those of paths are compared with, if they are.
    pub support: Option<Arc<RecordedSupport>>,
    /// Seed of all draws.
    pub seed: u64,
}

impl RolloutSpec {
    /// Returns the policy's random generators for some paths.
    pub(super) fn policy_random(&self, paths: impl Iterator<Item = usize>) -> Vec<ChaCha8Rng> {
        let of = |path: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ POLICY_SEED);
            random.set_stream(path as u64);
            random
        };
        paths.map(of).collect()
    }
}

/// Returns of imagined paths.
#[derive(Debug, Clone)]
pub struct ImaginedRollouts {
    /// Returns of the paths.
    pub paths: Vec<Path>,
    /// Undiscounted rewards of each path until its end.
    pub rewards: Vec<Vec<f64>>,
    /// Probability of each path that it has terminated by the horizon.
    pub terminated: Vec<f64>,
    /// Probability of each path that it has reached a failure by the horizon, where failures are known.
    pub failed: Option<Vec<f64>>,
    /// Number of values (starts, actions, states of a learned model) that were clipped to the
    /// model's range.
    pub clipped: usize,
    /// How many of the steps lie outside of the recordings.
    pub outside: StepsOutside,
}

impl ImaginedRollouts {
    /// Returns the mean number of steps per path.
    pub fn length(&self) -> f64 {
        let steps: usize = self.rewards.iter().map(Vec::len).sum();
        steps as f64 / self.rewards.len().max(1) as f64
    }

    /// Returns the value, with the uncertainty over models and starts.
    pub fn value(&self) -> Value {
        Value::of_paths(&self.paths)
    }

    /// Returns the distribution of the returns over episodes; `None` for a single model.
    pub fn distribution(&self) -> Option<ReturnDistribution> {
        ReturnDistribution::of(&self.paths, &self.terminated, self.failed.as_deref())
    }

    /// Returns the mean over paths with a 95 % interval of the sampling error alone.
    pub fn mean(&self) -> crate::metrics::Estimate {
        let values: Vec<f64> = self.paths.iter().map(|path| path.value).collect();
        block_bootstrap(&values, 1, 0)
    }
}
