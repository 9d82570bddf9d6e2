//! What a layer does between its products.

use std::arch::x86_64::*;

use super::super::tiles::LANES;
use super::{exp, load, load_some, store};

/// `silu(gates) * ups`.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn gate(gates: &[f32], ups: &[f32], to: &mut [f32]) {
    let one = _mm512_set1_ps(1.0);
    let silu = |g| {
        let e = exp(_mm512_sub_ps(_mm512_setzero_ps(), g));
        _mm512_div_ps(g, _mm512_add_ps(one, e))
    };
    let (gates, last_gates) = gates.as_chunks::<LANES>();
    let (ups, last_ups) = ups.as_chunks::<LANES>();
    let (to, last) = to.as_chunks_mut::<LANES>();
    for ((g, up), to) in gates.iter().zip(ups).zip(to) {
        store(to, _mm512_mul_ps(silu(load(g)), load(up)));
    }
    let (mut g, mut up, mut product) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    g[..last_gates.len()].copy_from_slice(last_gates);
    up[..last_ups.len()].copy_from_slice(last_ups);
    store(&mut product, _mm512_mul_ps(silu(load(&g)), load(&up)));
    last.copy_from_slice(&product[..last.len()]);
}

/// `weight x / sqrt(mean x² + eps)`.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, to: &mut [f32]) {
    let mut squares = _mm512_setzero_ps();
    for at in (0..x.len()).step_by(LANES) {
        let x = load_some(x, at);
        squares = _mm512_fmadd_ps(x, x, squares);
    }
    let mean = _mm512_reduce_add_ps(squares) / x.len() as f32;
    let factor = 1.0 / (mean + eps).sqrt();
    for ((x, weight), to) in x.iter().zip(weight).zip(to) {
        *to = x * factor * weight;
    }
}

/// Turns the halves of a vector by angles given by their cosines and sines.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn rotate(x: &[f32], cos: &[f32], sin: &[f32], to: &mut [f32]) {
    let (x, y) = x.split_at(cos.len());
    let (to_x, to_y) = to.split_at_mut(cos.len());
    for (i, (to_x, to_y)) in to_x.iter_mut().zip(to_y).enumerate() {
        *to_x = x[i] * cos[i] - y[i] * sin[i];
        *to_y = x[i] * sin[i] + y[i] * cos[i];
    }
}

/// The largest of some floats.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn largest(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut top = _mm512_set1_ps(f32::NEG_INFINITY);
    for chunk in chunks {
        top = _mm512_max_ps(top, load(chunk));
    }
    rest.iter()
        .copied()
        .fold(_mm512_reduce_max_ps(top), f32::max)
}

/// `e^(x - top)`; returns their sum.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn exponentials(x: &[f32], top: f32, to: &mut [f32]) -> f32 {
    let (tops, mut sum) = (_mm512_set1_ps(top), _mm512_setzero_ps());
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (to, last) = to.as_chunks_mut::<LANES>();
    for (chunk, to) in chunks.iter().zip(to) {
        let e = exp(_mm512_sub_ps(load(chunk), tops));
        sum = _mm512_add_ps(sum, e);
        store(to, e);
    }
    // What is no float of the rest is far below the largest.
    let mut e = [f32::NEG_INFINITY; LANES];
    e[..rest.len()].copy_from_slice(rest);
    let all = exp(_mm512_sub_ps(load(&e), tops));
    store(&mut e, all);
    last.copy_from_slice(&e[..last.len()]);
    _mm512_reduce_add_ps(sum) + last.iter().sum::<f32>()
}
