//! Online regressions after many rows, against ridge regression of all rows at once.

use nalgebra::{DMatrix, DVector};
use statecast::experts::{Prior, Regression};

const ROWS: usize = 100_000;
const CHANNELS: usize = 6;

/// Rows that are factored at a time.
const BLOCK: usize = 1000;

/// Channels up to `size` and an action: mixtures of three driven, lightly damped modes, nearly
/// collinear, with what is left over a hundred thousandth.
struct System {
    modes: [f64; 3],
    size: f64,
    t: usize,
}

impl System {
    fn new(size: f64) -> Self {
        Self {
            modes: [1.0, 0.0, 0.0],
            size,
            t: 0,
        }
    }

    /// The next row: channels, then the action taken in it.
    fn row(&mut self) -> Vec<f64> {
        let t = self.t as f64;
        let action = 0.5 * (1.3 * t).sin() + 0.5 * (0.0137 * t).sin();
        let channel = |c: usize| {
            let weight = |mode: usize| ((3 * c + mode) as f64 * 2.399_963).cos() / 3.0;
            let mixed: f64 = (0..3).map(|mode| weight(mode) * self.modes[mode]).sum();
            self.size * (mixed + 1e-5 * ((1.7 + c as f64).sqrt() * t).sin())
        };
        let row: Vec<f64> = (0..CHANNELS).map(channel).chain([action]).collect();
        let [a, b, slow] = self.modes;
        self.modes = [
            0.999 * a + 0.03 * b,
            0.995 * b - 0.03 * a + 0.02 * action,
            0.99 * slow + 0.01 * (0.37 * t).sin() + 1e-3 * a * b,
        ];
        self.t += 1;
        row
    }
}

fn linear(row: &[f64]) -> Vec<f64> {
    [row, &[1.0]].concat()
}

fn quadratic(row: &[f64]) -> Vec<f64> {
    let mut features = linear(row);
    for (i, a) in row.iter().enumerate() {
        features.extend(row[i..].iter().map(|b| a * b / 9.0));
    }
    features
}

/// Ridge regression by orthogonal transformations of the rows: no digit is lost by squaring them.
struct Batch {
    /// Triangle of features and targets.
    triangle: DMatrix<f64>,
    block: Vec<DVector<f64>>,
    features: usize,
}

impl Batch {
    fn new(ridge: f64, features: usize) -> Self {
        let width = features + CHANNELS;
        let root = |i, j| {
            if i == j && i < features {
                ridge.sqrt()
            } else {
                0.0
            }
        };
        Self {
            triangle: DMatrix::from_fn(width, width, root),
            block: Vec::new(),
            features,
        }
    }

    fn learn(&mut self, features: &[f64], values: &[f64]) {
        self.block.push([features, values].concat().into());
        if self.block.len() == BLOCK {
            let known = self.triangle.row_iter().map(|row| row.transpose());
            let rows: Vec<_> = known.chain(self.block.drain(..)).collect();
            self.triangle = DMatrix::from_columns(&rows).transpose().qr().r();
        }
    }

    /// Weights `[feature, target]`, and what they leave over of each target with the ridge's part.
    fn solve(&self) -> (DMatrix<f64>, Vec<f64>) {
        assert!(self.block.is_empty());
        let (d, n) = (self.features, CHANNELS);
        let moments = self.triangle.view((0, d), (d, n));
        let root = self.triangle.view((0, 0), (d, d));
        let rest = self.triangle.view((d, d), (n, n));
        let weights = root.solve_upper_triangular(&moments).unwrap();
        (
            weights,
            rest.column_iter().map(|c| c.norm_squared()).collect(),
        )
    }
}

/// What online predictions may be off by, in the size of the values.
const TOLERANCE: f64 = 1e-10;

/// What residuals and scales may be off by, as a share of them.
const SCALE_TOLERANCE: f64 = 1e-6;

fn compare(size: f64, ridge: f64, features: fn(&[f64]) -> Vec<f64>) {
    let what = format!("values up to {size}, ridge {ridge}");
    let mut system = System::new(size);
    let mut last = system.row();
    let count = features(&last).len();
    let prior = Prior {
        ridge,
        noise: (0.5, 5e-7),
    };
    let mut online = Regression::new(prior, count, CHANNELS);
    let mut batch = Batch::new(ridge, count);
    for _ in 0..ROWS {
        let row = system.row();
        let at = features(&last);
        online.learn(&at, &row[..CHANNELS]);
        batch.learn(&at, &row[..CHANNELS]);
        last = row;
    }
    let (weights, residuals) = batch.solve();
    for (channel, expected) in residuals.iter().enumerate() {
        let share = (online.residual(channel) - 1e-6) / expected;
        assert!((share - 1.0).abs() < SCALE_TOLERANCE, "{what}: {share}");
    }
    let at = features(&last);
    let predicted = online.predict(&at);
    let expected = weights.tr_mul(&DVector::from_vec(at));
    for (student, expected) in predicted.iter().zip(&expected) {
        let off = (student.location - expected).abs() / size;
        assert!(off < TOLERANCE, "{what}: {off}");
    }
}

#[test]
fn linear_regressions_are_those_of_all_rows_at_once() {
    for size in [3.5, 1e3] {
        compare(size, 1e-4, linear);
        compare(size, 0.1, linear);
    }
}

/// A covariance that is updated by subtraction is lost to rounding here: its predictions leave the
/// range of a float.
#[test]
fn quadratic_regressions_are_those_of_all_rows_at_once() {
    for size in [3.5, 1e3] {
        compare(size, 1e-4, quadratic);
        compare(size, 0.1, quadratic);
    }
}
