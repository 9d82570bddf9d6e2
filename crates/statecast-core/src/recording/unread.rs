//! Formats of tables that are not read, so that an error can name them and say what to do.

use crate::stand_in;

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread {
    /// What the file is.
    pub(super) what: &'static str,
    /// What to do about it.
    pub(super) remedy: &'static str,
}

const PACKED: &str =
    "unpack it, or compress it by gzip (.gz), zstd (.zst) or as a zip archive of one file (.zip)";
const TABLE: &str = "save its table as CSV or Parquet";
const FRAME: &str = "write its table as CSV or Parquet";

const fn unread(what: &'static str, remedy: &'static str) -> Unread {
    Unread { what, remedy }
}

pub(super) const OFFICE: Unread = unread("an office document (.xlsx, .ods)", TABLE);
const WORKBOOK: Unread = unread("an Excel workbook of before 2007 (.xls)", TABLE);
const SQLITE: Unread = unread("an SQLite database", "export the table as CSV");
const R: Unread = unread("an R object", FRAME);
const SAS: Unread = unread("a SAS data set", FRAME);
const PICKLE: Unread = unread(
    "a pickle, and never read: a pickle is a program, which could do anything while it is loaded",
    "load it in Python if you trust it, and save arrays by numpy.savez or a table by DataFrame.to_parquet",
);

const BAG: &str = "export its topics as CSV or Parquet";
const FEATHER_1: Unread = unread(
    "a Feather file of version 1",
    "read it by pandas.read_feather and write it by to_feather, which writes version 2",
);
const NETCDF: Unread = unread(
    "a classic NetCDF file",
    "convert it by `nccopy -k nc4`, for NetCDF-4 is HDF5",
);
const TAR: Unread = unread(
    "a tar archive",
    "unpack it by tar -xf and name one of its files",
);
const MAT_4: Unread = unread(
    "a MAT file of version 4",
    "save it by `save -v7` of MATLAB, or by scipy.io.savemat in its default format '5'",
);

/// First bytes, and the format that begins with them.
const MARKS: [(&[u8], Unread); 22] = [
    (b"FEA1", FEATHER_1),
    (b"CDF\x01", NETCDF),
    (b"CDF\x02", NETCDF),
    (b"CDF\x05", NETCDF),
    (b"Obj\x01", unread("an Avro file", FRAME)),
    (b"ORC", unread("an ORC file", FRAME)),
    (b"#ROSBAG", unread("a bag of ROS", BAG)),
    (b"\x89MCAP0\r\n", unread("an MCAP file", BAG)),
    (b"%PDF-", unread("a PDF document", TABLE)),
    (b"Rar!\x1a\x07", unread("a RAR archive", PACKED)),
    (b"\xfd7zXZ\0", unread("compressed by xz", PACKED)),
    (b"7z\xbc\xaf\x27\x1c", unread("an archive of 7-Zip", PACKED)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", WORKBOOK),
    (b"SQLite format 3\0", SQLITE),
    (b"RDX2\n", R),
    (b"RDX3\n", R),
    (b"X\n\0\0\0\x02", R),
    (b"X\n\0\0\0\x03", R),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
];

/// What a file is by its first bytes, if it is not read.
pub(super) fn by_content(start: &[u8]) -> Option<Unread> {
    // Twelve zero bytes, then a number of its own.
    let is_sas = start.len() > 20
        && start.starts_with(&[0; 12])
        && start[12..].starts_with(b"\xc2\xea\x81\x60\xb3\x14\x11\xcf");
    let is_bzip2 = start.starts_with(b"BZh")
        && matches!(start.get(4..7), Some(b"1AY" | b"\x17rE"))
        && start[3].is_ascii_digit();
    let marked = MARKS.iter().find(|(mark, _)| start.starts_with(mark));
    if let Some(found) = stand_in::by_content(start) {
        return Some(unread(found.what, found.remedy));
    }
    match () {
        () if is_sas => Some(SAS),
        () if start.get(257..262) == Some(b"ustar") => Some(TAR),
        () if is_mat_4(start) => Some(MAT_4),
        () if is_bzip2 => Some(unread("compressed by bzip2", PACKED)),
        () => marked.map(|(_, format)| *format),
    }
}

/// Whether a file begins with the header of a variable of MAT 4: five numbers of four bytes in one byte order, then
/// the variable's name.
fn is_mat_4(start: &[u8]) -> bool {
    let numbers = |of: fn([u8; 4]) -> u32| -> Option<[u32; 5]> {
        let mut found = [0; 5];
        for (number, bytes) in found.iter_mut().zip(start.chunks_exact(4)) {
            *number = of(bytes.try_into().ok()?);
        }
        (start.len() > 20).then_some(found)
    };
    // The first number says by its digits: byte order, nothing, type of the numbers, type of the matrix.
    let is_header = |[kind, _, _, imaginary, length]: [u32; 5], order: u32| {
        let name = start[20..].get(..length as usize);
        let is_name = name
            .and_then(<[u8]>::split_last)
            .is_some_and(|(end, name)| {
                let letters = name.iter().all(|&c| c == b'_' || c.is_ascii_alphanumeric());
                *end == 0 && !name.is_empty() && letters
            });
        let digits = [kind / 1000, kind / 100 % 10, kind / 10 % 10, kind % 10];
        let fits = digits[0] == order && digits[1] == 0 && digits[2] < 6 && digits[3] < 3;
        fits && imaginary < 2 && is_name
    };
    let little = numbers(u32::from_le_bytes);
    let big = numbers(u32::from_be_bytes);
    little.is_some_and(|header| is_header(header, 0))
        || big.is_some_and(|header| is_header(header, 1))
}

/// What a file is by the ending of its name, if it is not read. What is text may be a table that is only called so,
/// but for the formats that are text themselves.
pub(super) fn by_ending(ending: &str, is_text: bool) -> Option<Unread> {
    match ending {
        "pkl" | "pickle" => Some(PICKLE),
        "rds" | "rda" | "rdata" => Some(R),
        _ if is_text => None,
        "xlsx" | "ods" => Some(OFFICE),
        "xls" => Some(WORKBOOK),
        "sqlite" | "sqlite3" | "db" => Some(SQLITE),
        "sas7bdat" => Some(SAS),
        "bz2" => Some(unread("compressed by bzip2", PACKED)),
        "xz" => Some(unread("compressed by xz", PACKED)),
        "7z" => Some(unread("an archive of 7-Zip", PACKED)),
        _ => None,
    }
}
