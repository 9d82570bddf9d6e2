//! What can be wrong with a recording, in words that say what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::PlanError;

/// Why a recording could not be read, or why values do not make an [`Episode`](super::Episode).
///
/// Each message is one line. Messages about a file start with its path; rows count from 1 at the
/// first row of data, lines from 1 at the first line of the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A label that no episode has.
    #[error("{label}: no such episode; they are called {known}")]
    NoEpisode {
        /// The label.
        label: String,
        /// Labels that there are.
        known: String,
    },
    /// The file is absent, a folder, or may not be read.
    #[error("{}: cannot be read ({source}); check the path and its permissions", file.display())]
    Io {
        /// The file asked for.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The file has no bytes, or nothing but comments and blank lines.
    #[error("{}: is empty; expected a header line and one row per time step", file.display())]
    Empty {
        /// The file asked for.
        file: PathBuf,
    },

    /// The file names its columns but holds no row.
    #[error("{}: has columns but no rows; record at least one time step", file.display())]
    NoRows {
        /// The file asked for.
        file: PathBuf,
    },

    /// A folder that is no recording.
    #[error("{}: is a folder and {reason}; give one file, a folder of files of one format and with the same columns, or that of a LeRobot data set", folder.display())]
    Folder {
        /// The folder asked for.
        folder: PathBuf,
        /// What it holds.
        reason: String,
    },

    /// A file of a folder has other columns than the first.
    #[error("{}: has the columns {found}, but the first file of its folder has {expected}; give one file, or a folder of files with the same columns", file.display())]
    OtherColumns {
        /// The file.
        file: PathBuf,
        /// Its columns, listed.
        found: String,
        /// Those of the first, listed.
        expected: String,
    },

    /// No column can be a state.
    #[error("{}: no numeric column to forecast among {columns}; name the state columns", file.display())]
    NoState {
        /// The file asked for.
        file: PathBuf,
        /// The columns of the file, listed.
        columns: String,
    },

    /// Neither the extension nor the first bytes belong to a known format.
    #[error("{}: is not CSV, JSON, TSF, NPZ, NPY, Parquet, Arrow, HDF5 or MAT; convert it to one of them", file.display())]
    UnknownFormat {
        /// The file asked for.
        file: PathBuf,
    },

    /// The container is damaged or is not what its name says.
    #[error("{}: cannot be read as {format}: {reason}; write the file again", file.display())]
    Corrupt {
        /// The file asked for.
        file: PathBuf,
        /// Name of the format, such as `NPZ`.
        format: &'static str,
        /// What was found.
        reason: String,
    },

    /// The file is of a known format that is not read.
    #[error("{}: is {what}; {remedy}", file.display())]
    Unread {
        /// The file asked for.
        file: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },

    /// A zip archive of several files, none of which is an array.
    #[error("{}: holds {files} files, {names}; unpack it and name one of them", file.display())]
    SeveralFiles {
        /// The file asked for.
        file: PathBuf,
        /// How many there are.
        files: usize,
        /// Their names, or the first of them.
        names: String,
    },

    /// The file unpacks to more than is read of one of its size.
    #[error("{}: unpacks to more than {limit} {what}, the limit for a file of its size; read fewer columns (`state=`, `action=`), or save its parts as files", file.display())]
    TooMuch {
        /// The file asked for.
        file: PathBuf,
        /// The most that is read.
        limit: u64,
        /// `values` or `bytes`.
        what: &'static str,
    },

    /// An encoding of text that is not known.
    #[error("{}: there is no encoding {encoding:?}; use latin1, windows-1252, utf-16le or another of the web's", file.display())]
    UnknownEncoding {
        /// The file asked for.
        file: PathBuf,
        /// The encoding asked for.
        encoding: String,
    },

    /// An encoding that is given of a format that has its own.
    #[error("{}: `encoding={encoding}` has no effect: it is {format}, whose text has an encoding of its own", file.display())]
    EncodingUnused {
        /// The file asked for.
        file: PathBuf,
        /// The encoding asked for.
        encoding: String,
        /// The format of the file.
        format: &'static str,
    },

    /// Some columns have more rows than others, and nothing says which of them are final states.
    #[error("{}: some arrays have {rows} rows and others {others}, and no column of ends or episodes says which of the rows are final states; add one", file.display())]
    FinalRows {
        /// The file asked for.
        file: PathBuf,
        /// Rows of the longer ones.
        rows: usize,
        /// Rows of the others.
        others: usize,
    },

    /// An episode would be longer than the arrays that hold it with its padding.
    #[error("{}: {array} says that episode {episode} has {length} rows, but the arrays hold {rows} of each; correct or remove {array}", file.display())]
    PaddedLength {
        /// The file asked for.
        file: PathBuf,
        /// Name of the array of lengths.
        array: String,
        /// Position of the episode, from 0.
        episode: usize,
        /// Its length.
        length: u64,
        /// Rows that there are.
        rows: usize,
    },

    /// A line is not UTF-8.
    #[error("{}: line {line} is not UTF-8 text; save the file as UTF-8, or name its encoding (`encoding=latin1`)", file.display())]
    NotText {
        /// The file asked for.
        file: PathBuf,
        /// Line of the file.
        line: u64,
    },

    /// A CSV record is longer than any row of numbers would be.
    #[error("{}: line {line} is longer than {limit} bytes; check its quotes and line ends", file.display())]
    LongLine {
        /// The file asked for.
        file: PathBuf,
        /// Line on which the record starts.
        line: u64,
        /// The longest record accepted, in bytes.
        limit: u64,
    },

    /// A row has more or fewer cells than the header.
    #[error("{}: line {line} has {found} cells but the header has {expected}; repair the row", file.display())]
    Ragged {
        /// The file asked for.
        file: PathBuf,
        /// Line of the file.
        line: u64,
        /// Cells in the header.
        expected: usize,
        /// Cells in the row.
        found: usize,
    },

    /// More columns than a recording of a system has.
    #[error("{}: has more than {limit} columns; keep those of the recording", file.display())]
    TooManyColumns {
        /// The file asked for.
        file: PathBuf,
        /// The most columns accepted.
        limit: usize,
    },

    /// A column of levels holds more words than may be levels.
    #[error("{}: column {column} holds {words} different words, at most {most} can be levels", file.display())]
    ManyWords {
        /// The file asked for.
        file: PathBuf,
        /// Name of the column.
        column: String,
        /// How many there are.
        words: usize,
        /// How many there may be.
        most: usize,
    },

    /// A word of a column of levels is too long for the name of a state.
    #[error("{}: row {row}, column {column} holds {text:?}, longer than the {most} characters of a level; shorten it, or leave the column out", file.display())]
    LongWord {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Name of the column.
        column: String,
        /// The start of the word.
        text: String,
        /// Most characters of a level.
        most: usize,
    },

    /// More states than the caller can use.
    #[error("{}: {states} states are more than {most}; choose those that matter (`state=`)", file.display())]
    TooManyStates {
        /// The file asked for.
        file: PathBuf,
        /// How many there are.
        states: usize,
        /// How many there may be.
        most: usize,
    },

    /// [`MissingPolicy::Model`](super::MissingPolicy) has more to fill than memory is meant for.
    #[error("{}: {unknown} values are missing, more than can be filled together in 2 GB; fill fewer episodes or states at once, or hold the last values", file.display())]
    TooManyGaps {
        /// The file asked for.
        file: PathBuf,
        /// How many values are missing.
        unknown: usize,
    },

    /// A used cell holds words.
    #[error("{}: row {row}{}, column {column} holds {text:?}, not a number; choose other columns, correct it, or empty it and give `missing=hold`", file.display(), in_line(*line))]
    NotANumber {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Line of the file, where the format has lines.
        line: Option<u64>,
        /// Name of the column.
        column: String,
        /// The start of the cell.
        text: String,
    },

    /// A used cell is empty, NaN or infinite under [`MissingPolicy::Error`](super::MissingPolicy).
    #[error("{}: row {row}{}, column {column} is {what}; {}", file.display(), in_line(*line), remedy_of_gap(*row))]
    Missing {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Line of the file, where the format has lines.
        line: Option<u64>,
        /// Name of the column.
        column: String,
        /// `empty`, `NaN or missing`, `infinite`.
        what: &'static str,
    },

    /// A cell of the chosen time holds words that are no time.
    #[error("{}: row {row}, column {column} holds {text:?}, which cannot be read as a time; write times as 2024-01-31 10:59:00", file.display())]
    NotATime {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Name of the column.
        column: String,
        /// The start of the cell.
        text: String,
    },

    /// A used cell is so large that squares of such numbers are not finite.
    #[error("{}: row {row}, column {column} is {value:e}, more than {limit:e} in size; give the column in a larger unit", file.display())]
    TooLarge {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Name of the column.
        column: String,
        /// The value.
        value: f64,
        /// The largest size that is accepted.
        limit: f64,
    },

    /// [`MissingPolicy::Hold`](super::MissingPolicy) has no earlier value in the episode.
    #[error("{}: row {row}, column {column} is {what} and starts its episode, so there is no value to hold; remove the row", file.display())]
    NothingToHold {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Name of the column.
        column: String,
        /// `NaN or missing`, `infinite`.
        what: &'static str,
    },

    /// [`MissingPolicy::Model`](super::MissingPolicy) has no value of a column at all.
    #[error("{}: column {column} has no value at all, so nothing says what to fill it with; leave it out with other states", file.display())]
    NothingToFill {
        /// The file asked for.
        file: PathBuf,
        /// Name of the column.
        column: String,
    },

    /// [`MissingPolicy::Model`](super::MissingPolicy) has too little of a column.
    #[error("{}: column {column} has no value in {gap} rows from row {row} on, more than half of the {rows} rows of episode {episode}; leave the column or the episode out, or hold the last value", file.display())]
    LongGap {
        /// The file asked for.
        file: PathBuf,
        /// Name of the column.
        column: String,
        /// Label of the episode.
        episode: String,
        /// First row of data without a value.
        row: usize,
        /// Rows without a value.
        gap: usize,
        /// Rows of the episode that may be known.
        rows: usize,
    },

    /// A chosen name or glob fits no column.
    #[error("{}: no column fits {pattern:?} for {role}; the file has {columns}", file.display())]
    NoMatch {
        /// The file asked for.
        file: PathBuf,
        /// The role the column was chosen for.
        role: &'static str,
        /// The name or glob.
        pattern: String,
        /// The columns of the file, listed.
        columns: String,
    },

    /// A chosen glob is malformed.
    #[error("{}: {pattern:?} is neither a column nor a glob ({reason}); the file has {columns}", file.display())]
    BadGlob {
        /// The file asked for.
        file: PathBuf,
        /// The glob.
        pattern: String,
        /// Why it is malformed.
        reason: String,
        /// The columns of the file, listed.
        columns: String,
    },

    /// Reward and episode are one column each.
    #[error("{}: {pattern:?} fits {columns} but {role} is one column; choose one", file.display())]
    ManyMatches {
        /// The file asked for.
        file: PathBuf,
        /// `reward` or `episode`.
        role: &'static str,
        /// The name or glob.
        pattern: String,
        /// The columns it fits, listed.
        columns: String,
    },

    /// A column was chosen for two roles.
    #[error("{}: column {column} is chosen as {first} and as {second}; choose one", file.display())]
    TwoRoles {
        /// The file asked for.
        file: PathBuf,
        /// Name of the column.
        column: String,
        /// One role.
        first: &'static str,
        /// The other role.
        second: &'static str,
    },

    /// Two columns share a name, so that a choice by name is ambiguous.
    #[error("{}: two columns are called {column}; rename one", file.display())]
    SameName {
        /// The file asked for.
        file: PathBuf,
        /// Name of the columns.
        column: String,
    },

    /// A chosen column cannot be read as numbers at all.
    #[error("{}: column {column} cannot be used: {reason}", file.display())]
    Unusable {
        /// The file asked for.
        file: PathBuf,
        /// Name of the column or array.
        column: String,
        /// Its element type or shape, and what to do.
        reason: String,
    },

    /// The rows of an episode are not together.
    #[error("{}: episode {label} starts again at row {row}; sort the rows by episode and time", file.display())]
    SplitEpisode {
        /// The file asked for.
        file: PathBuf,
        /// Row of data where the label comes back.
        row: usize,
        /// The label.
        label: String,
    },

    /// Two rows of an episode have one time, under [`Duplicates::Error`](super::Duplicates).
    #[error("{}: rows {first} and {second} have the same {column}{}; keep one of such rows (`duplicates=last`), average them (mean), or name the column that tells series apart (`episode=`) or the one that is the time (`time=`)", file.display(), and_others(*others))]
    SameTime {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        first: usize,
        /// The other row of data.
        second: usize,
        /// How many rows more repeat a time.
        others: usize,
        /// Name of the column of the time.
        column: String,
    },

    /// An hour comes twice, as where a local clock was put back.
    #[error("{}: row {row} has {column} {time} again: the clock went back, as when summer time ends; write times in UTC or with their offset (2024-10-27 02:00+01:00), or keep one of such rows (`duplicates=last`) or their mean", file.display())]
    ClockWentBack {
        /// The file asked for.
        file: PathBuf,
        /// Row of data that repeats a time.
        row: usize,
        /// Name of the column of the time.
        column: String,
        /// The time.
        time: String,
    },

    /// The actions to come do not fit the steps ahead.
    #[error(transparent)]
    Plan(#[from] PlanError),

    /// Values given in memory do not make an episode or a trajectory.
    #[error("{name}: {reason}")]
    Invalid {
        /// Name of the episode, or `trajectory`.
        name: String,
        /// What does not fit.
        reason: String,
    },
}

/// The first row has no value before it.
fn remedy_of_gap(row: usize) -> &'static str {
    match row {
        1 => "repair it, remove the row, or leave the column out",
        _ => "repair it, leave the column out, or fill it",
    }
}

fn in_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

fn and_others(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(", as have {count} more"),
    }
}

/// The start of a cell, short enough for a message.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().nth(LONGEST).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST).collect();
    short.push('…');
    short
}
