//! What a command says. That nobody reads it is no error, and names from files cannot move the cursor.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use super::progress::Progress;
use crate::output::standard_output;
use crate::study::Observer;

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
    let _ = io::stderr().write_all(visible(&with_flags(lines)).as_bytes());
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

/// Settings in messages of the library, `` `setting=value` ``, as flags.
fn with_flags(text: &str) -> String {
    let mut parts = text.split('`');
    let mut flags = parts.next().unwrap_or_default().to_owned();
    let mut rest = parts.peekable();
    while let Some(quoted) = rest.next() {
        // What is after the last quote is not quoted.
        let setting = rest.peek().and_then(|_| setting(quoted));
        match (setting, rest.peek()) {
            (Some(flag), Some(_)) => {
                flags += &flag;
                flags += rest.next().unwrap_or_default();
            }
            _ => {
                flags.push('`');
                flags += quoted;
            }
        }
    }
    flags
}

/// The flag of a setting.
fn setting(quoted: &str) -> Option<String> {
    let (name, value) = quoted.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_name.then(|| format!("--{name} {value}").trim_end().to_owned())
}

/// Says what a study says, and shows its progress: each stage has a bar of its own.
#[derive(Default)]
pub(in crate::cli) struct Terminal(Mutex<Option<Progress>>);

impl Terminal {
    /// That of a study of one stage.
    pub(in crate::cli) fn new(label: impl Into<String>) -> Self {
        Self(Mutex::new(Some(Progress::new(label))))
    }

    fn with<T>(&self, of: impl FnOnce(&mut Option<Progress>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn aside(&self, show: impl FnOnce()) {
        self.with(|bar| match bar {
            Some(progress) => progress.aside(show),
            None => show(),
        });
    }
}

impl Observer for Terminal {
    fn note(&self, text: &str) {
        self.aside(|| tell!("note: {text}"));
    }

    fn warning(&self, text: &str) {
        self.aside(|| tell!("warning: {text}"));
    }

    fn begin(&self, stage: &str) {
        // The bar of the stage before is cleared first.
        self.with(|bar| *bar = None);
        self.with(|bar| *bar = Some(Progress::new(stage)));
    }

    fn progress(&self, share: f64) {
        self.with(|bar| {
            if let Some(progress) = bar {
                progress.show(share);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    /// Settings in messages of the library are flags here; other quotes stay.
    #[test]
    fn settings_are_flags() {
        let says = "missing field `layers`; choose columns with `action=` or `missing=hold` (`x=1";
        let flags = "missing field `layers`; choose columns with --action or --missing hold (`x=1";
        assert_eq!(super::with_flags(says), flags);
    }

    /// A column name could clear the screen.
    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            super::visible("a\u{1b}[2J\tb\n\u{9b}31m é"),
            "a\\u{1b}[2J\\tb\n\\u{9b}31m é"
        );
    }
}
