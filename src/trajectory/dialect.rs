//! What the bytes of a text table mean: its preamble, its delimiter, its numbers.

use std::io::{self, BufRead};

use ::csv::ByteRecord;

/// What is looked at to find the delimiter.
pub(super) const HEAD_BYTES: u64 = 64 << 10;
const HEAD_LINES: usize = 20;

/// A cell read as a number.
pub(super) enum Parsed {
    Number(f64),
    /// Nothing, or no finite number: what it is.
    Missing(&'static str),
    Text,
}

/// Reads a cell; `delimiter` says whether a comma can be the decimal comma.
pub(super) fn parse(cell: &[u8], delimiter: u8) -> Parsed {
    let Ok(text) = std::str::from_utf8(cell.trim_ascii()) else {
        return Parsed::Text;
    };
    if let Some(value) = number(text, delimiter) {
        return match value {
            value if value.is_finite() => Parsed::Number(value),
            value if value.is_nan() => Parsed::Missing("NaN"),
            _ => Parsed::Missing("infinite"),
        };
    }
    if text.eq_ignore_ascii_case("true") {
        Parsed::Number(1.0)
    } else if text.eq_ignore_ascii_case("false") {
        Parsed::Number(0.0)
    } else if is_missing(text) {
        Parsed::Missing("empty")
    } else {
        Parsed::Text
    }
}

fn number(text: &str, delimiter: u8) -> Option<f64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    // With any other delimiter the comma can be the decimal comma.
    if delimiter == b',' || !text.contains(',') || text.contains('.') {
        return None;
    }
    text.replacen(',', ".", 1).parse().ok()
}

/// Whether a cell holds one of the words for nothing.
pub(super) fn is_missing(text: &str) -> bool {
    ["", "na", "n/a", "nan", "null", "none"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a first line names columns: it has a word, or no number at all.
pub(super) fn is_header(cells: &ByteRecord, delimiter: u8) -> bool {
    let parsed = || cells.iter().map(|cell| parse(cell, delimiter));
    parsed().any(|cell| matches!(cell, Parsed::Text))
        || !parsed().any(|cell| matches!(cell, Parsed::Number(_)))
}

/// Skips the byte order mark, `#` lines and blank lines; how many lines that were.
pub(super) fn skip_preamble(reader: &mut impl BufRead) -> io::Result<u64> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let mut lines = 0;
    loop {
        let start = reader.fill_buf()?;
        match start.first() {
            Some(b'\n') => {
                reader.consume(1);
                lines += 1;
            }
            Some(b'\r') => reader.consume(1),
            Some(b'#') => {
                reader.skip_until(b'\n')?;
                lines += 1;
            }
            _ => return Ok(lines),
        }
    }
}

/// The delimiter under which the first lines have equal width and hold the most numbers.
pub(super) fn delimiter(head: &[u8]) -> u8 {
    let mut lines: Vec<&[u8]> = head
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty())
        .take(HEAD_LINES)
        .collect();
    if lines.len() > 1 && head.len() as u64 == HEAD_BYTES {
        // The last line may be cut off.
        lines.pop();
    }
    let score = |delimiter: u8| {
        let widths: Vec<usize> = lines
            .iter()
            .map(|line| cells(line, delimiter).len())
            .collect();
        let width = widths.first().copied().unwrap_or(1);
        let equal = widths.iter().filter(|other| **other == width).count();
        let all_cells: Vec<&[u8]> = lines
            .iter()
            .skip(1)
            .flat_map(|line| cells(line, delimiter))
            .collect();
        let numbers = all_cells
            .iter()
            .filter(|cell| !matches!(parse(cell, delimiter), Parsed::Text))
            .count();
        let numbers = 1000 * numbers / all_cells.len().max(1);
        (width > 1, equal == widths.len(), numbers, width)
    };
    // A space is the last resort: it also follows other delimiters and separates words.
    b" \t;,"
        .iter()
        .copied()
        .max_by_key(|&delimiter| {
            let (splits, equal, numbers, width) = score(delimiter);
            (splits && equal, delimiter != b' ', splits, numbers, width)
        })
        .unwrap_or(b',')
}

/// The cells of a line, quotes removed.
fn cells(line: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let mut quoted = false;
    line.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == delimiter && !quoted
    })
    .map(|cell| {
        let cell = cell.trim_ascii();
        cell.strip_prefix(b"\"")
            .and_then(|cell| cell.strip_suffix(b"\""))
            .unwrap_or(cell)
    })
    .collect()
}
