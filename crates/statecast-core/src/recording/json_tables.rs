//! The rows of a JSON object that stands alone: tables as pandas writes them, and logs.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::calendar::{When, when};
use super::json::episode;
use super::json_replies::table_inside;

/// What every record of a log has, whatever it is of.
const OF_ALL_RECORDS: [&str; 2] = ["epoch", "step"];

/// The rows of an object that stands alone: columns as lists or by the names of rows, names beside
/// rows, rows under the name of the data, or one row.
pub(super) fn rows_of_object(value: Value, wanted: &[String]) -> (Vec<Value>, Option<String>) {
    let Value::Object(mut fields) = value else {
        return (Vec::new(), None);
    };
    match fields.remove("log_history") {
        Some(Value::Array(records)) => of_one_kind(records, wanted),
        Some(other) => {
            fields.insert("log_history".to_owned(), other);
            rows_or_reply(fields)
        }
        None => rows_or_reply(fields),
    }
}

fn rows_or_reply(fields: Map<String, Value>) -> (Vec<Value>, Option<String>) {
    match table_inside(&fields) {
        Some((rows, note)) => (rows, Some(note)),
        None => (rows_of_table(fields), None),
    }
}

fn rows_of_table(mut fields: Map<String, Value>) -> Vec<Value> {
    if let (Some(Value::Array(names)), Some(Value::Array(_))) =
        (fields.get("columns").cloned(), fields.get("data"))
    {
        let Some(Value::Array(rows)) = fields.remove("data") else {
            return Vec::new();
        };
        let named = |row: Value| match row {
            Value::Array(items) => {
                let names = names.iter().map(|name| match name {
                    Value::String(name) => name.clone(),
                    name => name.to_string(),
                });
                Value::Object(names.zip(items).collect())
            }
            row => row,
        };
        let labels = match fields.remove("index") {
            Some(Value::Array(labels)) => labels,
            _ => Vec::new(),
        };
        return with_index(rows.into_iter().map(named).collect(), labels);
    }
    let rows_of = |value: &Value| matches!(value, Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty());
    let data = fields
        .iter()
        .find(|(_, value)| rows_of(value))
        .map(|(name, _)| name.clone());
    if let Some(Value::Array(rows)) = data.and_then(|name| fields.remove(&name)) {
        return rows;
    }
    if !fields.is_empty() && fields.values().all(Value::is_object) {
        return rows_of_objects(fields);
    }
    match episode(&Value::Object(fields.clone())) {
        Some(rows) => rows,
        None => rows_of_lists(fields),
    }
}

/// Rows of columns of single values.
fn rows_of_lists(fields: Map<String, Value>) -> Vec<Value> {
    let lengths = fields.values().filter_map(Value::as_array).map(Vec::len);
    let Some(rows) = lengths.max() else {
        return vec![Value::Object(fields)];
    };
    let mut found: Vec<Map<String, Value>> = vec![Map::new(); rows];
    for (name, value) in fields {
        if let Value::Array(items) = value {
            for (row, item) in found.iter_mut().zip(items) {
                row.insert(name.clone(), item);
            }
        }
    }
    found.into_iter().map(Value::Object).collect()
}

/// Rows of objects in an object: columns by the labels of rows, or rows by the names of columns.
fn rows_of_objects(fields: Map<String, Value>) -> Vec<Value> {
    let inner = |value: &Value| match value {
        Value::Object(items) => items.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let first: Vec<String> = fields.values().next().map(inner).unwrap_or_default();
    let outer: Vec<String> = fields.keys().cloned().collect();
    if are_labels(&outer) && !are_labels(&first) {
        let labels = outer.into_iter().map(Value::String).collect();
        return with_index(fields.into_iter().map(|(_, row)| row).collect(), labels);
    }
    let mut rows: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, column) in fields {
        let Value::Object(items) = column else {
            continue;
        };
        for (label, item) in items {
            let place = *places.entry(label.clone()).or_insert_with(|| {
                rows.push((label, Map::new()));
                rows.len() - 1
            });
            rows[place].1.insert(name.clone(), item);
        }
    }
    let (labels, rows) = rows
        .into_iter()
        .map(|(label, row)| (Value::String(label), Value::Object(row)))
        .unzip();
    with_index(rows, labels)
}

/// Whether all names are numbers or dates, as those of rows are.
fn are_labels(names: &[String]) -> bool {
    let label =
        |name: &String| name.parse::<i64>().is_ok() || matches!(when(name), Some(When::Date(_)));
    !names.is_empty() && names.iter().all(label)
}

/// Rows with their labels as a column `index`, unless these only count them or are words.
fn with_index(mut rows: Vec<Value>, labels: Vec<Value>) -> Vec<Value> {
    let text = |label: &Value| match label {
        Value::String(text) => text.clone(),
        label => label.to_string(),
    };
    let texts: Vec<String> = labels.iter().map(text).collect();
    let counts = texts
        .iter()
        .enumerate()
        .all(|(row, label)| *label == row.to_string());
    let has_column = |row: &Value| row.get("index").is_some();
    if counts || texts.len() != rows.len() || !are_labels(&texts) || rows.iter().any(has_column) {
        return rows;
    }
    for (row, label) in rows.iter_mut().zip(labels) {
        if let Value::Object(fields) = row {
            fields.insert("index".to_owned(), label);
        }
    }
    rows
}

/// The records of a log of training that hold the first column that is wanted, or what most of them hold: those of
/// evaluations and the summary at the end stand between and after those of steps.
fn of_one_kind(records: Vec<Value>, wanted: &[String]) -> (Vec<Value>, Option<String>) {
    let mut counts: Vec<(&String, usize)> = Vec::new();
    let fields = records.iter().filter_map(Value::as_object);
    for key in fields.flat_map(Map::keys) {
        match counts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => counts.push((key, 1)),
        }
    }
    let chosen = counts.iter().find(|(key, _)| wanted.contains(key));
    let told = counts
        .iter()
        .rev()
        .filter(|(key, _)| !OF_ALL_RECORDS.contains(&key.as_str()));
    // Of equals the first one, which is the last of those in reverse.
    let usual = told.max_by_key(|(_, count)| *count);
    let Some(key) = chosen.or(usual).map(|(key, _)| (*key).clone()) else {
        return (records, None);
    };
    let all = records.len();
    let kept: Vec<Value> = records
        .into_iter()
        .filter(|record| record.get(&key).is_some())
        .collect();
    let left_out = all - kept.len();
    let note =
        format!("{left_out} of {all} records of log_history say nothing of {key} and are left out");
    (kept, (left_out > 0).then_some(note))
}
