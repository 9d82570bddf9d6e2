//! Shared parts of the commands that forecast from many origins.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::calendar::{CalendarArguments, tell_cycles};
use super::endings::{is_standard_output, written_as};
use super::input::Columns;
use super::outputs::{Ending, file_name};
use super::residual::{Names, ResidualArguments};
use crate::backtest::WeightHistory;
use crate::backtest::{BacktestSettings, BacktestSummary, Windows};
use crate::cli::terminal::Terminal;
use crate::forecast::{Forecaster, Settings, Variables};
use crate::forecasters::{ForecasterName, System};
use crate::metrics::Evidence;
use crate::model::Work;
use crate::output::{Bundle, Manifest, TableFormat};
use crate::report::{self, About};
use crate::study::{Backtest, BacktestSeries};

#[derive(Debug, Args)]
pub(super) struct WindowArguments {
    /// Recording files with the same columns, in any format that forecast reads
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) columns: Columns,
    /// Rows of context before a forecast
    #[arg(long, default_value_t = 300, value_name = "ROWS")]
    pub(super) context: usize,
    /// Steps of a forecast
    #[arg(long, default_value = "20")]
    pub(super) horizon: NonZeroUsize,
    /// Windows per episode, evenly spaced
    #[arg(long, default_value = "20")]
    windows: NonZeroUsize,
    /// Sample paths per forecast
    #[arg(long, default_value = "50")]
    samples: NonZeroUsize,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Table of all scores of the sampled forecasts: .csv, .json or .parquet; with NAME.one-step.* for
    /// the one-step densities, and a manifest with the summary
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Self-contained HTML report with tables, calibration and horizon curves
    #[arg(long)]
    report: Option<PathBuf>,
    #[command(flatten)]
    residual: ResidualArguments,
    #[command(flatten)]
    pub(super) calendar: CalendarArguments,
}

#[derive(Serialize)]
struct Run<'a> {
    inputs: Vec<String>,
    series: &'a [String],
    method: String,
    context: usize,
    horizon: usize,
    samples: usize,
    seed: u64,
    experts: Vec<String>,
    simulator: Option<String>,
    period: Option<usize>,
    summary: &'a BacktestSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<[Evidence; 2]>,
}

/// A backtest and how it was made.
pub(super) struct Study<'a> {
    /// Name of the command.
    pub(super) command: &'static str,
    pub(super) experts: &'a [ForecasterName],
    pub(super) settings: Settings,
    pub(super) found: &'a Backtest,
    /// Evidence against the calibration of original and recalibrated densities, where it was asked for.
    pub(super) evidence: Option<[Evidence; 2]>,
}

/// Where the table of one step stands, beside that of all.
pub(super) fn one_step_path(output: &Path) -> PathBuf {
    let format = output.extension().unwrap_or_default().to_string_lossy();
    output.with_extension(format!("one-step.{format}"))
}

impl WindowArguments {
    /// Checks what can be checked before anything is read, and returns the windows.
    pub(super) fn windows(&self) -> anyhow::Result<Windows> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        ensure!(
            self.samples.get() > 1,
            "--samples 1: a score needs at least 2"
        );
        written_as(self.report.as_ref(), &["html"])?;
        Ok(Windows::new(self.context, self.horizon, self.windows)?)
    }

    /// The episodes of all files that are long enough for a window.
    pub(super) fn series(
        &self,
        settings: Settings,
        windows: Windows,
        with_reward: bool,
    ) -> anyhow::Result<BacktestSeries> {
        self.residual.check(settings.method)?;
        let series = BacktestSeries::new(windows, settings.method, with_reward);
        let mut series = series.with_same_actions(self.residual.simulator().is_some());
        for file in &self.files {
            let recording = self.columns.read_scored(file)?;
            let episodes = self.columns.episodes(file, &recording)?;
            series.add(&file_name(file), &recording, &episodes)?;
        }
        series.all()?;
        Ok(series)
    }

    /// What is known about the system, its simulator started.
    pub(super) fn system(&self, series: &BacktestSeries) -> anyhow::Result<System> {
        let names = Names {
            channels: series
                .all()?
                .first()
                .map_or(&[], |(_, values)| &values.names),
            actions: series.actions(),
        };
        self.residual.start(&names, self.context)
    }

    /// The size of a forecast.
    pub(super) fn work(&self, series: &[(String, Variables)]) -> Work {
        Work {
            channels: series.first().map_or(1, |(_, values)| values.names.len()),
            rows: self.context,
            paths: self.samples.get(),
            horizon: self.horizon.get(),
        }
    }

    /// The windows, paths and seed.
    pub(super) fn settings(&self, series: &BacktestSeries) -> BacktestSettings {
        BacktestSettings {
            windows: series.windows(),
            samples: self.samples,
            seed: self.seed,
        }
    }

    /// Forecasts from all origins by all methods.
    pub(super) fn run(
        &self,
        command: &'static str,
        series: &BacktestSeries,
        methods: &[Forecaster],
    ) -> anyhow::Result<Backtest> {
        let settings = self.settings(series);
        self.tell_cycles(series, methods)?;
        let terminal = Terminal::new(command);
        Ok(Backtest::run(series, methods, settings, &terminal)?)
    }

    /// Says which cycles of the calendar are read in the first window.
    pub(super) fn tell_cycles(
        &self,
        series: &BacktestSeries,
        methods: &[Forecaster],
    ) -> anyhow::Result<()> {
        if let Some((_, first)) = series.all()?.first() {
            tell_cycles(methods, &first.slice(0..self.context.min(first.rows())));
        }
        Ok(())
    }

    /// True if a report is wanted.
    pub(super) fn reports(&self) -> bool {
        self.report.is_some()
    }

    /// The table to write, if there is one.
    pub(super) fn output(&self) -> Option<&PathBuf> {
        self.output.as_ref()
    }

    /// Writes the report and the table that were asked for.
    pub(super) fn write(
        &self,
        study: &Study,
        weights: Option<&WeightHistory>,
        ending: &mut Ending,
    ) {
        if let Some(path) = &self.report {
            let Backtest { results, summary } = study.found;
            ending.report(path, || {
                report::backtest(&self.about(study), results, summary, weights)
            });
        }
        if let Some(output) = &self.output {
            ending.write(|| self.write_tables(study, output));
        }
    }

    fn write_tables(&self, study: &Study, output: &Path) -> anyhow::Result<()> {
        let mut bundle = Bundle::new();
        bundle.add_table(output, &study.found.table())?;
        if !is_standard_output(output) {
            bundle.add_table(&one_step_path(output), &study.found.one_step_table())?;
        }
        let inputs = self.files.iter().map(|f| f.display().to_string());
        let run = Run {
            inputs: inputs.collect(),
            series: &study.found.results.series,
            method: study.settings.method.to_string(),
            context: self.context,
            horizon: self.horizon.get(),
            samples: self.samples.get(),
            seed: self.seed,
            experts: study.experts.iter().map(ToString::to_string).collect(),
            simulator: self.residual.simulator(),
            period: self.residual.period(),
            summary: &study.found.summary,
            evidence: study.evidence,
        };
        Ok(bundle.finish(output, &Manifest::new(study.command, &run))?)
    }

    fn about(&self, study: &Study) -> About {
        let files = self.files.iter();
        let files: Vec<String> = files.map(|file| file_name(file)).collect();
        let mut settings = vec![
            ("context", self.context.to_string()),
            ("horizon", self.horizon.to_string()),
            ("paths", self.samples.to_string()),
            ("method", study.settings.method.to_string()),
        ];
        if let Some(command) = self.residual.simulator() {
            settings.push(("simulator", command));
        }
        if let Some(period) = self.residual.period() {
            settings.push(("period", period.to_string()));
        }
        if study.experts.len() > 1 {
            let names: Vec<String> = study.experts.iter().map(ToString::to_string).collect();
            settings.push(("mixture of", names.join(", ")));
        }
        let title = match study.command {
            "calibrate" => "Calibration on",
            _ => "Backtest of",
        };
        let settings = settings.into_iter();
        About {
            title: format!("{title} {}", files.join(", ")),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// Columns as wide as their widest cell, the first one to the left.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    aligned_rows(&rows)
}

/// The same, for rows of equal length.
pub(super) fn aligned_rows(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| {
        rows.iter()
            .map(|row| row[c].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(c, (cell, w))| match c {
            0 => format!("{cell:<w$}"),
            _ => format!("  {cell:>w$}"),
        });
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}
