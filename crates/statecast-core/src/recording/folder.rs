//! Folders of recordings of one format and with the same columns: an episode a file, in the order of their names.

use std::path::{Path, PathBuf};

use super::RecordingError;
use super::bounds::Bounds;
use super::source::{self, Column, Source, list};
use super::table::{Slot, Table};

/// The files of a folder, of which the first is open.
pub(super) struct Folder {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// How many files beside them describe them.
    descriptions: usize,
    first: Box<dyn Source>,
    encoding: Option<String>,
    wanted: Vec<String>,
    bounds: Bounds,
}

impl Folder {
    /// Opens the first file of a folder.
    pub(super) fn open(
        folder: &Path,
        wanted: &[String],
        encoding: Option<&str>,
    ) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            file: folder.to_owned(),
            source,
        };
        let refused = |reason: &str| RecordingError::Folder {
            folder: folder.to_owned(),
            reason: reason.to_owned(),
        };
        let mut files = recordings(folder).map_err(io)?;
        files.sort();
        let descriptions = leave_out_descriptions(&mut files);
        let Some(first) = files.first() else {
            return Err(refused("holds no recordings"));
        };
        if let Some(other) = files.iter().find(|f| f.extension() != first.extension()) {
            let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
            return Err(refused(&format!(
                "holds files of several formats, {} and {}",
                name(first),
                name(other)
            )));
        }
        let bytes = files.iter().map(|file| Ok(std::fs::metadata(file)?.len()));
        let bytes: std::io::Result<u64> = bytes.sum();
        Ok(Self {
            bounds: Bounds::of(bytes.map_err(io)?),
            first: source::open_file(first, wanted, encoding)?,
            folder: folder.to_owned(),
            files,
            descriptions,
            encoding: encoding.map(str::to_owned),
            wanted: wanted.to_vec(),
        })
    }
}

/// The files of a folder whose endings are those of formats that are read.
fn recordings(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if path.is_file() && !is_hidden && source::has_known_ending(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Leaves out texts and JSON files beside recordings of other formats, as they tell of these (README.txt, metadata.json,
/// the manifest of a result), and returns their number.
fn leave_out_descriptions(files: &mut Vec<PathBuf>) -> usize {
    let describes = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ["txt", "json"].contains(&ending.to_lowercase().as_str()))
    };
    let before = files.len();
    if !files.iter().all(describes) {
        files.retain(|path| !describes(path));
    }
    before - files.len()
}

/// One of several files whose rows follow one another.
#[derive(Debug)]
pub(super) struct FilePart {
    pub(super) name: String,
    /// The row of the table at which its rows begin.
    first_row: usize,
}

impl Table {
    /// Reads one of several files whose rows follow one another; the episodes of its rows.
    fn read_part(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<(), RecordingError>,
    ) -> Result<Vec<(String, usize)>, RecordingError> {
        let before = self.rows();
        self.part = Some(FilePart {
            name: name.to_owned(),
            first_row: before,
        });
        read(self)?;
        self.part = None;
        // A final state has no action.
        let rows = self.rows();
        for cells in &mut self.blocks {
            cells.values.resize(rows * cells.names.len(), f64::NAN);
        }
        let inside = |(episode, rows)| (format!("{name}/{episode}"), rows);
        Ok(match self.parts.take() {
            Some(own) => own.into_iter().map(inside).collect(),
            None => vec![(name.to_owned(), rows - before)],
        })
    }

    /// The row of the table that a row of the file is.
    pub(super) fn row_of_file(&self, row: usize) -> usize {
        self.part.as_ref().map_or(row, |part| part.first_row + row)
    }
}

impl Source for Folder {
    fn file(&self) -> &Path {
        &self.folder
    }

    fn columns(&self) -> &[Column] {
        self.first.columns()
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn has_names(&self) -> bool {
        self.first.has_names()
    }

    fn notes(&self) -> Vec<String> {
        let count = self.files.len();
        let note =
            format!("the folder's {count} file(s) are an episode each, in the order of names");
        let left_out = match self.descriptions {
            0 => None,
            count => Some(format!(
                "{count} .txt or .json file(s) beside them are left out"
            )),
        };
        let own = [Some(note), left_out].into_iter().flatten();
        own.chain(self.first.notes()).collect()
    }

    fn read(
        self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let expected = names(self.first.columns());
        let mut first = Some(self.first);
        let mut episodes = Vec::new();
        for path in &self.files {
            let source = match first.take() {
                Some(first) => first,
                None => source::open_file(path, &self.wanted, self.encoding.as_deref())?,
            };
            let found = names(source.columns());
            if found != expected {
                return Err(RecordingError::OtherColumns {
                    file: path.clone(),
                    found: list(found.iter().map(String::as_str)),
                    expected: list(expected.iter().map(String::as_str)),
                });
            }
            let stem = path.file_stem().unwrap_or_default().display().to_string();
            episodes.extend(table.read_part(&stem, |table| source.read(slots, table))?);
        }
        table.cut_at(episodes);
        Ok(())
    }
}
