//! Files of one run that belong together.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::atomic::{Staged, failed, folder, is_standard_output};
use super::{OutputError, Table, TableFormat, manifest_path};

/// Files that are written under temporary names and appear together with the manifest of their run,
/// which names them with their hashes. Where two runs write files of the same names at once, all
/// are those of one run; so it is where folders can be locked, elsewhere the hashes tell.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("x.txt");
/// let mut bundle = statecast::output::Bundle::new();
/// bundle.add(&path, |file| file.write_all(b"42"))?;
/// assert!(!path.exists());
/// bundle.finish(&path, &serde_json::json!({"seed": 1}))?;
/// let manifest = std::fs::read_to_string(folder.path().join("x.manifest.json"))?;
/// assert!(path.exists() && manifest.contains("73475cb40a568e8da8a045ced110137e"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Bundle {
    staged: Vec<(PathBuf, Staged)>,
    files: Vec<Named>,
}

/// What the manifest says of a file.
#[derive(Serialize)]
struct Named {
    name: String,
    /// In hexadecimal digits.
    sha256: String,
}

#[derive(Serialize)]
struct Whole<'a, M> {
    #[serde(flatten)]
    manifest: &'a M,
    files: &'a [Named],
}

impl Bundle {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a file but for its name.
    ///
    /// # Errors
    /// [`OutputError::Write`] with the system's reason.
    pub fn add(
        &mut self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let staged = Staged::write(path, write).map_err(|source| failed(path, source))?;
        if let Some(written) = staged.path() {
            let sha256 = hash(written).map_err(|source| failed(path, source))?;
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            self.files.push(Named { name, sha256 });
        }
        self.staged.push((path.to_owned(), staged));
        Ok(())
    }

    /// Writes a table in the format that the file's ending says.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn add_table(&mut self, path: &Path, table: &Table) -> Result<(), OutputError> {
        let format = TableFormat::of(path)?;
        self.add(path, |file| table.write_to(format, file))
    }

    /// Gives all files their names, and a manifest the one beside `output`; beside standard output
    /// there is none.
    ///
    /// # Errors
    /// [`OutputError::Write`] for the first file that cannot be renamed.
    pub fn finish(self, output: &Path, manifest: &impl Serialize) -> Result<(), OutputError> {
        if is_standard_output(output) {
            let mut staged = self.staged.into_iter();
            return staged.try_for_each(|(path, staged)| {
                staged.appear().map_err(|source| failed(&path, source))
            });
        }
        let beside = manifest_path(output);
        let whole = Whole {
            manifest,
            files: &self.files,
        };
        let written = Staged::write(&beside, |mut file| {
            serde_json::to_writer_pretty(&mut file, &whole)?;
            file.write_all(b"\n")
        });
        let written = written.map_err(|source| failed(&beside, source))?;
        // Held until all have their names; a folder that cannot be locked is no reason to write
        // nothing.
        let lock = File::open(folder(output));
        let _locked = lock.and_then(|folder| folder.lock().map(|()| folder));
        for (path, staged) in self.staged {
            staged.appear().map_err(|source| failed(&path, source))?;
        }
        written.appear().map_err(|source| failed(&beside, source))
    }
}

/// SHA-256 of a file's bytes.
fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    loop {
        let read = file.fill_buf()?;
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        let count = read.len();
        file.consume(count);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two runs at once the table was one's and the manifest the other's.
    #[cfg(unix)]
    #[test]
    fn files_of_runs_at_once_are_those_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x.csv");
        for _ in 0..20 {
            std::thread::scope(|scope| {
                for run in 0..4 {
                    let output = &output;
                    scope.spawn(move || {
                        let mut bundle = Bundle::new();
                        let text = format!("run {run}");
                        let write =
                            |file: &mut BufWriter<&mut File>| file.write_all(text.as_bytes());
                        bundle.add(output, write).unwrap();
                        let manifest = serde_json::json!({ "run": run });
                        bundle.finish(output, &manifest).unwrap();
                    });
                }
            });
            let manifest = std::fs::read_to_string(manifest_path(&output)).unwrap();
            let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
            let text = std::fs::read_to_string(&output).unwrap();
            assert_eq!(text, format!("run {}", manifest["run"]));
            assert_eq!(manifest["files"][0]["name"], "x.csv");
            assert_eq!(manifest["files"][0]["sha256"], hash(&output).unwrap());
        }
    }

    #[test]
    fn nothing_appears_where_one_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x.csv");
        let mut bundle = Bundle::new();
        bundle.add(&output, |file| file.write_all(b"1")).unwrap();
        bundle
            .add(&output, |_| Err(io::Error::other("disk full")))
            .unwrap_err();
        drop(bundle);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
