//! `statecast training-run`: where optimisation runs go.

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
use crate::output::write_json;
use pool::Member;
use source::Source;

/// Forecast where a metric of optimisation runs settles, or which minimum runs reach
///
/// A log has one row a step and a column a metric or parameter; several runs are told apart by a column (--run). Rows
/// that do not log the metric are left out. The metric's settling value is its mean over the last tenth of the steps until --until. With --minima COLUMN the runs of
/// a parameter are shown to the forecasters, which then say where runs end from starts that none of them had.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast training-run log.csv --metric loss --until 10000\n  \
    statecast training-run runs.csv --run seed --metric val_loss --until 5000 --prefix 1000   # judged by what came\n  \
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
    /// Step until which runs are forecast; a row of those that log the metric, if the log counts no steps
    #[arg(long, value_name = "STEP", help_heading = "Settling value")]
    until: Option<usize>,
    /// Forecast from so many rows of every run; what comes after them judges the forecast [default: all]
    #[arg(long, value_name = "ROWS", help_heading = "Settling value")]
    prefix: Option<usize>,
    /// Means of rows that all steps until the end are cut into
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
    /// Where the minima are [default: the function's, or where the runs that are shown end]
    #[arg(
        long,
        requires = "minima",
        value_delimiter = ',',
        value_name = "PLACES",
        allow_hyphen_values = true,
        help_heading = "Minima"
    )]
    at: Vec<f64>,
    /// Runs that are shown; the others give unseen starts, and what became of them
    #[arg(
        long,
        default_value_t = 10,
        requires = "minima",
        value_name = "COUNT",
        help_heading = "Minima"
    )]
    shown: usize,
    /// Forecasters, the answer first: pool, power-law, exponential, trend, last (settling values only), persistence,
    /// mean, ar, linear, knn, mixture, builtin or any other model's source
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    models: Option<Vec<String>>,
    /// Forecasters whose draws of the settling value are pooled; NAME=WEIGHT has them count less than those of others
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "builtin,ar,power-law,exponential,trend=0.5",
        help_heading = "Settling value"
    )]
    pool: Vec<Member>,
    /// Forecasters that the mixture is made of
    #[arg(long, value_name = "NAMES", default_value = "builtin,ar,linear")]
    experts: Vec<NameList>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    #[command(flatten)]
    bands: BandArguments,
    /// Sample paths of a forecast
    #[arg(long, default_value = "100")]
    samples: NonZeroUsize,
    /// Seed of runs and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write with all numbers (.json)
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Figure to draw (.svg or .png): the first runs, with the pool, or the first forecaster that has paths where it is not asked for
    #[arg(long)]
    figure: Option<PathBuf>,
}

/// Most sample paths: with the most blocks they take 800 MB.
const MOST_SAMPLES: usize = 10_000;

/// Name of what pools the draws of others.
const POOL: &str = "pool";

/// Forecasters of settling values that are no predictors.
const CURVES: [&str; 5] = ["power-law", "exponential", "trend", "last", POOL];

/// What is written.
#[derive(Serialize)]
struct Manifest<'a, T: Serialize> {
    program: &'static str,
    version: &'static str,
    command: &'static str,
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
            (10..=MOST_SAMPLES).contains(&self.samples.get()),
            "--samples {}: an interval needs 10 to {MOST_SAMPLES}",
            self.samples
        );
        ensure!(
            self.model.published_method() == Method::Vicl,
            "--method {}: a metric is one channel",
            self.model.published_method()
        );
        ensure!(
            self.model.settings(Method::Vicl)?.scale == crate::codec::Scale::MinMax,
            "--scale: a metric's axis follows from its values"
        );
        ensure!(
            !self.pool.is_empty() && self.pool.iter().all(|member| member.name != POOL),
            "--pool: needs forecasters other than itself"
        );
        if self.minima.is_none() {
            ensure!(
                self.until.is_some(),
                "name the step that is of interest with --until"
            );
        }
        Ok(())
    }

    /// The forecasters, or those that fit what is asked.
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

    /// The forecasters with those that are pooled, each once.
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

    /// The forecaster of a name; a mixture that names no members is one of the experts.
    fn forecaster(&self, name: &str) -> anyhow::Result<ForecasterName> {
        let forecaster = name.parse().with_context(|| name.to_owned())?;
        Ok(match forecaster {
            ForecasterName::Mixture(members) if members.is_empty() => {
                ForecasterName::Mixture(names(&self.experts))
            }
            forecaster => forecaster,
        })
    }

    /// The forecasters that are needed, their models loaded.
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
        let manifest = Manifest {
            program: "statecast",
            version: env!("CARGO_PKG_VERSION"),
            command: "training-run",
            source: self.source.described(),
            models: forecasters.model_infos()?,
            settings: self.model.described(Method::Vicl),
            recalibrated: self.uncertainty.recalibrates(),
            seed: self.seed,
            samples: self.samples.get(),
            found,
        };
        Ok(write_json(output, &manifest)?)
    }
}
