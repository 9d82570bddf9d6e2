//! Files for the user: tables, arrays, the manifest beside them, and the rule that none is left
//! half written.

mod atomic;
mod bundle;
mod events;
mod manifest;
mod npz;
mod numbers;
mod standard;
mod table;

use std::path::{Path, PathBuf};

pub use atomic::{check_writable, write_atomically};
pub use bundle::Bundle;
pub use events::{ScalarEvent, write_events};
pub use manifest::Manifest;
pub use npz::NpzWriter;
pub use numbers::{estimate, number, numbers, percent};
pub use standard::standard_output;
pub use table::{Column, Table, TableFormat};

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The system refused to write.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file name whose ending says no known format.
    #[error("{}: unknown format; use {supported}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The endings that are known.
        supported: &'static str,
    },
}

/// The manifest's name beside an output: `x.manifest.json` beside `x.csv`.
///
/// ```
/// use std::path::Path;
/// let manifest = statecast::output::manifest_path(Path::new("out/x.csv"));
/// assert_eq!(manifest, Path::new("out/x.manifest.json"));
/// ```
pub fn manifest_path(output: &Path) -> PathBuf {
    output.with_extension("manifest.json")
}

/// Writes indented JSON.
///
/// # Errors
/// [`OutputError::Write`] if it cannot be written.
pub fn write_json(path: &Path, content: &impl serde::Serialize) -> Result<(), OutputError> {
    write_atomically(path, |mut file| {
        serde_json::to_writer_pretty(&mut file, content)?;
        std::io::Write::write_all(&mut file, b"\n")
    })
}
