//! The used columns of a file, and how they become episodes.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{ArcArray2, Array1, Array2};

use super::error::excerpt;
use super::source::Column;
use super::{Episode, LoggedRun, Roles, Trajectory, TrajectoryError};

/// What to do with a used cell that is empty, NaN or infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingPolicy {
    /// Refuse the file and name the cell.
    #[default]
    Error,
    /// Repeat the last value of the column in the same episode; an episode that starts with such a
    /// cell is refused. A missing flag is not set.
    Hold,
}

/// Columns that belong together in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    State,
    Action,
    Reward,
    Terminated,
    Truncated,
    Restart,
    Successor,
    LogProbability,
}

impl Block {
    const ALL: [Self; 8] = [
        Self::State,
        Self::Action,
        Self::Reward,
        Self::Terminated,
        Self::Truncated,
        Self::Restart,
        Self::Successor,
        Self::LogProbability,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Action => "action",
            Self::Reward => "reward",
            Self::Terminated => "terminated flag",
            Self::Truncated => "truncated flag",
            Self::Restart => "restart flag",
            Self::Successor => "next state",
            Self::LogProbability => "log probability",
        }
    }
}

/// Where the values of a column go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A column of a block, by position.
    Value(Block, usize),
    /// The episode label.
    Label,
}

impl Slot {
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Value(block, _) => block.name(),
            Self::Label => "episode",
        }
    }
}

/// Rows of a few columns, row-major. Cells that were never set are NaN.
#[derive(Debug, Default)]
struct Cells {
    names: Vec<String>,
    values: Vec<f64>,
}

impl Cells {
    fn rows(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    fn set(&mut self, row: usize, column: usize, value: f64) {
        let width = self.names.len();
        let end = (row + 1) * width;
        if self.values.len() < end {
            self.values.resize(end, f64::NAN);
        }
        self.values[row * width + column] = value;
    }

    /// The first row with a cell that is no finite number: row, column, what it is.
    fn first_gap(&self) -> Option<(usize, usize, &'static str)> {
        let index = self.values.iter().position(|value| !value.is_finite())?;
        let width = self.names.len();
        Some((index / width, index % width, gap_name(self.values[index])))
    }

    fn hold(&mut self, rows: &Range<usize>) -> Result<(), (usize, usize, &'static str)> {
        let width = self.names.len();
        for index in rows.start * width..rows.end * width {
            if self.values[index].is_finite() {
                continue;
            }
            if index < (rows.start + 1) * width {
                return Err((index / width, index % width, gap_name(self.values[index])));
            }
            self.values[index] = self.values[index - width];
        }
        Ok(())
    }

    fn is_set(&self, row: usize) -> bool {
        self.values
            .get(row)
            .is_some_and(|flag| flag.is_finite() && *flag != 0.0)
    }

    /// A row, if there are columns and every value is finite.
    fn finite_row(&self, row: usize) -> Option<Array1<f64>> {
        let width = self.names.len();
        let values = self.values.get(row * width..(row + 1) * width)?;
        let finite = width > 0 && values.iter().all(|value| value.is_finite());
        finite.then(|| Array1::from(values.to_vec()))
    }

    /// Rows of the only column, if there is one.
    fn column(&self, rows: Range<usize>) -> Option<Array1<f64>> {
        let some = !self.names.is_empty();
        some.then(|| Array1::from(self.values[rows].to_vec()))
    }

    /// The values as `[rows, columns]`; `rows` counts where there are no columns.
    fn into_array(mut self, rows: usize) -> Array2<f64> {
        self.values.shrink_to_fit();
        let width = self.names.len();
        Array2::from_shape_vec((rows, width), self.values)
            .expect("every block with columns was checked to have `rows` rows")
    }
}

fn gap_name(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN or missing"
    } else {
        "infinite"
    }
}

/// Runs of equal labels.
#[derive(Debug, Default)]
struct Labels {
    column: String,
    starts: Vec<(String, usize)>,
    seen: HashSet<String>,
    first_gap: Option<usize>,
    rows: usize,
    /// Whether a label may come back: it is then no episode.
    recur: bool,
}

/// Takes the values of a file in any order of columns, then cuts them into episodes.
#[derive(Debug)]
pub(super) struct Table {
    file: PathBuf,
    missing: MissingPolicy,
    blocks: [Cells; 8],
    labels: Option<Labels>,
    episode_rows: Option<usize>,
}

impl Table {
    /// An empty table for the columns that have a slot.
    pub(super) fn new(
        file: &Path,
        missing: MissingPolicy,
        columns: &[Column],
        slots: &[Option<Slot>],
    ) -> Self {
        let mut blocks: [Cells; 8] = Default::default();
        let mut labels = None;
        for (column, slot) in columns.iter().zip(slots) {
            match *slot {
                Some(Slot::Value(block, position)) => {
                    let names = &mut blocks[block as usize].names;
                    names.resize(names.len().max(position + 1), String::new());
                    names[position].clone_from(&column.name);
                }
                Some(Slot::Label) => {
                    labels = Some(Labels {
                        column: column.name.clone(),
                        ..Labels::default()
                    });
                }
                None => {}
            }
        }
        Self {
            file: file.to_owned(),
            missing,
            blocks,
            labels,
            episode_rows: None,
        }
    }

    /// Whether a missing cell refuses the file, so that a reader which knows its line can say so.
    pub(super) fn refuses_missing(&self) -> bool {
        self.missing == MissingPolicy::Error
    }

    /// Without an episode column, every `rows` rows are one episode.
    pub(super) fn cut_every(&mut self, rows: usize) {
        self.episode_rows = Some(rows);
    }

    /// Sets one value; `row` counts from 0, and rows come without gaps. NaN stands for missing.
    pub(super) fn set(&mut self, block: Block, position: usize, row: usize, value: f64) {
        self.blocks[block as usize].set(row, position, value);
    }

    /// Says to which episode a row belongs; rows come in order. No text stands for missing.
    pub(super) fn label(&mut self, row: usize, text: &str) -> Result<(), TrajectoryError> {
        let Some(labels) = &mut self.labels else {
            return Ok(());
        };
        labels.rows = row + 1;
        let text = text.trim();
        if text.is_empty() {
            labels.first_gap.get_or_insert(row);
            return Ok(());
        }
        let label = whole_number(text);
        if labels.starts.last().is_some_and(|(last, _)| last == label) {
            return Ok(());
        }
        if !labels.recur && !labels.seen.insert(label.to_owned()) {
            return Err(TrajectoryError::SplitEpisode {
                file: self.file.clone(),
                row: row + 1,
                label: excerpt(label),
            });
        }
        labels.starts.push((label.to_owned(), row));
        Ok(())
    }

    /// Says that a row belongs to the episode of the row before.
    pub(super) fn same_label(&mut self, row: usize) {
        if let Some(labels) = &mut self.labels {
            labels.rows = row + 1;
        }
    }

    /// The checked episodes.
    pub(super) fn into_trajectory(
        mut self,
        roles: &mut Roles,
    ) -> Result<Trajectory, TrajectoryError> {
        let rows = self.checked_rows()?;
        let episodes = self.episode_ranges(rows, roles);
        match self.missing {
            MissingPolicy::Error => self.refuse_gaps()?,
            MissingPolicy::Hold => self.hold_gaps(&episodes)?,
        }
        let [
            states,
            actions,
            rewards,
            terminated,
            truncated,
            _,
            successors,
            log_probabilities,
        ] = self.blocks;
        let state_names = states.names.clone();
        let action_names = actions.names.clone();
        let reward_name = rewards.names.first().cloned();
        let states: ArcArray2<f64> = states.into_array(rows).into_shared();
        let actions: ArcArray2<f64> = actions.into_array(rows).into_shared();
        let episodes = episodes
            .into_iter()
            .map(|(name, range)| {
                let rewards = reward_name
                    .is_some()
                    .then(|| Array1::from(rewards.values[range.clone()].to_vec()));
                let flags = |cells: &Cells| range.clone().map(|row| cells.is_set(row)).collect();
                let (terminated, truncated) = (flags(&terminated), flags(&truncated));
                let last = successors.finite_row(range.end - 1);
                let taken = log_probabilities.column(range.clone());
                let episode = Episode::from_shared(
                    name, range, &states, &actions, rewards, terminated, truncated,
                )?;
                episode
                    .with_final_state(last)?
                    .with_log_probabilities(taken)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Trajectory::new(state_names, action_names, reward_name, episodes)
    }

    /// Lets labels come back, for a column whose labels are no episodes.
    pub(super) fn let_labels_recur(&mut self) {
        if let Some(labels) = &mut self.labels {
            labels.recur = true;
        }
    }

    /// The label of every row.
    pub(super) fn into_labels(self) -> Result<Vec<String>, TrajectoryError> {
        let rows = self.checked_rows()?;
        self.refuse_gaps()?;
        let starts = self.labels.map(|labels| labels.starts).unwrap_or_default();
        let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([rows]);
        let runs = starts.iter().zip(ends);
        let repeated =
            runs.flat_map(|((label, start), end)| std::iter::repeat_n(label.clone(), end - start));
        Ok(repeated.collect())
    }

    /// The first state column, cut into episodes; gaps stay NaN.
    pub(super) fn into_runs(self, roles: &mut Roles) -> Result<Vec<LoggedRun>, TrajectoryError> {
        let rows = self.checked_rows()?;
        if let Some(gap) = self.label_gap() {
            return Err(self.missing_at(gap));
        }
        let episodes = self.episode_ranges(rows, roles);
        let states = &self.blocks[Block::State as usize];
        let width = states.names.len();
        let value = |row: usize| match states.values[row * width] {
            value if value.is_finite() => value,
            _ => f64::NAN,
        };
        Ok(episodes
            .into_iter()
            .map(|(name, rows)| LoggedRun {
                name,
                values: rows.map(value).collect(),
            })
            .collect())
    }

    /// The action block alone, `[rows, actions]`.
    pub(super) fn into_actions(self) -> Result<Array2<f64>, TrajectoryError> {
        let rows = self.checked_rows()?;
        self.refuse_gaps()?;
        let [_, actions, ..] = self.blocks;
        Ok(actions.into_array(rows))
    }

    /// Rows of the table: at least one, and as many in every block.
    fn checked_rows(&self) -> Result<usize, TrajectoryError> {
        let used = || self.blocks.iter().filter(|cells| !cells.names.is_empty());
        let labelled = self.labels.as_ref().map(|labels| labels.rows);
        let mut lengths = used().map(Cells::rows).chain(labelled);
        let rows = lengths.next().unwrap_or(0);
        if rows == 0 {
            return Err(TrajectoryError::NoRows {
                file: self.file.clone(),
            });
        }
        match lengths.find(|&length| length != rows) {
            Some(length) => Err(TrajectoryError::Corrupt {
                file: self.file.clone(),
                format: "a table",
                reason: format!("one column has {rows} rows and another {length}"),
            }),
            None => Ok(rows),
        }
    }

    /// Name and rows of each episode, in order.
    fn episode_ranges(&self, rows: usize, roles: &mut Roles) -> Vec<(String, Range<usize>)> {
        let ends = |row: usize| {
            self.blocks[Block::Terminated as usize].is_set(row)
                || self.blocks[Block::Truncated as usize].is_set(row)
        };
        let starts = |row: usize| {
            row > 0 && (self.blocks[Block::Restart as usize].is_set(row) || ends(row - 1))
        };
        let fixed: Option<Vec<(String, usize)>> = match (&self.labels, self.episode_rows) {
            (Some(labels), _) => Some(labels.starts.clone()),
            (None, Some(length)) => {
                let every = (0..rows).step_by(length.max(1)).enumerate();
                Some(every.map(|(index, row)| (index.to_string(), row)).collect())
            }
            (None, None) => None,
        };
        let named: Vec<(String, usize)> = match fixed {
            Some(named) => {
                // Most recordings agree with their own flags; a user must hear of one that does not.
                let mut boundaries = named.iter().map(|(_, start)| *start).peekable();
                let inside = (0..rows).find(|&row| {
                    let boundary = boundaries.next_if_eq(&row).is_some();
                    !boundary && starts(row)
                });
                if let Some(row) = inside {
                    roles.notes.push(format!(
                        "row {} would start an episode by its flags, but the episodes follow {}",
                        row + 1,
                        match &self.labels {
                            Some(labels) => format!("column {}", labels.column),
                            None => "the shape of the arrays".to_owned(),
                        }
                    ));
                }
                named
            }
            None => std::iter::once(0)
                .chain((1..rows).filter(|&row| starts(row)))
                .enumerate()
                .map(|(index, row)| (index.to_string(), row))
                .collect(),
        };
        let ends: Vec<usize> = named
            .iter()
            .skip(1)
            .map(|(_, start)| *start)
            .chain([rows])
            .collect();
        // A missing first label leaves rows before the first start; `hold_gaps` refuses them.
        named
            .into_iter()
            .zip(ends)
            .map(|((name, start), end)| (name, start..end))
            .collect()
    }

    /// The first row without a label: row, column, what it is.
    fn label_gap(&self) -> Option<(usize, String, &'static str)> {
        let labels = self.labels.as_ref()?;
        Some((labels.first_gap?, labels.column.clone(), "NaN or missing"))
    }

    fn missing_at(&self, (row, column, what): (usize, String, &'static str)) -> TrajectoryError {
        TrajectoryError::Missing {
            file: self.file.clone(),
            row: row + 1,
            line: None,
            column,
            what,
        }
    }

    fn refuse_gaps(&self) -> Result<(), TrajectoryError> {
        let first = Block::ALL
            .iter()
            .filter_map(|&block| {
                let cells = &self.blocks[block as usize];
                let (row, column, what) = cells.first_gap()?;
                Some((row, cells.names[column].clone(), what))
            })
            .chain(self.label_gap())
            .min_by_key(|(row, ..)| *row);
        match first {
            Some(gap) => Err(self.missing_at(gap)),
            None => Ok(()),
        }
    }

    fn hold_gaps(&mut self, episodes: &[(String, Range<usize>)]) -> Result<(), TrajectoryError> {
        let file = &self.file;
        let nothing = |row: usize, column: &str, what| TrajectoryError::NothingToHold {
            file: file.clone(),
            row: row + 1,
            column: column.to_owned(),
            what,
        };
        if let Some(labels) = &self.labels
            && labels.starts.first().is_none_or(|(_, start)| *start > 0)
        {
            return Err(nothing(0, &labels.column, "NaN or missing"));
        }
        for block in [
            Block::State,
            Block::Action,
            Block::Reward,
            Block::LogProbability,
        ] {
            let cells = &mut self.blocks[block as usize];
            for (_, range) in episodes {
                cells
                    .hold(range)
                    .map_err(|(row, column, what)| nothing(row, &cells.names[column], what))?;
            }
        }
        Ok(())
    }
}

/// `3.0` is episode `3`: tables with a gap anywhere store their integers as floats.
fn whole_number(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if whole.trim_start_matches('-').parse::<u64>().is_ok()
                && zeros.bytes().all(|digit| digit == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::whole_number;

    #[test]
    fn labels_lose_their_zero_decimals_and_nothing_else() {
        for (text, label) in [
            ("0.0", "0"),
            ("12.000", "12"),
            ("-3.", "-3"),
            ("1.5", "1.5"),
            ("run.0", "run.0"),
            ("v1.0.0", "v1.0.0"),
            (".0", ".0"),
            ("007", "007"),
        ] {
            assert_eq!(whole_number(text), label, "{text}");
        }
    }
}
