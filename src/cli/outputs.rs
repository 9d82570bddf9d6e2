//! Files that a command writes: checked before its work, written before anything is shown.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::ArgMatches;
use serde::Serialize;

use super::endings::is_standard_output;
use super::one_line;
use super::terminal::{note, show, tell};
use super::windowed::one_step_path;
use crate::output::{Bundle, Manifest, Table, check_writable, manifest_path, write_atomically};
use crate::plot::PlotError;

/// Flags whose value is a file to write.
const WRITTEN: &[&str] = &["output", "report", "figure", "plot", "paths", "filled"];

/// Checks the files that a command is going to write: that each can be written, that they differ, and that
/// none of them or of their manifests is a file that the command reads.
pub(super) fn check(matches: &ArgMatches) -> anyhow::Result<()> {
    let (mut command, mut name) = (matches, "");
    while let Some((below, matches)) = command.subcommand() {
        (command, name) = (matches, below);
    }
    let written: Vec<(&str, &PathBuf)> = WRITTEN
        .iter()
        .filter_map(|&flag| Some((flag, command.try_get_one::<PathBuf>(flag).ok()??)))
        .filter(|(_, path)| !is_standard_output(path))
        .collect();
    let read = read(command);
    let mut all: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in written {
        for output in files(name, flag, path) {
            let there = output.canonicalize().unwrap_or_default();
            ensure!(
                !there.is_file() || !read.contains(&there),
                "--{flag} {}: would overwrite {}, which is read",
                path.display(),
                output.display()
            );
            let same = |(_, other): &&(&str, PathBuf)| place(other) == place(&output);
            if let Some((other, _)) = all.iter().find(same) {
                bail!(
                    "--{flag} and --{other} would write the same file, {}",
                    output.display()
                );
            }
            all.push((flag, output));
        }
        check_writable(path)?;
    }
    Ok(())
}

/// The files that a command writes for a flag: a table has others beside it.
fn files(command: &str, flag: &str, path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if flag == "output" {
        files.push(manifest_path(path));
        if ["backtest", "calibrate"].contains(&command) {
            files.push(one_step_path(path));
        }
    }
    files
}

/// A path, however its folder is written.
fn place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize();
    folder.map_or(path.to_owned(), |folder| folder.join(name))
}

/// Files that are named in any other argument, also in lists and after names.
fn read(command: &ArgMatches) -> Vec<PathBuf> {
    let others = command.ids().map(|id| id.as_str());
    let others = others.filter(|id| !WRITTEN.contains(id));
    let values = others.filter_map(|id| command.try_get_raw(id).ok().flatten());
    let parts = values.flatten().flat_map(|value| {
        let text = value.to_string_lossy();
        let parts = text.split([',', '=']).map(OsString::from);
        parts.chain([value.to_owned()]).collect::<Vec<_>>()
    });
    let there = parts.filter_map(|part| Path::new(&part).canonicalize().ok());
    there.filter(|path| path.is_file()).collect()
}

/// The name of a file, without its folder.
pub(super) fn file_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What a command does once all is computed: files first, then the terminal. A file that cannot be written
/// costs no other.
pub(super) struct Ending {
    /// Whether a file takes standard output, so that text goes to standard error.
    aside: bool,
    failed: Vec<anyhow::Error>,
}

impl Ending {
    /// Nothing written yet, of a command whose table is `output`.
    pub(super) fn new(output: Option<&PathBuf>) -> Self {
        Self {
            aside: output.is_some_and(|path| is_standard_output(path)),
            failed: Vec::new(),
        }
    }

    /// Writes a file, or what belongs together.
    pub(super) fn write(&mut self, write: impl FnOnce() -> anyhow::Result<()>) {
        self.failed.extend(write().err());
    }

    /// Writes a figure, and says so.
    pub(super) fn figure(&mut self, path: &Path, save: impl FnOnce() -> Result<(), PlotError>) {
        self.write(|| {
            save()?;
            tell!("figure: {}", path.display());
            Ok(())
        });
    }

    /// Writes a page, and says so.
    pub(super) fn report(&mut self, path: &Path, page: impl FnOnce() -> Result<String, PlotError>) {
        self.write(|| {
            let page = page()?;
            write_atomically(path, |file| file.write_all(page.as_bytes()))?;
            tell!("report: {}", path.display());
            Ok(())
        });
    }

    /// Writes a table with its manifest beside it.
    pub(super) fn table(
        &mut self,
        path: &Path,
        table: &Table,
        manifest: &Manifest<impl Serialize>,
    ) {
        self.write(|| {
            let mut bundle = Bundle::new();
            bundle.add_table(path, table)?;
            Ok(bundle.finish(path, manifest)?)
        });
    }

    /// Shows the text, and fails with the first error of all; others are told.
    pub(super) fn show(mut self, text: &str) -> anyhow::Result<()> {
        match self.aside {
            true => note(text),
            false => self.failed.extend(show(text).err()),
        }
        let mut failed = self.failed.into_iter();
        let first = failed.next();
        for other in failed {
            tell!("error: {}", one_line(&other));
        }
        first.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_costs_no_other() {
        let mut written = 0;
        let mut ending = Ending::new(None);
        ending.write(|| anyhow::bail!("no space"));
        ending.write(|| {
            written += 1;
            Ok(())
        });
        assert_eq!(ending.show("").unwrap_err().to_string(), "no space");
        assert_eq!(written, 1);
    }
}
