//! Names of files to write, checked before anything is computed.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// Checks that a file is one of some kinds, if there is one.
pub(super) fn written_as(path: Option<&PathBuf>, endings: &[&str]) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    // What goes to standard output has the only format there is.
    if is_standard_output(path) && endings.len() == 1 {
        return Ok(());
    }
    let ending = path.extension().and_then(|e| e.to_str());
    ensure!(
        ending.is_some_and(|e| endings.contains(&e)),
        "{}: the name of the file to write must end in .{}",
        path.display(),
        endings.join(" or .")
    );
    Ok(())
}

/// Whether an output is standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}
