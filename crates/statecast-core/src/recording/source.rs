//! What a file of any format looks like before its columns have roles.

use std::path::Path;

use super::bounds::Bounds;
use super::folder::Folder;
use super::input::Input;
use super::lerobot::DataSet;
use super::table::{Slot, Table};
use super::wide::WideSource;
use super::{RecordingError, arrays, arrow, csv, hdf5, json, mat, npz, parquet, tsf, unread};

/// The most columns a recording may have, so that a forged header cannot ask for more memory.
pub(super) const MAX_COLUMNS: usize = 65_536;
/// First bytes that tell formats apart; an HDF5 file may have others before its own.
const START: usize = 4096;

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
    /// Its name in messages.
    fn file(&self) -> &Path;

    /// The columns in the order of the file.
    fn columns(&self) -> &[Column];

    /// How much may be read of it.
    fn bounds(&self) -> Bounds;

    /// Whether the file itself names its columns.
    fn has_names(&self) -> bool {
        true
    }

    /// What the user should know about how the file was understood.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Streams the columns that have a slot into the table; `slots` is parallel to `columns`.
    fn read(
        self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError>;
}

/// Opens a file, whose text has the encoding that is given or that it says. Of several arrays, those
/// named in `wanted` say how many rows the recording has.
pub(super) fn open(
    path: &Path,
    wanted: &[String],
    encoding: Option<&str>,
) -> Result<Box<dyn Source>, RecordingError> {
    if let Some(data_set) = DataSet::open(path) {
        refuse_encoding(encoding, Format::Parquet, path)?;
        return Ok(Box::new(data_set?));
    }
    match path.is_dir() {
        true => Ok(Box::new(Folder::open(path, wanted, encoding)?)),
        false => open_file(path, wanted, encoding),
    }
}

/// Whether the ending of a file's name is that of a format that is read, or of one that is compressed.
pub(super) fn has_known_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        let ending = ending.to_ascii_lowercase();
        let compressed = ["gz", "zst", "zip"].contains(&ending.as_str());
        compressed || Format::of_ending(&ending).is_some()
    })
}

/// Opens a file that is no folder.
pub(super) fn open_file(
    path: &Path,
    wanted: &[String],
    encoding: Option<&str>,
) -> Result<Box<dyn Source>, RecordingError> {
    let mut input = Input::open(path)?;
    let start = input.start(START)?;
    if start.is_empty() {
        return Err(RecordingError::Empty { file: input.name });
    }
    if let Some(format) = unread::by_content(&start) {
        return Err(input.unread(format));
    }
    let by_content = Format::of_content(&start);
    let is_text = by_content.is_some_and(|content| !content.is_binary());
    let called = input.ending.as_deref();
    let called = called.and_then(|ending| unread::by_ending(ending, is_text));
    if let Some(format) = called.filter(|_| is_text || by_content.is_none()) {
        return Err(input.unread(format));
    }
    let by_ending = input.ending.as_deref().and_then(Format::of_ending);
    let format = match (by_ending, by_content) {
        (Some(Format::Text), Some(content)) if content.is_binary() => {
            return Err(RecordingError::Corrupt {
                file: input.name,
                format: "CSV",
                reason: format!(
                    "it starts like {}, so its extension may be wrong",
                    content.name()
                ),
            });
        }
        (_, Some(content)) if content.is_binary() => Some(content),
        (Some(Format::Text), Some(content)) => Some(content),
        (ending, content) => ending.or(content),
    };
    // An encoding that is given says that there is text.
    let format = format.or(encoding.map(|_| Format::Text));
    if let Some(format) = format.filter(|format| *format != Format::Text) {
        refuse_encoding(encoding, format, &input.name)?;
    }
    Ok(match format {
        Some(Format::Text) => WideSource::open(csv::CsvSource::open(input, encoding)?, wanted),
        Some(Format::Tsf) => Box::new(tsf::TsfSource::open(input)?),
        Some(Format::Json) => Box::new(json::JsonSource::open(input, wanted)?),
        Some(Format::Npz) => Box::new(arrays::ArraySource::open(
            npz::NpzArchive::open(&mut input)?,
            input,
            wanted,
        )?),
        Some(Format::Npy) => Box::new(arrays::ArraySource::open(
            npz::NpyFile::open(&mut input)?,
            input,
            wanted,
        )?),
        Some(Format::Hdf5) => Box::new(arrays::ArraySource::open(
            hdf5::Hdf5Container::open(&mut input)?,
            input,
            wanted,
        )?),
        Some(Format::Mat) => Box::new(arrays::ArraySource::open(
            mat::MatFile::open(&mut input)?,
            input,
            wanted,
        )?),
        Some(Format::Parquet) => Box::new(parquet::ParquetSource::open(input, path)?),
        Some(Format::Arrow) => Box::new(arrow::ArrowSource::open(input)?),
        None => return Err(RecordingError::UnknownFormat { file: input.name }),
    })
}

/// Refuses an encoding of a format that has its own.
fn refuse_encoding(
    encoding: Option<&str>,
    format: Format,
    file: &Path,
) -> Result<(), RecordingError> {
    match encoding {
        Some(encoding) => Err(RecordingError::EncodingUnused {
            file: file.to_owned(),
            encoding: encoding.to_owned(),
            format: format.name(),
        }),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Text,
    Json,
    Tsf,
    Npz,
    Npy,
    Parquet,
    Arrow,
    Hdf5,
    Mat,
}

impl Format {
    fn of_ending(ending: &str) -> Option<Self> {
        match ending {
            "csv" | "tsv" | "txt" | "tab" => Some(Self::Text),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "tsf" => Some(Self::Tsf),
            "npz" => Some(Self::Npz),
            "npy" => Some(Self::Npy),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" => Some(Self::Arrow),
            "h5" | "hdf5" | "hdf" => Some(Self::Hdf5),
            "mat" => Some(Self::Mat),
            _ => None,
        }
    }

    fn of_content(start: &[u8]) -> Option<Self> {
        const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
        // HDF5 may stand after another header of 512, 1024, … bytes, as in files of MATLAB 7.3.
        let is_hdf5 = [0, 512, 1024, 2048].iter().any(|&place| {
            let rest = start.get(place..);
            rest.is_some_and(|rest| rest.starts_with(HDF5))
        });
        let marks: [(&[u8], Self); 7] = [
            (b"PK\x03\x04", Self::Npz),
            (b"PK\x05\x06", Self::Npz),
            (b"\x93NUMPY", Self::Npy),
            (b"PAR1", Self::Parquet),
            (b"ARROW1", Self::Arrow),
            (b"MATLAB 5.0 MAT-file", Self::Mat),
            // UTF-16 with its mark.
            (b"\xff\xfe", Self::Text),
        ];
        if is_hdf5 {
            return Some(Self::Hdf5);
        }
        if start.starts_with(b"\xff\xff\xff\xff") {
            return Some(Self::Arrow);
        }
        if let Some((_, format)) = marks.iter().find(|(mark, _)| start.starts_with(mark)) {
            return Some(*format);
        }
        // The part may end inside a character, which is no fault of the file.
        let text = match std::str::from_utf8(start) {
            Ok(_) => true,
            Err(fault) => fault.error_len().is_none(),
        };
        match text && !start.contains(&0) {
            true if is_json(start) => Some(Self::Json),
            true if is_tsf(start) => Some(Self::Tsf),
            true => Some(Self::Text),
            false => start.starts_with(b"\xfe\xff").then_some(Self::Text),
        }
    }

    fn is_binary(self) -> bool {
        !matches!(self, Self::Text | Self::Json | Self::Tsf)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "CSV",
            Self::Json => "JSON",
            Self::Tsf => "TSF",
            Self::Npz => "NPZ",
            Self::Npy => "NPY",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            Self::Hdf5 => "HDF5",
            Self::Mat => "MAT",
        }
    }
}

/// Whether text begins as JSON of several values does, and no header of a table.
fn is_json(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let mut marks = start.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!(
        (marks.next(), marks.next()),
        (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{' | b'['))
    )
}

/// Whether text has the lines that stand before the series of the Monash archive.
fn is_tsf(start: &[u8]) -> bool {
    let lines = || start.split(|&byte| byte == b'\n');
    let has = |word: &[u8]| lines().any(|line| line.starts_with(word));
    has(b"@attribute ") && (has(b"@frequency ") || has(b"@equallength "))
}

/// Names for a message: all of them while they fit.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 40;
    let count = names.len();
    let shown: Vec<&str> = names.take(SHOWN).collect();
    let mut text = shown.join(", ");
    if count > SHOWN {
        text.push_str(&format!(", … ({count} columns)"));
    }
    text
}
