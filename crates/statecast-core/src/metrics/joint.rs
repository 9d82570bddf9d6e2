//! Joint scores of sample paths, and of the same paths without dependence.

use ndarray::{Array3, ArrayView1, ArrayView2, ArrayView3, s};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{energy_score, variogram_score};

/// Scores of the joint draws of one row; lower is better.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct JointScores {
    /// [Energy score](energy_score).
    pub energy: f64,
    /// [Variogram score](variogram_score); zero for a single variable.
    pub variogram: f64,
    /// Energy score of [independent](independent_paths) draws with the same marginals.
    pub independent_energy: f64,
    /// Variogram score of the same independent draws.
    pub independent_variogram: f64,
}

impl JointScores {
    /// Scores sample paths `[paths, horizon, variables]` against observations `[horizon,
    /// variables]`, in units of the variables' `scales`, step by step. `seed` seeds the permutation
    /// that makes the draws independent.
    ///
    /// Joint draws that score no better than independent ones carry no information on dependence.
    ///
    /// ```
    /// use ndarray::{Array3, array, aview1};
    /// use statecast::metrics::JointScores;
    /// // Two variables that are always equal, in the paths and in the observation.
    /// let paths = Array3::from_shape_fn((50, 1, 2), |(i, _, _)| i as f64 - 24.5);
    /// let scales = aview1(&[1.0, 1.0]);
    /// let scores = JointScores::of_paths(paths.view(), array![[9.0, 9.0]].view(), scales, 0);
    /// assert!(scores[0].energy < scores[0].independent_energy);
    /// assert!(scores[0].variogram == 0.0 && scores[0].independent_variogram > 1.0);
    /// ```
    pub fn of_paths(
        paths: ArrayView3<f64>,
        observed: ArrayView2<f64>,
        scales: ArrayView1<f64>,
        seed: u64,
    ) -> Vec<Self> {
        let independent = independent_paths(paths, seed);
        let of_step = |h: usize| {
            let draws = paths.slice(s![.., h, ..]);
            let apart = independent.slice(s![.., h, ..]);
            let row = observed.row(h);
            Self {
                energy: energy_score(draws, row, scales),
                variogram: variogram_score(draws, row, scales),
                independent_energy: energy_score(apart, row, scales),
                independent_variogram: variogram_score(apart, row, scales),
            }
        };
        (0..observed.nrows()).map(of_step).collect()
    }

    /// Averages scores; all `NaN` for none.
    pub fn mean(scores: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
        Self {
            energy: mean(|s| s.energy),
            variogram: mean(|s| s.variogram),
            independent_energy: mean(|s| s.independent_energy),
            independent_variogram: mean(|s| s.independent_variogram),
        }
    }
}

/// Makes the variables of sample paths `[paths, horizon, variables]` independent: each variable is
/// permuted over the paths, equally at all steps, which preserves its own trajectories.
pub fn independent_paths(paths: ArrayView3<f64>, seed: u64) -> Array3<f64> {
    let (count, _, variables) = paths.dim();
    let mut independent = paths.to_owned();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for v in 1..variables {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut random);
        let permuted = paths.slice(s![.., .., v]).select(ndarray::Axis(0), &order);
        independent.slice_mut(s![.., .., v]).assign(&permuted);
    }
    independent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_paths_keep_marginals_and_trajectories() {
        let paths = Array3::from_shape_fn((40, 3, 2), |(i, h, v)| (10 * i + h + 100 * v) as f64);
        let apart = independent_paths(paths.view(), 3);
        assert_eq!(apart.slice(s![.., .., 0]), paths.slice(s![.., .., 0]));
        let mut first = apart.slice(s![.., 0, 1]).to_vec();
        assert_ne!(first, paths.slice(s![.., 0, 1]).to_vec());
        let steps = apart.slice(s![.., 2, 1]);
        assert!(first.iter().zip(steps).all(|(a, b)| a + 2.0 == *b));
        first.sort_by(f64::total_cmp);
        assert_eq!(first, paths.slice(s![.., 0, 1]).to_vec());
        assert_eq!(apart, independent_paths(paths.view(), 3));
    }

    #[test]
    fn a_single_variable_has_no_dependence() {
        let paths = Array3::from_shape_fn((20, 1, 1), |(i, _, _)| i as f64);
        let observed = ndarray::array![[7.5]];
        let scores =
            JointScores::of_paths(paths.view(), observed.view(), ndarray::aview1(&[2.0]), 0);
        assert_eq!(scores[0].energy, scores[0].independent_energy);
        assert_eq!(
            (scores[0].variogram, scores[0].independent_variogram),
            (0.0, 0.0)
        );
        assert!(JointScores::mean(&[]).energy.is_nan());
    }
}
