//! Series of the Monash archive (`.tsf`): attributes of a series and its values in a line, an episode each.
//!
//! The format is that of "Monash Time Series Forecasting Archive" (Godahewa et al., NeurIPS 2021).

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::RecordingError;
use super::bounds::Bounds;
use super::calendar::{When, when};
use super::cell::Cell;
use super::frequency::Step;
use super::input::Input;
use super::instants::{First, Instant};
use super::source::{Column, Kind, Precision, Source};
use super::table::{Slot, Table};

/// Bytes of the longest line that is read.
const LONGEST_LINE: u64 = 64 << 20;

/// A file whose header has been read.
pub(super) struct TsfSource {
    file: PathBuf,
    lines: Lines,
    header: Header,
    columns: Vec<Column>,
    bounds: Bounds,
}

/// What stands before the series.
#[derive(Debug, Default)]
struct Header {
    /// Names of the attributes of a series.
    attributes: Vec<String>,
    step: Option<Step>,
}

impl TsfSource {
    pub(super) fn open(mut input: Input) -> Result<Self, RecordingError> {
        let mut lines = Lines {
            reader: BufReader::new(input.handle()?),
            file: input.name.clone(),
            number: 0,
        };
        let mut header = Header::default();
        loop {
            let Some(line) = lines.next()? else {
                return Err(corrupt(&input.name, "it has no line @data".to_owned()));
            };
            let mut words = line.split_whitespace();
            match words
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
                .as_str()
            {
                "@data" => break,
                "@attribute" => header.attributes.extend(words.next().map(str::to_owned)),
                "@frequency" => header.step = words.next().and_then(Step::of),
                _ => {}
            }
        }
        let dated = header.step.is_some() && header.start().is_some();
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            array: None,
            kind,
        };
        let time = dated.then(|| column("time", Kind::Date(Precision::Time)));
        let columns = [column("value", Kind::Number)].into_iter().chain(time);
        Ok(Self {
            columns: columns.collect(),
            bounds: input.bounds,
            file: input.name,
            lines,
            header,
        })
    }
}

impl Header {
    /// Position of the attribute that says when a series begins.
    fn start(&self) -> Option<usize> {
        let mut names = self.attributes.iter();
        names.position(|name| name.eq_ignore_ascii_case("start_timestamp"))
    }

    /// Names of a series: by its first attribute, and by all that do not say when it begins.
    fn names(&self, attributes: &[&str]) -> [String; 2] {
        let start = self.start();
        let named = || {
            let all = attributes.iter().enumerate();
            all.filter(move |(place, _)| Some(*place) != start)
                .map(|(_, name)| *name)
        };
        let first = named().next().filter(|_| start != Some(0));
        let all: Vec<&str> = named().collect();
        [first.unwrap_or_default().to_owned(), all.join("/")]
    }
}

/// A name for each series that no other has: its first attribute, all of them, or its number.
fn apart(named: &[[String; 2]]) -> Vec<String> {
    let differ = |place: usize| {
        let mut known = HashSet::new();
        named
            .iter()
            .all(|names| !names[place].is_empty() && known.insert(&names[place]))
    };
    let place = [0, 1].into_iter().find(|&place| differ(place));
    let names = named.iter().enumerate();
    names
        .map(|(number, names)| place.map_or_else(|| number.to_string(), |p| names[p].clone()))
        .collect()
}

/// Reads `1979-01-01 00-00-00`.
fn instant(text: &str) -> Option<Instant> {
    let text = match text.trim().split_once(' ') {
        Some((day, time)) => format!("{day} {}", time.replace('-', ":")),
        None => text.to_owned(),
    };
    match when(&text)? {
        When::Date(date) => date.read(First::Year),
        When::TimeOfDay(_) => None,
    }
}

impl Source for TsfSource {
    fn file(&self) -> &Path {
        &self.file
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        let attributes = self.header.attributes.len();
        let (mut names, mut lengths) = (Vec::new(), Vec::new());
        let mut row = 0;
        while let Some(line) = self.lines.next()? {
            let cells: Vec<&str> = line.splitn(attributes + 1, ':').collect();
            let Some((values, attributes)) = cells
                .split_last()
                .filter(|(_, others)| others.len() == attributes)
            else {
                return Err(RecordingError::Ragged {
                    file: self.file,
                    line: self.lines.number,
                    expected: attributes + 1,
                    found: cells.len(),
                });
            };
            names.push(self.header.names(attributes));
            let start = self.header.start().and_then(|at| instant(attributes[at]));
            let mut length = 0;
            for text in values.split(',') {
                table.make_room(row + 1)?;
                if let Some(slot) = slots[0] {
                    table.put(0, slot, row, Cell::Text(text.trim()))?;
                }
                if let Some(Some(_)) = slots.get(1) {
                    let time = start.zip(self.header.step);
                    match time.and_then(|(start, step)| step.after(start, length)) {
                        Some(time) => table.clock(1).instant(time),
                        None => table.clock(1).missing(),
                    }
                }
                length += 1;
                row += 1;
            }
            lengths.push(length);
        }
        table.cut_at(apart(&names).into_iter().zip(lengths).collect());
        Ok(())
    }
}

/// Lines of text that are neither blank nor comments.
struct Lines {
    reader: BufReader<File>,
    file: PathBuf,
    number: u64,
}

impl Lines {
    fn next(&mut self) -> Result<Option<String>, RecordingError> {
        loop {
            let mut line = Vec::new();
            let mut limited = self.reader.by_ref().take(LONGEST_LINE + 1);
            let read = limited.read_until(b'\n', &mut line);
            let read = read.map_err(|source| RecordingError::Io {
                file: self.file.clone(),
                source,
            })?;
            self.number += 1;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 > LONGEST_LINE {
                return Err(RecordingError::LongLine {
                    file: self.file.clone(),
                    line: self.number,
                    limit: LONGEST_LINE,
                });
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                return Ok(Some(text.to_owned()));
            }
        }
    }
}

fn corrupt(path: &Path, reason: String) -> RecordingError {
    RecordingError::Corrupt {
        file: path.to_owned(),
        format: "TSF",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: two series of one label were one name.
    #[test]
    fn series_of_one_label_have_names_of_their_own() {
        let named = |names: &[[&str; 2]]| {
            let owned = |names: &[&str; 2]| names.map(str::to_owned);
            apart(&names.iter().map(owned).collect::<Vec<_>>())
        };
        assert_eq!(named(&[["T1", "T1/a"], ["T2", "T2/a"]]), ["T1", "T2"]);
        assert_eq!(named(&[["T1", "T1/a"], ["T1", "T1/b"]]), ["T1/a", "T1/b"]);
        assert_eq!(named(&[["T1", "T1"], ["T1", "T1"]]), ["0", "1"]);
    }

    #[test]
    fn months_end_where_the_month_does() {
        let start = instant("2023-01-31 00-00-00").unwrap();
        let after = |step: Step, steps| step.after(start, steps).map(|time| time.to_string());
        assert_eq!(after(Step::Months(1), 1).unwrap(), "2023-02-28");
        let hour = Step::of("hourly").unwrap();
        assert_eq!(after(hour, 25).unwrap(), "2023-02-01 01:00:00");
        for step in [Step::Months(1_000_000), Step::of("1000000_weeks").unwrap()] {
            assert_eq!(after(step, 1_000_000), None);
        }
    }
}
