//! Checked access to the fields of a config.json. `null` counts as absent.

use serde_json::{Map, Value};

/// Sizes beyond any model of today: a larger one is a damaged or hostile file.
pub(in crate::model) const LARGEST: usize = 1 << 20;

/// Parses JSON as Python writes it: `NaN`, `Infinity` and `-Infinity`, which some published
/// config.json hold, count as `null`.
pub(super) fn python_json(json: &[u8]) -> Result<Value, serde_json::Error> {
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let Ok(text) = std::str::from_utf8(json) else {
        return Err(error);
    };
    // Every other piece between quotation marks is inside a text, unless one of them is escaped;
    // then the words are replaced in no text that matters here.
    let pieces: Vec<String> = text
        .split('"')
        .enumerate()
        .map(|(i, piece)| match i % 2 {
            0 => ["-Infinity", "Infinity", "NaN"]
                .iter()
                .fold(piece.to_owned(), |text, word| text.replace(word, "null")),
            _ => piece.to_owned(),
        })
        .collect();
    serde_json::from_str(&pieces.join("\""))
}

/// The fields of a JSON object.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, String> {
        value
            .as_object()
            .map(Self)
            .ok_or_else(|| "is no JSON object".to_owned())
    }

    /// These fields, with those of `defaults` where they are silent.
    pub(super) fn over(&self, mut defaults: Value) -> Value {
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_null()) {
            defaults[name] = value.clone();
        }
        defaults
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The object under a name, if there is one.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, String> {
        self.get(name)
            .map(|value| Fields::of(value).map_err(|e| format!("{name} {e}")))
            .transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        self.get(name)
            .map(|v| v.as_str().ok_or_else(|| format!("{name} is no text")))
            .transpose()
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        self.get(name).map_or(Ok(default), |v| {
            v.as_bool()
                .ok_or_else(|| format!("{name} is neither true nor false"))
        })
    }

    /// A whole number from 1 to [`LARGEST`].
    pub(super) fn size(&self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| (1..=LARGEST).contains(size))
            .map(Some)
            .ok_or_else(|| format!("{name} is {value}, not a number from 1 to {LARGEST}"))
    }

    pub(super) fn required_size(&self, name: &str) -> Result<usize, String> {
        self.size(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// A count that may be zero.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .filter(|&count| count <= LARGEST)
            .map(Some)
            .ok_or_else(|| format!("{name} is {value}, not a number from 0 to {LARGEST}"))
    }

    /// A finite number above zero.
    pub(super) fn positive(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_f64()
            .filter(|v| *v > 0.0 && v.is_finite())
            .map(Some)
            .ok_or_else(|| format!("{name} is {value}, not a number above zero"))
    }

    /// Finite numbers above zero.
    pub(super) fn positives(&self, name: &str) -> Result<Option<Vec<f64>>, String> {
        self.list(name, "a number above zero", |v| {
            v.as_f64().filter(|v| *v > 0.0 && v.is_finite())
        })
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, String> {
        self.list(name, "a text", Value::as_str)
    }

    pub(super) fn counts(&self, name: &str) -> Result<Option<Vec<u64>>, String> {
        self.list(name, "a count", Value::as_u64)
    }

    fn list<T>(
        &self,
        name: &str,
        what: &str,
        item: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let values = value
            .as_array()
            .filter(|values| values.len() <= LARGEST)
            .ok_or_else(|| format!("{name} is no list"))?;
        values
            .iter()
            .map(|v| item(v).ok_or_else(|| format!("{name} holds {v}, not {what}")))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_python_are_null_outside_of_texts() {
        let value =
            python_json(br#"{"a": [0.0, Infinity], "NaN": "-Infinity", "b": NaN}"#).unwrap();
        let expected = serde_json::json!({"a": [0.0, null], "NaN": "-Infinity", "b": null});
        assert_eq!(value, expected);
        assert!(python_json(b"{Infinity").is_err());
        assert!(python_json(b"\xff").is_err());
    }
}
