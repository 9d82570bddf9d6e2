//! NumPy files: one array (NPY) or a zip of named arrays (NPZ).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::TrajectoryError;
use super::assignment::matching;
use super::conventions::{Convention, convention};
use super::npy::{Fault, Header, Layout};
use super::source::{Column, Kind, MOST_COLUMNS, Source};
use super::table::{Slot, Table};

/// An NPZ file.
pub(super) struct NpzSource {
    file: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    columns: Vec<Column>,
    arrays: Vec<Array>,
    episode_rows: Option<usize>,
}

/// An NPY file.
pub(super) struct NpySource {
    file: PathBuf,
    reader: BufReader<File>,
    columns: Vec<Column>,
    array: Array,
    episode_rows: Option<usize>,
}

/// An array whose columns can be read.
struct Array {
    /// Position in the archive.
    member: usize,
    /// Position of its first column among those of the file.
    first_column: usize,
    layout: Layout,
}

impl NpzSource {
    /// Reads the headers of all arrays; those in `wanted` say how many rows the recording has.
    pub(super) fn open(path: &Path, wanted: &[String]) -> Result<Self, TrajectoryError> {
        let mut archive = ZipArchive::new(BufReader::new(open(path)?))
            .map_err(|fault| corrupt(path, "NPZ", fault.to_string()))?;
        let mut members = Vec::new();
        for index in 0..archive.len() {
            let mut member = archive
                .by_index(index)
                .map_err(|fault| corrupt(path, "NPZ", fault.to_string()))?;
            let file_name = member
                .name()
                .map_err(|fault| corrupt(path, "NPZ", fault.to_string()))?
                .into_owned();
            let Some(name) = file_name.strip_suffix(".npy") else {
                continue;
            };
            let header = Header::read(&mut member)
                .map_err(|reason| corrupt(path, "NPZ", format!("array {name}: {reason}")))?;
            members.push((index, name.to_owned(), header));
        }
        if members.is_empty() {
            return Err(corrupt(path, "NPZ", "it holds no arrays".to_owned()));
        }
        let shapes: Vec<(&str, &Header)> = members
            .iter()
            .map(|(_, name, header)| (name.as_str(), header))
            .collect();
        let rows_shape = recording_shape(&shapes, wanted);
        let mut columns = Vec::new();
        let mut arrays = Vec::new();
        for (member, name, header) in &members {
            let first_column = columns.len();
            match layout(header, &rows_shape) {
                Ok(layout) => {
                    let room = MOST_COLUMNS - first_column;
                    columns.extend(column_names(path, name, header, &rows_shape, room)?);
                    arrays.push(Array {
                        member: *member,
                        first_column,
                        layout,
                    });
                }
                Err(reason) => columns.push(Column {
                    name: name.clone(),
                    array: None,
                    kind: Kind::Unusable(reason),
                }),
            }
        }
        Ok(Self {
            file: path.to_owned(),
            archive,
            columns,
            arrays,
            episode_rows: episode_rows(&rows_shape),
        })
    }
}

impl Source for NpzSource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        if let Some(rows) = self.episode_rows {
            table.cut_every(rows);
        }
        for array in &self.arrays {
            let slots = &slots[array.first_column..][..array.layout.columns];
            if slots.iter().all(Option::is_none) {
                continue;
            }
            let mut member = self
                .archive
                .by_index(array.member)
                .map_err(|fault| corrupt(&self.file, "NPZ", fault.to_string()))?;
            Header::read(&mut member).map_err(|reason| corrupt(&self.file, "NPZ", reason))?;
            let name = self.columns[array.first_column].family();
            let first = array.first_column;
            stream(array.layout, &mut member, (first, slots), table).map_err(
                |fault| match fault {
                    Fault::Data(reason) => {
                        corrupt(&self.file, "NPZ", format!("array {name}: {reason}"))
                    }
                    Fault::Receiver(fault) => fault,
                },
            )?;
        }
        Ok(())
    }
}

impl NpySource {
    pub(super) fn open(path: &Path) -> Result<Self, TrajectoryError> {
        let mut reader = BufReader::new(open(path)?);
        let header = Header::read(&mut reader).map_err(|reason| corrupt(path, "NPY", reason))?;
        let rows_shape = recording_shape(&[("", &header)], &[]);
        let layout = layout(&header, &rows_shape).map_err(|reason| TrajectoryError::Unusable {
            file: path.to_owned(),
            column: "array".to_owned(),
            reason,
        })?;
        let columns = column_names(path, "c", &header, &rows_shape, MOST_COLUMNS)?
            .into_iter()
            .enumerate()
            .map(|(index, column)| Column {
                name: format!("c{index}"),
                array: None,
                ..column
            })
            .collect();
        Ok(Self {
            file: path.to_owned(),
            reader,
            columns,
            array: Array {
                member: 0,
                first_column: 0,
                layout,
            },
            episode_rows: episode_rows(&rows_shape),
        })
    }
}

impl Source for NpySource {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn has_names(&self) -> bool {
        false
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), TrajectoryError> {
        if let Some(rows) = self.episode_rows {
            table.cut_every(rows);
        }
        stream(self.array.layout, &mut self.reader, (0, slots), table).map_err(
            |fault| match fault {
                Fault::Data(reason) => corrupt(&self.file, "NPY", reason),
                Fault::Receiver(fault) => fault,
            },
        )
    }
}

/// Puts the values of an array into the table; `slots` are those of its columns, of which the first
/// is column `first` of the file.
fn stream(
    layout: Layout,
    reader: &mut dyn Read,
    (first, slots): (usize, &[Option<Slot>]),
    table: &mut Table,
) -> Result<(), Fault<TrajectoryError>> {
    let mut last = vec![Vec::new(); slots.len()];
    layout.stream(reader, |row, column, bytes| match slots[column] {
        Some(Slot::Value(block, position)) => {
            table.set(block, position, row, layout.element.number(bytes));
            Ok(())
        }
        Some(Slot::Part(_)) => {
            table.part(first + column, layout.element.number(bytes));
            Ok(())
        }
        Some(Slot::Time(_)) => {
            table
                .clock(first + column)
                .number(layout.element.number(bytes));
            Ok(())
        }
        Some(slot) => {
            // Most rows carry the label of the row before; only new ones become text.
            if last[column] == bytes && row > 0 {
                table.same_label(first + column, slot, row);
                return Ok(());
            }
            last[column] = bytes.to_vec();
            table.label(first + column, slot, row, &layout.element.text(bytes));
            Ok(())
        }
        None => Ok(()),
    })
}

/// The leading dimensions that count rows: `[rows]`, or `[episodes, rows]` where the states (or
/// without any, the most arrays) have three dimensions.
fn recording_shape(arrays: &[(&str, &Header)], wanted: &[String]) -> Vec<u64> {
    let usable: Vec<(&str, &[u64])> = arrays
        .iter()
        .filter(|(_, header)| header.element.is_ok() && (1..=3).contains(&header.shape.len()))
        .map(|(name, header)| (*name, header.shape.as_slice()))
        .collect();
    let is_wanted = |name: &str, shape: &[u64]| {
        if wanted.is_empty() {
            return false;
        }
        // A name may be that of the array or of one of its columns.
        let width = if shape.len() == 1 {
            0
        } else {
            shape[shape.len() - 1]
        };
        let mut columns = vec![Column {
            name: name.to_owned(),
            array: None,
            kind: Kind::Number,
        }];
        columns.extend((0..width.min(MOST_COLUMNS as u64)).map(|index| Column {
            name: format!("{name}_{index}"),
            array: None,
            kind: Kind::Number,
        }));
        wanted
            .iter()
            .any(|pattern| matching(&columns, pattern).is_ok_and(|found| !found.is_empty()))
    };
    let reference = usable
        .iter()
        .find(|(name, shape)| is_wanted(name, shape))
        .or_else(|| {
            usable
                .iter()
                .find(|(name, _)| convention(name) == Some(Convention::State))
        })
        .or_else(|| {
            let mut votes: HashMap<u64, usize> = HashMap::new();
            for (_, shape) in &usable {
                *votes.entry(shape[0]).or_default() += 1;
            }
            usable
                .iter()
                .max_by_key(|(_, shape)| (votes[&shape[0]], shape[0], shape.len()))
        });
    match reference {
        Some((_, shape)) if shape.len() == 3 => shape[..2].to_vec(),
        Some((_, shape)) => shape[..1].to_vec(),
        None => Vec::new(),
    }
}

fn episode_rows(rows_shape: &[u64]) -> Option<usize> {
    match rows_shape {
        [_, rows] => usize::try_from(*rows).ok(),
        _ => None,
    }
}

/// How an array is rows and columns of the recording, or why it is not.
fn layout(header: &Header, rows_shape: &[u64]) -> Result<Layout, String> {
    let element = header.element.clone()?;
    let columns = match header.shape.strip_prefix(rows_shape) {
        Some([]) if !rows_shape.is_empty() => 1,
        Some([columns]) if !rows_shape.is_empty() => *columns,
        _ => {
            let shape: Vec<String> = header.shape.iter().map(u64::to_string).collect();
            return Err(format!("shape [{}]", shape.join(", ")));
        }
    };
    if header.fortran && rows_shape.len() > 1 {
        return Err("episodes in Fortran order; save it with order='C'".to_owned());
    }
    if columns > MOST_COLUMNS as u64 {
        return Err(format!("{columns} columns"));
    }
    let too_large = || "more values than exist".to_owned();
    let rows = rows_shape
        .iter()
        .try_fold(1u64, |product, length| product.checked_mul(*length))
        .ok_or_else(too_large)?;
    Ok(Layout {
        rows,
        columns: usize::try_from(columns).map_err(|_| too_large())?,
        element,
        fortran: header.fortran,
    })
}

/// The columns of an array that has a layout.
fn column_names(
    path: &Path,
    name: &str,
    header: &Header,
    rows_shape: &[u64],
    room: usize,
) -> Result<Vec<Column>, TrajectoryError> {
    let column = |name: String, array: Option<String>| Column {
        name,
        array,
        kind: Kind::Number,
    };
    match header.shape.get(rows_shape.len()) {
        None => Ok(vec![column(name.to_owned(), None)]),
        Some(&columns) if columns <= room as u64 => Ok((0..columns)
            .map(|index| column(format!("{name}_{index}"), Some(name.to_owned())))
            .collect()),
        Some(_) => Err(TrajectoryError::TooManyColumns {
            file: path.to_owned(),
            limit: MOST_COLUMNS,
        }),
    }
}

fn open(path: &Path) -> Result<File, TrajectoryError> {
    File::open(path).map_err(|source| TrajectoryError::Io {
        file: path.to_owned(),
        source,
    })
}

fn corrupt(path: &Path, format: &'static str, reason: String) -> TrajectoryError {
    TrajectoryError::Corrupt {
        file: path.to_owned(),
        format,
        reason,
    }
}
