//! NPZ archives, written array by array.

use std::io::{self, Seek, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An NPZ archive being written; numpy reads it without `allow_pickle`.
pub struct NpzWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> NpzWriter<W> {
    /// An empty archive.
    pub fn new(file: W) -> Self {
        Self {
            zip: ZipWriter::new(file),
        }
    }

    /// Adds a 32-bit float array, values in row-major order.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_f32<'a>(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = &'a f32>,
    ) -> io::Result<()> {
        let bytes = values.into_iter().map(|v| v.to_le_bytes());
        self.add(name, "<f4", shape, bytes)
    }

    /// Begins a 32-bit float array whose values follow in row-major order, part by part
    /// ([`push_f32`](Self::push_f32)), before anything else is added.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn begin_f32(&mut self, name: &str, shape: &[usize]) -> io::Result<()> {
        self.begin(name, "<f4", shape)
    }

    /// Adds values to the array that was begun.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn push_f32<'a>(&mut self, values: impl IntoIterator<Item = &'a f32>) -> io::Result<()> {
        self.push(values.into_iter().map(|v| v.to_le_bytes()))
    }

    /// Adds a 64-bit float array, values in row-major order.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_f64<'a>(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = &'a f64>,
    ) -> io::Result<()> {
        let bytes = values.into_iter().map(|v| v.to_le_bytes());
        self.add(name, "<f8", shape, bytes)
    }

    /// Adds a 32-bit integer array, values in row-major order.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_i32(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = i32>,
    ) -> io::Result<()> {
        let bytes = values.into_iter().map(i32::to_le_bytes);
        self.add(name, "<i4", shape, bytes)
    }

    /// Adds a list of texts, as numpy's fixed-width unicode.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_texts(&mut self, name: &str, texts: &[String]) -> io::Result<()> {
        let width = texts
            .iter()
            .map(|t| t.chars().count())
            .max()
            .unwrap_or(0)
            .max(1);
        let code_points = texts.iter().flat_map(|text| {
            let padding = std::iter::repeat_n('\0', width - text.chars().count());
            text.chars().chain(padding).collect::<Vec<_>>()
        });
        let bytes = code_points.map(|c| u32::from(c).to_le_bytes());
        self.add(name, &format!("<U{width}"), &[texts.len()], bytes)
    }

    fn add<const N: usize>(
        &mut self,
        name: &str,
        dtype: &str,
        shape: &[usize],
        values: impl Iterator<Item = [u8; N]>,
    ) -> io::Result<()> {
        self.begin(name, dtype, shape)?;
        self.push(values)
    }

    fn begin(&mut self, name: &str, dtype: &str, shape: &[usize]) -> io::Result<()> {
        let options = SimpleFileOptions::default().large_file(true);
        self.zip.start_file(format!("{name}.npy"), options)?;
        self.zip.write_all(&header(dtype, shape))
    }

    fn push<const N: usize>(&mut self, values: impl Iterator<Item = [u8; N]>) -> io::Result<()> {
        let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut self.zip);
        for value in values {
            buffered.write_all(&value)?;
        }
        buffered.flush()
    }

    /// Writes the archive's directory.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.zip.finish()?;
        Ok(())
    }
}

/// Header of the NPY format, version 1.0, padded to a multiple of 64 bytes.
fn header(dtype: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let unpadded = 10 + text.len() + 1;
    text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_back() {
        let mut file = io::Cursor::new(Vec::new());
        let mut npz = NpzWriter::new(&mut file);
        npz.begin_f32("a", &[2, 3]).unwrap();
        npz.push_f32(&[1.0, 2.0]).unwrap();
        npz.push_f32(&[3.0, 4.0, 5.0, 6.0]).unwrap();
        npz.add_texts("names", &["x".to_owned(), "θ_dot".to_owned()])
            .unwrap();
        npz.finish().unwrap();
        let mut zip = zip::ZipArchive::new(file).unwrap();
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut zip.by_name("a.npy").unwrap(), &mut bytes).unwrap();
        let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(npy.shape(), [2, 3]);
        assert_eq!(
            npy.into_vec::<f32>().unwrap(),
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        );
    }
}
