//! The rows of a context, kept for those who read it later.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::forecast::Observed;

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
        let column = self.positions.column(channel);
        let (low, high) = column.iter().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(low, high): (f64, f64), &y| (low.min(y), high.max(y)),
        );
        (high - low).max(f64::MIN_POSITIVE)
    }
}
