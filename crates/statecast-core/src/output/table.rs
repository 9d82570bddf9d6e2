//! Tables of named columns as CSV, JSON or Parquet.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde::{Serialize, Serializer};

use super::atomic::is_standard_output;
use super::{OutputError, write_atomically};

/// One column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Texts.
    Text(Vec<String>),
    /// Whole numbers.
    Integer(Vec<i64>),
    /// Real numbers.
    Real(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Integer(v) => v.len(),
            Self::Real(v) => v.len(),
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Self::Text(v) => v[row].clone(),
            Self::Integer(v) => v[row].to_string(),
            Self::Real(v) => v[row].to_string(),
        }
    }

    fn json(&self, row: usize) -> serde_json::Value {
        match self {
            Self::Text(v) => v[row].clone().into(),
            Self::Integer(v) => v[row].into(),
            Self::Real(v) => v[row].into(),
        }
    }
}

/// File formats of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated, with a header.
    Csv,
    /// An array of one object a row.
    Json,
    /// Apache Parquet, snappy.
    Parquet,
}

impl TableFormat {
    /// The format that a file's ending names; CSV for standard output.
    ///
    /// # Errors
    /// [`OutputError::Format`] for another ending.
    pub fn of(path: &Path) -> Result<Self, OutputError> {
        if is_standard_output(path) {
            return Ok(Self::Csv);
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(OutputError::Format {
                path: path.to_owned(),
                supported: ".csv, .json or .parquet",
            }),
        }
    }
}

/// Named columns of equal length.
///
/// ```
/// use statecast::output::{Column, Table, TableFormat};
/// let table = Table::new(vec![
///     ("step".to_owned(), Column::Integer(vec![1, 2])),
///     ("mean".to_owned(), Column::Real(vec![0.5, 0.25])),
/// ]).unwrap();
/// let mut csv = Vec::new();
/// table.write_to(TableFormat::Csv, &mut csv)?;
/// assert_eq!(csv, b"step,mean\n1,0.5\n2,0.25\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

impl Table {
    /// A table; `None` if the columns differ in length.
    pub fn new(columns: Vec<(String, Column)>) -> Option<Self> {
        let rows = columns.first().map_or(0, |(_, c)| c.len());
        columns
            .iter()
            .all(|(_, c)| c.len() == rows)
            .then_some(Self { columns })
    }

    /// The columns with their names, in order.
    pub fn into_columns(self) -> Vec<(String, Column)> {
        self.columns
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, c)| c.len())
    }

    /// Writes the table to a file whose ending says the format.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), OutputError> {
        let format = TableFormat::of(path)?;
        write_atomically(path, |file| self.write_to(format, file))
    }

    /// Writes the table in a format.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write_to(&self, format: TableFormat, to: &mut (impl Write + Send)) -> io::Result<()> {
        match format {
            TableFormat::Csv => self.write_csv(to),
            TableFormat::Json => self.write_json(to),
            TableFormat::Parquet => self.write_parquet(to),
        }
    }

    fn write_csv(&self, to: &mut impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(to);
        csv.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.rows() {
            csv.write_record(self.columns.iter().map(|(_, c)| c.text(row)))?;
        }
        csv.flush()
    }

    /// A row's values by the names of the columns.
    fn object(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        let columns = self.columns.iter();
        columns
            .map(|(name, column)| (name.clone(), column.json(row)))
            .collect()
    }

    fn write_json(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(b"[")?;
        for row in 0..self.rows() {
            to.write_all(if row == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *to, &self.object(row))?;
        }
        to.write_all(b"\n]\n")
    }

    fn write_parquet(&self, to: &mut (impl Write + Send)) -> io::Result<()> {
        let fields = self
            .columns
            .iter()
            .map(|(name, column)| field(name, column).map(Arc::new))
            .collect::<parquet::errors::Result<_>>()?;
        let schema = Type::group_type_builder("table")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let mut file = SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties))?;
        let mut group = file.next_row_group()?;
        for (_, column) in &self.columns {
            let Some(mut writer) = group.next_column()? else {
                return Err(io::Error::other("parquet: fewer columns than the schema"));
            };
            match column {
                Column::Text(v) => {
                    let v: Vec<ByteArray> = v.iter().map(|t| t.as_str().into()).collect();
                    writer
                        .typed::<ByteArrayType>()
                        .write_batch(&v, None, None)?
                }
                Column::Integer(v) => writer.typed::<Int64Type>().write_batch(v, None, None)?,
                Column::Real(v) => writer.typed::<DoubleType>().write_batch(v, None, None)?,
            };
            writer.close()?;
        }
        group.close()?;
        file.close()?;
        Ok(())
    }
}

impl Serialize for Table {
    /// A list of one object a row, as in JSON files.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.rows()).map(|row| self.object(row)))
    }
}

fn field(name: &str, column: &Column) -> parquet::errors::Result<Type> {
    let (physical, logical) = match column {
        Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Column::Integer(_) => (Physical::INT64, None),
        Column::Real(_) => (Physical::DOUBLE, None),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical)
        .build()
}
