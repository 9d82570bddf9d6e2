//! The three products of a dense layer, on row-major slices.
//!
//! `matrixmultiply`, called through ndarray, packs blocks of columns. For layers with few outputs,
//! such as most last layers, plain loops are several times faster.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Layers with fewer outputs use plain loops.
const FEW_OUTPUTS: usize = 4;

/// Extents of a batch and a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extents {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("a slice is as long as its extents say")
}

fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values)
        .expect("a slice is as long as its extents say")
}

/// `y = x wᵀ`: `x` `[rows, inputs]`, `w` `[outputs, inputs]`, `y` `[rows, outputs]`.
pub(super) fn outputs(x: &[f32], w: &[f32], extents: Extents, y: &mut [f32]) {
    let Extents {
        rows,
        inputs,
        outputs,
    } = extents;
    if outputs < FEW_OUTPUTS {
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
            for (w, y) in w.chunks_exact(inputs).zip(y) {
                *y = dot(x, w);
            }
        }
        return;
    }
    let (x, w) = (matrix(x, rows, inputs), matrix(w, outputs, inputs));
    general_mat_mul(1.0, &x, &w.t(), 0.0, &mut matrix_mut(y, rows, outputs));
}

/// Gradient with respect to the inputs, `dx = dy w`: `dy` `[rows, outputs]`, `w` `[outputs,
/// inputs]`, `dx` `[rows, inputs]`.
pub(super) fn input_gradient(dy: &[f32], w: &[f32], extents: Extents, dx: &mut [f32]) {
    let Extents {
        rows,
        inputs,
        outputs,
    } = extents;
    if outputs < FEW_OUTPUTS {
        dx.fill(0.0);
        for (dy, dx) in dy.chunks_exact(outputs).zip(dx.chunks_exact_mut(inputs)) {
            for (&dy, w) in dy.iter().zip(w.chunks_exact(inputs)) {
                add_scaled(dx, dy, w);
            }
        }
        return;
    }
    let (dy, w) = (matrix(dy, rows, outputs), matrix(w, outputs, inputs));
    general_mat_mul(1.0, &dy, &w, 0.0, &mut matrix_mut(dx, rows, inputs));
}

/// Gradient with respect to the weights, `dw = dyᵀ x`: `dy` `[rows, outputs]`, `x` `[rows,
/// inputs]`, `dw` `[outputs, inputs]`.
pub(super) fn weight_gradient(dy: &[f32], x: &[f32], extents: Extents, dw: &mut [f32]) {
    let Extents {
        rows,
        inputs,
        outputs,
    } = extents;
    if outputs < FEW_OUTPUTS {
        dw.fill(0.0);
        for (dy, x) in dy.chunks_exact(outputs).zip(x.chunks_exact(inputs)) {
            for (&dy, dw) in dy.iter().zip(dw.chunks_exact_mut(inputs)) {
                add_scaled(dw, dy, x);
            }
        }
        return;
    }
    let (dy, x) = (matrix(dy, rows, outputs), matrix(x, rows, inputs));
    general_mat_mul(1.0, &dy.t(), &x, 0.0, &mut matrix_mut(dw, outputs, inputs));
}

/// Gradient with respect to the bias: sums of the columns of `dy` `[rows, outputs]`.
pub(super) fn bias_gradient(dy: &[f32], db: &mut [f32]) {
    db.fill(0.0);
    for dy in dy.chunks_exact(db.len()) {
        add_scaled(db, 1.0, dy);
    }
}

/// `to += factor * from`
fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// Keeps sixteen partial sums: a single one would wait for each addition.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `c [m, n] = a b`, where elements of `a` and `b` are found by row and column.
    fn plain(
        (m, k, n): (usize, usize, usize),
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        let element = |i: usize| (0..k).map(|l| a(i / n, l) * b(l, i % n)).sum();
        (0..m * n).map(element).collect()
    }

    fn waves(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| (seed + i as f32).sin()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_are_the_plain_ones(
            rows in 1..20usize, inputs in 1..50usize, outputs in 1..20usize, seed in 0f32..6.0,
        ) {
            let extents = Extents { rows, inputs, outputs };
            let x = waves(rows * inputs, seed);
            let w = waves(outputs * inputs, seed + 1.0);
            let dy = waves(rows * outputs, seed + 2.0);
            // Buffers are overwritten.
            let buffer = |count: usize| vec![f32::NAN; count];
            let (mut y, mut dx) = (buffer(rows * outputs), buffer(rows * inputs));
            let (mut dw, mut db) = (buffer(w.len()), buffer(outputs));
            super::outputs(&x, &w, extents, &mut y);
            input_gradient(&dy, &w, extents, &mut dx);
            weight_gradient(&dy, &x, extents, &mut dw);
            bias_gradient(&dy, &mut db);
            let x = |r: usize, c: usize| x[r * inputs + c];
            let w = |r: usize, c: usize| w[r * inputs + c];
            let dy = |r: usize, c: usize| dy[r * outputs + c];
            let pairs = [
                (y, plain((rows, inputs, outputs), x, |r, c| w(c, r))),
                (dx, plain((rows, outputs, inputs), dy, w)),
                (dw, plain((outputs, rows, inputs), |r, c| dy(c, r), x)),
                (db, plain((1, rows, outputs), |_, _| 1.0, dy)),
            ];
            for (found, expected) in pairs {
                prop_assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    prop_assert!((found - expected).abs() < 1e-4);
                }
            }
        }
    }
}
