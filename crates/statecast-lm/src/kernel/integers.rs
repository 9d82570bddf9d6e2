//! Weights of small integers, as quantised files have them: every weight is `scale q - offset`,
//! with a scale and an offset for a run of inputs of an output.
//!
//! The products are those of the weights widened to F32: activations are not rounded, as they are
//! where integers are multiplied with integers.

use super::pages::prefer_large;
use super::tiles::{PANEL, tile_integers, widen_integers};

/// A matrix `[out, input]` of small integers, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Integers {
    pub(crate) input: usize,
    /// Inputs that share a scale; divides `input`, and is even.
    pub(crate) run: usize,
    /// `[out, input]`.
    pub(crate) quants: Vec<i8>,
    /// True if all of them are from 0 to 15.
    pub(crate) nibbles: bool,
    /// `[out, input / run]`.
    pub(crate) scales: Vec<f32>,
    /// As many, or none if all are zero.
    pub(crate) offsets: Vec<f32>,
}

impl Integers {
    pub(crate) fn out(&self) -> usize {
        self.quants.len() / self.input
    }
}

/// The same in panels of `PANEL` output columns.
pub(super) struct IntegerPanels {
    run: usize,
    nibbles: bool,
    /// Rows of a panel's `quants`, and of its `scales`.
    rows: (usize, usize),
    /// Each `[input, PANEL]`; of nibbles, two neighbouring inputs share a byte, the first in the
    /// lower half.
    quants: Vec<[u8; PANEL]>,
    /// Each `[input / run, PANEL]`.
    scales: Vec<[f32; PANEL]>,
    offsets: Vec<[f32; PANEL]>,
}

/// One of the panels.
#[derive(Clone, Copy)]
pub(super) struct IntegerPanel<'a> {
    pub(super) run: usize,
    pub(super) quants: &'a [[u8; PANEL]],
    pub(super) scales: &'a [[f32; PANEL]],
    /// None if all are zero.
    pub(super) offsets: &'a [[f32; PANEL]],
}

impl IntegerPanels {
    pub(super) fn pack(weights: &Integers) -> Self {
        let Integers { input, run, .. } = *weights;
        let in_a_byte = if weights.nibbles { 2 } else { 1 };
        let (rows, runs) = (input / in_a_byte, input / run);
        let panels = weights.out().div_ceil(PANEL);
        let mut quants = vec![[0; PANEL]; panels * rows];
        prefer_large(&quants);
        for (out, row) in weights.quants.chunks(input).enumerate() {
            let (panel, column) = (out / PANEL, out % PANEL);
            let to = quants[panel * rows..].iter_mut();
            for (to, inputs) in to.zip(row.chunks(in_a_byte)) {
                to[column] = match *inputs {
                    [low, high] => low as u8 | (high as u8) << 4,
                    _ => inputs[0] as u8,
                };
            }
        }
        let by_run = |values: &[f32]| {
            let mut to = vec![[0.0; PANEL]; values.len().div_ceil(PANEL * runs) * runs];
            for (out, row) in values.chunks(runs).enumerate() {
                for (run, &value) in row.iter().enumerate() {
                    to[out / PANEL * runs + run][out % PANEL] = value;
                }
            }
            to
        };
        Self {
            run,
            nibbles: weights.nibbles,
            rows: (rows, runs),
            quants,
            scales: by_run(&weights.scales),
            offsets: by_run(&weights.offsets),
        }
    }

    fn panel(&self, panel: usize) -> IntegerPanel<'_> {
        let (rows, runs) = self.rows;
        let of_runs = panel * runs..(panel + 1) * runs;
        IntegerPanel {
            run: self.run,
            quants: &self.quants[panel * rows..(panel + 1) * rows],
            scales: &self.scales[of_runs.clone()],
            offsets: self.offsets.get(of_runs).unwrap_or(&[]),
        }
    }

    /// Weights `[input, PANEL]` of a panel.
    pub(super) fn widen(&self, panel: usize, to: &mut [[f32; PANEL]]) {
        match self.nibbles {
            true => widen_integers::<true>(self.panel(panel), to),
            false => widen_integers::<false>(self.panel(panel), to),
        }
    }

    /// Products of rows `[input][R]` with a panel, into the first rows of `to`.
    pub(super) fn tile<const R: usize>(
        &self,
        rows: &[[f32; R]],
        panel: usize,
        to: &mut [[f32; PANEL]],
    ) {
        match self.nibbles {
            true => tile_integers::<R, true>(rows, self.panel(panel), to),
            false => tile_integers::<R, false>(rows, self.panel(panel), to),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Features, PackedMatrix, features};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn products_are_those_of_the_widened_weights(
            (out, runs, rows) in (1..70usize, 1..4usize, 1..30usize),
            (nibbles, offsets, short) in any::<(bool, bool, bool)>(), seed: u64,
        ) {
            if features() < Features::F32 { return Ok(()); }
            let run = if short { 16 } else { 32 };
            let input = runs * run;
            let random = |i: usize, salt: u64| {
                (i as u64 ^ seed ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
            };
            let quant = |i| match nibbles {
                true => (random(i, 1) % 16) as i8,
                false => random(i, 1) as i8,
            };
            let small = |count: usize, salt| -> Vec<f32> {
                (0..count).map(|i| random(i, salt) as f32 / 65536.0 - 0.5).collect()
            };
            let weights = Integers {
                input,
                run,
                quants: (0..out * input).map(quant).collect(),
                nibbles,
                scales: small(out * runs, 2),
                offsets: small(if offsets { out * runs } else { 0 }, 3),
            };
            let wide: Vec<f32> = (0..out * input).map(|i| {
                let offset = weights.offsets.get(i / run).unwrap_or(&0.0);
                weights.scales[i / run].mul_add(f32::from(weights.quants[i]), -offset)
            }).collect();
            let x = small(rows * input, 4);
            let found = PackedMatrix::integers(&weights).product(&x);
            let expected = PackedMatrix::f32(&wide, input).product(&x);
            prop_assert_eq!(found, expected);
        }
    }
}
