//! Backtests and calibration.

use std::num::NonZeroUsize;

use pyo3::types::PyDict;
use pyo3::{Bound, FromPyObject, PyAny, PyRef, PyResult, Python, pyfunction};
use statecast::backtest::{BacktestSettings, Windows};
use statecast::forecasters::{Combining, ForecasterName, Forecasters};
use statecast::study::{Backtest, BacktestSeries, CalibrationSettings, CalibrationStudy};
use statecast::{Error, Settings};

use crate::errors::{StatecastError, exception};
use crate::forecaster::Forecaster;
use crate::recording::Recording;
use crate::table::{columns, dictionary};
use crate::work;

/// Windows, paths and seed: a dictionary with these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Origins {
    context: usize,
    horizon: usize,
    windows: usize,
    samples: usize,
    seed: u64,
    with_reward: bool,
}

impl Origins {
    fn settings(&self) -> PyResult<BacktestSettings> {
        let count = |name: &str, count: usize| {
            NonZeroUsize::new(count)
                .ok_or_else(|| StatecastError::new_err(format!("`{name}=0`: at least 1")))
        };
        let (horizon, windows) = (
            count("horizon", self.horizon)?,
            count("windows", self.windows)?,
        );
        Ok(BacktestSettings {
            windows: Windows::new(self.context, horizon, windows).map_err(exception)?,
            samples: count("samples", self.samples)?,
            seed: self.seed,
        })
    }
}

/// A forecaster, or the name of one.
#[derive(FromPyObject)]
pub(crate) enum Named<'py> {
    Name(String),
    Made(PyRef<'py, Forecaster>),
}

/// Forecasters in the order in which they were given. Those of names read as the program reads, so that a baseline is the
/// same whatever it stands beside.
fn forecasters(
    py: Python<'_>,
    given: Vec<Named<'_>>,
    recalibrated: bool,
) -> PyResult<Vec<statecast::Forecaster>> {
    let mut names = Vec::new();
    let given: Vec<Option<statecast::Forecaster>> = given
        .into_iter()
        .map(|item| match item {
            Named::Made(forecaster) => Ok(Some(forecaster.inner.clone())),
            Named::Name(name) => {
                names.push(name.parse::<ForecasterName>().map_err(exception)?);
                Ok(None)
            }
        })
        .collect::<PyResult<_>>()?;
    let mut combining = Combining::default();
    combining.recalibrated = recalibrated;
    let mut named = work::run(py, move |_| -> Result<_, Error> {
        let all = Forecasters::load(&names)?;
        let of = |name| all.all(std::slice::from_ref(name), Settings::builtin(), combining);
        Ok(names.iter().map(of).collect::<Result<Vec<_>, _>>()?)
    })?
    .into_iter();
    let all = given.into_iter().flat_map(|made| match made {
        Some(forecaster) => vec![forecaster],
        None => named.next().unwrap_or_default(),
    });
    Ok(all.collect())
}

fn series(
    recordings: &[(String, PyRef<'_, Recording>)],
    settings: &BacktestSettings,
    like: Settings,
    with_reward: bool,
) -> PyResult<BacktestSeries> {
    let mut series = BacktestSeries::new(settings.windows, like.method, with_reward);
    for (name, recording) in recordings {
        let episodes: Vec<_> = recording.inner.episodes().iter().collect();
        series
            .add(name, &recording.inner, &episodes)
            .map_err(exception)?;
    }
    Ok(series)
}

/// The summary of a backtest, and its tables of forecasts and of one-step densities.
type Tables<'py> = (Bound<'py, PyAny>, Bound<'py, PyDict>, Bound<'py, PyDict>);

fn tables<'py>(py: Python<'py>, backtest: &Backtest) -> PyResult<Tables<'py>> {
    Ok((
        dictionary(py, backtest)?,
        columns(py, backtest.table())?,
        columns(py, backtest.one_step_table())?,
    ))
}

/// Forecasts named recordings from many origins by forecasters.
#[pyfunction]
pub(crate) fn backtest<'py>(
    py: Python<'py>,
    recordings: Vec<(String, PyRef<'py, Recording>)>,
    given: Vec<Named<'py>>,
    origins: Origins,
    recalibrated: bool,
) -> PyResult<Tables<'py>> {
    let settings = origins.settings()?;
    let forecasters = forecasters(py, given, recalibrated)?;
    let first = forecasters.first().map(statecast::Forecaster::settings);
    let like = first.ok_or_else(|| StatecastError::new_err("no forecaster is given"))?;
    let series = series(&recordings, &settings, like, origins.with_reward)?;
    drop(recordings);
    let backtest = work::run(py, |watch| {
        Backtest::run(&series, &forecasters, settings, watch)
    })?;
    tables(py, &backtest)
}

/// Measures the calibration of a forecaster by name, as it is and recalibrated.
#[pyfunction]
pub(crate) fn calibrate<'py>(
    py: Python<'py>,
    recordings: Vec<(String, PyRef<'py, Recording>)>,
    forecaster: &str,
    origins: Origins,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Tables<'py>)> {
    let mut settings = CalibrationSettings::new(origins.settings()?);
    settings.forecaster = forecaster.parse().map_err(exception)?;
    let series = series(
        &recordings,
        &settings.backtest,
        settings.forecast,
        origins.with_reward,
    )?;
    drop(recordings);
    let names = [settings.forecaster.clone()];
    let forecasters = work::run(py, |_| Forecasters::load(&names))?;
    let study = work::run(py, |watch| {
        CalibrationStudy::run(&series, &forecasters, &settings, watch)
    })?;
    Ok((
        dictionary(py, &study.channels())?,
        dictionary(py, &study.evidence())?,
        tables(py, &study.backtest)?,
    ))
}
