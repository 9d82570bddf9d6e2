//! Whole numbers of more digits than a float has.

use std::ops::RangeInclusive;

use super::Roles;
use super::cells::Block;
use super::table::Table;

/// From here on not every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Nanoseconds since 1970 of the years 1973 to 2262. As floats they would be 16 to 1024 nanoseconds apart.
const NANOS: RangeInclusive<i128> = 100_000_000_000_000_000..=i64::MAX as i128;

/// Cells of a column whose last digits are lost.
#[derive(Debug)]
pub(super) struct Rounded {
    block: Block,
    position: usize,
    /// The first row, what stands there, and how many there are.
    row: usize,
    integer: i128,
    count: usize,
}

/// The whole number of a cell that a float may not hold.
pub(super) fn large_integer(cell: &[u8], value: f64) -> Option<i128> {
    if value.abs() < EXACT {
        return None;
    }
    std::str::from_utf8(cell).ok()?.trim().parse().ok()
}

impl Table {
    /// Sets one value that is a whole number.
    pub(super) fn set_integer(&mut self, block: Block, position: usize, row: usize, integer: i128) {
        let value = integer as f64;
        self.set(block, position, row, value);
        let quantity = matches!(block, Block::State | Block::Action | Block::Reward);
        if !quantity || value.abs() < EXACT || value as i128 == integer {
            return;
        }
        let same = |known: &&mut Rounded| (known.block, known.position) == (block, position);
        match self.rounded.iter_mut().find(same) {
            Some(known) => known.count += 1,
            None => self.rounded.push(Rounded {
                block,
                position,
                row: self.row_of_file(row),
                integer,
                count: 1,
            }),
        }
    }

    /// Takes a whole number as the time of the next row from column `index` of the file. Nanoseconds
    /// since 1970 are dates, so that their differences are exact.
    pub(super) fn time(&mut self, index: usize, integer: i128) {
        let first = self.clock(index).rows() == 0;
        if first && NANOS.contains(&integer) {
            self.of_nanos.insert(index);
        }
        match self.of_nanos.contains(&index) {
            true => self.clock(index).nanos(integer),
            false => self.clock(index).number(integer as f64),
        }
    }

    /// Warns of quantities that are not what the file says.
    pub(super) fn warn_of_rounded(&self, roles: &mut Roles) {
        for rounded in &self.rounded {
            let names = &self.blocks[rounded.block as usize].names;
            let Some(column) = names.get(rounded.position) else {
                continue;
            };
            let others = match rounded.count {
                1 => String::new(),
                count => format!(", as do {} more rows", count - 1),
            };
            roles.warnings.push(format!(
                "row {}, column {column} holds {}{others}: a number has 53 bits here, and it is read as {}",
                rounded.row + 1,
                rounded.integer,
                rounded.integer as f64
            ));
        }
    }
}
