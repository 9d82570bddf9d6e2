//! Importance sampling and doubly robust estimates.

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::value::variance;
use super::{Logged, Value};
use crate::policy::{Policy, PolicyError};

/// Bootstrap resamplings of a standard error.
const RESAMPLINGS: usize = 200;

/// Mean probability ratio of the recorded actions below which the policy takes actions without
/// recorded support: with full support, the mean is 1.
const MIN_MEAN_RATIO: f64 = 0.9;

/// Standard errors by which the mean must be below that.
const ERRORS_BELOW: f64 = 4.0;

/// Smallest effective number of runs of a value.
const MIN_EFFECTIVE: f64 = 2.0;

/// An importance sampling estimate with its effective number of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportanceEstimate {
    /// The value; `None` if the effective number of runs is below two, or the policy takes actions
    /// without recorded support.
    pub value: Option<Value>,
    /// Effective number of runs (Kish) of the last step's weights; 0 if the policy takes none of
    /// the recorded actions.
    pub effective: f64,
    /// Mean probability ratio over the recorded steps, if it is significantly below 1, its value
    /// with full support. A clipped policy has probability mass on its limits that recordings with
    /// a density lack.
    pub too_small_ratio: Option<f64>,
}

/// Returns the mean return of the recorded runs: the value of the behaviour policy. Runs that were
/// truncated early are left out.
pub fn behaviour_mean(logged: &Logged, discount: f64, horizon: usize) -> Value {
    let (horizon, runs) = logged.covered_horizon(|_| true, horizon);
    mean_return(logged, &runs, discount, horizon)
}

/// Returns the mean return of some runs.
pub(super) fn mean_return(logged: &Logged, runs: &[usize], discount: f64, horizon: usize) -> Value {
    let of = |&run: &usize| logged.runs[run].discounted(discount, horizon);
    let returns: Vec<f64> = runs.iter().map(of).collect();
    let count = returns.len().max(1) as f64;
    let mean = returns.iter().sum::<f64>() / count;
    if returns.len() < 2 {
        return Value::single(mean);
    }
    Value::new(mean, (variance(&returns) / count).sqrt(), count - 1.0)
}

/// Terms of weighted per-decision estimators, by run and step.
struct Terms {
    /// Logs of the cumulative probability ratios, `[runs][steps]`: for long runs the ratios
    /// themselves underflow.
    ratios: Vec<Vec<f64>>,
    /// Runs that cover all steps.
    runs: Vec<usize>,
    steps: usize,
    too_small_ratio: Option<f64>,
}

impl Terms {
    /// Returns `None` if action probabilities are unknown on either side.
    fn new(
        logged: &Logged,
        policy: &dyn Policy,
        horizon: usize,
    ) -> Result<Option<Self>, PolicyError> {
        let (horizon, runs) = logged.covered_horizon(|_| true, horizon);
        let mut ratios: Vec<Vec<f64>> = Vec::with_capacity(logged.runs.len());
        for run in &logged.runs {
            let Some(taken) = &run.log_probabilities else {
                return Ok(None);
            };
            let Some(now) = policy.log_probabilities(run.before(), run.actions.view())? else {
                return Ok(None);
            };
            let mut sum = 0.0f64;
            let logs = now.iter().zip(taken).take(horizon);
            let ratio = logs.map(|(now, taken)| {
                sum += now - taken;
                // Impossible under both policies: the run carries no information.
                if sum.is_nan() {
                    sum = f64::NEG_INFINITY;
                }
                sum
            });
            ratios.push(ratio.collect());
        }
        Ok(Some(Self {
            too_small_ratio: too_small_ratio(&ratios),
            steps: runs.iter().map(|&run| ratios[run].len()).max().unwrap_or(0),
            ratios,
            runs,
        }))
    }

    /// Returns the log weight of a run at a step, up to a constant. A terminated run keeps its last
    /// ratio; before the first step all runs have the same.
    fn ratio(&self, run: usize, step: Option<usize>) -> f64 {
        let ratios = &self.ratios[run];
        match step {
            None => 0.0,
            Some(step) => ratios.get(step).or(ratios.last()).copied().unwrap_or(0.0),
        }
    }

    /// Returns the weights of some runs at a step, summing to one; all zero if the policy takes
    /// none of the recorded actions.
    fn weights(&self, runs: &[usize], step: Option<usize>) -> Vec<f64> {
        let logs: Vec<f64> = runs.iter().map(|&run| self.ratio(run, step)).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return vec![0.0; runs.len()];
        }
        let ratios = logs.iter().map(|log| (log - largest).exp());
        let total: f64 = ratios.clone().sum();
        ratios.map(|ratio| ratio / total).collect()
    }

    fn value(&self, estimate: impl Fn(&[usize]) -> f64) -> ImportanceEstimate {
        let (all, count) = (&self.runs, self.runs.len());
        let last = self.weights(all, self.steps.checked_sub(1));
        let squares = last.iter().map(|w| w * w).sum::<f64>();
        let effective = if squares > 0.0 { 1.0 / squares } else { 0.0 };
        let too_small_ratio = self.too_small_ratio;
        if effective < MIN_EFFECTIVE || too_small_ratio.is_some() {
            return ImportanceEstimate {
                value: None,
                effective,
                too_small_ratio,
            };
        }
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let resampled = (0..RESAMPLINGS).map(|_| {
            let drawn = (0..count).map(|_| all[random.random_range(0..count)]);
            estimate(&drawn.collect::<Vec<_>>())
        });
        let error = variance(&resampled.collect::<Vec<_>>()).sqrt();
        ImportanceEstimate {
            value: Some(Value::new(estimate(all), error, effective - 1.0)),
            effective,
            too_small_ratio: None,
        }
    }
}

/// Returns the mean ratio of single steps if it is significantly too small; takes logs of
/// cumulative ratios `[runs][steps]`.
fn too_small_ratio(logs: &[Vec<f64>]) -> Option<f64> {
    // Behind a ratio of 0 those of single steps are not known.
    let of_run = |logs: &Vec<f64>| {
        let before = std::iter::once(0.0).chain(logs.iter().copied());
        let known = logs.iter().zip(before);
        let known = known.take_while(|(_, before)| *before > f64::NEG_INFINITY);
        known.fold((0.0, 0.0), |(sum, steps), (log, before)| {
            (sum + (log - before).exp(), steps + 1.0)
        })
    };
    let runs: Vec<(f64, f64)> = logs
        .iter()
        .filter(|logs| !logs.is_empty())
        .map(of_run)
        .collect();
    let total = |of: &dyn Fn(&(f64, f64)) -> f64| runs.iter().map(of).sum::<f64>();
    let (sum, steps) = (total(&|run| run.0), total(&|run| run.1));
    let mean = sum / steps;
    // Of a ratio of sums over runs (Cochran 1977, section 2.11).
    let error = total(&|run| (run.0 - mean * run.1).powi(2)).sqrt() / steps;
    let below = runs.len() > 1 && mean > 0.0 && mean + ERRORS_BELOW * error < MIN_MEAN_RATIO;
    below.then_some(mean)
}

/// Estimates a value by weighted per-decision importance sampling (Precup et al., ICML 2000);
/// `None` if action probabilities of the recordings or the policy are unknown.
///
/// # Errors
/// [`PolicyError`] if the policy cannot tell those that it should know.
pub fn importance(
    logged: &Logged,
    policy: &dyn Policy,
    discount: f64,
    horizon: usize,
) -> Result<Option<ImportanceEstimate>, PolicyError> {
    let Some(terms) = Terms::new(logged, policy, horizon)? else {
        return Ok(None);
    };
    Ok(Some(terms.value(|runs| {
        let step = |t: usize| {
            let weights = terms.weights(runs, Some(t));
            let earned = runs.iter().zip(weights).map(|(&run, weight)| {
                let rewards = &logged.runs[run].rewards;
                weight * rewards.get(t).copied().unwrap_or(0.0)
            });
            discount.powi(t as i32) * earned.sum::<f64>()
        };
        (0..terms.steps).map(step).sum()
    })))
}

/// Values of the recorded states and state-action pairs of every run, for the remaining steps: `q`
/// of the recorded action, `v` under the policy.
pub struct CriticValues {
    /// `[runs][steps]`.
    pub q: Vec<Vec<f64>>,
    /// `[runs][steps]`.
    pub v: Vec<Vec<f64>>,
}

/// Estimates a value by the weighted doubly robust method (Thomas and Brunskill, ICML 2016): a
/// model's values, corrected by the weighted differences from the recorded rewards. `None` if
/// action probabilities are unknown.
///
/// # Errors
/// [`PolicyError`] if the policy cannot tell those that it should know.
pub fn doubly_robust(
    logged: &Logged,
    policy: &dyn Policy,
    discount: f64,
    horizon: usize,
    critic: &CriticValues,
) -> Result<Option<ImportanceEstimate>, PolicyError> {
    let Some(terms) = Terms::new(logged, policy, horizon)? else {
        return Ok(None);
    };
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
    Ok(Some(terms.value(estimate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: a deterministic policy was said to have no support, for steps after its first other action counted as
    /// ratios of 0.
    #[test]
    fn steps_after_a_ratio_of_zero_say_nothing_of_the_next() {
        // Recorded actions are drawn with probability 1/2, the policy takes the first: ratios of 2 until one of 0.
        let run = |number: usize| -> Vec<f64> {
            let mut cumulative = 0.0;
            (0..12)
                .map(|step| {
                    let same = (number >> step) & 1 == 0;
                    cumulative += if same { 2f64.ln() } else { f64::NEG_INFINITY };
                    cumulative
                })
                .collect()
        };
        let logs: Vec<Vec<f64>> = (0..1 << 12).map(run).collect();
        assert_eq!(too_small_ratio(&logs), None);
    }

    /// Fault: a policy clipped to narrower limits than the recorded one's had the value 0.4 with a
    /// tight interval, where 1.1 is right: its actions on the limits were never recorded.
    #[test]
    fn missing_support_is_detected_from_the_mean_ratio() {
        // Uniform actions in [-1, 1], and a policy with a third of its probability inside and the
        // rest on a limit.
        let inside = |run: usize| -0.5 < -1.0 + 2.0 * (run as f64 + 0.5) / 400.0 && run < 300;
        let ratio = |run| {
            if inside(run) {
                (2.0f64 / 3.0).ln()
            } else {
                f64::NEG_INFINITY
            }
        };
        let logs: Vec<Vec<f64>> = (0..400)
            .map(|run| vec![ratio(run), 2.0 * ratio(run)])
            .collect();
        let mean = too_small_ratio(&logs).unwrap();
        assert!((0.1..0.5).contains(&mean), "{mean}");
        // The same policy, and one whose ratios alternate between 2 and 0.
        assert_eq!(too_small_ratio(&vec![vec![0.0, 0.0]; 5]), None);
        let even = |run: usize| {
            if run.is_multiple_of(2) {
                2.0f64.ln()
            } else {
                f64::NEG_INFINITY
            }
        };
        let logs: Vec<Vec<f64>> = (0..100).map(|run| vec![even(run)]).collect();
        assert_eq!(too_small_ratio(&logs), None);
        // Without any support the effective number is zero.
        assert_eq!(
            too_small_ratio(&[vec![f64::NEG_INFINITY], vec![f64::NEG_INFINITY]]),
            None
        );
    }
}
