//! Products of tiles of rows with panels of weights, and the packing of both.
//!
//! `c[r] += Σ_k a[k][r] b[k]` for a tile of rows by two registers of columns: twelve rows fill 24
//! of the 32 registers, so that every load of a weight serves twelve products.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::integers::IntegerPanel;
use super::super::tiles::{LANES, PANEL, TILE};
use super::{broadcast_pair, load, load_pairs, load_some, pairs, store, store_some, transpose};

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
pub(in crate::kernel) fn tile_f32<const R: usize>(
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
pub(in crate::kernel) fn tile_bf16<const R: usize>(
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
pub(in crate::kernel) fn tile_bf16_split<const R: usize>(
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
pub(in crate::kernel) fn tile_integers<const R: usize, const NIBBLES: bool>(
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
pub(in crate::kernel) fn widen_integers<const NIBBLES: bool>(
    b: IntegerPanel,
    to: &mut [[f32; PANEL]],
) {
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

/// Sixteen columns of `R` rows, `R` at most 16, to rows of columns; fewer if there is room for
/// fewer.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_columns<const R: usize>(rows: [__m512; LANES], to: &mut [[f32; R]]) {
    for (to, column) in to.iter_mut().zip(transpose(rows)) {
        store_some(to, column);
    }
}

/// Rows `[R, input]` to columns `[input][R]`.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn pack_f32<const R: usize>(x: &[f32], input: usize, to: &mut [[f32; R]]) {
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
pub(in crate::kernel) fn pack_bf16<const R: usize>(x: &[f32], input: usize, to: &mut [[u32; R]]) {
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
pub(in crate::kernel) fn pack_bf16_split<const R: usize>(
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
            *rest = pairs(super::rest(first), super::rest(second));
        }
        store_columns(block, high);
        store_columns(rest, low);
    }
}
