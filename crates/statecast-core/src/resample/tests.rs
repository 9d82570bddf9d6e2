use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;

/// Times whose steps are 1 + U(-share, share).
fn jittered(rows: usize, share: f64, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut time = 0.0;
    let step = |_| {
        time += 1.0 + share * random.random_range(-1.0..1.0);
        time
    };
    (0..rows).map(step).collect()
}

fn column(times: &[f64], of: impl Fn(f64) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((times.len(), 1), |(t, _)| of(times[t]))
}

#[test]
fn smooth_channels_are_read_off_splines() {
    let times = jittered(200, 0.5, 0);
    let wave = |t: f64| (0.4 * t).sin() + 0.5 * (0.23 * t + 1.0).cos();
    let even = even_rows(&times, column(&times, wave).view(), 1000).unwrap();
    assert_eq!(even.smooth, [true]);
    let rows = even.values.nrows();
    for row in 20..rows {
        let time = times[199] - (rows - 1 - row) as f64;
        let off = (even.values[[row, 0]] - wave(time)).abs();
        assert!(off < 2e-3, "row {row}: {off}");
    }
}

/// Noise of the measurement is not smoothed away: what follows has it, too.
#[test]
fn noise_goes_with_the_nearest_row() {
    let times = jittered(400, 0.5, 1);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let values = Array2::from_shape_fn((400, 1), |(t, _)| {
        (0.1 * times[t]).sin() + 0.3 * random.random_range(-1.0..1.0)
    });
    let even = even_rows(&times, values.view(), 1000).unwrap();
    assert_eq!(even.smooth, [false]);
    let differences = |values: &Array2<f64>| {
        let column = values.column(0);
        let pairs = column.windows(2).into_iter().map(|w| (w[1] - w[0]).powi(2));
        pairs.sum::<f64>() / (column.len() - 1) as f64
    };
    let ratio = differences(&even.values) / differences(&values);
    assert!((0.7..1.3).contains(&ratio), "{ratio}");
}

#[test]
fn few_rows_have_no_even_ones() {
    let times = jittered(9, 0.5, 0);
    assert_eq!(even_rows(&times, column(&times, |t| t).view(), 100), None);
    let times = jittered(12, 0.5, 0);
    assert_eq!(even_rows(&times, column(&times, |t| t).view(), 1), None);
    let back: Vec<f64> = times.iter().map(|t| -t).collect();
    assert_eq!(even_rows(&back, column(&times, |t| t).view(), 100), None);
}

#[test]
fn the_nearest_rows_are_found() {
    assert_eq!(
        nearest(&[0.0, 1.0, 4.0], &[-1.0, 0.4, 0.6, 3.0, 9.0]),
        [0, 0, 1, 2, 2]
    );
}

proptest! {
    /// Whatever the steps and values, there are at most so many rows, all finite and near the range, and the last one is kept.
    #[test]
    fn even_rows_are_bounded(
        steps in prop::collection::vec(0.0..50.0f64, 10..80),
        seed in 0u64..100,
        size in prop::sample::select(vec![1e-9, 1.0, 1e12]),
    ) {
        let mut time = 0.0;
        let times: Vec<f64> = steps.iter().map(|step| { time += step; time }).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values = Array2::from_shape_simple_fn((times.len(), 2), || size * random.random_range(-1.0..1.0));
        if let Some(even) = even_rows(&times, values.view(), 100) {
            prop_assert!(even.values.nrows() <= 100);
            prop_assert!(even.values.iter().all(|x| x.abs() <= 2.0 * size));
            let rows = even.values.nrows();
            prop_assert_eq!(even.values.row(rows - 1), values.row(times.len() - 1));
        }
    }

    /// At even times rows stay what they are.
    #[test]
    fn even_times_change_nothing(seed in 0u64..100) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values = Array2::from_shape_simple_fn((50, 1), || random.random_range(-1.0..1.0));
        let times: Vec<f64> = (0..50).map(f64::from).collect();
        let even = even_rows(&times, values.view(), 100).unwrap();
        for (a, b) in even.values.iter().zip(&values) {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }
}
