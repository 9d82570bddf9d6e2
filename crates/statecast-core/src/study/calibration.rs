//! Forecast calibration, before and after recalibration.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Observer;
use super::backtest::{Backtest, BacktestSeries, BacktestStudyError};
use crate::backtest::{BacktestSettings, MethodSummary, OneStepScore};
use crate::forecast::{Forecaster, Recalibrated, Settings};
use crate::forecasters::{Combining, ForecasterName, Forecasters, ForecastersError};
use crate::metrics::{Calibration, CalibrationTest, Evidence, Pit};
use crate::model::ModelSource;

/// Coverage of 90 % intervals below and above which densities count as too narrow or too wide.
const NARROW: f64 = 0.88;
const WIDE: f64 = 0.92;

/// Rows of calibrated forecasts to one false alarm, on average.
pub const ROWS_TO_FALSE_ALARM: f64 = 10_000.0;

/// What the coverage of 90 % intervals says of densities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// They cover less than 88 %.
    TooNarrow,
    /// They cover 88 to 92 %.
    WellCalibrated,
    /// They cover more than 92 %.
    TooWide,
}

impl Verdict {
    /// The verdict on a calibration.
    pub fn of(calibration: &Calibration) -> Self {
        match calibration.coverage_90 {
            share if share < NARROW => Self::TooNarrow,
            share if share > WIDE => Self::TooWide,
            _ => Self::WellCalibrated,
        }
    }
}

/// Calibration of a channel's one-step densities.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelCalibration {
    /// Name of the channel.
    pub name: String,
    /// Of the original densities.
    pub plain: Calibration,
    /// Of the recalibrated ones.
    pub recalibrated: Calibration,
}

/// Which forecaster is backtested, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CalibrationSettings {
    /// The forecaster, without its recalibration.
    pub forecaster: ForecasterName,
    /// How it reads.
    pub forecast: Settings,
    /// How mixtures are weighted, and how many forecasts from inside of the context bands learn from.
    pub combining: Combining,
    /// Windows, paths and seed.
    pub backtest: BacktestSettings,
}

impl CalibrationSettings {
    /// The bundled model, read as the program reads it.
    pub fn new(backtest: BacktestSettings) -> Self {
        Self {
            forecaster: ForecasterName::Language(ModelSource::Builtin),
            forecast: Settings::builtin(),
            combining: Combining::default(),
            backtest,
        }
    }

    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`BacktestStudyError`] of the windows, paths and seed.
    pub fn check(&self) -> Result<(), CalibrationStudyError> {
        Ok(self.backtest.check()?)
    }
}

/// A forecaster backtested twice: as it is, and recalibrated online from its past PIT values.
///
/// ```
/// use statecast::Recording;
/// use statecast::backtest::{BacktestSettings, Windows};
/// use statecast::forecasters::Forecasters;
/// use statecast::study::{BacktestSeries, CalibrationSettings, CalibrationStudy};
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let windows = Windows::new(100, 10.try_into()?, 3.try_into()?)?;
/// let backtest = BacktestSettings { windows, samples: 20.try_into()?, seed: 0 };
/// let mut settings = CalibrationSettings::new(backtest);
/// settings.forecaster = "ar".parse()?;
/// settings.combining.origins = 2;
/// let mut series = BacktestSeries::new(windows, settings.forecast.method, false);
/// let episodes: Vec<_> = recording.episodes().iter().collect();
/// series.add("pendulum", &recording, &episodes)?;
/// let forecasters = Forecasters::new(&[settings.forecaster.clone()], Vec::new())?;
/// let study = CalibrationStudy::run(&series, &forecasters, &settings, &())?;
/// assert_eq!(study.recalibrated().name, "ar+recalibrated");
/// assert_eq!(study.channels().len(), 3);
/// // Of two episodes, each with three windows of ten rows.
/// assert_eq!(study.evidence()[0].rows, 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct CalibrationStudy {
    /// Both backtests: first the original densities.
    pub backtest: Backtest,
}

/// Reasons why calibration cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationStudyError {
    /// A name that makes no forecaster.
    #[error(transparent)]
    Forecasters(#[from] ForecastersError),
    /// A backtest that cannot be made.
    #[error(transparent)]
    Backtest(#[from] BacktestStudyError),
}

impl CalibrationStudy {
    /// Backtests the forecaster of the settings, one of `forecasters`, with and without recalibration.
    ///
    /// # Errors
    /// [`CalibrationStudyError`] if its name makes no forecaster or the backtest cannot be made.
    pub fn run(
        series: &BacktestSeries,
        forecasters: &Forecasters,
        settings: &CalibrationSettings,
        observer: &dyn Observer,
    ) -> Result<Self, CalibrationStudyError> {
        settings.check()?;
        let (name, reading) = (&settings.forecaster, settings.forecast);
        let combining = settings.combining.plain();
        let plain = forecasters.predictor(name, reading, combining)?;
        let recalibrated = match name.members().len() {
            1 => Arc::new(Recalibrated::new(plain.clone())),
            _ => forecasters.predictor(name, reading, combining.online())?,
        };
        let recalibrated = forecasters.informed(Forecaster::of(recalibrated, reading))?;
        let methods = [
            forecasters.informed(Forecaster::of(plain, reading))?,
            recalibrated.with_origins(combining.origins),
        ];
        let backtest = Backtest::run(series, &methods, settings.backtest, observer)?;
        Ok(Self { backtest })
    }

    /// Scores of the original densities and paths.
    pub fn plain(&self) -> &MethodSummary {
        &self.backtest.summary.methods[0]
    }

    /// Scores of the recalibrated ones.
    pub fn recalibrated(&self) -> &MethodSummary {
        &self.backtest.summary.methods[1]
    }

    /// Evidence against the calibration of one-step densities, the original and the recalibrated ones, in the order of rows; of rows
    /// that several windows hold, those of the first count. Rows are those of all series, one after the other.
    pub fn evidence(&self) -> [Evidence; 2] {
        let results = &self.backtest.results;
        [0, 1].map(|method| evidence(&results.one_step, method, results.channels.len()))
    }

    /// Calibration of the channels that vary.
    pub fn channels(&self) -> Vec<ChannelCalibration> {
        let results = &self.backtest.results;
        let calibration = |method: usize, channel: usize| {
            let mut pit = Pit::new();
            let of = results.one_step.iter();
            of.filter(|s| s.method == method && s.channel == channel)
                .for_each(|s| pit.push(s.pit));
            pit.calibration()
        };
        let of_channel = |(channel, name): (usize, &String)| ChannelCalibration {
            name: name.clone(),
            plain: calibration(0, channel),
            recalibrated: calibration(1, channel),
        };
        let channels = results.channels.iter().enumerate().map(of_channel);
        channels.filter(|of| of.plain.outcomes > 0).collect()
    }
}

fn evidence(scores: &[OneStepScore], method: usize, channels: usize) -> Evidence {
    let mut rows: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    for score in scores.iter().filter(|s| s.method == method) {
        let row = rows.entry((score.series, score.row));
        let pit = &mut row.or_insert_with(|| vec![f64::NAN; channels])[score.channel];
        *pit = if pit.is_nan() { score.pit } else { *pit };
    }
    let mut test = CalibrationTest::new(channels, ROWS_TO_FALSE_ALARM);
    rows.values().for_each(|row| test.learn(row));
    test.found()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows that overlap, of two series, in no order.
    #[test]
    fn a_row_counts_once() {
        let score = |series: usize, origin: usize, row: usize, method: usize| OneStepScore {
            series,
            origin,
            row,
            method,
            channel: 0,
            log_score: 0.0,
            crps: 0.0,
            pit: (row as f64 * 0.618).fract(),
            sharpness: 1.0,
        };
        let window = |series, origin| (origin..origin + 20).map(move |row| (series, origin, row));
        let windows = [(1, 30), (0, 10), (0, 20), (1, 10)];
        let rows = windows
            .into_iter()
            .flat_map(|(series, origin)| window(series, origin));
        let of = |method| move |(series, origin, row)| score(series, origin, row, method);
        let scores: Vec<OneStepScore> = rows.clone().map(of(0)).chain(rows.map(of(1))).collect();
        let found = evidence(&scores, 0, 1);
        let mut test = CalibrationTest::new(1, ROWS_TO_FALSE_ALARM);
        for row in (10..40).chain(10..50) {
            test.learn(&[(f64::from(row) * 0.618).fract()]);
        }
        assert_eq!(found, test.found());
    }
}
