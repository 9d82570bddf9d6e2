//! Products with weights that were packed once.

use half::bf16;

use super::integers::{IntegerPanels, Integers};
use super::pages::prefer_large;
use super::parallel::{for_each, threads_for};
use super::tiles::{
    DEPTH, PANEL, TILE, Unit, pack_bf16, pack_bf16_split, pack_f32, round_pairs, split_pairs,
    tile_bf16, tile_bf16_split, tile_f32,
};
use super::{Features, features};

/// Rows that are multiplied with one panel after another: few enough to stay in the second-level
/// cache.
const ROWS: usize = 20 * TILE;

/// What becomes of the activations in a product with BF16 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activations {
    /// Rounded to BF16: 8 bits of precision.
    Rounded,
    /// Taken as the sum of two BF16 numbers: 16 bits of precision for two products.
    Split,
}

/// A matrix `[out, input]`, in panels of `PANEL` output columns, each `[input, PANEL]`; of BF16,
/// two neighbouring inputs share a word.
pub(crate) struct PackedMatrix {
    out: usize,
    input: usize,
    panels: Panels,
}

/// Columns in registers, inputs one after another; of BF16, two neighbouring inputs share a word.
pub(super) enum Panels {
    F32(Vec<[f32; PANEL]>),
    Bf16(Vec<[u32; PANEL]>, Activations),
    /// As before, for a matrix unit: inputs are a multiple of those that it takes at once.
    Unit(Vec<[u32; PANEL]>, Activations),
    Integers(IntegerPanels),
}

/// Where a product's rows go: rows of `width`, from a column on.
#[derive(Clone, Copy)]
struct Place {
    width: usize,
    column: usize,
}

/// Rows of every tile but the last when so many rows go in as few tiles as can be: nearly as many
/// in all of them, for a tile of few rows takes nearly as long as one of many.
fn rows_of_a_tile(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(TILE).max(1)).max(1)
}

impl PackedMatrix {
    /// Packs rows `[out, input]`.
    pub(crate) fn f32(weights: &[f32], input: usize) -> Self {
        let out = weights.len() / input;
        let mut panels = vec![[0.0; PANEL]; out.div_ceil(PANEL) * input];
        prefer_large(&panels);
        for (panel, rows) in panels.chunks_mut(input).zip(weights.chunks(PANEL * input)) {
            for (column, row) in rows.chunks(input).enumerate() {
                for (to, &value) in panel.iter_mut().zip(row) {
                    to[column] = value;
                }
            }
        }
        Self {
            out,
            input,
            panels: Panels::F32(panels),
        }
    }

    /// Packs rows `[out, input]`.
    pub(crate) fn bf16(weights: &[bf16], input: usize, activations: Activations) -> Self {
        let out = weights.len() / input;
        let depth = input.div_ceil(2);
        let mut panels = vec![[0; PANEL]; out.div_ceil(PANEL) * depth];
        prefer_large(&panels);
        for (panel, rows) in panels.chunks_mut(depth).zip(weights.chunks(PANEL * input)) {
            for (column, row) in rows.chunks(input).enumerate() {
                for (to, pair) in panel.iter_mut().zip(row.chunks(2)) {
                    let upper = pair.get(1).map_or(0, |value| value.to_bits());
                    to[column] = u32::from(pair[0].to_bits()) | u32::from(upper) << 16;
                }
            }
        }
        let panels = match features() >= Features::Amx && input.is_multiple_of(2 * DEPTH) {
            true => Panels::Unit(panels, activations),
            false => Panels::Bf16(panels, activations),
        };
        Self { out, input, panels }
    }

    /// Packs small integers with their scales.
    pub(crate) fn integers(weights: &Integers) -> Self {
        Self {
            out: weights.out(),
            input: weights.input,
            panels: Panels::Integers(IntegerPanels::pack(weights)),
        }
    }

    /// Width of the result.
    pub(crate) fn out(&self) -> usize {
        self.out
    }

    /// `x` `[rows, input]` to `[rows, out]`, written into rows of `width` from `column` on.
    pub(crate) fn product_into(&self, x: &[f32], y: &mut [f32], width: usize, column: usize) {
        let place = Place { width, column };
        let rows = x.len() / self.input;
        let threads = threads_for(rows * self.input * self.out);
        if threads == 1 || rows >= 2 * threads * TILE {
            // Every thread takes some of the rows and reads all weights.
            let share = rows.div_ceil(threads);
            let parts = x
                .chunks(share * self.input)
                .zip(y.chunks_mut(share * width));
            for_each(threads, parts, |(x, y)| {
                let blocks = x.chunks(ROWS * self.input).zip(y.chunks_mut(ROWS * width));
                blocks.for_each(|(x, y)| self.product_of_block(x, y, place));
            });
        } else {
            // Few rows: every thread takes some of the weights.
            let tiles = self.pack_rows(x);
            let panels = self.out.div_ceil(PANEL);
            let mut results = vec![[[0.0; PANEL]; TILE]; panels * tiles.len()];
            let share = panels.div_ceil(threads) * tiles.len();
            for_each(
                threads,
                results.chunks_mut(share).enumerate(),
                |(i, part)| {
                    let mut unit = Unit::new();
                    for (j, result) in part.iter_mut().enumerate() {
                        let at = i * share + j;
                        let (panel, tile) = (at / tiles.len(), &tiles[at % tiles.len()]);
                        self.panels.tile(&mut unit, tile, self.input, panel, result);
                    }
                },
            );
            for (at, result) in results.iter().enumerate() {
                let (panel, tile) = (at / tiles.len(), at % tiles.len());
                let rows = rows_of_a_tile(rows);
                let from = tile * rows * width;
                let to = y.len().min(from + rows * width);
                self.write(panel, result, &mut y[from..to], place);
            }
        }
    }

    /// `x` `[rows, input]` to `[rows, out]`.
    #[cfg(test)]
    pub(crate) fn product(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.input * self.out];
        self.product_into(x, &mut y, self.out, 0);
        y
    }

    fn product_of_block(&self, x: &[f32], y: &mut [f32], place: Place) {
        let tiles = self.pack_rows(x);
        let rows = rows_of_a_tile(x.len() / self.input);
        let mut result = [[0.0; PANEL]; TILE];
        let mut widened = None;
        let mut unit = Unit::new();
        for panel in 0..self.out.div_ceil(PANEL) {
            // Integers are worth widening for more than one tile.
            if let (Panels::Integers(panels), 2..) = (&self.panels, tiles.len()) {
                let floats = vec![[0.0; PANEL]; self.input];
                let floats = widened.get_or_insert(Panels::F32(floats));
                if let Panels::F32(floats) = floats {
                    panels.widen(panel, floats);
                }
            }
            let (panels, at) = match &widened {
                Some(widened) => (widened, 0),
                None => (&self.panels, panel),
            };
            for (tile, y) in tiles.iter().zip(y.chunks_mut(rows * place.width)) {
                panels.tile(&mut unit, tile, self.input, at, &mut result);
                self.write(panel, &result, y, place);
            }
        }
    }

    fn write(&self, panel: usize, result: &[[f32; PANEL]; TILE], y: &mut [f32], place: Place) {
        let count = PANEL.min(self.out - panel * PANEL);
        for (result, y) in result.iter().zip(y.chunks_mut(place.width)) {
            y[place.column + panel * PANEL..][..count].copy_from_slice(&result[..count]);
        }
    }

    fn pack_rows(&self, x: &[f32]) -> Vec<PackedRows> {
        let rows = rows_of_a_tile(x.len() / self.input);
        x.chunks(rows * self.input)
            .map(|x| self.panels.pack_rows(x, self.input))
            .collect()
    }
}

/// An expression with the number of a tile's rows as a constant.
macro_rules! of_rows {
    ($rows:expr, $r:ident => $work:expr) => {
        of_rows!(@ $rows, $r => $work, 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    (@ $rows:expr, $r:ident => $work:expr, $($n:literal)*) => {
        match $rows {
            $($n => {
                const $r: usize = $n;
                $work
            })*
            _ => unreachable!("a tile has 1 to 12 rows"),
        }
    };
}

impl Panels {
    /// Up to `TILE` rows `[rows, input]`, packed to be multiplied with these.
    pub(super) fn pack_rows(&self, x: &[f32], input: usize) -> PackedRows {
        match self {
            Self::F32(_) | Self::Integers(_) => of_rows!(x.len() / input, R => {
                PackedRows::f32::<R>(x, input)
            }),
            Self::Bf16(_, activations) => of_rows!(x.len() / input, R => {
                PackedRows::bf16::<R>(x, input, *activations)
            }),
            Self::Unit(_, activations) => PackedRows::for_unit(x, input, *activations),
        }
    }

    /// Products of packed rows with one panel of `input` inputs, into the first rows of `to`.
    pub(super) fn tile(
        &self,
        unit: &mut Unit,
        rows: &PackedRows,
        input: usize,
        panel: usize,
        to: &mut [[f32; PANEL]; TILE],
    ) {
        match (self, &rows.values) {
            (Self::Unit(panels, _), RowValues::Unit { high, low }) => {
                let depth = input / 2;
                let b = &panels[panel * depth..(panel + 1) * depth];
                unit.product(rows.rows, high, low.as_deref(), b, to);
            }
            _ => of_rows!(rows.rows, R => self.tile_of::<R>(rows, input, panel, to)),
        }
    }

    fn tile_of<const R: usize>(
        &self,
        rows: &PackedRows,
        input: usize,
        panel: usize,
        to: &mut [[f32; PANEL]; TILE],
    ) {
        match (self, &rows.values) {
            (Self::F32(panels), RowValues::F32(a)) => {
                let b = &panels[panel * input..(panel + 1) * input];
                tile_f32::<R>(a.as_chunks().0, b, to)
            }
            (Self::Bf16(panels, _), RowValues::Bf16 { high, low }) => {
                let depth = input.div_ceil(2);
                let b = &panels[panel * depth..(panel + 1) * depth];
                match low {
                    None => tile_bf16::<R>(high.as_chunks().0, b, to),
                    Some(low) => tile_bf16_split::<R>(high.as_chunks().0, low.as_chunks().0, b, to),
                }
            }
            (Self::Integers(panels), RowValues::F32(a)) => {
                panels.tile::<R>(a.as_chunks().0, panel, to)
            }
            _ => unreachable!("rows are packed for this matrix"),
        }
    }
}

/// Up to `TILE` rows, their columns first: `[depth, rows]`; for a matrix unit `[rows, depth]`.
pub(super) struct PackedRows {
    rows: usize,
    values: RowValues,
}

enum RowValues {
    F32(Vec<f32>),
    Bf16 {
        high: Vec<u32>,
        low: Option<Vec<u32>>,
    },
    Unit {
        high: Vec<u32>,
        low: Option<Vec<u32>>,
    },
}

impl PackedRows {
    fn for_unit(x: &[f32], input: usize, activations: Activations) -> Self {
        let mut high = vec![0; x.len() / 2];
        let mut low = (activations == Activations::Split).then(|| high.clone());
        match &mut low {
            None => round_pairs(x, &mut high),
            Some(low) => split_pairs(x, &mut high, low),
        }
        Self {
            rows: x.len() / input,
            values: RowValues::Unit { high, low },
        }
    }

    fn f32<const R: usize>(x: &[f32], input: usize) -> Self {
        let mut values = vec![0.0; x.len()];
        pack_f32::<R>(x, input, values.as_chunks_mut().0);
        Self {
            rows: R,
            values: RowValues::F32(values),
        }
    }

    fn bf16<const R: usize>(x: &[f32], input: usize, activations: Activations) -> Self {
        let words = input.div_ceil(2) * R;
        let mut high = vec![0; words];
        let mut low = (activations == Activations::Split).then(|| vec![0; words]);
        match &mut low {
            None => pack_bf16::<R>(x, input, high.as_chunks_mut().0),
            Some(low) => {
                pack_bf16_split(x, input, high.as_chunks_mut::<R>().0, low.as_chunks_mut().0);
            }
        }
        Self {
            rows: R,
            values: RowValues::Bf16 { high, low },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{Features, features};

    fn exact(x: &[f32], w: &[f32], input: usize) -> Vec<f64> {
        x.chunks(input)
            .flat_map(|x| {
                w.chunks(input).map(|w| {
                    x.iter()
                        .zip(w)
                        .map(|(&x, &w)| f64::from(x) * f64::from(w))
                        .sum()
                })
            })
            .collect()
    }

    /// Largest error, in units of the precision `epsilon` and of the product of the norms.
    fn error(found: &[f32], x: &[f32], w: &[f32], input: usize, epsilon: f64) -> f64 {
        let norm = |v: &[f32]| v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let out = w.len() / input;
        let expected = exact(x, w, input);
        found
            .iter()
            .zip(&expected)
            .enumerate()
            .fold(0.0, |worst, (i, (&found, &expected))| {
                let size =
                    norm(&x[i / out * input..][..input]) * norm(&w[i % out * input..][..input]);
                (f64::from(found) - expected)
                    .abs()
                    .max(worst * size * epsilon)
                    / (size * epsilon)
            })
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_769) | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn packed_products_are_exact_to_their_precision(
            rows in 1..40usize, input in 1..80usize, out in 1..100usize, seed in 1..u32::MAX,
        ) {
            if features() < Features::F32 { return Ok(()); }
            let (x, w) = (numbers(rows * input, seed), numbers(out * input, seed ^ 0x5555));
            let packed = PackedMatrix::f32(&w, input).product(&x);
            prop_assert!(error(&packed, &x, &w, input, f64::from(f32::EPSILON)) < 4.0);
            if features() < Features::Bf16 { return Ok(()); }
            // Every other time as a matrix unit has it.
            let input = if seed % 2 == 0 { input } else { input.next_multiple_of(2 * DEPTH) };
            let (x, w) = (numbers(rows * input, seed), numbers(out * input, seed ^ 0x5555));
            let rounded: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
            let w: Vec<f32> = rounded.iter().map(|w| w.to_f32()).collect();
            let packed = PackedMatrix::bf16(&rounded, input, Activations::Rounded).product(&x);
            prop_assert!(error(&packed, &x, &w, input, 2f64.powi(-8)) < 1.1);
            let packed = PackedMatrix::bf16(&rounded, input, Activations::Split).product(&x);
            prop_assert!(error(&packed, &x, &w, input, 2f64.powi(-16)) < 1.1);
        }
    }
}
