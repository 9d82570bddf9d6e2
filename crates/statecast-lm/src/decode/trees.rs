//! Densities of numbers that a model writes digit by digit, of many positions at once.

use std::collections::HashMap;

use super::session::read_last;
use super::{Temperature, Tolerance};
use crate::codec::{Bin, TokenTable};
use crate::density::DigitTree;
use crate::model::{Branch, ModelError, Sequences};

/// Trees that grow together.
const TREES_AT_ONCE: usize = 8;

/// Branches that are read together: enough rows for products, few enough for memory to be that of the context.
const BRANCHES_AT_ONCE: usize = 64;

/// The tree of one value.
pub(super) struct GrowingTree {
    pub(super) tree: DigitTree,
    /// Sequence of the value, and tokens of it that stand before the value.
    pub(super) sequence: usize,
    pub(super) at: usize,
    /// What was read at its place; the tree knows the digits after its beginnings.
    pub(super) observed: Option<Bin>,
}

/// A beginning of a tree's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Beginning {
    tree: usize,
    /// The digits so far, read as a number.
    digits: usize,
}

/// Refines the trees until the tolerance is met. A digit is read after what was read of the digits
/// before it, in the session's own memory if they are those observed.
pub(super) fn grow(
    sequences: &dyn Sequences,
    tokens: &TokenTable,
    temperature: Temperature,
    tolerance: Tolerance,
    trees: &mut [GrowingTree],
) -> Result<(), ModelError> {
    let places = tokens.places().len();
    for trees in trees.chunks_mut(TREES_AT_ONCE) {
        let mut shorter: Vec<Read> = Vec::new();
        for length in 1..places {
            let open: Vec<Beginning> = trees
                .iter()
                .enumerate()
                .flat_map(|(tree, growing)| {
                    let open = growing.tree.unrefined(length, tolerance.get());
                    open.into_iter()
                        .map(move |digits| Beginning { tree, digits })
                })
                .collect();
            let (observed, other): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|beginning| trees[beginning.tree].observes(beginning, length, places));
            let mut reader = Reader {
                trees: &mut *trees,
                tokens,
                length,
                temperature,
                read: Vec::new(),
            };
            reader.behind(sequences, &observed, |trees, beginning| {
                Some(trees[beginning.tree].sequence)
            })?;
            for Read { sequences, rows } in &shorter {
                reader.behind(&**sequences, &other, |_, beginning| {
                    rows.get(&beginning.shorter()).copied()
                })?;
            }
            shorter = reader.read;
        }
    }
    Ok(())
}

impl GrowingTree {
    /// True if all but the last of a beginning's digits were read in the session itself.
    fn observes(&self, beginning: &Beginning, length: usize, places: usize) -> bool {
        let behind = 10usize.pow((places - length + 1) as u32);
        length == 1
            || (self.observed).is_some_and(|bin| bin.index() / behind == beginning.shorter().digits)
    }
}

impl Beginning {
    fn shorter(self) -> Self {
        Self {
            digits: self.digits / 10,
            ..self
        }
    }
}

/// Continuations that were read, and which of them reads which beginning.
struct Read {
    sequences: Box<dyn Sequences>,
    rows: HashMap<Beginning, usize>,
}

/// Reads beginnings of one length.
struct Reader<'a> {
    trees: &'a mut [GrowingTree],
    tokens: &'a TokenTable,
    length: usize,
    temperature: Temperature,
    read: Vec<Read>,
}

impl Reader<'_> {
    /// Reads the last digit of those beginnings whose shorter ones `sequence` finds in `sequences`,
    /// and refines their trees.
    fn behind(
        &mut self,
        sequences: &dyn Sequences,
        beginnings: &[Beginning],
        sequence: impl Fn(&[GrowingTree], &Beginning) -> Option<usize>,
    ) -> Result<(), ModelError> {
        let (length, places) = (self.length, self.tokens.places());
        let here: Vec<(Beginning, Branch)> = beginnings
            .iter()
            .filter_map(|beginning| {
                let sequence = sequence(self.trees, beginning)?;
                let position = self.trees[beginning.tree].at + self.tokens.offset(length - 1);
                Some((*beginning, Branch { sequence, position }))
            })
            .collect();
        for piece in here.chunks(BRANCHES_AT_ONCE) {
            let branches: Vec<Branch> = piece.iter().map(|(_, branch)| *branch).collect();
            let ids: Vec<u32> = piece
                .iter()
                .flat_map(|(beginning, _)| {
                    let symbol = places[length - 1].symbols[beginning.digits % 10];
                    std::iter::once(symbol).chain(places[length].before.iter().copied())
                })
                .collect();
            let mut forked = sequences.fork(&branches, ids.len() / piece.len())?;
            let mass = read_last(&mut *forked, &ids, length, self.temperature)?;
            for ((beginning, _), next) in piece.iter().zip(mass.chunks(10)) {
                let tree = &mut self.trees[beginning.tree].tree;
                tree.refine(length, beginning.digits, next);
            }
            if length + 1 < places.len() {
                let rows = piece.iter().enumerate().map(|(row, (b, _))| (*b, row));
                self.read.push(Read {
                    sequences: forked,
                    rows: rows.collect(),
                });
            }
        }
        Ok(())
    }
}
