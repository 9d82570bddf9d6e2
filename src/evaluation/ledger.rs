//! What paths earn while a policy walks them.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{Logged, RecordedEnds, Rules, Walk};

/// Returns of paths, booked step by step.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    ends: Option<Arc<RecordedEnds>>,
    discount: f64,
    /// Rewards that a model may predict: those that were seen.
    range: (f64, f64),
    /// States and actions of the step that is under way, one a path.
    under_way: Vec<Option<(Vec<f64>, Vec<f64>)>>,
    /// Returns so far.
    pub(super) returns: Vec<f64>,
    /// What each path earned at its steps, as far as it had not ended.
    pub(super) rewards: Vec<Vec<f64>>,
    /// Probability that a path has not ended.
    alive: Vec<f64>,
}

/// Probability below which a path has ended.
const ENDED: f64 = 1e-3;

impl Ledger {
    pub(super) fn new(paths: usize, walk: &Walk, logged: &Logged) -> Self {
        let rewards = logged.runs.iter().flat_map(|run| &run.rewards);
        let seen = rewards.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
            (r.min(low), r.max(high))
        });
        Self {
            rules: walk.rules,
            ends: walk.ends.clone(),
            discount: walk.discount,
            range: seen,
            under_way: vec![None; paths],
            returns: vec![0.0; paths],
            rewards: vec![Vec::new(); paths],
            alive: vec![1.0; paths],
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
            if self.ended(path) {
                continue;
            }
            let next = states.row(row).to_vec();
            let reward = match (self.rules.reward, &predicted) {
                (Some(reward), _) => reward(&state, &action, &next),
                (None, Some(predicted)) => predicted[row].clamp(self.range.0, self.range.1),
                (None, None) => 0.0,
            };
            let steps = i32::try_from(self.rewards[path].len()).unwrap_or(i32::MAX);
            let reward = self.alive[path] * reward;
            self.returns[path] += self.discount.powi(steps) * reward;
            self.rewards[path].push(reward);
            if self.rules.terminated.is_some_and(|ends| ends(&next)) {
                self.alive[path] = 0.0;
            }
            if let Some(ends) = &self.ends {
                self.alive[path] *= 1.0 - ends.probability(&state, &next);
            }
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
        paths.into_iter().all(|path| self.ended(path))
    }

    fn ended(&self, path: usize) -> bool {
        self.alive[path] < ENDED
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::Run;
    use crate::recording::EndFlag;

    fn logged() -> Logged {
        let run = Run {
            source: 0,
            states: array![[0.0], [1.0]],
            actions: array![[0.0]],
            rewards: array![1.0],
            terminated: false,
            log_probabilities: None,
        };
        Logged {
            runs: vec![
                Run {
                    rewards: array![-1.0],
                    ..run.clone()
                },
                run,
            ],
            end_flags: vec![EndFlag::Terminated],
        }
    }

    proptest! {
        /// On any path: what is booked is the discounted sum of what was earned until the end, with
        /// predicted rewards kept within those that were seen.
        #[test]
        fn returns_are_discounted_sums_until_the_end(
            states in prop::collection::vec(-2.0..2.0f64, 1..20),
            discount in 0.5..1.0f64,
            known in any::<bool>(),
        ) {
            let rules = Rules {
                reward: known.then_some(|state, action, next| state[0] + 10.0 * action[0] + 100.0 * next[0]),
                terminated: Some(|state| state[0] > 1.5),
            };
            let walk = Walk {
                starts: array![[0.3]],
                paths: 1,
                horizon: 20,
                discount,
                rules,
                ends: None,
                seed: 0,
            };
            let mut ledger = Ledger::new(1, &walk, &logged());
            let at = |x: f64| Array2::from_elem((1, 1), x);
            let action = |x: f64| 0.5 * x;
            ledger.arrive(0..1, at(0.3).view(), Some(array![7.0].view()));
            let (mut before, mut worth, mut expected, mut steps) = (0.3, 1.0, 0.0, 0);
            let mut ended = false;
            for &x in &states {
                ledger.leave(0..1, at(before).view(), &at(action(before)));
                let predicted = Array1::from_elem(1, 3.0 * x);
                ledger.arrive(0..1, at(x).view(), Some(predicted.view()));
                if !ended {
                    let reward = match known {
                        true => before + 10.0 * action(before) + 100.0 * x,
                        false => (3.0 * x).clamp(-1.0, 1.0),
                    };
                    expected += worth * reward;
                    worth *= discount;
                    steps += 1;
                }
                ended |= x > 1.5;
                before = x;
            }
            prop_assert!((ledger.returns[0] - expected).abs() < 1e-9 * (1.0 + expected.abs()));
            prop_assert_eq!(ledger.rewards[0].len(), steps);
            prop_assert_eq!(ledger.all_ended(0..1), ended);
        }
    }
}
