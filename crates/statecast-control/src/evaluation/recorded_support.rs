//! Which states and actions the recordings cover.

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate};

use super::Logged;
use crate::metrics::quantile;

/// Most recorded steps that are searched.
const MAX_STEPS: usize = 1_000;

/// Share of the recorded steps that lie outside of the radius around the steps of other runs.
const OUTSIDE: f64 = 0.05;

/// Recorded states and actions, and a radius around them: that within which 95 % of recorded steps have a step of
/// another run.
///
/// Distances are Euclidean over states and actions in units of their standard deviations.
#[derive(Debug, Clone)]
pub struct RecordedSupport {
    /// `[steps, states + actions]`, in units of the standard deviation.
    steps: Array2<f64>,
    unit: Array1<f64>,
    /// Square of the radius.
    square: f64,
}

impl RecordedSupport {
    /// Takes the steps of all runs, at most 1000 that are spread evenly; `None` for a single run.
    pub fn of(logged: &Logged) -> Option<Self> {
        let all = logged.transitions(|_| true);
        let every = all.run.len().div_ceil(MAX_STEPS).max(1);
        let kept: Vec<usize> = (0..all.run.len()).step_by(every).collect();
        let rows = concatenate(Axis(1), &[all.states.view(), all.actions.view()])
            .expect("states and actions of the same steps");
        let unit = rows.std_axis(Axis(0), 0.0);
        let unit = unit.mapv(|std| if std > 0.0 { std } else { 1.0 });
        let steps = rows.select(Axis(0), &kept) / &unit;
        let nearest = kept.iter().enumerate().filter_map(|(row, &step)| {
            let others = kept.iter().enumerate();
            let others = others.filter(|(_, other)| all.run[**other] != all.run[step]);
            let squares = others.map(|(other, _)| square(steps.row(row), steps.row(other)));
            squares.min_by(f64::total_cmp)
        });
        let mut nearest: Vec<f64> = nearest.collect();
        if nearest.is_empty() {
            return None;
        }
        nearest.sort_by(f64::total_cmp);
        Some(Self {
            square: quantile(&nearest, 1.0 - OUTSIDE),
            steps,
            unit,
        })
    }

    /// True if a recorded step lies within the radius of a state and an action.
    pub fn covers(&self, state: &[f64], action: &[f64]) -> bool {
        let values = state.iter().chain(action);
        let at: Array1<f64> = values.zip(&self.unit).map(|(x, unit)| x / unit).collect();
        let near = |step: ArrayView1<f64>| square(step, at.view()) <= self.square;
        self.steps.rows().into_iter().any(near)
    }

    /// Returns the share of states `[rows, states]` with actions `[rows, actions]` that are not covered.
    pub fn share_outside(&self, states: &Array2<f64>, actions: &Array2<f64>) -> f64 {
        let rows = states.rows().into_iter().zip(actions.rows());
        let outside =
            rows.filter(|(state, action)| !self.covers(&state.to_vec(), &action.to_vec()));
        outside.count() as f64 / states.nrows().max(1) as f64
    }
}

/// Returns by how much a share of uncovered steps exceeds that of the recordings themselves, from 0 to 1.
pub(super) fn beyond_recorded(share: f64) -> f64 {
    ((share - OUTSIDE) / (1.0 - OUTSIDE)).max(0.0)
}

fn square(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
