//! Formats of tables that are not read, so that an error can name them and say what to do.

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

/// First bytes, and the format that begins with them.
const MARKS: [(&[u8], Unread); 12] = [
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
    match () {
        () if is_sas => Some(SAS),
        () if is_bzip2 => Some(unread("compressed by bzip2", PACKED)),
        () => marked.map(|(_, format)| *format),
    }
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
