//! Intervals of observations from instruments that are coarser than the bins.

use super::grid::REACH;
use super::{BIN_COUNT, BIN_WIDTH, Bin, Grid};

/// Tolerance of multiples of a step, relative to the step.
const SLACK: f64 = 0.02;

/// The interval of the axis that an observed value represents: its bin, or all values that a
/// coarser instrument reports as this one.
///
/// Forecasts of a coarse instrument are scored by the probability of the whole step; knowledge of
/// the bins on which its readings fall does not improve the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Ends in bins of the grid, `0 <= low < high <= 1000`.
    low: f64,
    high: f64,
    /// In axis units.
    width: f64,
    /// Fractions of the masses of the first and the last bin within the cell, where half of each
    /// mass is beyond the bins.
    ends: Option<[f64; 2]>,
    /// Ends in bins of the digits' axis, which goes on beyond its 1000 bins.
    span: (f64, f64),
}

impl Cell {
    /// The cell, among the bins of digits, of a position that is read in steps of `resolution` axis
    /// units. One of at most a bin's width is the bin.
    ///
    /// ```
    /// use statecast_lm::codec::Cell;
    /// let cell = Cell::of(5.05, 0.1);
    /// assert!((cell.width() - 0.1).abs() < 1e-12);
    /// assert_eq!(Cell::of(5.057, 0.0).bins(), (505.0, 506.0));
    /// assert!((Cell::of(-3.0, 0.1).width() - 0.05).abs() < 1e-12);
    /// ```
    pub fn of(position: f64, resolution: f64) -> Self {
        Self::on(Grid::Digits, position, resolution)
    }

    pub(super) fn on(grid: Grid, position: f64, resolution: f64) -> Self {
        let bin = Self::whole(grid, grid.quantise(position).bin);
        if let Grid::Residual { scale, .. } = grid {
            let z = grid.residual(position);
            return match resolution > BIN_WIDTH {
                true => bin.stepped(grid, position, resolution),
                false if z.abs() > REACH => bin.beyond(z, scale),
                false => bin,
            };
        }
        if resolution <= BIN_WIDTH {
            return bin.continued(position);
        }
        let last = BIN_COUNT as f64;
        let (at, half) = (position / BIN_WIDTH, resolution / BIN_WIDTH / 2.0);
        let span = (at - half, at + half);
        let at = at.clamp(0.0, last);
        let (low, high) = ((at - half).max(0.0), (at + half).min(last));
        Self {
            low,
            high,
            width: (high - low) * BIN_WIDTH,
            ends: None,
            span,
        }
    }

    /// The same, known to be of a position in the bins that continue those of digits beyond their ends.
    fn continued(self, position: f64) -> Self {
        let low = match (0.0..BIN_COUNT as f64 * BIN_WIDTH).contains(&position) {
            true => self.low,
            false => (position / BIN_WIDTH).floor(),
        };
        Self {
            span: (low, low + 1.0),
            ..self
        }
    }

    /// Returns an interval of a residual's tail with the width of the last bin and the density of
    /// the tail at `z`; its bin is the last one.
    fn beyond(self, z: f64, scale: f64) -> Self {
        let share = 0.5 * REACH * (self.width / scale) / (z * z);
        let ends = if z < 0.0 { [share, 0.0] } else { [0.0, share] };
        Self {
            ends: Some(ends),
            ..self
        }
    }

    /// A step of an instrument on a residual's grid, around a position in this bin.
    fn stepped(self, grid: Grid, position: f64, resolution: f64) -> Self {
        let ends = [-0.5, 0.5].map(|half| position + half * resolution);
        let [low, high] = ends.map(|end| grid.place(end));
        let [from, to] = ends.map(|end| grid.residual(end));
        let last = BIN_COUNT as f64;
        let first = 0.5 * (high.min(1.0) - low.min(1.0) + tail(-to, -from));
        let end = 0.5 * (high.max(last - 1.0) - low.max(last - 1.0) + tail(from, to));
        // Beyond the grid the bin is that at its end.
        let (low, high) = if low < high { (low, high) } else { self.bins() };
        Self {
            low,
            high,
            width: resolution,
            ends: Some([first, end]),
            span: (low, high),
        }
    }

    /// A bin of a grid, as far as it lies within the grid.
    fn whole(grid: Grid, bin: Bin) -> Self {
        let k = bin.index();
        let half = |end: usize| if k == end { 0.5 } else { 0.0 };
        Self {
            low: k as f64,
            high: k as f64 + 1.0,
            width: grid.width(k),
            ends: (grid != Grid::Digits).then(|| [half(0), half(BIN_COUNT - 1)]),
            span: (k as f64, k as f64 + 1.0),
        }
    }

    /// Its ends, in bins.
    pub fn bins(self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Its ends in bins of digits that go on beyond the ends of the axis, below 0 and from 1000 on. Of a cell on the
    /// axis these are those of [`bins`](Self::bins).
    ///
    /// ```
    /// use statecast_lm::codec::Cell;
    /// assert_eq!(Cell::of(5.057, 0.0).span(), (505.0, 506.0));
    /// assert_eq!(Cell::of(12.345, 0.0).span(), (1234.0, 1235.0));
    /// assert_eq!(Cell::of(12.345, 0.0).bins(), (999.0, 1000.0));
    /// ```
    pub fn span(self) -> (f64, f64) {
        self.span
    }

    /// Its width in axis units.
    pub fn width(self) -> f64 {
        self.width
    }

    /// Shares of the masses of the first and the last bin that count in it, on the bins of a
    /// residual: there half of these masses lies beyond the bins. `None` on those of digits, where
    /// all of the mass lies in the bins.
    pub fn ends(self) -> Option<[f64; 2]> {
        self.ends
    }
}

/// Returns the fraction of a tail with density `200 / z^2` from 200 scales on, between two
/// positions.
fn tail(from: f64, to: f64) -> f64 {
    let (from, to) = (from.max(REACH), to.max(REACH));
    REACH * (to - from) / (from * to)
}

impl From<Bin> for Cell {
    fn from(bin: Bin) -> Self {
        Self::whole(Grid::Digits, bin)
    }
}

/// The step in which some positions are read, in axis units; zero if it is that of the bins or
/// finer, or if there is none.
///
/// Values have a step if all gaps between distinct values are multiples of the smallest gap and at
/// least half of the values are repeated.
///
/// ```
/// use statecast_lm::codec::resolution;
/// let read: Vec<f64> = (0..40).map(|t| 0.25 * f64::from(t % 7)).collect();
/// assert!((resolution(&read) - 0.25).abs() < 1e-9);
/// let fine: Vec<f64> = (0..40).map(|t| (0.7 * f64::from(t)).sin()).collect();
/// assert_eq!(resolution(&fine), 0.0);
/// ```
pub fn resolution(positions: &[f64]) -> f64 {
    let mut sorted = positions.to_vec();
    sorted.sort_by(f64::total_cmp);
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
    // Rounding of values that are the same is far below a bin.
    let gaps: Vec<f64> = gaps.filter(|&gap| gap > BIN_WIDTH / 10.0).collect();
    let step = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    let multiple = |gap: &f64| (gap / step - (gap / step).round()).abs() < SLACK;
    let repeats = 2 * (gaps.len() + 1) <= sorted.len();
    match repeats && step > 1.5 * BIN_WIDTH && gaps.iter().all(multiple) {
        true if step.is_finite() => step,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_seen_where_there_is_none() {
        assert_eq!(resolution(&[]), 0.0);
        assert_eq!(resolution(&[4.0; 20]), 0.0);
        // Two values that differ, none of which has come before.
        assert_eq!(resolution(&[1.5, 8.5]), 0.0);
        // A sensor that rests at its end but is fine elsewhere.
        let rests: Vec<f64> = (0..60)
            .map(|t| (0.37 * f64::from(t)).sin().max(0.0))
            .collect();
        assert_eq!(resolution(&rests), 0.0);
        // Bins themselves.
        let bins: Vec<f64> = (0..100).map(|t| f64::from(t * t % 23) * 0.01).collect();
        assert_eq!(resolution(&bins), 0.0);
    }

    #[test]
    fn steps_survive_single_precision() {
        let read: Vec<f64> = (0..200)
            .map(|t| f64::from(((t * t) % 37) as f32 * 0.1 + 1.5))
            .collect();
        assert!((resolution(&read) - 0.1).abs() < 1e-5);
    }
}
