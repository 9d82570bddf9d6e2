//! Keys and values of consecutive positions, kept as attention reads them.
//!
//! They are read again at every step and written once, so they are packed when they are written.

use half::bf16;

use super::packed::{Activations, Panels};
use super::parallel::{for_each, threads_for};
use super::tiles::{PANEL, round_pairs};

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPrecision {
    /// 32 bits.
    F32,
    /// 16 bits; products with them round queries and weights to as many.
    Bf16,
}

impl KeyPrecision {
    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::Bf16 => size_of::<bf16>(),
        }
    }
}

/// Keys and values of a number of heads (of all sequences that were read into the block, one after
/// another), for `capacity` positions.
pub(crate) struct KeyBlock {
    heads: usize,
    width: usize,
    /// Positions for which there is room.
    room: usize,
    /// Panels `[width, PANEL]` of positions, head by head.
    pub(super) keys: Panels,
    values: Values,
}

/// Head by head.
enum Values {
    /// `[room, width]`.
    F32(Vec<f32>),
    /// `[room / 2, width]`, two neighbouring positions in a word.
    Bf16(Vec<u32>),
}

/// Some positions' values of a head.
#[derive(Clone, Copy)]
pub(super) enum ValueRows<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u32]),
}

impl KeyBlock {
    /// Returns the capacity of a block for a number of positions: that of whole panels, in which
    /// keys are kept. Continuations by a digit or two are many, and of their values no panels are
    /// kept.
    pub(crate) fn room_for(capacity: usize) -> usize {
        match capacity < PANEL {
            true => capacity.next_multiple_of(2),
            false => capacity.next_multiple_of(PANEL),
        }
    }

    /// Panels of a head's keys.
    fn panels(&self) -> usize {
        self.room.div_ceil(PANEL)
    }

    pub(crate) fn new(
        precision: KeyPrecision,
        heads: usize,
        capacity: usize,
        width: usize,
    ) -> Self {
        let room = Self::room_for(capacity);
        let panels = heads * room.div_ceil(PANEL) * width;
        let values = heads * room * width;
        let (keys, values) = match precision {
            KeyPrecision::F32 => (
                Panels::F32(vec![[0.0; PANEL]; panels]),
                Values::F32(vec![0.0; values]),
            ),
            KeyPrecision::Bf16 => (
                Panels::Bf16(vec![[0; PANEL]; panels / 2], Activations::Rounded),
                Values::Bf16(vec![0; values / 2]),
            ),
        };
        Self {
            heads,
            width,
            room,
            keys,
            values,
        }
    }

    /// Writes keys and values `[heads, new, width]` to the positions from `first` on.
    pub(crate) fn write(&mut self, first: usize, keys: &[f32], values: &[f32]) {
        if keys.is_empty() {
            return;
        }
        let Self { width, room, .. } = *self;
        let threads = threads_for(8 * keys.len());
        let (columns, new) = (self.panels() * width, keys.len() / self.heads);
        let floats = room * width;
        let written = keys.chunks(new).zip(values.chunks(new));
        match (&mut self.keys, &mut self.values) {
            (Panels::F32(keys), Values::F32(values)) => {
                let heads = keys.chunks_mut(columns).zip(values.chunks_mut(floats));
                for_each(
                    threads,
                    heads.zip(written),
                    |((panels, rows), (keys, values))| {
                        write_columns(panels, first, width, keys);
                        rows[first * width..][..new].copy_from_slice(values);
                    },
                );
            }
            (Panels::Bf16(keys, _), Values::Bf16(values)) => {
                let heads = keys
                    .chunks_mut(columns / 2)
                    .zip(values.chunks_mut(floats / 2));
                for_each(
                    threads,
                    heads.zip(written),
                    |((panels, pairs), (keys, values))| {
                        let mut words = vec![0; new / 2];
                        round_pairs(keys, &mut words);
                        write_columns(panels, first, width / 2, &words);
                        round_pairs(values, &mut words);
                        write_halves(pairs, first, width, &words);
                    },
                );
            }
            _ => unreachable!("keys and values are kept alike"),
        }
    }

    /// The panel of a head's position.
    pub(super) fn panel(&self, head: usize, position: usize) -> usize {
        head * self.panels() + position / PANEL
    }

    /// A head's values of `count` positions from `first` on, which is even.
    pub(super) fn values(&self, head: usize, first: usize, count: usize) -> ValueRows<'_> {
        let row = head * self.room + first;
        match &self.values {
            Values::F32(values) => {
                ValueRows::F32(&values[row * self.width..][..count * self.width])
            }
            Values::Bf16(values) => {
                let pairs = count.div_ceil(2);
                ValueRows::Bf16(&values[row / 2 * self.width..][..pairs * self.width])
            }
        }
    }
}

/// Writes vectors of words to the columns of panels from `first` on.
fn write_columns<T: Copy>(panels: &mut [[T; PANEL]], first: usize, words: usize, vectors: &[T]) {
    for (position, vector) in (first..).zip(vectors.chunks_exact(words)) {
        let panel = panels[position / PANEL * words..].iter_mut();
        for (to, &word) in panel.zip(vector) {
            to[position % PANEL] = word;
        }
    }
}

/// Writes vectors of BF16, two neighbours to a word, to the halves of words that belong to the
/// positions from `first` on: the lower ones of even positions, the upper ones of odd ones.
fn write_halves(to: &mut [u32], first: usize, width: usize, vectors: &[u32]) {
    const LOWER: u32 = 0xffff;
    for (position, vector) in (first..).zip(vectors.chunks_exact(width / 2)) {
        let (to, _) = to[position / 2 * width..].as_chunks_mut::<2>();
        for ([a, b], pair) in to.iter_mut().zip(vector) {
            (*a, *b) = match position % 2 {
                0 => (*a & !LOWER | pair & LOWER, *b & !LOWER | pair >> 16),
                _ => (*a & LOWER | pair << 16, *b & LOWER | pair & !LOWER),
            };
        }
    }
}
