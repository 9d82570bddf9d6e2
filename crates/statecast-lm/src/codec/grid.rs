//! The 1000 bins in which a density is given: those of digits, or those of a residual.

use std::sync::LazyLock;

use super::{BIN_COUNT, BIN_WIDTH, Bin, Cell, Quantised};

pub(super) const REACH: f64 = Grid::REACH;
const CURVE: f64 = Grid::CURVE;

/// Positions and widths of a density's bins on a channel's axis.
///
/// Bins of digits cover the whole axis. Bins of a residual end 200 scales from its centre: half of
/// the mass of an outermost bin is spread over the bin, half over the tail beyond it, with a
/// density that decreases with the square of the distance ([`Grid::cell`]). Values outside of the
/// bins are thus scored by their distance. Moments, quantiles and the distribution function keep
/// all of the mass in the bin.
///
/// ```
/// use statecast_lm::codec::Grid;
/// let fine = Grid::Residual { centre: 5.0, scale: 0.001 };
/// assert_eq!(fine.quantise(5.0).bin.index(), 500);
/// assert!((fine.width(500) - 9e-7).abs() < 1e-7);
/// assert!(fine.quantise(4.7).clipped && (fine.edge(0) - 4.8).abs() < 1e-12);
/// assert_eq!(Grid::Digits.edge(250), 2.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Grid {
    /// Bin `k` covers `[k/100, (k+1)/100)` of the axis.
    #[default]
    Digits,
    /// Bins of `(position - centre) / scale`, with edges `200 sinh(9 u) / sinh(9)`, `u` even on
    /// `[-1, 1]`: a thousandth of the scale at the centre, a fiftieth of the residual far from it.
    Residual {
        /// Position of the centre of the bins.
        centre: f64,
        /// Unit of the residual in axis units, above zero.
        scale: f64,
    },
}

/// Edges of a residual's bins.
static EDGES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let edge = |k: usize| {
        let u = -1.0 + 2.0 * k as f64 / BIN_COUNT as f64;
        REACH * (CURVE * u).sinh() / CURVE.sinh()
    };
    (0..=BIN_COUNT).map(edge).collect()
});

impl Grid {
    /// Half range of a residual's bins, in scales.
    pub const REACH: f64 = 200.0;

    /// Growth parameter of the widths of a residual's bins.
    pub const CURVE: f64 = 9.0;

    /// Returns the lower edge of bin `k`; that of bin 1000 is the upper end.
    ///
    /// # Panics
    /// If `k` is above 1000.
    pub fn edge(self, k: usize) -> f64 {
        match self {
            Self::Digits => k as f64 / 100.0,
            Self::Residual { centre, scale } => centre + scale * EDGES[k],
        }
    }

    /// Returns the centre of bin `k`, below 1000.
    pub fn centre(self, k: usize) -> f64 {
        match self {
            Self::Digits => (k as f64 + 0.5) / 100.0,
            Self::Residual { centre, scale } => centre + scale * (EDGES[k] + EDGES[k + 1]) / 2.0,
        }
    }

    /// Returns the width of bin `k`, below 1000, in axis units.
    pub fn width(self, k: usize) -> f64 {
        match self {
            Self::Digits => BIN_WIDTH,
            Self::Residual { scale, .. } => scale * (EDGES[k + 1] - EDGES[k]),
        }
    }

    /// Position of a fraction of a bin. On the grid of digits fractions may lie outside of `[0,
    /// 1]`.
    pub fn position(self, bin: Bin, fraction: f64) -> f64 {
        match self {
            Self::Digits => bin.within(fraction),
            Self::Residual { centre, scale } => {
                let (low, high) = (EDGES[bin.index()], EDGES[bin.index() + 1]);
                centre + scale * (low + fraction * (high - low))
            }
        }
    }

    /// Returns the bin of a position, or the nearest one. `position` must not be NaN.
    pub fn quantise(self, position: f64) -> Quantised {
        let Self::Residual { centre, scale } = self else {
            return Bin::quantise(position);
        };
        let u = ((position - centre) / scale * CURVE.sinh() / REACH).asinh() / CURVE;
        let at = (u + 1.0) / 2.0 * BIN_COUNT as f64;
        // Bin k of the digits' axis stands for bin k.
        Bin::quantise((at.floor() + 0.5) / 100.0)
    }

    /// Returns a position in bins, clipped to the grid.
    pub fn place(self, position: f64) -> f64 {
        let Self::Residual { centre, scale } = self else {
            return (position / BIN_WIDTH).clamp(0.0, BIN_COUNT as f64);
        };
        let k = self.quantise(position).bin.index();
        let fraction = ((position - centre) / scale - EDGES[k]) / (EDGES[k + 1] - EDGES[k]);
        k as f64 + fraction.clamp(0.0, 1.0)
    }

    /// Returns the interval that a position represents at a `resolution` in axis units: its bin, or
    /// the whole step of a coarser instrument; beyond a residual's bins a short interval of the
    /// tail.
    ///
    /// ```
    /// use statecast_lm::codec::{Axis, Grid};
    /// use statecast_lm::density::BinnedDensity;
    /// let grid = Grid::Residual { centre: 5.0, scale: 0.001 };
    /// let density = BinnedDensity::on(Axis::Identity, grid, &[0.001; 1000]).unwrap();
    /// // 1000 scales from the centre: 0.0005 * 200 / 1000^2, over the scale.
    /// let far = density.log_score(grid.cell(6.0, 0.0));
    /// assert!((far - 1e-4f64.ln()).abs() < 1e-4);
    /// ```
    pub fn cell(self, position: f64, resolution: f64) -> Cell {
        Cell::on(self, position, resolution)
    }

    /// Returns the distance of a position from the centre, in scales.
    pub(super) fn residual(self, position: f64) -> f64 {
        match self {
            Self::Digits => position,
            Self::Residual { centre, scale } => (position - centre) / scale,
        }
    }

    /// Projects masses of another grid to this one. Mass outside of this grid goes to its outermost
    /// bins, half of which is tail mass.
    pub fn project(self, masses: &[f32], from: Self) -> Vec<f32> {
        if self == from {
            return masses.to_vec();
        }
        let mut below = vec![0.0; BIN_COUNT + 1];
        for (k, &p) in masses.iter().enumerate() {
            below[k + 1] = below[k] + f64::from(p);
        }
        let up_to = |k: usize| {
            let place = from.place(self.edge(k));
            let whole = (place as usize).min(BIN_COUNT - 1);
            below[whole] + (place - whole as f64) * f64::from(masses[whole])
        };
        let ends = |k: usize| match k {
            0 => 0.0,
            BIN_COUNT => below[BIN_COUNT],
            _ => up_to(k),
        };
        (0..BIN_COUNT)
            .map(|k| (ends(k + 1) - ends(k)).max(0.0) as f32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_position_lies_in_its_bin(
            z in -250.0..250.0f64,
            centre in -3.0..13.0f64,
            size in -7.0..1.0f64,
        ) {
            let scale = 10f64.powf(size);
            let grid = Grid::Residual { centre, scale };
            let position = centre + z * scale;
            let Quantised { bin, clipped } = grid.quantise(position);
            let slack = 1e-9 * scale * (1.0 + z.abs()) + 1e-12;
            if clipped {
                prop_assert!(z.abs() > 199.99);
            } else {
                prop_assert!(position >= grid.edge(bin.index()) - slack);
                prop_assert!(position <= grid.edge(bin.index() + 1) + slack);
                let back = grid.position(bin, grid.place(position) - bin.index() as f64);
                prop_assert!((back - position).abs() <= slack);
            }
        }

        #[test]
        fn projected_masses_keep_their_distribution(centre in 2.0..8.0f64, size in -2.0..0.5f64) {
            let masses: Vec<f32> = (0..1000).map(|k| ((k % 37) as f32 + 1.0) / 19_000.0).collect();
            let grid = Grid::Residual { centre, scale: 10f64.powf(size) };
            let projected = grid.project(&masses, Grid::Digits);
            let total: f32 = masses.iter().sum();
            prop_assert!((projected.iter().sum::<f32>() - total).abs() < 1e-4);
            let k = grid.quantise(5.0).bin.index();
            let below: f32 = projected[..k].iter().sum();
            let expected: f64 = {
                let place = Grid::Digits.place(grid.edge(k));
                let whole = place as usize;
                let before: f32 = masses[..whole].iter().sum();
                let part = f64::from(*masses.get(whole).unwrap_or(&0.0));
                f64::from(before) + (place - whole as f64) * part
            };
            prop_assert!(k == 0 || (f64::from(below) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn centres_are_in_their_bins() {
        let grid = Grid::Residual {
            centre: 4.0,
            scale: 0.02,
        };
        for k in 0..BIN_COUNT {
            assert_eq!(grid.quantise(grid.centre(k)).bin.index(), k);
            assert_eq!(Grid::Digits.quantise(Grid::Digits.centre(k)).bin.index(), k);
        }
    }
}
