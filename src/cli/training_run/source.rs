//! Runs from a log, or simulated ones.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::TypedValueParser;

use crate::cli::choices::choice;
use crate::cli::input::duplicates;
use crate::cli::terminal::tell;
use crate::convergence::Landscape;
use crate::recording::Duplicates;
use crate::study::convergence::{LogSelection, OptimisationRuns, Simulation, TrainingLog};

#[derive(Debug, Args)]
#[command(next_help_heading = "Runs")]
pub(super) struct Source {
    /// Log of runs: CSV, NPZ, NPY or Parquet
    #[arg(required_unless_present = "simulate", conflicts_with = "simulate")]
    file: Option<PathBuf>,
    /// Column that identifies runs [default: guessed]
    #[arg(long, value_name = "COLUMN", conflicts_with = "simulate")]
    run: Option<String>,
    /// Column that counts steps, or 'none' to read rows in the order of the log [default: guessed]
    #[arg(long, value_name = "COLUMN", conflicts_with = "simulate")]
    time: Option<String>,
    /// Handling of rows with the same step in one run
    #[arg(long, value_parser = duplicates(), default_value = "error", conflicts_with = "simulate")]
    duplicates: Duplicates,
    /// Only these runs, by label
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LABELS",
        conflicts_with = "simulate"
    )]
    select: Vec<String>,
    /// Simulate gradient descent on a function instead of reading a log
    #[arg(long, value_parser = landscape(), value_name = "FUNCTION")]
    simulate: Option<Landscape>,
    /// Simulated runs
    #[arg(
        long,
        default_value_t = 20,
        value_name = "COUNT",
        requires = "simulate"
    )]
    runs: usize,
    /// Steps of a simulated run
    #[arg(
        long,
        default_value_t = 1000,
        value_name = "COUNT",
        requires = "simulate"
    )]
    steps: usize,
    /// Step size of simulated runs
    #[arg(
        long,
        default_value_t = 0.02,
        value_name = "NUMBER",
        requires = "simulate"
    )]
    step_size: f64,
    /// Standard deviation of the noise on the gradient of simulated runs
    #[arg(
        long,
        default_value_t = 0.5,
        value_name = "NUMBER",
        requires = "simulate"
    )]
    noise: f64,
    /// Irreducible loss of simulated runs
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "NUMBER",
        requires = "simulate"
    )]
    floor: f64,
    /// File for the simulated runs: .csv, .json or .parquet
    #[arg(long, value_name = "FILE", requires = "simulate")]
    save: Option<PathBuf>,
}

/// Functions with known minima.
fn landscape() -> impl TypedValueParser<Value = Landscape> {
    choice([
        ("quadratic", "(x² + y²/4) / 2", Landscape::Quadratic),
        (
            "double-well",
            "(x² - 1)² / 4, minima at -1 and 1",
            Landscape::DoubleWell,
        ),
        (
            "rosenbrock",
            "Rosenbrock's bent valley over 20, minimum at (1, 1)",
            Landscape::Rosenbrock,
        ),
    ])
}

impl Source {
    /// Describes the source of the runs.
    pub(super) fn described(&self) -> String {
        match (&self.file, self.simulate) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(function)) => format!(
                "{} runs of {} steps on {:?}, step size {}, noise {}, floor {}",
                self.runs, self.steps, function, self.step_size, self.noise, self.floor
            ),
            (None, None) => String::new(),
        }
    }

    /// Reads a column of every run, or simulates it.
    pub(super) fn read(&self, column: &str, seed: u64) -> anyhow::Result<OptimisationRuns> {
        match self.simulate {
            Some(function) => self.simulated(function, column, seed),
            None => self.logged(column),
        }
    }

    /// Says on standard error which column was taken for what.
    fn logged(&self, column: &str) -> anyhow::Result<OptimisationRuns> {
        let file = self.file.as_ref().context("a log or --simulate")?;
        let mut selection = LogSelection::default();
        selection.run = self.run.clone();
        selection.time = self.time.clone();
        selection.duplicates = self.duplicates;
        let log = TrainingLog::read(file, column, &selection)?;
        tell!("{}", log.described());
        if self.select.is_empty() && log.valueless_rows() > 0 {
            tell!(
                "{} of {} rows have no value of {column}",
                log.valueless_rows(),
                log.rows()
            );
        }
        Ok(log.select(&self.select)?)
    }

    fn simulated(
        &self,
        function: Landscape,
        column: &str,
        seed: u64,
    ) -> anyhow::Result<OptimisationRuns> {
        let mut simulation = Simulation::new(function);
        simulation.descent.step_size = self.step_size;
        simulation.descent.noise = self.noise;
        simulation.descent.floor = self.floor;
        simulation.descent.steps = self.steps;
        simulation.runs = self.runs;
        simulation.seed = seed;
        let simulated = simulation.run(column)?;
        if let Some(path) = &self.save {
            simulated.table().write(path)?;
        }
        Ok(simulated.into_runs())
    }
}
