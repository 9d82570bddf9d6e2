//! Tables deep inside of JSON objects, as services reply with them beside what they say of the request.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::calendar::{When, when};
use super::conventions::{Convention, convention};
use super::source::list;

/// Objects in objects that are looked into.
const DEEPEST: usize = 4;
/// Fields of pairs of a time and a value.
const PAIRS: [&str; 3] = ["values", "datapoints", "points"];
/// Fields of pairs that begin with the value.
const VALUE_FIRST: &str = "datapoints";
/// Fewest rows of a table.
const MIN_ROWS: usize = 2;

/// The rows of the one table inside of an object, and what is said of it.
pub(super) fn table_inside(fields: &Map<String, Value>) -> Option<(Vec<Value>, String)> {
    let mut found = fields.iter().filter_map(|(name, value)| {
        let (path, rows) = inside(name, value, 1)?;
        Some((name, [name.clone(), path].join(""), rows))
    });
    let (name, path, rows) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let others: Vec<&str> = fields
        .keys()
        .filter(|other| *other != name)
        .map(String::as_str)
        .collect();
    let beside = match others.is_empty() {
        true => String::new(),
        false => format!("; ignored beside it: {}", list(others.into_iter())),
    };
    Some((rows, format!("{path} holds the table{beside}")))
}

/// The rows that a value holds, or something in it, and the path to that.
fn inside(name: &str, value: &Value, depth: usize) -> Option<(String, Vec<Value>)> {
    if depth > DEEPEST {
        return None;
    }
    let rows = match value {
        Value::Object(fields) => rows_by_date(name, fields).or_else(|| lists_beside_times(fields)),
        Value::Array(items) => rows_of_pairs(items),
        _ => None,
    };
    if let Some(rows) = rows {
        return Some((String::new(), rows));
    }
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let (path, rows) = inside(name, value, depth + 1)?;
            Some((format!(".{name}{path}"), rows))
        }),
        Value::Array(items) => match items.as_slice() {
            [only] => inside(name, only, depth + 1),
            _ => None,
        },
        _ => None,
    }
}

/// Rows by their dates: `{"2024-01-31": {"open": "1.5"}}`, `{"2024-01-31": 1.5}`.
fn rows_by_date(name: &str, fields: &Map<String, Value>) -> Option<Vec<Value>> {
    let are_dates = fields.len() >= MIN_ROWS
        && fields
            .keys()
            .all(|key| matches!(when(key), Some(When::Date(_))));
    if !are_dates {
        return None;
    }
    let row = |(date, value): (&String, &Value)| {
        let mut row = match value {
            Value::Object(row) => row.clone(),
            Value::Number(_) | Value::String(_) | Value::Null => {
                Map::from_iter([(name.to_owned(), value.clone())])
            }
            _ => return None,
        };
        row.insert("date".to_owned(), Value::String(date.clone()));
        Some(Value::Object(row))
    };
    fields.iter().map(row).collect()
}

/// Rows of a list of times and of lists of as many numbers beside it or below.
fn lists_beside_times(fields: &Map<String, Value>) -> Option<Vec<Value>> {
    let (times, items) = fields.iter().find_map(|(name, value)| {
        let items = value.as_array().filter(|items| items.len() >= MIN_ROWS)?;
        let flat = items
            .iter()
            .all(|item| item.is_number() || item.is_string());
        (flat && convention(name) == Some(Convention::Time)).then_some((name, items))
    })?;
    let mut columns = vec![(times.clone(), items)];
    for (name, value) in fields.iter().filter(|(name, _)| *name != times) {
        lists_of_length(name, value, items.len(), 1, &mut columns);
    }
    if columns.len() < 2 {
        return None;
    }
    let row = |row: usize| {
        let cells = columns
            .iter()
            .map(|(name, items)| (name.clone(), items[row].clone()));
        Value::Object(cells.collect())
    };
    Some((0..items.len()).map(row).collect())
}

fn lists_of_length<'v>(
    name: &str,
    value: &'v Value,
    length: usize,
    depth: usize,
    found: &mut Vec<(String, &'v Vec<Value>)>,
) {
    match value {
        Value::Array(items)
            if items.len() == length
                && items
                    .iter()
                    .all(|item| !item.is_object() && !item.is_array()) =>
        {
            // `quote.close` of `indicators.quote.close` says enough unless it is there.
            let last = name.rsplit('.').next().unwrap_or(name);
            let is_new = found.iter().all(|(known, _)| known != last);
            found.push((if is_new { last } else { name }.to_owned(), items));
        }
        Value::Array(items) if depth < DEEPEST => {
            if let [only] = items.as_slice() {
                lists_of_length(name, only, length, depth + 1, found);
            }
        }
        Value::Object(fields) if depth < DEEPEST => {
            for (inner, value) in fields {
                lists_of_length(&format!("{name}.{inner}"), value, length, depth + 1, found);
            }
        }
        _ => {}
    }
}

/// Rows of series of pairs of a time and a value, with the labels in which the series differ: replies of Prometheus.
fn rows_of_pairs(items: &[Value]) -> Option<Vec<Value>> {
    let series: Vec<(Map<String, Value>, Pairs)> =
        items.iter().map(series_of_pairs).collect::<Option<_>>()?;
    let mut kinds: HashMap<&String, Vec<&Value>> = HashMap::new();
    for (labels, _) in &series {
        for (name, value) in labels {
            kinds.entry(name).or_default().push(value);
        }
    }
    let differs = |name: &String| {
        kinds.get(name).is_some_and(|values| {
            values.len() < series.len() || values.iter().any(|v| v != &values[0])
        })
    };
    let mut rows = Vec::new();
    for (labels, pairs) in &series {
        let names: Vec<&str> = labels
            .iter()
            .filter(|(name, _)| differs(name))
            .filter_map(|(_, v)| v.as_str())
            .collect();
        for pair in pairs.items {
            let mut row = Map::new();
            row.insert(
                "time".to_owned(),
                pair[usize::from(pairs.value_first)].clone(),
            );
            row.insert(
                "value".to_owned(),
                pair[usize::from(!pairs.value_first)].clone(),
            );
            if !names.is_empty() {
                row.insert("series".to_owned(), names.join("/").into());
            }
            rows.push(Value::Object(row));
        }
    }
    (rows.len() >= MIN_ROWS).then_some(rows)
}

/// Times and values of a series.
struct Pairs<'v> {
    items: &'v [Value],
    value_first: bool,
}

/// The labels and pairs of one series.
fn series_of_pairs(item: &Value) -> Option<(Map<String, Value>, Pairs<'_>)> {
    let fields = item.as_object()?;
    let is_pair = |pair: &Value| {
        let pair = pair.as_array().filter(|pair| pair.len() == 2);
        let is_value = |value: &Value| value.is_number() || value.is_string() || value.is_null();
        pair.is_some_and(|pair| pair.iter().all(is_value) && pair.iter().any(Value::is_number))
    };
    let are_pairs = |value: &Value| {
        value
            .as_array()
            .is_some_and(|pairs| !pairs.is_empty() && pairs.iter().all(is_pair))
    };
    let (values, pairs) = fields
        .iter()
        .find(|(name, value)| PAIRS.contains(&name.as_str()) && are_pairs(value))?;
    let mut labels = Map::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != values) {
        match value {
            Value::Object(inner) => labels.extend(inner.clone()),
            Value::String(_) => {
                labels.insert(name.clone(), value.clone());
            }
            Value::Array(_) => return None,
            _ => {}
        }
    }
    let value_first = values == VALUE_FIRST;
    Some((
        labels,
        Pairs {
            items: pairs.as_array()?,
            value_first,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Vec<Value>, String)> {
        let value: Value = serde_json::from_str(text).unwrap();
        table_inside(value.as_object().unwrap())
    }

    /// Fault: replies of Prometheus, Alpha Vantage, Yahoo and of services for exchange rates were no tables.
    #[test]
    fn tables_are_found_in_replies() {
        let (rows, note) = read(
            r#"{"status": "success", "data": {"resultType": "matrix", "result": [
                {"metric": {"job": "x", "instance": "a"}, "values": [[1, "0.5"], [2, "0.6"]]},
                {"metric": {"job": "x", "instance": "b"}, "values": [[1, "0.7"], [2, "0.8"]]}]}}"#,
        )
        .unwrap();
        assert_eq!(
            note,
            "data.result holds the table; ignored beside it: status"
        );
        assert_eq!(rows.len(), 4);
        assert_eq!(
            rows[3],
            serde_json::json!({"time": 2, "value": "0.8", "series": "b"})
        );
        let (rows, _) = read(
            r#"{"Meta Data": {"2. Symbol": "IBM", "3. Last": "2024-01-02"},
                "Time Series (Daily)": {"2024-01-02": {"4. close": "1.5"}, "2024-01-01": {"4. close": "1.4"}}}"#,
        )
        .unwrap();
        assert_eq!(
            rows[0],
            serde_json::json!({"4. close": "1.5", "date": "2024-01-02"})
        );
        let (rows, _) = read(
            r#"{"chart": {"result": [{"meta": {"a": 1}, "timestamp": [1, 2],
                "indicators": {"quote": [{"open": [1.5, 1.6], "close": [1.7, 1.8]}]}}], "error": null}}"#,
        )
        .unwrap();
        assert_eq!(
            rows[1],
            serde_json::json!({"timestamp": 2, "open": 1.6, "close": 1.8})
        );
        let (rows, _) = read(
            r#"{"base": "EUR", "rates": {"2024-01-01": {"USD": 1.1}, "2024-01-02": {"USD": 1.2}}}"#,
        )
        .unwrap();
        assert_eq!(rows.len(), 2);
        assert!(read(r#"{"a": 1, "b": {"c": 2}}"#).is_none());
        assert!(read(r#"{"x": [1, 2], "y": [3, 4]}"#).is_none());
    }
}
