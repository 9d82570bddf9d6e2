//! What a command says. That nobody reads it is no error, and names from files cannot move the cursor.

use std::fmt::Arguments;
use std::io::{self, Write};

use anyhow::Context;

use crate::output::standard_output;

/// Says a line on standard error.
macro_rules! tell {
    ($($line:tt)*) => {
        $crate::cli::terminal::say(format_args!($($line)*))
    };
}
pub(in crate::cli) use tell;

/// Says a line on standard error.
pub(in crate::cli) fn say(line: Arguments) {
    note(&format!("{line}\n"));
}

/// Says lines on standard error.
pub(in crate::cli) fn note(lines: &str) {
    let _ = io::stderr().write_all(visible(lines).as_bytes());
}

/// Writes lines to standard output.
pub(in crate::cli) fn show(lines: &str) -> anyhow::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let written = standard_output().and_then(|mut standard| {
        standard.write_all(visible(lines).as_bytes())?;
        standard.flush()
    });
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

/// Lines in which control characters, which a terminal would obey, are written out.
fn visible(lines: &str) -> String {
    let mut visible = String::with_capacity(lines.len());
    for c in lines.chars() {
        match c.is_control() && c != '\n' {
            true => visible.extend(c.escape_default()),
            false => visible.push(c),
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    /// A column name could clear the screen.
    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            super::visible("a\u{1b}[2J\tb\n\u{9b}31m é"),
            "a\\u{1b}[2J\\tb\n\\u{9b}31m é"
        );
    }
}
