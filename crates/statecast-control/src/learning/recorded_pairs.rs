//! Recorded pairs of states and actions, and the nearest of them.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};

use super::{ReplayBuffer, SacActor};

/// Pairs that are compared with a batch at once.
const BLOCK: usize = 2048;

/// Recorded pairs of a state and an action, whose distance is that of PRDC (Ran et al., arXiv 2306.06569): states count in
/// units of their standard deviation times a weight, actions in units of half their range.
#[derive(Debug, Clone)]
pub(super) struct RecordedPairs {
    /// Mean of each observation.
    center: Vec<f32>,
    /// Distance per unit of each observation.
    per_unit: Vec<f32>,
    /// Pairs in units of distance, around the center of the states and of the limits of the actions `[pairs,
    /// observations + actions]`.
    pairs: Array2<f32>,
    /// Half of the squared length of each.
    halves: Vec<f32>,
}

impl RecordedPairs {
    pub(super) fn new(replay: &ReplayBuffer, actor: &SacActor, state_weight: f32) -> Self {
        let rows: Vec<_> = replay
            .episodes()
            .flatten()
            .filter_map(|row| replay.row(row))
            .collect();
        let observations = actor.network.inputs();
        let count = rows.len().max(1) as f64;
        let mean_of = |of: &dyn Fn(&[f32]) -> f64| {
            rows.iter().map(|row| of(&row.observation)).sum::<f64>() / count
        };
        let moments = (0..observations).map(|i| {
            let mean = mean_of(&|x| f64::from(x[i]));
            let variance = mean_of(&|x| (f64::from(x[i]) - mean).powi(2));
            (mean as f32, variance.sqrt() as f32)
        });
        let (center, stds): (Vec<f32>, Vec<f32>) = moments.unzip();
        // An observation that never changed tells no pairs apart.
        let per_unit = stds
            .iter()
            .map(|&std| if std > 0.0 { state_weight / std } else { 0.0 });
        let mut held = Self {
            per_unit: per_unit.collect(),
            center,
            pairs: Array2::zeros((0, 0)),
            halves: Vec::new(),
        };
        let of = |part: fn(&super::Transition) -> &[f32]| -> Vec<f32> {
            rows.iter().flat_map(|row| part(row)).copied().collect()
        };
        let (states, actions) = (of(|row| &row.observation), of(|row| &row.action));
        held.pairs = held.in_units(actor, &states, &actions);
        let halves = held.pairs.rows().into_iter().map(|row| 0.5 * row.dot(&row));
        held.halves = halves.collect();
        held
    }

    /// Returns the recorded actions, within the limits, of the pairs that are nearest to `actions` `[rows, actions]` at
    /// `observations` `[rows, observations]`.
    pub(super) fn nearest_actions(
        &self,
        actor: &SacActor,
        observations: &[f32],
        actions: &[f32],
    ) -> Vec<f32> {
        let queries = self.in_units(actor, observations, actions);
        let mut nearest = vec![(f32::INFINITY, 0); queries.nrows()];
        let mut products = Array2::zeros((BLOCK, queries.nrows()));
        for (number, block) in self.pairs.axis_chunks_iter(Axis(0), BLOCK).enumerate() {
            let mut products = products.slice_mut(s![..block.nrows(), ..]);
            general_mat_mul(1.0, &block, &queries.t(), 0.0, &mut products);
            for (row, products) in products.rows().into_iter().enumerate() {
                let pair = number * BLOCK + row;
                // Half of the squared distance, but for what all pairs have in common.
                let half = self.halves[pair];
                for (product, best) in products.iter().zip(&mut nearest) {
                    if half - product < best.0 {
                        *best = (half - product, pair);
                    }
                }
            }
        }
        let states = self.center.len();
        let mut recorded = Vec::with_capacity(actions.len());
        for (_, pair) in nearest {
            for (a, (scale, bias)) in actor.scale.iter().zip(&actor.bias).enumerate() {
                recorded.push(bias + scale * self.pairs[[pair, states + a]]);
            }
        }
        recorded
    }

    /// Returns rows in units of distance. Actions beyond the limits, which no actor reaches, are at the limits.
    fn in_units(&self, actor: &SacActor, observations: &[f32], actions: &[f32]) -> Array2<f32> {
        let (states, width) = (self.center.len(), actor.actions());
        let rows = actions.len() / width;
        let view = |values, columns| {
            ArrayView2::from_shape((rows, columns), values)
                .expect("transitions and batches have the agent's widths")
        };
        let (observations, actions) = (view(observations, states), view(actions, width));
        Array2::from_shape_fn((rows, states + width), |(row, column)| {
            match column.checked_sub(states) {
                None => (observations[[row, column]] - self.center[column]) * self.per_unit[column],
                Some(a) => ((actions[[row, a]] - actor.bias[a]) / actor.scale[a]).clamp(-1.0, 1.0),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::super::Transition;
    use super::*;
    use crate::environment::ActionSpace;

    const SPACE: ActionSpace = ActionSpace::Box {
        low: &[-2.0, 0.0],
        high: &[2.0, 1.0],
    };

    /// More pairs than a block has, far from zero.
    #[test]
    fn the_nearest_pair_is_that_of_the_distance_in_64_bits() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let actor = SacActor::new(2, SPACE, 4, &mut random).unwrap();
        let mut replay = ReplayBuffer::new(5000);
        let mut drawn = |replay: Option<&mut ReplayBuffer>| {
            let state = vec![100.0 + random.random::<f32>(), 7.0 * random.random::<f32>()];
            let action = vec![
                random.random_range(-2.5..2.5),
                random.random_range(-0.1..1.1),
            ];
            if let Some(replay) = replay {
                replay.push(
                    Transition {
                        observation: state.clone(),
                        action: action.clone(),
                        reward: 0.0,
                        next: state.clone(),
                        terminated: false,
                        weight: 1.0,
                        state: Vec::new(),
                    },
                    false,
                );
            }
            (state, action)
        };
        let recorded: Vec<_> = (0..3000).map(|_| drawn(Some(&mut replay))).collect();
        let weight = 1.5;
        let pairs = RecordedPairs::new(&replay, &actor, weight);
        let std = |i: usize| {
            let of = || recorded.iter().map(|(state, _)| f64::from(state[i]));
            let mean = of().sum::<f64>() / 3000.0;
            (of().map(|x| (x - mean).powi(2)).sum::<f64>() / 3000.0).sqrt()
        };
        let limited = |action: &[f32]| [action[0].clamp(-2.0, 2.0), action[1].clamp(0.0, 1.0)];
        let distance = |a: &(Vec<f32>, Vec<f32>), b: &(Vec<f32>, Vec<f32>)| {
            let of_states = (0..2)
                .map(|i| (f64::from(a.0[i]) - f64::from(b.0[i])) / std(i) * f64::from(weight));
            let (own, other) = (limited(&a.1), limited(&b.1));
            let of_actions = [0, 1].map(|i| f64::from(own[i] - other[i]) / [2.0, 0.5][i]);
            of_states.chain(of_actions).map(|x| x * x).sum::<f64>()
        };
        for _ in 0..50 {
            let query = drawn(None);
            let expected = recorded
                .iter()
                .min_by(|a, b| distance(a, &query).total_cmp(&distance(b, &query)))
                .unwrap();
            let found = pairs.nearest_actions(&actor, &query.0, &query.1);
            for (found, expected) in found.iter().zip(limited(&expected.1)) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    #[test]
    fn an_observation_that_never_changed_counts_nothing() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let actor = SacActor::new(1, SPACE, 4, &mut random).unwrap();
        let mut replay = ReplayBuffer::new(10);
        for action in [-1.0, 1.0] {
            replay.push(
                Transition {
                    observation: vec![5.0],
                    action: vec![action, 0.5],
                    reward: 0.0,
                    next: vec![5.0],
                    terminated: false,
                    weight: 1.0,
                    state: Vec::new(),
                },
                false,
            );
        }
        let pairs = RecordedPairs::new(&replay, &actor, 2.0);
        assert_eq!(
            pairs.nearest_actions(&actor, &[9.0], &[0.8, 0.1]),
            [1.0, 0.5]
        );
    }
}
