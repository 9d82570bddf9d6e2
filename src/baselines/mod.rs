//! Simple rules that every forecast is held against.

use ndarray::{Array3, ArrayView2, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Persistence with the context's own increments: paths `[samples, horizon, variables]` that start
/// at the last row of the context `[rows, variables]` and add increments drawn from it with
/// replacement, less their mean, whole rows at a time. Needs at least two rows; with fewer the last
/// row is held.
pub fn persistence(
    context: ArrayView2<f64>,
    horizon: usize,
    samples: usize,
    seed: u64,
) -> Array3<f64> {
    let (rows, variables) = context.dim();
    let mut paths = Array3::zeros((samples, horizon, variables));
    if rows == 0 {
        return paths;
    }
    let increments = &context.slice(s![1.., ..]) - &context.slice(s![..rows - 1, ..]);
    let drift = increments.mean_axis(ndarray::Axis(0));
    for path in 0..samples {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(path as u64);
        let mut row = context.row(rows - 1).to_owned();
        for step in 0..horizon {
            if let Some(drift) = &drift {
                row += &increments.row(random.random_range(0..rows - 1));
                row -= drift;
            }
            paths.slice_mut(s![path, step, ..]).assign(&row);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn steady_drift_is_not_persisted_and_spread_grows() {
        let ramp = array![[0.0], [1.0], [2.0]];
        let held = persistence(ramp.view(), 3, 2, 0);
        assert!(held.iter().all(|&x| x == 2.0));
        let noisy = array![[0.0], [1.0], [-1.0], [0.5]];
        let paths = persistence(noisy.view(), 20, 400, 0);
        let spread = |h: usize| paths.slice(s![.., h, 0]).std(0.0);
        assert!(spread(19) > 2.0 * spread(0));
    }
}
