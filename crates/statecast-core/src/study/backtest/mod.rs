//! Backtests of recordings: forecasters compared from many origins.

mod error;
mod series;
mod tables;
mod weights;

use std::path::Path;

use serde::Serialize;

pub use error::BacktestStudyError;
pub use series::BacktestSeries;
pub use weights::expert_weights;

use super::Observer;
use crate::backtest::{BacktestSettings, BacktestSummary, Results, run, summarise};
use crate::forecast::Forecaster;
use crate::output::{OutputError, Table};

impl BacktestSettings {
    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`BacktestStudyError::OnePath`] if there are fewer than two paths.
    pub fn check(&self) -> Result<(), BacktestStudyError> {
        match self.samples.get() {
            1 => Err(BacktestStudyError::OnePath),
            _ => Ok(()),
        }
    }
}

/// All scores of a backtest, and their summary, as which it is serialised.
///
/// ```
/// use statecast::backtest::{BacktestSettings, Windows};
/// use statecast::study::backtest::{Backtest, BacktestSeries};
/// use statecast::{Forecaster, Recording};
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let forecasters = [
///     Forecaster::builder().experts("linear")?.build()?,
///     Forecaster::builder().experts("persistence")?.build()?,
/// ];
/// let windows = Windows::new(100, 10.try_into()?, 3.try_into()?)?;
/// let mut series = BacktestSeries::new(windows, forecasters[0].settings().method, false);
/// let episodes: Vec<_> = recording.episodes().iter().collect();
/// series.add("pendulum", &recording, &episodes)?;
/// let settings = BacktestSettings { windows, samples: 20.try_into()?, seed: 0 };
/// let backtest = Backtest::run(&series, &forecasters, settings, &())?;
/// let [linear, persistence] = &backtest.summary.methods[..] else { panic!() };
/// assert!(linear.crps.mean < persistence.crps.mean);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Backtest {
    /// The scores.
    #[serde(skip)]
    pub results: Results,
    /// Means with intervals.
    pub summary: BacktestSummary,
}

impl Backtest {
    /// Forecasts from all origins by all forecasters.
    ///
    /// # Errors
    /// [`BacktestStudyError`] if there is nothing to score, or a forecaster cannot read the contexts.
    pub fn run(
        series: &BacktestSeries,
        forecasters: &[Forecaster],
        settings: BacktestSettings,
        observer: &dyn Observer,
    ) -> Result<Self, BacktestStudyError> {
        settings.check()?;
        let all = series.all()?;
        let windows = settings.windows;
        if series.short() > 0 {
            observer.warning(&format!(
                "{} episode(s) have fewer than {} rows and are left out",
                series.short(),
                series.rows()
            ));
        }
        for forecaster in forecasters {
            let longest = forecaster.longest_context_of_paths(2 * windows.horizon.get());
            if windows.context > longest {
                return Err(BacktestStudyError::Window {
                    forecaster: forecaster.name(),
                    longest,
                    context: windows.context,
                });
            }
        }
        let progress = |share| observer.progress(share);
        let results = run(all, forecasters, &settings, &progress)?;
        if results.clipped > 0 {
            observer.warning(&format!(
                "{} value(s) were outside the bins of their densities: on an axis they are scored in its last bin, on \
                 a residual grid by their distance",
                results.clipped
            ));
        }
        let summary = summarise(&results, &windows, settings.seed);
        match summary.windows {
            0 => Err(BacktestStudyError::Constant),
            _ => Ok(Self { results, summary }),
        }
    }

    /// Returns the scores of sampled forecasts: one row per method, series, origin, step and variable.
    pub fn table(&self) -> Table {
        tables::steps(&self.results)
    }

    /// Returns the scores of one-step densities: one row per method, series, origin, row and channel.
    pub fn one_step_table(&self) -> Table {
        tables::one_steps(&self.results)
    }

    /// Writes the [table](Self::table) of sampled forecasts: .csv, .json or .parquet.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}
