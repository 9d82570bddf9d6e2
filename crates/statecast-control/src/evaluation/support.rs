//! Support of a policy's actions in the recordings, outside of which models extrapolate.

use ndarray::ArrayView2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::output::{numbers, percent};
use crate::policy::{Policy, PolicyError};

/// Margin around the recorded range of an action, relative to the range.
const MARGIN: f64 = 0.1;

/// Fraction of states with unsupported actions from which on a warning is due.
const MIN_FRACTION: f64 = 0.05;

/// Most states at which a policy is queried.
const MAX_STATES: usize = 1000;

/// An action column in which a policy leaves the recorded range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnsupportedActions {
    /// Index of the column.
    pub action: usize,
    /// Fraction of recorded states at which it does.
    pub fraction: f64,
    /// Smallest and largest recorded action.
    pub recorded: (f64, f64),
    /// Smallest and largest action of the policy.
    pub taken: (f64, f64),
}

impl UnsupportedActions {
    /// Says what a policy does outside of the recordings, by the names of the action columns.
    pub fn described(&self, policy: &str, names: &[String]) -> String {
        let ends = [self.taken.0, self.taken.1, self.recorded.0, self.recorded.1];
        let [taken_low, taken_high, low, high] = numbers(ends, 3);
        format!(
            "policy {policy}: at {} of the recorded states, {} leaves the recorded range: {taken_low} to {taken_high}, \
             recorded {low} to {high}; models extrapolate there",
            percent(self.fraction, 0),
            names.get(self.action).map_or("actions", String::as_str)
        )
    }
}

/// Returns the action columns in which a policy leaves the recorded range by more than a tenth of
/// it at one recorded state in twenty or more. Runs are `[rows, states]` and `[rows, actions]`.
///
/// # Errors
/// [`PolicyError`] if the policy cannot act.
pub fn unsupported_actions(
    policy: &mut dyn Policy,
    states: &[ArrayView2<f64>],
    actions: &[ArrayView2<f64>],
    seed: u64,
) -> Result<Vec<UnsupportedActions>, PolicyError> {
    let rows: usize = states.iter().map(|states| states.nrows()).sum();
    let every = rows.div_ceil(MAX_STATES).max(1);
    let columns = actions.first().map_or(0, |actions| actions.ncols());
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); columns];
    for (run, states) in states.iter().enumerate() {
        let asked: Vec<usize> = (0..states.nrows()).step_by(every).collect();
        let random = asked.iter().map(|&row| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream((run * rows + row) as u64);
            random
        });
        let mut random: Vec<ChaCha8Rng> = random.collect();
        let asked = states.select(ndarray::Axis(0), &asked);
        let acts = policy.act(asked.view(), &mut random)?;
        for (column, acts) in taken.iter_mut().zip(acts.columns()) {
            column.extend(acts);
        }
    }
    let found = taken.iter().enumerate().filter_map(|(action, taken)| {
        let recorded = actions.iter().flat_map(|run| run.column(action).to_vec());
        let (low, high) = range(recorded);
        // Rounding of a constant action is no difference.
        let room = (MARGIN * (high - low)).max(1e-6 * low.abs().max(high.abs()));
        let beyond = |x: &&f64| **x < low - room || **x > high + room;
        let fraction = taken.iter().filter(beyond).count() as f64 / taken.len().max(1) as f64;
        (fraction >= MIN_FRACTION).then(|| UnsupportedActions {
            action,
            fraction,
            recorded: (low, high),
            taken: range(taken.iter().copied()),
        })
    });
    Ok(found.collect())
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (x.min(low), x.max(high))
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::policy::LinearPolicy;

    /// Fault: a policy of unrecorded actions was evaluated without a warning.
    #[test]
    fn unsupported_actions_are_found() {
        let states = Array2::from_shape_fn((100, 1), |(t, _)| t as f64 / 100.0);
        let actions = Array2::from_shape_fn((100, 1), |(t, _)| (t % 11) as f64 / 5.0 - 1.0);
        let found = |gain: f64, push: f64| {
            let limits = vec![(f64::NEG_INFINITY, f64::INFINITY)];
            let mut policy = LinearPolicy::new(array![[gain]], array![push], None, limits).unwrap();
            unsupported_actions(&mut policy, &[states.view()], &[actions.view()], 0).unwrap()
        };
        assert!(found(0.0, 1.0).is_empty() && found(1.1, 0.0).is_empty());
        let half = found(2.4, 0.0);
        assert_eq!(half[0].fraction, 0.49, "{half:?}");
        let [all] = found(0.0, 50.0)[..] else {
            panic!()
        };
        assert_eq!(
            (all.fraction, all.recorded, all.taken),
            (1.0, (-1.0, 1.0), (50.0, 50.0))
        );
    }
}
