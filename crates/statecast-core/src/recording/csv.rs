//! Text tables: one row a line, cells between delimiters.

use std::collections::HashSet;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;

use super::RecordingError;
use super::bounds::Bounds;
use super::calendar::{When, month_named, when};
use super::cells::Block;
use super::clock::is_date;
use super::dialect::{
    HEAD_BYTES, HeaderFit, Parsed, dialect, is_missing, names_in_comments, parse, placeholder,
    skip_preamble,
};
use super::error::excerpt;
use super::header::{holds_dates, known_by_values, names_columns};
use super::input::Input;
use super::labels::Claim;
use super::marked::{is_unit, mark_of_column, marked};
use super::records::{Record, Records};
use super::rounded::large_integer;
use super::source::{Column, Kind, MAX_COLUMNS, Precision, Source};
use super::table::{Slot, Table};
use super::thousands::{Reading, readings, without};
use super::written::written;

/// What is looked at to find out what the columns hold.
const SAMPLE_ROWS: usize = 1000;
const SAMPLE_BYTES: usize = 4 << 20;

/// Lines under the header that may hold units or the like.
const MAX_UNIT_LINES: usize = 3;
/// Rows that a line of units is compared with.
const ROWS_UNDER_UNITS: usize = 50;

/// A CSV file whose header and first rows have been read.
pub(super) struct CsvSource {
    pub(super) records: Records,
    columns: Vec<Column>,
    pub(super) sample: Vec<Record>,
    /// The mark that all first numbers of a column have, such as that of percent.
    marks: Vec<Option<String>>,
    /// What of each column marks thousands.
    thousands: Vec<Option<u8>>,
    has_names: bool,
    notes: Vec<String>,
    bounds: Bounds,
}

impl CsvSource {
    pub(super) fn open(input: Input, encoding: Option<&str>) -> Result<Self, RecordingError> {
        let bounds = input.bounds;
        let path = input.name.as_path();
        let io = |source| RecordingError::Io {
            file: path.to_owned(),
            source,
        };
        let mut text = decoded(path, input.file, encoding)?;
        // The decoder hands out the first bytes apart from the others: a line would be cut there.
        let mut start = Vec::new();
        let read = text.by_ref().take(HEAD_BYTES).read_to_end(&mut start);
        read.map_err(io)?;
        let text: Box<dyn Read> = Box::new(Cursor::new(start).chain(text));
        let mut reader = BufReader::new(text);
        let preamble = skip_preamble(&mut reader).map_err(io)?;
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(io)?;
        if head.is_empty() {
            return Err(RecordingError::Empty {
                file: path.to_owned(),
            });
        }
        if head.contains(&0) {
            return Err(RecordingError::Corrupt {
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
            return Err(RecordingError::Empty {
                file: path.to_owned(),
            });
        };
        if first.cells.len() >= MAX_COLUMNS {
            return Err(RecordingError::TooManyColumns {
                file: path.to_owned(),
                limit: MAX_COLUMNS,
            });
        }
        let commented = names_in_comments(&preamble, &dialect, first.cells.len());
        // Under names in a comment a first line with a number is a row, whatever words it has.
        let holds_number = first
            .cells
            .iter()
            .any(|cell| matches!(parse(cell, dialect.delimiter), Parsed::Number(_)));
        let commented = commented.filter(|_| holds_number);
        records.width = first.cells.len() + usize::from(dialect.header != HeaderFit::Equal);
        let mut sample = Vec::new();
        let mut bytes = 0;
        while sample.len() < SAMPLE_ROWS
            && bytes < SAMPLE_BYTES
            && let Some(record) = records.next()?
        {
            bytes += record.cells.as_slice().len();
            sample.push(record);
        }
        let has_header = dialect.header != HeaderFit::Equal
            || commented.is_none() && names_columns(&first.cells, &sample, dialect.delimiter);
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
            }
            false => sample.insert(0, first),
        }
        let has_names = has_header || commented.is_some();
        names = commented.unwrap_or(names);
        names.resize(records.width, String::new());
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
            return Err(RecordingError::NoRows {
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
        let known = (!has_names)
            .then(|| known_by_values(&sample, dialect.delimiter))
            .flatten();
        notes.extend(known.map(|(_, note)| note.to_owned()));
        let known = known.map_or(&[][..], |(known, _)| known);
        let marks: Vec<Option<String>> = (0..records.width)
            .map(|index| mark_of_column(&sample, index, dialect.delimiter))
            .collect();
        let readings = readings(&sample, records.width, dialect.delimiter);
        let thousands: Vec<Option<u8>> = readings
            .iter()
            .map(|reading| match reading {
                Some(Reading::Thousands(mark)) => Some(*mark),
                _ => None,
            })
            .collect();
        let columns: Vec<Column> = names
            .into_iter()
            .enumerate()
            .map(|(index, name)| {
                let unnamed = has_names && name.is_empty();
                let grouped = thousands[index].is_some();
                let kind = match kind_of(&sample, index, dialect.delimiter) {
                    Kind::Text if (marks[index].is_some() || grouped) && !unnamed => Kind::Number,
                    Kind::Number if unnamed => Kind::Unnamed,
                    kind => kind,
                };
                let name = match name.is_empty() {
                    true if unnamed && kind == Kind::Blank => name,
                    true => format!("c{index}"),
                    false => name,
                };
                let by_place = known.get(index).map(|known| (*known).to_owned());
                let array = by_place.or_else(|| {
                    let dates = !has_names && holds_dates(&sample, index, dialect.delimiter);
                    dates.then(|| "yyyymmdd".to_owned())
                });
                Column { name, array, kind }
            })
            .collect();
        let said = columns.iter().zip(readings).filter_map(|(column, reading)| {
            let (reading, name) = (reading?, &column.name);
            Some(match reading {
                Reading::Thousands(mark) => {
                    let mark = char::from(mark);
                    format!("\"{mark}\" marks thousands in {name}: 1{mark}234 is read as 1234")
                }
                Reading::Unclear(mark) => {
                    let mark = char::from(mark);
                    format!(
                        "\"{mark}\" is read as the decimal mark in {name}; if it marks thousands, write 1234 for \
                         1{mark}234"
                    )
                }
            })
        });
        notes.extend(said);
        notes.extend(columns.iter().zip(&marks).filter_map(|(column, mark)| {
            let unit = mark.as_ref().filter(|mark| is_unit(mark))?;
            Some(format!(
                "{unit} after the numbers of {} is their unit",
                column.name
            ))
        }));
        Ok(Self {
            records,
            columns,
            sample,
            marks,
            thousands,
            has_names,
            notes,
            bounds,
        })
    }
}

impl CsvSource {
    pub(super) fn delimiter(&self) -> u8 {
        self.records.dialect.delimiter
    }
}

/// The text of a file in UTF-8.
fn decoded(
    path: &Path,
    file: std::fs::File,
    encoding: Option<&str>,
) -> Result<Box<dyn Read>, RecordingError> {
    // The web knows latin1, Python latin-1 and utf_16_le.
    let known = |label: &str| {
        let dashed = label.replace('_', "-");
        let spellings = [label.to_owned(), label.replace(['-', '_'], ""), dashed];
        let found = |label: &String| Encoding::for_label(label.as_bytes());
        spellings.iter().find_map(found)
    };
    let encoding = match encoding {
        None => None,
        Some(label) => Some(known(label).ok_or_else(|| RecordingError::UnknownEncoding {
            file: path.to_owned(),
            encoding: label.to_owned(),
        })?),
    };
    let decoder = DecodeReaderBytesBuilder::new()
        .encoding(encoding)
        .utf8_passthru(true)
        .strip_bom(true)
        .build(file);
    Ok(Box::new(decoder))
}

/// The rest of a text after its first lines.
fn without_lines(text: &[u8], lines: usize) -> Vec<u8> {
    let mut parts = text.splitn(lines + 1, |&byte| byte == b'\n');
    parts.nth(lines).unwrap_or_default().to_vec()
}

/// How many rows under the header hold words where numbers follow.
fn unit_lines(sample: &[Record], delimiter: u8) -> usize {
    let mut count = 0;
    while count < MAX_UNIT_LINES && are_units(&sample[count.min(sample.len())..], delimiter) {
        count += 1;
    }
    count
}

/// Whether the first of some rows holds no number, but words in columns of numbers or dates that do
/// not come back below.
fn are_units(rows: &[Record], delimiter: u8) -> bool {
    let Some((first, others)) = rows.split_first() else {
        return false;
    };
    let others = &others[..others.len().min(ROWS_UNDER_UNITS)];
    let below: HashSet<&[u8]> = others.iter().flat_map(|record| &record.cells).collect();
    let mut words = 0;
    for (index, cell) in first.cells.iter().enumerate() {
        let column = || others.iter().map(|record| &record.cells[index]);
        let text = |c: &&[u8]| matches!(parse(c, delimiter), Parsed::Text);
        let date = |c: &[u8]| is_date(std::str::from_utf8(c).unwrap_or_default());
        let values = column()
            .filter(|&c| !c.is_empty() && (!text(&c) || date(c)))
            .count();
        let words_below = column().filter(|&c| text(&c) && !date(c)).count();
        match parse(cell, delimiter) {
            Parsed::Number(_) => return false,
            Parsed::Text if date(cell) => return false,
            Parsed::Text if values > words_below => match below.contains(cell) {
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
    ) -> Result<(), RecordingError> {
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
    /// Reads a cell of a column.
    fn parse(&self, index: usize, cell: &[u8]) -> Parsed {
        let delimiter = self.records.dialect.delimiter;
        match self.thousands[index] {
            Some(mark) if cell.contains(&mark) => {
                without(cell, mark).map_or(Parsed::Text, |digits| parse(&digits, delimiter))
            }
            _ => parse(cell, delimiter),
        }
    }

    fn take_row(
        &self,
        record: &Record,
        row: usize,
        used: &[(usize, Slot)],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        for &(index, slot) in used {
            let cell = &record.cells[index];
            let missing = |what| RecordingError::Missing {
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
                    match self.parse(index, cell) {
                        Parsed::Number(value) => match large_integer(cell, value) {
                            Some(integer) => table.time(index, integer),
                            None => table.clock(index).number(value),
                        },
                        Parsed::Missing(_) => table.clock(index).missing(),
                        Parsed::Text => {
                            let text = std::str::from_utf8(cell).unwrap_or_default();
                            table.clock(index).text(text);
                        }
                    }
                    continue;
                }
                Slot::Part(_) => {
                    let value = match self.parse(index, cell) {
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
                Slot::Value(block, position) if table.is_of_words(block, position) => {
                    match table.code(position, row, self.records.text(record, cell)?)? {
                        Some(code) => Parsed::Number(code),
                        None => Parsed::Missing("empty"),
                    }
                }
                Slot::Value(block, position) => match self.parse(index, cell) {
                    Parsed::Text => {
                        let text = std::str::from_utf8(cell).unwrap_or_default();
                        let delimiter = self.records.dialect.delimiter;
                        let plain = self.thousands[index].and_then(|mark| without(cell, mark));
                        let number = || {
                            let (mark, value) =
                                marked(plain.as_deref().unwrap_or(cell), delimiter)?;
                            (self.marks[index].as_deref() == Some(mark)).then_some(value)
                        };
                        if let Some(value) = number() {
                            Parsed::Number(value)
                        } else if let Some(missing) = placeholder(text) {
                            Parsed::Missing(missing)
                        } else {
                            match table.written((block, position), row, text, delimiter) {
                                Some(value) if value.is_nan() => Parsed::Missing("\":\" (missing)"),
                                Some(value) => Parsed::Number(value),
                                None => Parsed::Text,
                            }
                        }
                    }
                    parsed => parsed,
                },
            };
            let value = match parsed {
                Parsed::Number(value) => {
                    if let (Some(integer), Slot::Value(block, position)) =
                        (large_integer(cell, value), slot)
                    {
                        table.set_integer(block, position, row, integer);
                        continue;
                    }
                    value
                }
                Parsed::Missing(what) if table.refuses_missing() => match slot {
                    // The row after the last step of an episode has none of them.
                    Slot::Value(Block::Action | Block::Reward | Block::Successor, _) => {
                        table.remember_gap(row, record.line, what);
                        f64::NAN
                    }
                    _ if table.keeps_some_episodes() => {
                        table.remember_gap(row, record.line, what);
                        f64::NAN
                    }
                    _ => return Err(missing(what)),
                },
                Parsed::Missing(_) => f64::NAN,
                Parsed::Text => {
                    return Err(RecordingError::NotANumber {
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

/// What a column holds, by its first cell that holds anything, or words for nothing only.
fn kind_of(sample: &[Record], index: usize, delimiter: u8) -> Kind {
    let mut kind = Kind::Blank;
    for record in sample {
        match parse(&record.cells[index], delimiter) {
            Parsed::Number(_) => return Kind::Number,
            Parsed::Missing("empty") => {}
            Parsed::Missing(_) => return Kind::Number,
            Parsed::Text => {
                let text = std::str::from_utf8(&record.cells[index]).unwrap_or_default();
                if placeholder(text).is_some() || written(text, delimiter).is_some() {
                    kind = Kind::Text;
                    continue;
                }
                return match when(text) {
                    Some(When::Date(date)) if date.is_day() => Kind::Date(Precision::Day),
                    Some(_) => Kind::Date(Precision::Time),
                    None => Kind::Text,
                };
            }
        }
    }
    kind
}
