//! The inner loops, by the widest instructions there are.
//!
//! Only called where [`features`](super::features) has found the instructions; elsewhere the tensor
//! library does the work.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use half::bf16;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::plain::*;

#[cfg(target_arch = "x86_64")]
pub(super) use super::avx512::{LANES, PANEL, TILE};

#[cfg(target_arch = "x86_64")]
macro_rules! checked {
    ($needs:ident; $(fn $name:ident $([$($generics:tt)*])? ($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {$(
        #[inline]
        pub(super) fn $name $(<$($generics)*>)? ($($arg: $type),*) $(-> $out)? {
            debug_assert!(super::features() >= super::Features::$needs);
            // SAFETY: matrices and attention are only made for processors with these features.
            unsafe { super::avx512::$name($($arg),*) }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
checked! {
    F32;
    fn tile_f32[const R: usize](a: &[[f32; R]], b: &[[f32; PANEL]], to: &mut [[f32; PANEL]; TILE]);
    fn transposed(rows: [&[f32; LANES]; LANES]) -> [[f32; LANES]; LANES];
    fn cap_scores(scores: &mut [f32], cap: f32);
    fn gate(gates: &[f32], ups: &[f32], to: &mut [f32]);
    fn rotate(x: &[f32], cos: &[f32], sin: &[f32], to: &mut [f32]);
    fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32);
}

#[cfg(target_arch = "x86_64")]
checked! {
    Bf16;
    fn tile_bf16[const R: usize](a: &[[u32; R]], b: &[[u32; PANEL]], to: &mut [[f32; PANEL]; TILE]);
    fn tile_bf16_split[const R: usize](high: &[[u32; R]], low: &[[u32; R]], b: &[[u32; PANEL]], to: &mut [[f32; PANEL]; TILE]);
    fn interleave(first: &[bf16; LANES], second: &[bf16; LANES]) -> [u32; LANES];
    fn to_pairs(from: &[f32; PANEL]) -> [u32; LANES];
}

#[cfg(target_arch = "x86_64")]
macro_rules! mixing {
    ($needs:ident $name:ident $weight:ty) => {
        #[inline]
        pub(super) fn $name<const R: usize, const V: usize>(
            weights: [&[$weight]; R],
            values: &[$weight],
            width: usize,
            column: usize,
            factors: [f32; R],
            to: &mut [f32],
        ) {
            debug_assert!(super::features() >= super::Features::$needs);
            // SAFETY: attention is only computed here on processors with these features.
            unsafe { super::avx512::$name::<R, V>(weights, values, width, column, factors, to) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mixing!(F32 mix f32);
#[cfg(target_arch = "x86_64")]
mixing!(Bf16 mix_bf16 u32);
