//! Accumulation of returns along policy rollouts.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Logged, RecordedSupport, RolloutSpec, Rules, TerminationModel};
use crate::environment::TerminationRule;

/// Returns of paths, accumulated step by step.
#[derive(Debug)]
pub(super) struct ReturnAccumulator {
    rules: Rules,
    termination: Option<Arc<TerminationModel>>,
    discount: f64,
    /// Bounds of predicted rewards: the range of the recorded ones.
    range: (f64, f64),
    /// State and action of the current step, one per path.
    pending: Vec<Option<(Vec<f64>, Vec<f64>)>>,
    /// Returns so far.
    pub(super) returns: Vec<f64>,
    /// Expected reward of each path at its steps, weighted by its survival probability.
    pub(super) rewards: Vec<Vec<f64>>,
    /// Probability that a path has not terminated.
    alive: Vec<f64>,
    failure: Option<TerminationRule>,
    /// Probability that a path has reached a failure.
    failed: Vec<f64>,
    support: Option<Arc<RecordedSupport>>,
    /// Discounted steps of the watched paths, and those of them that the recordings do not cover.
    watched: f64,
    outside: f64,
}

/// Most paths whose steps are compared with the recorded ones: the search costs more than a step of a small model.
const MAX_WATCHED: usize = 64;

/// Discounted steps of paths, and those of them that the recordings do not cover.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepsOutside {
    /// Sum of the discounts of all steps.
    pub steps: f64,
    /// Sum of the discounts of those outside.
    pub outside: f64,
}

impl StepsOutside {
    /// Returns the share of steps outside; `None` if none was compared.
    pub fn share(&self) -> Option<f64> {
        (self.steps > 0.0).then(|| self.outside / self.steps)
    }
}

/// Survival probability below which a path counts as ended.
const ENDED: f64 = 1e-3;

impl ReturnAccumulator {
    pub(super) fn new(paths: usize, spec: &RolloutSpec, logged: &Logged) -> Self {
        let rewards = logged.runs.iter().flat_map(|run| &run.rewards);
        let range = rewards.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
            (r.min(low), r.max(high))
        });
        Self {
            rules: spec.rules.clone(),
            termination: spec.termination.clone(),
            discount: spec.discount,
            range,
            pending: vec![None; paths],
            returns: vec![0.0; paths],
            rewards: vec![Vec::new(); paths],
            alive: vec![1.0; paths],
            failure: spec.failure.clone(),
            failed: vec![0.0; paths],
            support: spec.support.clone(),
            watched: 0.0,
            outside: 0.0,
        }
    }

    /// Completes a step of paths with their next states `[paths, states]`, and with rewards that
    /// the model predicts, for systems without a known reward function.
    pub(super) fn complete_step(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        predicted: Option<ArrayView1<f64>>,
    ) {
        for (row, path) in paths.enumerate() {
            let Some((state, action)) = self.pending[path].take() else {
                continue;
            };
            if self.has_ended(path) {
                continue;
            }
            let next = states.row(row).to_vec();
            let reward = match (&self.rules.reward, &predicted) {
                (Some(rule), _) => match rule.of_step(&state, &action, &next) {
                    // Where an expression is not defined, the model has left the system: the worst that is known.
                    reward if reward.is_nan() => self.range.0,
                    reward => reward,
                },
                (None, Some(predicted)) => predicted[row].clamp(self.range.0, self.range.1),
                (None, None) => 0.0,
            };
            let steps = i32::try_from(self.rewards[path].len()).unwrap_or(i32::MAX);
            let worth = self.alive[path] * self.discount.powi(steps);
            self.returns[path] += worth * reward;
            let reward = self.alive[path] * reward;
            self.rewards[path].push(reward);
            let every = self.returns.len().div_ceil(MAX_WATCHED).max(1);
            if let Some(support) = &self.support
                && path.is_multiple_of(every)
            {
                self.watched += worth;
                if !support.covers(&state, &action) {
                    self.outside += worth;
                }
            }
            let fails = self.failure.as_ref().is_some_and(|rule| rule.ends(&next));
            if fails && self.failed[path] == 0.0 {
                self.failed[path] = self.alive[path];
            }
            let rule = self.rules.terminated.as_ref();
            if rule.is_some_and(|rule| rule.ends(&next)) {
                self.alive[path] = 0.0;
            }
            if let Some(model) = &self.termination {
                self.alive[path] *= 1.0 - model.probability(&state, &next);
            }
        }
    }

    /// Begins a step of paths with actions `[paths, actions]` at states `[paths, states]`.
    pub(super) fn begin_step(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        actions: &Array2<f64>,
    ) {
        for (row, path) in paths.enumerate() {
            self.pending[path] = Some((states.row(row).to_vec(), actions.row(row).to_vec()));
        }
    }

    /// Returns the probability of each path that it has terminated.
    pub(super) fn terminated(&self) -> Vec<f64> {
        self.alive.iter().map(|alive| 1.0 - alive).collect()
    }

    /// Returns the probability of each path that it has reached a failure, where failures are known.
    pub(super) fn failed(&self) -> Option<Vec<f64>> {
        self.failure.as_ref().map(|_| self.failed.clone())
    }

    /// Discounted steps of the watched paths, and those of them outside of the recordings.
    pub(super) fn steps_outside(&self) -> StepsOutside {
        StepsOutside {
            steps: self.watched,
            outside: self.outside,
        }
    }

    /// True if all of some paths have ended.
    pub(super) fn all_ended(&self, paths: Range<usize>) -> bool {
        paths.into_iter().all(|path| self.has_ended(path))
    }

    /// True if a path has ended.
    pub(super) fn has_ended(&self, path: usize) -> bool {
        self.alive[path] < ENDED
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    use super::*;
    use crate::environment::{RewardRule, TerminationRule};
    use crate::evaluation::RecordedRun;
    use crate::recording::EndFlag;

    fn logged() -> Logged {
        let run = RecordedRun {
            source: 0,
            states: array![[0.0], [1.0]],
            actions: array![[0.0]],
            rewards: array![1.0],
            terminated: false,
            log_probabilities: None,
        };
        Logged {
            runs: vec![
                RecordedRun {
                    rewards: array![-1.0],
                    ..run.clone()
                },
                run,
            ],
            end_flags: vec![EndFlag::Terminated],
        }
    }

    proptest! {
        /// The return of any path is the discounted sum of rewards until its end, with predicted
        /// rewards clipped to the recorded range.
        #[test]
        fn returns_are_discounted_sums_until_the_end(
            states in prop::collection::vec(-2.0..2.0f64, 1..20),
            discount in 0.5..1.0f64,
            known in any::<bool>(),
        ) {
            let rules = Rules {
                reward: known.then_some(RewardRule::of_task(|state, action, next| {
                    state[0] + 10.0 * action[0] + 100.0 * next[0]
                })),
                terminated: Some(TerminationRule::of_task(|state| state[0] > 1.5)),
            };
            let spec = RolloutSpec {
                starts: array![[0.3]],
                paths: 1,
                horizon: 20,
                discount,
                rules,
                termination: None,
                failure: Some(TerminationRule::of_task(|state| state[0] < -1.5)),
                support: None,
                seed: 0,
            };
            let mut accumulator = ReturnAccumulator::new(1, &spec, &logged());
            let at = |x: f64| Array2::from_elem((1, 1), x);
            let action = |x: f64| 0.5 * x;
            accumulator.complete_step(0..1, at(0.3).view(), Some(array![7.0].view()));
            let (mut before, mut worth, mut expected, mut steps) = (0.3, 1.0, 0.0, 0);
            let mut failed = false;
            let mut ended = false;
            for &x in &states {
                accumulator.begin_step(0..1, at(before).view(), &at(action(before)));
                let predicted = Array1::from_elem(1, 3.0 * x);
                accumulator.complete_step(0..1, at(x).view(), Some(predicted.view()));
                if !ended {
                    let reward = match known {
                        true => before + 10.0 * action(before) + 100.0 * x,
                        false => (3.0 * x).clamp(-1.0, 1.0),
                    };
                    expected += worth * reward;
                    worth *= discount;
                    steps += 1;
                    failed |= x < -1.5;
                }
                ended |= x > 1.5;
                before = x;
            }
            prop_assert!((accumulator.returns[0] - expected).abs() < 1e-9 * (1.0 + expected.abs()));
            prop_assert_eq!(accumulator.rewards[0].len(), steps);
            prop_assert_eq!(accumulator.all_ended(0..1), ended);
            prop_assert_eq!(accumulator.failed(), Some(vec![f64::from(failed)]));
        }
    }
}
