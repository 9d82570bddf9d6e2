//! JSON: an object a line, an array of objects or of rows, or an object of columns.
//!
//! Lists of numbers are several columns, objects in objects `outer.inner`. An object of which fields
//! are lists of rows is an episode, and so is one that holds a series.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::Value;

use super::RecordingError;
use super::bounds::Bounds;
use super::calendar::{When, when};
use super::cell::Cell;
use super::dialect::{Parsed, parse, placeholder};
use super::input::Input;
use super::json_series::Series;
use super::json_tables::rows_of_object;
use super::json_words::Words;
use super::source::{Column, Kind, MAX_COLUMNS, Precision, Source};
use super::table::{Slot, Table};

/// Rows by which columns and what they hold are found.
const SAMPLE_ROWS: usize = 1000;
/// Bytes of an object that holds all columns: it is in memory at once.
const MAX_BYTES_AT_ONCE: u64 = 256 << 20;
/// Objects in objects that are looked into.
const DEEPEST: usize = 8;

/// A JSON file of which the first rows have been read.
pub(super) struct JsonSource {
    file: PathBuf,
    handle: File,
    bounds: Bounds,
    shape: Shape,
    columns: Vec<Column>,
    /// Columns by their names.
    places: HashMap<String, usize>,
    has_names: bool,
    /// Columns that the user chose, which say which records of a log are rows.
    wanted: Vec<String>,
    notes: Vec<String>,
}

/// How a file holds its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// Values one after the other.
    Lines,
    /// One array.
    Array,
    /// One object of columns.
    Columns,
}

/// What is found beside rows while they are read.
#[derive(Debug, Default)]
struct Told {
    /// Names and rows of the episodes that the file tells apart.
    episodes: Vec<(String, usize)>,
    /// Each once.
    notes: Vec<String>,
}

impl Told {
    fn note(&mut self, note: Option<String>) {
        self.notes
            .extend(note.filter(|note| !self.notes.contains(note)));
    }
}

/// What stops the reading of rows.
enum Stop {
    /// Enough has been read.
    Enough,
    Fault(RecordingError),
}

impl JsonSource {
    pub(super) fn open(mut input: Input, wanted: &[String]) -> Result<Self, RecordingError> {
        let handle = input.handle()?;
        let mut source = Self {
            file: input.name,
            handle,
            bounds: input.bounds,
            shape: Shape::Lines,
            columns: Vec::new(),
            places: HashMap::new(),
            has_names: true,
            wanted: wanted.to_vec(),
            notes: Vec::new(),
        };
        source.shape = source.find_shape()?;
        let mut kinds: Vec<Kind> = Vec::new();
        let (mut rows, mut told) = (0, Told::default());
        let mut found = std::mem::take(&mut source.places);
        let mut columns = Vec::new();
        let too_many = || RecordingError::TooManyColumns {
            file: source.file.clone(),
            limit: MAX_COLUMNS,
        };
        let mut has_names = true;
        let stopped = source.for_each_row(&mut told, &mut |row| {
            has_names &= row.is_object();
            for (name, array, value) in cells_of(row) {
                let place = *found.entry(name).or_insert_with_key(|name| {
                    columns.push(Column {
                        name: name.clone(),
                        array,
                        kind: Kind::Blank,
                    });
                    kinds.push(Kind::Blank);
                    columns.len() - 1
                });
                if kinds[place] == Kind::Blank {
                    kinds[place] = kind_of(value);
                }
                if columns.len() > MAX_COLUMNS {
                    return Err(Stop::Fault(too_many()));
                }
            }
            rows += 1;
            match rows < SAMPLE_ROWS {
                true => Ok(()),
                false => Err(Stop::Enough),
            }
        });
        match stopped {
            Err(Stop::Fault(fault)) => return Err(fault),
            Ok(()) | Err(Stop::Enough) => {}
        }
        if rows == 0 {
            return Err(RecordingError::NoRows { file: source.file });
        }
        for (column, kind) in columns.iter_mut().zip(kinds) {
            column.kind = kind;
        }
        (source.places, source.columns, source.has_names) = (found, columns, has_names);
        source.notes = told.notes;
        Ok(source)
    }

    fn corrupt(&self, reason: impl ToString) -> RecordingError {
        RecordingError::Corrupt {
            file: self.file.clone(),
            format: "JSON",
            reason: reason.to_string(),
        }
    }

    fn reader(&self) -> Result<BufReader<Words<BufReader<File>>>, RecordingError> {
        let io = |source| RecordingError::Io {
            file: self.file.clone(),
            source,
        };
        let mut file = self.handle.try_clone().map_err(io)?;
        file.rewind().map_err(io)?;
        let mut reader = BufReader::new(file);
        if reader.fill_buf().map_err(io)?.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        Ok(BufReader::new(Words::new(reader)))
    }

    /// Looks at the beginning, and whether anything follows the first value.
    fn find_shape(&self) -> Result<Shape, RecordingError> {
        let io = |source| RecordingError::Io {
            file: self.file.clone(),
            source,
        };
        let mut reader = self.reader()?;
        let start = loop {
            let start = reader.fill_buf().map_err(io)?;
            let Some(&first) = start.first() else {
                return Err(self.corrupt("it holds nothing"));
            };
            if !first.is_ascii_whitespace() {
                break first;
            }
            reader.consume(1);
        };
        let limited = reader.take(MAX_BYTES_AT_ONCE);
        let mut values =
            serde_json::Deserializer::from_reader(limited).into_iter::<serde::de::IgnoredAny>();
        values
            .next()
            .transpose()
            .map_err(|fault| self.corrupt(fault))?;
        let is_alone = values.next().is_none();
        match start {
            b'[' if is_alone => Ok(Shape::Array),
            b'{' if is_alone => Ok(Shape::Columns),
            b'{' | b'[' => Ok(Shape::Lines),
            _ => Err(self.corrupt("it holds neither objects nor arrays")),
        }
    }

    /// Passes every row on; what the file says beside is added to `told`.
    fn for_each_row(
        &self,
        told: &mut Told,
        take: &mut dyn FnMut(&Value) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let reader = self.reader().map_err(Stop::Fault)?;
        // The rows of one object hold no series.
        let is_one = self.shape == Shape::Columns;
        let mut each = |value: Value| -> Result<(), Stop> {
            let number = told.episodes.len();
            let series = match is_one {
                true => Series::of(&value, &self.wanted),
                false => Series::of_one(&value, &self.wanted),
            };
            if let Some(series) = series {
                let name = series.name.clone();
                let name = name.unwrap_or_else(|| number.to_string());
                if series.rows > 0 {
                    told.episodes.push((name, series.rows));
                }
                told.note(series.note.clone());
                return (0..series.rows).try_for_each(|row| take(&series.row(row)));
            }
            let rows = match episode(&value) {
                Some(rows) => rows,
                None => return take(&value),
            };
            told.episodes.push((number.to_string(), rows.len()));
            rows.iter().try_for_each(&mut *take)
        };
        let syntax = |fault: serde_json::Error| Stop::Fault(self.corrupt(fault));
        match self.shape {
            Shape::Lines => {
                let values = serde_json::Deserializer::from_reader(reader).into_iter::<Value>();
                for value in values {
                    each(value.map_err(syntax)?)?;
                }
                Ok(())
            }
            Shape::Array => {
                let mut stop = None;
                let mut values = serde_json::Deserializer::from_reader(reader);
                let read = values.deserialize_seq(Each {
                    each: &mut each,
                    stop: &mut stop,
                });
                match (stop, read) {
                    (Some(stop), _) => Err(stop),
                    (None, read) => read.map_err(syntax),
                }
            }
            Shape::Columns => {
                let value = serde_json::from_reader(reader).map_err(syntax)?;
                if Series::of(&value, &self.wanted).is_some() {
                    return each(value);
                }
                let (rows, note) = rows_of_object(value, &self.wanted);
                rows.into_iter().try_for_each(each)?;
                told.note(note);
                Ok(())
            }
        }
    }
}

impl Source for JsonSource {
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
        self.has_names
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
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
        let mut row = 0;
        let mut told = Told::default();
        let stopped = self.for_each_row(&mut told, &mut |value| {
            table.make_room(row + 1).map_err(Stop::Fault)?;
            let mut cells: Vec<Option<&Value>> = vec![None; self.columns.len()];
            for (name, _, value) in cells_of(value) {
                if let Some(&place) = self.places.get(&name) {
                    cells[place] = Some(value);
                }
            }
            for &(index, slot) in &used {
                let cell = cells[index].map_or(Cell::Missing, cell);
                table.put(index, slot, row, cell).map_err(Stop::Fault)?;
            }
            row += 1;
            Ok(())
        });
        if let Err(Stop::Fault(fault)) = stopped {
            return Err(fault);
        }
        // Rows that stand alone are of no episode, and none are if some do.
        let episodes = told.episodes;
        if !episodes.is_empty() && episodes.iter().map(|(_, rows)| rows).sum::<usize>() == row {
            table.cut_at(episodes);
        }
        Ok(())
    }
}

/// Passes on the items of an array, one by one.
struct Each<'e> {
    each: &'e mut dyn FnMut(Value) -> Result<(), Stop>,
    stop: &'e mut Option<Stop>,
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let value = std::marker::PhantomData::<Value>;
        while let Some(item) = items.next_element_seed(Item(value))? {
            if let Err(stop) = (self.each)(item) {
                *self.stop = Some(stop);
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

struct Item(std::marker::PhantomData<Value>);

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.0.deserialize(from)
    }
}

/// The names and values of a row: of an object its fields, of a list its items.
fn cells_of(row: &Value) -> Vec<(String, Option<String>, &Value)> {
    let mut cells = Vec::new();
    match row {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            add_cells(name, value, 0, &mut cells);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| {
            cells.push((format!("c{index}"), None, value));
        }),
        value => cells.push(("c0".to_owned(), None, value)),
    }
    cells
}

fn add_cells<'v>(
    name: &str,
    value: &'v Value,
    depth: usize,
    cells: &mut Vec<(String, Option<String>, &'v Value)>,
) {
    match value {
        Value::Object(fields) if depth < DEEPEST => {
            for (field, value) in fields {
                add_cells(&format!("{name}.{field}"), value, depth + 1, cells);
            }
        }
        Value::Array(items) if items.iter().all(is_scalar) => {
            for (index, item) in items.iter().enumerate() {
                cells.push((format!("{name}_{index}"), Some(name.to_owned()), item));
            }
        }
        value => cells.push((name.to_owned(), None, value)),
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Blank,
        Value::Bool(_) | Value::Number(_) => Kind::Number,
        Value::String(text) => match parse(text.as_bytes(), b',') {
            Parsed::Number(_) => Kind::Number,
            Parsed::Missing("empty") => Kind::Blank,
            Parsed::Missing(_) => Kind::Number,
            Parsed::Text if placeholder(text).is_some() => Kind::Blank,
            Parsed::Text => match when(text) {
                Some(When::Date(date)) if date.is_day() => Kind::Date(Precision::Day),
                Some(_) => Kind::Date(Precision::Time),
                None => Kind::Text,
            },
        },
        Value::Array(_) | Value::Object(_) => {
            Kind::Unusable("nested; save one field per number".to_owned())
        }
    }
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Bool(value) => Cell::Integer(i128::from(*value)),
        Value::Number(number) => match number.as_i128() {
            Some(value) => Cell::Integer(value),
            None => number.as_f64().map_or(Cell::Missing, Cell::Float),
        },
        Value::String(text) => Cell::Text(text),
        Value::Null | Value::Array(_) | Value::Object(_) => Cell::Missing,
    }
}

/// The rows of an episode: a list of objects, or an object whose fields are lists, of which one has lists as items or
/// of which most are as long as each other.
pub(super) fn episode(value: &Value) -> Option<Vec<Value>> {
    let fields = match value {
        Value::Object(fields) => fields,
        // A list of rows in a list of episodes.
        Value::Array(rows) if !rows.is_empty() && rows.iter().all(Value::is_object) => {
            return Some(rows.clone());
        }
        _ => return None,
    };
    let lists = || fields.values().filter_map(Value::as_array);
    let of_rows = lists().find(|items| items.len() > 1 && items.iter().all(Value::is_array));
    let length = of_rows?.len();
    let fits =
        |items: &Vec<Value>| [length, length + 1, length.saturating_sub(1)].contains(&items.len());
    let several = lists().filter(|items| fits(items)).count() > 1;
    several.then(|| {
        let rows = lists()
            .filter(|items| fits(items))
            .map(Vec::len)
            .max()
            .unwrap_or(0);
        (0..rows)
            .map(|row| {
                let of_row = fields.iter().filter_map(|(name, value)| match value {
                    Value::Array(items) if fits(items) => {
                        Some((name.clone(), items.get(row)?.clone()))
                    }
                    Value::Array(_) => None,
                    value => Some((name.clone(), value.clone())),
                });
                Value::Object(of_row.collect())
            })
            .collect()
    })
}
