//! The densities of a context's rows, each given the rows before it.

use ndarray::{Array2, Array3, ArrayView2, s};

use super::ends::Ends;
use super::{Densities, Encoding};
use crate::codec::{Axis, BIN_COUNT, Bin, Cell, Grid};
use crate::density::{AxisTails, BinnedDensity, point_mass};

/// The densities of the row after a context, one a channel.
#[derive(Debug, Clone)]
pub struct NextRow {
    axes: Vec<Axis>,
    /// Probabilities of the bins, `[channels, 1000]`.
    masses: Array2<f32>,
    grids: Vec<Grid>,
    /// Tails beyond the ends of digits' axes.
    tails: Vec<Option<AxisTails>>,
}

impl NextRow {
    /// Points in the middle of the axes, where all channels are constant.
    pub(super) fn constant(axes: &[Axis]) -> Self {
        let point = point_mass();
        Self {
            masses: Array2::from_shape_fn((axes.len(), BIN_COUNT), |(_, k)| point[k]),
            grids: vec![Grid::Digits; axes.len()],
            tails: vec![None; axes.len()],
            axes: axes.to_vec(),
        }
    }

    /// Takes densities of one row of some channels, in their order, whose values `ends` has seen.
    pub(super) fn keep(
        &mut self,
        read: &Densities,
        channels: &[usize],
        ends: &[Ends],
        begins: bool,
    ) {
        for (i, &c) in channels.iter().enumerate() {
            self.masses
                .row_mut(c)
                .assign(&read.masses.slice(s![0, i, ..]));
            self.grids[c] = read.grids[[0, i]];
            self.tails[c] = match self.grids[c] {
                Grid::Digits => Some(ends[i].tails(&self.density(c), begins)),
                Grid::Residual { .. } => None,
            };
        }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.axes.len()
    }

    /// Density of a channel.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn density(&self, channel: usize) -> BinnedDensity<'_> {
        let mass = self.masses.row(channel).to_slice();
        let density = mass
            .and_then(|mass| BinnedDensity::on(self.axes[channel], self.grids[channel], mass))
            .expect("masses are contiguous rows of probabilities that the head has checked");
        with_tails(density, self.tails[channel])
    }
}

fn with_tails(density: BinnedDensity<'_>, tails: Option<AxisTails>) -> BinnedDensity<'_> {
    tails.map_or(density, |tails| density.with_tails(tails))
}

/// One density a row and channel.
#[derive(Debug, Clone)]
pub struct OneStep {
    axes: Vec<Axis>,
    masses: Array3<f32>,
    grids: Array2<Grid>,
    /// Positions that were observed.
    positions: Array2<f64>,
    observed: Array2<Bin>,
    cells: Array2<Cell>,
    resolutions: Vec<f64>,
    /// Tails beyond the ends of digits' axes.
    tails: Array2<Option<AxisTails>>,
}

impl OneStep {
    /// What is known of variables `[rows, variables]` if all channels are constant.
    pub(super) fn constant(encoding: &Encoding, values: ArrayView2<f64>) -> Self {
        let axes = encoding.axes().to_vec();
        let channels = encoding.disentangler().to_channels(values);
        let positions =
            Array2::from_shape_fn(channels.dim(), |(t, c)| axes[c].position(channels[[t, c]]));
        let point = point_mass();
        let (rows, channels) = channels.dim();
        Self {
            masses: Array3::from_shape_fn((rows, channels, BIN_COUNT), |(_, _, k)| point[k]),
            grids: Array2::from_elem((rows, channels), Grid::Digits),
            observed: positions.mapv(|y| Bin::quantise(y).bin),
            cells: encoding.cells(values),
            tails: Array2::from_elem((rows, channels), None),
            resolutions: encoding.resolutions().to_vec(),
            axes,
            positions,
        }
    }

    /// Keeps densities of some channels, in their order, and what `ends` says of each row before it learns the row.
    pub(super) fn keep(
        &mut self,
        read: &Densities,
        channels: &[usize],
        ends: &mut [Ends],
        begins: &[bool],
    ) {
        for (i, &c) in channels.iter().enumerate() {
            let masses = read.masses.slice(s![.., i, ..]);
            self.masses.slice_mut(s![.., c, ..]).assign(&masses);
            for (t, &begins) in begins.iter().enumerate() {
                let (grid, position) = (read.grids[[t, i]], self.positions[[t, c]]);
                self.grids[[t, c]] = grid;
                self.observed[[t, c]] = grid.quantise(position).bin;
                self.cells[[t, c]] = grid.cell(position, self.resolutions[c]);
                self.tails[[t, c]] = match grid {
                    Grid::Digits => Some(ends[i].tails(&self.density(t, c), begins)),
                    Grid::Residual { .. } => None,
                };
                ends[i].learn(position, begins);
            }
        }
    }

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

    /// Where the bins lie, `[rows, channels]`.
    pub fn grids(&self) -> &Array2<Grid> {
        &self.grids
    }

    /// Value of a channel that was observed in a row, in its units: on bins of digits the middle of the bin,
    /// which is all that is read of it; beyond them the value itself.
    ///
    /// # Panics
    /// If there is no such row or channel.
    pub fn value(&self, row: usize, channel: usize) -> f64 {
        let at = [row, channel];
        self.axes[channel].value(match self.grids[at] {
            Grid::Digits if !Bin::quantise(self.positions[at]).clipped => {
                self.observed[at].centre()
            }
            _ => self.positions[at],
        })
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
        let density = mass
            .to_slice()
            .and_then(|mass| {
                BinnedDensity::on(self.axes[channel], self.grids[[row, channel]], mass)
            })
            .expect("masses are contiguous rows of probabilities that the head has checked");
        with_tails(density, self.tails[[row, channel]])
    }

    /// PIT value of what was observed in a row of a channel, uniform on `[0, 1]` if the density is calibrated; drawn within the cell
    /// by `random`, uniform on `[0, 1)`. NaN for a channel that is constant in the context: nothing is read of it.
    ///
    /// # Panics
    /// If there is no such row or channel.
    pub fn pit(&self, row: usize, channel: usize, random: f64) -> f64 {
        let density = self.density(row, channel);
        match density.axis().is_constant() {
            true => f64::NAN,
            false => density.pit(self.cells[[row, channel]], random),
        }
    }

    /// Logarithmic scores `[rows, channels]` of the cells that were observed: nats, of the density
    /// in axis units.
    pub fn log_scores(&self) -> Array2<f64> {
        Array2::from_shape_fn(self.observed.dim(), |(t, c)| {
            self.density(t, c).log_score(self.cells[[t, c]])
        })
    }
}
