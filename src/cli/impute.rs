//! `statecast impute`: missing states of a recording, as a table of densities and as a filled recording.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::input::Columns;
use super::outputs::Ending;
use super::terminal::tell;
use crate::forecast::Levels;
use crate::output::{Manifest, TableFormat, standard_output};

/// Fill missing values of a recording, each with a density given all values before and after it
///
/// The table has one row a missing state: episode, step (rows of the episode from 0), time, variable, median and
/// quantiles. A linear state-space model of all states and actions is fitted to the recording itself; its form is the one
/// that fills known values best when they are removed. Missing actions and rewards repeat the last value.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast impute run.csv --output missing.csv\n  \
    statecast impute run.csv --filled run_filled.csv\n  \
    statecast impute run.csv --missing-value -999 --quantiles 0.1,0.9 --output missing.parquet")]
pub(super) struct Arguments {
    /// Recording file or folder, as in 'forecast'; '-' for standard input
    file: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// Quantile levels
    #[arg(
        long,
        default_value = "0.05,0.1,0.25,0.5,0.75,0.9,0.95",
        value_name = "LEVELS"
    )]
    quantiles: Levels,
    /// Table to write: .csv, .json or .parquet [default: CSV to standard output, as for '-', unless --filled is given]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// The recording with medians for missing values, to write: .csv, .json or .parquet
    #[arg(long, value_name = "FILE")]
    filled: Option<PathBuf>,
}

#[derive(Serialize)]
struct Run {
    input: String,
    quantiles: Vec<f64>,
    states: Vec<String>,
    missing: usize,
    held: usize,
    seconds: f64,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    for output in arguments.output.iter().chain(&arguments.filled) {
        TableFormat::of(output)?;
    }
    ensure!(
        arguments.filled.as_deref() != Some(Path::new("-")) || arguments.output.is_some(),
        "--filled -: the table of the missing values goes to standard output, too; give it a file by --output"
    );
    let started = Instant::now();
    let filled = arguments.columns.fill(&arguments.file)?;
    let table = filled.table(&arguments.quantiles);
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.filled {
        ending.write(|| Ok(filled.rows().write(path)?));
    }
    if let Some(output) = &arguments.output {
        let run = Run {
            input: arguments.file.display().to_string(),
            quantiles: arguments.quantiles.as_slice().to_vec(),
            states: filled.recording.state_names().to_vec(),
            missing: filled.roles.filled,
            held: filled.roles.held,
            seconds: started.elapsed().as_secs_f64(),
        };
        ending.table(output, &table, &Manifest::new("impute", &run));
    }
    if filled.roles.filled == 0 {
        tell!("note: {}", nothing_filled(filled.roles.held_words));
    }
    ending.show("")?;
    match (&arguments.output, &arguments.filled) {
        (None, None) => {
            let mut standard = standard_output().context("standard output")?;
            Ok(table.write_to(TableFormat::Csv, &mut standard)?)
        }
        _ => Ok(()),
    }
}

/// Why the table has no rows.
fn nothing_filled(held_words: usize) -> &'static str {
    match held_words {
        0 => "no state is missing",
        _ => "no number is missing, and the table has no rows: missing words have no density",
    }
}
