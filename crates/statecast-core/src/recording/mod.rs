//! Recorded runs of a system: what was observed, what was done, what it earned.
//!
//! [`read`] turns a file into a [`Recording`], the plain data that the rest of the pipeline
//! reads, and says in [`Roles`] which column it took for what. A format's file lists its columns
//! (`source`), the columns get roles (`assignment`, `conventions`), the used ones are streamed into one
//! table (`table`), and its rows, put in the order of time (`clock`, `order`) and cut where series or
//! runs end (`labels`, `settle`), are checked [`Episode`]s (`finished`).

mod array_rows;
mod arrays;
mod arrow;
mod arrow_body;
mod arrow_data;
mod arrow_schema;
mod assignment;
mod axes;
mod backwards;
mod boundaries;
mod bounds;
mod calendar;
mod calendar_rows;
mod cell;
mod cells;
mod chosen;
mod clock;
mod combined;
mod company;
mod conventions;
mod csv;
mod dialect;
mod end_flag;
mod episode;
mod episode_groups;
mod error;
mod evidence;
mod filled;
mod finals;
mod finished;
mod flag_names;
mod flags;
mod flat;
mod folder;
mod frequency;
mod gregorian;
mod guessed;
mod hdf5;
mod header;
mod identifiers;
mod imputed;
mod input;
mod instants;
mod json;
mod json_replies;
mod json_series;
mod json_tables;
mod json_words;
mod labels;
mod last_observations;
mod left_out;
mod lerobot;
mod likelihoods;
mod marked;
mod mat;
mod moments;
mod npy;
mod npz;
mod order;
mod padding;
mod parquet;
mod parquet_pages;
mod plan_error;
mod readings;
mod records;
mod restarts;
mod roles;
mod rounded;
mod seams;
mod selected;
mod sentinels;
mod settle;
mod source;
mod spelling;
mod steps;
mod summer_time;
mod table;
#[cfg(test)]
mod tests;
mod thousands;
mod time_names;
mod timeline;
mod times;
mod tsf;
mod uneven;
mod unread;
mod weekly;
mod wide;
mod word_levels;
mod wrapped;
mod written;

use std::path::Path;

use crate::impute::Imputation;
pub use calendar_rows::{Calendar, Moment};
pub use end_flag::EndFlag;
pub(crate) use episode::LARGEST;
pub use episode::{Episode, Recording};
pub use error::RecordingError;
use finished::{Finished, LeftOut};
pub use plan_error::PlanError;
pub use roles::{AssignedRole, IgnoredColumn, RoleSelection, Roles};
pub use steps::Steps;
pub use table::{Duplicates, MissingPolicy};
pub use timeline::{FutureActions, PlannedSteps, Timeline};
pub use times::{TimeAxis, TimeStamp};
pub use word_levels::WordLevels;

/// Reads a recording.
///
/// `-` is standard input. The format follows from the first bytes, or from the extension where these
/// say nothing. Files are streamed: memory holds the used columns once, as `f64`. Files that are
/// compressed by gzip or zstd are unpacked, and a zip archive of one file is that file. How much is
/// unpacked of a file is limited: see `docs/formats.md`.
///
/// - CSV: delimiter `,` `;` `|` tab or blanks, found by itself; with any but the comma, `1,5` is a
///   number. Comments and lines that are no part of the table are skipped before it, and lines of
///   units below the header. Without a header the columns are `c0`, `c1`, ….
///   Whether a column that was not chosen holds numbers is judged by the first 1000 rows.
///   A table whose header holds years or dates has a series a row.
/// - JSON: an object a line, an array of objects, an object of columns or of rows, an object an episode or a series.
/// - NPZ, HDF5, MAT: arrays `[rows]` and `[rows, k]`; the columns of `obs` `[rows, 2]` are `obs_0` and
///   `obs_1`, and `obs` names them both. `[episodes, rows, k]` is read as one episode per first
///   index, or as one environment per second index where the values say that the first one is time, and groups that are
///   numbered alike as one episode each. Arrays of ends (`episode_ends`) cut rows. Where the states have a row more
///   for each episode than actions, it is the final state. Arrays of another length are ignored.
/// - NPY: one such array, with columns `c0`, `c1`, ….
/// - TSF, as the Monash archive has it: a series a line, each an episode.
/// - Parquet, Arrow: number and boolean columns, and lists of them; text can name episodes; dates and
///   times are times.
///
/// A folder of files of one format and with the same columns is read as an episode a file.
///
/// Rows with the same value in the episode column are one episode. Columns that are called like
/// identifiers are such columns, others of words where the time would go back otherwise. Without
/// any, an episode ends where a terminated or truncated flag is set and starts where a restart flag
/// is or where the time starts over.
///
/// Within an episode rows are put in the order of the time, a column called like one or one of
/// dates, where that makes an even clock or joins parts of one; otherwise a warning says that they
/// are in the order of the file. Where it starts over, another episode begins. Guessed states that go up by the same step
/// in every row are counters and are left out. [`Roles`] notes all of this, and warns of gaps.
///
/// # Errors
///
/// Any [`RecordingError`] but `Invalid`; the message starts with `path`.
///
/// ```
/// use statecast::recording::{MissingPolicy, RoleSelection, read};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.csv");
/// std::fs::write(&path, "t,obs_x,act_u,reward\n0,0.5,1,0\n1,0.7,-1,1\n")?;
///
/// let (trajectory, roles) = read(&path, &RoleSelection::default(), MissingPolicy::Error)?;
/// assert_eq!(trajectory.state_names(), ["obs_x"]);
/// assert_eq!(trajectory.episodes()[0].states()[[1, 0]], 0.7);
/// assert_eq!(roles.state.columns, ["obs_x"]);
/// assert!(roles.state.guessed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(
    path: &Path,
    selection: &RoleSelection,
    missing: MissingPolicy,
) -> Result<(Recording, Roles), RecordingError> {
    let (recording, roles, _) = read_finished(path, selection, missing)?;
    Ok((recording, roles))
}

/// Reads a recording whose states have gaps, fills them, and says what is known of each filled value: its runs are
/// the episodes, its channels the states. Nothing is known if nothing is missing.
///
/// # Errors
///
/// As [`read`] under [`MissingPolicy::Model`].
///
/// ```
/// use statecast::recording::{RoleSelection, read_incomplete};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.csv");
/// let rows = (0..40).map(|t| match t {
///     20 => "20,\n".to_owned(),
///     t => format!("{t},{}\n", (0.2 * f64::from(t)).sin()),
/// });
/// std::fs::write(&path, format!("t,x\n{}", rows.collect::<String>()))?;
/// let (recording, _, imputation) = read_incomplete(&path, &RoleSelection::default())?;
/// let imputation = imputation.unwrap();
/// assert_eq!(imputation.holes()[0].row, 20);
/// assert_eq!(recording.episodes()[0].states()[[20, 0]], imputation.quantile(0, 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_incomplete(
    path: &Path,
    selection: &RoleSelection,
) -> Result<(Recording, Roles, Option<Imputation>), RecordingError> {
    read_finished(path, selection, MissingPolicy::Model { held_out: 0 })
}

fn read_finished(
    path: &Path,
    selection: &RoleSelection,
    missing: MissingPolicy,
) -> Result<(Recording, Roles, Option<Imputation>), RecordingError> {
    let source = source::open(path, &selection.state, selection.encoding.as_deref())?;
    let file = source.file().to_owned();
    let resolved = assignment::resolve(&file, source.columns(), selection)?;
    let mut roles = resolved.roles.clone();
    roles.notes.extend(source.notes());
    let table = resolved.filled(source, missing)?;
    let Finished {
        recording,
        left_out,
        imputation,
    } = table.into_recording(&mut roles)?;
    resolved.explain_ignored(&mut roles, &left_out);
    let recording = recording.with_end_flag(resolved.end_flag(&roles));
    Ok((recording, roles, imputation))
}

/// A column of labels of an episode.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledRun {
    /// The episode's label, or its number.
    pub name: String,
    /// A label a row, in the order of time.
    pub labels: Vec<String>,
    /// The rows that come later than one step after the row before, by a regular clock.
    pub breaks: Vec<usize>,
}

/// Reads a column of labels, words or numbers, a label a row, for each episode. Whole numbers that are stored as floats
/// lose their zeros. Of the selection the episode, the time and the duplicates count.
///
/// # Errors
///
/// [`RecordingError::NoMatch`] if there is no such column, [`RecordingError::Missing`] for a cell that is empty or
/// NaN, and the errors of reading a file as in [`read`].
///
/// ```
/// use statecast::recording::{RoleSelection, read_labels};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("weather.csv");
/// std::fs::write(&path, "date,sky\n2024-05-03,sun\n2024-05-02,rain\n2024-05-01,sun\n")?;
/// let (runs, roles) = read_labels(&path, "sky", &RoleSelection::default())?;
/// assert_eq!(runs[0].labels, ["sun", "rain", "sun"]);
/// assert_eq!(roles.time.columns, ["date"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_labels(
    path: &Path,
    column: &str,
    selection: &RoleSelection,
) -> Result<(Vec<LabelledRun>, Roles), RecordingError> {
    let wanted = [column.to_owned()];
    let source = source::open(path, &wanted, selection.encoding.as_deref())?;
    let file = source.file().to_owned();
    let resolved = assignment::resolve_sequence(&file, source.columns(), column, selection)?;
    let mut roles = resolved.roles.clone();
    roles.notes.extend(source.notes());
    let table = resolved.filled(source, MissingPolicy::Error)?;
    let runs = table.into_sequences(&mut roles)?;
    resolved.explain_ignored(&mut roles, &LeftOut::default());
    Ok((runs, roles))
}

/// A column of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedRun {
    /// The run's label, or its number.
    pub name: String,
    /// The step of every row, where the log counts steps.
    pub steps: Option<Vec<f64>>,
    /// A value a row, NaN where there is none.
    pub values: Vec<f64>,
}

/// Reads a column of several runs: the name and the values of each, NaN where a cell is empty, no finite number or more than
/// 1e150 in size. Of the
/// columns that fit `selection.state`, which the roles name, it is the first. Where a run's counter goes back, but not
/// to its start, the log was taken up again: later rows replace those from that step on.
///
/// # Errors
///
/// [`RecordingError::Missing`] for a row that belongs to no run, and the errors of reading a file as in [`read`].
///
/// ```
/// use statecast::recording::{RoleSelection, read_runs};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.csv");
/// std::fs::write(&path, "run_id,train,val\na,0.9,\na,,0.8\nb,0.7,\n")?;
/// let selection = RoleSelection { state: vec!["val".to_owned()], ..RoleSelection::default() };
/// let (runs, _) = read_runs(&path, &selection)?;
/// assert_eq!(runs[0].name, "a");
/// assert!(runs[0].values[0].is_nan() && runs[0].values[1] == 0.8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_runs(
    path: &Path,
    selection: &RoleSelection,
) -> Result<(Vec<LoggedRun>, Roles), RecordingError> {
    let source = source::open(path, &selection.state, selection.encoding.as_deref())?;
    let file = source.file().to_owned();
    let resolved = assignment::resolve(&file, source.columns(), selection)?;
    let mut roles = resolved.roles.clone();
    roles.notes.extend(source.notes());
    let table = resolved.filled(source, MissingPolicy::Hold)?;
    let runs = table.into_runs(&mut roles)?;
    resolved.explain_ignored(&mut roles, &LeftOut::default());
    Ok((runs, roles))
}

/// Reads the actions that are going to be taken, columns in the order of `action_names`, and their times where the
/// file has them: in the column `time` if it is there, or guessed. Dates that can be read in several ways are read as
/// those of `recorded`, the times of the recording that the plan goes on from.
///
/// The columns are found by name. Where none of the names is in the file, an NPZ array called like
/// an action (`action`, `actions`, …) is taken if it has one column per name, and so is all of a
/// file that does not name its columns. Rows are put in the order of a column of time.
///
/// # Errors
///
/// [`RecordingError::Invalid`] if no name is given, [`RecordingError::NoMatch`] if a name is not
/// found, [`PlanError::ManyRuns`] if the time starts over, [`RecordingError::Missing`] for a cell that is empty, NaN or infinite, and the errors of
/// reading a file as in [`read`].
///
/// ```
/// use statecast::recording::read_future_actions;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("plan.csv");
/// std::fs::write(&path, "t,act_u\n0,1\n1,-1\n")?;
///
/// let plan = read_future_actions(&path, &["act_u".to_owned()], None, None)?;
/// assert_eq!(plan.actions, ndarray::array![[1.0], [-1.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_future_actions(
    path: &Path,
    action_names: &[String],
    time: Option<&str>,
    recorded: Option<&Timeline>,
) -> Result<FutureActions, RecordingError> {
    if action_names.is_empty() {
        return Err(RecordingError::Invalid {
            name: "actions to come".to_owned(),
            reason: "the system has no action columns".to_owned(),
        });
    }
    let source = source::open(path, action_names, None)?;
    let file = source.file().to_owned();
    let resolved = assignment::resolve_actions(&file, &*source, action_names, time)?;
    let mut roles = resolved.roles.clone();
    let mut table = resolved.filled(source, MissingPolicy::Error)?;
    table.date_order = recorded.and_then(Timeline::date_order);
    let (actions, timeline) = table.into_actions(&mut roles)?;
    Ok(FutureActions {
        file,
        actions,
        timeline,
        notes: [roles.notes, roles.warnings].concat(),
    })
}
