//! Arguments of the recording that forecasting commands share, and how it is read.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use clap::builder::TypedValueParser;

use super::choices::choice;
use crate::cli::terminal::tell;
use crate::forecast::Variables;
use crate::recording::{
    self, Duplicates, Episode, MissingPolicy, Recording, RecordingError, RoleSelection,
};
use crate::study::FilledRecording;

#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub(super) struct RecordingArguments {
    /// Recording file: CSV, JSON, TSF, NPZ, NPY, Parquet, Arrow, HDF5 or MAT, or a folder of such files, an episode
    /// each; '-' for standard input
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) columns: Columns,
    /// Rows of context, the last ones of an episode [default: all; without --method residual as many as
    /// fit into the model's window. With it experts read all rows, the model the last ones]
    #[arg(long, value_name = "ROWS")]
    pub(super) context: Option<usize>,
}

/// Which columns of a recording mean what, and which of its episodes are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub(super) struct Columns {
    /// State columns, names or globs [default: guessed]
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    state: Vec<String>,
    /// Action columns, names or globs [default: guessed]
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    action: Vec<String>,
    /// Columns of words that are states too, names or globs: levels such as open and closed, at most 20 a column. Each word is a
    /// state of 0 and 1; forecast tells the probability of each
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    levels: Vec<String>,
    /// Reward column [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    reward: Option<String>,
    /// Column that labels the episodes [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    episode: Option<String>,
    /// Column that says when rows were recorded, or 'none' to read them in the order of the file
    /// [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// What to do with rows of one time in one episode
    #[arg(long, value_parser = duplicates(), default_value = "error")]
    duplicates: Duplicates,
    /// Only these episodes, by label
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    select: Vec<String>,
    /// What to do with missing values, NaN and infinities [default: model in forecast, otherwise error]
    #[arg(long, value_parser = missing())]
    missing: Option<MissingPolicy>,
    /// Number that stands for a missing value, such as -999; may be given again
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    missing_value: Vec<f64>,
    /// Encoding of a text file, such as latin1 or utf-16le [default: utf-8, or what its first bytes say]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
}

/// What a file is read for.
#[derive(Debug, Clone, Copy, Default)]
struct Purpose {
    /// Whether the state after the last step and the log densities of actions are wanted.
    transitions: bool,
    /// Whether `--select` is about it.
    selects: bool,
    /// Whether its rows are scored, or learned from as if each had been observed.
    scores: bool,
}

/// What becomes of rows of one time.
pub(super) fn duplicates() -> impl TypedValueParser<Value = Duplicates> {
    choice([
        ("error", "Stop and name two of them", Duplicates::Error),
        ("last", "Keep the one written last", Duplicates::Last),
        ("mean", "Take their mean", Duplicates::Mean),
    ])
}

fn missing() -> impl TypedValueParser<Value = MissingPolicy> {
    choice([
        ("error", "Stop and name the place", MissingPolicy::Error),
        (
            "hold",
            "Repeat the column's last value",
            MissingPolicy::Hold,
        ),
        (
            "model",
            "Fill states by a model of the recording, from both sides; hold actions and rewards",
            MissingPolicy::Model { held_out: 0 },
        ),
    ])
}

impl Columns {
    /// Which columns mean what.
    pub(super) fn selection(&self) -> RoleSelection {
        RoleSelection {
            state: self.state.clone(),
            action: self.action.clone(),
            levels: self.levels.clone(),
            reward: self.reward.clone(),
            episode: self.episode.clone(),
            time: self.time.clone(),
            duplicates: self.duplicates,
            encoding: self.encoding.clone(),
            missing_values: self.missing_value.clone(),
            ..RoleSelection::default()
        }
    }

    /// The column of the time, if it was chosen.
    pub(super) fn time(&self) -> Option<&str> {
        self.time.as_deref()
    }

    /// The labels of the episodes asked for, none for all.
    pub(super) fn selected(&self) -> &[String] {
        &self.select
    }

    /// Reads all episodes of a file and says on standard error which column was taken for what.
    pub(super) fn read(&self, file: &Path) -> anyhow::Result<Recording> {
        self.read_under(self.policy(), file, Purpose::default())
    }

    /// The same, of the episodes that are selected, for rows that forecasts are scored on.
    pub(super) fn read_scored(&self, file: &Path) -> anyhow::Result<Recording> {
        let purpose = Purpose {
            selects: true,
            scores: true,
            ..Purpose::default()
        };
        self.read_under(self.policy(), file, purpose)
    }

    /// The same, with the states after the last steps and the log densities of the actions, of all episodes.
    pub(super) fn read_transitions(&self, file: &Path) -> anyhow::Result<Recording> {
        let purpose = Purpose {
            transitions: true,
            scores: true,
            ..Purpose::default()
        };
        self.read_under(self.policy(), file, purpose)
    }

    /// The same, of the episodes that are selected.
    pub(super) fn read_selected_transitions(&self, file: &Path) -> anyhow::Result<Recording> {
        let purpose = Purpose {
            transitions: true,
            selects: true,
            scores: true,
        };
        let recording = self.read_under(self.policy(), file, purpose)?;
        match self.select.as_slice() {
            [] => Ok(recording),
            labels => recording.only(labels).map_err(anyhow::Error::from),
        }
    }

    /// Has missing values filled by a model, unless something else is asked for.
    pub(super) fn fill_by_default(&mut self) {
        self.missing
            .get_or_insert(MissingPolicy::Model { held_out: 0 });
    }

    /// Reads the episodes that are selected and fills what is missing of them; says on standard error what.
    pub(super) fn fill(&self, file: &Path) -> anyhow::Result<FilledRecording> {
        self.fill_as(file, self.selection())
    }

    /// The same, of a recording that has no actions, and maybe no reward, whatever others have; with the states after the
    /// last steps.
    pub(super) fn fill_without_actions(&self, file: &Path) -> anyhow::Result<FilledRecording> {
        let selection = RoleSelection {
            action: Vec::new(),
            reward: None,
            transitions: true,
            ..self.selection()
        };
        self.fill_as(file, selection)
    }

    fn fill_as(&self, file: &Path, selection: RoleSelection) -> anyhow::Result<FilledRecording> {
        let selection = RoleSelection {
            only_episodes: self.select.clone(),
            ..selection
        };
        let filled = FilledRecording::read(file, &selection);
        let filled = filled.map_err(|error| in_flags(error, file))?;
        tell!("{}", filled.roles);
        Ok(filled)
    }

    fn policy(&self) -> MissingPolicy {
        self.missing.unwrap_or_default()
    }

    fn read_under(
        &self,
        policy: MissingPolicy,
        file: &Path,
        purpose: Purpose,
    ) -> anyhow::Result<Recording> {
        let selected = self.select.iter().filter(|_| purpose.selects);
        let selection = RoleSelection {
            transitions: purpose.transitions,
            only_episodes: selected.cloned().collect(),
            most_states: Some(Variables::MOST),
            ..self.selection()
        };
        let (recording, roles) = recording::read(file, &selection, policy)
            .map_err(|error| with_remedy(error, file, &selection))?;
        tell!("{roles}");
        if let Some(warning) = roles.scored_fills().filter(|_| purpose.scores) {
            tell!("warning: {warning}");
        }
        Ok(recording)
    }

    /// The episodes asked for.
    pub(super) fn episodes<'t>(
        &self,
        file: &Path,
        recording: &'t Recording,
    ) -> anyhow::Result<Vec<&'t Episode>> {
        let all = recording.episodes();
        if self.select.is_empty() {
            return Ok(all.iter().collect());
        }
        self.select
            .iter()
            .map(|label| {
                all.iter().find(|e| e.name() == label).with_context(|| {
                    let names: Vec<&str> = all.iter().take(20).map(Episode::name).collect();
                    format!(
                        "{}: --select {label}: no such episode; they are called {}",
                        file.display(),
                        names.join(", ")
                    )
                })
            })
            .collect()
    }
}

impl RecordingArguments {
    /// Reads the episodes that are selected and says on standard error which column was taken for what.
    pub(super) fn read(&self) -> anyhow::Result<Recording> {
        self.read_held_out(0)
    }

    /// The same, for rows that forecasts are scored on.
    pub(super) fn read_scored(&self) -> anyhow::Result<Recording> {
        self.columns.read_scored(&self.file)
    }

    /// The same, where no filled value may know the last rows of every episode.
    pub(super) fn read_held_out(&self, held_out: usize) -> anyhow::Result<Recording> {
        let policy = match self.columns.policy() {
            MissingPolicy::Model { .. } => MissingPolicy::Model { held_out },
            other => other,
        };
        let purpose = Purpose {
            selects: true,
            ..Purpose::default()
        };
        self.columns.read_under(policy, &self.file, purpose)
    }

    /// The episodes asked for.
    pub(super) fn episodes<'t>(
        &self,
        recording: &'t Recording,
    ) -> anyhow::Result<Vec<&'t Episode>> {
        self.columns.episodes(&self.file, recording)
    }
}

/// An error at the first gap of a file, with the flag that would fill all of them, or at the gap that it could not fill.
fn with_remedy(error: RecordingError, file: &Path, selection: &RoleSelection) -> anyhow::Error {
    let gap = matches!(error, RecordingError::Missing { .. });
    match gap.then(|| recording::read(file, selection, MissingPolicy::Hold)) {
        Some(Ok((_, roles))) if roles.held > 0 => {
            let gaps = match roles.held {
                1 => "the only gap".to_owned(),
                count => format!("the first of {count} gaps"),
            };
            anyhow!("{error} with --missing model or --missing hold; it is {gaps}")
        }
        // Of the first row the error itself says so.
        Some(Err(nothing @ RecordingError::NothingToHold { row: 2.., .. })) => nothing.into(),
        _ => in_flags(error, file),
    }
}

/// An error in the words of the program's flags.
fn in_flags(error: RecordingError, file: &Path) -> anyhow::Error {
    match error {
        RecordingError::NoEpisode { label, known } => anyhow!(
            "{}: --select {label}: no such episode; they are called {known}",
            file.display()
        ),
        RecordingError::TooManyStates { states, .. } => {
            let refused = Variables::check_count(states).map_err(anyhow::Error::from);
            let refused = refused.context(file.display().to_string());
            refused.err().unwrap_or_else(|| error.into())
        }
        error => error.into(),
    }
}
