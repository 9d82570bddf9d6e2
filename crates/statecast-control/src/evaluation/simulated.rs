//! Simulated values of policies: the truth for estimates.

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::value::variance;
use super::{EvaluationError, Value};
use crate::environment::Environment;
use crate::policy::Policy;

/// First seed of the starts, far from those of recordings.
const FIRST_SEED: u64 = 1_000_000;

/// Returns the mean return of a policy over simulated episodes, given [their returns](simulated_returns).
pub fn simulated(returns: &[f64]) -> Value {
    let count = returns.len().max(1) as f64;
    let mean = returns.iter().sum::<f64>() / count;
    if returns.len() < 2 {
        return Value::single(mean);
    }
    Value::new(mean, (variance(returns) / count).sqrt(), count - 1.0)
}

/// Returns the returns of a policy in simulated episodes of at most `horizon` steps.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::Environment`] if the
/// environment refuses its actions.
pub fn simulated_returns(
    environment: &mut dyn Environment,
    policy: &mut dyn Policy,
    episodes: usize,
    discount: f64,
    horizon: usize,
) -> Result<Vec<f64>, EvaluationError> {
    let mut returns = Vec::with_capacity(episodes);
    for episode in 0..episodes as u64 {
        let mut observation = environment.reset(FIRST_SEED + episode)?;
        let mut random = [ChaCha8Rng::seed_from_u64(FIRST_SEED + episode)];
        let (mut total, mut worth) = (0.0, 1.0);
        for _ in 0..horizon {
            let observed = Array2::from_shape_fn((1, observation.len()), |(_, c)| observation[c]);
            let action = policy.act(observed.view(), &mut random)?;
            let step = environment.step(&action.row(0).to_vec())?;
            total += worth * step.reward;
            worth *= discount;
            if step.terminated || step.truncated {
                break;
            }
            observation = step.observation;
        }
        returns.push(total);
    }
    Ok(returns)
}
