//! What is kept of a context's predictions while it is read.

use std::ops::Range;

use ndarray::{Array2, Array3, s};

use crate::codec::{BIN_COUNT, Bin, TokenTable};
use crate::density::DigitTree;
use crate::model::ModelError;

/// Probabilities of the symbols of some rows, and of the first symbol behind the context.
pub(super) struct Predicted {
    rows: Range<usize>,
    context: usize,
    /// One array `[rows, channels, symbols]` a place; uniform where nothing stands before.
    places: Vec<Array3<f32>>,
    /// `[channels, symbols]`.
    next: Array2<f32>,
}

/// Refines the trees of a row, one a channel.
pub(super) type Refine<'a> = &'a dyn Fn(usize, &mut [DigitTree]) -> Result<(), ModelError>;

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

    /// Probabilities `[channels, symbols]` of the first symbol behind the context, row by row.
    pub(super) fn next(&self) -> Vec<f32> {
        self.next.iter().copied().collect()
    }

    /// Densities `[rows, channels, 1000]`. Trees of numbers that are written digit by digit begin
    /// with what the observed digits have shown; `refine` does the rest for one row at a time.
    pub(super) fn densities(
        mut self,
        observed: &Array2<Bin>,
        refine: Refine,
    ) -> Result<Array3<f32>, ModelError> {
        if self.places.len() == 1 {
            return Ok(self.places.remove(0));
        }
        let channels = self.next.nrows();
        let mut masses = Array3::zeros((self.rows.len(), channels, BIN_COUNT));
        for (i, row) in self.rows.clone().enumerate() {
            let mut trees: Vec<DigitTree> = (0..channels)
                .map(|channel| self.tree(i, channel, observed[[row, channel]]))
                .collect();
            refine(row, &mut trees)?;
            for (channel, tree) in trees.iter().enumerate() {
                let mass = tree.mass();
                masses
                    .slice_mut(s![i, channel, ..])
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
