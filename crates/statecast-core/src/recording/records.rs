//! The records of a text table, lines counted and no longer than a row of numbers is.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

use super::RecordingError;
use super::dialect::{Dialect, Squeezed};

/// Longer than any row of numbers; a lost quote would otherwise pull the whole file into one cell.
const LONGEST_RECORD: u64 = 16 << 20;

/// One line of cells.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) cells: ByteRecord,
    /// The line of the file on which it ends.
    pub(super) line: u64,
}

/// The records of a file, all of the same width.
pub(super) struct Records {
    pub(super) file: PathBuf,
    reader: Reader<Watched>,
    pub(super) dialect: Dialect,
    /// Cells of every record, 0 before the first.
    pub(super) width: usize,
    lines_before: u64,
    since_record: Rc<Cell<u64>>,
    last_line: u64,
}

impl Records {
    pub(super) fn new(
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

    pub(super) fn next(&mut self) -> Result<Option<Record>, RecordingError> {
        let mut record = Record::default();
        Ok(self.read(&mut record)?.then_some(record))
    }

    /// Reads the next record over the last one; `false` at the end of the file.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, RecordingError> {
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
        let ragged = |line, found| RecordingError::Ragged {
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

    fn explain(&self, fault: ErrorKind) -> RecordingError {
        match fault {
            ErrorKind::Io(fault) if fault.kind() == io::ErrorKind::FileTooLarge => {
                RecordingError::LongLine {
                    file: self.file.clone(),
                    line: self.last_line + 1,
                    limit: LONGEST_RECORD,
                }
            }
            ErrorKind::Io(source) => RecordingError::Io {
                file: self.file.clone(),
                source,
            },
            fault => RecordingError::Corrupt {
                file: self.file.clone(),
                format: "CSV",
                reason: format!("{fault:?}"),
            },
        }
    }

    pub(super) fn text<'a>(
        &self,
        record: &Record,
        cell: &'a [u8],
    ) -> Result<&'a str, RecordingError> {
        let text = std::str::from_utf8(cell).map_err(|_| RecordingError::NotText {
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
