//! Text tables: one row a line, cells between delimiters.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};
use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;

use super::TrajectoryError;
use super::bounds::Bounds;
use super::cells::Block;
use super::clock::is_date;
use super::dialect::{
    Dialect, HEAD_BYTES, HeaderFit, Parsed, Squeezed, dialect, is_header, is_missing,
    names_in_comment, parse, skip_preamble,
};
use super::error::excerpt;
use super::input::Input;
use super::labels::Claim;
use super::source::{Column, Kind, MOST_COLUMNS, Source};
use super::table::{Slot, Table};

/// Longer than any row of numbers; a lost quote would otherwise pull the whole file into one cell.
const LONGEST_RECORD: u64 = 16 << 20;
/// What is looked at to find out what the columns hold.
const SAMPLE_ROWS: usize = 1000;
const SAMPLE_BYTES: usize = 4 << 20;

/// Lines under the header that may hold units or the like.
const MOST_UNIT_LINES: usize = 3;
/// Rows that a line of units is compared with.
const ROWS_UNDER_UNITS: usize = 50;

/// A CSV file whose header and first rows have been read.
pub(super) struct CsvSource {
    records: Records,
    columns: Vec<Column>,
    sample: Vec<Record>,
    has_names: bool,
    notes: Vec<String>,
    bounds: Bounds,
}

impl CsvSource {
    pub(super) fn open(input: Input, encoding: Option<&str>) -> Result<Self, TrajectoryError> {
        let bounds = input.bounds;
        let path = input.name.as_path();
        let io = |source| TrajectoryError::Io {
            file: path.to_owned(),
            source,
        };
        let mut reader = BufReader::new(decoded(path, input.file, encoding)?);
        let preamble = skip_preamble(&mut reader).map_err(io)?;
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
                reason: "it holds zero bytes, so it is binary or UTF-16 without its mark"
                    .to_owned(),
            });
        }
        let dialect = dialect(&head, preamble.separator);
        let mut notes = Vec::new();
        if dialect.skipped > 0 {
            head = without_lines(&head, dialect.skipped);
            notes.push(match dialect.skipped {
                1 => "the first line is no part of the table and is skipped".to_owned(),
                lines => {
                    format!("the first {lines} lines are no part of the table and are skipped")
                }
            });
        }
        let lines_before = preamble.lines + dialect.skipped as u64;
        let mut records = Records::new(path, head, reader, dialect, lines_before);
        let Some(first) = records.next()? else {
            return Err(TrajectoryError::Empty {
                file: path.to_owned(),
            });
        };
        if first.cells.len() >= MOST_COLUMNS {
            return Err(TrajectoryError::TooManyColumns {
                file: path.to_owned(),
                limit: MOST_COLUMNS,
            });
        }
        let has_header = is_header(&first.cells, dialect.delimiter);
        let mut sample = Vec::new();
        let mut names = Vec::new();
        match has_header {
            true => {
                for cell in &first.cells {
                    names.push(records.text(&first, cell)?.to_owned());
                }
                match dialect.header {
                    HeaderFit::Equal => {}
                    HeaderFit::NoFirst => names.insert(0, String::new()),
                    HeaderFit::NoLast => names.push(String::new()),
                }
                records.width = names.len();
            }
            false => {
                records.width = first.cells.len();
                sample.push(first);
            }
        }
        let commented = match has_header {
            true => None,
            false => names_in_comment(&preamble.comment, &dialect, records.width),
        };
        let has_names = has_header || commented.is_some();
        names = commented.unwrap_or(names);
        names.resize(records.width, String::new());
        let mut bytes = 0;
        while sample.len() < SAMPLE_ROWS
            && bytes < SAMPLE_BYTES
            && let Some(record) = records.next()?
        {
            bytes += record.cells.as_slice().len();
            sample.push(record);
        }
        if has_header {
            for record in sample.drain(..unit_lines(&sample, dialect.delimiter)) {
                let cells: Vec<&str> = record
                    .cells
                    .iter()
                    .map(|cell| records.text(&record, cell).unwrap_or_default())
                    .collect();
                notes.push(format!(
                    "line {} holds words under the header, such as units, and is skipped: {}",
                    record.line,
                    excerpt(&cells.join(", "))
                ));
            }
        }
        if sample.is_empty() {
            return Err(TrajectoryError::NoRows {
                file: path.to_owned(),
            });
        }
        if !has_names {
            notes.push(
                "the first line holds numbers, so it is taken for a row and the columns are called \
                 c0, c1, …"
                    .to_owned(),
            );
        }
        let columns = names
            .into_iter()
            .enumerate()
            .map(|(index, name)| {
                let unnamed = has_names && name.is_empty();
                let kind = match kind_of(&sample, index, dialect.delimiter) {
                    Kind::Number if unnamed => Kind::Unnamed,
                    kind => kind,
                };
                let name = match name.is_empty() {
                    true if unnamed && kind == Kind::Blank => name,
                    true => format!("c{index}"),
                    false => name,
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
            has_names,
            notes,
            bounds,
        })
    }
}

/// The text of a file in UTF-8.
fn decoded(
    path: &Path,
    file: std::fs::File,
    encoding: Option<&str>,
) -> Result<Box<dyn Read>, TrajectoryError> {
    let encoding = match encoding {
        None => None,
        Some(label) => Some(Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            TrajectoryError::UnknownEncoding {
                file: path.to_owned(),
                encoding: label.to_owned(),
            }
        })?),
    };
    let decoder = DecodeReaderBytesBuilder::new()
        .encoding(encoding)
        .utf8_passthru(true)
        .strip_bom(true)
        .build(file);
    Ok(Box::new(decoder))
}

/// The rest of a text behind its first lines.
fn without_lines(text: &[u8], lines: usize) -> Vec<u8> {
    let mut parts = text.splitn(lines + 1, |&byte| byte == b'\n');
    parts.nth(lines).unwrap_or_default().to_vec()
}

/// How many rows under the header hold words where numbers follow.
fn unit_lines(sample: &[Record], delimiter: u8) -> usize {
    let mut count = 0;
    while count < MOST_UNIT_LINES && are_units(&sample[count.min(sample.len())..], delimiter) {
        count += 1;
    }
    count
}

/// Whether the first of some rows holds no number, but words in columns of numbers or dates that do
/// not come back there.
fn are_units(rows: &[Record], delimiter: u8) -> bool {
    let Some((first, others)) = rows.split_first() else {
        return false;
    };
    let others = &others[..others.len().min(ROWS_UNDER_UNITS)];
    let mut words = 0;
    for (index, cell) in first.cells.iter().enumerate() {
        let below = || others.iter().map(|record| &record.cells[index]);
        let text = |c: &&[u8]| matches!(parse(c, delimiter), Parsed::Text);
        let date = |c: &[u8]| is_date(std::str::from_utf8(c).unwrap_or_default());
        let values = below()
            .filter(|&c| !c.is_empty() && (!text(&c) || date(c)))
            .count();
        let words_below = below().filter(|&c| text(&c) && !date(c)).count();
        match parse(cell, delimiter) {
            Parsed::Number(_) => return false,
            Parsed::Text if date(cell) => return false,
            Parsed::Text if values > words_below => match below().any(|c| c == cell) {
                true => return false,
                false => words += 1,
            },
            _ => {}
        }
    }
    words > 0
}

impl Source for CsvSource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn file(&self) -> &Path {
        &self.records.file
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn has_names(&self) -> bool {
        self.has_names
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
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
            table.make_room(row + 1)?;
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
                    match parse(cell, self.records.dialect.delimiter) {
                        Parsed::Number(value) => table.clock(index).number(value),
                        Parsed::Missing(_) => table.clock(index).missing(),
                        Parsed::Text => {
                            let text = std::str::from_utf8(cell).unwrap_or_default();
                            table.clock(index).text(text);
                        }
                    }
                    continue;
                }
                Slot::Value(..) => parse(cell, self.records.dialect.delimiter),
            };
            let value = match parsed {
                Parsed::Number(value) => value,
                Parsed::Missing(what) if table.refuses_missing() => match slot {
                    // The row behind the last step of an episode has neither.
                    Slot::Value(Block::Action | Block::Reward, _) => {
                        table.remember_gap(row, record.line, what);
                        f64::NAN
                    }
                    _ => return Err(missing(what)),
                },
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

/// The records of a file, all of the same width.
struct Records {
    file: PathBuf,
    reader: Reader<Watched>,
    dialect: Dialect,
    /// Cells of every record, 0 before the first.
    width: usize,
    lines_before: u64,
    since_record: Rc<Cell<u64>>,
    last_line: u64,
}

impl Records {
    fn new(
        file: &Path,
        head: Vec<u8>,
        rest: BufReader<Box<dyn Read>>,
        dialect: Dialect,
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
        // A last line end, so that every record has one.
        let text = Cursor::new(head).chain(rest).chain(line_end.as_slice());
        let input = Watched {
            input: match dialect.runs {
                true => Box::new(Squeezed::new(text)),
                false => Box::new(text),
            },
            since_record: Rc::clone(&since_record),
        };
        Self {
            file: file.to_owned(),
            reader: ReaderBuilder::new()
                .delimiter(dialect.delimiter)
                .terminator(Terminator::Any(line_end[0]))
                .has_headers(false)
                .flexible(true)
                .buffer_capacity(1 << 16)
                .from_reader(input),
            dialect,
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
    input: Box<dyn Read>,
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
                return if is_date(text) {
                    Kind::Date
                } else {
                    Kind::Text
                };
            }
        }
    }
    Kind::Blank
}
