//! Text tables: one row a line, cells between delimiters.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

use super::TrajectoryError;
use super::calendar::{When, month_named, when};
use super::dialect::{HEAD_BYTES, Parsed, delimiter, is_header, is_missing, parse, skip_preamble};
use super::error::excerpt;
use super::labels::Claim;
use super::source::{Column, Kind, MOST_COLUMNS, Precision, Source};
use super::table::{Slot, Table};

/// Longer than any row of numbers; a lost quote would otherwise pull the whole file into one cell.
const LONGEST_RECORD: u64 = 16 << 20;
/// What is looked at to find out what the columns hold.
const SAMPLE_ROWS: usize = 1000;
const SAMPLE_BYTES: usize = 4 << 20;

/// A CSV file whose header and first rows have been read.
pub(super) struct CsvSource {
    records: Records,
    columns: Vec<Column>,
    sample: Vec<Record>,
    has_header: bool,
}

impl CsvSource {
    pub(super) fn open(path: &Path, mut reader: BufReader<File>) -> Result<Self, TrajectoryError> {
        let io = |source| TrajectoryError::Io {
            file: path.to_owned(),
            source,
        };
        let skipped = skip_preamble(&mut reader).map_err(io)?;
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(io)?;
        if head.is_empty() {
            return Err(TrajectoryError::Empty {
                file: path.to_owned(),
            });
        }
        if head.contains(&0) {
            return Err(TrajectoryError::Corrupt {
                file: path.to_owned(),
                format: "CSV",
                reason: "it holds zero bytes, so it is binary or UTF-16".to_owned(),
            });
        }
        let delimiter = delimiter(&head);
        let mut records = Records::new(path, head, reader, delimiter, skipped);
        let Some(first) = records.next()? else {
            return Err(TrajectoryError::Empty {
                file: path.to_owned(),
            });
        };
        if first.cells.len() > MOST_COLUMNS {
            return Err(TrajectoryError::TooManyColumns {
                file: path.to_owned(),
                limit: MOST_COLUMNS,
            });
        }
        records.width = first.cells.len();
        let has_header = is_header(&first.cells, delimiter);
        let mut sample = Vec::new();
        let mut names = Vec::new();
        for (index, cell) in first.cells.iter().enumerate() {
            let name = if has_header {
                records.text(&first, cell)?
            } else {
                ""
            };
            names.push(match name {
                "" => format!("c{index}"),
                name => name.to_owned(),
            });
        }
        let unnamed: Vec<bool> = first
            .cells
            .iter()
            .map(|cell| has_header && cell.trim_ascii().is_empty())
            .collect();
        if !has_header {
            sample.push(first);
        }
        let mut bytes = 0;
        while sample.len() < SAMPLE_ROWS
            && bytes < SAMPLE_BYTES
            && let Some(record) = records.next()?
        {
            bytes += record.cells.as_slice().len();
            sample.push(record);
        }
        if sample.is_empty() {
            return Err(TrajectoryError::NoRows {
                file: path.to_owned(),
            });
        }
        let columns = names
            .into_iter()
            .zip(unnamed)
            .enumerate()
            .map(|(index, (name, unnamed))| {
                let kind = match kind_of(&sample, index, delimiter) {
                    Kind::Number if unnamed => Kind::Unnamed,
                    kind => kind,
                };
                let name = if unnamed && kind == Kind::Blank {
                    String::new()
                } else {
                    name
                };
                Column {
                    name,
                    array: None,
                    kind,
                }
            })
            .collect();
        Ok(Self {
            records,
            columns,
            sample,
            has_header,
        })
    }
}

impl Source for CsvSource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn has_names(&self) -> bool {
        self.has_header
    }

    fn note(&self) -> Option<String> {
        (!self.has_header).then(|| {
            "the first line holds numbers, so it is taken for a row and the columns are called c0, c1, …"
                .to_owned()
        })
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        let used: Vec<(usize, Slot)> = slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, (*slot)?)))
            .collect();
        let mut row = 0;
        let sample = std::mem::take(&mut self.sample);
        for record in sample {
            self.take_row(&record, row, &used, table)?;
            row += 1;
        }
        let mut record = Record::default();
        while self.records.read(&mut record)? {
            self.take_row(&record, row, &used, table)?;
            row += 1;
        }
        Ok(())
    }
}

impl CsvSource {
    fn take_row(
        &self,
        record: &Record,
        row: usize,
        used: &[(usize, Slot)],
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        for &(index, slot) in used {
            let cell = &record.cells[index];
            let missing = |what| TrajectoryError::Missing {
                file: self.records.file.clone(),
                row: row + 1,
                line: Some(record.line),
                column: self.columns[index].name.clone(),
                what,
            };
            let parsed = match slot {
                Slot::Label(_) | Slot::Word => {
                    let sure =
                        matches!(slot, Slot::Label(Claim::Chosen | Claim::Named) | Slot::Word);
                    let text = match self.records.text(record, cell) {
                        // What may be a remark need not be text that can be read.
                        Err(_) if !sure => "",
                        text => text?,
                    };
                    let text = if is_missing(text) { "" } else { text };
                    table.label(index, slot, row, text);
                    if sure && text.is_empty() {
                        Parsed::Missing("empty")
                    } else {
                        continue;
                    }
                }
                Slot::Time(_) => {
                    match parse(cell, self.records.delimiter) {
                        Parsed::Number(value) => table.clock(index).number(value),
                        Parsed::Missing(_) => table.clock(index).missing(),
                        Parsed::Text => {
                            let text = std::str::from_utf8(cell).unwrap_or_default();
                            table.clock(index).text(text);
                        }
                    }
                    continue;
                }
                Slot::Part(_) => {
                    let value = match parse(cell, self.records.delimiter) {
                        Parsed::Number(value) => Some(value),
                        Parsed::Missing(_) => None,
                        Parsed::Text => {
                            let text = std::str::from_utf8(cell).unwrap_or_default();
                            month_named(text.trim()).map(|month| month as f64)
                        }
                    };
                    table.part(index, value.unwrap_or(f64::NAN));
                    continue;
                }
                Slot::Value(..) => parse(cell, self.records.delimiter),
            };
            let value = match parsed {
                Parsed::Number(value) => value,
                Parsed::Missing(what) if table.refuses_missing() => return Err(missing(what)),
                Parsed::Missing(_) => f64::NAN,
                Parsed::Text => {
                    return Err(TrajectoryError::NotANumber {
                        file: self.records.file.clone(),
                        row: row + 1,
                        line: Some(record.line),
                        column: self.columns[index].name.clone(),
                        text: excerpt(self.records.text(record, cell)?),
                    });
                }
            };
            if let Slot::Value(block, position) = slot {
                table.set(block, position, row, value);
            }
        }
        Ok(())
    }
}

/// One line of cells.
#[derive(Debug, Default)]
struct Record {
    cells: ByteRecord,
    /// The line of the file on which it ends.
    line: u64,
}

/// The file behind its head, and a last line end, so that every record has one.
type Input = io::Chain<io::Chain<Cursor<Vec<u8>>, BufReader<File>>, &'static [u8]>;

/// The records of a file, all of the same width.
struct Records {
    file: PathBuf,
    reader: Reader<Watched>,
    delimiter: u8,
    /// Cells of the first record, 0 before it.
    width: usize,
    lines_before: u64,
    since_record: Rc<Cell<u64>>,
    last_line: u64,
}

impl Records {
    fn new(
        file: &Path,
        head: Vec<u8>,
        rest: BufReader<File>,
        delimiter: u8,
        lines_before: u64,
    ) -> Self {
        // Told to end records at `\n` alone the reader counts lines exactly; the `\r` before it is
        // trimmed with the other white space. Files of old have `\r` alone.
        let line_end = if head.contains(&b'\r') && !head.contains(&b'\n') {
            b"\r"
        } else {
            b"\n"
        };
        let since_record = Rc::new(Cell::new(0));
        let input = Watched {
            input: Cursor::new(head).chain(rest).chain(line_end.as_slice()),
            since_record: Rc::clone(&since_record),
        };
        Self {
            file: file.to_owned(),
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .terminator(Terminator::Any(line_end[0]))
                .has_headers(false)
                .flexible(true)
                .buffer_capacity(1 << 16)
                .from_reader(input),
            delimiter,
            width: 0,
            lines_before,
            since_record,
            last_line: lines_before,
        }
    }

    fn next(&mut self) -> Result<Option<Record>, TrajectoryError> {
        let mut record = Record::default();
        Ok(self.read(&mut record)?.then_some(record))
    }

    /// Reads the next record over the last one; `false` at the end of the file.
    fn read(&mut self, record: &mut Record) -> Result<bool, TrajectoryError> {
        loop {
            self.since_record.set(0);
            let more = self
                .reader
                .read_byte_record(&mut record.cells)
                .map_err(|fault| self.explain(fault.into_kind()))?;
            if !more {
                return Ok(false);
            }
            record.line = self.reader.position().line() - 1 + self.lines_before;
            let blank = record.cells.len() == 1 && record.cells[0].trim_ascii().is_empty();
            if !blank {
                break;
            }
        }
        let ragged = |line, found| TrajectoryError::Ragged {
            file: self.file.clone(),
            line,
            expected: self.width,
            found,
        };
        if self.width != 0 && record.cells.len() != self.width {
            return Err(ragged(record.line, record.cells.len()));
        }
        // Blank lines between rows mean nothing, but in a file of one column they are lost values.
        if self.width == 1 && record.line > self.last_line + 1 {
            return Err(ragged(self.last_line + 1, 0));
        }
        self.last_line = record.line;
        Ok(true)
    }

    fn explain(&self, fault: ErrorKind) -> TrajectoryError {
        match fault {
            ErrorKind::Io(fault) if fault.kind() == io::ErrorKind::FileTooLarge => {
                TrajectoryError::LongLine {
                    file: self.file.clone(),
                    line: self.last_line + 1,
                    limit: LONGEST_RECORD,
                }
            }
            ErrorKind::Io(source) => TrajectoryError::Io {
                file: self.file.clone(),
                source,
            },
            fault => TrajectoryError::Corrupt {
                file: self.file.clone(),
                format: "CSV",
                reason: format!("{fault:?}"),
            },
        }
    }

    fn text<'a>(&self, record: &Record, cell: &'a [u8]) -> Result<&'a str, TrajectoryError> {
        let text = std::str::from_utf8(cell).map_err(|_| TrajectoryError::NotText {
            file: self.file.clone(),
            line: record.line,
        })?;
        Ok(text.trim())
    }
}

/// Counts the bytes read since the last record, and stops when they are too many for one.
struct Watched {
    input: Input,
    since_record: Rc<Cell<u64>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record.get() > LONGEST_RECORD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.input.read(buffer)?;
        self.since_record
            .set(self.since_record.get() + count as u64);
        Ok(count)
    }
}

/// What a column holds, by its first cell that holds anything.
fn kind_of(sample: &[Record], index: usize, delimiter: u8) -> Kind {
    for record in sample {
        match parse(&record.cells[index], delimiter) {
            Parsed::Number(_) => return Kind::Number,
            Parsed::Missing("empty") => {}
            Parsed::Missing(_) => return Kind::Number,
            Parsed::Text => {
                let text = std::str::from_utf8(&record.cells[index]).unwrap_or_default();
                return match when(text) {
                    Some(When::Date(date)) if date.is_day() => Kind::Date(Precision::Day),
                    Some(_) => Kind::Date(Precision::Time),
                    None => Kind::Text,
                };
            }
        }
    }
    Kind::Blank
}
