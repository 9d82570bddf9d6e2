//! Numbers with a mark that all of their column have: percent, currencies.

use super::dialect::{Parsed, parse};

const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];

/// The number of a cell such as `50%`, `$1,000.00`, `-€5` or `12.5 €`.
pub(super) fn marked(cell: &[u8], delimiter: u8) -> Option<f64> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1.0, size),
        None => (1.0, text),
    };
    let bare = size
        .strip_prefix(CURRENCIES)
        .or_else(|| size.strip_suffix('%'))
        .or_else(|| size.strip_suffix(CURRENCIES))?;
    match parse(bare.trim().as_bytes(), delimiter) {
        Parsed::Number(value) if bare.contains(|c: char| c.is_ascii_digit()) => Some(sign * value),
        _ => None,
    }
}

/// A cell without its sign, and without the mark of a percentage or currency.
pub(super) fn bare(cell: &[u8]) -> &[u8] {
    let Ok(text) = std::str::from_utf8(cell) else {
        return cell;
    };
    let text = text.trim();
    let size = text.strip_prefix(['-', '+']).unwrap_or(text);
    let bare = size
        .strip_prefix(CURRENCIES)
        .or_else(|| size.strip_suffix('%'))
        .or_else(|| size.strip_suffix(CURRENCIES));
    bare.unwrap_or(size).trim().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out() {
        for (cell, value) in [
            ("50%", Some(50.0)),
            ("-1.5 %", Some(-1.5)),
            ("$1,000.00", Some(1000.0)),
            ("-$5", Some(-5.0)),
            ("12.5 €", Some(12.5)),
            ("50", None),
            ("%", None),
            ("$true", None),
            ("5 kg", None),
        ] {
            assert_eq!(marked(cell.as_bytes(), b','), value, "{cell}");
        }
    }
}
