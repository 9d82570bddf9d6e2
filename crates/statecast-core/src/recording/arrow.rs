//! Arrow files and streams, Feather of version 2 among them: flat columns, fields of structs, and
//! lists of as many numbers in every row.
//!
//! Read here and not by a library because the one there is allocates what a compressed buffer claims
//! to hold before it has unpacked it. The format is that of Apache Arrow's "Columnar Format".

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::RecordingError;
use super::arrow_body::Body;
use super::arrow_data::{Data, Field, Type};
use super::arrow_schema::{damaged, fields};
use super::bounds::Bounds;
use super::cell::Cell;
use super::flat::Flat;
use super::input::Input;
use super::source::{Column, Kind, MAX_COLUMNS, Source};
use super::table::{Slot, Table};

const MAGIC: &[u8] = b"ARROW1";
const CONTINUES: u32 = u32::MAX;
const LONGEST_METADATA: u64 = 64 << 20;

/// An Arrow file whose schema has been read.
pub(super) struct ArrowSource {
    pub(super) name: PathBuf,
    pub(super) file: File,
    pub(super) bounds: Bounds,
    fields: Vec<Field>,
    messages: Vec<Message>,
    columns: Vec<Column>,
    /// Where the values of each column are.
    places: Vec<Place>,
}

/// A message whose body holds the buffers of a batch.
pub(super) struct Message {
    metadata: Vec<u8>,
    pub(super) body: u64,
    pub(super) body_bytes: u64,
}

/// The field of a column, by its position in those around it, and the item of its lists.
#[derive(Debug, Clone)]
struct Place {
    path: Vec<usize>,
    item: Option<usize>,
}

/// Why a file cannot be read, before its name is known.
type Reason = String;

impl ArrowSource {
    pub(super) fn open(mut input: Input) -> Result<Self, RecordingError> {
        let file = input.handle()?;
        let mut source = Self {
            name: input.name,
            file,
            bounds: input.bounds,
            fields: Vec::new(),
            messages: Vec::new(),
            columns: Vec::new(),
            places: Vec::new(),
        };
        let listed = source.list();
        listed.map_err(|reason| source.corrupt(reason))?;
        source.find_columns()?;
        Ok(source)
    }

    pub(super) fn corrupt(&self, reason: Reason) -> RecordingError {
        RecordingError::Corrupt {
            file: self.name.clone(),
            format: "Arrow",
            reason,
        }
    }

    /// Reads the metadata of all messages.
    fn list(&mut self) -> Result<(), Reason> {
        let io = |fault: std::io::Error| fault.to_string();
        let end = self.file.metadata().map_err(io)?.len();
        let mut start = [0; 6];
        self.file.read_exact(&mut start).map_err(io)?;
        let is_file = start == MAGIC;
        if is_file {
            let mut last = [0; 6];
            self.file.seek(SeekFrom::End(-6)).map_err(io)?;
            self.file.read_exact(&mut last).map_err(io)?;
            if last != MAGIC || end < 24 {
                return Err("its end is missing".to_owned());
            }
        }
        let mut at = if is_file { 8 } else { 0 };
        let cut = || "it ends inside a message".to_owned();
        while at < end {
            self.file.seek(SeekFrom::Start(at)).map_err(io)?;
            let mut word = || {
                let mut bytes = [0; 4];
                self.file.read_exact(&mut bytes).map_err(|_| cut())?;
                Ok::<u32, Reason>(u32::from_le_bytes(bytes))
            };
            let mut length = word()?;
            at += 4;
            if length == CONTINUES {
                length = word()?;
                at += 4;
            }
            if length == 0 {
                break;
            }
            let length = u64::from(length);
            if length > LONGEST_METADATA || at + length > end {
                return Err(cut());
            }
            let mut metadata = vec![0; length as usize];
            self.file.read_exact(&mut metadata).map_err(io)?;
            let message = Flat::root(&metadata).ok_or_else(damaged)?;
            let body = at + length;
            let body_bytes = u64::try_from(message.long(3).unwrap_or(0)).map_err(|_| damaged())?;
            at = body
                .checked_add(body_bytes)
                .filter(|&at| at <= end)
                .ok_or_else(cut)?;
            match message.byte(1) {
                Some(1) if self.fields.is_empty() => {
                    let schema = message.table(2).ok_or_else(damaged)?;
                    if schema.short(0).unwrap_or(0) != 0 {
                        return Err("its numbers are big-endian".to_owned());
                    }
                    self.fields = fields(schema.items(1, 4).ok_or_else(damaged)?, 0)?;
                }
                Some(2 | 3) => self.messages.push(Message {
                    metadata,
                    body,
                    body_bytes,
                }),
                _ => {}
            }
        }
        match self.fields.is_empty() {
            true => Err("it has no schema".to_owned()),
            false => Ok(()),
        }
    }

    /// Finds the columns; how long lists are is said by the first row.
    fn find_columns(&mut self) -> Result<(), RecordingError> {
        let has_lists = self.fields.iter().any(Field::has_lists);
        let first = match has_lists {
            true => {
                let batch = self
                    .messages
                    .iter()
                    .find(|message| message.kind() == Some(3));
                let batch = batch
                    .map(|message| self.batch(message, &|_| true))
                    .transpose()?;
                batch.map_or(Vec::new(), |(_, columns)| columns)
            }
            false => Vec::new(),
        };
        let fields = std::mem::take(&mut self.fields);
        for (index, field) in fields.iter().enumerate() {
            self.find_in(field, &field.name, vec![index], first.get(index))?;
        }
        self.fields = fields;
        Ok(())
    }

    fn find_in(
        &mut self,
        field: &Field,
        name: &str,
        path: Vec<usize>,
        first: Option<&Data>,
    ) -> Result<(), RecordingError> {
        let kind = match (&field.of, &field.dictionary) {
            (Type::Struct, None) => {
                for (index, child) in field.children.iter().enumerate() {
                    let path = [&path[..], &[index]].concat();
                    let data = first.and_then(|data| data.children.get(index));
                    self.find_in(child, &format!("{name}.{}", child.name), path, data)?;
                }
                return Ok(());
            }
            (Type::List(_) | Type::FixedList(_), None) => {
                let child = field.children.first();
                let items = first.filter(|data| data.rows > 0);
                let items = items.and_then(|data| data.items(&field.of, 0));
                let width = items.map_or(0, |(start, end)| end.saturating_sub(start));
                let kind = child.map(|child| child.kind());
                if kind == Some(Kind::Number) && width > 0 && width <= MAX_COLUMNS {
                    for item in 0..width {
                        let column = format!("{name}_{item}");
                        self.add(
                            column,
                            Some(name.to_owned()),
                            Kind::Number,
                            &path,
                            Some(item),
                        )?;
                    }
                    return Ok(());
                }
                Kind::Unusable("nested; save one column per number".to_owned())
            }
            _ => field.kind(),
        };
        self.add(name.to_owned(), None, kind, &path, None)
    }

    fn add(
        &mut self,
        name: String,
        array: Option<String>,
        kind: Kind,
        path: &[usize],
        item: Option<usize>,
    ) -> Result<(), RecordingError> {
        self.columns.push(Column { name, array, kind });
        self.places.push(Place {
            path: path.to_vec(),
            item,
        });
        match self.columns.len() > MAX_COLUMNS {
            true => Err(RecordingError::TooManyColumns {
                file: self.name.clone(),
                limit: MAX_COLUMNS,
            }),
            false => Ok(()),
        }
    }

    /// Unpacks the columns of a batch that are used: its rows and the buffers of all fields, empty
    /// for those that are not.
    fn batch(
        &self,
        message: &Message,
        used: &dyn Fn(usize) -> bool,
    ) -> Result<(usize, Vec<Data>), RecordingError> {
        let batch = message.batch().ok_or_else(|| self.corrupt(damaged()))?;
        let mut body = Body::new(self, message, batch)?;
        let mut columns = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            columns.push(body.take(field, used(index))?);
        }
        Ok((body.rows, columns))
    }

    /// The entries of a dictionary.
    fn entries(&self, message: &Message) -> Result<(i64, Data), RecordingError> {
        let dictionary = message.header().ok_or_else(|| self.corrupt(damaged()))?;
        let id = dictionary.long(0).unwrap_or(0);
        let batch = dictionary.table(1).ok_or_else(|| self.corrupt(damaged()))?;
        let field = self
            .fields
            .iter()
            .find_map(|field| field.with_dictionary(id));
        let Some(field) = field else {
            return Ok((id, Data::default()));
        };
        let plain = Field {
            dictionary: None,
            ..field.clone()
        };
        Ok((id, Body::new(self, message, batch)?.take(&plain, true)?))
    }
}

impl Message {
    fn kind(&self) -> Option<u8> {
        Flat::root(&self.metadata)?.byte(1)
    }

    fn header(&self) -> Option<Flat<'_>> {
        Flat::root(&self.metadata)?.table(2)
    }

    fn batch(&self) -> Option<Flat<'_>> {
        self.header()
    }
}

impl Source for ArrowSource {
    fn file(&self) -> &Path {
        &self.name
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
        let used: Vec<(usize, Slot)> = slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, (*slot)?)))
            .collect();
        let is_used = |field: usize| used.iter().any(|&(c, _)| self.places[c].path[0] == field);
        let mut dictionaries: HashMap<i64, Vec<Data>> = HashMap::new();
        let mut start: usize = 0;
        for message in &self.messages {
            if message.kind() == Some(2) {
                let (id, entries) = self.entries(message)?;
                let is_delta = message.header().and_then(|header| header.byte(2)) == Some(1);
                let known = dictionaries.entry(id).or_default();
                if !is_delta {
                    known.clear();
                }
                known.push(entries);
                continue;
            }
            // Before anything is unpacked for them.
            let claimed = message.batch().and_then(|batch| batch.long(0)).unwrap_or(0);
            let claimed = usize::try_from(claimed).map_err(|_| self.corrupt(damaged()))?;
            table.make_room(start.saturating_add(claimed))?;
            let (rows, columns) = self.batch(message, &is_used)?;
            for &(index, slot) in &used {
                let place = &self.places[index];
                let (field, data) = find(&self.fields, &columns, &place.path)
                    .ok_or_else(|| self.corrupt(damaged()))?;
                for row in 0..rows {
                    let cell = match (place.item, &field.dictionary) {
                        (Some(item), _) => list_item(field, data, row, item),
                        (None, Some((id, of))) => {
                            let entries = dictionaries.get(id).map_or(&[][..], |known| known);
                            data.cell(of, row)
                                .and_then(|cell| entry(field, entries, cell))
                        }
                        (None, None) => data.cell(&field.of, row),
                    };
                    let cell = cell.ok_or_else(|| {
                        self.corrupt(format!(
                            "column {} has no value in row {}",
                            self.columns[index].name,
                            start + row + 1
                        ))
                    })?;
                    table.put(index, slot, start + row, cell)?;
                }
            }
            start += rows;
        }
        Ok(())
    }
}

/// The field at the end of a path and its buffers.
fn find<'a>(
    fields: &'a [Field],
    data: &'a [Data],
    path: &[usize],
) -> Option<(&'a Field, &'a Data)> {
    let (&first, rest) = path.split_first()?;
    let (field, data) = (fields.get(first)?, data.get(first)?);
    match rest.is_empty() {
        true => Some((field, data)),
        false => find(&field.children, &data.children, rest),
    }
}

/// An item of a row's list, which is missing where the whole list is.
fn list_item<'d>(field: &Field, data: &'d Data, row: usize, item: usize) -> Option<Cell<'d>> {
    let (start, end) = data.items(&field.of, row)?;
    if start == end {
        return Some(Cell::Missing);
    }
    let (child, values) = (field.children.first()?, data.children.first()?);
    let place = start.checked_add(item).filter(|&place| place < end)?;
    values.cell(&child.of, place)
}

/// The entry of a dictionary that a cell names.
fn entry<'d>(field: &Field, entries: &'d [Data], cell: Cell) -> Option<Cell<'d>> {
    let Cell::Integer(index) = cell else {
        return Some(Cell::Missing);
    };
    let mut index = usize::try_from(index).ok()?;
    for part in entries {
        if index < part.rows {
            return part.cell(&field.of, index);
        }
        index -= part.rows;
    }
    None
}
