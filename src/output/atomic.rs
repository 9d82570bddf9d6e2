//! Files appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use super::OutputError;

/// Writes a file under a temporary name in its folder and renames it when it is complete. On any
/// error nothing is left behind, and a file of that name stays as it was. `-` is standard output,
/// to which nothing is written unless all is.
///
/// # Errors
/// [`OutputError::Write`] with the system's reason.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("x.txt");
/// statecast::output::write_atomically(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), OutputError> {
    attempt(path, write).map_err(|source| OutputError::Write {
        path: path.to_owned(),
        source,
    })
}

fn attempt(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    if is_standard_output(path) {
        let mut temporary = tempfile::tempfile()?;
        let mut buffered = BufWriter::new(&mut temporary);
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        temporary.rewind()?;
        let mut out = io::stdout().lock();
        io::copy(&mut temporary, &mut out)?;
        return out.flush();
    }
    if path.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".statecast-");
    // Temporary files are private; an output has the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder
        .tempfile_in(folder)
        .map_err(|e| io::Error::new(e.kind(), system_message(&e)))?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Whether a name of an output is that of standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// The system's words without the temporary name, which would only confuse.
fn system_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "the folder does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "the folder is not writable".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_write_leaves_nothing_and_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(error.unwrap_err().to_string().ends_with("disk full"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn missing_folder_is_named() {
        let error = write_atomically(Path::new("/nowhere/x.csv"), |_| Ok(())).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/nowhere/x.csv") && text.contains("folder does not exist"),
            "{text}"
        );
    }
}
