//! The inner loops, by the widest instructions there are.
//!
//! Only called where [`features`](super::features) has found the instructions; elsewhere the tensor
//! library does the work.

#![allow(unsafe_code)]

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
    fn tile_f32[const R: usize](a: &[[f32; R]], b: &[[f32; PANEL]]) -> [[f32; PANEL]; R];
    fn transposed(rows: [&[f32; LANES]; LANES]) -> [[f32; LANES]; LANES];
    fn cap_scores(scores: &mut [f32], cap: f32);
    fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32);
}

#[cfg(target_arch = "x86_64")]
checked! {
    Bf16;
    fn tile_bf16[const R: usize](a: &[[u32; R]], b: &[[u32; PANEL]]) -> [[f32; PANEL]; R];
    fn tile_bf16_split[const R: usize](high: &[[u32; R]], low: &[[u32; R]], b: &[[u32; PANEL]]) -> [[f32; PANEL]; R];
    fn to_pairs(from: &[f32; PANEL]) -> [u32; LANES];
}

/// See [`avx512::mix`](super::avx512::mix).
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn mix<const R: usize, const V: usize>(
    weights: [&[f32]; R],
    values: &[f32],
    width: usize,
    column: usize,
    factors: [f32; R],
    to: &mut [f32],
) {
    debug_assert!(super::features() >= super::Features::F32);
    // SAFETY: attention is only computed here on processors with these features.
    unsafe { super::avx512::mix::<R, V>(weights, values, width, column, factors, to) }
}
