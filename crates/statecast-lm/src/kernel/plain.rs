//! What the inner loops compute, written plainly: for other processors to compile, and for the
//! tests to compare with.

use std::array::from_fn;

use half::bf16;

use super::integers::IntegerPanel;
use super::tiles::{LANES, PANEL, TILE};

fn lower(pair: u32) -> f32 {
    f32::from_bits(pair << 16)
}

fn upper(pair: u32) -> f32 {
    f32::from_bits(pair & 0xffff_0000)
}

/// Product of two pairs of BF16.
fn pairs(a: u32, b: u32) -> f32 {
    lower(a) * lower(b) + upper(a) * upper(b)
}

fn tile<T: Copy, const R: usize>(
    a: &[[T; R]],
    b: &[[T; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
    product: impl Fn(T, T) -> f32,
) {
    for (r, to) in to.iter_mut().enumerate().take(R) {
        *to = from_fn(|c| a.iter().zip(b).map(|(a, b)| product(a[r], b[c])).sum());
    }
}

pub(super) fn tile_f32<const R: usize>(
    a: &[[f32; R]],
    b: &[[f32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    tile(a, b, to, |a, b| a * b);
}

pub(super) fn tile_bf16<const R: usize>(
    a: &[[u32; R]],
    b: &[[u32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    tile(a, b, to, pairs);
}

pub(super) fn tile_bf16_split<const R: usize>(
    high: &[[u32; R]],
    low: &[[u32; R]],
    b: &[[u32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    let mut rest = [[0.0; PANEL]; TILE];
    tile(high, b, to, pairs);
    tile(low, b, &mut rest, pairs);
    for (to, rest) in to.iter_mut().zip(&rest).take(R) {
        *to = from_fn(|c| to[c] + rest[c]);
    }
}

pub(super) fn widen_integers<const NIBBLES: bool>(b: IntegerPanel, to: &mut [[f32; PANEL]]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = from_fn(|c| {
            let quant = match (NIBBLES, k % 2) {
                (false, _) => i32::from(b.quants[k][c] as i8),
                (true, 0) => i32::from(b.quants[k / 2][c] & 15),
                (true, _) => i32::from(b.quants[k / 2][c] >> 4),
            };
            let offset = b.offsets.get(k / b.run).map_or(0.0, |row| row[c]);
            (quant as f32).mul_add(b.scales[k / b.run][c], -offset)
        });
    }
}

pub(super) fn tile_integers<const R: usize, const NIBBLES: bool>(
    a: &[[f32; R]],
    b: IntegerPanel,
    to: &mut [[f32; PANEL]],
) {
    let mut wide = vec![[0.0; PANEL]; a.len()];
    widen_integers::<NIBBLES>(b, &mut wide);
    for (r, to) in to.iter_mut().enumerate().take(R) {
        *to = from_fn(|c| a.iter().zip(&wide).map(|(a, b)| a[r] * b[c]).sum());
    }
}

pub(super) fn pack_f32<const R: usize>(x: &[f32], input: usize, to: &mut [[f32; R]]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = from_fn(|r| x[r * input + k]);
    }
}

/// Pairs of BF16 of what a function makes of the floats; after an odd last one, zero.
fn pack_pairs<const R: usize>(
    x: &[f32],
    input: usize,
    to: &mut [[u32; R]],
    of: impl Fn(f32) -> f32,
) {
    for (i, to) in to.iter_mut().enumerate() {
        *to = from_fn(|r| {
            let row = &x[r * input..(r + 1) * input];
            let bits = |k: usize| row.get(k).map_or(0, |&x| bf16::from_f32(of(x)).to_bits());
            u32::from(bits(2 * i)) | u32::from(bits(2 * i + 1)) << 16
        });
    }
}

pub(super) fn pack_bf16<const R: usize>(x: &[f32], input: usize, to: &mut [[u32; R]]) {
    pack_pairs(x, input, to, |x| x);
}

pub(super) fn pack_bf16_split<const R: usize>(
    x: &[f32],
    input: usize,
    high: &mut [[u32; R]],
    low: &mut [[u32; R]],
) {
    pack_pairs(x, input, high, |x| x);
    pack_pairs(x, input, low, |x| x - bf16::from_f32(x).to_f32());
}

pub(super) fn to_pairs(from: &[f32; PANEL]) -> [u32; LANES] {
    let bits = |x| u32::from(bf16::from_f32(x).to_bits());
    from_fn(|i| bits(from[2 * i]) | bits(from[2 * i + 1]) << 16)
}

pub(super) fn round_pairs(from: &[f32], to: &mut [u32]) {
    for (from, to) in from.as_chunks().0.iter().zip(to.as_chunks_mut().0) {
        *to = to_pairs(from);
    }
}

pub(super) fn split_pairs(from: &[f32], high: &mut [u32], low: &mut [u32]) {
    round_pairs(from, high);
    let rest: Vec<f32> = from
        .iter()
        .map(|x| x - bf16::from_f32(*x).to_f32())
        .collect();
    round_pairs(&rest, low);
}

/// What a matrix unit computes.
pub(super) struct Unit;

impl Unit {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn product(
        &mut self,
        rows: usize,
        high: &[u32],
        low: Option<&[u32]>,
        b: &[[u32; PANEL]],
        to: &mut [[f32; PANEL]; TILE],
    ) {
        for (r, to) in to.iter_mut().enumerate().take(rows) {
            let row = r * b.len()..(r + 1) * b.len();
            let sum = |a: &[u32], c: usize| -> f32 {
                a[row.clone()]
                    .iter()
                    .zip(b)
                    .map(|(&a, b)| pairs(a, b[c]))
                    .sum()
            };
            *to = from_fn(|c| sum(high, c) + low.map_or(0.0, |low| sum(low, c)));
        }
    }
}

pub(super) fn cap_scores(scores: &mut [f32], cap: f32) {
    scores.iter_mut().for_each(|s| *s = cap * (*s / cap).tanh());
}

pub(super) fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32) {
    let max = scores[from..to].iter().copied().fold(max, f32::max);
    scores[..from].fill(0.0);
    scores[to..].fill(0.0);
    let seen = &mut scores[from..to];
    seen.iter_mut().for_each(|s| *s = (*s - max).exp());
    (max, seen.iter().sum())
}

/// `products[r][k]` of weights and `values` are added for `V` registers of columns.
fn mix_rows<T: Copy, const R: usize, const V: usize>(
    weights: [&[T]; R],
    values: &[T],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
    product: impl Fn(T, T) -> f32,
) {
    for r in 0..R {
        for c in column..column + V * LANES {
            let rows = values.chunks_exact(width).zip(weights[r]);
            let added: f32 = rows.map(|(row, &weight)| product(weight, row[c])).sum();
            let sum = &mut to[r * width + c];
            *sum = *sum * factors[r] + added;
        }
    }
}

pub(super) fn mix<const R: usize, const V: usize>(
    weights: [&[f32]; R],
    values: &[f32],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
) {
    mix_rows::<_, R, V>(weights, values, width, column, factors, to, |a, b| a * b);
}

pub(super) fn mix_bf16<const R: usize, const V: usize>(
    weights: [&[u32]; R],
    values: &[u32],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
) {
    mix_rows::<_, R, V>(weights, values, width, column, factors, to, pairs);
}

pub(super) fn gate(gates: &[f32], ups: &[f32], to: &mut [f32]) {
    for ((g, up), to) in gates.iter().zip(ups).zip(to) {
        *to = g / (1.0 + (-g).exp()) * up;
    }
}

pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, to: &mut [f32]) {
    let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    for ((x, weight), to) in x.iter().zip(weight).zip(to) {
        *to = x / (mean + eps).sqrt() * weight;
    }
}

pub(super) fn rotate(x: &[f32], cos: &[f32], sin: &[f32], to: &mut [f32]) {
    let half = cos.len();
    for i in 0..half {
        to[i] = x[i] * cos[i] - x[i + half] * sin[i];
        to[i + half] = x[i] * sin[i] + x[i + half] * cos[i];
    }
}

pub(super) fn largest(x: &[f32]) -> f32 {
    x.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

pub(super) fn exponentials(x: &[f32], top: f32, to: &mut [f32]) -> f32 {
    for (x, to) in x.iter().zip(&mut *to) {
        *to = (x - top).exp();
    }
    to.iter().sum()
}
