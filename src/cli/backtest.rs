//! `statecast backtest`: forecasts from many origins, scored beside simple rules.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::experts::{BandArguments, ExpertArguments, Models};
use super::input::{Columns, ModelArguments};
use super::progress::Progress;
use crate::backtest::{
    BacktestSettings, MethodSummary, Results, Summary, Windows, run as backtest, summarise,
};
use crate::forecast::{Forecaster, Settings, Variables, Weights};
use crate::metrics::Estimate;
use crate::model::Work;
use crate::output::{Column, Table, TableFormat, write_atomically, write_manifest};
use crate::report::{self, About, WeightHistory};

/// Forecast from many origins of recordings and score what came, beside simple rules
///
/// Every method reads the same contexts. It continues each along sampled paths, and it predicts the
/// same rows one by one as they are observed. Actions of the rows that are forecast are given to all.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast backtest run.csv --context 300 --horizon 20 --windows 50\n  \
    statecast backtest a.npz b.npz --models builtin,mixture,linear --recalibrate online\n  \
    statecast backtest run.csv --report report.html\n  \
    statecast backtest run.csv --output scores.parquet     # every score, a row each")]
pub(super) struct Arguments {
    /// Trajectory files with the same columns: CSV, NPZ, NPY or Parquet
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    model: ModelArguments,
    /// Methods: persistence, mean, ar, linear, knn, mlp, mixture, builtin or any other model's source
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "builtin,mixture,ar,linear,knn,persistence,mean"
    )]
    models: Vec<String>,
    /// Methods that the mixture is made of
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "builtin,ar,linear,knn"
    )]
    experts: Vec<String>,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    #[command(flatten)]
    bands: BandArguments,
    /// Rows of context before a forecast
    #[arg(long, default_value_t = 300, value_name = "ROWS")]
    context: usize,
    /// Steps of a forecast
    #[arg(long, default_value = "20")]
    horizon: NonZeroUsize,
    /// Windows of an episode, spread evenly
    #[arg(long, default_value = "20")]
    windows: NonZeroUsize,
    /// Sample paths of a forecast
    #[arg(long, default_value = "50")]
    samples: NonZeroUsize,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Table of all scores of the sampled forecasts: .csv, .json or .parquet; beside it a manifest
    /// with the summary
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Page with tables, calibration and horizon curves (.html), readable without a network
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    program: &'static str,
    version: &'static str,
    command: &'static str,
    inputs: Vec<String>,
    series: &'a [String],
    method: String,
    context: usize,
    horizon: usize,
    samples: usize,
    seed: u64,
    experts: &'a [String],
    summary: &'a Summary,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(output) = &arguments.output {
        TableFormat::of(output)?;
    }
    ensure!(
        arguments.samples.get() > 1,
        "--samples 1: a score needs at least 2"
    );
    if let Some(report) = &arguments.report {
        let html = report.extension().is_some_and(|e| e == "html");
        ensure!(html, "{}: reports are written as .html", report.display());
    }
    let settings = arguments.model.settings()?;
    let windows = Windows::new(arguments.context, arguments.horizon, arguments.windows)?;
    let series = arguments.series(settings, &windows)?;
    let needed: Vec<String> = arguments.needed();
    let models = Models::load(&needed, &arguments.model, arguments.work(&series))?;
    let methods: Vec<Forecaster> = arguments.uncertainty.methods(
        &arguments.models,
        &arguments.experts,
        &models,
        settings,
        &arguments.bands,
    )?;
    for method in &methods {
        let longest = method.longest_context(2 * arguments.horizon.get());
        ensure!(
            arguments.context <= longest,
            "{}: its window leaves room for {longest} rows of context, --context is {}",
            method.name(),
            arguments.context
        );
    }
    let backtest_settings = BacktestSettings {
        windows,
        samples: arguments.samples,
        seed: arguments.seed,
    };
    let progress = Progress::new("backtest");
    let results = backtest(&series, &methods, &backtest_settings, &|share| {
        progress.show(share)
    })?;
    drop(progress);
    let summary = summarise(&results, &windows, arguments.seed);
    print!("{}", text(&summary));
    if results.saturated > 0 {
        eprintln!(
            "warning: {} value(s) lay outside the axis of their context and were moved to its end \
             where densities were scored",
            results.saturated
        );
    }
    if let Some(path) = &arguments.report {
        let weights = arguments.weights(&series, &models, settings)?;
        let page = report::html(&arguments.about(), &results, &summary, weights.as_ref())?;
        write_atomically(path, |file| file.write_all(page.as_bytes()))?;
        eprintln!("report: {}", path.display());
    }
    let Some(output) = &arguments.output else {
        return Ok(());
    };
    table(&results)?.write(output)?;
    let manifest = Manifest {
        program: "statecast",
        version: env!("CARGO_PKG_VERSION"),
        command: "backtest",
        inputs: arguments
            .files
            .iter()
            .map(|f| f.display().to_string())
            .collect(),
        series: &results.series,
        method: settings.method.to_string(),
        context: arguments.context,
        horizon: arguments.horizon.get(),
        samples: arguments.samples.get(),
        seed: arguments.seed,
        experts: &arguments.experts,
        summary: &summary,
    };
    Ok(write_manifest(output, &manifest)?)
}

impl Arguments {
    /// Methods and the mixture's experts, if there is a mixture.
    fn needed(&self) -> Vec<String> {
        let mixed = self.models.iter().any(|name| name == "mixture");
        let experts = self.experts.iter().filter(|_| mixed);
        self.models.iter().chain(experts).cloned().collect()
    }

    /// The episodes of all files that are long enough for a window.
    fn series(
        &self,
        settings: Settings,
        windows: &Windows,
    ) -> anyhow::Result<Vec<(String, Variables)>> {
        let mut series: Vec<(String, Variables)> = Vec::new();
        let mut short = 0;
        for file in &self.files {
            let trajectory = self.columns.read(file)?;
            let episodes = self.columns.episodes(file, &trajectory)?;
            let several = episodes.len() > 1;
            for episode in episodes {
                let values = Variables::of(
                    &trajectory,
                    episode,
                    settings.method,
                    self.model.with_reward,
                );
                if windows.origins(values.rows()).is_empty() {
                    short += 1;
                    continue;
                }
                if let Some((first, known)) = series.first() {
                    ensure!(
                        known.names == values.names,
                        "{}: its columns are not those of {first}",
                        file.display()
                    );
                }
                series.push((name(file, several.then(|| episode.name())), values));
            }
        }
        let rows = self.context + self.horizon.get();
        ensure!(
            !series.is_empty(),
            "no episode has the {rows} rows of a window: use a shorter --context or --horizon"
        );
        if short > 0 {
            eprintln!("warning: {short} episode(s) have fewer than {rows} rows and are left out");
        }
        Ok(series)
    }

    fn about(&self) -> About {
        let files = self.files.iter();
        let files: Vec<String> = files.map(|file| name(file, None)).collect();
        let settings = [
            ("context", self.context.to_string()),
            ("horizon", self.horizon.to_string()),
            ("paths", self.samples.to_string()),
            ("method", self.model.method.to_string()),
            ("mixture of", self.experts.join(", ")),
        ];
        About {
            title: format!("Backtest of {}", files.join(", ")),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }
    }

    /// Weights of the mixture's experts over the last context of the first series, if there is a
    /// mixture.
    fn weights(
        &self,
        series: &[(String, Variables)],
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Option<WeightHistory>> {
        let Some((name, values)) = series.first() else {
            return Ok(None);
        };
        if !self.models.iter().any(|name| name == "mixture") {
            return Ok(None);
        }
        let end = values.rows() - self.horizon.get();
        let context = values.slice(end - self.context..end);
        let mut experts = Vec::new();
        let mut readings = Vec::new();
        for expert in self.uncertainty.experts(&self.experts, models, settings) {
            let forecaster = Forecaster::of(expert, settings);
            experts.push(forecaster.name());
            readings.push(forecaster.read(&context)?);
        }
        let channels = readings[0].encoding().channel_names().to_vec();
        let of_channel = |c: usize| {
            let mut weights = Weights::even(readings.len());
            let row = |t: usize| {
                let given = readings.iter().map(|reading| {
                    let one_step = reading.one_step();
                    let cell = one_step.cells()[[t, c]];
                    one_step.density(t, c).log_score(cell).exp() * cell.width()
                });
                weights.learn(&given.collect::<Vec<_>>(), self.uncertainty.share());
                weights.get().to_vec()
            };
            (0..self.context).map(row).collect()
        };
        Ok(Some(WeightHistory {
            experts,
            weights: (0..channels.len()).map(of_channel).collect(),
            channels,
            of: format!("the last context of {name}"),
        }))
    }

    fn work(&self, series: &[(String, Variables)]) -> Work {
        Work {
            channels: series.first().map_or(1, |(_, values)| values.names.len()),
            rows: self.context,
            paths: self.samples.get(),
            horizon: self.horizon.get(),
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

/// The summary as two tables.
fn text(summary: &Summary) -> String {
    let estimate = |e: &Estimate| format!("{:.3} [{:.3}, {:.3}]", e.mean, e.low, e.high);
    let mut rows = vec![
        [
            "one step ahead",
            "log score",
            "less first",
            "CRPS",
            "in 90 %",
            "KS",
        ]
        .map(str::to_owned),
    ];
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for m in &summary.methods {
        let MethodSummary {
            log_score,
            log_score_difference: difference,
            one_step_crps,
            one_step_calibration: calibration,
            ..
        } = m;
        rows.push([
            m.name.clone(),
            estimate(log_score),
            estimate(difference),
            format!("{:.4}", one_step_crps.mean),
            percent(calibration.coverage_90),
            format!("{:.3}", calibration.ks),
        ]);
    }
    let mut text = aligned(&rows);
    let mut rows = vec![
        [
            "paths",
            "CRPS / std",
            "less first",
            "energy",
            "in 90 %",
            "MASE",
        ]
        .map(str::to_owned),
    ];
    for m in &summary.methods {
        rows.push([
            m.name.clone(),
            estimate(&m.crps),
            estimate(&m.crps_difference),
            format!("{:.3}", m.energy.mean),
            percent(m.calibration.coverage_90),
            format!("{:.3}", m.mase),
        ]);
    }
    text += "\n";
    text += &aligned(&rows);
    text += &format!(
        "\n{} windows; means with 95 % intervals; \"less first\" is the difference from {}.\n\
         Log scores: nats per unit of the context's axis, higher is better; CRPS and energy: lower.\n",
        summary.windows, summary.methods[0].name
    );
    for m in summary
        .methods
        .iter()
        .filter(|m| m.residuals.matter())
        .take(1)
    {
        if let Some((a, b, r)) = m.residuals.largest {
            text += &format!(
                "Residuals of {} and {} go together (correlation {r:.2} for {}): bands of each \
                 variable stand, sums and differences of variables may be off; try --method dicl-s.\n",
                summary.channels[a], summary.channels[b], m.name
            );
        }
    }
    text
}

/// Columns as wide as their widest cell, the first one to the left.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |c: usize| {
        rows.iter()
            .map(|row| row[c].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let mut line = format!("{:<w$}", row[0], w = widths[0]);
        for (cell, w) in row.iter().zip(widths).skip(1) {
            line += &format!("  {cell:>w$}");
        }
        line + "\n"
    };
    rows.iter().map(line).collect()
}

/// One row a method, series, origin, step and variable.
fn table(results: &Results) -> anyhow::Result<Table> {
    let steps = &results.steps;
    let text = |of: &dyn Fn(usize) -> String| Column::Text((0..steps.len()).map(of).collect());
    let whole = |of: &dyn Fn(usize) -> usize| {
        Column::Integer((0..steps.len()).map(|i| of(i) as i64).collect())
    };
    let real = |of: &dyn Fn(usize) -> f64| Column::Real((0..steps.len()).map(of).collect());
    let columns = [
        ("series", text(&|i| results.series[steps[i].series].clone())),
        ("origin", whole(&|i| steps[i].origin)),
        (
            "method",
            text(&|i| results.methods[steps[i].method].clone()),
        ),
        ("step", whole(&|i| steps[i].step)),
        (
            "variable",
            text(&|i| results.variables[steps[i].variable].clone()),
        ),
        ("observed", real(&|i| steps[i].observed)),
        ("mean", real(&|i| steps[i].mean)),
        ("median", real(&|i| steps[i].median)),
        ("q0.05", real(&|i| steps[i].interval.0)),
        ("q0.95", real(&|i| steps[i].interval.1)),
        ("crps", real(&|i| steps[i].crps)),
        ("interval_score", real(&|i| steps[i].interval_score)),
        ("pit", real(&|i| steps[i].pit)),
    ];
    let columns = columns.map(|(name, column)| (name.to_owned(), column));
    Table::new(columns.into()).context("the table's columns differ in length")
}
