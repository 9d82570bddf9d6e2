//! The NPY format: a short text header, then numbers.
//!
//! The header is parsed here and not by a library because it is not trusted: its sizes are checked
//! before they are multiplied, and nothing is allocated for values until they have been read.

use std::io::{ErrorKind, Read};

use half::f16;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Headers of arrays of numbers have about a hundred bytes.
const LONGEST_HEADER: usize = 65_536;

/// What the header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// The element type, or why it is not a number.
    pub(super) element: Result<Element, String>,
    /// Whether the first index runs fastest.
    pub(super) fortran: bool,
    /// Length of each dimension.
    pub(super) shape: Vec<u64>,
}

impl Header {
    /// Reads up to the first value; the error says what is wrong with the header.
    pub(super) fn read(reader: &mut dyn Read) -> Result<Self, String> {
        let mut start = [0; 8];
        read_exact(reader, &mut start)?;
        if !start.starts_with(MAGIC) {
            return Err("it does not start like an array".to_owned());
        }
        let length = match start[6] {
            1 => {
                let mut bytes = [0; 2];
                read_exact(reader, &mut bytes)?;
                usize::from(u16::from_le_bytes(bytes))
            }
            2 | 3 => {
                let mut bytes = [0; 4];
                read_exact(reader, &mut bytes)?;
                u32::from_le_bytes(bytes) as usize
            }
            version => return Err(format!("version {version} of the format is not known")),
        };
        if length > LONGEST_HEADER {
            return Err(format!("its header claims {length} bytes"));
        }
        let mut text = vec![0; length];
        read_exact(reader, &mut text)?;
        Self::parse(&String::from_utf8_lossy(&text))
            .ok_or_else(|| "its header is not that of an array".to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let descr = value_of(text, "descr")?;
        let quote = descr.chars().next()?;
        if quote == '[' {
            return Some(Self {
                element: Err(
                    "it has named fields (a structured array); save one array per field".to_owned(),
                ),
                fortran: false,
                shape: Vec::new(),
            });
        }
        if quote != '\'' && quote != '"' {
            return None;
        }
        let descr = descr[1..].split(quote).next()?;
        let fortran = value_of(text, "fortran_order")?.starts_with("True");
        let dimensions = value_of(text, "shape")?.strip_prefix('(')?;
        let (dimensions, _) = dimensions.split_once(')')?;
        let shape = dimensions
            .split(',')
            .map(|dimension| dimension.trim().trim_end_matches('L'))
            .filter(|dimension| !dimension.is_empty())
            .map(|dimension| dimension.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        Some(Self {
            element: Element::parse(descr),
            fortran,
            shape,
        })
    }
}

/// The text after `'key':`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let (_, rest) = quoted
        .iter()
        .find_map(|key| text.split_once(key.as_str()))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn read_exact(reader: &mut dyn Read, bytes: &mut [u8]) -> Result<(), String> {
    reader
        .read_exact(bytes)
        .map_err(|fault| match fault.kind() {
            ErrorKind::UnexpectedEof => "it ends inside its header".to_owned(),
            _ => fault.to_string(),
        })
}

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Element {
    kind: ElementKind,
    size: usize,
    big_endian: bool,
}

/// What a number is to its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ElementKind {
    Float,
    Signed,
    Unsigned,
    Bool,
}

impl Element {
    /// A number of up to eight bytes; nothing of such a kind and size.
    pub(super) fn new(kind: ElementKind, size: usize, big_endian: bool) -> Option<Self> {
        let known = match kind {
            ElementKind::Float => [2, 4, 8].contains(&size),
            ElementKind::Signed | ElementKind::Unsigned => [1, 2, 4, 8].contains(&size),
            ElementKind::Bool => size == 1,
        };
        known.then_some(Self {
            kind,
            size,
            big_endian,
        })
    }

    /// Bytes of a number.
    pub(super) fn bytes(self) -> usize {
        self.size
    }

    fn parse(descr: &str) -> Result<Self, String> {
        let refuse = |what: &str| {
            Err(format!(
                "its element type {descr:?} is {what}; save it as float64"
            ))
        };
        let mut characters = descr.chars();
        let big_endian = match characters.next() {
            Some('>') => true,
            Some('<' | '|' | '=') => false,
            _ => return refuse("not known"),
        };
        let kind = characters.next();
        let size = characters.as_str().parse::<usize>().unwrap_or(0);
        let kind = match (kind, size) {
            (Some('f'), 2 | 4 | 8) => ElementKind::Float,
            (Some('i'), 1 | 2 | 4 | 8) => ElementKind::Signed,
            (Some('u'), 1 | 2 | 4 | 8) => ElementKind::Unsigned,
            (Some('b'), 1) => ElementKind::Bool,
            (Some('O'), _) => return refuse("a pickled Python object, which is never loaded"),
            (Some('S' | 'U' | 'a'), _) => return refuse("text"),
            (Some('M' | 'm'), _) => return refuse("a time"),
            (Some('c'), _) => return refuse("complex"),
            (Some('f'), _) => return refuse("wider than float64"),
            _ => return refuse("not known"),
        };
        Ok(Self {
            kind,
            size,
            big_endian,
        })
    }

    fn bits(self, bytes: &[u8]) -> u64 {
        let mut raw = [0; 8];
        for (index, byte) in bytes.iter().take(8).enumerate() {
            let place = if self.big_endian {
                bytes.len() - 1 - index
            } else {
                index
            };
            raw[place] = *byte;
        }
        u64::from_le_bytes(raw)
    }

    fn signed(self, bits: u64) -> i64 {
        let unused = 64 - 8 * self.size;
        (bits << unused).cast_signed() >> unused
    }

    /// The number in the `size` bytes of one element.
    pub(super) fn number(self, bytes: &[u8]) -> f64 {
        let bits = self.bits(bytes);
        match (self.kind, self.size) {
            (ElementKind::Float, 2) => f16::from_bits(bits as u16).to_f64(),
            (ElementKind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (ElementKind::Float, _) => f64::from_bits(bits),
            (ElementKind::Signed, _) => self.signed(bits) as f64,
            (ElementKind::Unsigned, _) => bits as f64,
            (ElementKind::Bool, _) => f64::from(u8::from(bits != 0)),
        }
    }

    /// The number as a whole one, if it is of a kind that a float may not hold.
    pub(super) fn large_integer(self, bytes: &[u8]) -> Option<i128> {
        match (self.kind, self.size) {
            (ElementKind::Signed, 8) => Some(self.signed(self.bits(bytes)).into()),
            (ElementKind::Unsigned, 8) => Some(self.bits(bytes).into()),
            _ => None,
        }
    }

    /// The same number in full as an episode label; empty for NaN and infinities.
    pub(super) fn text(self, bytes: &[u8]) -> String {
        let bits = self.bits(bytes);
        match self.kind {
            ElementKind::Signed => self.signed(bits).to_string(),
            ElementKind::Unsigned => bits.to_string(),
            ElementKind::Float | ElementKind::Bool => {
                let number = self.number(bytes);
                if number.is_finite() {
                    number.to_string()
                } else {
                    String::new()
                }
            }
        }
    }
}

/// Values of an array as rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Number of rows.
    pub(super) rows: u64,
    /// Number of columns.
    pub(super) columns: usize,
    /// How a value is stored.
    pub(super) element: Element,
    /// Whether all rows of a column come before the next column.
    pub(super) fortran: bool,
}

/// Why values could not be streamed.
pub(super) enum Fault<E> {
    /// The data is not what the header says.
    Data(String),
    /// The receiver refused a value.
    Receiver(E),
}

impl Layout {
    /// Streams the values after the header: `receive(row, column, bytes of the element)`.
    ///
    /// Reads to the end of `reader` so that a checksum after the values is verified.
    pub(super) fn stream<E>(
        &self,
        reader: &mut dyn Read,
        mut receive: impl FnMut(usize, usize, &[u8]) -> Result<(), E>,
    ) -> Result<(), Fault<E>> {
        const CHUNK: usize = 8192;
        let size = self.element.size;
        let total = self
            .rows
            .checked_mul(self.columns as u64)
            .ok_or_else(|| Fault::Data("its header claims more values than exist".to_owned()))?;
        let mut chunk = vec![0; CHUNK * size];
        let mut done: u64 = 0;
        let (mut row, mut column): (usize, usize) = (0, 0);
        while done < total {
            let count = (total - done).min(CHUNK as u64) as usize;
            let bytes = &mut chunk[..count * size];
            let filled = fill(reader, bytes).map_err(Fault::Data)?;
            for element in bytes[..filled].chunks_exact(size) {
                receive(row, column, element).map_err(Fault::Receiver)?;
                if self.fortran {
                    row += 1;
                    if row as u64 == self.rows {
                        (row, column) = (0, column + 1);
                    }
                } else {
                    column += 1;
                    if column == self.columns {
                        (row, column) = (row + 1, 0);
                    }
                }
            }
            done += (filled / size) as u64;
            if filled < bytes.len() {
                return Err(Fault::Data(format!(
                    "it ends after {done} of the {total} values its header claims"
                )));
            }
        }
        fill(reader, &mut chunk[..1]).map_err(Fault::Data)?;
        Ok(())
    }
}

/// Reads until the buffer is full or the data ends; how many bytes were read.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, String> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(descr: &str) -> Element {
        Element::parse(descr).unwrap()
    }

    #[test]
    fn every_element_type_is_decoded_in_both_byte_orders() {
        let cases: [(&str, &[u8], f64); 14] = [
            ("<f8", &(-1.5f64).to_le_bytes(), -1.5),
            (">f8", &(-1.5f64).to_be_bytes(), -1.5),
            ("<f4", &0.25f32.to_le_bytes(), 0.25),
            (">f4", &0.25f32.to_be_bytes(), 0.25),
            ("<f2", &f16::from_f64(-0.5).to_le_bytes(), -0.5),
            (">f2", &f16::from_f64(-0.5).to_be_bytes(), -0.5),
            ("|i1", &[0xff], -1.0),
            ("<i2", &(-300i16).to_le_bytes(), -300.0),
            (">i4", &(-70_000i32).to_be_bytes(), -70_000.0),
            ("<i8", &i64::MIN.to_le_bytes(), -9_223_372_036_854_775_808.0),
            ("|u1", &[0xff], 255.0),
            (">u2", &60_000u16.to_be_bytes(), 60_000.0),
            ("<u8", &u64::MAX.to_le_bytes(), 18_446_744_073_709_551_615.0),
            ("|b1", &[1], 1.0),
        ];
        for (descr, bytes, number) in cases {
            assert_eq!(element(descr).number(bytes), number, "{descr}");
        }
    }

    #[test]
    fn labels_keep_integers_that_floats_would_merge() {
        let odd = 9_007_199_254_740_993i64;
        assert_eq!(element("<i8").text(&odd.to_le_bytes()), odd.to_string());
        assert_eq!(element("<f4").text(&3.0f32.to_le_bytes()), "3");
        assert_eq!(element("<f4").text(&f32::NAN.to_le_bytes()), "");
    }

    #[test]
    fn other_element_types_say_what_they_are() {
        for (descr, what) in [
            ("|O", "pickled"),
            ("<U8", "text"),
            ("<c16", "complex"),
            ("<M8[ns]", "a time"),
            ("<f16", "wider"),
            ("", "not known"),
        ] {
            let refusal = Element::parse(descr).unwrap_err();
            assert!(refusal.contains(what), "{refusal}");
        }
    }

    #[test]
    fn headers_are_parsed_whatever_their_order() {
        let header = Header::parse("{'shape': (3, 2), 'fortran_order': True, 'descr': '<f4'}");
        assert_eq!(header.unwrap().shape, [3, 2]);
        let header = Header::parse("{'descr': '<f8', 'fortran_order': False, 'shape': (7L,), }");
        assert_eq!(header.unwrap().shape, [7]);
        let scalar = Header::parse("{'descr': '<f8', 'fortran_order': False, 'shape': (), }");
        assert!(scalar.unwrap().shape.is_empty());
        let fields = Header::parse("{'descr': [('shape', '<f4')], 'shape': (1,)}").unwrap();
        assert!(fields.element.unwrap_err().contains("structured"));
    }

    #[test]
    fn nonsense_headers_are_refused() {
        for text in [
            "",
            "{}",
            "{'descr': 5, 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,",
            "{'descr': é",
        ] {
            assert_eq!(Header::parse(text), None, "{text}");
        }
    }
}
