//! What is kept of a context's predictions while it is read.

use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView2, s};

use super::trees::GrowingTree;
use crate::codec::{BIN_COUNT, Bin, TokenTable};
use crate::density::DigitTree;
use crate::model::ModelError;

/// Probabilities of the symbols of some rows, and of the first symbol after the context.
pub(super) struct Predicted {
    rows: Range<usize>,
    context: usize,
    /// One array `[rows, channels, symbols]` a place; uniform where nothing stands before.
    places: Vec<Array3<f32>>,
    /// `[channels, symbols]`.
    next: Array2<f32>,
}

/// Refines trees.
pub(super) type Grow<'a> = &'a dyn Fn(&mut [GrowingTree]) -> Result<(), ModelError>;

/// A row, and the position at which one of its symbols is predicted.
pub(super) type Read = (usize, usize);

impl Predicted {
    pub(super) fn new(
        tokens: &TokenTable,
        rows: Range<usize>,
        context: usize,
        channels: usize,
    ) -> Self {
        let symbols = |place: usize| tokens.places()[place].symbols.len();
        let uniform = |place| {
            let shape = (rows.len(), channels, symbols(place));
            Array3::from_elem(shape, 1.0 / symbols(place) as f32)
        };
        Self {
            places: (0..tokens.places().len()).map(uniform).collect(),
            next: Array2::from_elem((channels, symbols(0)), 1.0 / symbols(0) as f32),
            rows,
            context,
        }
    }

    /// What is to be read at the tokens of a range.
    pub(super) fn reads_within(
        &self,
        tokens: &TokenTable,
        place: usize,
        range: Range<usize>,
    ) -> Vec<Read> {
        let behind = (place == 0).then_some(self.context);
        (self.rows.clone().chain(behind))
            .filter_map(|row| Some((row, tokens.read_position(row, place)?)))
            .filter(|(_, position)| range.contains(position))
            .collect()
    }

    /// Keeps what was known of the first symbol of a row before anything of it was read,
    /// `[channels, symbols]`.
    pub(super) fn keep_first(&mut self, row: usize, mass: &[f32]) {
        let mass = ArrayView2::from_shape(self.next.dim(), mass)
            .expect("a session knows the probabilities of every channel's first symbol");
        if self.rows.contains(&row) {
            let to = s![row - self.rows.start, .., ..];
            self.places[0].slice_mut(to).assign(&mass);
        }
        if row == self.context {
            self.next.assign(&mass);
        }
    }

    /// Keeps probabilities `[channels * reads, symbols]`.
    pub(super) fn keep(&mut self, place: usize, reads: &[Read], mass: &[f32]) {
        let symbols = self.places[place].dim().2;
        for (i, mass) in mass.chunks(symbols).enumerate() {
            let (channel, row) = (i / reads.len(), reads[i % reads.len()].0);
            let mass = ndarray::aview1(mass);
            if row == self.context {
                self.next.row_mut(channel).assign(&mass);
            } else {
                let to = s![row - self.rows.start, channel, ..];
                self.places[place].slice_mut(to).assign(&mass);
            }
        }
    }

    /// Probabilities `[channels, symbols]` of the first symbol after the context, row by row.
    pub(super) fn next(&self) -> Vec<f32> {
        self.next.iter().copied().collect()
    }

    /// Densities `[rows, channels, 1000]`, where `observed` begins with the row `before`. Trees of
    /// numbers that are written digit by digit begin with what the observed digits have shown;
    /// `grow` does the rest.
    pub(super) fn densities(
        mut self,
        tokens: &TokenTable,
        observed: &Array2<Bin>,
        before: usize,
        grow: Grow,
    ) -> Result<Array3<f32>, ModelError> {
        if self.places.len() == 1 {
            return Ok(self.places.remove(0));
        }
        let channels = self.next.nrows();
        let mut trees = Vec::with_capacity(channels * self.rows.len());
        for sequence in 0..channels {
            for row in self.rows.clone() {
                let value = observed[[row - before, sequence]];
                trees.push(GrowingTree {
                    tree: self.tree(row - self.rows.start, sequence, value),
                    sequence,
                    at: tokens.tokens(row),
                    observed: Some(value),
                });
            }
        }
        grow(&mut trees)?;
        let mut masses = Array3::zeros((self.rows.len(), channels, BIN_COUNT));
        let mut trees = trees.iter();
        for channel in 0..channels {
            for (row, growing) in trees.by_ref().take(self.rows.len()).enumerate() {
                let mass = growing.tree.mass();
                masses
                    .slice_mut(s![row, channel, ..])
                    .assign(&ndarray::aview1(&mass));
            }
        }
        Ok(masses)
    }

    fn tree(&self, i: usize, channel: usize, observed: Bin) -> DigitTree {
        let at = |place: usize| self.places[place].slice(s![i, channel, ..]).to_vec();
        let mut tree = DigitTree::new(&at(0));
        tree.refine(1, observed.index() / 100, &at(1));
        tree.refine(2, observed.index() / 10, &at(2));
        tree
    }
}
