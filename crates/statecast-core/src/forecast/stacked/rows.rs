//! The rows of a context, kept for those who read it later.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::forecast::Observed;

/// How far axes reach beyond a context's range, in units of it.
const AXIS_BEYOND: f64 = 1.5 / 7.0;

/// Rows that were observed.
pub(super) struct Rows {
    /// `[rows, channels]`.
    positions: Array2<f64>,
    /// `[rows, actions]`.
    actions: Array2<f64>,
    begins: Vec<bool>,
    resolutions: Vec<f64>,
}

impl Rows {
    pub(super) fn new(channels: usize, actions: usize) -> Self {
        Self {
            positions: Array2::zeros((0, channels)),
            actions: Array2::zeros((0, actions)),
            begins: Vec::new(),
            resolutions: vec![0.0; channels],
        }
    }

    pub(super) fn add(&mut self, rows: Observed) {
        let push = |to: &mut Array2<f64>, more: ArrayView2<f64>| {
            to.append(Axis(0), more).expect("rows have one width");
        };
        push(&mut self.positions, rows.positions);
        push(&mut self.actions, rows.actions);
        self.begins.extend_from_slice(rows.begins);
        self.resolutions = rows.resolutions.to_vec();
    }

    pub(super) fn len(&self) -> usize {
        self.begins.len()
    }

    pub(super) fn get(&self, range: Range<usize>) -> Observed<'_> {
        Observed {
            positions: self.positions.slice(s![range.clone(), ..]),
            actions: self.actions.slice(s![range.clone(), ..]),
            resolutions: &self.resolutions,
            begins: &self.begins[range],
        }
    }

    /// Range of a channel's positions, above zero.
    pub(super) fn extent(&self, channel: usize) -> f64 {
        let (low, high) = self.range(channel, self.len());
        (high - low).max(f64::MIN_POSITIVE)
    }

    /// The ends of the axis that a channel would have had before a row.
    pub(super) fn axis(&self, channel: usize, row: usize) -> (f64, f64) {
        let (low, high) = self.range(channel, row);
        let beyond = AXIS_BEYOND * (high - low);
        (low - beyond, high + beyond)
    }

    fn range(&self, channel: usize, end: usize) -> (f64, f64) {
        let column = self.positions.slice(s![..end, channel]);
        column.iter().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(low, high): (f64, f64), &y| (low.min(y), high.max(y)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Backtests gave digits the axis of rows after the origin, which they could not leave.
    #[test]
    fn an_axis_before_a_row_knows_nothing_of_what_comes() {
        let (positions, actions) = (array![[2.0], [9.0], [5.0], [100.0]], Array2::zeros((4, 0)));
        let mut rows = Rows::new(1, 0);
        rows.add(Observed {
            positions: positions.view(),
            actions: actions.view(),
            resolutions: &[0.0],
            begins: &[false; 4],
        });
        assert_eq!(rows.axis(0, 3), (0.5, 10.5));
        assert_eq!(rows.extent(0), 98.0);
    }
}
