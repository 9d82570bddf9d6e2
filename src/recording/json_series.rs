//! JSON objects that hold a table in their fields: a series of GluonTS, the columns of a weather service.

use serde_json::{Map, Value};

use super::calendar::{First, Instant, When, when};
use super::conventions::{Convention, convention};
use super::frequency::Step;
use super::source::list;

/// Fields of a series that are neither its values nor of the whole of it.
const OF_SERIES: [&str; 4] = ["start", "target", "item_id", "freq"];
/// Rows of a table beside others.
const MIN_ROWS: usize = 2;

/// A table in the fields of an object.
pub(super) struct Series<'v> {
    /// Name of the series, if it has one.
    pub(super) name: Option<String>,
    columns: Vec<(&'v str, Values<'v>)>,
    pub(super) rows: usize,
    /// What the user should know of what is left out.
    pub(super) note: Option<String>,
}

/// What a column holds.
enum Values<'v> {
    /// A value a row.
    Each(&'v [Value]),
    /// Several columns, each a value a row.
    Columns(Vec<&'v [Value]>),
    /// The same in every row.
    Same(&'v Value),
    /// A time a row, from the first on.
    Times(Instant, Step),
}

impl<'v> Series<'v> {
    /// The table that an object holds: a series as GluonTS has it, or columns one level down, those in `wanted` first.
    pub(super) fn of(value: &'v Value, wanted: &[String]) -> Option<Self> {
        let fields = value.as_object()?;
        of_gluon(fields).or_else(|| columns_inside(fields, wanted))
    }

    /// A row as an object.
    pub(super) fn row(&self, row: usize) -> Value {
        let value = |values: &Values| match values {
            Values::Each(items) => items.get(row).cloned().unwrap_or_default(),
            Values::Columns(columns) => {
                let items = columns.iter().map(|items| items.get(row).cloned());
                items.map(Option::unwrap_or_default).collect()
            }
            Values::Same(value) => (*value).clone(),
            Values::Times(start, step) => match step.after(*start, row) {
                // Days and times of a day would be of two kinds.
                Some(time) if !step.is_of_days() && time.nanos == 0 => {
                    format!("{time} 00:00:00").into()
                }
                Some(time) => time.to_string().into(),
                None => Value::Null,
            },
        };
        let cells = self.columns.iter();
        Value::Object(
            cells
                .map(|(name, values)| ((*name).to_owned(), value(values)))
                .collect(),
        )
    }
}

/// A series: `start`, `target` with a value a step or such a list for each dimension, features with as many values or
/// more, which are those of a forecast, and what is said of the whole series.
fn of_gluon(fields: &Map<String, Value>) -> Option<Series<'_>> {
    let start = instant(fields.get("start")?)?;
    let target = fields.get("target")?.as_array()?;
    let rows = match target.first() {
        Some(Value::Array(first)) => first.len(),
        _ => target.len(),
    };
    let target = values(target, rows)?;
    let step = fields.get("freq").and_then(Value::as_str);
    let step = step.and_then(Step::of_pandas);
    let mut columns = Vec::new();
    columns.extend(step.map(|step| ("time", Values::Times(start, step))));
    columns.push(("target", target));
    let (mut left_out, mut longer) = (Vec::new(), Vec::new());
    let others = fields
        .iter()
        .filter(|(name, _)| !OF_SERIES.contains(&name.as_str()));
    for (name, value) in others {
        let items = value
            .as_array()
            .filter(|_| !name.starts_with("feat_static"));
        match items.and_then(|items| values(items, rows)) {
            Some(values) => {
                longer.extend((values.rows() > rows).then_some(name.as_str()));
                columns.push((name, values));
            }
            None => left_out.push(name.as_str()),
        }
    }
    let id = fields
        .get("item_id")
        .filter(|id| id.is_string() || id.is_number());
    columns.extend(id.map(|id| ("item_id", Values::Same(id))));
    let mut notes = Vec::new();
    if step.is_none() {
        notes.push(
            "start says when a series begins, but no freq how it goes on, so steps are counted"
                .to_owned(),
        );
    }
    if !left_out.is_empty() {
        notes.push(format!(
            "fields of a whole series are ignored: {}",
            list(left_out.into_iter())
        ));
    }
    if !longer.is_empty() {
        let names = list(longer.into_iter());
        notes.push(format!(
            "values of {names} behind the last target are left out"
        ));
    }
    Some(Series {
        name: id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
        columns,
        rows,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

/// The columns that a list is: one of numbers, or lists of numbers, each with so many rows or more.
fn values(items: &[Value], rows: usize) -> Option<Values<'_>> {
    let is_column = |items: &[Value]| {
        items.len() >= rows && !items.iter().any(|item| item.is_array() || item.is_object())
    };
    if is_column(items) {
        return Some(Values::Each(items));
    }
    let columns: Option<Vec<&[Value]>> = items
        .iter()
        .map(|item| {
            item.as_array()
                .map(Vec::as_slice)
                .filter(|items| is_column(items))
        })
        .collect();
    columns
        .filter(|columns| !columns.is_empty())
        .map(Values::Columns)
}

impl Values<'_> {
    /// The most values of one of its columns.
    fn rows(&self) -> usize {
        match self {
            Values::Each(items) => items.len(),
            Values::Columns(columns) => columns.iter().map(|items| items.len()).max().unwrap_or(0),
            Values::Same(_) | Values::Times(..) => 0,
        }
    }
}

/// Columns in a field of an object, as `hourly` of Open-Meteo: lists of one length, of which one holds times. Of several
/// it is the one with a column that is wanted, or the longest.
fn columns_inside<'v>(fields: &'v Map<String, Value>, wanted: &[String]) -> Option<Series<'v>> {
    let tables = fields.iter().filter_map(|(name, value)| {
        let columns = value.as_object()?;
        let rows = columns.values().next()?.as_array()?.len();
        let each = |(name, value): (&'v String, &'v Value)| match values(value.as_array()?, rows)? {
            Values::Each(items) if items.len() == rows => Some((name.as_str(), items)),
            _ => None,
        };
        let columns: Vec<(&str, &[Value])> = columns.iter().map(each).collect::<Option<_>>()?;
        let times = columns
            .iter()
            .any(|(name, items)| convention(name) == Some(Convention::Time) && are_times(items));
        (rows >= MIN_ROWS && times).then_some((name.as_str(), rows, columns))
    });
    let (name, rows, columns) = tables.max_by_key(|(_, rows, columns)| {
        let is_wanted = columns
            .iter()
            .any(|(name, _)| wanted.iter().any(|w| w == name));
        (is_wanted, *rows)
    })?;
    let others: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|n| *n != name)
        .collect();
    Some(Series {
        name: None,
        columns: columns
            .into_iter()
            .map(|(name, items)| (name, Values::Each(items)))
            .collect(),
        rows,
        note: (!others.is_empty()).then(|| {
            format!(
                "{name} holds the table; {} beside it are ignored",
                list(others.into_iter())
            )
        }),
    })
}

/// Whether values are dates, or numbers that rise.
fn are_times(items: &[Value]) -> bool {
    let numbers: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
    match numbers {
        Some(numbers) => numbers.windows(2).all(|pair| pair[0] < pair[1]),
        None => items
            .iter()
            .all(|item| item.as_str().is_some_and(|text| when(text).is_some())),
    }
}

fn instant(value: &Value) -> Option<Instant> {
    match when(value.as_str()?)? {
        When::Date(date) => date.read(First::Year),
        When::TimeOfDay(_) => None,
    }
}
