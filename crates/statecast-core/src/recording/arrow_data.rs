//! The columns of a batch of rows in an Arrow file: buffers, read with every place checked.

use half::f16;

use super::cell::Cell;

/// What a column of Arrow holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    /// A time: its bytes, and nanoseconds of its unit.
    Time(usize, i128),
    /// A decimal of some bytes, and its digits after the point.
    Decimal(usize, i32),
    /// Text with offsets of some bytes.
    Text(usize),
    TextView,
    Struct,
    /// A list with offsets of some bytes.
    List(usize),
    FixedList(usize),
    /// No column; the buffers that it has, and why it cannot be used.
    Other(usize, &'static str),
}

/// A column with what is in it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) children: Vec<Field>,
    /// Where values are looked up, and the integers that say which.
    pub(super) dictionary: Option<(i64, Type)>,
}

/// The buffers of a column of a batch.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) rows: usize,
    pub(super) buffers: Vec<Vec<u8>>,
    pub(super) children: Vec<Data>,
}

impl Field {
    /// Buffers that it has besides those of its children.
    pub(super) fn buffers(&self) -> usize {
        let of = self
            .dictionary
            .as_ref()
            .map_or(&self.of, |(_, index)| index);
        match of {
            Type::Null => 0,
            Type::Struct | Type::FixedList(_) => 1,
            Type::Text(_) => 3,
            Type::Other(buffers, _) => *buffers,
            _ => 2,
        }
    }
}

impl Data {
    fn is_null(&self, row: usize) -> bool {
        let validity = self.buffers.first().filter(|bits| !bits.is_empty());
        validity.is_some_and(|bits| bit(bits, row) == Some(false))
    }

    /// The cell of a row; nothing if it lies outside of the buffers.
    pub(super) fn cell(&self, of: &Type, row: usize) -> Option<Cell<'_>> {
        if *of == Type::Null || self.is_null(row) {
            return Some(Cell::Missing);
        }
        let values = self.buffers.get(1)?;
        Some(match *of {
            Type::Bool => Cell::Integer(i128::from(bit(values, row)?)),
            Type::Signed(size) => Cell::Integer(signed(values, size, row)?),
            Type::Unsigned(size) => {
                let value = signed(values, size, row)?;
                Cell::Integer(value.rem_euclid(1 << (8 * size)))
            }
            Type::Float(2) => {
                let bits = signed(values, 2, row)? as u16;
                Cell::Float(f16::from_bits(bits).to_f64())
            }
            Type::Float(4) => {
                let bits = signed(values, 4, row)? as u32;
                Cell::Float(f64::from(f32::from_bits(bits)))
            }
            Type::Float(_) => Cell::Float(f64::from_bits(signed(values, 8, row)? as u64)),
            Type::Time(size, unit) => Cell::Time(signed(values, size, row)?.checked_mul(unit)?),
            Type::Decimal(size, digits) => {
                let value = signed(values, size, row)? as f64;
                Cell::Float(value / 10f64.powi(digits))
            }
            Type::Text(size) => {
                let (start, end) = self.offsets(size, row)?;
                Cell::Text(std::str::from_utf8(self.buffers.get(2)?.get(start..end)?).ok()?)
            }
            Type::TextView => Cell::Text(self.view(row)?),
            Type::Null | Type::Struct | Type::List(_) | Type::FixedList(_) | Type::Other(..) => {
                return None;
            }
        })
    }

    /// Where the items of a row's list begin and end among those of the child.
    pub(super) fn items(&self, of: &Type, row: usize) -> Option<(usize, usize)> {
        match *of {
            Type::FixedList(size) => Some((row.checked_mul(size)?, (row + 1).checked_mul(size)?)),
            Type::List(size) if self.is_null(row) => {
                let (start, _) = self.offsets(size, row)?;
                Some((start, start))
            }
            Type::List(size) => self.offsets(size, row),
            _ => None,
        }
    }

    fn offsets(&self, size: usize, row: usize) -> Option<(usize, usize)> {
        let offset = |row| usize::try_from(signed(self.buffers.get(1)?, size, row)?).ok();
        Some((offset(row)?, offset(row + 1)?))
    }

    /// Text of up to twelve bytes stands in its view, longer text in one of the buffers after.
    fn view(&self, row: usize) -> Option<&str> {
        let view = self.buffers.get(1)?.get(16 * row..16 * row + 16)?;
        let number = |at: usize| {
            let bytes = view.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(i32::from_le_bytes(bytes)).ok()
        };
        let length = number(0)?;
        let bytes = match length <= 12 {
            true => view.get(4..4 + length)?,
            false => {
                let (buffer, start) = (number(8)?, number(12)?);
                self.buffers
                    .get(2 + buffer)?
                    .get(start..start.checked_add(length)?)?
            }
        };
        std::str::from_utf8(bytes).ok()
    }
}

fn bit(bits: &[u8], index: usize) -> Option<bool> {
    Some(bits.get(index / 8)? >> (index % 8) & 1 == 1)
}

/// An integer in two's complement, of up to 16 bytes; of longer ones the low 16.
fn signed(values: &[u8], size: usize, row: usize) -> Option<i128> {
    let start = row.checked_mul(size)?;
    let bytes = values.get(start..start.checked_add(size)?)?;
    let used = size.min(16);
    let mut raw = [0; 16];
    raw[..used].copy_from_slice(&bytes[..used]);
    let unused = 128 - 8 * used as u32;
    Some((i128::from_le_bytes(raw) << unused) >> unused)
}
