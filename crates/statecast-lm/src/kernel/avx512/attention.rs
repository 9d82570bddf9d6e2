//! Softmax over a block of keys, and the mixing of its values.

use std::arch::x86_64::*;

use super::super::tiles::LANES;
use super::{broadcast_pair, exp, lanes, load, load_pairs, store};

/// `c tanh(s / c)` of every score.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn cap_scores(scores: &mut [f32], cap: f32) {
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let (one, sign) = (_mm512_set1_ps(1.0), _mm512_set1_ps(-0.0));
    for chunk in chunks {
        let x = _mm512_mul_ps(load(chunk), _mm512_set1_ps(1.0 / cap));
        // tanh |x| = (1 - e^-2|x|) / (1 + e^-2|x|)
        let e = exp(_mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(-2.0)));
        let tanh = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e));
        let signed = _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xF8>(
            _mm512_castps_si512(tanh),
            _mm512_castps_si512(x),
            _mm512_castps_si512(sign),
        ));
        store(chunk, _mm512_mul_ps(signed, _mm512_set1_ps(cap)));
    }
}

/// One block of a row's online softmax. Replaces the scores by `e^(s - max)`, those outside of
/// `from..to` by zero, and returns the new maximum and the sum.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32) {
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let mut top = _mm512_set1_ps(max);
    for (i, chunk) in chunks.iter().enumerate() {
        top = _mm512_mask_max_ps(top, lanes(i * LANES, from, to), top, load(chunk));
    }
    let max = _mm512_reduce_max_ps(top);
    let (top, mut sum) = (_mm512_set1_ps(max), _mm512_setzero_ps());
    for (i, chunk) in chunks.iter_mut().enumerate() {
        let weight = exp(_mm512_sub_ps(load(chunk), top));
        let weight = _mm512_maskz_mov_ps(lanes(i * LANES, from, to), weight);
        sum = _mm512_add_ps(sum, weight);
        store(chunk, weight);
    }
    (max, _mm512_reduce_add_ps(sum))
}

/// `to[r] = factors[r] to[r] + Σ_k weights[r][k] values[k]` for `V` registers of columns from
/// `column` on; `values` has rows of `width`, `to` as well.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn mix<const R: usize, const V: usize>(
    weights: [&[f32]; R],
    values: &[f32],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
) {
    let columns = column..column + V * LANES;
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    for r in 0..R {
        let (row, _) = to[r * width..][columns.clone()].as_chunks::<LANES>();
        for v in 0..V {
            sums[r][v] = _mm512_mul_ps(load(&row[v]), _mm512_set1_ps(factors[r]));
        }
    }
    let weights = weights.map(|row| &row[..values.len() / width]);
    for (k, row) in values.chunks_exact(width).enumerate() {
        let (row, _) = row[columns.clone()].as_chunks::<LANES>();
        let mut b = [_mm512_setzero_ps(); V];
        for v in 0..V {
            b[v] = load(&row[v]);
        }
        for r in 0..R {
            let a = _mm512_set1_ps(weights[r][k]);
            for v in 0..V {
                sums[r][v] = _mm512_fmadd_ps(a, b[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        let (row, _) = to[r * width..][columns.clone()].as_chunks_mut::<LANES>();
        for v in 0..V {
            store(&mut row[v], sums[r][v]);
        }
    }
}

/// As [`mix`], with weights and values in pairs of BF16: `weights` of rows, `values`
/// `[pairs, width]`.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(in crate::kernel) fn mix_bf16<const R: usize, const V: usize>(
    weights: [&[u32]; R],
    values: &[u32],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
) {
    let columns = column..column + V * LANES;
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    for r in 0..R {
        let (row, _) = to[r * width..][columns.clone()].as_chunks::<LANES>();
        for v in 0..V {
            sums[r][v] = _mm512_mul_ps(load(&row[v]), _mm512_set1_ps(factors[r]));
        }
    }
    let weights = weights.map(|row| &row[..values.len() / width]);
    for (k, row) in values.chunks_exact(width).enumerate() {
        let (row, _) = row[columns.clone()].as_chunks::<LANES>();
        for v in 0..V {
            let b = load_pairs(&row[v]);
            for r in 0..R {
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], broadcast_pair(weights[r][k]), b);
            }
        }
    }
    for r in 0..R {
        let (row, _) = to[r * width..][columns.clone()].as_chunks_mut::<LANES>();
        for v in 0..V {
            store(&mut row[v], sums[r][v]);
        }
    }
}
