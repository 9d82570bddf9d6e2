//! MAT files of version 5, as MATLAB and SciPy write them: variables, each compressed by itself or
//! not. Those of version 7.3 are HDF5.
//!
//! The format is that of "MAT-File Format" by The MathWorks, version 5: elements of a tag and data.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::ZlibDecoder;

use super::RecordingError;
use super::arrays::{Container, Member};
use super::input::Input;
use super::npy::{Element, ElementKind, Header};

const HEADER_BYTES: u64 = 128;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Structs in structs that are looked into.
const DEEPEST: usize = 6;
const LONGEST_NAME: u64 = 1 << 16;
const MAX_DIMENSIONS: u64 = 64;
const MAX_VARIABLES: usize = 1 << 16;

/// A MAT file whose variables have been listed.
pub(super) struct MatFile {
    file: File,
    big_endian: bool,
    members: Vec<Member>,
    places: Vec<Place>,
}

/// Where the values of a variable are.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Byte of the file at which the element begins that they are in.
    element: u64,
    bytes: u64,
    compressed: bool,
    /// Bytes of the element before the values.
    before: u64,
}

impl MatFile {
    pub(super) fn open(input: &mut Input) -> Result<Self, RecordingError> {
        let file = input.handle()?;
        let start = input.start(HEADER_BYTES as usize)?;
        let limit = input.bounds.bytes();
        let corrupt = |reason: String| RecordingError::Corrupt {
            file: input.name.clone(),
            format: "MAT",
            reason,
        };
        let big_endian = match start.get(126..128) {
            Some(b"IM") => false,
            Some(b"MI") => true,
            _ => return Err(corrupt("its header does not say its byte order".to_owned())),
        };
        let mut mat = Self {
            file,
            big_endian,
            members: Vec::new(),
            places: Vec::new(),
        };
        mat.list(limit).map_err(|fault| {
            corrupt(match fault.kind() {
                io::ErrorKind::UnexpectedEof => "it ends inside a variable".to_owned(),
                _ => fault.to_string(),
            })
        })?;
        Ok(mat)
    }

    /// Lists the variables, unpacking at most `limit` bytes for it.
    fn list(&mut self, limit: u64) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        let mut at = HEADER_BYTES;
        let mut unpacked = 0;
        while at < end {
            self.file.seek(SeekFrom::Start(at))?;
            let mut tag = Elements::new(BufReader::new(&self.file), self.big_endian);
            let (kind, bytes) = (tag.word()?, u64::from(tag.word()?));
            let begin = at + 8;
            at = match kind {
                // Only variables that are not compressed are padded.
                COMPRESSED => begin + bytes,
                _ => begin + bytes.next_multiple_of(8),
            };
            if begin + bytes > end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let place = Place {
                element: begin,
                bytes,
                compressed: kind == COMPRESSED,
                before: 0,
            };
            let mut elements = Elements::new(self.element(place)?, self.big_endian);
            if kind == COMPRESSED {
                let inner = elements.word()?;
                elements.word()?;
                if inner != MATRIX {
                    return Err(io::Error::other("a compressed element is no variable"));
                }
            } else if kind != MATRIX {
                continue;
            }
            elements.limit = limit.saturating_sub(unpacked);
            let mut found = Vec::new();
            elements.matrix("", 0, &mut found)?;
            unpacked += elements.read;
            drop(elements);
            for (name, header, before) in found {
                self.members.push(Member {
                    name,
                    episode: None,
                    header,
                });
                self.places.push(Place { before, ..place });
            }
            if self.members.len() > MAX_VARIABLES {
                return Err(io::Error::other(format!(
                    "more than {MAX_VARIABLES} variables"
                )));
            }
        }
        Ok(())
    }

    /// The bytes of an element, unpacked.
    fn element(&self, place: Place) -> io::Result<Box<dyn Read + '_>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.element))?;
        let bytes = BufReader::new(file.take(place.bytes));
        Ok(match place.compressed {
            true => Box::new(BufReader::new(ZlibDecoder::new(bytes))),
            false => Box::new(bytes),
        })
    }
}

impl Container for MatFile {
    fn format(&self) -> &'static str {
        "MAT"
    }

    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    fn values(&mut self, member: usize) -> Result<Box<dyn Read + '_>, String> {
        let place = self.places[member];
        let mut values = self.element(place).map_err(|fault| fault.to_string())?;
        let mut before = values.by_ref().take(place.before);
        io::copy(&mut before, &mut io::sink()).map_err(|fault| fault.to_string())?;
        Ok(values)
    }
}

/// What is read of an element, byte by byte.
struct Elements<R> {
    inner: R,
    big_endian: bool,
    /// Bytes that have been read, and how many may be.
    read: u64,
    limit: u64,
}

/// A variable: its name, its header, and how many bytes stand before its values.
type Found = (String, Header, u64);

impl<R: Read> Elements<R> {
    fn new(inner: R, big_endian: bool) -> Self {
        Self {
            inner,
            big_endian,
            read: 0,
            limit: u64::MAX,
        }
    }

    fn exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.read += bytes.len() as u64;
        match self.read > self.limit {
            true => Err(io::Error::other(format!(
                "its variables unpack to more than {} bytes",
                self.limit
            ))),
            false => self.inner.read_exact(bytes),
        }
    }

    fn word(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.exact(&mut bytes)?;
        Ok(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// Kind and bytes of the next element, and how many bytes of padding follow its data.
    fn tag(&mut self) -> io::Result<(u32, u64, u64)> {
        let kind = self.word()?;
        // Data of up to four bytes may stand in the tag.
        if kind >> 16 != 0 {
            let bytes = u64::from(kind >> 16).min(4);
            return Ok((kind & 0xffff, bytes, 4 - bytes));
        }
        let bytes = u64::from(self.word()?);
        Ok((kind, bytes, bytes.next_multiple_of(8) - bytes))
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.read = self.read.saturating_add(bytes);
        if self.read > self.limit {
            return self.exact(&mut []);
        }
        let skipped = io::copy(&mut self.inner.by_ref().take(bytes), &mut io::sink())?;
        match skipped < bytes {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }

    /// The bytes of an element that is no longer than `longest`.
    fn data(&mut self, longest: u64) -> io::Result<Vec<u8>> {
        let (_, bytes, padding) = self.tag()?;
        if bytes > longest {
            return Err(io::Error::other(
                "a part of a variable's header is too long",
            ));
        }
        let mut data = vec![0; bytes as usize];
        self.exact(&mut data)?;
        self.skip(padding)?;
        Ok(data)
    }

    fn words(&mut self, longest: u64) -> io::Result<Vec<u32>> {
        let data = self.data(4 * longest)?;
        let words = data.chunks_exact(4).map(|word| {
            let word = [word[0], word[1], word[2], word[3]];
            match self.big_endian {
                true => u32::from_be_bytes(word),
                false => u32::from_le_bytes(word),
            }
        });
        Ok(words.collect())
    }

    /// Reads a variable after its tag; fields of a struct are variables called `struct.field`.
    fn matrix(&mut self, prefix: &str, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
        let flags = self.words(2)?.first().copied().unwrap_or(0);
        let class = flags & 0xff;
        let dimensions = self.words(MAX_DIMENSIONS)?;
        let name = String::from_utf8_lossy(&self.data(LONGEST_NAME)?).into_owned();
        let name = match (prefix, name.as_str()) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}.{name}"),
        };
        let mut shape: Vec<u64> = dimensions.iter().map(|&length| u64::from(length)).collect();
        let is_single = shape.iter().all(|&length| length == 1);
        if class == 2 && is_single && depth < DEEPEST {
            return self.fields(&name, depth, found);
        }
        // A vector is a matrix of one column or row.
        if let [1, _] | [_, 1] = shape[..] {
            let length = shape[0].max(shape[1]);
            shape = vec![length];
        }
        let mut header = Header {
            element: Err(match class {
                1 => "a cell array".to_owned(),
                2 => "an array of structs".to_owned(),
                4 => "text".to_owned(),
                5 => "a sparse matrix; save it in full".to_owned(),
                _ => "no numbers".to_owned(),
            }),
            fortran: true,
            shape,
        };
        let is_numbers = (6..=15).contains(&class);
        if is_numbers && flags & 0x800 != 0 {
            header.element = Err("complex".to_owned());
        }
        let mut rest = None;
        let before = match is_numbers {
            true => {
                let (kind, bytes, padding) = self.tag()?;
                if flags & 0x800 == 0 {
                    header.element = self.element(kind);
                }
                let values = header
                    .shape
                    .iter()
                    .try_fold(1u64, |all, &n| all.checked_mul(n));
                let size = header
                    .element
                    .as_ref()
                    .map_or(1, |element| element.bytes() as u64);
                let enough = values.and_then(|values| values.checked_mul(size));
                if header.element.is_ok() && enough != Some(bytes) {
                    return Err(io::Error::other(format!(
                        "variable {name} has not as many values as its dimensions say"
                    )));
                }
                rest = Some(bytes + padding);
                self.read
            }
            false => self.read,
        };
        found.push((name, header, before));
        match rest {
            // What follows is skipped with the element where nothing else is read of it.
            Some(bytes) if depth > 0 => self.skip(bytes),
            _ => Ok(()),
        }
    }

    /// Reads the fields of a struct.
    fn fields(&mut self, name: &str, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
        let length = self.words(1)?.first().copied().unwrap_or(0) as usize;
        let names = self.data(LONGEST_NAME)?;
        if length == 0 {
            return Ok(());
        }
        for field in names.chunks_exact(length) {
            let end = field.iter().position(|&byte| byte == 0).unwrap_or(length);
            let field = String::from_utf8_lossy(&field[..end]);
            let (kind, bytes, _) = self.tag()?;
            if kind != MATRIX {
                return Err(io::Error::other(format!(
                    "field {field} of {name} is no variable"
                )));
            }
            let end = self.read.saturating_add(bytes);
            if bytes > 0 {
                self.matrix(&format!("{name}.{field}"), depth + 1, found)?;
            }
            match end.checked_sub(self.read) {
                Some(rest) => self.skip(rest)?,
                None => {
                    return Err(io::Error::other(format!(
                        "field {field} of {name} is too long"
                    )));
                }
            }
            if found.len() > MAX_VARIABLES {
                return Err(io::Error::other(format!(
                    "more than {MAX_VARIABLES} variables"
                )));
            }
        }
        Ok(())
    }

    /// The numbers of a kind of element, which may be narrower than the variable's class.
    fn element(&self, kind: u32) -> Result<Element, String> {
        let (kind, size) = match kind {
            1 => (ElementKind::Signed, 1),
            2 => (ElementKind::Unsigned, 1),
            3 => (ElementKind::Signed, 2),
            4 => (ElementKind::Unsigned, 2),
            5 => (ElementKind::Signed, 4),
            6 => (ElementKind::Unsigned, 4),
            7 => (ElementKind::Float, 4),
            9 => (ElementKind::Float, 8),
            12 => (ElementKind::Signed, 8),
            13 => (ElementKind::Unsigned, 8),
            _ => return Err("no numbers".to_owned()),
        };
        Element::new(kind, size, self.big_endian).ok_or_else(|| "no numbers".to_owned())
    }
}
