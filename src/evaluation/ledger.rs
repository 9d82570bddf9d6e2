//! What paths earn while a policy walks them.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Logged, Rules};

/// Returns of paths, booked step by step.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    discount: f64,
    /// Rewards that a model may predict: those that were seen.
    range: (f64, f64),
    /// States and actions of the step that is under way, one a path.
    under_way: Vec<Option<(Vec<f64>, Vec<f64>)>>,
    /// Returns so far.
    pub(super) returns: Vec<f64>,
    /// What each path earned at its steps.
    pub(super) rewards: Vec<Vec<f64>>,
    ended: Vec<bool>,
}

impl Ledger {
    pub(super) fn new(paths: usize, rules: Rules, discount: f64, logged: &Logged) -> Self {
        let rewards = logged.runs.iter().flat_map(|run| &run.rewards);
        let seen = rewards.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
            (r.min(low), r.max(high))
        });
        Self {
            rules,
            discount,
            range: seen,
            under_way: vec![None; paths],
            returns: vec![0.0; paths],
            rewards: vec![Vec::new(); paths],
            ended: vec![false; paths],
        }
    }

    /// Books that paths arrived at states `[paths, states]`, with the rewards that the model predicts
    /// of the step, which count where no rule gives them.
    pub(super) fn arrive(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        predicted: Option<ArrayView1<f64>>,
    ) {
        for (row, path) in paths.enumerate() {
            let Some((state, action)) = self.under_way[path].take() else {
                continue;
            };
            if self.ended[path] {
                continue;
            }
            let next = states.row(row).to_vec();
            let reward = match (self.rules.reward, &predicted) {
                (Some(reward), _) => reward(&state, &action, &next),
                (None, Some(predicted)) => predicted[row].clamp(self.range.0, self.range.1),
                (None, None) => 0.0,
            };
            let steps = i32::try_from(self.rewards[path].len()).unwrap_or(i32::MAX);
            self.returns[path] += self.discount.powi(steps) * reward;
            self.rewards[path].push(reward);
            self.ended[path] = self.rules.terminated.is_some_and(|ends| ends(&next));
        }
    }

    /// Books the actions `[paths, actions]` that paths take at states `[paths, states]`.
    pub(super) fn leave(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        actions: &Array2<f64>,
    ) {
        for (row, path) in paths.enumerate() {
            self.under_way[path] = Some((states.row(row).to_vec(), actions.row(row).to_vec()));
        }
    }

    /// True if all of some paths have come to their end.
    pub(super) fn all_ended(&self, paths: Range<usize>) -> bool {
        self.ended[paths].iter().all(|&ended| ended)
    }
}
