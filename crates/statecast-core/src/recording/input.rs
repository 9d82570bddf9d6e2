//! The bytes of a recording: a file, standard input, or what a compressed file unpacks to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::RecordingError;
use super::bounds::{Bounds, MAX_OF_STANDARD_INPUT};
use super::error::excerpt;
use super::unread::{self, Unread};

/// Containers in containers that are unpacked: `run.csv.gz` in a zip archive.
const MAX_LAYERS: usize = 2;
/// The largest window that a zstd frame may ask for, as a power of two.
const ZSTD_WINDOW: u32 = 27;

/// A file that is open at its beginning.
pub(super) struct Input {
    /// Its name in messages.
    pub(super) name: PathBuf,
    pub(super) file: File,
    /// The ending of its name in lower case, without that of a compressed file.
    pub(super) ending: Option<String>,
    pub(super) bounds: Bounds,
}

impl Input {
    /// Opens a file, or standard input for `-`, and unpacks it if it is compressed.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let mut input = match path == Path::new("-") {
            true => Self::standard_input()?,
            false => Self::of_file(path)?,
        };
        for _ in 0..MAX_LAYERS {
            match input.unpacked()? {
                Some(inner) => input = inner,
                None => break,
            }
        }
        Ok(input)
    }

    fn of_file(path: &Path) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            file: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        Ok(Self {
            name: path.to_owned(),
            file,
            ending: ending(path),
            bounds: Bounds::of(bytes),
        })
    }

    fn standard_input() -> Result<Self, RecordingError> {
        let name = PathBuf::from("standard input");
        let (file, bytes) = spool(&name, &mut io::stdin().lock(), MAX_OF_STANDARD_INPUT)?.ok_or(
            RecordingError::TooMuch {
                file: name.clone(),
                limit: MAX_OF_STANDARD_INPUT,
                what: "bytes",
            },
        )?;
        Ok(Self {
            name,
            file,
            ending: None,
            bounds: Bounds::of(bytes),
        })
    }

    /// The first bytes of the file, which stays at its beginning.
    pub(super) fn start(&mut self, length: usize) -> Result<Vec<u8>, RecordingError> {
        let mut start = Vec::new();
        let limit = length as u64;
        let read = (&self.file).take(limit).read_to_end(&mut start);
        read.and_then(|_| self.file.rewind())
            .map_err(|source| self.io(source))?;
        Ok(start)
    }

    /// Another handle of the file, at its beginning.
    pub(super) fn handle(&mut self) -> Result<File, RecordingError> {
        let handle = self.file.rewind().and_then(|()| self.file.try_clone());
        handle.map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> RecordingError {
        RecordingError::Io {
            file: self.name.clone(),
            source,
        }
    }

    /// The error of a format that is not read.
    pub(super) fn unread(&self, format: Unread) -> RecordingError {
        RecordingError::Unread {
            file: self.name.clone(),
            what: format.what,
            remedy: format.remedy,
        }
    }

    fn corrupt(&self, format: &'static str, reason: impl ToString) -> RecordingError {
        RecordingError::Corrupt {
            file: self.name.clone(),
            format,
            reason: reason.to_string(),
        }
    }

    /// What a compressed file unpacks to; nothing if it is not compressed.
    fn unpacked(&mut self) -> Result<Option<Self>, RecordingError> {
        let start = self.start(4)?;
        match start.as_slice() {
            [0x1f, 0x8b, ..] => {
                let mut decoder = MultiGzDecoder::new(io::BufReader::new(&self.file));
                self.inner("gzip", &mut decoder).map(Some)
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::Decoder::new(&self.file).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Ok(decoder)
                });
                let mut decoder = decoder.map_err(|fault| self.corrupt("zstd", fault))?;
                self.inner("zstd", &mut decoder).map(Some)
            }
            [b'P', b'K', 3, 4, ..] => self.member(),
            _ => Ok(None),
        }
    }

    fn inner(&self, format: &'static str, decoder: &mut dyn Read) -> Result<Self, RecordingError> {
        let limit = self.bounds.bytes();
        let spooled =
            spool(&self.name, &mut Named { decoder }, limit).map_err(|fault| match fault {
                RecordingError::Io { source, .. } if is_damage(&source) => {
                    self.corrupt(format, source)
                }
                fault => fault,
            })?;
        let (file, _) = spooled.ok_or_else(|| self.bounds.too_many_bytes(&self.name))?;
        let stem = self.name.file_stem().map(Path::new);
        Ok(Self {
            name: self.name.clone(),
            file,
            ending: match self.ending.as_deref() {
                Some("gz" | "gzip" | "zst" | "zstd" | "zip") => stem.and_then(ending),
                other => other.map(str::to_owned),
            },
            bounds: self.bounds,
        })
    }

    /// The only file of an archive without arrays; nothing if it has arrays.
    fn member(&mut self) -> Result<Option<Self>, RecordingError> {
        let file = self.file.try_clone().map_err(|source| self.io(source))?;
        let archive = ZipArchive::new(io::BufReader::new(file));
        let rewound = self.file.rewind();
        rewound.map_err(|source| self.io(source))?;
        // What is wrong with an archive of arrays is said by the one that reads them.
        let Ok(mut archive) = archive else {
            return Ok(None);
        };
        let names: Vec<String> = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .filter(|name| !name.ends_with('/') && !name.starts_with("__MACOSX"))
            .collect();
        if names.is_empty() || names.iter().any(|name| name.ends_with(".npy")) {
            return Ok(None);
        }
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        if has("[Content_Types].xml") || has("mimetype") && has("content.xml") {
            return Err(self.unread(unread::OFFICE));
        }
        let [name] = names.as_slice() else {
            return Err(RecordingError::SeveralFiles {
                file: self.name.clone(),
                files: names.len(),
                names: some(&names),
            });
        };
        let inner = archive
            .by_name(name)
            .map_err(|fault| self.corrupt("ZIP", fault))
            .and_then(|mut member| self.inner("ZIP", &mut member))?;
        let _ = self.file.rewind();
        Ok(Some(Self {
            ending: ending(Path::new(name)),
            ..inner
        }))
    }
}

/// A decoder whose faults are told from those of the disk.
struct Named<'d> {
    decoder: &'d mut dyn Read,
}

/// Marks a fault of a decoder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damage(io::Error);

impl Read for Named<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer);
        read.map_err(|fault| io::Error::other(Damage(fault)))
    }
}

fn is_damage(fault: &io::Error) -> bool {
    fault.get_ref().is_some_and(|inner| inner.is::<Damage>())
}

/// Copies to a file that disappears with its handle; nothing if there are more than `limit` bytes.
fn spool(
    name: &Path,
    from: &mut dyn Read,
    limit: u64,
) -> Result<Option<(File, u64)>, RecordingError> {
    let io = |source| RecordingError::Io {
        file: name.to_owned(),
        source,
    };
    let mut file = tempfile::tempfile().map_err(io)?;
    let bytes = io::copy(&mut from.take(limit + 1), &mut file).map_err(io)?;
    file.flush()
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .map_err(io)?;
    Ok((bytes <= limit).then_some((file, bytes)))
}

/// The first of some names.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| excerpt(name)).collect();
    let rest = if names.len() > SHOWN { ", …" } else { "" };
    shown.join(", ") + rest
}

fn ending(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    Some(extension.to_ascii_lowercase())
}
