//! Values by weighting what was recorded by how likely the policy would have done it.

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::value::variance;
use super::{Logged, Value};
use crate::policy::Policy;

/// Resamplings of the runs behind a standard error.
const RESAMPLINGS: usize = 200;

/// Log of the largest ratio of two probabilities of a whole path that is told from larger ones.
const MOST_LOG_RATIO: f64 = 50.0;

/// A value with how many runs' worth of evidence the weights leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// The value.
    pub value: Value,
    /// Effective number of runs behind the last step's weights (Kish), between 1 and the runs.
    pub effective: f64,
}

/// Mean return of the recorded runs: what the policy is worth if it does what was done.
pub fn behaviour_mean(logged: &Logged, discount: f64, horizon: usize) -> Value {
    let returns = logged
        .runs
        .iter()
        .map(|run| run.discounted(discount, horizon));
    let returns: Vec<f64> = returns.collect();
    let count = returns.len() as f64;
    let mean = returns.iter().sum::<f64>() / count;
    Value::new(mean, (variance(&returns) / count).sqrt(), count - 1.0)
}

/// Terms of weighted per-decision estimators: of every run, step by step.
struct Terms {
    /// Cumulated ratios of the policy's to the recorded probabilities, `[runs][steps]`.
    ratios: Vec<Vec<f64>>,
    steps: usize,
}

impl Terms {
    /// `None` where probabilities of the actions are not known on either side.
    fn new(logged: &Logged, policy: &dyn Policy, horizon: usize) -> Option<Self> {
        let ratios = logged.runs.iter().map(|run| {
            let taken = run.log_probabilities.as_ref()?;
            let now = policy.log_probabilities(run.before(), run.actions.view())?;
            let mut sum = 0.0f64;
            let logs = now.iter().zip(taken).take(horizon);
            let ratio = logs.map(|(now, taken)| {
                sum = (sum + now - taken).clamp(-1e6, MOST_LOG_RATIO);
                sum.exp()
            });
            Some(ratio.collect())
        });
        let ratios: Vec<Vec<f64>> = ratios.collect::<Option<_>>()?;
        Some(Self {
            steps: ratios.iter().map(Vec::len).max().unwrap_or(0),
            ratios,
        })
    }

    /// Weight of a run at a step, before the weights of all runs are made to sum to one. A run that
    /// has ended keeps its last ratio; before the first step all are as likely.
    fn ratio(&self, run: usize, step: Option<usize>) -> f64 {
        let ratios = &self.ratios[run];
        match step {
            None => 1.0,
            Some(step) => ratios.get(step).or(ratios.last()).copied().unwrap_or(1.0),
        }
    }

    /// Weights of some runs at a step, summing to one.
    fn weights(&self, runs: &[usize], step: Option<usize>) -> Vec<f64> {
        let ratios: Vec<f64> = runs.iter().map(|&run| self.ratio(run, step)).collect();
        let total: f64 = ratios.iter().sum();
        match total > 0.0 {
            true => ratios.iter().map(|ratio| ratio / total).collect(),
            false => vec![1.0 / runs.len() as f64; runs.len()],
        }
    }

    fn value(&self, runs: usize, estimate: impl Fn(&[usize]) -> f64) -> Weighted {
        let all: Vec<usize> = (0..runs).collect();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let resampled = (0..RESAMPLINGS).map(|_| {
            let drawn: Vec<usize> = (0..runs).map(|_| random.random_range(0..runs)).collect();
            estimate(&drawn)
        });
        let error = variance(&resampled.collect::<Vec<_>>()).sqrt();
        let last = self.weights(&all, self.steps.checked_sub(1));
        let effective = 1.0 / last.iter().map(|w| w * w).sum::<f64>();
        Weighted {
            value: Value::new(estimate(&all), error, effective - 1.0),
            effective,
        }
    }
}

/// Weighted per-decision importance sampling (Precup et al., ICML 2000); `None` if the probabilities
/// of the actions are not known, of the recordings or of the policy.
pub fn importance(
    logged: &Logged,
    policy: &dyn Policy,
    discount: f64,
    horizon: usize,
) -> Option<Weighted> {
    let terms = Terms::new(logged, policy, horizon)?;
    Some(terms.value(logged.runs.len(), |runs| {
        let step = |t: usize| {
            let weights = terms.weights(runs, Some(t));
            let earned = runs.iter().zip(weights).map(|(&run, weight)| {
                let rewards = &logged.runs[run].rewards;
                weight * rewards.get(t).copied().unwrap_or(0.0)
            });
            discount.powi(t as i32) * earned.sum::<f64>()
        };
        (0..terms.steps).map(step).sum()
    }))
}

/// Values of states and of what was done in them, of every run: `q` of the state and the recorded
/// action, `v` of the state under the policy, each with the steps that are left.
pub struct Critic {
    /// `[runs][steps]`.
    pub q: Vec<Vec<f64>>,
    /// `[runs][steps]`.
    pub v: Vec<Vec<f64>>,
}

/// Weighted doubly robust estimate (Thomas and Brunskill, ICML 2016): a model's values, as a control
/// variate, corrected by the weighted differences from what was recorded.
/// `None` if the probabilities of the actions are not known.
pub fn doubly_robust(
    logged: &Logged,
    policy: &dyn Policy,
    discount: f64,
    horizon: usize,
    critic: &Critic,
) -> Option<Weighted> {
    let terms = Terms::new(logged, policy, horizon)?;
    let at = |values: &[Vec<f64>], run: usize, t: usize| values[run].get(t).copied().unwrap_or(0.0);
    let estimate = |runs: &[usize]| {
        let step = |t: usize| {
            let now = terms.weights(runs, Some(t));
            let before = terms.weights(runs, t.checked_sub(1));
            let parts = runs.iter().zip(now.iter().zip(before));
            let parts = parts.map(|(&run, (now, before))| {
                let reward = logged.runs[run].rewards.get(t).copied().unwrap_or(0.0);
                now * (reward - at(&critic.q, run, t)) + before * at(&critic.v, run, t)
            });
            discount.powi(t as i32) * parts.sum::<f64>()
        };
        (0..terms.steps).map(step).sum::<f64>()
    };
    Some(terms.value(logged.runs.len(), estimate))
}
