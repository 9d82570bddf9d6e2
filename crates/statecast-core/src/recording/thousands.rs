//! Points and commas that may mark thousands or decimals, decided by the column and the rest of the file.

use super::marked::bare;
use super::records::Record;

/// Marks that may stand before three digits of either kind.
const MARKS: [u8; 2] = [b'.', b','];
/// Whole numbers from which on one beside `1.006` is written as such a number would be.
const HUNDREDS: f64 = 100.0;

/// What a column of numbers such as `1.006` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Its mark stands before thousands.
    Thousands(u8),
    /// Nothing tells, so that its mark is read as the decimal one.
    Unclear(u8),
}

/// How a cell uses a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Digits alone.
    Whole,
    /// `1.006`, which may be either.
    Either,
    /// `1.020.000`.
    Thousands,
    /// `0.5`, `0.123`, `1234.567`.
    Decimal,
    Other,
}

fn form(cell: &[u8], mark: u8) -> Form {
    let digits = bare(cell);
    let groups: Vec<&[u8]> = digits.split(|&byte| byte == mark).collect();
    let all_digits = |group: &&[u8]| group.iter().all(u8::is_ascii_digit);
    if digits.is_empty() || !groups.iter().all(all_digits) {
        return Form::Other;
    }
    let thousands = groups[1..].iter().all(|group| group.len() == 3);
    let begins = (1..=3).contains(&groups[0].len()) && groups[0][0] != b'0';
    match groups.len() {
        1 => Form::Whole,
        2 if thousands && begins => Form::Either,
        2 => Form::Decimal,
        _ if thousands && begins => Form::Thousands,
        _ => Form::Other,
    }
}

/// What each column is in which such numbers stand, where the delimiter is no comma.
pub(super) fn readings(sample: &[Record], columns: usize, delimiter: u8) -> Vec<Option<Reading>> {
    if delimiter == b',' {
        return vec![None; columns];
    }
    let forms = |column: usize, mark: u8| {
        let cells = sample
            .iter()
            .filter_map(move |record| record.cells.get(column));
        let held = cells.filter(|cell| !cell.trim_ascii().is_empty());
        held.map(move |cell| (form(cell, mark), cell))
    };
    // Another column tells which mark is the decimal one.
    let decimal = MARKS.map(|mark| {
        (0..columns).any(|column| forms(column, mark).any(|(form, _)| form == Form::Decimal))
    });
    let of_column = |column: usize| {
        let found = MARKS.into_iter().enumerate().find_map(|(place, mark)| {
            let all = || forms(column, mark).map(|(form, _)| form);
            let has = |wanted: Form| all().any(|form| form == wanted);
            let fits = |form| matches!(form, Form::Whole | Form::Either | Form::Thousands);
            if !all().all(fits) || !(has(Form::Either) || has(Form::Thousands)) {
                return None;
            }
            let hundreds = forms(column, mark).any(|(form, cell)| {
                let text = std::str::from_utf8(bare(cell)).unwrap_or_default();
                let number: f64 = text.parse().unwrap_or(0.0);
                form == Form::Whole && (HUNDREDS..10.0 * HUNDREDS).contains(&number.abs())
            });
            let long =
                forms(column, mark).any(|(form, cell)| form == Form::Whole && bare(cell).len() > 3);
            Some(match (decimal[place], decimal[1 - place]) {
                _ if has(Form::Thousands) => Reading::Thousands(mark),
                (true, _) => return None,
                _ if long => return None,
                (false, true) => Reading::Thousands(mark),
                _ if hundreds => Reading::Thousands(mark),
                _ => Reading::Unclear(mark),
            })
        });
        // Three decimals after a point are usual but between semicolons, after a comma there.
        found.filter(|found| match found {
            Reading::Thousands(_) => true,
            Reading::Unclear(mark) => (*mark == b'.') == (delimiter == b';') && delimiter != b' ',
        })
    };
    (0..columns).map(of_column).collect()
}

/// A cell without its marks of thousands; nothing if it is not written so.
pub(super) fn without(cell: &[u8], mark: u8) -> Option<Vec<u8>> {
    let fits = matches!(
        form(cell, mark),
        Form::Whole | Form::Either | Form::Thousands
    );
    let digits = cell.iter().copied().filter(|&byte| byte != mark);
    fits.then(|| digits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(delimiter: char, lines: &[&str]) -> Vec<Option<Reading>> {
        let record = |line: &&str| Record {
            cells: line.split(delimiter).collect::<Vec<_>>().into(),
            line: 1,
        };
        let sample: Vec<Record> = lines.iter().map(record).collect();
        readings(&sample, sample[0].cells.len(), delimiter as u8)
    }

    /// Fault: 1.006 after 999 was read as one and six thousandths.
    #[test]
    fn marks_are_of_thousands_where_the_column_or_another_says_so() {
        let (point, comma) = (
            Some(Reading::Thousands(b'.')),
            Some(Reading::Thousands(b',')),
        );
        assert_eq!(read(';', &["a;999", "b;1.006"]), [None, point]);
        assert_eq!(read('\t', &["a\t999", "b\t1,006"]), [None, comma]);
        assert_eq!(read(';', &["a;502 €", "b;1.909 €"]), [None, point]);
        assert_eq!(read('\t', &["a\t$502", "b\t-$1,909"]), [None, comma]);
        assert_eq!(read(';', &["1,5;1.006", "2,5;1.013"]), [None, point]);
        assert_eq!(read(';', &["a;950.000", "b;1.020.000"]), [None, point]);
        for decimals in [
            &["a;0.999", "b;1.006"][..],
            &["a;999", "b;1.06"],
            &["0.5;1.006", "1.5;1.013"],
            &["a;12345", "b;1.006"],
        ] {
            assert_eq!(read(';', decimals)[1], None, "{decimals:?}");
        }
        assert_eq!(read(',', &["a,999", "b,1.006"]), [None, None]);
        assert_eq!(read(' ', &["a 1.005", "b 1.006"]), [None, None]);
        let unclear = Some(Reading::Unclear(b'.'));
        assert_eq!(read(';', &["a;1.005", "b;1.006"]), [None, unclear]);
        assert_eq!(read(';', &["a;0", "b;1.006"]), [None, unclear]);
        assert_eq!(without(b"1.020.000", b'.').unwrap(), b"1020000");
        assert_eq!(without(b"1.5", b'.'), None);
    }
}
