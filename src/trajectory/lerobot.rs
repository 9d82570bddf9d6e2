//! Names of the numbers in the list columns of a LeRobot data set, which stand in `meta/info.json`
//! beside its tables.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// Folders above a table in which the data set may begin.
const MOST_FOLDERS: usize = 4;
const MOST_BYTES: u64 = 16 << 20;

/// What a data set says of its columns; nothing where there is no such file.
#[derive(Debug, Default)]
pub(super) struct Features(Option<Value>);

impl Features {
    /// Those of the data set that a table belongs to.
    pub(super) fn beside(table: &Path) -> Self {
        let info = table
            .ancestors()
            .skip(1)
            .take(MOST_FOLDERS)
            .find_map(|folder| {
                let file = std::fs::File::open(folder.join("meta/info.json")).ok()?;
                let mut text = String::new();
                file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
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
