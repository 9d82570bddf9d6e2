//! Shared parts of the commands that forecast from many origins.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::endings::{is_standard_output, written_as};
use super::input::Columns;
use super::outputs::Ending;
use super::progress::Progress;
use super::residual::{Names, ResidualArguments};
use crate::backtest::{
    BacktestSettings, BacktestSummary, Results, Windows, run as backtest, summarise,
};
use crate::cli::terminal::tell;
use crate::forecast::{Forecaster, Settings, Variables};
use crate::forecasters::{ForecasterName, System};
use crate::model::Work;
use crate::output::{Bundle, Column, Table, TableFormat, write_atomically};
use crate::report::{self, About, WeightHistory};

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
}

/// Episodes that are long enough for a window.
pub(super) struct Episodes {
    /// Names and values.
    pub(super) series: Vec<(String, Variables)>,
    /// Names of the actions.
    actions: Vec<String>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    program: &'static str,
    version: &'static str,
    command: &'a str,
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
}

/// Forecasts of recordings and what they say.
pub(super) struct Study<'a> {
    /// Name of the command.
    pub(super) command: &'static str,
    pub(super) experts: &'a [ForecasterName],
    pub(super) settings: Settings,
    pub(super) results: Results,
    pub(super) summary: BacktestSummary,
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
        windows: &Windows,
        with_reward: bool,
    ) -> anyhow::Result<Episodes> {
        self.residual.check(settings.method)?;
        let mut series: Vec<(String, Variables)> = Vec::new();
        let mut actions = Vec::new();
        let mut short = 0;
        for file in &self.files {
            let recording = self.columns.read(file)?;
            ensure!(
                !with_reward || recording.reward_name().is_some(),
                "{}: --with-reward has no effect: there is no reward column; name it with --reward",
                file.display()
            );
            let episodes = self.columns.episodes(file, &recording)?;
            let several = episodes.len() > 1;
            for episode in episodes {
                let values = Variables::of(&recording, episode, settings.method, with_reward);
                if windows.origins(values.rows()).is_empty() {
                    short += 1;
                    continue;
                }
                if let Some((first, known)) = series.first() {
                    let same_actions = actions == recording.action_names();
                    ensure!(
                        known.names == values.names
                            && (same_actions || self.residual.simulator().is_none()),
                        "{}: its columns are not those of {first}",
                        file.display()
                    );
                }
                actions = recording.action_names().to_vec();
                series.push((name(file, several.then(|| episode.name())), values));
            }
        }
        let rows = self.context + self.horizon.get();
        ensure!(
            !series.is_empty(),
            "no episode has the {rows} rows of a window: use a shorter --context or --horizon"
        );
        if short > 0 {
            tell!("warning: {short} episode(s) have fewer than {rows} rows and are left out");
        }
        Ok(Episodes { series, actions })
    }

    /// What is known about the system, its simulator started.
    pub(super) fn system(&self, episodes: &Episodes) -> anyhow::Result<System> {
        let first = episodes.series.first();
        let names = Names {
            channels: first.map_or(&[], |(_, values)| &values.names),
            actions: &episodes.actions,
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

    /// Forecasts from all origins by all methods; says where values left their axis.
    pub(super) fn forecast(
        &self,
        command: &'static str,
        series: &[(String, Variables)],
        methods: &[Forecaster],
        windows: Windows,
    ) -> anyhow::Result<(Results, BacktestSummary)> {
        for method in methods {
            let longest = method.longest_context_of_paths(2 * self.horizon.get());
            ensure!(
                self.context <= longest,
                "{}: its window leaves room for {longest} rows of context, --context is {}",
                method.name(),
                self.context
            );
        }
        let settings = BacktestSettings {
            windows,
            samples: self.samples,
            seed: self.seed,
        };
        let progress = Progress::new(command);
        let results = backtest(series, methods, &settings, &|share| progress.show(share))?;
        drop(progress);
        if results.clipped > 0 {
            tell!(
                "warning: {} value(s) were outside the bins of their densities: on an axis they are \
                 scored in its last bin, on a residual grid by their distance",
                results.clipped
            );
        }
        let summary = summarise(&results, &windows, self.seed);
        ensure!(
            summary.windows > 0,
            "nothing to score: every variable is constant in every context"
        );
        Ok((results, summary))
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
            ending.write(|| {
                let about = self.about(study);
                let page = report::html(&about, &study.results, &study.summary, weights)?;
                write_atomically(path, |file| file.write_all(page.as_bytes()))?;
                tell!("report: {}", path.display());
                Ok(())
            });
        }
        if let Some(output) = &self.output {
            ending.write(|| self.write_tables(study, output));
        }
    }

    fn write_tables(&self, study: &Study, output: &Path) -> anyhow::Result<()> {
        let mut bundle = Bundle::new();
        bundle.add_table(output, &steps(&study.results)?)?;
        if !is_standard_output(output) {
            bundle.add_table(&one_step_path(output), &one_steps(&study.results)?)?;
        }
        let inputs = self.files.iter().map(|f| f.display().to_string());
        let manifest = Manifest {
            program: "statecast",
            version: env!("CARGO_PKG_VERSION"),
            command: study.command,
            inputs: inputs.collect(),
            series: &study.results.series,
            method: study.settings.method.to_string(),
            context: self.context,
            horizon: self.horizon.get(),
            samples: self.samples.get(),
            seed: self.seed,
            experts: study.experts.iter().map(ToString::to_string).collect(),
            simulator: self.residual.simulator(),
            period: self.residual.period(),
            summary: &study.summary,
        };
        Ok(bundle.finish(output, &manifest)?)
    }

    fn about(&self, study: &Study) -> About {
        let files = self.files.iter();
        let files: Vec<String> = files.map(|file| name(file, None)).collect();
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

fn name(file: &Path, episode: Option<&str>) -> String {
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    match episode {
        Some(episode) => format!("{file}, episode {episode}"),
        None => file.into_owned(),
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

/// One row a method, series, origin, step and variable.
fn steps(results: &Results) -> anyhow::Result<Table> {
    let scores = Scores(&results.steps);
    let columns = [
        ("series", scores.text(|s| &results.series[s.series])),
        ("origin", scores.whole(|s| s.origin)),
        ("method", scores.text(|s| &results.methods[s.method])),
        ("step", scores.whole(|s| s.step)),
        ("variable", scores.text(|s| &results.variables[s.variable])),
        ("observed", scores.real(|s| s.observed)),
        ("mean", scores.real(|s| s.mean)),
        ("median", scores.real(|s| s.median)),
        ("q0.05", scores.real(|s| s.interval.0)),
        ("q0.95", scores.real(|s| s.interval.1)),
        ("crps", scores.real(|s| s.crps)),
        ("interval_score", scores.real(|s| s.interval_score)),
        ("context_std", scores.real(|s| s.spread)),
        ("pit", scores.real(|s| s.pit)),
    ];
    table(columns.into())
}

/// One row a method, series, origin, row and channel.
fn one_steps(results: &Results) -> anyhow::Result<Table> {
    let scores = Scores(&results.one_step);
    let columns = [
        ("series", scores.text(|s| &results.series[s.series])),
        ("origin", scores.whole(|s| s.origin)),
        ("method", scores.text(|s| &results.methods[s.method])),
        ("row", scores.whole(|s| s.row)),
        ("channel", scores.text(|s| &results.channels[s.channel])),
        ("log_score", scores.real(|s| s.log_score)),
        ("crps", scores.real(|s| s.crps)),
        ("pit", scores.real(|s| s.pit)),
        ("std", scores.real(|s| s.sharpness)),
    ];
    table(columns.into())
}

/// Scores that become columns.
struct Scores<'s, T>(&'s [T]);

impl<T> Scores<'_, T> {
    fn text<'r>(&self, of: impl Fn(&T) -> &'r String) -> Column {
        Column::Text(self.0.iter().map(|s| of(s).clone()).collect())
    }

    fn whole(&self, of: impl Fn(&T) -> usize) -> Column {
        Column::Integer(self.0.iter().map(|s| of(s) as i64).collect())
    }

    fn real(&self, of: impl Fn(&T) -> f64) -> Column {
        Column::Real(self.0.iter().map(of).collect())
    }
}

fn table(columns: Vec<(&str, Column)>) -> anyhow::Result<Table> {
    let columns = columns.into_iter();
    let named = columns.map(|(name, column)| (name.to_owned(), column));
    Table::new(named.collect()).context("the table's columns differ in length")
}
