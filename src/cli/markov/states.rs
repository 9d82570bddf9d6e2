//! The sequence of states in a file.

use anyhow::ensure;

use super::Arguments;
use crate::cli::terminal::tell;
use crate::recording::{RecordingError, read_labels};
use crate::study::MarkovStudyError;
use crate::study::markov::{StateCoding, StateSequence};

impl Arguments {
    /// The sequence of states.
    pub(super) fn states(&self) -> anyhow::Result<StateSequence> {
        let states = match &self.label {
            Some(column) => self.labels(column)?,
            None => self.values()?,
        };
        let file = self.recording.file.display();
        states.map_err(|error| match error {
            MarkovStudyError::Column { column, source } => {
                anyhow::Error::from(*source).context(format!("{file}, column {column}"))
            }
            error => anyhow::Error::from(error).context(file.to_string()),
        })
    }

    fn values(&self) -> anyhow::Result<Result<StateSequence, MarkovStudyError>> {
        let recording = self.recording.read().map_err(naming_words)?;
        let episodes = self.recording.episodes(&recording)?;
        let coding = match self.states {
            None => StateCoding::Labels(self.order.clone()),
            Some(states) => StateCoding::Bins(states, self.cuts),
        };
        Ok(StateSequence::of_recording(&recording, &episodes, &coding))
    }

    fn labels(&self, column: &str) -> anyhow::Result<Result<StateSequence, MarkovStudyError>> {
        let (file, columns) = (&self.recording.file, &self.recording.columns);
        let (mut runs, roles) = read_labels(file, column, &columns.selection())?;
        tell!("label: {column}{}", roles.cuts());
        if let [label] = columns.selected() {
            runs.retain(|run| run.name == *label);
            ensure!(
                !runs.is_empty(),
                "{}: --select {label}: no such episode",
                file.display()
            );
        }
        Ok(StateSequence::of_labels(column, &runs, &self.order))
    }
}

/// An error of a column of words, with the flag that reads them.
fn naming_words(error: anyhow::Error) -> anyhow::Error {
    let words = error.downcast_ref().is_some_and(|error| {
        matches!(
            error,
            RecordingError::NoState { .. } | RecordingError::NotANumber { .. }
        )
    });
    match words {
        true => error.context("a column of words is named with --label"),
        false => error,
    }
}
