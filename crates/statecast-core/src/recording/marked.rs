//! Numbers with a mark that all of their column have: percent, currencies, units.

use std::collections::HashSet;

use super::dialect::{Parsed, parse};
use super::records::Record;

const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];

/// Units behind numbers.
const UNITS: [&str; 76] = [
    "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN",
    "BRL", "Euro", "kr", "km/h", "kph", "mph", "kn", "kt", "kts", "m/s", "m/s2", "m/s²", "rad/s",
    "deg/s", "°/s", "rpm", "°C", "°F", "C", "F", "K", "degC", "degF", "°", "deg", "rad", "km", "m",
    "cm", "mm", "µm", "ft", "in", "mi", "kg", "g", "mg", "t", "lb", "lbs", "l", "L", "ml", "mL",
    "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "psi", "V", "mV", "A", "mA", "W", "kW", "MW", "kWh",
    "MWh", "N", "Nm", "Hz",
];

/// The mark of a number, as `%` of `50%` and `km/h` of `12 km/h`, and its digits with their sign apart.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim();
    let size = text.strip_prefix(['-', '+', '\u{2212}']).unwrap_or(text);
    let sign = &text[..text.len() - size.len()];
    if let Some(bare) = size.strip_prefix(CURRENCIES) {
        return Some((&size[..size.len() - bare.len()], sign, bare.trim()));
    }
    let end = size.rfind(|c: char| c.is_ascii_digit() || c == '.')?;
    // A unit may end with a digit.
    let unit = UNITS.iter().find(|unit| {
        let bare = size.strip_suffix(**unit);
        bare.is_some_and(|bare| bare.ends_with(|c: char| c.is_ascii_digit() || c.is_whitespace()))
    });
    let bare = match unit {
        Some(unit) => &size[..size.len() - unit.len()],
        None => &size[..=end],
    };
    let mark = size[bare.len()..].trim();
    let is_known = unit.is_some() || mark == "%" || {
        let mut chars = mark.chars();
        chars.next().is_some_and(|c| CURRENCIES.contains(&c)) && chars.next().is_none()
    };
    is_known.then(|| (mark, sign, bare.trim()))
}

/// The mark and the number of a cell such as `50%`, `$1,000.00`, `-€5`, `12.5 €` or `12 km/h`.
pub(super) fn marked(cell: &[u8], delimiter: u8) -> Option<(&str, f64)> {
    let (mark, sign, bare) = parts(std::str::from_utf8(cell).ok()?)?;
    let sign = match sign {
        "" | "+" => 1.0,
        _ => -1.0,
    };
    let has_digits = bare.contains(|c: char| c.is_ascii_digit());
    match parse(bare.as_bytes(), delimiter) {
        Parsed::Number(size) if has_digits && !bare.starts_with(['-', '+']) => {
            Some((mark, sign * size))
        }
        _ => None,
    }
}

/// The mark of all cells of a column that hold anything. A unit makes no number of what names groups, as doses do whose
/// rows stand together.
pub(super) fn mark_of_column(sample: &[Record], index: usize, delimiter: u8) -> Option<String> {
    let held = sample.iter().map(|record| &record.cells[index]);
    let mut held = held.filter(|cell| !matches!(parse(cell, delimiter), Parsed::Missing(_)));
    let (mark, first) = marked(held.next()?, delimiter)?;
    let mut values = vec![first.to_bits()];
    for cell in held {
        let (_, value) = marked(cell, delimiter).filter(|(other, _)| *other == mark)?;
        values.push(value.to_bits());
    }
    let kinds = values.iter().collect::<HashSet<_>>().len();
    let changes = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let is_measured = changes >= kinds || 2 * kinds > values.len();
    (is_measured || !is_unit(mark)).then(|| mark.to_owned())
}

/// Whether a mark is a unit in letters, of which the user should hear.
pub(super) fn is_unit(mark: &str) -> bool {
    UNITS.contains(&mark)
}

/// A cell without its sign and its mark.
pub(super) fn bare(cell: &[u8]) -> &[u8] {
    let Ok(text) = std::str::from_utf8(cell) else {
        return cell;
    };
    let text = text.trim();
    let size = text.strip_prefix(['-', '+', '\u{2212}']).unwrap_or(text);
    parts(text)
        .map_or(size.trim(), |(_, _, bare)| bare)
        .as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out() {
        for (cell, read) in [
            ("50%", Some(("%", 50.0))),
            ("-1.5 %", Some(("%", -1.5))),
            ("$1,000.00", Some(("$", 1000.0))),
            ("-$5", Some(("$", -5.0))),
            ("12.5 €", Some(("€", 12.5))),
            ("12 km/h", Some(("km/h", 12.0))),
            ("3.5m/s2", Some(("m/s2", 3.5))),
            ("-4 °C", Some(("°C", -4.0))),
            ("50", None),
            ("%", None),
            ("$true", None),
            ("5 apples", None),
            ("m", None),
            ("--5 kg", None),
        ] {
            assert_eq!(marked(cell.as_bytes(), b','), read, "{cell}");
        }
    }

    /// Fault: `12 km/h` was words, `$5` and `€5` of one column were one currency, and doses were numbers.
    #[test]
    fn a_column_has_one_mark() {
        let column = |cells: &[&str]| {
            let record = |cell: &&str| Record {
                cells: vec![*cell].into(),
                line: 1,
            };
            let sample: Vec<Record> = cells.iter().map(record).collect();
            mark_of_column(&sample, 0, b',')
        };
        assert_eq!(
            column(&["12 km/h", "", "13 km/h", "12 km/h"]).as_deref(),
            Some("km/h")
        );
        assert_eq!(column(&["$5", "€5"]), None);
        assert_eq!(column(&["5 kg", "300 g"]), None);
        assert_eq!(
            column(&["10 mg", "10 mg", "10 mg", "20 mg", "20 mg", "20 mg"]),
            None
        );
        assert_eq!(column(&["$1", "$1"]).as_deref(), Some("$"));
    }
}
