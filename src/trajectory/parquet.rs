//! Parquet files: columns in row groups, of which only the used ones are decoded.

use std::fs::File;
use std::path::{Path, PathBuf};

use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;
use half::f16;

use super::TrajectoryError;
use super::calendar::month_named;
use super::error::excerpt;
use super::source::{Column, Kind, MOST_COLUMNS, Precision, Source};
use super::table::{Slot, Table};
use crate::guard;

/// A Parquet file whose footer has been read.
pub(super) struct ParquetSource {
    file: PathBuf,
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
    file_bytes: u64,
}

impl ParquetSource {
    pub(super) fn open(path: &Path) -> Result<Self, TrajectoryError> {
        let io = |source| TrajectoryError::Io {
            file: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let file_bytes = file.metadata().map_err(io)?.len();
        let reader = guard::catch(|| SerializedFileReader::new(file))
            .map_err(|reason| corrupt(path, reason))?
            .map_err(|fault| corrupt(path, fault))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        if schema.num_columns() > MOST_COLUMNS {
            return Err(TrajectoryError::TooManyColumns {
                file: path.to_owned(),
                limit: MOST_COLUMNS,
            });
        }
        let groups = reader.metadata().row_groups();
        let mut columns = Vec::new();
        for (leaf, descriptor) in schema.columns().iter().enumerate() {
            let blank = !groups.is_empty()
                && groups
                    .iter()
                    .all(|group| group.columns().get(leaf).is_some_and(is_blank));
            columns.push(Column {
                name: descriptor.path().string(),
                array: None,
                kind: if blank { Kind::Blank } else { kind(descriptor) },
            });
        }
        Ok(Self {
            file: path.to_owned(),
            reader,
            columns,
            file_bytes,
        })
    }

    /// Streams one column of one row group, starting at `first_row`; how many rows it has.
    fn read_chunk(
        &self,
        group: usize,
        index: usize,
        slot: Slot,
        first_row: usize,
        table: &mut Table,
    ) -> Result<usize, TrajectoryError> {
        let failed = |fault: ParquetError| corrupt(&self.file, fault);
        let group = self.reader.get_row_group(group).map_err(failed)?;
        self.check_place(group.metadata().column(index))?;
        let descriptor = group.metadata().column(index).column_descr_ptr();
        let column = &self.columns[index];
        let mut row = first_row;
        let mut put = |cell: Option<Value<'_>>| {
            let result = self.put(cell, slot, (row, index), column, table);
            row += 1;
            result
        };
        let unsigned = is_unsigned(&descriptor);
        let float16 = descriptor.logical_type_ref() == Some(&LogicalType::Float16);
        match group.get_column_reader(index).map_err(failed)? {
            ColumnReader::BoolColumnReader(reader) => self.drain(reader, &descriptor, |cell| {
                put(cell.map(|&value| Value::Integer(i128::from(value))))
            }),
            ColumnReader::Int32ColumnReader(reader) => self.drain(reader, &descriptor, |cell| {
                put(cell.map(|&value| {
                    Value::Integer(if unsigned {
                        i128::from(value.cast_unsigned())
                    } else {
                        i128::from(value)
                    })
                }))
            }),
            ColumnReader::Int64ColumnReader(reader) => self.drain(reader, &descriptor, |cell| {
                put(cell.map(|&value| {
                    Value::Integer(if unsigned {
                        i128::from(value.cast_unsigned())
                    } else {
                        i128::from(value)
                    })
                }))
            }),
            ColumnReader::FloatColumnReader(reader) => self.drain(reader, &descriptor, |cell| {
                put(cell.map(|&value| Value::Float(f64::from(value))))
            }),
            ColumnReader::DoubleColumnReader(reader) => self.drain(reader, &descriptor, |cell| {
                put(cell.map(|&value| Value::Float(value)))
            }),
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.drain(reader, &descriptor, |cell| {
                    put(cell.map(|value| Value::Bytes(value.data())))
                })
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.drain(reader, &descriptor, |cell| {
                    put(cell.map(|value| match value.data() {
                        &[low, high] if float16 => {
                            Value::Float(f16::from_le_bytes([low, high]).to_f64())
                        }
                        bytes => Value::Bytes(bytes),
                    }))
                })
            }
            ColumnReader::Int96ColumnReader(_) => Err(TrajectoryError::Unusable {
                file: self.file.clone(),
                column: column.name.clone(),
                reason: "a time".to_owned(),
            }),
        }?;
        Ok(row - first_row)
    }

    /// Passes every cell of a column chunk to `put`, null as `None`.
    fn drain<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        descriptor: &ColumnDescriptor,
        mut put: impl FnMut(Option<&T::T>) -> Result<(), TrajectoryError>,
    ) -> Result<(), TrajectoryError> {
        const BATCH: usize = 8192;
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let optional = descriptor.max_def_level() > 0;
        loop {
            values.clear();
            levels.clear();
            let (rows, ..) = reader
                .read_records(BATCH, optional.then_some(&mut levels), None, &mut values)
                .map_err(|fault| corrupt(&self.file, fault))?;
            if rows == 0 {
                return Ok(());
            }
            if optional {
                let mut present = values.iter();
                for &level in &levels {
                    let is_present = level == descriptor.max_def_level();
                    put(if is_present { present.next() } else { None })?;
                }
            } else {
                values.iter().try_for_each(|value| put(Some(value)))?;
            }
        }
    }

    fn put(
        &self,
        cell: Option<Value<'_>>,
        slot: Slot,
        (row, index): (usize, usize),
        column: &Column,
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        let not_a_number = |text: &str| TrajectoryError::NotANumber {
            file: self.file.clone(),
            row: row + 1,
            line: None,
            column: column.name.clone(),
            text: excerpt(text),
        };
        match slot {
            Slot::Label(_) | Slot::Word => {
                let text = match cell {
                    Some(Value::Integer(value)) => value.to_string(),
                    Some(Value::Float(value)) if value.is_finite() => value.to_string(),
                    Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                    Some(Value::Float(_)) | None => String::new(),
                };
                table.label(index, slot, row, &text);
                Ok(())
            }
            Slot::Time(_) => {
                let clock = table.clock(index);
                match cell {
                    Some(Value::Integer(value)) => clock.number(value as f64),
                    Some(Value::Float(value)) => clock.number(value),
                    Some(Value::Bytes(bytes)) => clock.text(&String::from_utf8_lossy(bytes)),
                    None => clock.missing(),
                }
                Ok(())
            }
            Slot::Part(_) => {
                let value = match cell {
                    Some(Value::Integer(value)) => Some(value as f64),
                    Some(Value::Float(value)) => Some(value),
                    Some(Value::Bytes(bytes)) => {
                        month_named(&String::from_utf8_lossy(bytes)).map(|month| month as f64)
                    }
                    None => None,
                };
                table.part(index, value.unwrap_or(f64::NAN));
                Ok(())
            }
            Slot::Value(block, position) => {
                let value = match cell {
                    None => f64::NAN,
                    Some(Value::Integer(value)) => value as f64,
                    Some(Value::Float(value)) => value,
                    Some(Value::Bytes(bytes)) => {
                        return Err(not_a_number(&String::from_utf8_lossy(bytes)));
                    }
                };
                table.set(block, position, row, value);
                Ok(())
            }
        }
    }

    /// Refuses a footer that points outside the file, before anything is allocated for it.
    fn check_place(&self, chunk: &ColumnChunkMetaData) -> Result<(), TrajectoryError> {
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

impl Source for ParquetSource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn read(
        self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        let mut first_row = 0;
        for group in 0..self.reader.num_row_groups() {
            let mut group_rows = None;
            for (index, slot) in slots.iter().enumerate() {
                let Some(slot) = slot else { continue };
                let rows = guard::catch(|| self.read_chunk(group, index, *slot, first_row, table))
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
        Ok(())
    }
}

/// A cell that is not null.
enum Value<'a> {
    Integer(i128),
    Float(f64),
    Bytes(&'a [u8]),
}

fn kind(descriptor: &ColumnDescriptor) -> Kind {
    let unusable = |reason: &str| Kind::Unusable(reason.to_owned());
    if descriptor.max_rep_level() > 0 || descriptor.path().parts().len() > 1 {
        return unusable("nested; save one column per number");
    }
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
        (_, Some(LogicalType::Decimal(_)), _) | (_, _, ConvertedType::DECIMAL) => {
            unusable("a decimal; save it as double")
        }
        (Type::INT32 | Type::INT64, ..) => Kind::Date(Precision::Time),
        (Type::INT96, ..) => unusable("a date or time"),
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

fn corrupt(path: &Path, reason: impl ToString) -> TrajectoryError {
    // The library's messages may go over several lines.
    let reason = reason.to_string();
    TrajectoryError::Corrupt {
        file: path.to_owned(),
        format: "Parquet",
        reason: reason.lines().next().unwrap_or("damaged").to_owned(),
    }
}
