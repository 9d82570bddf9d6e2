//! The smoother against dense algebra (`tests/golden/make_imputation.py`), and what holds of every filling.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use serde::Deserialize;

use super::model::{Conditional, Equation, Model, Track};
use super::{Hole, ImputeError, IncompleteRun, impute};

#[derive(Deserialize)]
struct Case {
    channels: usize,
    width: usize,
    orders: Vec<usize>,
    equations: Vec<CaseEquation>,
    inputs: Vec<f64>,
    values: Vec<Option<f64>>,
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

#[derive(Deserialize)]
struct CaseEquation {
    weights: Vec<f64>,
    inputs: Vec<f64>,
    intercept: Vec<f64>,
    covariance: Vec<f64>,
}

impl Case {
    fn model(&self) -> Model {
        let c = self.channels;
        let equation = |(order, e): (&usize, &CaseEquation)| {
            let weights = e.weights.chunks(c * c);
            let weights: Vec<_> = weights.map(|w| DMatrix::from_row_slice(c, c, w)).collect();
            assert_eq!(weights.len(), *order);
            let covariance = DMatrix::from_row_slice(c, c, &e.covariance);
            Equation {
                weights,
                inputs: DMatrix::from_row_slice(c, self.width, &e.inputs),
                intercept: DVector::from_column_slice(&e.intercept),
                precision: covariance.try_inverse().unwrap(),
            }
        };
        Model {
            equations: self
                .orders
                .iter()
                .zip(&self.equations)
                .map(equation)
                .collect(),
        }
    }
}

#[test]
fn unknown_values_are_distributed_as_dense_algebra_says() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/imputation.json"
    );
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let values = case.values.iter().map(|x| x.unwrap_or(f64::NAN));
        let track = Track {
            channels: case.channels,
            values: values.collect(),
            width: case.width,
            inputs: case.inputs.clone(),
        };
        let found = Conditional::of(&case.model(), &track);
        let count = case.mean.len();
        assert_eq!(found.holes.len(), count);
        for (a, b) in found.mean.iter().zip(&case.mean) {
            assert!((a - b).abs() < 1e-9, "{a} is {b}");
        }
        // The factor turns unit vectors into columns of the covariance's root.
        let mut covariance = DMatrix::zeros(count, count);
        for i in 0..count {
            let mut unit = vec![0.0; count];
            unit[i] = 1.0;
            found.couple(&mut unit);
            let column = DVector::from_vec(unit);
            covariance += &column * column.transpose();
            assert!((found.std(i).powi(2) - case.covariance[i * count + i]).abs() < 1e-9);
        }
        for (a, b) in covariance.iter().zip(&case.covariance) {
            assert!((a - b).abs() < 1e-9, "{a} is {b}");
        }
    }
}

fn run(values: Array2<f64>) -> IncompleteRun {
    let actions = Array2::zeros((values.nrows(), 0));
    IncompleteRun { values, actions }
}

/// Two waves with noise of a seed, and a third channel that is their sum.
fn waves(rows: usize, seed: u64) -> Array2<f64> {
    let noise = |t: usize, c: u64| ((t as f64 + 1.3) * (seed + 7 * c + 1) as f64 * 12.9898).sin();
    let mut values = Array2::from_shape_fn((rows, 3), |(t, c)| {
        (0.3 * t as f64 + c as f64).sin() + 0.1 * noise(t, c as u64)
    });
    let sum = &values.column(0) + &values.column(1);
    values.column_mut(2).assign(&sum);
    values
}

fn with_holes(mut values: Array2<f64>, holes: &[(usize, usize)]) -> Array2<f64> {
    let (rows, channels) = values.dim();
    for &(row, channel) in holes {
        values[[row % rows, channel % channels]] = f64::NAN;
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn known_values_stay_and_all_others_are_finite(
        seed in 0u64..1000,
        holes in prop::collection::vec((0usize..60, 0usize..3), 1..30),
    ) {
        let runs = [run(with_holes(waves(60, seed), &holes))];
        let imputation = impute(&runs, seed).unwrap();
        let filled = imputation.filled(&runs);
        for (before, after) in runs[0].values.iter().zip(&filled[0]) {
            prop_assert!(after.is_finite() && (before.is_nan() || before == after));
        }
        prop_assert!(imputation.draws(3, seed).iter().all(|x| x.is_finite()));
        for hole in 0..imputation.holes().len() {
            let quantiles = [0.01, 0.1, 0.5, 0.9, 0.99].map(|level| imputation.quantile(hole, level));
            prop_assert!(quantiles.is_sorted(), "{quantiles:?}");
        }
    }

    #[test]
    fn filling_commutes_with_the_units_of_a_channel(
        seed in 0u64..1000,
        holes in prop::collection::vec((0usize..60, 0usize..3), 1..20),
        scale in prop::sample::select(vec![0.01, 3.7, 1e4]),
        shift in -50.0..50.0f64,
    ) {
        let runs = [run(with_holes(waves(60, seed), &holes))];
        let mut other = runs[0].values.clone();
        other.column_mut(1).mapv_inplace(|x| scale * x + shift);
        let other = [run(other)];
        let (a, b) = (impute(&runs, 0).unwrap(), impute(&other, 0).unwrap());
        for (number, hole) in a.holes().iter().enumerate() {
            for level in [0.1, 0.5, 0.9] {
                let (x, y) = (a.quantile(number, level), b.quantile(number, level));
                let x = if hole.channel == 1 { scale * x + shift } else { x };
                let unit = if hole.channel == 1 { scale } else { 1.0 };
                prop_assert!((x - y).abs() < 1e-5 * unit, "{hole:?}: {x} and {y}");
            }
        }
    }
}

/// Draws have the quantiles that are stated, and go together where values do.
#[test]
fn draws_agree_with_quantiles_and_with_each_other() {
    let holes: Vec<(usize, usize)> = (40..44).flat_map(|t| [(t, 0), (t, 1), (t, 2)]).collect();
    let runs = [run(with_holes(waves(150, 3), &holes))];
    let imputation = impute(&runs, 0).unwrap();
    let draws = imputation.draws(2000, 5);
    for (number, draws) in draws.axis_iter(Axis(1)).enumerate() {
        for level in [0.1, 0.5, 0.8] {
            let quantile = imputation.quantile(number, level);
            let below = draws.iter().filter(|x| **x <= quantile).count() as f64 / 2000.0;
            assert!((below - level).abs() < 0.04, "{number}, {level}: {below}");
        }
    }
    // The third channel is the sum of the others in every draw, but for the correlations that are dropped.
    let off = |draw: ndarray::ArrayView1<f64>| (draw[0] + draw[1] - draw[2]).abs();
    let sum: f64 = draws.axis_iter(Axis(0)).map(off).sum::<f64>() / 2000.0;
    let spread = imputation.quantile(0, 0.9) - imputation.quantile(0, 0.1);
    assert!(sum < 0.5 * spread, "{sum}, {spread}");
}

#[test]
fn odd_runs_are_filled_or_refused() {
    let nan = f64::NAN;
    let mut blank_rows = waves(40, 1);
    blank_rows.slice_mut(ndarray::s![10..15, ..]).fill(nan);
    let mut constant = waves(30, 1);
    constant.column_mut(1).fill(2.5);
    constant[[7, 1]] = nan;
    let filled = impute(&[run(constant)], 0).unwrap();
    assert_eq!(
        filled.holes(),
        [Hole {
            run: 0,
            row: 7,
            channel: 1
        }]
    );
    assert_eq!(
        [0.1, 0.9].map(|level| filled.quantile(0, level)),
        [2.5, 2.5]
    );
    assert!(impute(&[run(blank_rows)], 0).is_ok());
    assert!(
        impute(&[run(array![[1.0, 2.0]])], 0)
            .unwrap()
            .holes()
            .is_empty()
    );
    let few = impute(&[run(array![[nan], [2.0], [nan]])], 0).unwrap();
    assert_eq!(few.medians(), [2.0, 2.0]);
    let few = impute(&[run(array![[nan], [2.0], [3.0], [nan]])], 0).unwrap();
    assert!(few.draws(10, 0).iter().all(|x| x.is_finite()));
    let empty = impute(&[run(array![[1.0, nan], [2.0, nan]])], 0).unwrap_err();
    assert_eq!(empty, ImputeError::Empty { channel: 1 });
    let long = impute(
        &[
            run(array![[1.0], [nan], [nan], [2.0], [nan]]),
            run(array![[nan], [1.0]]),
        ],
        0,
    );
    assert!(long.is_ok());
    let long = impute(&[run(array![[1.0], [nan], [nan]])], 0).unwrap_err();
    let expected = ImputeError::LongGap {
        run: 0,
        channel: 0,
        row: 1,
        gap: 2,
        rows: 3,
    };
    assert_eq!(long, expected);
    let mut other = run(waves(20, 1));
    other.actions = Array2::zeros((19, 1));
    assert!(matches!(
        impute(&[other], 0),
        Err(ImputeError::Invalid { run: 0, .. })
    ));
}

/// Two hundred channels end in seconds, as groups of those that move alike.
#[test]
fn many_channels_are_shared_out() {
    let values = Array2::from_shape_fn((300, 60), |(t, c)| {
        let phase = (c % 6) as f64;
        ((0.1 + 0.02 * phase) * t as f64 + phase).sin() + 0.01 * ((t * c) as f64 * 1.7).sin()
    });
    let holes: Vec<(usize, usize)> = (0..600)
        .map(|i| ((i * 7919) % 300, (i * 31) % 60))
        .collect();
    let truth = values.clone();
    let runs = [run(with_holes(values, &holes))];
    let imputation = impute(&runs, 0).unwrap();
    let off = imputation.holes().iter().zip(imputation.medians());
    let off = off.map(|(hole, median)| (truth[[hole.row, hole.channel]] - median).abs());
    let mean = off.sum::<f64>() / imputation.holes().len() as f64;
    assert!(mean < 0.02, "{mean}");
}

/// Fault: what the density of unknown values takes was not bounded; it is, before any work.
#[test]
fn more_unknown_values_than_memory_is_meant_for_are_refused() {
    let rows = 150_000;
    let values = Array2::from_shape_fn((rows, 24), |(t, c)| match t % 2 {
        0 => f64::NAN,
        _ => (t * (c + 1)) as f64,
    });
    let refused = impute(&[run(values)], 0).err();
    assert_eq!(refused, Some(ImputeError::TooMany { unknown: 12 * rows }));
}
