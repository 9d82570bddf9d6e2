//! `statecast impute`: missing states, or actions, of a recording, as a table of densities and as a filled recording.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::input::Columns;
use super::outputs::Ending;
use super::terminal::tell;
use crate::forecast::Levels;
use crate::impute::{ActionScore, InverseSettings};
use crate::output::{Manifest, Table, TableFormat, standard_output};
use crate::recording::Recording;
use crate::study::LabelledRecording;

/// Fill missing values of a recording, each with a density given all values before and after it
///
/// The table has one row a missing state: episode, step (rows of the episode from 0), time, variable, median and
/// quantiles. A linear state-space model of all states and actions is fitted to the recording itself; its form is the one
/// that fills known values best when they are removed. Missing actions and rewards repeat the last value.
///
/// With --actions the recording has none, and others teach which actions lead from one state to the next: the table has
/// one row a step and action, its label the median or, of few levels, the likeliest one. The last row of an episode has a
/// label only where the state after it is recorded; else --filled leaves it without action and reward, as a final state.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast impute run.csv --output missing.csv\n  \
    statecast impute run.csv --filled run_filled.csv\n  \
    statecast impute run.csv --missing-value -999 --quantiles 0.1,0.9 --output missing.parquet\n  \
    statecast impute video.csv --actions robot.npz --output labels.csv --filled video_run.csv")]
pub(super) struct Arguments {
    /// Recording file or folder, as in 'forecast'; '-' for standard input
    file: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// Label the actions of the recording, which has none, by those of these recordings of the same system; --action and
    /// --reward name columns of these, --state and --levels of both
    #[arg(long, value_name = "FILES", num_args = 1.., value_delimiter = ',')]
    actions: Vec<PathBuf>,
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
    /// The recording with medians for missing values, and labels as actions, to write: .csv, .json or .parquet
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

#[derive(Serialize)]
struct LabellingRun<'l> {
    input: String,
    learned_from: Vec<String>,
    quantiles: Vec<f64>,
    actions: &'l [String],
    methods: Vec<&'static str>,
    /// CRPS over the standard deviation, or Brier scores of levels, where episodes were held out.
    losses: Vec<f64>,
    losses_of_mean: Vec<f64>,
    labels: usize,
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
    match arguments.actions.is_empty() {
        true => fill(&arguments),
        false => label(&arguments),
    }
}

fn fill(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let filled = arguments.columns.fill(&arguments.file)?;
    if filled.roles.filled == 0 {
        tell!("note: {}", nothing_filled(filled.roles.held_words));
    }
    let run = Run {
        input: arguments.file.display().to_string(),
        quantiles: arguments.quantiles.as_slice().to_vec(),
        states: filled.recording.state_names().to_vec(),
        missing: filled.roles.filled,
        held: filled.roles.held,
        seconds: started.elapsed().as_secs_f64(),
    };
    arguments.write(&filled.table(&arguments.quantiles), || filled.rows(), &run)
}

fn label(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let (file, columns) = (&arguments.file, &arguments.columns);
    let read = |file: &PathBuf| Ok((file.display().to_string(), columns.read_transitions(file)?));
    let known = arguments.actions.iter().map(read);
    let known: Vec<(String, Recording)> = known.collect::<anyhow::Result<_>>()?;
    let known: Vec<(&str, &Recording)> = known.iter().map(|(name, of)| (&name[..], of)).collect();
    let unlabelled = columns.fill_without_actions(file)?.recording;
    let name = file.display().to_string();
    let labelled = LabelledRecording::of((&name, &unlabelled), &known, InverseSettings::default())?;
    for (name, score) in labelled.action_names().iter().zip(labelled.scores()) {
        tell!("{}", scored(name, score));
    }
    if labelled.without_label() > 0 {
        tell!(
            "note: {} last rows of episodes have no label: the state after them is not known",
            labelled.without_label()
        );
    }
    for warning in labelled.warnings() {
        tell!("warning: {warning}");
    }
    let methods = labelled.scores().iter().map(|score| score.method.name());
    let run = LabellingRun {
        input: name,
        learned_from: known.iter().map(|(name, _)| (*name).to_owned()).collect(),
        quantiles: arguments.quantiles.as_slice().to_vec(),
        actions: labelled.action_names(),
        methods: methods.collect(),
        losses: labelled.scores().iter().map(|score| score.loss).collect(),
        losses_of_mean: labelled
            .scores()
            .iter()
            .map(|score| score.loss_of_mean)
            .collect(),
        labels: labelled.steps().len(),
        seconds: started.elapsed().as_secs_f64(),
    };
    arguments.write(
        &labelled.table(&arguments.quantiles),
        || labelled.rows(),
        &run,
    )
}

impl Arguments {
    /// Writes what was asked for; the table to standard output if nothing was.
    fn write(
        &self,
        table: &Table,
        filled: impl Fn() -> Table,
        run: &impl Serialize,
    ) -> anyhow::Result<()> {
        let mut ending = Ending::new(self.output.as_ref());
        if let Some(path) = &self.filled {
            ending.write(|| Ok(filled().write(path)?));
        }
        if let Some(output) = &self.output {
            ending.table(output, table, &Manifest::new("impute", run));
        }
        ending.show("")?;
        match (&self.output, &self.filled) {
            (None, None) => {
                let mut standard = standard_output().context("standard output")?;
                Ok(table.write_to(TableFormat::Csv, &mut standard)?)
            }
            _ => Ok(()),
        }
    }
}

/// How well an action is labelled, in a line.
fn scored(name: &str, score: &ActionScore) -> String {
    let (loss, hit) = match score.is_level {
        true => ("Brier score", "labels are right"),
        false => ("CRPS / std", "lie in the 80 % interval"),
    };
    format!(
        "{name}: by {} in episodes held out, {loss} {:.4} (mean {:.4}, neighbours {:.4}); {:.0} % {hit}",
        score.method,
        score.loss,
        score.loss_of_mean,
        score.loss_of_neighbours,
        100.0 * score.hit
    )
}

/// Why the table has no rows.
fn nothing_filled(held_words: usize) -> &'static str {
    match held_words {
        0 => "no state is missing",
        _ => "no number is missing, and the table has no rows: missing words have no density",
    }
}
