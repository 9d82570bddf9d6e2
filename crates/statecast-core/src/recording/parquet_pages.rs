//! Bytes of a Parquet file: how its pages are compressed, and page headers that are looked at before memory is taken
//! for a page.
//!
//! A header says how many bytes its page unpacks to and how many values its dictionary has; the
//! reader takes the memory for that before it has unpacked anything.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::parquet::basic::Compression;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use super::bounds::Bounds;

/// Bytes in which the fields of a header are that are looked at: they are its first ones.
const LOOKED_AT: u64 = 64;
/// Kind of page that is a dictionary.
const DICTIONARY: i64 = 2;

/// Name of a compression that is not read.
pub(super) fn unread_codec(codec: Compression) -> Option<&'static str> {
    match codec {
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("lzo"),
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::ZSTD(_)
        | Compression::LZ4_RAW => None,
    }
}

/// A file of which pages are read.
pub(super) struct Pages {
    file: File,
    bounds: Bounds,
    /// Whether what is read next is a page: before that it is the footer.
    begun: Arc<AtomicBool>,
}

impl Pages {
    /// The bytes of a file, and the switch that is set once its footer has been read.
    pub(super) fn of(file: File, bounds: Bounds) -> (Self, Arc<AtomicBool>) {
        let begun = Arc::new(AtomicBool::new(false));
        let pages = Self {
            file,
            bounds,
            begun: begun.clone(),
        };
        (pages, begun)
    }

    fn check(&self, start: &[u8]) -> Result<()> {
        let refused = |reason: String| Err(ParquetError::General(reason));
        let Some(header) = PageHeader::of(start) else {
            return refused("a page does not say how large it is".to_owned());
        };
        let limit = self.bounds.page_bytes();
        let bytes = u64::try_from(header.bytes).unwrap_or(u64::MAX);
        if bytes > limit {
            return refused(format!(
                "a page would unpack to {} bytes, more than {limit}, the limit for a file of its size",
                header.bytes
            ));
        }
        match header.entries.is_some_and(|entries| entries > header.bytes) {
            true => refused("a dictionary claims more values than fit into it".to_owned()),
            false => Ok(()),
        }
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        Length::len(&self.file)
    }
}

impl ChunkReader for Pages {
    type T = std::io::Chain<Cursor<Vec<u8>>, BufReader<File>>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        let mut rest = BufReader::new(file);
        let mut first = Vec::new();
        rest.by_ref().take(LOOKED_AT).read_to_end(&mut first)?;
        if self.begun.load(Ordering::Relaxed) {
            self.check(&first)?;
        }
        Ok(Cursor::new(first).chain(rest))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// What the header of a page claims.
#[derive(Debug, PartialEq)]
struct PageHeader {
    /// Bytes of the page once it is unpacked.
    bytes: i64,
    /// Values of a dictionary.
    entries: Option<i64>,
}

impl PageHeader {
    /// The header that some bytes begin with, in Thrift's compact protocol; nothing if its fields
    /// are not in the order in which all writers write them.
    fn of(start: &[u8]) -> Option<Self> {
        const INTEGER: u8 = 5;
        const STRUCT: u8 = 12;
        let mut fields = Fields { bytes: start };
        let mut values = [0; 3];
        for value in &mut values {
            let (step, kind) = fields.begin()?;
            *value = (step == 1 && kind == INTEGER).then(|| fields.integer())??;
        }
        let [page, bytes, _] = values;
        if page != DICTIONARY {
            return Some(Self {
                bytes,
                entries: None,
            });
        }
        let (mut step, mut kind) = fields.begin()?;
        // A checksum may come before it.
        if (step, kind) == (1, INTEGER) {
            fields.integer()?;
            (step, kind) = fields.begin()?;
            step += 1;
        }
        let inner = ((step, kind) == (4, STRUCT)).then(|| fields.begin())??;
        let entries = (inner == (1, INTEGER)).then(|| fields.integer())??;
        Some(Self {
            bytes,
            entries: Some(entries),
        })
    }
}

struct Fields<'b> {
    bytes: &'b [u8],
}

impl Fields<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    /// How far the number of the next field is from that of the one before, and its kind.
    fn begin(&mut self) -> Option<(u8, u8)> {
        let byte = self.byte()?;
        Some((byte >> 4, byte & 15))
    }

    fn integer(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let half = (value >> 1).cast_signed();
                return Some(if value & 1 == 0 { half } else { -half - 1 });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_with_and_without_a_checksum() {
        let data = [0x15, 0, 0x15, 0x80, 0x04, 0x15, 0x10, 0x2c, 0x15, 8];
        assert_eq!(
            PageHeader::of(&data),
            Some(PageHeader {
                bytes: 256,
                entries: None
            })
        );
        let dictionary = Some(PageHeader {
            bytes: 256,
            entries: Some(4),
        });
        let start = [0x15, 4, 0x15, 0x80, 0x04, 0x15, 0x10];
        let plain = [&start[..], &[0x4c, 0x15, 8]].concat();
        assert_eq!(PageHeader::of(&plain), dictionary);
        let checked = [&start[..], &[0x15, 2, 0x3c, 0x15, 8]].concat();
        assert_eq!(PageHeader::of(&checked), dictionary);
        assert_eq!(PageHeader::of(&start), None);
        assert_eq!(PageHeader::of(&[0x25, 0, 0x15, 0]), None);
    }
}
