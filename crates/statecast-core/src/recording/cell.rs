//! A cell of a table that is no text file, on its way into the table.

use super::RecordingError;
use super::calendar::month_named;
use super::dialect::{Parsed, is_missing, parse, placeholder};
use super::error::excerpt;
use super::gregorian::Date;
use super::rounded::large_integer;
use super::table::{Slot, Table};

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Integer(i128),
    Float(f64),
    Text(&'a str),
    /// Nanoseconds since the beginning of 1970.
    Time(i128),
}

impl Table {
    /// Takes a cell of column `index` of the file; rows come in order.
    pub(super) fn put(
        &mut self,
        index: usize,
        slot: Slot,
        row: usize,
        cell: Cell,
    ) -> Result<(), RecordingError> {
        match slot {
            Slot::Label(_) | Slot::Word => {
                let text = match cell {
                    Cell::Integer(value) => value.to_string(),
                    Cell::Float(value) if value.is_finite() => value.to_string(),
                    Cell::Text(text) if !is_missing(text.trim()) => text.to_owned(),
                    Cell::Time(nanos) => Date::since_1970(nanos).to_string(),
                    Cell::Float(_) | Cell::Text(_) | Cell::Missing => String::new(),
                };
                self.label(index, slot, row, &text);
            }
            Slot::Time(_) => match cell {
                Cell::Integer(value) => self.time(index, value),
                Cell::Float(value) => self.clock(index).number(value),
                Cell::Time(nanos) => self.clock(index).nanos(nanos),
                Cell::Text(text) => match parse(text.as_bytes(), b',') {
                    Parsed::Number(value) => match large_integer(text.as_bytes(), value) {
                        Some(integer) => self.time(index, integer),
                        None => self.clock(index).number(value),
                    },
                    Parsed::Missing(_) => self.clock(index).missing(),
                    Parsed::Text => self.clock(index).text(text),
                },
                Cell::Missing => self.clock(index).missing(),
            },
            Slot::Part(_) => {
                let value = match cell {
                    Cell::Integer(value) => value as f64,
                    Cell::Float(value) => value,
                    Cell::Text(text) => match parse(text.as_bytes(), b',') {
                        Parsed::Number(value) => value,
                        Parsed::Missing(_) => f64::NAN,
                        Parsed::Text => month_named(text.trim()).map_or(f64::NAN, |m| m as f64),
                    },
                    Cell::Time(_) | Cell::Missing => f64::NAN,
                };
                self.part(index, value);
            }
            Slot::Value(block, position) if self.is_of_words(block, position) => {
                let code = match cell {
                    Cell::Text(text) => self.code(position, row, text)?,
                    Cell::Integer(value) => self.code(position, row, &value.to_string())?,
                    Cell::Float(value) if value.is_finite() => {
                        self.code(position, row, &value.to_string())?
                    }
                    Cell::Float(_) | Cell::Time(_) | Cell::Missing => None,
                };
                self.set(block, position, row, code.unwrap_or(f64::NAN));
            }
            Slot::Value(block, position) => {
                let value = match cell {
                    Cell::Missing => f64::NAN,
                    Cell::Integer(integer) => {
                        self.set_integer(block, position, row, integer);
                        return Ok(());
                    }
                    Cell::Float(value) => value,
                    Cell::Time(nanos) => nanos as f64 * 1e-9,
                    Cell::Text(text) => match parse(text.as_bytes(), b',') {
                        Parsed::Number(value) => match large_integer(text.as_bytes(), value) {
                            Some(integer) => {
                                self.set_integer(block, position, row, integer);
                                return Ok(());
                            }
                            None => value,
                        },
                        Parsed::Missing("infinite") => f64::INFINITY,
                        Parsed::Missing(_) => f64::NAN,
                        Parsed::Text if placeholder(text).is_some() => f64::NAN,
                        Parsed::Text => match self.written((block, position), row, text, b',') {
                            Some(value) => value,
                            None => {
                                return Err(RecordingError::NotANumber {
                                    file: self.file.clone(),
                                    row: row + 1,
                                    line: None,
                                    column: self.blocks[block as usize].names[position].clone(),
                                    text: excerpt(text),
                                });
                            }
                        },
                    },
                };
                self.set(block, position, row, value);
            }
        }
        Ok(())
    }
}
