//! Files that are not what they were meant to be: each is told what it is and what to do.

use std::io::Write;

use ::parquet::basic::{BrotliLevel, Compression};

use super::*;

fn assert_says(name: &str, content: impl AsRef<[u8]>, says: &[&str]) {
    let refusal = Scratch::new(name, content).refusal();
    for part in says {
        assert!(refusal.contains(part), "{name}: {refusal}");
    }
}

const NAMES: [&str; 8] = [
    "run.csv",
    "run.json",
    "run.npz",
    "run.parquet",
    "run.h5",
    "run.mat",
    "run.arrow",
    "run",
];

/// Fault: a pointer of Git LFS under the name of a CSV file was read as a table of one row.
#[test]
fn a_pointer_of_git_lfs_is_none_under_any_name() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 99\n";
    for name in NAMES {
        assert_says(name, pointer, &["a pointer of Git LFS", "git lfs pull"]);
    }
}

/// Fault: a page under the name of a CSV file was a table with a cell too many in a row.
#[test]
fn a_page_that_was_saved_in_place_of_a_file_is_none_under_any_name() {
    let page = "\n<!DOCTYPE html>\n<html><body>\n<p>Log in, please</p>\n</body></html>\n";
    for name in NAMES {
        assert_says(name, page, &["a page of HTML", "download the file"]);
    }
}

/// A MAT file of version 4 with one number, in a byte order.
fn mat_4(number: fn(u32) -> [u8; 4], kind: u32) -> Vec<u8> {
    let header = [kind, 1, 1, 0, 2].map(number).concat();
    [&header[..], b"x\0", &[0; 8]].concat()
}

#[test]
fn formats_that_are_not_read_are_named() {
    let version_4 = ["a MAT file of version 4", "save -v7"];
    assert_says("run.mat", mat_4(u32::to_le_bytes, 0), &version_4);
    assert_says("run", mat_4(u32::to_be_bytes, 1000), &version_4);
    let feather = [&b"FEA1"[..], &[0; 40], b"FEA1"].concat();
    assert_says(
        "run.feather",
        feather,
        &["a Feather file of version 1", "to_feather"],
    );
    assert_says(
        "run.nc",
        b"CDF\x01\0\0\0\0",
        &["a classic NetCDF file", "nccopy"],
    );
    let mut tar = vec![0; 1024];
    tar[..7].copy_from_slice(b"run.csv");
    tar[257..262].copy_from_slice(b"ustar");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let says = ["a tar archive", "unpack it"];
    assert_says("run.tar", tar, &says);
    assert_says("run.tar.gz", gzip.finish().unwrap(), &says);
}

#[test]
fn a_compression_of_parquet_that_is_not_read_is_named() {
    let file = Scratch::new("run.parquet", "");
    let column = written::Cells::Doubles(vec![Some(1.0), Some(2.0)]);
    let snappy = Compression::SNAPPY;
    written::parquet(&file.path, snappy, 1, &[("x", column)]);
    assert!(file.read().is_ok());
    // Brotli cannot be written here, so the codec is asked about by itself.
    let brotli = Compression::BROTLI(BrotliLevel::default());
    assert_eq!(
        super::super::parquet_pages::unread_codec(brotli),
        Some("brotli")
    );
    assert_eq!(super::super::parquet_pages::unread_codec(snappy), None);
}

/// Fault: an archive of several files was told how many it holds and not which.
#[test]
fn an_archive_of_several_files_names_them() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a.csv", "b.csv"] {
        archive
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        archive.write_all(b"x\n1\n").unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert_says("runs.zip", bytes, &["holds 2 files, a.csv, b.csv"]);
}

/// Fault: `--encoding` of a file whose format has one did nothing.
#[test]
fn an_encoding_of_what_has_its_own_is_refused() {
    let json = Scratch::new("run.json", r#"[{"x":1},{"x":2}]"#);
    let selection = RoleSelection {
        encoding: Some("latin1".to_owned()),
        ..RoleSelection::default()
    };
    let refusal = json.refusal_of(read(&json.path, &selection, MissingPolicy::Error));
    assert!(
        refusal.contains("`encoding=latin1` has no effect: it is JSON"),
        "{refusal}"
    );
}
