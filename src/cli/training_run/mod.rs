//! `statecast training-run`: convergence of optimisation runs.

mod minima;
mod pool;
mod settling;
mod source;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::endings::written_as;
use super::experts::{BandArguments, ExpertArguments, NameList, load, names};
use super::input::ModelArguments;
use crate::forecast::Method;
use crate::forecasters::{ForecasterName, Forecasters};
use crate::model::{ModelInfo, Work};
use crate::output::{Manifest, write_json};
use pool::Member;
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
        default_value_t = 10,
        requires = "minima",
        value_name = "COUNT",
        help_heading = "Minima"
    )]
    shown: usize,
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
        default_value = "builtin,ar,power-law,exponential,trend=0.5",
        help_heading = "Settling value"
    )]
    pool: Vec<Member>,
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

/// Largest number of sample paths: with the most blocks they take 800 MB.
const MAX_SAMPLES: usize = 10_000;

/// Name of the pool.
const POOL: &str = "pool";

/// Forecasters of settling values that are not predictors.
const CURVES: [&str; 5] = ["power-law", "exponential", "trend", "last", POOL];

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
    found: &'a T,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.check()?;
    let runs = arguments.source.read(&arguments)?;
    match &arguments.minima {
        Some(parameter) => minima::run(&arguments, &runs, parameter),
        None => settling::run(&arguments, &runs),
    }
}

impl Arguments {
    /// Checks what can be checked before anything is read.
    fn check(&self) -> anyhow::Result<()> {
        written_as(self.output.as_ref(), &["json"])?;
        written_as(self.figure.as_ref(), &["svg", "png"])?;
        ensure!(
            self.level > 0.0 && self.level < 1.0,
            "--level {}: needs a probability between 0 and 1",
            self.level
        );
        ensure!(
            (10..=MAX_SAMPLES).contains(&self.samples.get()),
            "--samples {}: an interval needs 10 to {MAX_SAMPLES}",
            self.samples
        );
        ensure!(
            self.model.published_method() == Method::Vicl,
            "--method {}: a metric is one channel",
            self.model.published_method()
        );
        ensure!(
            self.model.settings(Method::Vicl)?.scale == crate::codec::Scale::MinMax,
            "--scale: the axis of a metric is determined by its values"
        );
        ensure!(
            !self.pool.is_empty() && self.pool.iter().all(|member| member.name != POOL),
            "--pool: needs forecasters other than itself"
        );
        if self.minima.is_none() {
            ensure!(self.until.is_some(), "name the end step with --until");
        }
        Ok(())
    }

    /// Returns the requested forecasters, or the default ones.
    fn names(&self) -> Vec<String> {
        let usual: &[&str] = match self.minima {
            Some(_) => &["builtin", "mixture", "ar", "linear", "knn", "persistence"],
            None => &[
                POOL,
                "builtin",
                "power-law",
                "exponential",
                "trend",
                "ar",
                "persistence",
                "last",
            ],
        };
        let usual = || usual.iter().map(|&name| name.to_owned()).collect();
        self.models.clone().unwrap_or_else(usual)
    }

    /// Returns the distinct forecasters, including pooled ones.
    fn needed(&self) -> Vec<String> {
        let mut names = self.names();
        if names.iter().any(|name| name == POOL) {
            names.extend(self.pool.iter().map(|member| member.name.clone()));
        }
        let mut needed: Vec<String> = Vec::new();
        for name in names {
            if name != POOL && !needed.contains(&name) {
                needed.push(name);
            }
        }
        needed
    }

    /// Returns the forecaster of a name; a mixture without named members gets the experts.
    fn forecaster(&self, name: &str) -> anyhow::Result<ForecasterName> {
        let forecaster = name.parse().with_context(|| name.to_owned())?;
        Ok(match forecaster {
            ForecasterName::Mixture(members) if members.is_empty() => {
                ForecasterName::mixture(names(&self.experts))
            }
            forecaster => forecaster,
        })
    }

    /// Loads the required forecasters.
    fn load(&self, rows: usize, horizon: usize) -> anyhow::Result<Forecasters> {
        let needed = self.needed().into_iter();
        let needed = needed.filter(|name| !CURVES.contains(&name.as_str()));
        let names = needed.map(|name| self.forecaster(&name));
        let names = names.collect::<anyhow::Result<Vec<_>>>()?;
        let work = Work {
            channels: 1,
            rows,
            paths: self.samples.get(),
            horizon,
        };
        load(&names, &self.model, work)
    }

    fn write<T: Serialize>(&self, forecasters: &Forecasters, found: &T) -> anyhow::Result<()> {
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
            found,
        };
        Ok(write_json(output, &Manifest::new("training-run", &run))?)
    }
}
