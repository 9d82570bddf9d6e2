//! What a file of any format looks like before its columns have roles.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::table::{Slot, Table};
use super::{TrajectoryError, csv, npz, parquet};

/// The most columns a recording may have, so that a forged header cannot ask for more memory.
pub(super) const MOST_COLUMNS: usize = 65_536;

/// One column of a file.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Name as the user writes it.
    pub(super) name: String,
    /// The array it is a column of, in formats with arrays.
    pub(super) array: Option<String>,
    /// What its cells hold.
    pub(super) kind: Kind,
}

impl Column {
    /// The name that conventions look at: the array's, where there is one.
    pub(super) fn family(&self) -> &str {
        self.array.as_deref().unwrap_or(&self.name)
    }
}

/// What the cells of a column hold, as far as can be told before reading them all.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Numbers or booleans.
    Number,
    /// Words, which can name episodes and nothing else.
    Text,
    /// Dates or times, of some precision.
    Date(Precision),
    /// Nothing.
    Blank,
    /// Numbers under an invented name: an index in most files, so never guessed to be a state.
    Unnamed,
    /// Something else; why it cannot be used, and what to do.
    Unusable(String),
}

/// What the first date of a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// The day.
    Day,
    /// The time of the day, with or without the day.
    Time,
}

/// An opened file: its columns are known, its rows are still to be read.
pub(super) trait Source {
    /// The columns in the order of the file.
    fn columns(&self) -> &[Column];

    /// Whether the file itself names its columns.
    fn has_names(&self) -> bool {
        true
    }

    /// What the user should know about how the file was understood.
    fn note(&self) -> Option<String> {
        None
    }

    /// Streams the columns that have a slot into the table; `slots` is parallel to `columns`.
    fn read(
        self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), TrajectoryError>;
}

/// Opens a file. Of several arrays, those named in `wanted` say how many rows the recording has.
pub(super) fn open(path: &Path, wanted: &[String]) -> Result<Box<dyn Source>, TrajectoryError> {
    let io = |source| TrajectoryError::Io {
        file: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let start = file.fill_buf().map_err(io)?;
    if start.is_empty() {
        return Err(TrajectoryError::Empty {
            file: path.to_owned(),
        });
    }
    let by_content = Format::of_content(start);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.and_then(Format::of_extension).or(by_content) {
        Some(Format::Text) => {
            if let Some(format) = by_content.and_then(Format::binary_name) {
                return Err(TrajectoryError::Corrupt {
                    file: path.to_owned(),
                    format: "CSV",
                    reason: format!("it starts like {format}, so its extension may be wrong"),
                });
            }
            Ok(Box::new(csv::CsvSource::open(path, file)?))
        }
        Some(Format::Npz) => Ok(Box::new(npz::NpzSource::open(path, wanted)?)),
        Some(Format::Npy) => Ok(Box::new(npz::NpySource::open(path)?)),
        Some(Format::Parquet) => Ok(Box::new(parquet::ParquetSource::open(path)?)),
        None => Err(TrajectoryError::UnknownFormat {
            file: path.to_owned(),
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Text,
    Npz,
    Npy,
    Parquet,
}

impl Format {
    fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "txt" => Some(Self::Text),
            "npz" => Some(Self::Npz),
            "npy" => Some(Self::Npy),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    fn of_content(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            Some(Self::Npz)
        } else if start.starts_with(b"\x93NUMPY") {
            Some(Self::Npy)
        } else if start.starts_with(b"PAR1") {
            Some(Self::Parquet)
        } else {
            // The buffer may end inside a character, which is no fault of the file.
            let text = match std::str::from_utf8(start) {
                Ok(_) => true,
                Err(fault) => fault.error_len().is_none(),
            };
            (text && !start.contains(&0)).then_some(Self::Text)
        }
    }

    fn binary_name(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Npz => Some("NPZ"),
            Self::Npy => Some("NPY"),
            Self::Parquet => Some("Parquet"),
        }
    }
}

/// Names for a message: all of them while they fit.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 40;
    let count = names.len();
    let shown: Vec<&str> = names.take(MOST).collect();
    let mut text = shown.join(", ");
    if count > MOST {
        text.push_str(&format!(", … ({count} columns)"));
    }
    text
}
