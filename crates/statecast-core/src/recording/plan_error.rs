//! What can be wrong with actions to come.

use std::path::PathBuf;

use thiserror::Error;

/// Why the actions of a file are not those of the steps ahead. Each message is one line that starts with the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The actions to come are those of several runs.
    #[error("{}: holds {plans} runs, the second from row {row}; keep the actions of one", file.display())]
    ManyRuns {
        /// The file asked for.
        file: PathBuf,
        /// Row of data where the second run starts.
        row: usize,
        /// How many there are.
        plans: usize,
    },

    /// The actions to come end before the last step.
    #[error("{}: {rows} rows of actions{} for a horizon of {horizon}", file.display(), after_context(*cut))]
    TooShort {
        /// The file asked for.
        file: PathBuf,
        /// Rows of steps ahead.
        rows: usize,
        /// Steps to forecast.
        horizon: usize,
        /// Rows before them.
        cut: usize,
    },

    /// The actions to come lack a step.
    #[error("{}: no action for {column} {missing}; row {row} is of {found}; add the missing rows, or leave out {column} to take the rows as they come", file.display())]
    Skips {
        /// The file asked for.
        file: PathBuf,
        /// Row of data after the gap.
        row: usize,
        /// Name of the column of the time.
        column: String,
        /// The first time without a row.
        missing: String,
        /// Time of the row after the gap.
        found: String,
    },

    /// The actions to come are nearer to each other than the recording's rows.
    #[error("{}: row {row} is of {column} {found}, but the next step is {expected}; give one row a step of the recording", file.display())]
    OutOfStep {
        /// The file asked for.
        file: PathBuf,
        /// Row of data.
        row: usize,
        /// Name of the column of the time.
        column: String,
        /// Time of the step.
        expected: String,
        /// Time of the row.
        found: String,
    },
}

fn after_context(cut: usize) -> &'static str {
    match cut {
        0 => "",
        _ => " after the context",
    }
}
