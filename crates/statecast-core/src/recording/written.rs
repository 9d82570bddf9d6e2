//! Numbers of a column that are written in other ways than its others: with the flag of an estimate, in brackets.

use super::Roles;
use super::cells::Block;
use super::dialect::{Parsed, parse};
use super::error::excerpt;
use super::table::Table;

/// Letters that offices of statistics put after a number: break, confidential, definition differs, estimated, forecast,
/// not significant, provisional, revised, unreliable, not applicable.
const FLAGS: &str = "bcdefnprsuz";
/// Most flags of a number.
const MAX_FLAGS: usize = 3;

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// `12.3 p`
    Flagged,
    /// `(1,234)`, as accountants write -1234.
    Brackets,
}

/// Cells of a column that are written in one manner.
#[derive(Debug)]
pub(super) struct Written {
    column: String,
    manner: Manner,
    /// The first row of the file, what stands there, and how many there are.
    row: usize,
    text: String,
    count: usize,
}

/// The number of such a cell; none of a flag that stands alone beside the colon of a missing value.
pub(super) fn written(text: &str, delimiter: u8) -> Option<(Manner, Option<f64>)> {
    let text = text.trim();
    let number = |digits: &str| match parse(digits.as_bytes(), delimiter) {
        Parsed::Number(value) if digits.starts_with(|c: char| c.is_ascii_digit()) => Some(value),
        _ => None,
    };
    if let Some(inside) = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    {
        return number(inside).map(|size| (Manner::Brackets, Some(-size)));
    }
    let (digits, flags) = text.rsplit_once([' ', '\u{a0}'])?;
    let are_flags =
        (1..=MAX_FLAGS).contains(&flags.len()) && flags.chars().all(|c| FLAGS.contains(c));
    let digits = digits.trim();
    let size = digits.strip_prefix('-').unwrap_or(digits);
    let sign = if size.len() < digits.len() { -1.0 } else { 1.0 };
    let value = match size {
        ":" => Some(None),
        size => number(size).map(|size| Some(sign * size)),
    };
    value
        .filter(|_| are_flags)
        .map(|value| (Manner::Flagged, value))
}

impl Table {
    /// The value of a cell of words that are a number after all, NaN for `: c`; remembered for [`Table::say_written`].
    pub(super) fn written(
        &mut self,
        (block, position): (Block, usize),
        row: usize,
        text: &str,
        delimiter: u8,
    ) -> Option<f64> {
        let (manner, value) = written(text, delimiter)?;
        if value.is_none() {
            return Some(f64::NAN);
        }
        let row = self.row_of_file(row);
        let column = &self.blocks[block as usize].names[position];
        let same = |known: &&mut Written| known.column == *column && known.manner == manner;
        match self.written.iter_mut().find(same) {
            Some(known) => known.count += 1,
            None => self.written.push(Written {
                column: column.clone(),
                manner,
                row,
                text: excerpt(text.trim()),
                count: 1,
            }),
        }
        value
    }

    pub(super) fn say_written(&self, roles: &mut Roles) {
        for cells in &self.written {
            let Written {
                column: name,
                row,
                text,
                count,
                ..
            } = cells;
            roles.notes.push(match cells.manner {
                Manner::Flagged => format!(
                    "{count} number(s) of {name} have the flag of an estimate or the like, the first {text:?} in row {}: \
                     the number is read",
                    row + 1
                ),
                Manner::Brackets => format!(
                    "{count} number(s) of {name} stand in brackets and are read as negative, the first {text:?} in row {}",
                    row + 1
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: a table of Eurostat was refused for `12.3 p`, one of accountants for `(1,234)`.
    #[test]
    fn flags_and_brackets_are_no_words() {
        for (text, read) in [
            ("12.3 p", Some((Manner::Flagged, Some(12.3)))),
            ("-12.3 bp", Some((Manner::Flagged, Some(-12.3)))),
            (": c", Some((Manner::Flagged, None))),
            ("(1,234)", Some((Manner::Brackets, Some(-1234.0)))),
            ("(86)", Some((Manner::Brackets, Some(-86.0)))),
            ("12.3 km", None),
            ("12.3 x", None),
            ("(a)", None),
            ("(-5)", None),
            ("p", None),
        ] {
            assert_eq!(written(text, b','), read, "{text}");
        }
    }
}
