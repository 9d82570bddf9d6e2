//! Policy rollouts in models that were learned from the recordings.

use std::ops::Range;

use ndarray::{Array1, Array2, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::imagined::{ImaginedRollouts, RolloutSpec};
use super::policy_steps::PolicySteps;
use super::return_accumulator::ReturnAccumulator;
use super::{ActionSource, EvaluationError, Logged, Path, RecordedRun};
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
    actor: ActionSource,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<ImaginedRollouts, EvaluationError> {
    EnsembleRollout::new(models, logged, spec).imagined(actor, progress)
}

/// The same with on-policy corrections (Froehlich et al., On-Policy Model Errors, ICLR 2022): a path starts where one of
/// some recorded runs did, and at every step the model's error at that run's step is added to its prediction. Under
/// the actions of the run, the path is the run; under a policy near the one that made it, the model has to predict the
/// difference only. Beyond the end of the run, the model draws as in [`learned`].
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails.
///
/// # Panics
/// Without runs, or if there is no run of such an index.
pub fn corrected(
    models: &DynamicsModels,
    logged: &Logged,
    runs: &[usize],
    actor: ActionSource,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<ImaginedRollouts, EvaluationError> {
    let spec = RolloutSpec {
        starts: logged.starts().select(Axis(0), runs),
        ..spec.clone()
    };
    let rollout = EnsembleRollout {
        followed: Some(runs),
        ..EnsembleRollout::new(models, logged, &spec)
    };
    rollout.imagined(actor, progress)
}

/// Rollouts in learned models. Paths of one member are adjacent.
struct EnsembleRollout<'t> {
    models: &'t DynamicsModels<'t>,
    logged: &'t Logged,
    spec: &'t RolloutSpec,
    /// `[paths, states]`.
    starts: Array2<f64>,
    /// The runs of the starts, if steps are corrected by the errors at theirs.
    followed: Option<&'t [usize]>,
}

impl<'t> EnsembleRollout<'t> {
    fn new(models: &'t DynamicsModels, logged: &'t Logged, spec: &'t RolloutSpec) -> Self {
        let starts = spec.starts.nrows();
        let index: Vec<usize> = (0..spec.paths).map(|path| path % starts).collect();
        Self {
            models,
            logged,
            spec,
            starts: spec.starts.select(Axis(0), &index),
            followed: None,
        }
    }

    fn imagined(
        &self,
        mut actor: ActionSource,
        progress: &dyn Fn(f64),
    ) -> Result<ImaginedRollouts, EvaluationError> {
        let starts = self.spec.starts.nrows();
        let (accumulator, clipped) = self.run(&mut actor, progress)?;
        let paths = (0..self.spec.paths).map(|path| Path {
            model: self.member(path),
            start: self
                .followed
                .map_or(path % starts, |runs| runs[path % starts]),
            value: accumulator.returns[path],
        });
        Ok(ImaginedRollouts {
            outside: accumulator.steps_outside(),
            terminated: accumulator.terminated(),
            failed: accumulator.failed(),
            paths: paths.collect(),
            rewards: accumulator.rewards,
            clipped,
        })
    }

    /// Returns the recorded run that a path follows at a step, if it does and that step's next state is known.
    fn followed(&self, path: usize, step: usize) -> Option<&RecordedRun> {
        let followed = self.followed?;
        let run = &self.logged.runs[followed[path % followed.len()]];
        (step < run.transitions()).then_some(run)
    }

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
            let (next, rewards, outside) = self.next(step, &states, &actions, &limits, &mut random);
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
        step: usize,
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
                let errors = self.recorded_errors(*model, member, first..end, step);
                for (row, path) in (first..end).enumerate() {
                    let mut draw = |column: usize| {
                        if let Some(errors) = &errors[row] {
                            return distributions.mean[[row, column]] + errors[column];
                        }
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

    /// Returns the errors of a member's means at the recorded steps that paths follow, of states and reward; `None`
    /// where a path follows none.
    fn recorded_errors(
        &self,
        model: &dyn Dynamics,
        member: usize,
        paths: Range<usize>,
        step: usize,
    ) -> Vec<Option<Array1<f64>>> {
        let followed: Vec<_> = paths.map(|path| self.followed(path, step)).collect();
        let runs: Vec<&RecordedRun> = followed.iter().copied().flatten().collect();
        let of = |part: &dyn Fn(&RecordedRun) -> Array1<f64>, width: usize| {
            let mut rows = Array2::zeros((runs.len(), width));
            for (mut row, run) in rows.rows_mut().into_iter().zip(&runs) {
                row.assign(&part(run));
            }
            rows
        };
        if runs.is_empty() {
            return vec![None; followed.len()];
        }
        let states = of(&|run| run.states.row(step).to_owned(), self.logged.states());
        let actions = of(
            &|run| run.actions.row(step).to_owned(),
            self.logged.actions(),
        );
        let predicted = model.distributions(member, states.view(), actions.view());
        let mut row = 0;
        let error = |run: Option<&RecordedRun>| {
            let run = run?;
            let mut actual = run.states.row(step + 1).to_vec();
            actual.push(run.rewards[step]);
            let error = Array1::from(actual) - predicted.mean.row(row);
            row += 1;
            Some(error)
        };
        followed.into_iter().map(error).collect()
    }
}

fn widened(limits: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let wider = |&(low, high): &(f64, f64)| {
        let margin = MARGIN * (high - low);
        (low - margin, high + margin)
    };
    limits.iter().map(wider).collect()
}
