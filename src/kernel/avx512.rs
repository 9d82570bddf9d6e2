//! The inner loops, in registers of sixteen floats.
//!
//! `c[r] += Σ_k a[k][r] b[k]` for a tile of rows by two registers of columns: twelve rows fill 24 of
//! the 32 registers, so that every load of a weight serves twelve products.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::integers::IntegerPanel;
use super::tiles::{LANES, PANEL, TILE};

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

/// Sixteen floats from a place on; zeros behind the end.
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

#[inline]
#[target_feature(enable = "avx512f")]
fn store_sums<const R: usize>(sums: [[__m512; 2]; R], to: &mut [[f32; PANEL]]) {
    for (to, sums) in to.iter_mut().zip(sums) {
        let (halves, _) = to.as_chunks_mut::<LANES>();
        store(&mut halves[0], sums[0]);
        store(&mut halves[1], sums[1]);
    }
}

/// `a` `[depth][R]` times `b` `[depth][PANEL]`, into the first rows of `to`.
#[target_feature(enable = "avx512f")]
pub(super) fn tile_f32<const R: usize>(
    a: &[[f32; R]],
    b: &[[f32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (a, b) in a.iter().zip(b) {
        let (b, _) = b.as_chunks::<LANES>();
        let (b0, b1) = (load(&b[0]), load(&b[1]));
        for r in 0..R {
            let a = _mm512_set1_ps(a[r]);
            sums[r][0] = _mm512_fmadd_ps(a, b0, sums[r][0]);
            sums[r][1] = _mm512_fmadd_ps(a, b1, sums[r][1]);
        }
    }
    store_sums(sums, to);
}

/// Pairs of BF16: `a` `[depth / 2][R]` times `b` `[depth / 2][PANEL]`, summed in F32.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn tile_bf16<const R: usize>(
    a: &[[u32; R]],
    b: &[[u32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (a, b) in a.iter().zip(b) {
        let (b, _) = b.as_chunks::<LANES>();
        let (b0, b1) = (load_pairs(&b[0]), load_pairs(&b[1]));
        for r in 0..R {
            let a = broadcast_pair(a[r]);
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], a, b0);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], a, b1);
        }
    }
    store_sums(sums, to);
}

/// The same with activations that are the sum of two BF16 numbers.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn tile_bf16_split<const R: usize>(
    high: &[[u32; R]],
    low: &[[u32; R]],
    b: &[[u32; PANEL]],
    to: &mut [[f32; PANEL]; TILE],
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for ((high, low), b) in high.iter().zip(low).zip(b) {
        let (b, _) = b.as_chunks::<LANES>();
        let (b0, b1) = (load_pairs(&b[0]), load_pairs(&b[1]));
        for r in 0..R {
            let (high, low) = (broadcast_pair(high[r]), broadcast_pair(low[r]));
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], high, b0);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], high, b1);
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], low, b0);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], low, b1);
        }
    }
    store_sums(sums, to);
}

/// Scales and offsets of a run of inputs, and how its integers become weights.
#[derive(Clone, Copy)]
struct Run {
    scales: [__m512; 2],
    offsets: [__m512; 2],
}

impl Run {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(panel: &IntegerPanel, run: usize) -> Self {
        let both = |row: &[f32; PANEL]| {
            let (halves, _) = row.as_chunks::<LANES>();
            [load(&halves[0]), load(&halves[1])]
        };
        Self {
            scales: both(&panel.scales[run]),
            offsets: (panel.offsets.get(run)).map_or([_mm512_setzero_ps(); 2], both),
        }
    }

    /// Weights of one input: of nibbles, the lower or the upper ones.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn weights<const NIBBLES: bool>(&self, quants: &[u8; PANEL], upper: bool) -> [__m512; 2] {
        let (halves, _) = quants.as_chunks::<LANES>();
        let weights = |half: usize| {
            // SAFETY: sixteen bytes are read from an array of sixteen; no alignment is needed.
            let bytes = unsafe { _mm_loadu_si128(halves[half].as_ptr().cast()) };
            let integers = match (NIBBLES, upper) {
                (false, _) => _mm512_cvtepi8_epi32(bytes),
                (true, false) => {
                    _mm512_and_si512(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(15))
                }
                (true, true) => _mm512_srli_epi32::<4>(_mm512_cvtepu8_epi32(bytes)),
            };
            let floats = _mm512_cvtepi32_ps(integers);
            _mm512_fmsub_ps(floats, self.scales[half], self.offsets[half])
        };
        [weights(0), weights(1)]
    }
}

/// As [`tile_f32`], of integers.
#[target_feature(enable = "avx512f")]
pub(super) fn tile_integers<const R: usize, const NIBBLES: bool>(
    a: &[[f32; R]],
    b: IntegerPanel,
    to: &mut [[f32; PANEL]],
) {
    let in_a_byte = if NIBBLES { 2 } else { 1 };
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let runs = a.chunks(b.run).zip(b.quants.chunks(b.run / in_a_byte));
    for (i, (a, quants)) in runs.enumerate() {
        let run = Run::load(&b, i);
        for (a, quants) in a.chunks_exact(in_a_byte).zip(quants) {
            for (j, a) in a.iter().enumerate() {
                let weights = run.weights::<NIBBLES>(quants, j == 1);
                for r in 0..R {
                    let a = _mm512_set1_ps(a[r]);
                    sums[r][0] = _mm512_fmadd_ps(a, weights[0], sums[r][0]);
                    sums[r][1] = _mm512_fmadd_ps(a, weights[1], sums[r][1]);
                }
            }
        }
    }
    store_sums(sums, to);
}

/// Weights `[input, PANEL]` of a panel of integers.
#[target_feature(enable = "avx512f")]
pub(super) fn widen_integers<const NIBBLES: bool>(b: IntegerPanel, to: &mut [[f32; PANEL]]) {
    let in_a_byte = if NIBBLES { 2 } else { 1 };
    let runs = to.chunks_mut(b.run).zip(b.quants.chunks(b.run / in_a_byte));
    for (i, (to, quants)) in runs.enumerate() {
        let run = Run::load(&b, i);
        for (to, quants) in to.chunks_exact_mut(in_a_byte).zip(quants) {
            for (j, to) in to.iter_mut().enumerate() {
                let weights = run.weights::<NIBBLES>(quants, j == 1);
                store_sums([weights], std::slice::from_mut(to));
            }
        }
    }
}

/// Sixteen columns of `R` rows, `R` at most 16, to rows of columns; fewer if there is room for fewer.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_columns<const R: usize>(rows: [__m512; LANES], to: &mut [[f32; R]]) {
    for (to, column) in to.iter_mut().zip(transpose(rows)) {
        store_some(to, column);
    }
}

/// Rows `[R, input]` to columns `[input][R]`.
#[target_feature(enable = "avx512f")]
pub(super) fn pack_f32<const R: usize>(x: &[f32], input: usize, to: &mut [[f32; R]]) {
    for (i, to) in to.chunks_mut(LANES).enumerate() {
        let mut block = [_mm512_setzero_ps(); LANES];
        for (row, x) in block.iter_mut().zip(x.chunks_exact(input)).take(R) {
            *row = load_some(x, i * LANES);
        }
        store_columns(block, to);
    }
}

/// The same in pairs of BF16 `[input / 2][R]`, rounded.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn pack_bf16<const R: usize>(x: &[f32], input: usize, to: &mut [[u32; R]]) {
    let (to, _) = bytemuck::cast_slice_mut(to.as_flattened_mut()).as_chunks_mut::<R>();
    for (i, to) in to.chunks_mut(LANES).enumerate() {
        let mut block = [_mm512_setzero_ps(); LANES];
        for (row, x) in block.iter_mut().zip(x.chunks_exact(input)).take(R) {
            *row = pairs(load_some(x, i * PANEL), load_some(x, i * PANEL + LANES));
        }
        store_columns(block, to);
    }
}

/// The same as sums of two BF16 numbers.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn pack_bf16_split<const R: usize>(
    x: &[f32],
    input: usize,
    high: &mut [[u32; R]],
    low: &mut [[u32; R]],
) {
    let (high, _) = bytemuck::cast_slice_mut(high.as_flattened_mut()).as_chunks_mut::<R>();
    let (low, _) = bytemuck::cast_slice_mut(low.as_flattened_mut()).as_chunks_mut::<R>();
    let blocks = high.chunks_mut(LANES).zip(low.chunks_mut(LANES));
    for (i, (high, low)) in blocks.enumerate() {
        let mut block = [_mm512_setzero_ps(); LANES];
        let mut rest = [_mm512_setzero_ps(); LANES];
        let rows = block.iter_mut().zip(&mut rest).zip(x.chunks_exact(input));
        for ((row, rest), x) in rows.take(R) {
            let (first, second) = (load_some(x, i * PANEL), load_some(x, i * PANEL + LANES));
            *row = pairs(first, second);
            let left = |x| _mm512_sub_ps(x, _mm512_cvtpbh_ps(_mm512_cvtneps_pbh(x)));
            *rest = pairs(left(first), left(second));
        }
        store_columns(block, high);
        store_columns(rest, low);
    }
}

/// Rounds to BF16, two neighbours to a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(first: __m512, second: __m512) -> __m512 {
    // SAFETY: both types are 64 bytes without invalid values.
    unsafe { std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Rounds to BF16, two neighbours to a pair, the first in the lower half.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn to_pairs(from: &[f32; PANEL]) -> [u32; LANES] {
    let mut to = [0; LANES];
    round_pairs(from, &mut to);
    to
}

/// The same of whole panels.
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

/// `c tanh(s / c)` of every score.
#[target_feature(enable = "avx512f")]
pub(super) fn cap_scores(scores: &mut [f32], cap: f32) {
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

/// Lanes `from..to` of the sixteen from `start` on.
#[inline]
fn lanes(start: usize, from: usize, to: usize) -> u16 {
    let below = |end: usize| ((1u32 << end.saturating_sub(start).min(LANES)) - 1) as u16;
    below(to) & !below(from)
}

/// One block of a row's online softmax. Replaces the scores by `e^(s - max)`, those outside of
/// `from..to` by zero, and returns the new maximum and the sum.
#[target_feature(enable = "avx512f")]
pub(super) fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32) {
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

/// `to[r] = factors[r] to[r] + Σ_k weights[r][k] values[k]` for `V` registers of columns from `column`
/// on; `values` has rows of `width`, `to` as well.
#[target_feature(enable = "avx512f")]
pub(super) fn mix<const R: usize, const V: usize>(
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
pub(super) fn mix_bf16<const R: usize, const V: usize>(
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

/// `silu(gates) * ups`.
#[target_feature(enable = "avx512f")]
pub(super) fn gate(gates: &[f32], ups: &[f32], to: &mut [f32]) {
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
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, to: &mut [f32]) {
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
pub(super) fn rotate(x: &[f32], cos: &[f32], sin: &[f32], to: &mut [f32]) {
    let (x, y) = x.split_at(cos.len());
    let (to_x, to_y) = to.split_at_mut(cos.len());
    for (i, (to_x, to_y)) in to_x.iter_mut().zip(to_y).enumerate() {
        *to_x = x[i] * cos[i] - y[i] * sin[i];
        *to_y = x[i] * sin[i] + y[i] * cos[i];
    }
}
