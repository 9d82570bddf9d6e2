//! Simulated values of policies: the truth for estimates.

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::value::variance;
use super::{EvaluationError, Value};
use crate::environment::{Environment, EnvironmentError, TerminationRule};
use crate::policy::Policy;

/// First seed of the starts, far from those of recordings.
const FIRST_SEED: u64 = 1_000_000;

/// A simulated episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedReturn {
    /// Its discounted return.
    pub value: f64,
    /// Whether it terminated before the horizon.
    pub terminated: bool,
    /// Whether it reached a failure, where failures are known.
    pub failed: Option<bool>,
}

/// Returns the mean return of a policy over [simulated episodes](simulated_returns).
pub fn simulated(episodes: &[SimulatedReturn]) -> Value {
    let returns: Vec<f64> = episodes.iter().map(|episode| episode.value).collect();
    let count = returns.len().max(1) as f64;
    let mean = returns.iter().sum::<f64>() / count;
    if returns.len() < 2 {
        return Value::single(mean);
    }
    Value::new(mean, (variance(&returns) / count).sqrt(), count - 1.0)
}

/// Returns the returns of a policy in simulated episodes of at most `horizon` steps, and whether they reached failures.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::Environment`] if the
/// environment refuses its actions or `failure` is not defined.
pub fn simulated_returns(
    environment: &mut dyn Environment,
    policy: &mut dyn Policy,
    episodes: usize,
    discount: f64,
    horizon: usize,
    failure: Option<&TerminationRule>,
) -> Result<Vec<SimulatedReturn>, EvaluationError> {
    let mut returns = Vec::with_capacity(episodes);
    for episode in 0..episodes as u64 {
        let mut observation = environment.reset(FIRST_SEED + episode)?;
        let mut random = [ChaCha8Rng::seed_from_u64(FIRST_SEED + episode)];
        let mut episode = SimulatedReturn {
            value: 0.0,
            terminated: false,
            failed: failure.map(|_| false),
        };
        let mut worth = 1.0;
        for number in 0..horizon {
            let observed = Array2::from_shape_fn((1, observation.len()), |(_, c)| observation[c]);
            let action = policy.act(observed.view(), &mut random)?;
            let step = environment.step(&action.row(0).to_vec())?;
            episode.value += worth * step.reward;
            episode.terminated = step.terminated;
            if let (Some(failed), Some(rule)) = (&mut episode.failed, failure) {
                if !rule.is_defined(&step.observation) {
                    return Err(undefined(environment, number));
                }
                *failed |= rule.ends(&step.observation);
            }
            worth *= discount;
            if step.terminated || step.truncated {
                break;
            }
            observation = step.observation;
        }
        returns.push(episode);
    }
    Ok(returns)
}

fn undefined(environment: &dyn Environment, step: usize) -> EvaluationError {
    EvaluationError::Environment(EnvironmentError::Undefined {
        task: environment.task().name,
        setting: "failure-expr",
        step,
    })
}
