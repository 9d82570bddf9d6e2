//! Policy rollouts in models that were learned from the recordings.

use ndarray::{Array1, Array2, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::imagined::{ImaginedRollouts, RolloutSpec};
use super::policy_steps::PolicySteps;
use super::return_accumulator::ReturnAccumulator;
use super::{ActionSource, EvaluationError, Logged, Path};
use crate::dynamics::Dynamics;
use crate::forecast::EpisodeSteps;

/// Margin by which a path may leave the range of the recorded states, relative to the range.
const MARGIN: f64 = 0.2;

/// Learned dynamics models, each from different runs.
pub type DynamicsModels<'d> = [&'d dyn Dynamics];

/// Rolls out a policy, or recorded actions, in learned models. Every path uses one member of one of
/// them.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails.
pub fn learned(
    models: &DynamicsModels,
    logged: &Logged,
    mut actor: ActionSource,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<ImaginedRollouts, EvaluationError> {
    let starts = spec.starts.nrows();
    let index: Vec<usize> = (0..spec.paths).map(|path| path % starts).collect();
    let rollout = EnsembleRollout {
        models,
        logged,
        spec,
        starts: spec.starts.select(Axis(0), &index),
    };
    let (accumulator, clipped) = rollout.run(&mut actor, progress)?;
    let paths = (0..spec.paths).map(|path| Path {
        model: rollout.member(path),
        start: path % starts,
        value: accumulator.returns[path],
    });
    Ok(ImaginedRollouts {
        paths: paths.collect(),
        rewards: accumulator.rewards,
        clipped,
    })
}

/// Rollouts in learned models. Paths of one member are adjacent.
struct EnsembleRollout<'t> {
    models: &'t DynamicsModels<'t>,
    logged: &'t Logged,
    spec: &'t RolloutSpec,
    /// `[paths, states]`.
    starts: Array2<f64>,
}

impl EnsembleRollout<'_> {
    fn members(&self) -> usize {
        self.models.iter().map(|model| model.members()).sum()
    }

    /// Returns the index of the member that a path uses, over all models.
    fn member(&self, path: usize) -> usize {
        path * self.members() / self.spec.paths
    }

    fn run(
        &self,
        actor: &mut ActionSource,
        progress: &dyn Fn(f64),
    ) -> Result<(ReturnAccumulator, usize), EvaluationError> {
        let spec = self.spec;
        let all = 0..spec.paths;
        let limits = widened(&self.logged.limits());
        let mut random: Vec<ChaCha8Rng> = (0..spec.paths)
            .map(|path| {
                let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
                random.set_stream(path as u64);
                random
            })
            .collect();
        let mut steps = PolicySteps {
            actor,
            random: spec.policy_random(all.clone()),
            accumulator: ReturnAccumulator::new(spec.paths, spec, self.logged),
        };
        let mut states = self.starts.clone();
        let mut clipped = 0;
        for step in 0..spec.horizon {
            if steps.accumulator.all_ended(all.clone()) {
                break;
            }
            let actions = steps.begin(step, all.clone(), states.view())?;
            let (next, rewards, outside) = self.next(&states, &actions, &limits, &mut random);
            states = next;
            clipped += outside;
            steps.arrive(all.clone(), states.view(), Some(rewards.view()));
            progress((step + 1) as f64 / spec.horizon as f64);
        }
        Ok((steps.accumulator, clipped))
    }

    /// Draws the next states and the rewards; returns the number of clipped values as well.
    fn next(
        &self,
        states: &Array2<f64>,
        actions: &Array2<f64>,
        limits: &[(f64, f64)],
        random: &mut [ChaCha8Rng],
    ) -> (Array2<f64>, Array1<f64>, usize) {
        let paths = self.spec.paths;
        let mut next = Array2::zeros(states.dim());
        let mut rewards = Array1::zeros(paths);
        let mut clipped = 0;
        let mut number = 0;
        let mut first = 0;
        for model in self.models {
            for member in 0..model.members() {
                let end = (first..paths).find(|&path| self.member(path) != number);
                let end = end.unwrap_or(paths);
                let rows = s![first..end, ..];
                let distributions =
                    model.distributions(member, states.slice(rows), actions.slice(rows));
                for (row, path) in (first..end).enumerate() {
                    let mut draw = |column: usize| {
                        // Level 0 has an infinite quantile.
                        let level = random[path].random::<f64>().max(f64::EPSILON);
                        let z = Normal::standard().inverse_cdf(level);
                        distributions.mean[[row, column]] + distributions.std[[row, column]] * z
                    };
                    for (column, &(low, high)) in limits.iter().enumerate() {
                        let value = draw(column);
                        let kept = if value.is_nan() {
                            low
                        } else {
                            value.clamp(low, high)
                        };
                        clipped += usize::from(kept != value);
                        next[[path, column]] = kept;
                    }
                    rewards[path] = draw(limits.len());
                }
                (first, number) = (end, number + 1);
            }
        }
        (next, rewards, clipped)
    }
}

fn widened(limits: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let wider = |&(low, high): &(f64, f64)| {
        let margin = MARGIN * (high - low);
        (low - margin, high + margin)
    };
    limits.iter().map(wider).collect()
}
