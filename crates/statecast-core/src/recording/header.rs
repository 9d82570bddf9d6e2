//! Whether the first line of a text table names its columns, and what the first columns are where none does.

use ::csv::ByteRecord;

use super::clock::is_date;
use super::dialect::{Parsed, parse, placeholder};
use super::readings::digits_of_dates;
use super::records::Record;
use super::wide::is_header_of_years;

/// Rows that a first line is compared with.
const ROWS_BELOW: usize = 50;
/// Fewest evenly spaced numbers that are names of columns whatever is below.
const MIN_EVEN: usize = 8;
/// Whole numbers that may be years.
const YEARS: std::ops::RangeInclusive<f64> = 1800.0..=2200.0;

#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Nothing,
    Number,
    Date,
    Word,
}

impl Holds {
    fn of(cell: &[u8], delimiter: u8) -> Self {
        match parse(cell, delimiter) {
            Parsed::Number(_) => Self::Number,
            Parsed::Missing(_) => Self::Nothing,
            Parsed::Text if is_date(std::str::from_utf8(cell).unwrap_or_default()) => Self::Date,
            Parsed::Text => Self::Word,
        }
    }
}

/// Whether a first line names the columns of the rows below it.
pub(super) fn names_columns(first: &ByteRecord, below: &[Record], delimiter: u8) -> bool {
    let below = &below[..below.len().min(ROWS_BELOW)];
    let held: Vec<Holds> = first
        .iter()
        .map(|cell| Holds::of(cell, delimiter))
        .collect();
    let has_number = held.contains(&Holds::Number);
    if is_header_of_years(first, delimiter) {
        return true;
    }
    match held.contains(&Holds::Word) || !has_number {
        true => !is_like_rows(first, &held, below, delimiter),
        false => are_names(first, held[0], below, delimiter),
    }
}

/// Whether a line with words is a row: no word stands over numbers, and one comes back below, a date stands over dates,
/// or it holds fractions that are no wavelengths or the like.
fn is_like_rows(first: &ByteRecord, held: &[Holds], below: &[Record], delimiter: u8) -> bool {
    let numbers: Vec<f64> = first
        .iter()
        .filter_map(|cell| match parse(cell, delimiter) {
            Parsed::Number(value) => Some(value),
            _ => None,
        })
        .collect();
    let rises = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let mut is_alike =
        numbers.iter().any(|number| number.fract() != 0.0) && (numbers.len() < 3 || !rises);
    for (index, (cell, held)) in first.iter().zip(held).enumerate() {
        let column = || below.iter().filter_map(|record| record.cells.get(index));
        let count = |held| {
            let cells = column().filter(|cell| Holds::of(cell, delimiter) == held);
            cells.count()
        };
        let (words, dates) = (count(Holds::Word), count(Holds::Date));
        match held {
            Holds::Word if count(Holds::Number) + dates > words => return false,
            Holds::Word => {
                let text = std::str::from_utf8(cell).unwrap_or_default();
                is_alike |= placeholder(text).is_none()
                    && column().any(|below| below.trim_ascii() == cell.trim_ascii());
            }
            Holds::Date => is_alike |= 2 * dates > below.len(),
            Holds::Number | Holds::Nothing => {}
        }
    }
    is_alike
}

/// Whether a line without words holds names that are numbers, as of sensors, wavelengths or the columns of a data frame.
fn are_names(first: &ByteRecord, corner: Holds, below: &[Record], delimiter: u8) -> bool {
    let Some(next) = below.first() else {
        return false;
    };
    let is_blank = first
        .get(0)
        .is_some_and(|cell| cell.trim_ascii().is_empty());
    let index = || below.iter().filter_map(|record| record.cells.get(0));
    let dates = index().filter(|cell| Holds::of(cell, delimiter) == Holds::Date);
    if 2 * dates.count() > below.len() && (is_blank || corner == Holds::Number) {
        return true;
    }
    let Some(names) = whole_numbers(first.iter().skip(usize::from(is_blank))) else {
        return false;
    };
    if is_blank {
        let mut apart = names.clone();
        apart.sort_unstable();
        apart.dedup();
        return !names.is_empty()
            && apart.len() == names.len()
            && index().all(|cell| !cell.trim_ascii().is_empty());
    }
    let is_even = |numbers: &[u64]| {
        let rises = numbers.len() > 1 && numbers[0] < numbers[1];
        let even = |three: &[u64]| three[0].checked_add(three[2]) == three[1].checked_mul(2);
        rises && numbers.windows(3).all(even)
    };
    let next_is_even = whole_numbers(next.cells.iter()).is_some_and(|next| is_even(&next));
    let is_fraction = |cell: &[u8]| match parse(cell, delimiter) {
        Parsed::Number(value) => value.fract() != 0.0,
        _ => false,
    };
    let counts = names.iter().copied().eq(0..names.len() as u64)
        && below
            .iter()
            .any(|record| record.cells.iter().any(is_fraction));
    is_even(&names) && (counts || (names.len() >= MIN_EVEN && !next_is_even))
}

/// Cells as numbers, if they are digits and nothing else.
fn whole_numbers<'c>(cells: impl Iterator<Item = &'c [u8]>) -> Option<Vec<u64>> {
    let number = |cell: &[u8]| {
        let cell = cell.trim_ascii();
        let digits = !cell.is_empty() && cell.iter().all(u8::is_ascii_digit);
        digits.then(|| std::str::from_utf8(cell).ok()?.parse().ok())?
    };
    cells.map(number).collect()
}

/// The names that tell what the first of several columns without names are, and a note of it.
pub(super) fn known_by_values(
    sample: &[Record],
    delimiter: u8,
) -> Option<(&'static [&'static str], &'static str)> {
    const KNOWN: [(&[&str], &str); 5] = [
        (
            &["unit_number", "time_in_cycles"],
            "c0 goes up by one where c1 starts over: it numbers units, and c1 their cycles",
        ),
        (&["year", "month"], "c0 and c1 are read as year and month"),
        (
            &["year", "day_of_year"],
            "c0 and c1 are read as year and day of the year",
        ),
        (
            &["year", "month", "day"],
            "c0 to c2 are read as year, month and day",
        ),
        (
            &["year", "month", "day", "hour"],
            "c0 to c3 are read as year, month, day and hour",
        ),
    ];
    let is_known = |(names, _): &&(&'static [&'static str], &'static str)| {
        let columns: Option<Vec<Vec<f64>>> = sample
            .iter()
            .map(|record| whole(record, names.len(), delimiter))
            .collect();
        let columns = columns.filter(|rows| rows.len() > 2);
        columns.is_some_and(|rows| match names[0] {
            "unit_number" => are_units_and_cycles(&rows),
            _ => are_dates(&rows, names),
        })
    };
    KNOWN.iter().find(is_known).copied()
}

/// Whether a column holds dates written as digits: `20240131`, with or without the time of the day.
pub(super) fn holds_dates(sample: &[Record], column: usize, delimiter: u8) -> bool {
    /// Fewer digits may be those of any quantity.
    const MIN_DATE: f64 = 19_000_000.0;
    let number = |record: &Record| match parse(record.cells.get(column)?, delimiter) {
        Parsed::Number(value) if value >= MIN_DATE => Some(value),
        _ => None,
    };
    let numbers: Option<Vec<f64>> = sample.iter().map(number).collect();
    numbers.is_some_and(|numbers| numbers.len() > 2 && digits_of_dates(&numbers).is_some())
}

/// The first cells of a row that has more, if they are whole numbers.
fn whole(record: &Record, columns: usize, delimiter: u8) -> Option<Vec<f64>> {
    let number = |cell: &[u8]| match parse(cell, delimiter) {
        Parsed::Number(value) if value.fract() == 0.0 => Some(value),
        _ => None,
    };
    let cells = record.cells.iter().take(columns);
    (record.cells.len() > columns)
        .then(|| cells.map(number).collect())
        .flatten()
}

/// Whether the first column numbers units from 0 or 1 on, whose rows the second one counts.
fn are_units_and_cycles(rows: &[Vec<f64>]) -> bool {
    let (first, start) = (rows[0][0], rows[0][1]);
    let follows = |pair: &[Vec<f64>]| match pair[1][0] - pair[0][0] {
        0.0 => pair[1][1] == pair[0][1] + 1.0,
        1.0 => pair[1][1] == start,
        _ => false,
    };
    let last = rows[rows.len() - 1][0];
    let units = last - first + 1.0;
    let from_start = [0.0, 1.0].contains(&first) && [0.0, 1.0].contains(&start);
    let is_numbered = from_start
        && units > 1.0
        && rows.len() as f64 >= 3.0 * units
        && rows.windows(2).all(follows);
    if !is_numbered {
        return false;
    }
    // Hours and minutes, or the like, have as many of the one in each of the other.
    let mut lengths = rows.chunk_by(|a, b| a[0] == b[0]).map(<[Vec<f64>]>::len);
    let length = lengths.next().unwrap_or_default();
    let mut whole = lengths.take(units as usize - 2);
    let of_day = (first, start) == (0.0, 0.0) && last < 24.0 && length <= 60;
    !(of_day && whole.all(|other| other == length))
}

/// Whether columns hold parts of dates, the coarsest first, that rise in every row.
fn are_dates(rows: &[Vec<f64>], names: &[&str]) -> bool {
    let in_range = |row: &Vec<f64>| {
        let mut parts = row.iter().zip(names);
        parts.all(|(value, name)| match *name {
            "year" => YEARS.contains(value),
            "month" => (1.0..=12.0).contains(value),
            "day" => (1.0..=31.0).contains(value),
            "day_of_year" => (1.0..=366.0).contains(value),
            _ => (0.0..=23.0).contains(value),
        })
    };
    let rises = |pair: &[Vec<f64>]| pair[0] < pair[1] && pair[1][0] - pair[0][0] <= 1.0;
    rows.iter().all(in_range) && rows.windows(2).all(rises)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: &str) -> Record {
        Record {
            cells: line.split(',').collect::<Vec<_>>().into(),
            line: 1,
        }
    }

    fn rows(lines: &[&str]) -> Vec<Record> {
        lines.iter().map(|line| record(line)).collect()
    }

    #[test]
    fn first_lines_are_names_or_rows_by_what_is_below() {
        for (first, below, is_header) in [
            ("t,x", ["0,1.5", "1,2.5"], true),
            ("0,1.5", ["1,2.5", "2,0.5"], false),
            (
                "timestamp,400001,400017",
                ["2024-01-01,1,2", "2024-01-02,3,4"],
                true,
            ),
            (
                "0,400001,400017",
                ["2024-01-01,1,2", "2024-01-02,3,4"],
                true,
            ),
            (",400001,400017", ["2024-01-01,1,2", "2024-01-02,3,4"], true),
            (",0,1", ["0,0.5,1.5", "1,2.5,0.5"], true),
            (",0,1", ["0,0.5,1.5", ",2.5,0.5"], false),
            (",5,5", ["0,0.5,1.5", "1,2.5,0.5"], false),
            (",0.5,1.5", ["0,0.5,1.5", "1,2.5,0.5"], false),
            ("0,1,2", ["0.5,1.5,2", "1.5,2.5,0"], true),
            ("0,1,2", ["1,2,3", "4,1,0"], false),
            (
                "400,425,450,475,500,525,550,575",
                ["5,5,6,6,6,5,5,4", "5,6,6,6,6,5,4,3"],
                true,
            ),
            (
                "0,1,2,3,4,5,6,7",
                ["1,2,3,4,5,6,7,8", "2,3,4,5,6,7,8,9"],
                false,
            ),
            (
                "AAPL,2024-01-01,0.5",
                ["AAPL,2024-01-02,1.5", "AAPL,2024-01-03,2"],
                false,
            ),
            (
                "U,20240101,TMAX,0",
                ["U,20240102,TMAX,1", "U,20240103,TMAX,2"],
                false,
            ),
            ("-0.5,0.0,a", ["0.5,0.2,b", "1.5,0.4,a"], false),
            ("2024-01-01,NA", ["2024-01-02,1.5", "2024-01-03,2.5"], false),
            ("Country,2015,2016", ["A,1,2", "B,2,3"], true),
            ("place,2020-01,2020-02", ["A,1,2", "A,2,3"], true),
            ("name,1", ["a,1", "b,2"], true),
            ("img_0,0.5,1.25", ["img_1,1.5,2", "img_2,0.5,3"], false),
            ("spectrum,400.5,401,401.5", ["a,1.5,2,3", "b,0.5,3,4"], true),
            (
                "20200101 170000,1.1,0",
                ["20200101 170100,1.2,0", "20200101 170200,1.3,0"],
                false,
            ),
        ] {
            let found = names_columns(&record(first).cells, &rows(&below), b',');
            assert_eq!(found, is_header, "{first}");
        }
        assert!(!names_columns(&record("0,1").cells, &[], b','));
    }

    #[test]
    fn units_are_told_from_years_and_hours() {
        let of = |pairs: Vec<(usize, usize)>| {
            let lines: Vec<String> = pairs.iter().map(|(a, b)| format!("{a},{b},0.5")).collect();
            let sample: Vec<Record> = lines.iter().map(|line| record(line)).collect();
            known_by_values(&sample, b',').map(|(names, _)| names[..2].join(" "))
        };
        let units = |first: usize, start: usize, lengths: [usize; 3]| {
            let unit = |unit: usize| (0..lengths[unit]).map(move |i| (first + unit, start + i));
            of((0..3).flat_map(unit).collect())
        };
        let known = |names: &str| Some(names.to_owned());
        assert_eq!(
            units(1, 1, [12, 20, 9]),
            known("unit_number time_in_cycles")
        );
        assert_eq!(
            units(0, 0, [12, 20, 9]),
            known("unit_number time_in_cycles")
        );
        assert_eq!(
            units(1, 1, [12, 12, 12]),
            known("unit_number time_in_cycles")
        );
        assert_eq!(units(0, 0, [12, 12, 9]), None);
        assert_eq!(units(7, 1, [12, 12, 12]), None);
        assert_eq!(units(1990, 1, [12, 12, 5]), known("year month"));
        assert_eq!(units(2000, 1, [366, 365, 20]), known("year day_of_year"));
        assert_eq!(units(1990, 0, [12, 12, 12]), None);
    }
}
