//! Logs of runs.

use std::path::{Path, PathBuf};

use super::runs::logged_values;
use super::{ConvergenceStudyError, OptimisationRun, OptimisationRuns};
use crate::recording::{Duplicates, LoggedRun, RoleSelection, Roles, read_runs};

/// Which columns of a log say what.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LogSelection {
    /// The column that identifies runs; guessed without one.
    pub run: Option<String>,
    /// The column that counts steps, or `none` to read rows in the order of the log; guessed
    /// without one.
    pub time: Option<String>,
    /// What to do with rows of one step in one run.
    pub duplicates: Duplicates,
}

/// A column of a log, with the runs that it holds.
///
/// ```
/// use statecast::study::convergence::{LogSelection, TrainingLog};
/// let log = TrainingLog::read("examples/training.csv", "loss", &LogSelection::default())?;
/// assert_eq!((log.rows(), log.valueless_rows()), (3000, 0));
/// let runs = log.select(&[])?;
/// assert_eq!((runs.column.as_str(), runs.runs.len()), ("loss", 1));
/// # Ok::<(), statecast::study::ConvergenceStudyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrainingLog {
    file: PathBuf,
    column: String,
    runs: Vec<LoggedRun>,
    roles: Roles,
}

impl TrainingLog {
    /// Reads a column: CSV, NPZ, NPY or Parquet. Runs are the episodes of a log.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::Log`] if the file cannot be read,
    /// [`ConvergenceStudyError::SeveralColumns`] if the name is a pattern that fits several.
    pub fn read(
        file: impl AsRef<Path>,
        column: &str,
        selection: &LogSelection,
    ) -> Result<Self, ConvergenceStudyError> {
        let file = file.as_ref();
        let selection = RoleSelection {
            state: vec![column.to_owned()],
            episode: selection.run.clone(),
            time: selection.time.clone(),
            duplicates: selection.duplicates,
            ..RoleSelection::default()
        };
        let read = read_runs(file, &selection);
        let (runs, roles) = read.map_err(|error| ConvergenceStudyError::Log(Box::new(error)))?;
        match roles.state.columns.len() {
            1 => Ok(Self {
                file: file.to_owned(),
                column: column.to_owned(),
                runs,
                roles,
            }),
            _ => Err(ConvergenceStudyError::SeveralColumns {
                file: file.to_owned(),
                column: column.to_owned(),
                found: roles.state.columns,
            }),
        }
    }

    /// Returns which column was taken for what, and what else is to be known of the log.
    pub fn described(&self) -> String {
        of_runs(&self.roles.to_string())
    }

    /// Returns the number of rows of all runs.
    pub fn rows(&self) -> usize {
        self.runs.iter().map(|run| run.values.len()).sum()
    }

    /// Returns the number of rows without a value of the column, but for those after which a run
    /// diverges.
    pub fn valueless_rows(&self) -> usize {
        let logged = self.runs.iter().map(|run| logged_values(&run.values).len());
        self.rows() - logged.sum::<usize>()
    }

    /// Returns the runs of some labels, of all without any.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::NoSuchRun`] for a label that no run has,
    /// [`ConvergenceStudyError::NoValue`] if none of the runs has a value.
    pub fn select(self, labels: &[String]) -> Result<OptimisationRuns, ConvergenceStudyError> {
        let unknown = |label: &&String| !self.runs.iter().any(|run| run.name == **label);
        if let Some(label) = labels.iter().find(unknown) {
            return Err(ConvergenceStudyError::NoSuchRun {
                file: self.file,
                label: label.clone(),
            });
        }
        let wanted = |run: &LoggedRun| labels.is_empty() || labels.contains(&run.name);
        let runs = self.runs.into_iter().filter(wanted);
        let runs: Vec<_> = runs.map(OptimisationRun::of_log).collect();
        match runs.iter().all(|run| run.values.is_empty()) {
            true => Err(ConvergenceStudyError::NoValue {
                file: self.file,
                column: self.column,
            }),
            false => Ok(OptimisationRuns {
                column: self.column,
                runs,
                simulation: None,
            }),
        }
    }
}

/// A message of the readers in the words of logs: episodes are runs, the metric is the state, and cells without a number
/// are left out by themselves.
pub(super) fn of_runs(text: &str) -> String {
    let mut text = text
        .replace("`episode=", "`run=")
        .replace(" for state; the file has", " for the metric; the file has")
        .replace(
            "choose other columns, correct it, or empty it and give `missing=hold`",
            "correct it, or empty it",
        )
        .replace(", or name its encoding (`encoding=latin1`)", "")
        .replace("read fewer columns (`state=`, `action=`), or save", "save");
    while let Some(start) = text.find("`missing-value=")
        && let Some((_, after)) = text[start..].split_once("reads it as missing")
    {
        text = format!(
            "{}empty such cells to leave them out{after}",
            &text[..start]
        );
    }
    text
}

#[cfg(test)]
mod tests {
    /// Fault: messages named flags and roles of other commands.
    #[test]
    fn messages_of_the_readers_have_the_words_of_logs() {
        for (says, said) in [
            (
                "log.csv: no column fits \"los\" for state; the file has step, loss",
                "log.csv: no column fits \"los\" for the metric; the file has step, loss",
            ),
            (
                "loss holds -999; `missing-value=-999` reads it as missing",
                "loss holds -999; empty such cells to leave them out",
            ),
            (
                "save the file as UTF-8, or name its encoding (`encoding=latin1`)",
                "save the file as UTF-8",
            ),
            ("`episode=seed` splits them", "`run=seed` splits them"),
        ] {
            assert_eq!(super::of_runs(says), said);
        }
    }
}
