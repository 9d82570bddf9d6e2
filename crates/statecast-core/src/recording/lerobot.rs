//! LeRobot data sets: a folder of Parquet tables, and `meta/info.json`, which names the numbers in
//! their lists.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::RecordingError;
use super::bounds::Bounds;
use super::input::Input;
use super::parquet::ParquetSource;
use super::source::{Column, Source};
use super::table::{Slot, Table};

/// Folders above a table in which the data set may begin.
const MAX_FOLDERS: usize = 4;
const MAX_BYTES: u64 = 16 << 20;
/// Folders in folders that tables are looked for in.
const DEEPEST: usize = 3;

/// What a data set says of its columns; nothing where there is no such file.
#[derive(Debug, Default)]
pub(super) struct Features(Option<Value>);

impl Features {
    /// Those of the data set that a table belongs to.
    pub(super) fn beside(table: &Path) -> Self {
        let info = table
            .ancestors()
            .skip(1)
            .take(MAX_FOLDERS)
            .find_map(|folder| {
                let file = std::fs::File::open(folder.join("meta/info.json")).ok()?;
                let mut text = String::new();
                file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
                let mut info: Value = serde_json::from_str(&text).ok()?;
                Some(info.get_mut("features")?.take())
            });
        Self(info)
    }

    /// Names of the numbers of a column; numbered where the data set does not say.
    pub(super) fn names(&self, column: &str, width: usize) -> Vec<String> {
        let feature = self.0.as_ref().and_then(|features| features.get(column));
        let names = feature.and_then(|feature| {
            // Either a list or one under the name of what is listed, such as motors.
            let names = feature.get("names")?;
            let list = match names {
                Value::Object(groups) => groups.values().next()?,
                names => names,
            };
            let names = list.as_array()?.iter().map(Value::as_str);
            names.collect::<Option<Vec<&str>>>()
        });
        match names.filter(|names| names.len() == width) {
            Some(names) => names
                .iter()
                .map(|name| format!("{column}.{name}"))
                .collect(),
            None => (0..width)
                .map(|index| format!("{column}_{index}"))
                .collect(),
        }
    }
}

/// The folder of a data set.
pub(super) struct DataSet {
    folder: PathBuf,
    tables: Vec<PathBuf>,
    bounds: Bounds,
    columns: Vec<Column>,
}

impl DataSet {
    /// Opens the folder of a data set; nothing if it is none.
    pub(super) fn open(folder: &Path) -> Option<Result<Self, RecordingError>> {
        let is_one = folder.is_dir() && folder.join("meta/info.json").is_file();
        is_one.then(|| Self::of_tables(folder))
    }

    fn of_tables(folder: &Path) -> Result<Self, RecordingError> {
        let mut tables = Vec::new();
        let io = |source| RecordingError::Io {
            file: folder.to_owned(),
            source,
        };
        find_tables(&folder.join("data"), 0, &mut tables).map_err(io)?;
        tables.sort();
        let Some(first) = tables.first() else {
            return Err(RecordingError::Empty {
                file: folder.to_owned(),
            });
        };
        let bytes = tables
            .iter()
            .map(|table| Ok(std::fs::metadata(table)?.len()));
        let bytes: std::io::Result<u64> = bytes.sum();
        Ok(Self {
            bounds: Bounds::of(bytes.map_err(io)?),
            columns: open_table(first)?.columns().to_vec(),
            folder: folder.to_owned(),
            tables,
        })
    }
}

impl Source for DataSet {
    fn file(&self) -> &Path {
        &self.folder
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
        let mut row = 0;
        for path in &self.tables {
            let part = open_table(path)?;
            let names =
                |columns: &[Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
            if names(part.columns()) != names(&self.columns) {
                return Err(RecordingError::Corrupt {
                    file: path.clone(),
                    format: "Parquet",
                    reason: "its columns are not those of the first table of the data set"
                        .to_owned(),
                });
            }
            row += part.read_from(row, slots, table)?;
        }
        Ok(())
    }
}

fn open_table(path: &Path) -> Result<ParquetSource, RecordingError> {
    ParquetSource::open(Input::open(path)?, path)
}

fn find_tables(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < DEEPEST {
            find_tables(&path, depth + 1, found)?;
        } else if path.extension().is_some_and(|ending| ending == "parquet") {
            found.push(path);
        }
    }
    Ok(())
}
