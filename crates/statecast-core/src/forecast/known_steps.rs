//! The time from a row to the next as one more action of the row.

use ndarray::{Array2, ArrayView2, Axis, concatenate};

use crate::recording::Steps;

/// Steps of a context's rows, and of those that follow, in the order in which rows are shown.
pub(super) struct KnownSteps {
    steps: Steps,
    /// Rows that were shown.
    shown: usize,
}

impl KnownSteps {
    pub(super) fn new(steps: Steps) -> Self {
        Self { steps, shown: 0 }
    }

    /// The largest step of the context.
    pub(super) fn largest(&self) -> f64 {
        let steps = (0..self.steps.len()).map(|row| self.steps.after(row));
        steps.fold(0.0, f64::max)
    }

    /// Actions `[rows, actions]` of the rows that are shown next, with their steps in the last column.
    pub(super) fn beside(&mut self, actions: ArrayView2<f64>) -> Array2<f64> {
        let first = self.shown;
        self.shown += actions.nrows();
        let steps = Array2::from_shape_fn((actions.nrows(), 1), |(row, _)| {
            self.steps.after(first + row)
        });
        concatenate(Axis(1), &[actions, steps.view()]).expect("one step a row")
    }

    /// Actions `[paths * actions]` taken in a step after the rows that were shown, each path's with the step of time behind.
    pub(super) fn after(&self, step: usize, actions: &[f64], paths: usize) -> Vec<f64> {
        let time = self.steps.after(self.shown + step);
        let count = actions.len() / paths.max(1);
        let of_path = |path: usize| {
            let taken = &actions[path * count..(path + 1) * count];
            taken.iter().copied().chain([time])
        };
        (0..paths).flat_map(of_path).collect()
    }
}
