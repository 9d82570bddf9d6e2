//! Runs from a log, or simulated ones.

use std::path::PathBuf;

use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};

use super::Arguments;
use crate::cli::input::DuplicatesName;
use crate::cli::terminal::tell;
use crate::convergence::{Descent, Landscape};
use crate::output::{Column, Table};
use crate::recording::{RoleSelection, read_runs};

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
    #[arg(long, value_enum, default_value_t = DuplicatesName::Error, conflicts_with = "simulate")]
    duplicates: DuplicatesName,
    /// Only these runs, by label
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LABELS",
        conflicts_with = "simulate"
    )]
    select: Vec<String>,
    /// Simulate gradient descent on a function instead of reading a log
    #[arg(long, value_enum, value_name = "FUNCTION")]
    pub(super) simulate: Option<Function>,
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
    pub(super) steps: usize,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Function {
    /// (x² + y²/4) / 2
    Quadratic,
    /// (x² - 1)² / 4, minima at -1 and 1
    DoubleWell,
    /// Rosenbrock's bent valley over 20, minimum at (1, 1)
    Rosenbrock,
}

impl Function {
    pub(super) fn landscape(self) -> Landscape {
        match self {
            Self::Quadratic => Landscape::Quadratic,
            Self::DoubleWell => Landscape::DoubleWell,
            Self::Rosenbrock => Landscape::Rosenbrock,
        }
    }
}

/// A column of a run.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    /// Steps, if the log has a step column.
    pub(super) steps: Option<Steps>,
}

/// The step column of a log.
pub(super) struct Steps {
    /// Step of every row with a value, ascending.
    of_rows: Vec<f64>,
    /// Whether the log starts at step 0, so that its Nth step is N - 1.
    from_zero: bool,
}

impl Series {
    /// Returns the number of rows until a step, or the argument if the log has no step column.
    pub(super) fn rows_until(&self, until: usize) -> usize {
        let Some((steps, last, stride)) = self.pace() else {
            return until;
        };
        let from_zero = self.steps.as_ref().is_some_and(|steps| steps.from_zero);
        let until = until as f64;
        // Integers up to rounding count as integers.
        let ahead = (until - last) / stride;
        let ahead = match from_zero {
            true => (ahead - 1e-9).ceil() - 1.0,
            false => (ahead + 1e-9).floor(),
        };
        let made = |step: &&f64| **step < until || (!from_zero && **step == until);
        steps.iter().filter(made).count() + ahead.max(0.0) as usize
    }

    /// Returns the step of a known or future row.
    pub(super) fn step_of(&self, row: usize) -> usize {
        let Some((steps, last, stride)) = self.pace() else {
            return row;
        };
        let ahead = || last + (row + 1 - steps.len()) as f64 * stride;
        steps.get(row).copied().unwrap_or_else(ahead).round() as usize
    }

    /// Returns the steps, the last one, and the mean difference.
    fn pace(&self) -> Option<(&[f64], f64, f64)> {
        let steps = &self.steps.as_ref()?.of_rows;
        let (first, last) = (*steps.first()?, *steps.last()?);
        let stride = (last - first) / (steps.len() - 1) as f64;
        (first >= 0.0 && stride > 0.0 && stride.is_finite()).then_some((steps, last, stride))
    }
}

/// A message of the readers in the words of logs: runs are episodes, the metric is the state, and cells without a number
/// are left out by themselves.
fn in_words_of_logs(text: String, metric: &str) -> String {
    let mut text = text
        .replace("`episode=", "`run=")
        .replace(
            " for state; the file has",
            &format!(" for {metric}; the file has"),
        )
        .replace(
            "choose other columns, correct it, or empty it and give `missing=hold`",
            "correct it, or empty it",
        )
        .replace(", or name its encoding (`encoding=latin1`)", "")
        .replace("read fewer columns (`state=`, `action=`), or save", "save");
    while let Some(start) = text.find("`missing-value=")
        && let Some((_, behind)) = text[start..].split_once("reads it as missing")
    {
        text = format!(
            "{}empty such cells to leave them out{behind}",
            &text[..start]
        );
    }
    text
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

    /// Returns the settings of the simulated runs.
    pub(super) fn descent(&self, function: Function) -> anyhow::Result<Descent> {
        let descent = Descent {
            landscape: function.landscape(),
            step_size: self.step_size,
            noise: self.noise,
            floor: self.floor,
            steps: self.steps,
        };
        ensure!(self.runs > 0, "--runs 0: there is nothing to forecast");
        Ok(descent.checked(self.runs)?)
    }

    /// Reads the requested column of every run.
    pub(super) fn read(&self, arguments: &Arguments) -> anyhow::Result<Vec<Series>> {
        let column = arguments.minima.as_ref().unwrap_or(&arguments.metric);
        match self.simulate {
            Some(function) => self.simulated(function, column, arguments.seed),
            None => self.logged(column, arguments.minima.is_some()),
        }
    }

    fn logged(&self, column: &str, is_of_minima: bool) -> anyhow::Result<Vec<Series>> {
        let file = self.file.as_ref().context("a log or --simulate")?;
        let selection = RoleSelection {
            state: vec![column.to_owned()],
            episode: self.run.clone(),
            time: self.time.clone(),
            duplicates: self.duplicates.into(),
            ..RoleSelection::default()
        };
        let flag = match is_of_minima {
            true => "--minima",
            false => "--metric",
        };
        let of_runs = |text: String| in_words_of_logs(text, flag);
        let read = read_runs(file, &selection);
        let (runs, roles) = read.map_err(|fault| anyhow!(of_runs(fault.to_string())))?;
        let columns = &roles.state.columns;
        ensure!(
            columns.len() == 1,
            "{}: {column} fits {} columns ({}); name one",
            file.display(),
            columns.len(),
            columns.join(", ")
        );
        tell!("{}", of_runs(roles.to_string()));
        for label in &self.select {
            let known = runs.iter().any(|run| run.name == *label);
            ensure!(known, "{}: --select {label}: no such run", file.display());
        }
        let wanted = |name: &str| self.select.is_empty() || self.select.iter().any(|s| s == name);
        let all: usize = runs.iter().map(|run| run.values.len()).sum();
        let selected = runs.into_iter().filter(|run| wanted(&run.name));
        let series: Vec<Series> = selected
            .map(|run| Series {
                steps: run.steps.map(|steps| Steps {
                    from_zero: steps.first() == Some(&0.0),
                    of_rows: {
                        let rows = steps.into_iter().zip(&run.values);
                        let logged = rows.filter(|(_, value)| !value.is_nan());
                        logged.map(|(step, _)| step).collect()
                    },
                }),
                values: logged_values(run.values),
                name: run.name,
            })
            .collect();
        let left: usize = series.iter().map(|series| series.values.len()).sum();
        if self.select.is_empty() && left < all {
            tell!("{} of {all} rows have no value of {column}", all - left);
        }
        ensure!(
            series.iter().any(|series| !series.values.is_empty()),
            "{}: no row has a value of {column}",
            file.display()
        );
        Ok(series)
    }

    fn simulated(
        &self,
        function: Function,
        column: &str,
        seed: u64,
    ) -> anyhow::Result<Vec<Series>> {
        let descent = self.descent(function)?;
        let parameters = descent.landscape.parameters();
        let parameter = parameters.iter().position(|name| *name == column);
        ensure!(
            parameter.is_some() || column == "loss",
            "{column}: simulated runs have loss, {}",
            parameters.join(", ")
        );
        let run = |number: u64| descent.run(&descent.start(seed, number), seed, number);
        let runs: Vec<_> = (0..self.runs as u64).map(run).collect();
        if let Some(path) = &self.save {
            let mut columns = vec![
                ("run_id".to_owned(), Column::Integer(Vec::new())),
                ("step".to_owned(), Column::Integer(Vec::new())),
                ("loss".to_owned(), Column::Real(Vec::new())),
            ];
            let rows = |r: usize| std::iter::repeat_n(r as i64, self.steps);
            columns[0].1 = Column::Integer((0..self.runs).flat_map(rows).collect());
            let steps = |_| 0..self.steps as i64;
            columns[1].1 = Column::Integer((0..self.runs).flat_map(steps).collect());
            columns[2].1 = Column::Real(runs.iter().flat_map(|run| run.loss.clone()).collect());
            for (p, name) in parameters.iter().enumerate() {
                let values = runs
                    .iter()
                    .flat_map(|run| run.parameters.column(p).to_vec());
                columns.push(((*name).to_owned(), Column::Real(values.collect())));
            }
            let table = Table::new(columns).context("columns of equal length")?;
            table.write(path)?;
        }
        let series = |(number, run): (usize, crate::convergence::DescentRun)| Series {
            name: number.to_string(),
            steps: None,
            values: match parameter {
                Some(parameter) => run.parameters.column(parameter).to_vec(),
                None => run.loss,
            },
        };
        Ok(runs.into_iter().enumerate().map(series).collect())
    }
}

/// Returns the values of the rows that log a metric. A run diverges if it ends with more than twice
/// as many rows without a value as between any two values: its last value is then NaN.
fn logged_values(values: Vec<f64>) -> Vec<f64> {
    let mut logged = Vec::new();
    let (mut gap, mut longest) = (0, 0);
    for value in values {
        if value.is_nan() {
            gap += 1;
            continue;
        }
        longest = longest.max(gap);
        gap = 0;
        logged.push(value);
    }
    if !logged.is_empty() && gap > 2 * longest {
        logged.push(f64::NAN);
    }
    logged
}

#[cfg(test)]
mod tests {
    use super::{Series, Steps, in_words_of_logs, logged_values};

    /// Fault: the end was a row number even for logs with a row every hundred steps.
    #[test]
    fn ends_are_steps_of_the_log() {
        let series = |steps| Series {
            name: String::new(),
            values: vec![1.0; 10],
            steps,
        };
        let of = |first: u32, stride: u32| {
            let of_rows = (0..10).map(|row| f64::from(first + row * stride));
            series(Some(Steps {
                of_rows: of_rows.collect(),
                from_zero: first < stride,
            }))
        };
        assert_eq!(series(None).rows_until(300), 300);
        // Ten steps are made in rows 0 to 9, and in rows 1 to 10.
        assert_eq!([of(0, 1).rows_until(10), of(1, 1).rows_until(10)], [10, 10]);
        assert_eq!(
            [of(0, 1).rows_until(300), of(1, 1).rows_until(300)],
            [300, 300]
        );
        assert_eq!(
            [of(0, 100).rows_until(5000), of(100, 100).rows_until(5000)],
            [50, 50]
        );
        assert_eq!(
            [of(0, 100).rows_until(500), of(100, 100).rows_until(500)],
            [5, 5]
        );
        assert_eq!(
            [of(100, 100).rows_until(5099), of(0, 100).rows_until(5001)],
            [50, 51]
        );
        // A metric that is logged in every tenth row of a log from 0.
        assert_eq!(
            [of(9, 10).rows_until(100), of(9, 10).rows_until(600)],
            [10, 60]
        );
        assert_eq!(
            [of(100, 100).step_of(0), of(100, 100).step_of(49)],
            [100, 5000]
        );
        let stands = Steps {
            of_rows: vec![3.0; 10],
            from_zero: false,
        };
        assert_eq!(series(Some(stands)).rows_until(7), 7);
    }

    /// Fault: messages named flags and roles of other commands.
    #[test]
    fn messages_of_the_readers_have_the_words_of_logs() {
        for (says, said) in [
            (
                "log.csv: no column fits \"los\" for state; the file has step, loss",
                "log.csv: no column fits \"los\" for --metric; the file has step, loss",
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
            assert_eq!(in_words_of_logs(says.to_owned(), "--metric"), said);
        }
    }

    #[test]
    fn rows_without_the_metric_are_left_out_and_a_lost_end_is_not() {
        let none = f64::NAN;
        let kept = |values: &[f64]| logged_values(values.to_vec());
        assert_eq!(kept(&[none, 1.0, none, 2.0, none, none]), [1.0, 2.0]);
        let diverged = kept(&[none, 1.0, none, 2.0, none, none, none]);
        assert_eq!(diverged[..2], [1.0, 2.0]);
        assert!(diverged.len() == 3 && diverged[2].is_nan());
        assert!(kept(&[1.0, 2.0, none])[2].is_nan());
        assert!(kept(&[none, none]).is_empty());
    }
}
