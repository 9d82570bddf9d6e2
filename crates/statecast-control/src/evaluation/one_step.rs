//! How well models predict single recorded steps.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::{Contexts, DynamicsModels, EvaluationError, Logged, Transitions};
use crate::forecast::{EpisodeControl, EpisodeSteps, ForecastError, RolloutSettings};
use crate::metrics::mean_and_std;

/// Most recorded steps that are predicted.
const MAX_STEPS: usize = 200;

/// The same for forecasts after contexts, each drawn several times.
const MAX_FORECASTS: usize = 60;
const DRAWS: usize = 8;

/// Returns the mean squared error of models' predictions in units of the mean squared change of the states, the mean over
/// the variables, each at most 1. Every model predicts the runs of its fold, which it was not fitted to; a single model
/// has seen all.
pub(super) fn unpredicted_by_models(models: &DynamicsModels, logged: &Logged) -> f64 {
    let folds = models.len();
    let shares = models.iter().enumerate().filter_map(|(fold, model)| {
        let held_out: Vec<usize> = logged.fold_runs(fold, folds).map(|(run, _)| run).collect();
        let steps = some_steps(logged, |run| held_out.contains(&run), MAX_STEPS)?;
        let mut errors = Array2::zeros(steps.states.dim());
        for member in 0..model.members() {
            let predicted = model.distributions(member, steps.states.view(), steps.actions.view());
            let states = predicted
                .mean
                .slice(ndarray::s![.., ..steps.states.ncols()]);
            errors += &(&states - &steps.next).mapv(|e| e * e);
        }
        errors /= model.members() as f64;
        Some(unpredicted(&steps, &errors))
    });
    mean(&shares.collect::<Vec<_>>())
}

/// The same of forecasts after contexts, each of the runs of its fold. Online experts have read all runs.
///
/// # Errors
/// [`EvaluationError::Forecast`] if the model fails.
pub(super) fn unpredicted_in_context(
    contexts: &Contexts,
    logged: &Logged,
    seed: u64,
) -> Result<f64, EvaluationError> {
    let folds = contexts.readings().count();
    let mut shares = Vec::new();
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
        let errors = Array2::from_shape_fn(steps.states.dim(), |(row, column)| {
            let draws = (0..DRAWS).map(|draw| control.steps.next[[draw * rows + row, column]]);
            let draws: Vec<f64> = draws.collect();
            let (centre, std) = mean_and_std(&draws);
            // The mean of few draws errs by itself.
            let noise = std * std / DRAWS as f64;
            ((centre - steps.next[[row, column]]).powi(2) - noise).max(0.0)
        });
        shares.push(unpredicted(&steps, &errors));
    }
    Ok(mean(&shares))
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

/// Returns the mean squared errors in units of the variables' mean squared changes, each at most 1, the mean over the
/// variables that change.
fn unpredicted(steps: &Transitions, errors: &Array2<f64>) -> f64 {
    let changes = (&steps.next - &steps.states).mapv(|c| c * c);
    let columns = changes.columns().into_iter().zip(errors.columns());
    let shares = columns.filter_map(|(changes, errors)| {
        let change = changes.sum();
        (change > 0.0).then(|| (errors.sum() / change).min(1.0))
    });
    mean(&shares.collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> f64 {
    match values.is_empty() {
        true => 1.0,
        false => values.iter().sum::<f64>() / values.len() as f64,
    }
}
