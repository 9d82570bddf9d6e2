//! The densities of a context's rows, each given the rows before it.

use ndarray::{Array2, Array3, s};

use crate::codec::{Axis, Bin, Cell};
use crate::density::BinnedDensity;

/// One density a row and channel.
#[derive(Debug, Clone)]
pub struct OneStep {
    pub(super) axes: Vec<Axis>,
    pub(super) masses: Array3<f32>,
    pub(super) observed: Array2<Bin>,
    pub(super) cells: Array2<Cell>,
}

impl OneStep {
    /// Rows that have a density.
    pub fn rows(&self) -> usize {
        self.observed.nrows()
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.axes.len()
    }

    /// Probabilities of the bins, `[rows, channels, 1000]`.
    pub fn masses(&self) -> &Array3<f32> {
        &self.masses
    }

    /// Bins that were observed, `[rows, channels]`.
    pub fn observed(&self) -> &Array2<Bin> {
        &self.observed
    }

    /// What was observed as the channels' instruments read it, `[rows, channels]`: the bins, or
    /// the cells of those that are coarser.
    pub fn cells(&self) -> &Array2<Cell> {
        &self.cells
    }

    /// Density of a row of a channel.
    ///
    /// # Panics
    /// If there is no such row or channel.
    pub fn density(&self, row: usize, channel: usize) -> BinnedDensity<'_> {
        let mass = self.masses.slice(s![row, channel, ..]);
        mass.to_slice()
            .and_then(|mass| BinnedDensity::new(self.axes[channel], mass))
            .expect("masses are contiguous rows of probabilities that the head has checked")
    }

    /// Logarithmic scores `[rows, channels]` of the cells that were observed: nats, of the density
    /// in axis units.
    pub fn log_scores(&self) -> Array2<f64> {
        Array2::from_shape_fn(self.observed.dim(), |(t, c)| {
            self.density(t, c).log_score(self.cells[[t, c]])
        })
    }
}
