//! Files of named arrays: which of them are columns of the recording, and of which rows.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::RecordingError;
use super::array_rows::{Family, Rows, families, rows_of};
use super::bounds::Bounds;
use super::evidence::{Evidence, ordered};
use super::input::Input;
use super::npy::{Fault, Header, Layout};
use super::source::{Column, Kind, MAX_COLUMNS, Source};
use super::table::{COUNTER, Slot, Table};

/// A file that holds arrays.
pub(super) trait Container {
    /// Name of the format.
    fn format(&self) -> &'static str;

    /// The arrays, in the order of the file.
    fn members(&self) -> Vec<Member>;

    /// The values of an array, by its position; the error says what is wrong.
    fn values(&mut self, member: usize) -> Result<Box<dyn Read + '_>, String>;

    /// Whether arrays have names.
    fn has_names(&self) -> bool {
        true
    }
}

/// An array of a file.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    /// The episode that it is a part of, where the file has a group for each.
    pub(super) episode: Option<String>,
    pub(super) header: Header,
}

/// A file of arrays whose headers have been read.
pub(super) struct ArraySource<C> {
    file: PathBuf,
    bounds: Bounds,
    container: C,
    columns: Vec<Column>,
    arrays: Vec<Array>,
    rows: Rows,
    evidence: Evidence,
}

/// An array whose columns can be read, or the arrays of one name of all episodes.
struct Array {
    parts: Vec<(usize, Layout)>,
    /// Position of its first column among those of the file.
    first_column: usize,
    columns: usize,
    /// Whether it has a row more for each episode than others.
    is_long: bool,
}

impl<C: Container> ArraySource<C> {
    /// Finds the arrays of the recording; those in `wanted` say how many rows it has.
    pub(super) fn open(
        mut container: C,
        input: Input,
        wanted: &[String],
    ) -> Result<Self, RecordingError> {
        let path = input.name.as_path();
        let members = container.members();
        if members.is_empty() {
            return Err(corrupt(
                path,
                container.format(),
                "it holds no arrays".to_owned(),
            ));
        }
        let (families, episodes) = families(&members);
        let mut rows = rows_of(&families, episodes, wanted);
        let evidence = Evidence::of(&mut container, &families, &mut rows, &input)?;
        let mut columns = Vec::new();
        let mut arrays = Vec::new();
        for family in &families {
            let first_column = columns.len();
            if let Some(holds) = evidence.holds(&family.name) {
                columns.push(Column {
                    name: family.name.clone(),
                    array: None,
                    kind: Kind::Unusable(holds.to_owned()),
                });
                continue;
            }
            match family.layouts(&members, &rows) {
                Ok((parts, is_long)) => {
                    let room = MAX_COLUMNS - first_column;
                    let width = parts.first().map_or(0, |(_, layout)| layout.columns);
                    let names = column_names(family, &rows, width, container.has_names());
                    let fitting = (names.len() <= room).then_some(names);
                    columns.extend(fitting.ok_or_else(|| RecordingError::TooManyColumns {
                        file: path.to_owned(),
                        limit: MAX_COLUMNS,
                    })?);
                    arrays.push(Array {
                        parts,
                        first_column,
                        columns: width,
                        is_long,
                    });
                }
                Err(reason) if !container.has_names() => {
                    return Err(RecordingError::Unusable {
                        file: path.to_owned(),
                        column: "array".to_owned(),
                        reason,
                    });
                }
                Err(reason) => columns.push(Column {
                    name: family.name.clone(),
                    array: None,
                    kind: Kind::Unusable(reason),
                }),
            }
        }
        Ok(Self {
            bounds: input.bounds,
            file: input.name,
            container,
            columns,
            arrays,
            rows,
            evidence,
        })
    }

    /// Checks that what is used may be unpacked.
    fn check_size(&self, used: &[(&Array, usize)]) -> Result<(), RecordingError> {
        let (mut values, mut bytes) = (0u64, 0u64);
        for (array, columns) in used {
            for (_, layout) in &array.parts {
                let all = layout.rows.saturating_mul(layout.columns as u64);
                bytes = bytes.saturating_add(all.saturating_mul(layout.element.bytes() as u64));
                values = values.saturating_add(layout.rows.saturating_mul(*columns as u64));
            }
        }
        self.bounds.check_values(&self.file, values)?;
        match bytes > self.bounds.bytes() {
            true => Err(self.bounds.too_many_bytes(&self.file)),
            false => Ok(()),
        }
    }
}

impl<C: Container> Source for ArraySource<C> {
    fn file(&self) -> &Path {
        &self.file
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn has_names(&self) -> bool {
        self.container.has_names()
    }

    fn notes(&self) -> Vec<String> {
        self.evidence.notes()
    }

    fn read(
        mut self: Box<Self>,
        slots: &[Option<Slot>],
        table: &mut Table,
    ) -> Result<(), RecordingError> {
        let slots_of = |array: &Array| &slots[array.first_column..][..array.columns];
        let used: Vec<(&Array, usize)> = self
            .arrays
            .iter()
            .map(|array| (array, slots_of(array).iter().flatten().count()))
            .filter(|(_, count)| *count > 0)
            .collect();
        self.check_size(&used)?;
        // Arrays that are only looked at for a counter say nothing of the rows.
        let is_read = |array: &Array| {
            let mut slots = slots_of(array).iter().flatten();
            slots.any(|slot| !matches!(slot, Slot::Time((COUNTER, _))))
        };
        let mut read = used.iter().filter(|(array, _)| is_read(array));
        let all_long = read.all(|(array, _)| array.is_long);
        let all_long = all_long && self.rows.long.is_some();
        let episodes = self.evidence.episodes(all_long);
        if let Some(episodes) = episodes.or_else(|| self.rows.episodes(all_long)) {
            table.cut_at(episodes);
            table.may_be_padded = self.rows.shape.len() == 2;
            table.flags_cut_parts = self.rows.turned || self.evidence.is_buffer;
        }
        table.ring_start = self.evidence.ring.as_ref().map(|(_, start)| *start);
        for (array, _) in used {
            let mut row = 0;
            let is_long = array.is_long;
            let row_of = |row: usize| match &self.evidence.padding {
                Some(padding) => padding.row(row, is_long),
                None => Some(row),
            };
            for &(member, layout) in &array.parts {
                let name = self.columns[array.first_column].family();
                let format = self.container.format();
                let fault = |reason: String| match self.columns[array.first_column].array {
                    None if name == "c0" => corrupt(&self.file, format, reason),
                    _ => corrupt(&self.file, format, format!("array {name}: {reason}")),
                };
                let mut values = self.container.values(member).map_err(&fault)?;
                let (mut layout, depth) = (layout, self.rows.shape.len());
                let turned = self.rows.turned;
                if (layout.fortran || turned) && depth > 1 {
                    let more = u64::from(turned && is_long);
                    let first = self.rows.shape[0].saturating_add(more);
                    let ordered = ordered(&mut *values, &layout, first, turned);
                    values = Box::new(Cursor::new(ordered.map_err(&fault)?));
                    layout.fortran = false;
                }
                let place = Place {
                    first_column: array.first_column,
                    start: row,
                    row_of: &row_of,
                };
                stream(layout, &mut *values, place, slots_of(array), table).map_err(
                    |fault_of| match fault_of {
                        Fault::Data(reason) => fault(reason),
                        Fault::Receiver(fault) => fault,
                    },
                )?;
                row += usize::try_from(layout.rows).unwrap_or(usize::MAX);
            }
        }
        Ok(())
    }
}

impl Family {
    /// How its parts are rows and columns of the recording, and whether it has a row more for each
    /// episode; the error says why it is no part of it.
    fn layouts(
        &self,
        members: &[Member],
        rows: &Rows,
    ) -> Result<(Vec<(usize, Layout)>, bool), String> {
        if rows.episodes.is_empty() {
            let long = |shape: &Vec<u64>| layout(&self.header, shape);
            let plain = layout(&self.header, &rows.shape);
            let is_long = plain.is_err();
            let found = match (plain, rows.long.as_ref()) {
                (Err(reason), Some(shape)) => long(shape).map_err(|_| reason),
                (found, _) => found,
            }?;
            return Ok((vec![(self.members[0], found)], is_long));
        }
        let wanted = |more: u64| rows.episodes.iter().map(move |(_, length)| length + more);
        let is_long = match &self.lengths {
            lengths if lengths.iter().copied().eq(wanted(0)) => false,
            lengths if rows.long.is_some() && lengths.iter().copied().eq(wanted(1)) => true,
            lengths if lengths.is_empty() => return Err("outside of the episodes".to_owned()),
            lengths if lengths.len() != rows.episodes.len() => {
                return Err("not in every episode".to_owned());
            }
            _ => return Err("other rows than the states".to_owned()),
        };
        let parts = self.members.iter().map(|&member| {
            let header = &members[member].header;
            let shape = header.shape.first().copied();
            Ok((member, layout(header, shape.as_slice())?))
        });
        let parts: Vec<(usize, Layout)> = parts.collect::<Result<_, String>>()?;
        match parts
            .iter()
            .all(|(_, layout)| layout.columns == parts[0].1.columns)
        {
            true => Ok((parts, is_long)),
            false => Err("other columns in other episodes".to_owned()),
        }
    }
}

/// Where the values of an array go.
struct Place<'p> {
    /// Position of its first column among those of the file.
    first_column: usize,
    /// Rows of the recording before its own.
    start: usize,
    /// The row among its own that a row of values is; nothing for one that is left out.
    row_of: &'p dyn Fn(usize) -> Option<usize>,
}

/// Puts the values of an array into the table; `slots` are those of its columns.
fn stream(
    layout: Layout,
    reader: &mut dyn Read,
    place: Place,
    slots: &[Option<Slot>],
    table: &mut Table,
) -> Result<(), Fault<RecordingError>> {
    let mut last = vec![Vec::new(); slots.len()];
    let (first, start) = (place.first_column, place.start);
    layout.stream(reader, |row, column, bytes| {
        let Some(row) = (place.row_of)(row) else {
            return Ok(());
        };
        let row = start + row;
        match slots[column] {
            Some(Slot::Value(block, position)) => {
                match layout.element.large_integer(bytes) {
                    Some(integer) => table.set_integer(block, position, row, integer),
                    None => table.set(block, position, row, layout.element.number(bytes)),
                }
                Ok(())
            }
            Some(Slot::Part(_)) => {
                table.part(first + column, layout.element.number(bytes));
                Ok(())
            }
            Some(Slot::Time(_)) => {
                match layout.element.large_integer(bytes) {
                    Some(integer) => table.time(first + column, integer),
                    None => table
                        .clock(first + column)
                        .number(layout.element.number(bytes)),
                }
                Ok(())
            }
            Some(slot) => {
                // Most rows carry the label of the row before; only new ones become text.
                if last[column] == bytes && row > start {
                    table.same_label(first + column, slot, row);
                    return Ok(());
                }
                last[column] = bytes.to_vec();
                table.label(first + column, slot, row, &layout.element.text(bytes));
                Ok(())
            }
            None => Ok(()),
        }
    })
}

/// How an array is rows and columns of the recording, or why it is not.
fn layout(header: &Header, rows_shape: &[u64]) -> Result<Layout, String> {
    let element = header.element.clone()?;
    let mut fortran = header.fortran;
    let columns = match (header.shape.strip_prefix(rows_shape), rows_shape) {
        (Some([]), [_, ..]) => 1,
        (Some([columns]), [_, ..]) => *columns,
        // A row for each variable, as in models of control, beside a time of as many values.
        (None, &[rows]) if matches!(header.shape[..], [_, last] if last == rows) => {
            fortran = !fortran;
            header.shape[0]
        }
        _ => {
            let shape: Vec<String> = header.shape.iter().map(u64::to_string).collect();
            return Err(format!("shape [{}]", shape.join(", ")));
        }
    };
    if columns > MAX_COLUMNS as u64 {
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
        fortran,
    })
}

/// The columns of an array of some width.
fn column_names(family: &Family, rows: &Rows, width: usize, named: bool) -> Vec<Column> {
    let depth = match rows.episodes.is_empty() {
        true => rows.shape.len(),
        false => 1,
    };
    let name = &family.name;
    let column = |name: String, array: Option<String>| Column {
        name,
        array,
        kind: Kind::Number,
    };
    match named {
        false => (0..width)
            .map(|index| column(format!("c{index}"), None))
            .collect(),
        true if family.header.shape.len() == depth => vec![column(name.clone(), None)],
        true => (0..width)
            .map(|index| column(format!("{name}_{index}"), Some(name.clone())))
            .collect(),
    }
}

pub(super) fn corrupt(path: &Path, format: &'static str, reason: String) -> RecordingError {
    RecordingError::Corrupt {
        file: path.to_owned(),
        format,
        reason,
    }
}
