//! Files appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{OutputError, standard_output};

/// Writes a file under a temporary name in its folder and renames it when it is complete. On any
/// error nothing is left behind, and a file of that name stays as it was. A link is followed; a
/// device or a pipe is written to. `-` is standard output, to which nothing is written unless all
/// is.
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
    let written = Staged::write(path, write).and_then(Staged::appear);
    written.map_err(|source| failed(path, source))
}

/// Checks that a file could be written, before anything is computed for it.
///
/// # Errors
/// [`OutputError::Write`] if its folder does not exist or is not writable, or if it is a folder.
///
/// ```
/// use std::path::Path;
/// assert!(statecast::output::check_writable(Path::new("/nowhere/x.csv")).is_err());
/// ```
pub fn check_writable(path: &Path) -> Result<(), OutputError> {
    let place = Place::of(path).and_then(|place| match place {
        Place::File(target) => temporary(&target).map(|_| ()),
        Place::Device(_) | Place::Standard => Ok(()),
    });
    place.map_err(|source| failed(path, source))
}

pub(super) fn failed(path: &Path, source: io::Error) -> OutputError {
    OutputError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Where an output goes.
enum Place {
    /// A file that is there or not.
    File(PathBuf),
    /// Something that cannot be replaced.
    Device(PathBuf),
    Standard,
}

/// Whether an output is standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        if is_standard_output(path) {
            return Ok(Self::Standard);
        }
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match std::fs::metadata(&target) {
            Ok(found) if found.is_dir() => Err(io::Error::other("it is a folder")),
            Ok(found) if !found.is_file() => Ok(Self::Device(target)),
            _ => Ok(Self::File(target)),
        }
    }
}

/// A file that is written but for its name.
pub(super) enum Staged {
    File(NamedTempFile, PathBuf),
    Standard(File),
    /// Written already.
    Device,
}

impl Staged {
    pub(super) fn write(
        path: &Path,
        write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let written = |file: &mut File| {
            let mut buffered = BufWriter::new(file);
            write(&mut buffered)?;
            buffered.flush()
        };
        match Place::of(path)? {
            Place::File(target) => {
                let mut temporary = temporary(&target)?;
                written(temporary.as_file_mut())?;
                temporary.as_file().sync_all()?;
                Ok(Self::File(temporary, target))
            }
            Place::Device(target) => {
                written(&mut File::options().write(true).open(target)?)?;
                Ok(Self::Device)
            }
            Place::Standard => {
                let mut temporary = tempfile::tempfile()?;
                written(&mut temporary)?;
                Ok(Self::Standard(temporary))
            }
        }
    }

    /// The file under its temporary name, if it is going to have a name.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(temporary, _) => Some(temporary.path()),
            Self::Standard(_) | Self::Device => None,
        }
    }

    /// Gives the file its name, or its content to standard output.
    pub(super) fn appear(self) -> io::Result<()> {
        match self {
            Self::File(temporary, target) => {
                temporary.persist(target).map_err(|e| e.error)?;
                Ok(())
            }
            Self::Standard(mut temporary) => {
                temporary.rewind()?;
                let mut out = standard_output()?;
                io::copy(&mut temporary, &mut out)?;
                out.flush()
            }
            Self::Device => Ok(()),
        }
    }
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".statecast-");
    // Temporary files are private; an output has the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
        .tempfile_in(folder(target))
        .map_err(|e| io::Error::new(e.kind(), system_message(&e)))
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
        let path = Path::new("/nowhere/x.csv");
        let written = write_atomically(path, |_| Ok(()));
        for error in [written.unwrap_err(), check_writable(path).unwrap_err()] {
            let text = error.to_string();
            assert!(
                text.contains("/nowhere/x.csv") && text.contains("folder does not exist"),
                "{text}"
            );
        }
    }

    /// The null device became a file.
    #[cfg(unix)]
    #[test]
    fn devices_stay_and_links_are_followed() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        write_atomically(Path::new("/dev/null"), |file| file.write_all(b"x")).unwrap();
        let null = std::fs::metadata("/dev/null").unwrap();
        assert!(null.file_type().is_char_device());

        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write_atomically(&link, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
    }
}
