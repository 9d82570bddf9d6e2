//! What a layer does between its products, in one pass over memory each.

use super::parallel::{for_each, threads_for};
use super::tiles::{gate, rms_norm, rotate};
use super::{Features, features, tiles};

/// `silu(gate) * up` of rows `[gate, up]`, each `inner` wide.
pub(crate) fn swiglu(rows: &[f32], inner: usize) -> Vec<f32> {
    let count = rows.len() / (2 * inner);
    let mut out = vec![0.0; count * inner];
    // A sigmoid costs about as much as sixteen products.
    let threads = threads_for(16 * out.len());
    let share = count.div_ceil(threads).max(1);
    let parts = rows
        .chunks(share * 2 * inner)
        .zip(out.chunks_mut(share * inner));
    for_each(threads, parts, |(rows, out)| {
        for (row, out) in rows.chunks(2 * inner).zip(out.chunks_mut(inner)) {
            let (gates, ups) = row.split_at(inner);
            gate(gates, ups, out);
        }
    });
    out
}

/// `weight x / sqrt(mean x² + eps)` of every row of `x` `[rows, width]`.
pub(crate) fn norm_rows(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let width = weight.len();
    let mut out = vec![0.0; x.len()];
    let threads = threads_for(2 * x.len());
    let share = (x.len() / width).div_ceil(threads).max(1) * width;
    let parts = x.chunks(share).zip(out.chunks_mut(share));
    for_each(threads, parts, |(x, out)| {
        for (x, out) in x.chunks(width).zip(out.chunks_mut(width)) {
            rms_norm(x, weight, eps, out);
        }
    });
    out
}

/// How a row of logits becomes probabilities: `e^(logit - top - log_sum)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSum {
    /// The largest logit.
    pub top: f32,
    /// Logarithm of the sum of `e^(logit - top)`.
    pub log_sum: f32,
}

/// Those of every row of `x` `[rows, width]`, on any processor.
pub(crate) fn log_sums(x: &[f32], width: usize) -> Vec<LogSum> {
    let mut sums = vec![
        LogSum {
            top: 0.0,
            log_sum: 0.0
        };
        x.len() / width
    ];
    let threads = threads_for(16 * x.len());
    let share = sums.len().div_ceil(threads).max(1);
    let parts = x.chunks(share * width).zip(sums.chunks_mut(share));
    for_each(threads, parts, |(rows, sums)| {
        let mut powers = vec![0.0; width];
        for (row, sum) in rows.chunks(width).zip(sums) {
            let top = largest(row);
            let log_sum = exponentials(row, top, &mut powers).ln();
            *sum = LogSum { top, log_sum };
        }
    });
    sums
}

/// `e^(x - top)` of every float, on any processor; returns their sum.
pub fn exponentials(x: &[f32], top: f32, to: &mut [f32]) -> f32 {
    match features() {
        Features::Plain => {
            let powers = x.iter().map(|x| (x - top).exp());
            to.iter_mut()
                .zip(powers)
                .for_each(|(to, power)| *to = power);
            to.iter().sum()
        }
        _ => tiles::exponentials(x, top, to),
    }
}

/// The largest float, on any processor.
fn largest(x: &[f32]) -> f32 {
    match features() {
        Features::Plain => x.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        _ => tiles::largest(x),
    }
}

/// Cosines and sines `[batch, length, head_dim / 2]` of rotary positions by halves; `batch` is one
/// if all sequences have the same.
#[derive(Clone, Copy)]
pub(crate) struct Angles<'a> {
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
}

/// Heads that stand side by side in rows `[batch, length, width]`.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) width: usize,
    /// Column of the first.
    pub(crate) column: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
}

impl Heads {
    /// The heads by themselves `[batch, heads, length, head_dim]`, turned to their positions.
    pub(crate) fn split(&self, rows: &[f32], angles: Option<Angles>) -> Vec<f32> {
        let Self {
            batch,
            length,
            width,
            column,
            heads,
            head_dim,
        } = *self;
        let half = head_dim / 2;
        let mut out = vec![0.0; batch * heads * length * head_dim];
        let threads = threads_for(4 * out.len());
        let parts = out.chunks_mut(length * head_dim).enumerate();
        for_each(threads, parts, |(at, out)| {
            let (sequence, head) = (at / heads, at % heads);
            let shared = |angles: Angles| angles.cos.len() == length * half;
            for (position, out) in out.chunks_mut(head_dim).enumerate() {
                let row = sequence * length + position;
                let from = row * width + column + head * head_dim;
                let x = &rows[from..from + head_dim];
                match angles {
                    None => out.copy_from_slice(x),
                    Some(angles) => {
                        let angle = if shared(angles) { position } else { row } * half;
                        let (cos, sin) = (&angles.cos[angle..], &angles.sin[angle..]);
                        rotate(x, &cos[..half], &sin[..half], out);
                    }
                }
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swiglu_is_its_definition() {
        if features() == Features::Plain {
            return;
        }
        let inner = 37;
        let rows: Vec<f32> = (0..3 * 2 * inner)
            .map(|i| 12.0 * (0.7 * i as f32).sin())
            .chain((0..inner).map(|i| -5.0 * i as f32))
            .chain(std::iter::repeat_n(1.0, inner))
            .collect();
        let found = swiglu(&rows, inner);
        for (row, found) in rows.chunks(2 * inner).zip(found.chunks(inner)) {
            for i in 0..inner {
                let (g, up) = (f64::from(row[i]), f64::from(row[inner + i]));
                let expected = g / (1.0 + (-g).exp()) * up;
                let error = (f64::from(found[i]) - expected).abs();
                assert!(error < 1e-6 * expected.abs() + 1e-30, "{g} {up}: {error}");
            }
        }
    }

    #[test]
    fn log_sums_are_those_of_the_definition() {
        for width in [1, 16, 37, 1000] {
            let logit = |i: usize| 30.0 * (0.7 * i as f32).sin() - i as f32 / 9.0;
            let rows: Vec<f32> = (0..3 * width).map(logit).collect();
            let found = log_sums(&rows, width);
            for (row, LogSum { top, log_sum }) in rows.chunks(width).zip(found) {
                let powers = row.iter().map(|&x| f64::from(x).exp());
                let expected = powers.sum::<f64>().ln();
                let error = (f64::from(top) + f64::from(log_sum) - expected).abs();
                assert!(error < 1e-5, "{expected}: {error}");
                let mut powers = vec![0.0; width];
                exponentials(row, top, &mut powers);
                let plain = |x: f32| (x - top).exp();
                let errors = row.iter().zip(&powers).map(|(&x, p)| (p - plain(x)).abs());
                assert!(errors.fold(0.0, f32::max) < 1e-6);
            }
        }
    }

    #[test]
    fn heads_are_split_and_turned() {
        if features() == Features::Plain {
            return;
        }
        let heads = Heads {
            batch: 2,
            length: 3,
            width: 40,
            column: 4,
            heads: 2,
            head_dim: 16,
        };
        let rows: Vec<f32> = (0..2 * 3 * 40).map(|i| i as f32).collect();
        let plain = heads.split(&rows, None);
        assert_eq!(plain[..2], [4.0, 5.0]);
        // Second sequence, second head, last position, last column.
        assert_eq!(plain[plain.len() - 1], (5 * 40 + 4 + 31) as f32);
        for shared in [true, false] {
            let rows_of_angles = if shared { 3 } else { 6 };
            let angle: Vec<f32> = (0..rows_of_angles * 8).map(|i| 0.1 * i as f32).collect();
            let cos: Vec<f32> = angle.iter().map(|a| a.cos()).collect();
            let sin: Vec<f32> = angle.iter().map(|a| a.sin()).collect();
            let angles = Angles {
                cos: &cos,
                sin: &sin,
            };
            let turned = heads.split(&rows, Some(angles));
            for (i, vector) in plain.chunks(16).enumerate() {
                let (sequence, position) = (i / 6, i % 3);
                let row = if shared {
                    position
                } else {
                    sequence * 3 + position
                };
                for j in 0..8 {
                    let a = angle[row * 8 + j];
                    let expected = vector[j] * a.cos() - vector[j + 8] * a.sin();
                    assert!((turned[i * 16 + j] - expected).abs() < 1e-4);
                    let expected = vector[j] * a.sin() + vector[j + 8] * a.cos();
                    assert!((turned[i * 16 + j + 8] - expected).abs() < 1e-4);
                }
            }
        }
    }
}
