//! How well models predict single recorded steps.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::{Contexts, DynamicsModels, EvaluationError, Logged, Transitions};
use crate::forecast::{EpisodeControl, EpisodeSteps, ForecastError, RolloutSettings};
use crate::metrics::quantile;

/// Most recorded steps that are predicted.
const MAX_STEPS: usize = 200;

/// Returns the share of the variance of state changes that models leave unpredicted, the mean over the variables, each at
/// most 1. Every model predicts the runs of its fold, which it was not fitted to.
pub(super) fn unpredicted_by_models(models: &DynamicsModels, logged: &Logged) -> f64 {
    let folds = models.len();
    let shares = models.iter().enumerate().filter_map(|(fold, model)| {
        let held_out: Vec<usize> = logged.fold_runs(fold, folds).map(|(run, _)| run).collect();
        let steps = some_steps(logged, |run| held_out.contains(&run))?;
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

/// The same of forecasts after contexts. The experts of a context may have read the predicted steps.
///
/// # Errors
/// [`EvaluationError::Forecast`] if the model fails.
pub(super) fn unpredicted_in_context(
    contexts: &Contexts,
    logged: &Logged,
    seed: u64,
) -> Result<f64, EvaluationError> {
    let Some(steps) = some_steps(logged, |_| true) else {
        return Ok(1.0);
    };
    let rows = steps.states.nrows();
    let mut shares = Vec::new();
    for (number, (reading, max_steps)) in contexts.readings().enumerate() {
        let mut control = EpisodeControl {
            starts: steps.states.clone(),
            reward: contexts.reward(),
            steps: SingleSteps {
                actions: steps.actions.view(),
                next: Array2::zeros(steps.states.dim()),
                arrived: vec![false; rows],
            },
        };
        let settings = RolloutSettings {
            horizon: NonZeroUsize::MIN.saturating_add(1),
            samples: NonZeroUsize::new(rows).unwrap_or(NonZeroUsize::MIN),
            seed: seed.wrapping_add(number as u64),
            paths_at_once: None,
            max_steps: Some(max_steps),
        };
        reading.rollout_with_policy(&settings, &mut control, &|_| ())?;
        // A draw's squared error has the variance twice.
        let errors = (&control.steps.next - &steps.next).mapv(|e| e * e / 2.0);
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
fn some_steps(logged: &Logged, of: impl Fn(usize) -> bool) -> Option<Transitions> {
    let all = logged.transitions(of);
    let known: Vec<usize> = (0..all.known.len()).filter(|&row| all.known[row]).collect();
    let every = known.len().div_ceil(MAX_STEPS).max(1);
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

/// Returns the median squared errors in units of the variables' mean squared changes, the mean over the variables that
/// change. The median leaves out single steps that no path depends on, such as a draw by a minor expert.
fn unpredicted(steps: &Transitions, errors: &Array2<f64>) -> f64 {
    let changes = (&steps.next - &steps.states).mapv(|c| c * c);
    let columns = changes.columns().into_iter().zip(errors.columns());
    let shares = columns.filter_map(|(changes, errors)| {
        let change = changes.mean().filter(|mean| *mean > 0.0)?;
        let mut errors = errors.to_vec();
        errors.sort_by(f64::total_cmp);
        Some((quantile(&errors, 0.5) / change).min(1.0))
    });
    mean(&shares.collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> f64 {
    match values.is_empty() {
        true => 1.0,
        false => values.iter().sum::<f64>() / values.len() as f64,
    }
}
