//! Policies in models that were learned from the recordings.

use ndarray::{Array1, Array2, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::imagined::{Imagined, Walk};
use super::ledger::Ledger;
use super::{Actor, EvaluationError, Logged, Path};
use crate::dynamics::Dynamics;

/// How far beyond the range of the recorded states a path may go, as a share of the range.
const MARGIN: f64 = 0.2;

/// Learned models, each from other runs.
pub type Models<'d> = [&'d dyn Dynamics];

/// Walks a policy, or a recording's actions, through learned models: every path follows one member of one of them.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails.
pub fn learned(
    models: &Models,
    logged: &Logged,
    mut actor: Actor,
    walk: &Walk,
    progress: &dyn Fn(f64),
) -> Result<Imagined, EvaluationError> {
    let starts = walk.starts.nrows();
    let index: Vec<usize> = (0..walk.paths).map(|path| path % starts).collect();
    let tour = Tour {
        models,
        logged,
        walk,
        starts: walk.starts.select(Axis(0), &index),
    };
    let (ledger, saturated) = tour.run(&mut actor, progress)?;
    let paths = (0..walk.paths).map(|path| Path {
        model: tour.member(path),
        start: path % starts,
        value: ledger.returns[path],
    });
    Ok(Imagined {
        paths: paths.collect(),
        rewards: ledger.rewards,
        saturated,
    })
}

/// Paths through learned models. Those of one member stand together.
struct Tour<'t> {
    models: &'t Models<'t>,
    logged: &'t Logged,
    walk: &'t Walk,
    /// `[paths, states]`.
    starts: Array2<f64>,
}

impl Tour<'_> {
    fn members(&self) -> usize {
        self.models.iter().map(|model| model.members()).sum()
    }

    /// Number of the member that a path follows, among those of all models.
    fn member(&self, path: usize) -> usize {
        path * self.members() / self.walk.paths
    }

    fn run(
        &self,
        actor: &mut Actor,
        progress: &dyn Fn(f64),
    ) -> Result<(Ledger, usize), EvaluationError> {
        let walk = self.walk;
        let all = 0..walk.paths;
        let limits = widened(&self.logged.limits());
        let mut acting = walk.acting(all.clone());
        let mut random: Vec<ChaCha8Rng> = (0..walk.paths)
            .map(|path| {
                let mut random = ChaCha8Rng::seed_from_u64(walk.seed);
                random.set_stream(path as u64);
                random
            })
            .collect();
        let mut ledger = Ledger::new(walk.paths, walk, self.logged);
        let mut states = self.starts.clone();
        let mut saturated = 0;
        for step in 0..walk.horizon {
            if ledger.all_ended(all.clone()) {
                break;
            }
            let actions = actor.act(step, states.view(), &mut acting)?;
            ledger.leave(all.clone(), states.view(), &actions);
            let (next, rewards, outside) = self.next(&states, &actions, &limits, &mut random);
            states = next;
            saturated += outside;
            ledger.arrive(all.clone(), states.view(), Some(rewards.view()));
            progress((step + 1) as f64 / walk.horizon as f64);
        }
        Ok((ledger, saturated))
    }

    /// Draws the next states and the rewards; and how many values were moved to the end of their
    /// range.
    fn next(
        &self,
        states: &Array2<f64>,
        actions: &Array2<f64>,
        limits: &[(f64, f64)],
        random: &mut [ChaCha8Rng],
    ) -> (Array2<f64>, Array1<f64>, usize) {
        let paths = self.walk.paths;
        let mut next = Array2::zeros(states.dim());
        let mut rewards = Array1::zeros(paths);
        let mut saturated = 0;
        let mut number = 0;
        let mut first = 0;
        for model in self.models {
            for member in 0..model.members() {
                let end = (first..paths).find(|&path| self.member(path) != number);
                let end = end.unwrap_or(paths);
                let rows = s![first..end, ..];
                let laws = model.laws(member, states.slice(rows), actions.slice(rows));
                for (row, path) in (first..end).enumerate() {
                    let mut draw = |column: usize| {
                        // Level 0 would be minus infinity.
                        let level = random[path].random::<f64>().max(f64::EPSILON);
                        let z = Normal::standard().inverse_cdf(level);
                        laws.mean[[row, column]] + laws.deviation[[row, column]] * z
                    };
                    for (column, &(low, high)) in limits.iter().enumerate() {
                        let value = draw(column);
                        let kept = if value.is_nan() {
                            low
                        } else {
                            value.clamp(low, high)
                        };
                        saturated += usize::from(kept != value);
                        next[[path, column]] = kept;
                    }
                    rewards[path] = draw(limits.len());
                }
                (first, number) = (end, number + 1);
            }
        }
        (next, rewards, saturated)
    }
}

fn widened(limits: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let wider = |&(low, high): &(f64, f64)| {
        let margin = MARGIN * (high - low);
        (low - margin, high + margin)
    };
    limits.iter().map(wider).collect()
}
