//! Forecasts of settling values, and their scores.

use std::path::Path;

use serde::Serialize;

use crate::convergence::SettlingValue;
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::{Column, OutputError, Table};

/// Where a metric settles, by run and forecaster.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Settling {
    /// Name of the metric.
    pub metric: String,
    /// End step of the forecast.
    pub until: usize,
    /// Probability of the intervals.
    pub level: f64,
    /// The runs, but for those that are left out.
    pub runs: Vec<SettlingForecast>,
    /// Scores of the forecasters over the runs with a known settling value; none if there is no
    /// such run.
    pub scores: Vec<SettlingScore>,
}

/// A run and its forecasts.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SettlingForecast {
    /// The run's label, or its number.
    pub run: String,
    /// Rows from which it is forecast.
    pub prefix: usize,
    /// Rows until the end.
    pub until_rows: usize,
    /// Actual settling value, if the run reaches the end.
    pub actual: Option<f64>,
    /// Forecasts, in the order of the forecasters.
    pub settles: Vec<SettlingValue>,
    /// The metric by blocks.
    #[serde(skip)]
    pub blocks: BlockMeans,
}

/// Means of a metric over blocks, each with its first step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BlockMeans {
    /// Rows per block.
    pub rows: usize,
    /// Step of the first row that is forecast.
    pub end: usize,
    /// Those that predictors read.
    pub read: Vec<(usize, f64)>,
    /// Those after the prefix, as far as they are known.
    pub later: Vec<(usize, f64)>,
    /// Their forecast, by the pool or by the first forecaster with paths; none unless it was asked
    /// for.
    pub forecast: Option<BlockForecast>,
}

/// A forecast of a metric by blocks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BlockForecast {
    /// Name of the forecaster.
    pub name: String,
    /// The blocks until the end.
    pub bands: Vec<BlockBand>,
}

/// Median and central intervals of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BlockBand {
    /// First step of the block.
    pub step: usize,
    /// Median.
    pub median: f64,
    /// Ends of the 50 % interval.
    pub inner: (f64, f64),
    /// Ends of the 90 % interval.
    pub outer: (f64, f64),
}

/// Scores of a forecaster over the runs with a known settling value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SettlingScore {
    /// Name of the forecaster.
    pub name: String,
    /// Coverage of the intervals.
    pub coverage: f64,
    /// Mean absolute error of the median.
    pub error: Estimate,
    /// Mean interval score.
    pub interval_score: Estimate,
}

impl Settling {
    /// Returns the forecasts: one row per run and forecaster.
    pub fn table(&self) -> Table {
        let forecasts = self.runs.iter();
        let forecasts: Vec<(&SettlingForecast, &SettlingValue)> = forecasts
            .flat_map(|run| run.settles.iter().map(move |settles| (run, settles)))
            .collect();
        let text = |of: fn(&SettlingForecast, &SettlingValue) -> String| {
            Column::Text(forecasts.iter().map(|(run, s)| of(run, s)).collect())
        };
        let real = |of: fn(&SettlingForecast, &SettlingValue) -> f64| {
            Column::Real(forecasts.iter().map(|(run, s)| of(run, s)).collect())
        };
        let columns = [
            ("run", text(|run, _| run.run.clone())),
            ("forecaster", text(|_, settles| settles.name.clone())),
            ("median", real(|_, settles| settles.median)),
            ("low", real(|_, settles| settles.low)),
            ("high", real(|_, settles| settles.high)),
            ("actual", real(|run, _| run.actual.unwrap_or(f64::NAN))),
        ];
        let named = columns.map(|(name, column)| (name.to_owned(), column));
        Table::new(named.into()).expect("every forecast has an entry in each column")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet. All numbers are written by
    /// [`write_json`](crate::output::write_json).
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}

impl SettlingScore {
    /// Scores all forecasters over the runs with a known settling value.
    pub(super) fn of(runs: &[SettlingForecast], level: f64, seed: u64) -> Vec<Self> {
        let known = runs.iter().filter_map(|run| Some((run, run.actual?)));
        let known: Vec<(&SettlingForecast, f64)> = known.collect();
        let Some((first, _)) = known.first() else {
            return Vec::new();
        };
        let score = |number: usize| {
            let of = |score: &dyn Fn(&SettlingValue, f64) -> f64| -> Vec<f64> {
                let scores = known.iter();
                scores
                    .map(|(run, actual)| score(&run.settles[number], *actual))
                    .collect()
            };
            let mean = |scores: &[f64]| block_bootstrap(scores, 1, seed);
            let covered = of(&|s, actual| f64::from(u8::from(s.covers(actual))));
            Self {
                name: first.settles[number].name.clone(),
                coverage: covered.iter().sum::<f64>() / covered.len() as f64,
                error: mean(&of(&|s, actual| (s.median - actual).abs())),
                interval_score: mean(&of(&|s, actual| s.interval_score(actual, level))),
            }
        };
        (0..first.settles.len()).map(score).collect()
    }
}
