//! Tables with a series a row and its times in the header, as the World Bank writes years and forecasting competitions
//! `V1`, `V2`, ….

use std::collections::HashMap;
use std::path::Path;

use ::csv::ByteRecord;

use super::RecordingError;
use super::bounds::Bounds;
use super::calendar::{When, century, month_named, when};
use super::cell::Cell;
use super::conventions::{Convention, convention};
use super::csv::CsvSource;
use super::dialect::{Parsed, parse};
use super::error::excerpt;
use super::records::Record;
use super::source::{Column, Kind, Precision, Source, list};
use super::spelling::plain;
use super::table::{Slot, Table};
use super::time_names::part_of_time;
use super::written::written;

/// Fewest columns of times.
const MIN_PERIODS: usize = 8;
/// Most columns of years; spectra have more.
const MAX_YEARS: usize = 300;
/// Steps from one year to the next.
const STEPS: [i64; 3] = [1, 5, 10];
/// Marks of numbers of periods.
const NUMBERED: [&str; 7] = ["V", "d_", "W", "Week ", "week ", "Week_", "week_"];
/// Marks of steps that may also be those of sensors: of such there are fewer than rows.
const STEPS_OF_TIME: [&str; 4] = ["t", "T", "t_", "T_"];
/// Names of columns beside spectra, whose wavelengths may look like years.
const OF_SPECTRA: [&str; 5] = ["sample", "spectrum", "specimen", "scan", "sample_id"];
/// Years that are taken for such.
const YEARS: std::ops::RangeInclusive<i64> = 1500..=2150;
/// Marks for nothing in tables of statistics, beside those of all tables.
const NOTHING: [&[u8]; 5] = [b"..", b":", b"-", b"...", b"\xe2\x80\xa6"];

/// Positions of the columns that are made of the rows.
const SERIES: usize = 0;
const TIME: usize = 1;
const VALUE: usize = 2;

/// When the values of a column are from.
#[derive(Debug, Clone, PartialEq)]
enum Moment {
    Year(i64),
    /// The number after the `V`.
    Number(i64),
    Date(String),
}

impl Moment {
    fn of(name: &str) -> Option<Self> {
        // The World Bank's data bank writes `1960 [YR1960]`.
        let bare = name.split('[').next().unwrap_or(name).trim();
        let digits = |text: &str| {
            let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            all.then(|| text.parse::<i64>().ok()).flatten()
        };
        // R puts an X before names that are numbers; fiscal years have their own mark.
        let unmarked = ["X", "FY"].iter().find_map(|mark| bare.strip_prefix(mark));
        let year = unmarked.unwrap_or(bare);
        if let Some(year) = digits(year).filter(|found| year.len() == 4 && YEARS.contains(found)) {
            return Some(Self::Year(year));
        }
        let mut marks = NUMBERED.iter().chain(&STEPS_OF_TIME);
        let numbered = marks.find_map(|mark| digits(bare.strip_prefix(mark)?));
        if let Some(number) = numbered {
            return Some(Self::Number(number));
        }
        if let Some((month, year)) = bare.split_once('-')
            && let (Some(_), Some(year), 2) = (month_named(month), digits(year), year.len())
        {
            return Some(Self::Date(format!("{month} {}", century(year))));
        }
        match when(bare) {
            Some(When::Date(_)) => Some(Self::Date(bare.to_owned())),
            _ => None,
        }
    }

    /// Whether it may stand before another one.
    fn precedes(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Year(year), Self::Year(next)) => STEPS.contains(&(next - year).abs()),
            (Self::Number(number), Self::Number(next)) => number + 1 == *next,
            (Self::Date(_), Self::Date(_)) => true,
            _ => false,
        }
    }
}

/// The columns of times of a header and when these are, if they are that many and of one kind.
fn times_of<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<Vec<(usize, Moment)>> {
    let named = names.clone().enumerate();
    let mut found: Vec<(usize, Moment)> = named
        .filter_map(|(index, name)| Some((index, Moment::of(name)?)))
        .collect();
    // `V1` may be the name of the series.
    if let [(0, Moment::Number(1)), ..] = found[..] {
        found.remove(0);
    }
    // Other numbers beside are those of wavelengths or places.
    let numbered = |(index, name): (usize, &str)| {
        name.trim().parse::<f64>().is_ok() && found.iter().all(|(time, _)| *time != index)
    };
    if names.enumerate().any(numbered) {
        return None;
    }
    let in_order = found
        .windows(2)
        .all(|pair| pair[0].1.precedes(&pair[1].1) && pair[0].0 < pair[1].0);
    let of_years = |moment: &Moment| match moment {
        Moment::Year(year) => Some(*year),
        _ => None,
    };
    let years: Vec<i64> = found.iter().filter_map(|(_, m)| of_years(m)).collect();
    let rise = years.windows(2).all(|pair| pair[0] < pair[1]);
    let fall = years.windows(2).all(|pair| pair[0] > pair[1]);
    let fits = in_order && (rise || fall || years.is_empty()) && years.len() <= MAX_YEARS;
    (fits && found.len() >= MIN_PERIODS).then_some(found)
}

/// Whether a first line with numbers is a header, for these are years.
pub(super) fn is_header_of_years(cells: &ByteRecord, delimiter: u8) -> bool {
    header_of_years(&cells.iter().collect::<Vec<_>>(), delimiter)
}

/// The same of cells that are not in a record.
pub(super) fn header_of_years(cells: &[&[u8]], delimiter: u8) -> bool {
    let texts: Vec<&str> = cells
        .iter()
        .map(|cell| std::str::from_utf8(cell.trim_ascii()).unwrap_or_default())
        .collect();
    let Some(times) = times_of(texts.into_iter()) else {
        return false;
    };
    let numbers = cells
        .iter()
        .filter(|cell| matches!(parse(cell, delimiter), Parsed::Number(_)));
    let of_years = matches!(times[0].1, Moment::Year(_));
    of_years && times.len() == numbers.count()
}

/// A table whose rows are series.
pub(super) struct WideSource {
    csv: CsvSource,
    columns: Vec<Column>,
    /// Columns that name a series together.
    names: Vec<usize>,
    times: Vec<(usize, Moment)>,
    notes: Vec<String>,
}

impl WideSource {
    /// The table as one of series, if its header says so and it has no other time; `wanted` columns are to be read as
    /// they are.
    pub(super) fn open(csv: CsvSource, wanted: &[String]) -> Box<dyn Source> {
        match Self::parts(&csv, wanted) {
            Some((names, times)) => Box::new(Self::new(csv, names, times)),
            None => Box::new(csv),
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "names and times, taken apart at once"
    )]
    fn parts(csv: &CsvSource, wanted: &[String]) -> Option<(Vec<usize>, Vec<(usize, Moment)>)> {
        let columns = csv.columns();
        let times = times_of(columns.iter().map(|column| column.name.as_str()))?;
        if !csv.has_names() || columns.iter().any(|column| wanted.contains(&column.name)) {
            return None;
        }
        let others =
            || (0..columns.len()).filter(|index| times.iter().all(|(time, _)| time != index));
        let is_time = |index: usize| {
            let column = &columns[index];
            matches!(column.kind, Kind::Date(_))
                || convention(&column.name) == Some(Convention::Time)
                || part_of_time(&column.name).is_some()
        };
        let holds_values = |(index, _): &(usize, Moment)| {
            let mut cells = csv.sample.iter().map(|record| &record.cells[*index]);
            cells.all(|cell| value(cell, csv.delimiter()).is_ok())
        };
        if others().any(is_time) || !times.iter().all(holds_values) {
            return None;
        }
        let texts: Vec<usize> = others()
            .filter(|&index| columns[index].kind == Kind::Text)
            .collect();
        let is_of_spectra =
            |&index: &usize| OF_SPECTRA.contains(&plain(&columns[index].name).as_str());
        let of_years = matches!(times[0].1, Moment::Year(_));
        if of_years && (texts.is_empty() || texts.iter().any(is_of_spectra)) {
            return None;
        }
        let numbered = matches!(times[0].1, Moment::Number(_));
        if numbered {
            // Tables without names of their own are called so, too: here every row has a name, and nothing else.
            let known =
                others().all(|index| matches!(columns[index].kind, Kind::Text | Kind::Blank));
            let mut seen = std::collections::HashSet::new();
            let name = |record: &Record| -> Vec<Vec<u8>> {
                texts.iter().map(|&i| record.cells[i].to_vec()).collect()
            };
            let apart = csv.sample.iter().all(|record| seen.insert(name(record)));
            let header = &columns[times[0].0].name;
            let may_be_sensors = STEPS_OF_TIME.iter().any(|mark| header.starts_with(mark))
                && times.len() <= csv.sample.len();
            if texts.is_empty() || !known || !apart || may_be_sensors {
                return None;
            }
        }
        let names = match texts.is_empty() {
            true => others()
                .filter(|&index| columns[index].kind == Kind::Number)
                .collect(),
            false => texts,
        };
        Some((names, times))
    }

    fn new(csv: CsvSource, names: Vec<usize>, times: Vec<(usize, Moment)>) -> Self {
        let kind = match times[0].1 {
            Moment::Year(_) | Moment::Number(_) => Kind::Number,
            Moment::Date(_) => Kind::Date(Precision::Day),
        };
        let known = csv.columns();
        let header = |place: usize| known[times[place].0].name.as_str();
        let named: Vec<&str> = names.iter().map(|&i| known[i].name.as_str()).collect();
        let note = format!(
            "each row is a series, with its times in the header ({} to {}){}",
            header(0),
            header(times.len() - 1),
            match named.is_empty() {
                true => String::new(),
                false => format!(" and its name in {}", list(named.iter().copied())),
            }
        );
        let mut notes = vec![note];
        notes.extend(csv.notes());
        let column = |name: &str, kind: Kind| Column {
            name: name.to_owned(),
            array: None,
            kind,
        };
        Self {
            columns: vec![
                column("series", Kind::Text),
                column("time", kind),
                column("value", Kind::Number),
            ],
            csv,
            names,
            times,
            notes,
        }
    }

    /// What a row is called; rows of one name are told apart by their numbers.
    fn name(&self, record: &Record, number: usize, known: &mut HashMap<String, usize>) -> String {
        let cells = self.names.iter().filter_map(|&index| {
            let text = std::str::from_utf8(&record.cells[index]).unwrap_or_default();
            Some(text.trim()).filter(|text| !text.is_empty())
        });
        let name = cells.collect::<Vec<_>>().join("/");
        let name = match name.is_empty() {
            true => (number - 1).to_string(),
            false => name,
        };
        match known.insert(name.clone(), number) {
            Some(_) => format!("{name} (row {number})"),
            None => name,
        }
    }
}

impl Source for WideSource {
    fn file(&self) -> &Path {
        self.csv.file()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn bounds(&self) -> Bounds {
        self.csv.bounds()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        let (mut row, mut number) = (0, 0);
        let mut known = HashMap::new();
        let sample = std::mem::take(&mut self.csv.sample);
        let mut sample = sample.into_iter();
        while let Some(record) = match sample.next() {
            Some(record) => Some(record),
            None => self.csv.records.next()?,
        } {
            number += 1;
            let name = self.name(&record, number, &mut known);
            let values: Vec<Option<f64>> = self
                .times
                .iter()
                .map(|&(index, _)| {
                    let cell = &record.cells[index];
                    value(cell, self.csv.delimiter()).map_err(|()| RecordingError::NotANumber {
                        file: self.csv.file().to_owned(),
                        row: number,
                        line: Some(record.line),
                        column: self.csv.columns()[index].name.clone(),
                        text: excerpt(&String::from_utf8_lossy(cell)),
                    })
                })
                .collect::<Result<_, _>>()?;
            // Blanks before a series begins and after its end are none of it.
            let Some(first) = values.iter().position(Option::is_some) else {
                continue;
            };
            let last = values.iter().rposition(Option::is_some).unwrap_or(first);
            table.make_room(row + values.len())?;
            for ((index, moment), value) in self.times.iter().zip(values).take(last + 1).skip(first)
            {
                if value.is_none()
                    && table.refuses_missing()
                    && !table.keeps_some_episodes()
                    && slots[VALUE].is_some()
                {
                    return Err(RecordingError::Missing {
                        file: self.csv.file().to_owned(),
                        row: number,
                        line: Some(record.line),
                        column: self.csv.columns()[*index].name.clone(),
                        what: "empty",
                    });
                }
                let cells = [
                    Cell::Text(&name),
                    match moment {
                        Moment::Year(number) | Moment::Number(number) => {
                            Cell::Integer((*number).into())
                        }
                        Moment::Date(text) => Cell::Text(text),
                    },
                    cell_of(&record.cells[*index], value),
                ];
                for index in [SERIES, TIME, VALUE] {
                    if let Some(slot) = slots[index] {
                        table.put(index, slot, row, cells[index])?;
                    }
                }
                row += 1;
            }
        }
        Ok(())
    }
}

/// The cell of a value, as text if it is written in another way than others.
fn cell_of(cell: &[u8], value: Option<f64>) -> Cell<'_> {
    match (value, std::str::from_utf8(cell)) {
        (Some(_), Ok(text)) if written(text, b',').is_some() => Cell::Text(text),
        (Some(value), _) => Cell::Float(value),
        (None, _) => Cell::Missing,
    }
}

/// A value of a series, none where there is none; the error is for words.
fn value(cell: &[u8], delimiter: u8) -> Result<Option<f64>, ()> {
    match parse(cell, delimiter) {
        Parsed::Number(value) => Ok(Some(value)),
        Parsed::Missing(_) => Ok(None),
        Parsed::Text if NOTHING.contains(&cell.trim_ascii()) => Ok(None),
        Parsed::Text => {
            let text = std::str::from_utf8(cell).map_err(|_| ())?;
            written(text, delimiter).map(|(_, value)| value).ok_or(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(names: &[String]) -> Option<usize> {
        times_of(names.iter().map(String::as_str)).map(|times| times.len())
    }

    #[test]
    fn only_names_that_are_times_are_taken_for_such() {
        let years: Vec<String> = (1960..1970).map(|year| year.to_string()).collect();
        assert_eq!(count(&years), Some(10));
        assert_eq!(count(&years[..7]), None);
        let bank = (1960..1970).map(|year| format!("{year} [YR{year}]"));
        assert_eq!(count(&bank.collect::<Vec<_>>()), Some(10));
        let numbered: Vec<String> = (1..=10).map(|number| format!("V{number}")).collect();
        assert_eq!(count(&numbered), Some(9));
        let months: Vec<String> = (1..=9).map(|month| format!("2020-{month:02}")).collect();
        assert_eq!(count(&months), Some(9));
        let days: Vec<String> = (1..=9).map(|day| format!("1/{day}/20")).collect();
        assert_eq!(count(&days), Some(9));
        let backwards: Vec<String> = years.iter().rev().cloned().collect();
        assert_eq!(count(&backwards), Some(10));
        let decades: Vec<String> = (0..9).map(|i| (1900 + 10 * i).to_string()).collect();
        assert_eq!(count(&decades), Some(9));
        let uneven: Vec<String> = (0..9).map(|i| (1900 + i * i).to_string()).collect();
        assert_eq!(count(&uneven), None);
        let fiscal: Vec<String> = (2010..2020).map(|year| format!("FY{year}")).collect();
        assert_eq!(count(&fiscal), Some(10));
        let short: Vec<String> = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug"]
            .map(|month| format!("{month}-20"))
            .to_vec();
        assert_eq!(count(&short), Some(8));
        let days: Vec<String> = (1..=10).map(|day| format!("d_{day}")).collect();
        assert_eq!(count(&days), Some(9));
        // Wavelengths, in steps of one.
        let fine: Vec<String> = (1500..1900).map(|i| i.to_string()).collect();
        assert_eq!(count(&fine), None);
        // A spectrum, in nanometres.
        let spectrum: Vec<String> = (0..200).map(|i| (1100 + 10 * i).to_string()).collect();
        assert_eq!(count(&spectrum), None);
        let others: Vec<String> = (0..10).map(|i| format!("x{i}")).collect();
        assert_eq!(count(&others), None);
    }

    #[test]
    fn a_row_of_numbers_is_no_header() {
        let header = |text: &str| {
            let cells: Vec<&[u8]> = text.split(',').map(str::as_bytes).collect();
            header_of_years(&cells, b',')
        };
        assert!(header("Country,1960,1961,1962,1963,1964,1965,1966,1967"));
        assert!(header("1960,1961,1962,1963,1964,1965,1966,1967"));
        assert!(!header("1960,1961,1963,1964,1965,1966,1967,1968"));
        assert!(!header("5,1960,1961,1962,1963,1964,1965,1966,1967"));
        assert!(!header("1,2,3,4,5,6,7,8,9"));
    }
}
