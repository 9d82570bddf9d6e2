//! Missing states of a recording, filled.

use std::path::Path;

use super::forecast::time_column;
use crate::forecast::Levels;
use crate::impute::{Hole, Imputation};
use crate::output::{Column, Table};
use crate::recording::{
    Episode, Recording, RecordingError, RoleSelection, Roles, TimeStamp, read_incomplete,
};

/// A recording whose missing states are filled, and what is known of them.
///
/// ```
/// use statecast::forecast::Levels;
/// use statecast::recording::RoleSelection;
/// use statecast::study::FilledRecording;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.csv");
/// let rows = (0..40).map(|t| match t {
///     20 => "20,\n".to_owned(),
///     t => format!("{t},{}\n", (0.2 * f64::from(t)).sin()),
/// });
/// std::fs::write(&path, format!("t,x\n{}", rows.collect::<String>()))?;
/// let filled = FilledRecording::read(&path, &RoleSelection::default())?;
/// let levels: Levels = "0.1,0.9".parse()?;
/// let columns = filled.table(&levels).into_columns();
/// let names: Vec<&str> = columns.iter().map(|(name, _)| &name[..]).collect();
/// assert_eq!(names, ["episode", "step", "time", "variable", "median", "q0.1", "q0.9"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FilledRecording {
    /// The recording with the medians of missing states.
    pub recording: Recording,
    /// What every column was taken for, and what was filled.
    pub roles: Roles,
    /// The density of the missing states, if there were any: its runs are the episodes, its channels the states.
    pub imputation: Option<Imputation>,
    /// Numbers of the episodes that tables have.
    shown: Vec<usize>,
}

impl FilledRecording {
    /// Reads a recording and fills its missing states.
    ///
    /// # Errors
    ///
    /// As [`read`](crate::recording::read) under [`MissingPolicy::Model`](crate::recording::MissingPolicy::Model).
    pub fn read(path: &Path, selection: &RoleSelection) -> Result<Self, RecordingError> {
        let (recording, roles, imputation) = read_incomplete(path, selection)?;
        Ok(Self {
            shown: (0..recording.episodes().len()).collect(),
            recording,
            roles,
            imputation,
        })
    }

    /// The same, with the episodes of some labels alone in its tables; all without labels.
    pub fn only(mut self, labels: &[String]) -> Self {
        if !labels.is_empty() {
            let episodes = self.recording.episodes();
            let has = |&episode: &usize| labels.iter().any(|l| l == episodes[episode].name());
            self.shown.retain(has);
        }
        self
    }

    /// Places of missing states of the episodes that are shown, each with its number.
    fn holes(&self) -> impl Iterator<Item = (usize, Hole)> {
        let holes = self.imputation.iter().flat_map(|i| i.holes());
        let shown = |(_, hole): &(usize, Hole)| self.shown.binary_search(&hole.run).is_ok();
        holes.copied().enumerate().filter(shown)
    }

    fn episode(&self, hole: Hole) -> &Episode {
        &self.recording.episodes()[hole.run]
    }

    /// One row a missing state: episode, step (rows of the episode from 0), time where it is known, variable, median,
    /// quantiles.
    pub fn table(&self, levels: &Levels) -> Table {
        let names = self.recording.state_names();
        let times: Vec<Option<TimeStamp>> = self
            .holes()
            .map(|(_, hole)| self.episode(hole).times()?.at(hole.row))
            .collect();
        let of = |text: &dyn Fn(Hole) -> String| {
            Column::Text(self.holes().map(|(_, hole)| text(hole)).collect())
        };
        let steps = self.holes().map(|(_, hole)| hole.row as i64).collect();
        let quantile = |level: f64| {
            let at = |(number, _)| {
                self.imputation
                    .as_ref()
                    .map_or(f64::NAN, |i| i.quantile(number, level))
            };
            Column::Real(self.holes().map(at).collect())
        };
        let mut columns = vec![
            (
                "episode".to_owned(),
                of(&|hole| self.episode(hole).name().to_owned()),
            ),
            ("step".to_owned(), Column::Integer(steps)),
        ];
        columns.extend(time_column(&times));
        columns.push((
            "variable".to_owned(),
            of(&|hole| names[hole.channel].clone()),
        ));
        columns.push(("median".to_owned(), quantile(0.5)));
        let levels = levels.as_slice().iter();
        columns.extend(levels.map(|&level| (format!("q{level}"), quantile(level))));
        Table::new(columns).expect("every column has a value for each missing state")
    }

    /// The recording as a table, one row a row of it: episode, time where it is known, states, actions, reward, and
    /// whether the episode ended or was cut off there, where one was. Where a state is called `episode` or `time`, the
    /// column beside it has another name that is read the same (`episode_id`, `timestamp`).
    pub fn rows(&self) -> Table {
        let all = self.recording.episodes();
        let episodes: Vec<&Episode> = self.shown.iter().map(|&i| &all[i]).collect();
        rows_of(&self.recording, &episodes, &[], &[])
    }
}

/// Episodes of a recording as a table, with more action columns that have a value a row. `without` are rows, of all
/// episodes together, whose reward is left out.
pub(super) fn rows_of(
    recording: &Recording,
    episodes: &[&Episode],
    actions: &[(String, Vec<f64>)],
    without: &[usize],
) -> Table {
    let labels = episodes
        .iter()
        .flat_map(|e| vec![e.name().to_owned(); e.rows()]);
    let name = |usual: &[&str]| free_name(recording, usual);
    let label = name(&["episode", "episode_id", "episode_index"]);
    let mut columns = vec![(label, Column::Text(labels.collect()))];
    let times = |e: &Episode| -> Vec<Option<TimeStamp>> {
        (0..e.rows()).map(|row| e.times()?.at(row)).collect()
    };
    let times: Vec<Option<TimeStamp>> = episodes.iter().copied().flat_map(times).collect();
    let times = time_column(&times);
    columns.extend(times.map(|(_, times)| (name(&["time", "timestamp", "datetime"]), times)));
    let real = |of: &dyn Fn(&Episode) -> Vec<f64>| -> Vec<f64> {
        episodes.iter().copied().flat_map(of).collect()
    };
    for (i, name) in recording.state_names().iter().enumerate() {
        let values = real(&|e| e.states().column(i).to_vec());
        columns.push((name.clone(), Column::Real(values)));
    }
    for (i, name) in recording.action_names().iter().enumerate() {
        let values = real(&|e| e.actions().column(i).to_vec());
        columns.push((name.clone(), Column::Real(values)));
    }
    let more = actions.iter().cloned();
    columns.extend(more.map(|(name, values)| (name, Column::Real(values))));
    if let Some(name) = recording.reward_name() {
        let rewards = |e: &Episode| e.rewards().map_or(vec![f64::NAN; e.rows()], |r| r.to_vec());
        let mut rewards = real(&rewards);
        without.iter().for_each(|&row| rewards[row] = f64::NAN);
        columns.push((name.to_owned(), Column::Real(rewards)));
    }
    for (flag, flags) in [
        (
            name(&["terminated", "terminal", "done"]),
            Episode::terminated as fn(&Episode) -> &[bool],
        ),
        (name(&["truncated", "timeout"]), Episode::truncated),
    ] {
        if episodes.iter().any(|e| flags(e).contains(&true)) {
            let set = episodes
                .iter()
                .flat_map(|e| flags(e).iter().map(|&set| i64::from(set)));
            columns.push((flag, Column::Integer(set.collect())));
        }
    }
    Table::new(columns).expect("every column has a value for each row")
}

/// The first of some names that no state, action or reward has; beyond them, numbered ones.
fn free_name(recording: &Recording, usual: &[&str]) -> String {
    let is_free = |name: &String| {
        let mut names = recording
            .state_names()
            .iter()
            .chain(recording.action_names());
        names.all(|taken| taken != name) && recording.reward_name() != Some(name)
    };
    let numbered = (2..).map(|number| format!("{}_{number}", usual[0]));
    let mut names = usual.iter().map(|&name| name.to_owned()).chain(numbered);
    names
        .find(is_free)
        .expect("there is a number that no name has")
}
