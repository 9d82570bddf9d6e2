//! What the bytes of a text table mean: where it begins, its delimiter, its numbers.

use std::io::{self, BufRead, Read};

use super::time_names::{part_of_time, parts_by_letters};
use super::wide::header_of_years;

/// What is looked at to find the delimiter.
pub(super) const HEAD_BYTES: u64 = 64 << 10;
const HEAD_LINES: usize = 20;
/// Lines of which the last ones tell what is no table before them.
const PREAMBLE_LINES: usize = 100;
/// Lines of one width that are a table after others.
const MIN_TABLE_LINES: usize = 3;
/// Marks of thousands that are nothing else in a number: those of Switzerland, blanks that do not break.
const THOUSANDS: [char; 4] = ['\'', '\u{2019}', '\u{a0}', '\u{202f}'];
/// The minus sign of typesetters, beside the hyphen of keyboards.
const MINUS: char = '\u{2212}';
/// Words that stand for a missing value in a column of numbers, and what errors call them. As labels they may be
/// labels, and under a header units.
const PLACEHOLDERS: [(&str, &str); 20] = [
    (":", "\":\" (missing)"),
    ("*", "\"*\" (missing)"),
    ("?", "\"?\" (missing)"),
    ("-", "\"-\" (missing)"),
    ("--", "\"--\" (missing)"),
    (".", "\".\" (missing)"),
    ("n.a.", "\"n.a.\" (missing)"),
    ("n.a", "\"n.a\" (missing)"),
    ("n/d", "\"n/d\" (missing)"),
    ("\\n", "\"\\N\" (missing)"),
    ("(null)", "\"(null)\" (missing)"),
    ("missing", "\"missing\""),
    ("mm", "\"MM\" (missing)"),
    ("no data", "\"no data\" (missing)"),
    ("#div/0!", "\"#DIV/0!\" (an error of a spreadsheet)"),
    ("#name?", "\"#NAME?\" (an error of a spreadsheet)"),
    ("#null!", "\"#NULL!\" (an error of a spreadsheet)"),
    ("#num!", "\"#NUM!\" (an error of a spreadsheet)"),
    ("#ref!", "\"#REF!\" (an error of a spreadsheet)"),
    ("#value!", "\"#VALUE!\" (an error of a spreadsheet)"),
];
/// Longer comments hold no names of columns.
const LONGEST_COMMENT: u64 = 64 << 10;

/// A cell read as a number.
pub(super) enum Parsed {
    Number(f64),
    /// Nothing, or no finite number: what it is.
    Missing(&'static str),
    Text,
}

/// Reads a cell; `delimiter` says whether a comma can be the decimal comma.
pub(super) fn parse(cell: &[u8], delimiter: u8) -> Parsed {
    let Ok(text) = std::str::from_utf8(cell.trim_ascii()) else {
        return Parsed::Text;
    };
    if let Some(value) = number(text, delimiter) {
        return match value {
            value if value.is_finite() => Parsed::Number(value),
            value if value.is_nan() => Parsed::Missing("NaN"),
            _ => Parsed::Missing("infinite"),
        };
    }
    if text.eq_ignore_ascii_case("true") {
        Parsed::Number(1.0)
    } else if text.eq_ignore_ascii_case("false") {
        Parsed::Number(0.0)
    } else if is_missing(text) {
        Parsed::Missing("empty")
    } else {
        Parsed::Text
    }
}

fn number(text: &str, delimiter: u8) -> Option<f64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    if let Some(size) = text.strip_prefix(MINUS) {
        let begins = size.starts_with(|c: char| c.is_ascii_digit() || ['.', ','].contains(&c));
        return number(size, delimiter).filter(|_| begins).map(|size| -size);
    }
    if let Some(mark) = text.chars().find(|c| THOUSANDS.contains(c)) {
        let decimals = ['.', ','].into_iter().find(|&c| text.contains(c));
        return match decimals {
            Some(',') if delimiter == b',' => None,
            Some(decimal) => grouped(text, mark, decimal),
            None => grouped(&format!("{text}.0"), mark, '.'),
        };
    }
    if !text.contains(',') {
        return fortran(text);
    }
    if let Some(value) = grouped(text, ',', '.') {
        return Some(value);
    }
    // With any other delimiter the comma can be the decimal comma.
    if delimiter == b',' {
        let is_decimal = text.trim_start_matches(['+', '-']).starts_with('0');
        return grouped(&format!("{text}.0"), ',', '.').filter(|_| !is_decimal);
    }
    match text.contains('.') {
        true => grouped(text, '.', ','),
        false => text.replacen(',', ".", 1).parse().ok(),
    }
}

/// A number of double precision as Fortran writes it: `1.0000D+02`.
fn fortran(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['D', 'd'])?;
    let is_written_so = mantissa.contains('.') && exponent.parse::<i32>().is_ok();
    is_written_so.then(|| format!("{mantissa}e{exponent}").parse().ok())?
}

/// A number whose thousands are marked and that has decimals, too, so that the marks cannot be
/// decimal ones: `1,234.5`, `1.234,5`.
fn grouped(text: &str, thousands: char, decimal: char) -> Option<f64> {
    let (whole, decimals) = text.split_once(decimal)?;
    let mut groups = whole.trim_start_matches(['+', '-']).split(thousands);
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups
        .next()
        .is_some_and(|g| digits(g) && (1..=3).contains(&g.len()));
    let others = groups.clone().count() > 0 && groups.all(|g| digits(g) && g.len() == 3);
    if !(first && others && digits(decimals)) {
        return None;
    }
    let whole: String = whole.chars().filter(|&c| c != thousands).collect();
    format!("{whole}.{decimals}").parse().ok()
}

/// Whether a cell holds one of the words for nothing.
pub(super) fn is_missing(text: &str) -> bool {
    [
        "", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none",
    ]
    .iter()
    .any(|word| text.eq_ignore_ascii_case(word))
}

/// What errors call a word that stands for a missing value in a column of numbers; nothing for other words.
pub(super) fn placeholder(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let mut known = PLACEHOLDERS.iter();
    let found = known.find(|(word, _)| text.eq_ignore_ascii_case(word));
    found.map(|(_, called)| *called)
}

/// What stands before a table.
#[derive(Debug, Default)]
pub(super) struct Preamble {
    pub(super) lines: u64,
    /// The last comment, which may name the columns, and the one in the line before.
    pub(super) comment: Vec<u8>,
    comment_before: Vec<u8>,
    /// The delimiter of a line `sep=;`.
    pub(super) separator: Option<u8>,
}

/// Skips the byte order mark, lines of comments, blank lines and the line that names the delimiter.
pub(super) fn skip_preamble(reader: &mut impl BufRead) -> io::Result<Preamble> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let mut preamble = Preamble::default();
    loop {
        let start = reader.fill_buf()?;
        match start {
            [b'\n', ..] => {
                reader.consume(1);
                preamble.lines += 1;
            }
            [b'\r', ..] => reader.consume(1),
            [b'#' | b'%' | b'@', ..] => {
                preamble.comment_before = std::mem::take(&mut preamble.comment);
                let comment = &mut preamble.comment;
                reader
                    .by_ref()
                    .take(LONGEST_COMMENT)
                    .read_until(b'\n', comment)?;
                if !comment.ends_with(b"\n") {
                    reader.skip_until(b'\n')?;
                }
                preamble.lines += 1;
            }
            _ => {
                let line = start
                    .split(|&byte| byte == b'\n')
                    .next()
                    .unwrap_or_default();
                let Some(separator) = named_separator(line) else {
                    return Ok(preamble);
                };
                preamble.separator = Some(separator);
                reader.skip_until(b'\n')?;
                preamble.lines += 1;
            }
        }
    }
}

/// The delimiter that spreadsheets name in a first line of its own.
fn named_separator(line: &[u8]) -> Option<u8> {
    let line = line.trim_ascii_end();
    let bare = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""));
    match bare.unwrap_or(line) {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some(*separator),
        // The white space at the end may have been the delimiter.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => Some(b'\t'),
        _ => None,
    }
}

/// Names of columns in the last comment before rows without a header, as NumPy writes them, or in the one before it where
/// the last one holds their units: it has a word twice, or names the same part of the time first.
pub(super) fn names_in_comments(
    preamble: &Preamble,
    dialect: &Dialect,
    width: usize,
) -> Option<Vec<String>> {
    let last = names_in_comment(&preamble.comment, dialect, width)?;
    let before = names_in_comment(&preamble.comment_before, dialect, width);
    let is_twice = |index: usize| last[..index].contains(&last[index]);
    let first_part = |names: &[String]| match parts_by_letters(names.iter().map(String::as_str))[0]
    {
        None => part_of_time(&names[0]),
        part => part,
    };
    let are_units = |names: &Vec<String>| {
        let part = first_part(names);
        (0..width).any(is_twice) || (part.is_some() && part == first_part(&last))
    };
    Some(before.filter(are_units).unwrap_or(last))
}

/// The words of a comment, if it has one for each column.
fn names_in_comment(comment: &[u8], dialect: &Dialect, width: usize) -> Option<Vec<String>> {
    let text = comment.trim_ascii_end();
    let marks = text
        .iter()
        .take_while(|byte| matches!(byte, b'#' | b'%' | b'@'))
        .count();
    let cells = cells(
        text[marks..].trim_ascii_start(),
        dialect.delimiter,
        dialect.runs,
    );
    let names: Vec<String> = cells
        .iter()
        .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
        .collect();
    let word = |cell: &&[u8]| matches!(parse(cell, dialect.delimiter), Parsed::Text);
    (names.len() == width && cells.iter().all(word)).then_some(names)
}

/// How the cells of a table are told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    /// Whether several blanks are one delimiter.
    pub(super) runs: bool,
    /// Lines before the table.
    pub(super) skipped: usize,
    /// How the header fits the rows.
    pub(super) header: HeaderFit,
}

/// How many cells the first line has beside the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum HeaderFit {
    /// As many.
    Equal,
    /// None for the first column, which numbers or names the rows, as R writes it.
    NoFirst,
    /// None for the delimiter at the end of each row.
    NoLast,
}

/// The dialect under which the first lines have equal width and hold the most numbers, or in which
/// the last of them are a table after others.
pub(super) fn dialect(head: &[u8], separator: Option<u8>) -> Dialect {
    let lines = lines(head);
    let blanks = |line: &&[u8]| {
        line.first().is_some_and(u8::is_ascii_whitespace)
            || line.windows(2).any(|pair| pair == b"  " || pair == b" \t")
    };
    let runs = lines.iter().take(HEAD_LINES).any(|(_, line)| blanks(line));
    let all = [
        (b' ', runs),
        (b'|', false),
        (b'\t', false),
        (b';', false),
        (b',', false),
    ];
    let named = separator.map(|separator| [(separator, separator == b' ' && runs)]);
    let candidates = named.as_ref().map_or(&all[..], |named| &named[..]);
    let first: Vec<&[u8]> = lines
        .iter()
        .take(HEAD_LINES)
        .map(|(_, line)| *line)
        .collect();
    // A space is the last resort: it also follows other delimiters and separates words.
    let whole = candidates.iter().max_by_key(|&&(delimiter, runs)| {
        let (splits, equal, numbers, width) = score(&first, delimiter, runs);
        (splits && equal, delimiter != b' ', splits, numbers, width)
    });
    let &(delimiter, runs) = whole.unwrap_or(&(b',', false));
    let whole = Dialect {
        delimiter,
        runs,
        skipped: 0,
        header: HeaderFit::Equal,
    };
    let (splits, equal, ..) = score(&first, delimiter, runs);
    if splits && equal {
        let skipped = match is_title(&lines, delimiter, runs) {
            true => lines[1].0,
            false => 0,
        };
        return Dialect { skipped, ..whole };
    }
    let tables = candidates.iter().filter_map(|&(delimiter, runs)| {
        let (skipped, header, numbers) = table_start(&lines, delimiter, runs)?;
        let found = Dialect {
            delimiter,
            runs,
            skipped,
            header,
        };
        Some(((delimiter != b' ', numbers), found))
    });
    tables
        .max_by_key(|(rank, _)| *rank)
        .map_or(whole, |(_, found)| found)
}

/// The lines that are not blank, each with its number; the last one may be cut off and is left out.
fn lines(head: &[u8]) -> Vec<(usize, &[u8])> {
    let end = match head.contains(&b'\n') {
        true => b'\n',
        false => b'\r',
    };
    let mut lines: Vec<(usize, &[u8])> = head
        .split(|&byte| byte == end)
        .map(<[u8]>::trim_ascii_end)
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .take(PREAMBLE_LINES)
        .collect();
    if lines.len() > 1 && lines.len() < PREAMBLE_LINES && head.len() as u64 == HEAD_BYTES {
        lines.pop();
    }
    lines
}

fn score(lines: &[&[u8]], delimiter: u8, runs: bool) -> (bool, bool, usize, usize) {
    let widths: Vec<usize> = lines
        .iter()
        .map(|line| cells(line, delimiter, runs).len())
        .collect();
    let width = widths.first().copied().unwrap_or(1);
    let equal = widths.iter().all(|other| *other == width);
    (
        width > 1,
        equal,
        numbers(&lines[1.min(lines.len())..], delimiter, runs),
        width,
    )
}

/// Cells of a thousand that are numbers or missing.
fn numbers(lines: &[&[u8]], delimiter: u8, runs: bool) -> usize {
    let all: Vec<&[u8]> = lines
        .iter()
        .flat_map(|line| cells(line, delimiter, runs))
        .collect();
    let numbers = all
        .iter()
        .filter(|cell| !matches!(parse(cell, delimiter), Parsed::Text))
        .count();
    1000 * numbers / all.len().max(1)
}

/// Whether the first of some lines of one width is a title, filled up with empty cells, above the names of columns.
fn is_title(lines: &[(usize, &[u8])], delimiter: u8, runs: bool) -> bool {
    let of_line = |place: usize| {
        lines
            .get(place)
            .map(|(_, line)| cells(line, delimiter, runs))
    };
    let (Some(first), Some(names), Some(row)) = (of_line(0), of_line(1), of_line(2)) else {
        return false;
    };
    let is_word = |cell: &&[u8]| matches!(parse(cell, delimiter), Parsed::Text);
    let alone = !first[0].is_empty() && first[1..].iter().all(|cell| cell.is_empty());
    let named = names.iter().all(is_word);
    let number = |cell: &&[u8]| matches!(parse(cell, delimiter), Parsed::Number(_));
    first.len() > 1 && alone && named && row.iter().any(number)
}

/// Where the last lines begin that have one width: lines before them, how the header fits, and how
/// many of their cells are numbers. Nothing if what stands before them may be rows with a cell too
/// many or too few.
fn table_start(
    lines: &[(usize, &[u8])],
    delimiter: u8,
    runs: bool,
) -> Option<(usize, HeaderFit, usize)> {
    let split: Vec<Vec<&[u8]>> = lines
        .iter()
        .map(|(_, line)| cells(line, delimiter, runs))
        .collect();
    let width = split.last()?.len();
    let table = split
        .iter()
        .rev()
        .take_while(|cells| cells.len() == width)
        .count();
    let start = lines.len() - table;
    let holds_number = |cells: &[&[u8]]| {
        let mut parsed = cells.iter().map(|cell| parse(cell, delimiter));
        parsed.any(|cell| matches!(cell, Parsed::Number(_)))
    };
    let texts: Vec<&[u8]> = lines[start..].iter().map(|(_, line)| *line).collect();
    let numbers = numbers(&texts[1.min(texts.len())..], delimiter, runs);
    let all_words = |cells: &[&[u8]]| !holds_number(cells) && !cells.is_empty();
    // What stands above names is a title.
    let is_title = split.get(2).is_some_and(|row| holds_number(row)) && all_words(&split[1]);
    if start == 1 && table > 1 && split[0].len() + 1 == width && all_words(&split[0]) && !is_title {
        let trailing = split[1..].iter().all(|cells| cells[width - 1].is_empty());
        let fit = match trailing {
            true => HeaderFit::NoLast,
            false => HeaderFit::NoFirst,
        };
        return Some((0, fit, numbers));
    }
    let rows_before = split[..start]
        .iter()
        .any(|cells| cells.len() == width && holds_number(cells));
    let found = start > 0 && width > 1 && table >= MIN_TABLE_LINES && !rows_before;
    // Without a header the line before the rows would be one with a cell too few.
    let header = &split[start.min(split.len() - 1)];
    let headed = !holds_number(header) || header_of_years(header, delimiter);
    (found && headed && numbers > 500).then(|| (lines[start].0, HeaderFit::Equal, numbers))
}

/// The cells of a line, quotes removed.
fn cells(line: &[u8], delimiter: u8, runs: bool) -> Vec<&[u8]> {
    let mut quoted = false;
    let is_delimiter = |byte: u8| byte == delimiter || (runs && byte == b'\t');
    let cells = line.split(|byte| {
        quoted ^= *byte == b'"';
        is_delimiter(*byte) && !quoted
    });
    cells
        .map(<[u8]>::trim_ascii)
        .filter(|cell| !runs || !cell.is_empty())
        .map(|cell| {
            cell.strip_prefix(b"\"")
                .and_then(|cell| cell.strip_suffix(b"\""))
                .unwrap_or(cell)
        })
        .collect()
}

/// Text whose runs of blanks are one blank, and whose lines begin and end without any.
pub(super) struct Squeezed<R> {
    inner: R,
    quoted: bool,
    blanks: bool,
    line_start: bool,
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Squeezed<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            quoted: false,
            blanks: false,
            line_start: true,
            ready: Vec::new(),
            taken: 0,
        }
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' if !self.quoted => self.blanks = true,
            b'\n' | b'\r' => {
                (self.blanks, self.line_start) = (false, true);
                self.ready.push(byte);
            }
            _ => {
                if self.blanks && !self.line_start {
                    self.ready.push(b' ');
                }
                (self.blanks, self.line_start) = (false, false);
                self.quoted ^= byte == b'"';
                self.ready.push(byte);
            }
        }
    }
}

impl<R: Read> Read for Squeezed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut chunk = [0; 8192];
        while self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            let count = self.inner.read(&mut chunk)?;
            if count == 0 {
                return Ok(0);
            }
            chunk[..count].iter().for_each(|&byte| self.take(byte));
        }
        let count = buffer.len().min(self.ready.len() - self.taken);
        buffer[..count].copy_from_slice(&self.ready[self.taken..][..count]);
        self.taken += count;
        Ok(count)
    }
}
