//! Writers of test files.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use npyz::WriterBuilder;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// The bytes of an NPY file.
pub(super) fn npy<T: npyz::Serialize + Copy>(
    descr: &str,
    order: npyz::Order,
    shape: &[u64],
    values: &[T],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .dtype(npyz::DType::Plain(descr.parse().unwrap()))
        .order(order)
        .shape(shape)
        .writer(&mut bytes)
        .begin_nd()
        .unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A C-ordered float64 array.
pub(super) fn floats(shape: &[u64], values: &[f64]) -> Vec<u8> {
    npy("<f8", npyz::Order::C, shape, values)
}

/// An array whose header says anything, with any bytes after it.
pub(super) fn forged(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(super) fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    npz_with(CompressionMethod::Stored, arrays)
}

pub(super) fn npz_with(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A Parquet column.
pub(super) enum Cells {
    Doubles(Vec<Option<f64>>),
    Longs(Vec<i64>),
    Bools(Vec<bool>),
    Texts(Vec<&'static str>),
}

pub(super) fn parquet(
    path: &Path,
    codec: Compression,
    rows_per_group: usize,
    columns: &[(&str, Cells)],
) {
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, cells)| match cells {
            Cells::Doubles(_) => format!("OPTIONAL DOUBLE {name};"),
            Cells::Longs(_) => format!("REQUIRED INT64 {name};"),
            Cells::Bools(_) => format!("REQUIRED BOOLEAN {name};"),
            Cells::Texts(_) => format!("REQUIRED BYTE_ARRAY {name} (UTF8);"),
        })
        .collect();
    let schema = parse_message_type(&format!("message m {{ {} }}", fields.join(" "))).unwrap();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let rows = match &columns[0].1 {
        Cells::Doubles(values) => values.len(),
        Cells::Longs(values) => values.len(),
        Cells::Bools(values) => values.len(),
        Cells::Texts(values) => values.len(),
    };
    for start in (0..rows).step_by(rows_per_group) {
        let range = start..(start + rows_per_group).min(rows);
        let mut group = writer.next_row_group().unwrap();
        for (_, cells) in columns {
            let mut column = group.next_column().unwrap().unwrap();
            match cells {
                Cells::Doubles(values) => {
                    let values = &values[range.clone()];
                    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
                    let present: Vec<f64> = values.iter().flatten().copied().collect();
                    let typed = column.typed::<DoubleType>();
                    typed.write_batch(&present, Some(&levels), None).unwrap();
                }
                Cells::Longs(values) => {
                    let typed = column.typed::<Int64Type>();
                    typed
                        .write_batch(&values[range.clone()], None, None)
                        .unwrap();
                }
                Cells::Bools(values) => {
                    let typed = column.typed::<BoolType>();
                    typed
                        .write_batch(&values[range.clone()], None, None)
                        .unwrap();
                }
                Cells::Texts(values) => {
                    let values: Vec<ByteArray> =
                        values[range.clone()].iter().map(|&v| v.into()).collect();
                    let typed = column.typed::<ByteArrayType>();
                    typed.write_batch(&values, None, None).unwrap();
                }
            }
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Every codec a common writer uses.
pub(super) fn codecs() -> Vec<Compression> {
    vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ]
}
