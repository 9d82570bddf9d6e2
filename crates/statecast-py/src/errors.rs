//! Errors of the library as exceptions.

use std::error::Error;
use std::io::{self, ErrorKind};

use pyo3::exceptions::{PyFileNotFoundError, PyValueError};
use pyo3::{PyErr, create_exception};

create_exception!(
    statecast,
    StatecastError,
    PyValueError,
    "What statecast refuses, with the reason."
);

/// The exception of an error: `FileNotFoundError` where a file is missing, else [`StatecastError`].
pub(crate) fn exception(error: impl Error + 'static) -> PyErr {
    let mut message = error.to_string();
    let mut missing = is_missing(&error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        missing |= is_missing(error);
        cause = error.source();
    }
    let message = keywords(&message);
    match missing {
        true => PyFileNotFoundError::new_err(message),
        false => StatecastError::new_err(message),
    }
}

fn is_missing(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The library names settings as `` `hold-actions=last` ``; in Python they are keywords, `hold_actions`.
fn keywords(message: &str) -> String {
    let mut parts = message.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (number, part) in parts.enumerate() {
        let part = match (number % 2, part.split_once('=')) {
            (0, Some((name, value))) => {
                // Python's rules may be functions, too.
                let name = name.trim_end_matches("-expr").replace('-', "_");
                format!("{name}={value}")
            }
            _ => part.to_owned(),
        };
        text.push('`');
        text.push_str(&part);
    }
    text
}
