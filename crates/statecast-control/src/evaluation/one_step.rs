//! How well models predict single recorded steps.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::{Contexts, DynamicsModels, EvaluationError, FittedQ, Logged, RolloutSpec, Transitions};
use crate::dynamics::Dynamics;
use crate::forecast::{EpisodeControl, EpisodeSteps, ForecastError, RolloutSettings};
use crate::metrics::mean_and_std;
use crate::policy::Policy;

/// Most recorded steps that are predicted.
const MAX_STEPS: usize = 200;

/// The same for forecasts after contexts, each drawn several times.
const MAX_FORECASTS: usize = 60;
const DRAWS: usize = 8;

/// Steps of a path at which differences in value are taken, which are the same for those around them.
const VALUE_STEPS: usize = 10;

/// Recorded steps, and next states that a model predicts for them.
pub(super) struct PredictedSteps {
    steps: Transitions,
    /// By each member of a learned model, or in each draw.
    next: Vec<Array2<f64>>,
    /// Whether they are draws, whose mean errs by itself.
    drawn: bool,
}

/// Predicts recorded steps in learned models. Every model predicts the runs of its fold, which it was not fitted to; a
/// single model has seen all.
pub(super) fn predicted_by_models(models: &DynamicsModels, logged: &Logged) -> Vec<PredictedSteps> {
    let folds = models.len();
    let of_model = |(fold, model): (usize, &&dyn Dynamics)| {
        let held_out: Vec<usize> = logged.fold_runs(fold, folds).map(|(run, _)| run).collect();
        let steps = some_steps(logged, |run| held_out.contains(&run), MAX_STEPS)?;
        let member = |member: usize| {
            let predicted = model.distributions(member, steps.states.view(), steps.actions.view());
            let states = s![.., ..steps.states.ncols()];
            predicted.mean.slice(states).to_owned()
        };
        Some(PredictedSteps {
            next: (0..model.members()).map(member).collect(),
            steps,
            drawn: false,
        })
    };
    models.iter().enumerate().filter_map(of_model).collect()
}

/// The same after contexts, each of the runs of its fold. Online experts have read all runs.
///
/// # Errors
/// [`EvaluationError::Forecast`] if the model fails.
pub(super) fn predicted_in_context(
    contexts: &Contexts,
    logged: &Logged,
    seed: u64,
) -> Result<Vec<PredictedSteps>, EvaluationError> {
    let folds = contexts.readings().count();
    let mut all = Vec::new();
    for (number, (reading, max_steps)) in contexts.readings().enumerate() {
        let own: Vec<usize> = logged
            .fold_runs(number, folds)
            .map(|(run, _)| run)
            .collect();
        let Some(steps) = some_steps(logged, |run| own.contains(&run), MAX_FORECASTS) else {
            continue;
        };
        let rows = steps.states.nrows();
        let drawn: Vec<usize> = (0..rows * DRAWS).map(|path| path % rows).collect();
        let (starts, actions) = (
            steps.states.select(Axis(0), &drawn),
            steps.actions.select(Axis(0), &drawn),
        );
        let mut control = EpisodeControl {
            starts,
            reward: contexts.reward(),
            steps: SingleSteps {
                actions: actions.view(),
                next: Array2::zeros((drawn.len(), logged.states())),
                arrived: vec![false; drawn.len()],
            },
        };
        let settings = RolloutSettings {
            horizon: NonZeroUsize::MIN.saturating_add(1),
            samples: NonZeroUsize::new(drawn.len()).unwrap_or(NonZeroUsize::MIN),
            seed: seed.wrapping_add(number as u64),
            paths_at_once: None,
            max_steps: Some(max_steps),
        };
        reading.rollout_with_policy(&settings, &mut control, &|_| ())?;
        let next = control.steps.next;
        let of_draw = |draw: usize| {
            next.slice(s![draw * rows..(draw + 1) * rows, ..])
                .to_owned()
        };
        all.push(PredictedSteps {
            next: (0..DRAWS).map(of_draw).collect(),
            steps,
            drawn: true,
        });
    }
    Ok(all)
}

impl PredictedSteps {
    /// Returns the mean squared error in units of the mean squared change of the states, the mean over the variables that
    /// change, each at most 1.
    fn unpredicted(&self) -> f64 {
        let mut errors = Array2::zeros(self.steps.states.dim());
        for next in &self.next {
            errors += &(next - &self.steps.next).mapv(|e| e * e);
        }
        errors /= self.next.len() as f64;
        if self.drawn {
            errors = Array2::from_shape_fn(errors.dim(), |at| {
                let draws: Vec<f64> = self.next.iter().map(|next| next[at]).collect();
                let (centre, std) = mean_and_std(&draws);
                let noise = std * std / draws.len() as f64;
                ((centre - self.steps.next[at]).powi(2) - noise).max(0.0)
            });
        }
        let changes = (&self.steps.next - &self.steps.states).mapv(|c| c * c);
        let columns = changes.columns().into_iter().zip(errors.columns());
        let shares = columns.filter_map(|(changes, errors)| {
            let change = changes.sum();
            (change > 0.0).then(|| (errors.sum() / change).min(1.0))
        });
        mean(&shares.collect::<Vec<_>>()).unwrap_or(1.0)
    }
}

/// Returns the share of the variance of steps that is not predicted, the mean over the models.
pub(super) fn unpredicted(all: &[PredictedSteps]) -> f64 {
    let shares: Vec<f64> = all.iter().map(PredictedSteps::unpredicted).collect();
    mean(&shares).unwrap_or(1.0)
}

/// Returns by how much the errors of predicted steps raise a policy's return over some steps, by its value functions: at every
/// step the mean difference in value of predicted and recorded next states, with the steps that are then left (Farahmand et
/// al., Value-Aware Loss Function for Model-based Reinforcement Learning, AISTATS 2017). `None` without steps that do not
/// terminate. It holds as far as the policy's steps are like the recorded ones.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails.
pub(super) fn value_error(
    all: &[PredictedSteps],
    values: &FittedQ,
    policy: &mut dyn Policy,
    spec: &RolloutSpec,
    steps: usize,
) -> Result<Option<f64>, EvaluationError> {
    let mut error = 0.0;
    let long = steps.div_ceil(VALUE_STEPS).max(1);
    for first in (0..steps).step_by(long) {
        let block = first..steps.min(first + long);
        let worth: f64 = block
            .clone()
            .map(|t| spec.discount.powi(t as i32 + 1))
            .sum();
        let left = spec.horizon - (block.start + block.end - 1) / 2 - 1;
        let mut differences = Vec::new();
        for of in all {
            for (number, next) in of.next.iter().enumerate() {
                let seed = spec.seed.wrapping_add(number as u64);
                let worth_of = |states: ArrayView2<f64>, policy: &mut dyn Policy| {
                    values.values_with_left(states, policy, left, seed)
                };
                let actual = worth_of(of.steps.next.view(), policy)?;
                let predicted = worth_of(next.view(), policy)?;
                let rows = predicted.iter().zip(&actual).zip(&of.steps.terminated);
                let going_on = rows.filter(|(_, terminated)| !**terminated);
                differences.extend(going_on.map(|((predicted, actual), _)| predicted - actual));
            }
        }
        let Some(difference) = mean(&differences) else {
            return Ok(None);
        };
        error += worth * difference;
    }
    Ok(Some(error))
}

/// Recorded actions, each at its own state, and the states that follow.
struct SingleSteps<'a> {
    actions: ArrayView2<'a, f64>,
    next: Array2<f64>,
    arrived: Vec<bool>,
}

impl EpisodeSteps for SingleSteps<'_> {
    fn act(
        &mut self,
        _: usize,
        paths: Range<usize>,
        _: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError> {
        Ok(self.actions.slice(ndarray::s![paths, ..]).to_owned())
    }

    fn arrive(&mut self, paths: Range<usize>, states: ArrayView2<f64>, _: Option<ArrayView1<f64>>) {
        for (row, path) in paths.enumerate() {
            if !self.arrived[path] {
                self.next.row_mut(path).assign(&states.row(row));
                self.arrived[path] = true;
            }
        }
    }

    fn has_ended(&self, path: usize) -> bool {
        self.arrived[path]
    }
}

/// Returns recorded steps with a known next state, spread evenly; `None` if there are none.
fn some_steps(logged: &Logged, of: impl Fn(usize) -> bool, most: usize) -> Option<Transitions> {
    let all = logged.transitions(of);
    let known: Vec<usize> = (0..all.known.len()).filter(|&row| all.known[row]).collect();
    let every = known.len().div_ceil(most).max(1);
    let rows: Vec<usize> = known.into_iter().step_by(every).collect();
    (!rows.is_empty()).then(|| Transitions {
        states: all.states.select(Axis(0), &rows),
        actions: all.actions.select(Axis(0), &rows),
        rewards: all.rewards.select(Axis(0), &rows),
        next: all.next.select(Axis(0), &rows),
        known: vec![true; rows.len()],
        terminated: rows.iter().map(|&row| all.terminated[row]).collect(),
        run: rows.iter().map(|&row| all.run[row]).collect(),
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::evaluation::{FittedSettings, RecordedRun, RolloutSpec, Rules};
    use crate::policy::Constant;

    /// A system that stands still, and earns its state at every step.
    fn standing() -> Logged {
        let run = |x: f64| RecordedRun {
            source: 0,
            states: Array2::from_elem((6, 1), x),
            actions: Array2::zeros((5, 1)),
            rewards: Array1::from_elem(5, x),
            terminated: false,
            log_probabilities: None,
        };
        Logged {
            runs: (0..10).map(|number| run(f64::from(number) - 4.5)).collect(),
            end_flags: Vec::new(),
        }
    }

    #[test]
    fn errors_count_by_what_they_are_worth() {
        let logged = standing();
        let mut policy = Constant::new(vec![0.0], 1);
        let spec = RolloutSpec {
            starts: logged.starts(),
            paths: 10,
            horizon: 4,
            discount: 1.0,
            rules: Rules::default(),
            termination: None,
            failure: None,
            support: None,
            seed: 0,
        };
        let settings = FittedSettings {
            updates: 2_000,
            width: 16,
            ..FittedSettings::default()
        };
        let values = FittedQ::fit(&logged, &mut policy, &spec, settings, &|_| ()).unwrap();
        let mut error = |offset: f64| {
            let steps = some_steps(&logged, |_| true, 100).unwrap();
            let predicted = PredictedSteps {
                next: vec![&steps.next + offset],
                steps,
                drawn: false,
            };
            value_error(&[predicted], &values, &mut policy, &spec, 4)
                .unwrap()
                .unwrap()
        };
        assert_eq!(error(0.0), 0.0);
        // The offset is earned three times after the first step, twice after the second, once after the third.
        for offset in [-1.0, 1.0] {
            let found = error(offset);
            assert!((found / offset - 6.0).abs() < 1.0, "{offset}: {found}");
        }
        let none = value_error(&[], &values, &mut policy, &spec, 4);
        assert_eq!(none.unwrap(), None);
    }

    #[test]
    fn noise_of_draws_is_no_error() {
        let logged = standing();
        let mut steps = some_steps(&logged, |_| true, 100).unwrap();
        steps.next += 1.0;
        let of = |draws: [f64; 2], drawn: bool| {
            let next = draws.map(|offset| &steps.states + offset).to_vec();
            let steps = steps.clone();
            unpredicted(&[PredictedSteps { steps, next, drawn }])
        };
        assert_eq!(of([1.0, 1.0], false), 0.0);
        assert_eq!(of([0.5, 0.5], false), 0.25);
        assert_eq!(of([0.0, 2.0], false), 1.0);
        assert_eq!(of([0.0, 2.0], true), 0.0);
        assert_eq!(unpredicted(&[]), 1.0);
    }
}
