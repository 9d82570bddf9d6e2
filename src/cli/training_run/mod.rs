//! `statecast training-run`: convergence of optimisation runs.

mod minima;
mod settling;
mod source;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::endings::written_as;
use super::experts::{BandArguments, ExpertArguments, NameList, load};
use super::model_arguments::ModelArguments;
use crate::forecast::Method;
use crate::forecasters::{ForecasterName, Forecasters};
use crate::model::{ModelInfo, Work};
use crate::output::{Manifest, write_json};
use crate::study::SettlingSettings;
use crate::study::convergence::{POOL_MEMBERS, PoolMember};
use source::Source;

/// Forecast where a metric of optimisation runs settles, or which minimum runs reach
///
/// A log has one row per step and one column per metric or parameter; a column (--run) identifies
/// the runs. Rows without the metric are left out. The settling value is the mean of the metric
/// over the last tenth of the steps until --until. With --minima COLUMN, forecasters read runs of a
/// parameter and predict the minima that runs reach from new starts.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast training-run log.csv --metric loss --until 10000\n  \
    statecast training-run runs.csv --run seed --metric val_loss --until 5000 --prefix 1000   # scored against the actual values\n  \
    statecast training-run --simulate quadratic --runs 20 --steps 2000 --prefix 500 --until 2000\n  \
    statecast training-run --simulate double-well --minima x --noise 1")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Column to forecast
    #[arg(
        long,
        default_value = "loss",
        value_name = "COLUMN",
        help_heading = "Settling value"
    )]
    metric: String,
    /// End step of the forecast; a row number among those with the metric, if the log has no step
    /// column
    #[arg(long, value_name = "STEP", help_heading = "Settling value")]
    until: Option<usize>,
    /// Forecast from this number of rows of every run; later rows score the forecast [default: all]
    #[arg(long, value_name = "ROWS", help_heading = "Settling value")]
    prefix: Option<usize>,
    /// Number of blocks over which all steps until the end are averaged
    #[arg(
        long,
        default_value = "300",
        value_name = "COUNT",
        help_heading = "Settling value"
    )]
    blocks: NonZeroUsize,
    /// Probability of the interval
    #[arg(
        long,
        default_value_t = 0.9,
        value_name = "PROBABILITY",
        help_heading = "Settling value"
    )]
    level: f64,
    /// Parameter whose minima are forecast, a column
    #[arg(
        long,
        value_name = "COLUMN",
        conflicts_with_all = ["until", "prefix"],
        help_heading = "Minima"
    )]
    minima: Option<String>,
    /// Positions of the minima [default: those of the function, or where the context runs end]
    #[arg(
        long,
        requires = "minima",
        value_delimiter = ',',
        value_name = "POSITIONS",
        allow_hyphen_values = true,
        help_heading = "Minima"
    )]
    at: Vec<f64>,
    /// Runs in the context; the others give unseen starts and their actual minima
    #[arg(
        long,
        alias = "shown",
        default_value_t = 10,
        requires = "minima",
        value_name = "COUNT",
        help_heading = "Minima"
    )]
    context_runs: usize,
    /// Forecasters, the main one first: pool, power-law, exponential, trend, last (settling values
    /// only), persistence, mean, ar, linear, knn, mixture, builtin or any other model's source
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    models: Option<Vec<String>>,
    /// Forecasters whose draws of the settling value are pooled; NAME=WEIGHT lowers the weight of
    /// one
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = POOL_MEMBERS,
        help_heading = "Settling value"
    )]
    pool: Vec<PoolMember>,
    /// Members of the mixture
    #[arg(long, value_name = "NAMES", default_value = "builtin,ar,linear")]
    experts: Vec<NameList>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    #[command(flatten)]
    bands: BandArguments,
    /// Sample paths per forecast
    #[arg(long, default_value = "100")]
    samples: NonZeroUsize,
    /// Random seed of runs and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// JSON file of all results
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Figure (.svg or .png) of the first runs with the pool, or the first forecaster with paths
    #[arg(long)]
    figure: Option<PathBuf>,
}

/// Contents of the output file.
#[derive(Serialize)]
struct Run<'a, T: Serialize> {
    source: String,
    models: Vec<ModelInfo>,
    settings: String,
    recalibrated: bool,
    seed: u64,
    samples: usize,
    #[serde(flatten)]
    result: &'a T,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = arguments.check()?;
    let column = arguments.minima.as_ref().unwrap_or(&arguments.metric);
    let runs = arguments.source.read(column, arguments.seed)?;
    match &arguments.minima {
        Some(_) => minima::run(&arguments, &runs),
        None => settling::run(&arguments, settings, &runs),
    }
}

impl Arguments {
    /// Checks what can be checked before anything is read, and returns what is forecast of a metric.
    fn check(&self) -> anyhow::Result<SettlingSettings> {
        written_as(self.output.as_ref(), &["json"])?;
        written_as(self.figure.as_ref(), &["svg", "png"])?;
        let mut settings = SettlingSettings::new(self.until.unwrap_or(0));
        settings.prefix = self.prefix;
        settings.blocks = self.blocks;
        settings.level = self.level;
        settings.samples = self.samples;
        settings.seed = self.seed;
        settings.forecast = self.model.settings(self.model.published_method())?;
        settings.combining = self.bands.of(self.uncertainty.combining());
        settings.block_forecasts = match self.figure {
            Some(_) => settling::MAX_SHOWN,
            None => 0,
        };
        settings.check()?;
        PoolMember::check(&self.pool)?;
        ensure!(
            self.minima.is_some() || self.until.is_some(),
            "name the end step with --until"
        );
        Ok(settings)
    }

    /// Loads forecasters for runs of so many rows.
    fn load(
        &self,
        names: &[ForecasterName],
        rows: usize,
        horizon: usize,
    ) -> anyhow::Result<Forecasters> {
        let work = Work {
            channels: 1,
            rows,
            paths: self.samples.get(),
            horizon,
        };
        load(names, &self.model, work)
    }

    fn write<T: Serialize>(&self, forecasters: &Forecasters, result: &T) -> anyhow::Result<()> {
        let Some(output) = &self.output else {
            return Ok(());
        };
        let run = Run {
            source: self.source.described(),
            models: forecasters.model_infos()?,
            settings: self.model.described(Method::Vicl),
            recalibrated: self.uncertainty.recalibrates(),
            seed: self.seed,
            samples: self.samples.get(),
            result,
        };
        Ok(write_json(output, &Manifest::new("training-run", &run))?)
    }
}
