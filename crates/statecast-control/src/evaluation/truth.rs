//! Tables of true values.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::EvaluationError;
use crate::stand_in;

/// Largest table that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Reads true values of policies, by name: a CSV file with the columns `policy` and `value`.
///
/// # Errors
/// [`EvaluationError::Truth`] for a file that cannot be read, lacks a column or has a value that is not a finite number.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("truth.csv");
/// std::fs::write(&path, "policy,value\npi,-132.5\n")?;
/// assert_eq!(statecast::evaluation::read_truth(&path)?, [("pi".to_owned(), -132.5)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_truth(file: &Path) -> Result<Vec<(String, f64)>, EvaluationError> {
    let fail = |reason: String| EvaluationError::Truth {
        file: file.to_owned(),
        reason,
    };
    let unread = |error: std::io::Error| fail(format!("cannot be read ({error})"));
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unread)?;
    let read = opened.take(MAX_BYTES).read_to_end(&mut bytes);
    read.map_err(unread)?;
    if let Some(found) = stand_in::by_content(&bytes) {
        return Err(fail(format!("is {}; {}", found.what, found.remedy)));
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(&bytes[..]);
    let headers = reader
        .headers()
        .map_err(|error| fail(error.to_string()))?
        .clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim() == name);
        found.ok_or_else(|| fail(format!("no column '{name}'")))
    };
    let (policy, value) = (column("policy")?, column("value")?);
    let rows = reader.records().enumerate().map(|(row, record)| {
        let record = record.map_err(|error| fail(format!("row {}: {error}", row + 1)))?;
        let text = record.get(value).unwrap_or_default().trim();
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| {
            let start: String = text.chars().take(40).collect();
            fail(format!("row {}, column value holds '{start}'", row + 1))
        })?;
        let name = record.get(policy).unwrap_or_default().trim();
        Ok((name.to_owned(), number))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::read_truth;

    /// Fault: NaN was taken for a true value.
    #[test]
    fn values_are_finite_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.csv");
        for (text, says) in [
            (
                "policy,value\na,1\nb,NaN\n",
                "row 2, column value holds 'NaN'",
            ),
            ("policy,value\na,inf\n", "row 1, column value holds 'inf'"),
            ("policy,value\na\n", "row 1, column value holds ''"),
            ("policy,worth\na,1\n", "no column 'value'"),
            ("", "no column 'policy'"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_truth(&path).unwrap_err().to_string();
            assert!(
                error.contains("truth.csv: ") && error.contains(says),
                "{error}"
            );
        }
    }
}
