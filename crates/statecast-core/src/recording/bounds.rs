//! How much is unpacked of a file, so that a small one cannot fill the memory.

use std::path::Path;

use super::RecordingError;

/// Values that are read of any file: half a gibibyte.
const VALUES: u64 = 1 << 26;
/// Values that are read for each byte of a larger file; text has less than one.
const VALUES_A_BYTE: u64 = 4;
/// Bytes that any compressed file may unpack to.
const BYTES: u64 = 1 << 30;
/// Bytes that each byte of a larger compressed file may unpack to.
const BYTES_A_BYTE: u64 = 64;
/// Bytes that any page of a table may unpack to; writers make pages of a mebibyte, some of a whole column.
const PAGE_BYTES: u64 = 1 << 26;
/// Bytes that are taken from standard input.
pub(super) const MAX_OF_STANDARD_INPUT: u64 = 4 << 30;

/// What may be unpacked of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    values: u64,
    bytes: u64,
    page_bytes: u64,
}

impl Bounds {
    /// Bounds of a file of so many bytes as it lies on the disk.
    pub(super) fn of(file_bytes: u64) -> Self {
        Self {
            values: VALUES.max(file_bytes.saturating_mul(VALUES_A_BYTE)),
            bytes: BYTES.max(file_bytes.saturating_mul(BYTES_A_BYTE)),
            page_bytes: PAGE_BYTES.max(file_bytes.saturating_mul(BYTES_A_BYTE)),
        }
    }

    /// Bytes that the file may unpack to.
    pub(super) fn bytes(self) -> u64 {
        self.bytes
    }

    /// Bytes that a page of a table may unpack to.
    pub(super) fn page_bytes(self) -> u64 {
        self.page_bytes
    }

    /// Bytes that the file may unpack to, for memory of this machine.
    pub(super) fn memory(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Refuses more values of a table or an array than may be unpacked.
    pub(super) fn check_values(self, file: &Path, values: u64) -> Result<(), RecordingError> {
        match values > self.values {
            true => Err(RecordingError::TooMuch {
                file: file.to_owned(),
                limit: self.values,
                what: "values",
            }),
            false => Ok(()),
        }
    }

    /// The error of a file that unpacks to more bytes than it may.
    pub(super) fn too_many_bytes(self, file: &Path) -> RecordingError {
        RecordingError::TooMuch {
            file: file.to_owned(),
            limit: self.bytes,
            what: "bytes",
        }
    }
}
