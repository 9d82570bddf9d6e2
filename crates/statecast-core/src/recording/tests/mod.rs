//! The readers from outside, on files written here with the crates that define the formats.

mod as_written;
mod axes;
mod clocks;
mod faults;
mod flags;
mod folders;
mod formats;
mod gaps;
mod headers;
mod left_over;
mod logs;
mod others;
mod padded;
mod plans;
mod recordings;
mod roles;
mod series;
mod stand_ins;
mod times;
mod uneven;
mod values;
mod wide;
mod written;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Duplicates, MissingPolicy, Recording, RecordingError, RoleSelection, Roles, read};

/// A file in a folder that disappears with it.
struct Scratch {
    folder: TempDir,
    path: PathBuf,
}

impl Scratch {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Self { folder, path }
    }

    fn sibling(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self) -> Result<(Recording, Roles), RecordingError> {
        read_guessing(&self.path)
    }

    /// The message of the refusal, without the folder of the file.
    fn refusal(&self) -> String {
        self.refusal_of(self.read())
    }

    fn refusal_of<T: std::fmt::Debug>(&self, result: Result<T, RecordingError>) -> String {
        let message = result.unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        let folder = format!("{}/", self.folder.path().display());
        message
            .strip_prefix(&folder)
            .unwrap_or_else(|| panic!("does not start with the file name: {message}"))
            .to_owned()
    }
}

fn read_guessing(path: &Path) -> Result<(Recording, Roles), RecordingError> {
    read(path, &RoleSelection::default(), MissingPolicy::Error)
}

fn csv(content: &str) -> Scratch {
    Scratch::new("run.csv", content)
}

fn states(recording: &Recording, episode: usize) -> Vec<Vec<f64>> {
    let states = recording.episodes()[episode].states();
    states.rows().into_iter().map(|row| row.to_vec()).collect()
}

fn names(recording: &Recording) -> Vec<&str> {
    recording.episodes().iter().map(|e| e.name()).collect()
}

fn lengths(recording: &Recording) -> Vec<usize> {
    recording.episodes().iter().map(|e| e.rows()).collect()
}

/// A folder beside the repository that only some checkouts have.
fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}
