//! Keys and values of consecutive positions, kept as attention reads them.
//!
//! They are read again at every step and written once, so they are packed when they are written.

use half::bf16;

use super::packed::{Activations, Panels};
use super::tiles::{LANES, PANEL, to_pairs};

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

/// Keys and values of so many heads (of all sequences that were read into the block, one after
/// another), for `capacity` positions.
pub(crate) struct KeyBlock {
    width: usize,
    /// Positions for which there is room, of keys in whole panels.
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
    /// Positions that a block has room for if it is to have room for so many.
    pub(crate) fn room_for(capacity: usize) -> usize {
        capacity.next_multiple_of(PANEL)
    }

    pub(crate) fn new(
        precision: KeyPrecision,
        heads: usize,
        capacity: usize,
        width: usize,
    ) -> Self {
        let room = Self::room_for(capacity);
        let panels = heads * room / PANEL * width;
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
            width,
            room,
            keys,
            values,
        }
    }

    /// Writes keys and values `[heads, new, width]` to the positions from `first` on.
    pub(crate) fn write(&mut self, first: usize, keys: &[f32], values: &[f32]) {
        let new = keys.len() / self.width / self.heads();
        for (i, (key, value)) in (keys.chunks_exact(self.width))
            .zip(values.chunks_exact(self.width))
            .enumerate()
        {
            let (head, position) = (i / new, first + i % new);
            self.write_key(head, position, key);
            self.write_value(head, position, value);
        }
    }

    fn heads(&self) -> usize {
        let values = match &self.values {
            Values::F32(values) => values.len(),
            Values::Bf16(values) => 2 * values.len(),
        };
        values / self.room / self.width
    }

    fn write_key(&mut self, head: usize, position: usize, key: &[f32]) {
        let (panel, column) = (self.panel(head, position), position % PANEL);
        match &mut self.keys {
            Panels::F32(panels) => {
                for (to, &x) in panels[panel * self.width..].iter_mut().zip(key) {
                    to[column] = x;
                }
            }
            Panels::Bf16(panels, _) => {
                let pairs = key.as_chunks::<PANEL>().0.iter().flat_map(to_pairs);
                for (to, pair) in panels[panel * self.width / 2..].iter_mut().zip(pairs) {
                    to[column] = pair;
                }
            }
            Panels::Integers(_) => unreachable!("keys are floats"),
        }
    }

    fn write_value(&mut self, head: usize, position: usize, value: &[f32]) {
        let row = head * self.room + position;
        match &mut self.values {
            Values::F32(values) => {
                values[row * self.width..][..self.width].copy_from_slice(value);
            }
            Values::Bf16(values) => {
                let to = &mut values[row / 2 * self.width..][..self.width];
                let (to, _) = to.as_chunks_mut::<PANEL>();
                let upper = position % 2 == 1;
                for (to, value) in to.iter_mut().zip(value.as_chunks::<PANEL>().0) {
                    let pairs: [u32; LANES] = to_pairs(value);
                    for (to, pair) in to.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
                        for (to, half) in to.iter_mut().zip([pair & 0xffff, pair >> 16]) {
                            *to = match upper {
                                false => *to & 0xffff_0000 | half,
                                true => *to & 0xffff | half << 16,
                            };
                        }
                    }
                }
            }
        }
    }

    /// The panel of a head's position.
    pub(super) fn panel(&self, head: usize, position: usize) -> usize {
        (head * self.room + position) / PANEL
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
