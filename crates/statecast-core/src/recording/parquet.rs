//! Parquet files: columns in row groups, of which only the used ones are decoded; lists of as many
//! numbers in every row are columns, too, as in the tables of LeRobot.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{DataType, Int96};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;
use half::f16;

use super::RecordingError;
use super::bounds::Bounds;
use super::cell::Cell;
use super::input::Input;
use super::lerobot::Features;
use super::parquet_pages::{Pages, unread_codec};
use super::source::{Column, Kind, MAX_COLUMNS, Precision, Source};
use super::table::{Slot, Table};
use crate::guard;

const NANOS_OF_DAY: i128 = 86_400_000_000_000;
/// The day of 1970 among those that INT96 counts.
const DAY_OF_1970: i128 = 2_440_588;

/// A Parquet file whose footer has been read.
pub(super) struct ParquetSource {
    file: PathBuf,
    bounds: Bounds,
    reader: SerializedFileReader<Pages>,
    columns: Vec<Column>,
    leaves: Vec<Leaf>,
    file_bytes: u64,
}

/// A column of the file, which is several of the recording if it holds lists.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    /// Position of its first column of the recording.
    first: usize,
    /// Items of a row.
    width: usize,
}

impl ParquetSource {
    pub(super) fn open(mut input: Input, path: &Path) -> Result<Self, RecordingError> {
        let file = input.handle()?;
        let io = |source| RecordingError::Io {
            file: input.name.clone(),
            source,
        };
        let file_bytes = file.metadata().map_err(io)?.len();
        let name = input.name.as_path();
        let (pages, begun) = Pages::of(file, input.bounds);
        let reader = guard::catch(|| SerializedFileReader::new(pages))
            .map_err(|reason| corrupt(name, reason))?
            .map_err(|fault| corrupt(name, fault))?;
        begun.store(true, Ordering::Relaxed);
        let mut source = Self {
            bounds: input.bounds,
            file: input.name,
            reader,
            columns: Vec::new(),
            leaves: Vec::new(),
            file_bytes,
        };
        let features = Features::beside(path);
        let file = source.file.clone();
        guard::catch(|| source.find_columns(&features))
            .map_err(|reason| corrupt(&file, reason))??;
        Ok(source)
    }

    fn find_columns(&mut self, features: &Features) -> Result<(), RecordingError> {
        let schema = self.reader.metadata().file_metadata().schema_descr_ptr();
        for (leaf, descriptor) in schema.columns().iter().enumerate() {
            let groups = self.reader.metadata().row_groups();
            let blank = !groups.is_empty()
                && groups
                    .iter()
                    .all(|group| group.columns().get(leaf).is_some_and(is_blank));
            let kind = if blank { Kind::Blank } else { kind(descriptor) };
            let first = self.columns.len();
            let parts = descriptor.path().parts();
            let is_list = descriptor.max_rep_level() == 1 && kind == Kind::Number;
            let width = match is_list {
                true => self.first_width(leaf)?,
                false => 0,
            };
            let named =
                |name: String, array: Option<String>, kind: Kind| Column { name, array, kind };
            match width {
                0 => {
                    let kind = match descriptor.max_rep_level() {
                        0 => kind,
                        _ => Kind::Unusable("nested; save one column per number".to_owned()),
                    };
                    self.columns.push(named(parts.join("."), None, kind));
                }
                width => {
                    // Between the name and the numbers there are words of the format.
                    let name = parts.first().cloned().unwrap_or_default();
                    let names = features.names(&name, width);
                    let columns = names.into_iter();
                    self.columns
                        .extend(columns.map(|c| named(c, Some(name.clone()), Kind::Number)));
                }
            }
            self.leaves.push(Leaf {
                first,
                width: width.max(1),
            });
            if self.columns.len() > MAX_COLUMNS {
                return Err(RecordingError::TooManyColumns {
                    file: self.file.clone(),
                    limit: MAX_COLUMNS,
                });
            }
        }
        Ok(())
    }

    /// Items of the list in the first row; none if there is none.
    fn first_width(&self, leaf: usize) -> Result<usize, RecordingError> {
        let failed = |fault: ParquetError| corrupt(&self.file, fault);
        if self.reader.num_row_groups() == 0 {
            return Ok(0);
        }
        let group = self.reader.get_row_group(0).map_err(failed)?;
        self.check_chunk(group.metadata().column(leaf))?;
        fn count<T: DataType>(mut reader: ColumnReaderImpl<T>) -> Result<usize, ParquetError> {
            let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
            reader.read_records(1, Some(&mut defined), Some(&mut repeated), &mut values)?;
            Ok(values.len())
        }
        let counted = match group.get_column_reader(leaf).map_err(failed)? {
            ColumnReader::BoolColumnReader(reader) => count(reader),
            ColumnReader::Int32ColumnReader(reader) => count(reader),
            ColumnReader::Int64ColumnReader(reader) => count(reader),
            ColumnReader::FloatColumnReader(reader) => count(reader),
            ColumnReader::DoubleColumnReader(reader) => count(reader),
            _ => Ok(0),
        };
        Ok(counted.map_err(failed)?.min(MAX_COLUMNS + 1))
    }

    /// Streams the used columns of a leaf of one row group, starting at `first_row`; how many rows it
    /// has.
    fn read_chunk(
        &self,
        group: usize,
        leaf: usize,
        slots: &[Option<Slot>],
        first_row: usize,
        table: &mut Table,
    ) -> Result<usize, RecordingError> {
        let failed = |fault: ParquetError| corrupt(&self.file, fault);
        let group = self.reader.get_row_group(group).map_err(failed)?;
        self.check_chunk(group.metadata().column(leaf))?;
        let descriptor = group.metadata().column(leaf).column_descr_ptr();
        let mut rows = Rows {
            source: self,
            leaf: self.leaves[leaf],
            slots,
            table,
            row: first_row,
            items: 0,
            missing: false,
        };
        let unsigned = is_unsigned(&descriptor);
        let unit = unit(&descriptor);
        let digits = decimal_digits(&descriptor);
        let integer = |value: i128| match (unit, digits) {
            (Some(unit), _) => value.checked_mul(unit).map_or(Cell::Missing, Cell::Time),
            (None, Some(digits)) => Cell::Float(value as f64 / 10f64.powi(digits)),
            (None, None) => Cell::Integer(value),
        };
        let float16 = descriptor.logical_type_ref() == Some(&LogicalType::Float16);
        match group.get_column_reader(leaf).map_err(failed)? {
            ColumnReader::BoolColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |&value| {
                    Cell::Integer(i128::from(value))
                })
            }
            ColumnReader::Int32ColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |&value| match unsigned {
                    true => integer(i128::from(value.cast_unsigned())),
                    false => integer(i128::from(value)),
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |&value| match unsigned {
                    true => integer(i128::from(value.cast_unsigned())),
                    false => integer(i128::from(value)),
                })
            }
            ColumnReader::FloatColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |&value| {
                    Cell::Float(f64::from(value))
                })
            }
            ColumnReader::DoubleColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |&value| Cell::Float(value))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |value| match digits {
                    Some(digits) => decimal(value.data(), digits),
                    None => std::str::from_utf8(value.data()).map_or(Cell::Missing, Cell::Text),
                })
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, |value| {
                    match (value.data(), digits) {
                        (&[low, high], _) if float16 => {
                            Cell::Float(f16::from_le_bytes([low, high]).to_f64())
                        }
                        (bytes, Some(digits)) => decimal(bytes, digits),
                        _ => Cell::Missing,
                    }
                })
            }
            ColumnReader::Int96ColumnReader(reader) => {
                self.drain(reader, &descriptor, &mut rows, time_of_int96)
            }
        }?;
        Ok(rows.row - first_row)
    }

    /// Streams the used columns into the table, from a row of it on; how many rows there are.
    pub(super) fn read_from(
        &self,
        start: usize,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<usize, RecordingError> {
        let claimed = self.reader.metadata().file_metadata().num_rows();
        table.make_room(start.saturating_add(usize::try_from(claimed).unwrap_or(0)))?;
        let mut first_row = start;
        for group in 0..self.reader.num_row_groups() {
            let mut group_rows = None;
            for (index, leaf) in self.leaves.iter().enumerate() {
                let slots = &slots[leaf.first..][..leaf.width];
                if slots.iter().all(Option::is_none) {
                    continue;
                }
                let rows = guard::catch(|| self.read_chunk(group, index, slots, first_row, table))
                    .map_err(|reason| corrupt(&self.file, reason))??;
                if *group_rows.get_or_insert(rows) != rows {
                    return Err(corrupt(
                        &self.file,
                        format!("its columns have different lengths in row group {group}"),
                    ));
                }
            }
            first_row += group_rows.unwrap_or(0);
        }
        Ok(first_row - start)
    }

    /// Passes every cell of a column chunk on, null as missing.
    fn drain<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        descriptor: &ColumnDescriptor,
        rows: &mut Rows,
        cell: impl Fn(&T::T) -> Cell<'_>,
    ) -> Result<(), RecordingError> {
        const BATCH: usize = 8192;
        let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        let optional = descriptor.max_def_level() > 0;
        let listed = descriptor.max_rep_level() > 0;
        loop {
            values.clear();
            defined.clear();
            repeated.clear();
            let (records, ..) = reader
                .read_records(
                    BATCH,
                    optional.then_some(&mut defined),
                    listed.then_some(&mut repeated),
                    &mut values,
                )
                .map_err(|fault| corrupt(&self.file, fault))?;
            if records == 0 {
                return rows.end_row();
            }
            let mut present = values.iter();
            let levels = match optional {
                true => defined.len(),
                false => values.len(),
            };
            for index in 0..levels {
                let level = defined.get(index).copied();
                let is_present = level.is_none_or(|level| level == descriptor.max_def_level());
                let value = if is_present { present.next() } else { None };
                let starts = !listed || repeated.get(index) == Some(&0);
                rows.put(starts, value.map_or(Cell::Missing, &cell))?;
            }
        }
    }

    /// Refuses a compression that is not read, and a footer that points outside the file, before anything is
    /// allocated for it.
    fn check_chunk(&self, chunk: &ColumnChunkMetaData) -> Result<(), RecordingError> {
        if let Some(codec) = unread_codec(chunk.compression()) {
            let column = chunk.column_path().string();
            let reason = format!(
                "column {column} is compressed by {codec}, and zstd, snappy, gzip, lz4 and none are read"
            );
            return Err(corrupt(&self.file, reason));
        }
        let start = chunk
            .dictionary_page_offset()
            .unwrap_or(chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size());
        let inside = start >= 0
            && chunk.compressed_size() >= 0
            && end.is_some_and(|end| end.cast_unsigned() <= self.file_bytes);
        if inside {
            Ok(())
        } else {
            Err(corrupt(&self.file, "its footer points outside the file"))
        }
    }
}

/// The rows of a leaf on their way into the table.
struct Rows<'s, 't> {
    source: &'s ParquetSource,
    leaf: Leaf,
    slots: &'s [Option<Slot>],
    table: &'t mut Table,
    row: usize,
    /// Items of the row so far, and whether the last of them is missing.
    items: usize,
    missing: bool,
}

impl Rows<'_, '_> {
    /// Takes a cell, which may be the first of a row.
    fn put(&mut self, starts: bool, cell: Cell) -> Result<(), RecordingError> {
        if starts {
            self.end_row()?;
            self.table.make_room(self.row + 1)?;
        }
        if let Some(Some(slot)) = self.slots.get(self.items) {
            self.table
                .put(self.leaf.first + self.items, *slot, self.row, cell)?;
        }
        self.missing = cell == Cell::Missing;
        self.items += 1;
        Ok(())
    }

    /// Goes on to the next row, if there is one before it.
    fn end_row(&mut self) -> Result<(), RecordingError> {
        let width = self.leaf.width;
        if self.items == 0 {
            return Ok(());
        }
        // A list that is missing is one missing item.
        if self.items == 1 && self.missing {
            for (item, slot) in self.slots.iter().enumerate().skip(1) {
                if let Some(slot) = slot {
                    self.table
                        .put(self.leaf.first + item, *slot, self.row, Cell::Missing)?;
                }
            }
        } else if self.items != width {
            let column = &self.source.columns[self.leaf.first];
            let reason = format!(
                "column {} has {} values in row {} and {width} in the first",
                column.family(),
                self.items,
                self.row + 1
            );
            return Err(corrupt(&self.source.file, reason));
        }
        self.items = 0;
        self.row += 1;
        Ok(())
    }
}

impl Source for ParquetSource {
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
        self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        self.read_from(0, slots, table).map(|_| ())
    }
}

/// A decimal of big-endian bytes.
fn decimal(bytes: &[u8], digits: i32) -> Cell<'static> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let value = bytes
        .iter()
        .fold(if negative { -1.0 } else { 0.0 }, |value: f64, &byte| {
            256.0 * value + f64::from(byte)
        });
    Cell::Float(value / 10f64.powi(digits))
}

/// The nanoseconds of the day and the day of a time of old writers.
fn time_of_int96(value: &Int96) -> Cell<'_> {
    match *value.data() {
        [low, high, day] => {
            let of_day = i128::from(low) | i128::from(high) << 32;
            Cell::Time((i128::from(day) - DAY_OF_1970) * NANOS_OF_DAY + of_day)
        }
        _ => Cell::Missing,
    }
}

/// Nanoseconds of the unit of a date or time.
fn unit(descriptor: &ColumnDescriptor) -> Option<i128> {
    match (descriptor.logical_type_ref(), descriptor.converted_type()) {
        (Some(LogicalType::Timestamp(timestamp)), _) => Some(match timestamp.unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1000,
            TimeUnit::NANOS => 1,
        }),
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Some(NANOS_OF_DAY),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => Some(1000),
        _ => None,
    }
}

/// Digits after the point of a decimal.
fn decimal_digits(descriptor: &ColumnDescriptor) -> Option<i32> {
    let is_decimal = matches!(descriptor.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || descriptor.converted_type() == ConvertedType::DECIMAL;
    is_decimal.then(|| descriptor.type_scale())
}

fn kind(descriptor: &ColumnDescriptor) -> Kind {
    let unusable = |reason: &str| Kind::Unusable(reason.to_owned());
    match (
        descriptor.physical_type(),
        descriptor.logical_type_ref(),
        descriptor.converted_type(),
    ) {
        (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, ..) => Kind::Number,
        (Type::INT32 | Type::INT64, None, ConvertedType::NONE) => Kind::Number,
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(_)), _) => Kind::Number,
        (
            Type::INT32 | Type::INT64,
            None,
            ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64
            | ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64,
        ) => Kind::Number,
        (Type::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16), _) => Kind::Number,
        (_, Some(LogicalType::Decimal(_)), _) | (_, _, ConvertedType::DECIMAL) => Kind::Number,
        (Type::INT32 | Type::INT64 | Type::INT96, ..) => Kind::Date(Precision::Time),
        (Type::BYTE_ARRAY, ..) => Kind::Text,
        (Type::FIXED_LEN_BYTE_ARRAY, ..) => unusable("raw bytes"),
    }
}

fn is_unsigned(descriptor: &ColumnDescriptor) -> bool {
    match descriptor.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => !integer.is_signed,
        _ => matches!(
            descriptor.converted_type(),
            ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        ),
    }
}

/// Whether the statistics say that every cell is null.
fn is_blank(chunk: &ColumnChunkMetaData) -> bool {
    let nulls = chunk.statistics().and_then(|known| known.null_count_opt());
    chunk.num_values() > 0 && nulls == Some(chunk.num_values().cast_unsigned())
}

fn corrupt(path: &Path, reason: impl ToString) -> RecordingError {
    // The library's messages may go over several lines.
    let reason = reason.to_string();
    RecordingError::Corrupt {
        file: path.to_owned(),
        format: "Parquet",
        reason: reason.lines().next().unwrap_or("damaged").to_owned(),
    }
}
