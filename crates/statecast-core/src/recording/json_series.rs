//! JSON objects that hold a table in their fields: a series of GluonTS, the columns of a weather service.

use serde_json::{Map, Value};

use super::calendar::{When, when};
use super::conventions::{Convention, convention};
use super::frequency::Step;
use super::instants::{First, Instant};
use super::source::list;

/// Fields of the values of a series.
const TARGETS: [&str; 3] = ["target", "values", "value"];
/// Fields of the name of a series.
const IDS: [&str; 4] = ["item_id", "unique_id", "series_id", "id"];
/// Other fields of a series that are neither its values nor of the whole of it.
const OF_SERIES: [&str; 2] = ["start", "freq"];
/// Fewest values of a list that is a series though it has no times; fewer may be a state.
const MIN_VALUES: usize = 10;
/// Rows of a table beside others.
const MIN_ROWS: usize = 2;

/// A table in the fields of an object.
pub(super) struct Series<'v> {
    /// Name of the series, if it has one.
    pub(super) name: Option<String>,
    columns: Vec<(&'v str, Values<'v>)>,
    /// Columns that are lists.
    lists: usize,
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

    /// The same of an object that is one of several: a list of times with as many values of others, or a list of values
    /// and no times, is a series, too.
    pub(super) fn of_one(value: &'v Value, wanted: &[String]) -> Option<Self> {
        let fields = value.as_object()?;
        Self::of(value, wanted)
            .or_else(|| of_lists(fields))
            .or_else(|| of_target(fields))
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
    let target = TARGETS.iter().find(|name| fields.contains_key(**name))?;
    let step = fields.get("freq").and_then(Value::as_str);
    let step = step.and_then(Step::of_pandas);
    let mut series = of_values(fields, target)?;
    let times = step.map(|step| ("time", Values::Times(start, step)));
    if let Some(times) = times {
        series.columns.insert(0, times);
    } else {
        let steps =
            "start says when a series begins, but no freq gives its steps, so steps are counted";
        series.note = Some(match series.note {
            Some(note) => format!("{steps}; {note}"),
            None => steps.to_owned(),
        });
    }
    Some(series)
}

/// A series without times, of `target` or the like and features, and nothing that counts steps.
fn of_target(fields: &Map<String, Value>) -> Option<Series<'_>> {
    let target = TARGETS[0];
    let is_of_whole = |(name, value): (&String, &Value)| {
        let features = name.starts_with("feat_") || matches!(name.as_str(), "dynamic_feat" | "cat");
        let counts = convention(name) == Some(Convention::Time);
        name == target || features || (!counts && !value.is_array() && !value.is_object())
    };
    let items = fields.get(target)?.as_array()?;
    let long = items.len() >= MIN_VALUES && items.iter().all(|item| !item.is_array());
    (long && fields.iter().all(is_of_whole)).then(|| of_values(fields, target))?
}

/// A series of a list of times and lists of as many values.
fn of_lists(fields: &Map<String, Value>) -> Option<Series<'_>> {
    let is_of_times = |(name, value): &(&String, &Value)| {
        let items = value.as_array();
        convention(name) == Some(Convention::Time)
            && items.is_some_and(|items| items.len() >= MIN_ROWS && are_times(items))
    };
    let (times, _) = fields.iter().find(is_of_times)?;
    let series = of_values(fields, times)?;
    (series.lists > 1).then_some(series)
}

/// The columns of a series with as many rows as one of its lists has values.
fn of_values<'v>(fields: &'v Map<String, Value>, first: &'v str) -> Option<Series<'v>> {
    let items = fields.get(first)?.as_array()?;
    let rows = match items.first() {
        Some(Value::Array(first)) => first.len(),
        _ => items.len(),
    };
    let mut columns = vec![(first, values(items, rows)?)];
    let (mut left_out, mut longer) = (Vec::new(), Vec::new());
    let id = IDS.iter().find_map(|name| {
        let id = fields.get(*name)?;
        (id.is_string() || id.is_number()).then_some((*name, id))
    });
    let is_other = |name: &str| {
        name != first && !OF_SERIES.contains(&name) && id.is_none_or(|(known, _)| known != name)
    };
    for (name, value) in fields.iter().filter(|(name, _)| is_other(name)) {
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
    let lists = columns.len();
    columns.extend(id.map(|(name, id)| (name, Values::Same(id))));
    let mut notes = Vec::new();
    if !left_out.is_empty() {
        notes.push(format!(
            "fields of a whole series are ignored: {}",
            list(left_out.into_iter())
        ));
    }
    if !longer.is_empty() {
        let names = list(longer.into_iter());
        notes.push(format!(
            "values of {names} after the last {first} are left out"
        ));
    }
    Some(Series {
        name: id.map(|(_, id)| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
        columns,
        rows,
        lists,
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
        lists: columns.len(),
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
