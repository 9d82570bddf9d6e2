//! The last rows of a context, kept for those who read it later.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::forecast::Observed;

/// How far axes reach beyond a context's range, in units of it.
const AXIS_BEYOND: f64 = 1.5 / 7.0;

/// Rows that were observed. So many are kept at least, and forgotten once they are twice as many.
pub(super) struct Rows {
    kept: usize,
    /// The first row that is kept.
    first: usize,
    /// Ranges of the channels' positions in the rows that were forgotten.
    forgotten: Vec<(f64, f64)>,
    /// `[rows, channels]`.
    positions: Array2<f64>,
    /// `[rows, actions]`.
    actions: Array2<f64>,
    begins: Vec<bool>,
    resolutions: Vec<f64>,
}

impl Rows {
    pub(super) fn new(channels: usize, actions: usize, kept: usize) -> Self {
        Self {
            kept,
            first: 0,
            forgotten: vec![(f64::INFINITY, f64::NEG_INFINITY); channels],
            positions: Array2::zeros((0, channels)),
            actions: Array2::zeros((0, actions)),
            begins: Vec::new(),
            resolutions: vec![0.0; channels],
        }
    }

    /// None yet, of which the first is going to have the number that the first kept one of others has.
    pub(super) fn again(&self) -> Self {
        Self {
            first: self.first,
            forgotten: self.forgotten.clone(),
            ..Self::new(self.forgotten.len(), self.actions.ncols(), self.kept)
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
        if self.begins.len() >= self.kept.saturating_mul(2) {
            self.forget(self.begins.len() - self.kept);
        }
    }

    /// Forgets the first of the kept rows.
    fn forget(&mut self, rows: usize) {
        let of = |c: usize| self.range(c, self.first + rows);
        self.forgotten = (0..self.forgotten.len()).map(of).collect();
        self.positions = self.positions.slice(s![rows.., ..]).to_owned();
        self.actions = self.actions.slice(s![rows.., ..]).to_owned();
        self.begins.drain(..rows);
        self.first += rows;
    }

    /// With those that were forgotten.
    pub(super) fn len(&self) -> usize {
        self.first + self.begins.len()
    }

    /// The first row that is kept.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// Rows that are kept.
    pub(super) fn get(&self, range: Range<usize>) -> Observed<'_> {
        let range = range.start - self.first..range.end - self.first;
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

    /// The ends of the axis that a channel would have had before a row that is kept.
    pub(super) fn axis(&self, channel: usize, row: usize) -> (f64, f64) {
        let (low, high) = self.range(channel, row);
        let beyond = AXIS_BEYOND * (high - low);
        (low - beyond, high + beyond)
    }

    fn range(&self, channel: usize, end: usize) -> (f64, f64) {
        let column = self.positions.slice(s![..end - self.first, channel]);
        let widen = |(low, high): (f64, f64), &y: &f64| (low.min(y), high.max(y));
        column.iter().fold(self.forgotten[channel], widen)
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
        let mut rows = Rows::new(1, 0, usize::MAX);
        rows.add(Observed {
            positions: positions.view(),
            actions: actions.view(),
            resolutions: &[0.0],
            begins: &[false; 4],
        });
        assert_eq!(rows.axis(0, 3), (0.5, 10.5));
        assert_eq!(rows.extent(0), 98.0);
    }

    #[test]
    fn rows_that_are_forgotten_count_for_the_axis_alone() {
        let mut rows = Rows::new(1, 1, 100);
        for t in 0..1000 {
            let positions = array![[if t == 3 { 9.0 } else { 2.0 + (t % 2) as f64 }]];
            rows.add(Observed {
                positions: positions.view(),
                actions: array![[t as f64]].view(),
                resolutions: &[0.0],
                begins: &[t == 0],
            });
            assert!((1..200).contains(&(rows.len() - rows.first())));
        }
        assert_eq!(rows.len(), 1000);
        assert!(rows.first() <= 900);
        assert_eq!(rows.get(995..997).actions, array![[995.0], [996.0]]);
        assert_eq!(rows.axis(0, 950), (0.5, 10.5));
    }
}
