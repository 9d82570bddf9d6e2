//! Paths that a policy walks in a model.

use std::sync::Arc;

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Path, RecordedEnds, Rules, Value};
use crate::metrics::block_bootstrap;

/// Sets the draws of a policy apart from those of the model.
pub(super) const ACTING: u64 = 0xac7;

/// How a policy is walked through a model.
#[derive(Debug, Clone)]
pub struct Walk {
    /// First states of the paths, `[starts, states]`; path `i` starts in number `i` modulo `starts`.
    pub starts: Array2<f64>,
    /// Paths.
    pub paths: usize,
    /// Most steps of a path.
    pub horizon: usize,
    /// Worth of a step's reward, in units of that of the step before; above 0 and at most 1.
    pub discount: f64,
    /// What is known of the system.
    pub rules: Rules,
    /// Where recorded runs ended, if paths may end there, too.
    pub ends: Option<Arc<RecordedEnds>>,
    /// Seed of all draws.
    pub seed: u64,
}

impl Walk {
    /// Random numbers of the policy on some paths.
    pub(super) fn acting(&self, paths: impl Iterator<Item = usize>) -> Vec<ChaCha8Rng> {
        let of = |path: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ ACTING);
            random.set_stream(path as u64);
            random
        };
        paths.map(of).collect()
    }
}

/// What a policy earned on imagined paths.
#[derive(Debug, Clone)]
pub struct Imagined {
    /// Returns of the paths.
    pub paths: Vec<Path>,
    /// Rewards of the paths, step by step until their end, undiscounted.
    pub rewards: Vec<Vec<f64>>,
    /// Values (starts, actions, states of a learned model) that left the range which the model knows,
    /// and were moved to its end.
    pub saturated: usize,
}

impl Imagined {
    /// Mean number of steps.
    pub fn length(&self) -> f64 {
        let steps: usize = self.rewards.iter().map(Vec::len).sum();
        steps as f64 / self.rewards.len().max(1) as f64
    }

    /// The value, with what is in doubt by models and starts.
    pub fn value(&self) -> Value {
        Value::of_paths(&self.paths)
    }

    /// Mean over the paths with the 95 % interval that only the number of paths gives.
    pub fn mean(&self) -> crate::metrics::Estimate {
        let values: Vec<f64> = self.paths.iter().map(|path| path.value).collect();
        block_bootstrap(&values, 1, 0)
    }
}
