//! Expected sums of products over the rows of an equation.

use nalgebra::{DMatrix, DMatrixView};

use super::model::{Conditional, Model, Track};

/// Rows whose products are summed at once.
const ROWS_AT_ONCE: usize = 512;

/// What an equation's regression needs: `Σ w wᵀ` over its rows, where `w` is the row, the rows before it, the inputs
/// and 1. Unknown values count with their means and covariances.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) rows: usize,
    pub(super) sums: DMatrix<f64>,
}

impl Moments {
    /// Sums over the rows of runs that have the model's equation of a number.
    pub(super) fn of(model: &Model, kind: usize, runs: &[(&Track, &Conditional)]) -> Self {
        let channels = runs.first().map_or(0, |(track, _)| track.channels);
        let width = runs.first().map_or(0, |(track, _)| track.width);
        let slots = 1 + model.equations[kind].order();
        let size = slots * channels + width + 1;
        let mut moments = Self {
            rows: 0,
            sums: DMatrix::zeros(size, size),
        };
        let mut block = Vec::with_capacity(ROWS_AT_ONCE * size);
        for (track, conditional) in runs {
            let mut filled = track.values.clone();
            let mut at = vec![usize::MAX; filled.len()];
            for (hole, &place) in conditional.holes.iter().enumerate() {
                filled[place] = conditional.mean[hole];
                at[place] = hole;
            }
            for row in 0..track.rows() {
                if model.of_row(row) != kind {
                    continue;
                }
                for slot in 0..slots {
                    block.extend_from_slice(&filled[(row - slot) * channels..][..channels]);
                }
                block.extend_from_slice(track.inputs_of(row));
                block.push(1.0);
                moments.rows += 1;
                moments.add_covariances(conditional, &at, row, slots, channels);
                if block.len() == ROWS_AT_ONCE * size {
                    moments.add_products(&mut block);
                }
            }
        }
        moments.add_products(&mut block);
        moments
    }

    fn add_products(&mut self, block: &mut Vec<f64>) {
        let size = self.sums.nrows();
        let rows = DMatrixView::from_slice(block, size, block.len() / size);
        self.sums.gemm(1.0, &rows, &rows.transpose(), 1.0);
        block.clear();
    }

    fn add_covariances(
        &mut self,
        conditional: &Conditional,
        at: &[usize],
        row: usize,
        slots: usize,
        channels: usize,
    ) {
        let unknown = (0..slots * channels).filter_map(|column| {
            let place = (row - column / channels) * channels + column % channels;
            (at[place] < usize::MAX).then_some((column, at[place]))
        });
        let unknown: Vec<(usize, usize)> = unknown.collect();
        for &(a, hole) in &unknown {
            for &(b, other) in &unknown {
                self.sums[(a, b)] += conditional.covariance(hole, other);
            }
        }
    }
}
