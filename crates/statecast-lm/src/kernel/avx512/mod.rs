//! The inner loops, in registers of sixteen floats.

#![allow(unsafe_code)]

mod attention;
mod elementwise;
mod products;

use std::arch::x86_64::*;

pub(super) use attention::{cap_scores, mix, mix_bf16, weigh};
pub(super) use elementwise::{exponentials, gate, largest, rms_norm, rotate};
pub(super) use products::{
    pack_bf16, pack_bf16_split, pack_f32, tile_bf16, tile_bf16_split, tile_f32, tile_integers,
    widen_integers,
};

use super::tiles::{LANES, PANEL};

/// Loads and stores of whole registers; the arrays prove that they stay inside.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[f32; LANES]) -> __m512 {
    // SAFETY: sixteen floats are read from an array of sixteen; no alignment is needed.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32; LANES], value: __m512) {
    // SAFETY: sixteen floats are written to an array of sixteen; no alignment is needed.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
}

/// Sixteen floats from a place on; zeros after the end.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_some(from: &[f32], at: usize) -> __m512 {
    let from = from.get(at..).unwrap_or(&[]);
    // SAFETY: only floats that there are are read.
    unsafe { _mm512_maskz_loadu_ps(lanes(0, 0, from.len()), from.as_ptr()) }
}

/// The first lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_some<const R: usize>(to: &mut [f32; R], value: __m512) {
    // SAFETY: no more floats are written than the array has.
    unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes(0, 0, R), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_pairs(from: &[u32; LANES]) -> __m512bh {
    // SAFETY: as above; the two types are both 64 bytes without invalid values.
    unsafe { std::mem::transmute(_mm512_loadu_si512(from.as_ptr().cast())) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast_pair(pair: u32) -> __m512bh {
    // SAFETY: both types are 64 bytes without invalid values.
    unsafe { std::mem::transmute(_mm512_set1_epi32(pair as i32)) }
}

/// Lanes `from..to` of the sixteen from `start` on.
#[inline]
fn lanes(start: usize, from: usize, to: usize) -> u16 {
    let below = |end: usize| ((1u32 << end.saturating_sub(start).min(LANES)) - 1) as u16;
    below(to) & !below(from)
}

/// Rounds to BF16, two neighbours to a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(first: __m512, second: __m512) -> __m512 {
    // SAFETY: both types are 64 bytes without invalid values.
    unsafe { std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Rounds whole panels to BF16, two neighbours to a word, the first in the lower half.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn round_pairs(from: &[f32], to: &mut [u32]) {
    let (from, _) = from.as_chunks::<PANEL>();
    let (to, _) = to.as_chunks_mut::<LANES>();
    for (from, to) in from.iter().zip(to) {
        let (halves, _) = from.as_chunks::<LANES>();
        let pairs = pairs(load(&halves[0]), load(&halves[1]));
        // SAFETY: sixteen words are written to an array of sixteen; no alignment is needed.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr().cast(), pairs) }
    }
}

/// The same as sums of two BF16 numbers.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn split_pairs(from: &[f32], high: &mut [u32], low: &mut [u32]) {
    let (from, _) = from.as_chunks::<PANEL>();
    let (high, _) = high.as_chunks_mut::<LANES>();
    let (low, _) = low.as_chunks_mut::<LANES>();
    for ((from, high), low) in from.iter().zip(high).zip(low) {
        let (halves, _) = from.as_chunks::<LANES>();
        let (first, second) = (load(&halves[0]), load(&halves[1]));
        // SAFETY: sixteen words are written to arrays of sixteen; no alignment is needed.
        unsafe {
            _mm512_storeu_ps(high.as_mut_ptr().cast(), pairs(first, second));
            _mm512_storeu_ps(low.as_mut_ptr().cast(), pairs(rest(first), rest(second)));
        }
    }
}

/// What rounding to BF16 leaves.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rest(x: __m512) -> __m512 {
    _mm512_sub_ps(x, _mm512_cvtpbh_ps(_mm512_cvtneps_pbh(x)))
}

/// e^x within 2 units in the last place (the polynomial is that of the Cephes library), infinite
/// from 89 on.
#[inline]
#[target_feature(enable = "avx512f")]
fn exp(x: __m512) -> __m512 {
    // Infinities would become no numbers.
    let x = _mm512_max_ps(x, _mm512_set1_ps(-104.0));
    let x = _mm512_min_ps(x, _mm512_set1_ps(89.0));
    let n = _mm512_roundscale_ps::<0>(_mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, so that the difference stays exact.
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693_359_4), x);
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.121_944_4e-4), r);
    let mut p = _mm512_set1_ps(1.987_569_1e-4);
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
    }
    let p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    _mm512_scalef_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0)), n)
}

/// Transposes sixteen rows of sixteen floats: first pairs of floats, then pairs of pairs, then
/// quarters of registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(r: [__m512; LANES]) -> [__m512; LANES] {
    let zero = _mm512_setzero_ps();
    let mut t = [zero; LANES];
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    let mut u = [zero; LANES];
    for i in 0..4 {
        for half in 0..2 {
            let a = _mm512_castps_pd(t[4 * i + half]);
            let b = _mm512_castps_pd(t[4 * i + 2 + half]);
            u[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            u[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    let mut out = [zero; LANES];
    for c in 0..4 {
        let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(u[c], u[4 + c]);
        let odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(u[c], u[4 + c]);
        let even2 = _mm512_shuffle_f32x4::<0b10_00_10_00>(u[8 + c], u[12 + c]);
        let odd2 = _mm512_shuffle_f32x4::<0b11_01_11_01>(u[8 + c], u[12 + c]);
        out[c] = _mm512_shuffle_f32x4::<0b10_00_10_00>(even, even2);
        out[4 + c] = _mm512_shuffle_f32x4::<0b10_00_10_00>(odd, odd2);
        out[8 + c] = _mm512_shuffle_f32x4::<0b11_01_11_01>(even, even2);
        out[12 + c] = _mm512_shuffle_f32x4::<0b11_01_11_01>(odd, odd2);
    }
    out
}
