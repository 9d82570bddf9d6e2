//! The inner loops, by the widest instructions there are.
//!
//! Only called where [`features`](super::features) has found the instructions; elsewhere the tensor
//! library does the work.

#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use super::amx::Unit;
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
pub(super) use super::plain::Unit;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::plain::*;

/// Floats in a register.
pub(super) const LANES: usize = 16;
/// Columns of a packed panel.
pub(super) const PANEL: usize = 2 * LANES;
/// Rows of a tile: with twelve by two registers of sums, 24 of the 32 registers are sums.
pub(super) const TILE: usize = 12;
/// Pairs of inputs that a matrix unit takes at once.
pub(super) const DEPTH: usize = 16;

#[cfg(target_arch = "x86_64")]
use super::integers::IntegerPanel;

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
    fn pack_f32[const R: usize](x: &[f32], input: usize, to: &mut [[f32; R]]);
    fn cap_scores(scores: &mut [f32], cap: f32);
    fn gate(gates: &[f32], ups: &[f32], to: &mut [f32]);
    fn rms_norm(x: &[f32], weight: &[f32], eps: f32, to: &mut [f32]);
    fn rotate(x: &[f32], cos: &[f32], sin: &[f32], to: &mut [f32]);
    fn weigh(scores: &mut [f32], from: usize, to: usize, max: f32) -> (f32, f32);
    fn largest(x: &[f32]) -> f32;
    fn exponentials(x: &[f32], top: f32, to: &mut [f32]) -> f32;
}

#[cfg(target_arch = "x86_64")]
checked! {
    Bf16;
    fn tile_bf16[const R: usize](a: &[[u32; R]], b: &[[u32; PANEL]], to: &mut [[f32; PANEL]; TILE]);
    fn tile_bf16_split[const R: usize](high: &[[u32; R]], low: &[[u32; R]], b: &[[u32; PANEL]], to: &mut [[f32; PANEL]; TILE]);
    fn pack_bf16[const R: usize](x: &[f32], input: usize, to: &mut [[u32; R]]);
    fn pack_bf16_split[const R: usize](x: &[f32], input: usize, high: &mut [[u32; R]], low: &mut [[u32; R]]);
    fn round_pairs(from: &[f32], to: &mut [u32]);
    fn split_pairs(from: &[f32], high: &mut [u32], low: &mut [u32]);
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
#[inline]
pub(super) fn tile_integers<const R: usize, const NIBBLES: bool>(
    a: &[[f32; R]],
    b: IntegerPanel,
    to: &mut [[f32; PANEL]],
) {
    debug_assert!(super::features() >= super::Features::F32);
    // SAFETY: matrices are only packed on processors with these features.
    unsafe { super::avx512::tile_integers::<R, NIBBLES>(a, b, to) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn widen_integers<const NIBBLES: bool>(b: IntegerPanel, to: &mut [[f32; PANEL]]) {
    debug_assert!(super::features() >= super::Features::F32);
    // SAFETY: matrices are only packed on processors with these features.
    unsafe { super::avx512::widen_integers::<NIBBLES>(b, to) }
}

#[cfg(target_arch = "x86_64")]
mixing!(F32 mix f32);
#[cfg(target_arch = "x86_64")]
mixing!(Bf16 mix_bf16 u32);

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::prelude::*;

    use super::super::{Features, features, plain};
    use super::*;

    /// Numbers from -1 to 1.
    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let step = |i: u64| (i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let parts = (0..count as u64).map(|i| step(i) as f32 / (1u64 << 24) as f32);
        parts.map(|x| 2.0 * x - 1.0).collect()
    }

    /// Pairs of BF16, whole registers of them.
    fn words(count: usize, seed: u64) -> Vec<u32> {
        let numbers = numbers(2 * count, seed);
        let (panels, _) = numbers.as_chunks::<PANEL>();
        panels.iter().flat_map(plain::to_pairs).collect()
    }

    /// Sums of up to 100 products of numbers from -1 to 1, in any order, differ by less.
    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error < 2e-4, "{i}: {found}, plainly {expected}");
        }
    }

    /// One loop, by instructions and plainly, from the same start.
    fn compare(start: &[f32], kernel: impl Fn(&mut [f32]), plain: impl Fn(&mut [f32])) {
        let (mut found, mut expected) = (start.to_vec(), start.to_vec());
        kernel(&mut found);
        plain(&mut expected);
        assert_close(&found, &expected);
    }

    fn compare_tiles(
        kernel: impl Fn(&mut [[f32; PANEL]; TILE]),
        plain: impl Fn(&mut [[f32; PANEL]; TILE]),
    ) {
        let (mut found, mut expected) = ([[7.0; PANEL]; TILE], [[7.0; PANEL]; TILE]);
        kernel(&mut found);
        plain(&mut expected);
        assert_close(found.as_flattened(), expected.as_flattened());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn loops_of_floats_are_the_plain_ones(
            depth in 1..100usize, registers in 1..5usize, rows in 1..50usize, seed: u64,
            (from, to) in (0..=40usize, 0..=64usize), cap in 0.5..20f32,
        ) {
            if features() < Features::F32 { return Ok(()); }
            let (a, b) = (numbers(depth * 12, seed), numbers(depth * PANEL, seed ^ 1));
            let (a, b) = (a.as_chunks::<12>().0, b.as_chunks().0);
            compare_tiles(|to| tile_f32(a, b, to), |to| plain::tile_f32(a, b, to));
            let five: Vec<[f32; 5]> = a.iter().map(|a| std::array::from_fn(|i| a[i])).collect();
            compare_tiles(|to| tile_f32(&five, b, to), |to| plain::tile_f32(&five, b, to));

            let (rows_of_5, mut found) = (numbers(5 * depth, seed), vec![[7.0; 5]; depth]);
            pack_f32::<5>(&rows_of_5, depth, &mut found);
            let mut expected = found.clone();
            plain::pack_f32::<5>(&rows_of_5, depth, &mut expected);
            prop_assert_eq!(found, expected);

            let width = registers * LANES;
            let values = numbers(rows * width, seed ^ 2);
            let weights = numbers(3 * rows, seed ^ 3);
            let weights = std::array::from_fn::<_, 3, _>(|r| &weights[r * rows..(r + 1) * rows]);
            let factors = [0.5, 0.0, 1.0];
            compare(
                &numbers(3 * width, seed ^ 4),
                |to| mix::<3, 1>(weights, &values, width, 0, factors, to),
                |to| plain::mix::<3, 1>(weights, &values, width, 0, factors, to),
            );

            let scores = numbers(64, seed ^ 5);
            compare(&scores, |s| cap_scores(s, cap), |s| plain::cap_scores(s, cap));
            prop_assume!(from < to);
            compare(&scores, |s| { weigh(s, from, to, 0.1); }, |s| { plain::weigh(s, from, to, 0.1); });
            let (found, expected) = (&mut scores.clone(), &mut scores.clone());
            let (found, expected) = (weigh(found, from, to, 0.1), plain::weigh(expected, from, to, 0.1));
            assert_close(&[found.0, found.1], &[expected.0, expected.1]);
        }

        #[test]
        fn loops_of_bf16_are_the_plain_ones(
            depth in 1..50usize, registers in 1..5usize, rows in 1..50usize, seed: u64,
        ) {
            if features() < Features::Bf16 { return Ok(()); }
            let (high, low) = (words(depth * 48, seed), words(depth * 48, seed ^ 1));
            let (high, low) = (&high.as_chunks::<12>().0[..depth], &low.as_chunks::<12>().0[..depth]);
            let b = words(depth * PANEL, seed ^ 2);
            let b = b.as_chunks().0;
            compare_tiles(|to| tile_bf16(high, b, to), |to| plain::tile_bf16(high, b, to));
            compare_tiles(
                |to| tile_bf16_split(high, low, b, to),
                |to| plain::tile_bf16_split(high, low, b, to),
            );

            let rows_of_5 = numbers(5 * depth, seed);
            let empty = vec![[7; 5]; depth.div_ceil(2)];
            let (mut found, mut expected) = (empty.clone(), empty.clone());
            pack_bf16::<5>(&rows_of_5, depth, &mut found);
            plain::pack_bf16::<5>(&rows_of_5, depth, &mut expected);
            prop_assert_eq!(&found, &expected);
            let (mut low, mut expected_low) = (empty.clone(), empty);
            pack_bf16_split::<5>(&rows_of_5, depth, &mut found, &mut low);
            plain::pack_bf16_split::<5>(&rows_of_5, depth, &mut expected, &mut expected_low);
            prop_assert_eq!((found, low), (expected, expected_low));

            let width = registers * LANES;
            let values = words(rows * width, seed ^ 3);
            let weights = words(LANES * rows, seed ^ 4);
            let weights = std::array::from_fn::<_, 2, _>(|r| &weights[r * rows..(r + 1) * rows]);
            compare(
                &numbers(2 * width, seed ^ 5),
                |to| mix_bf16::<2, 1>(weights, &values, width, 0, [0.5, 1.0], to),
                |to| plain::mix_bf16::<2, 1>(weights, &values, width, 0, [0.5, 1.0], to),
            );

            let floats = numbers(3 * PANEL, seed ^ 7);
            let (mut found, mut expected) = ([0; 3 * LANES], [0; 3 * LANES]);
            round_pairs(&floats, &mut found);
            plain::round_pairs(&floats, &mut expected);
            prop_assert_eq!(found, expected);
            let (mut low, mut expected_low) = (found, found);
            split_pairs(&floats, &mut found, &mut low);
            plain::split_pairs(&floats, &mut expected, &mut expected_low);
            prop_assert_eq!((found, low), (expected, expected_low));
        }

        #[test]
        fn products_of_a_matrix_unit_are_the_plain_ones(
            steps in 1..8usize, rows in 1..=TILE, seed: u64,
        ) {
            if features() < Features::Amx { return Ok(()); }
            let depth = steps * DEPTH;
            let (high, low) = (words(rows * depth, seed), words(rows * depth, seed ^ 1));
            let b = words(depth * PANEL, seed ^ 2);
            let b = b.as_chunks().0;
            for low in [None, Some(&low[..])] {
                compare_tiles(
                    |to| Unit::new().product(rows, &high, low, b, to),
                    |to| plain::Unit::new().product(rows, &high, low, b, to),
                );
            }
        }
    }

    #[test]
    fn loops_of_integers_are_the_plain_ones() {
        if features() < Features::F32 {
            return;
        }
        let random: Vec<u8> = (0..64 * PANEL as u32)
            .map(|i| (i.wrapping_mul(2_654_435_769) >> 24) as u8)
            .collect();
        let (scales, offsets) = (numbers(4 * PANEL, 1), numbers(4 * PANEL, 2));
        let rows: Vec<f32> = numbers(64 * 3, 3).iter().map(|x| x / 128.0).collect();
        let rows = rows.as_chunks::<3>().0;
        let panel = IntegerPanel {
            run: 16,
            quants: random.as_chunks().0,
            scales: scales.as_chunks().0,
            offsets: offsets.as_chunks().0,
        };
        compare_tiles(
            |to| tile_integers::<3, false>(rows, panel, to),
            |to| plain::tile_integers::<3, false>(rows, panel, to),
        );
        let nibbles = IntegerPanel {
            quants: &panel.quants[..32],
            ..panel
        };
        compare_tiles(
            |to| tile_integers::<3, true>(rows, nibbles, to),
            |to| plain::tile_integers::<3, true>(rows, nibbles, to),
        );
        let (mut found, mut expected) = (vec![[0.0; PANEL]; 64], vec![[0.0; PANEL]; 64]);
        widen_integers::<true>(nibbles, &mut found);
        plain::widen_integers::<true>(nibbles, &mut expected);
        assert_eq!(found, expected);
    }

    #[test]
    fn gates_norms_and_turns_are_the_plain_ones() {
        if features() < Features::F32 {
            return;
        }
        let (a, b) = (numbers(37, 2), numbers(37, 3));
        compare(&a, |to| gate(&a, &b, to), |to| plain::gate(&a, &b, to));
        compare(
            &a,
            |to| rms_norm(&a, &b, 1e-5, to),
            |to| plain::rms_norm(&a, &b, 1e-5, to),
        );
        compare(
            &a,
            |to| to[0] = exponentials(&b, largest(&b), &mut to[..37]),
            |to| to[0] = plain::exponentials(&b, plain::largest(&b), &mut to[..37]),
        );
        let (x, angles) = (numbers(32, 4), numbers(32, 5));
        let (cos, sin) = angles.split_at(16);
        compare(
            &x,
            |to| rotate(&x, cos, sin, to),
            |to| plain::rotate(&x, cos, sin, to),
        );
    }
}
