//! Sessions: a context that is read once and followed row by row.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, Axis, s};
use numpy::{PyArray1, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::exceptions::PyIndexError;
use pyo3::{Bound, PyAny, PyResult, Python, pyclass, pymethods};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::density::BinnedDensity;
use statecast::forecast::{self, ChannelParts, KnownFuture, Reading, RolloutSettings, Variables};
use statecast::metrics::CalibrationTest;
use statecast::study::ROWS_TO_FALSE_ALARM;
use statecast::{Forecaster, Method, Recording};

use crate::errors::{StatecastError, exception};
use crate::table::dictionary;
use crate::work;

/// Densities of the channels in the next row.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct NextRow {
    inner: forecast::NextRow,
    names: Vec<String>,
}

impl NextRow {
    pub(crate) fn new(inner: forecast::NextRow, names: Vec<String>) -> Self {
        Self { inner, names }
    }

    fn density(&self, channel: usize) -> PyResult<BinnedDensity<'_>> {
        match channel < self.inner.channels() {
            true => Ok(self.inner.density(channel)),
            false => Err(PyIndexError::new_err(format!(
                "channel {channel}: there are {}",
                self.inner.channels()
            ))),
        }
    }

    fn of_channels<'py>(
        &self,
        py: Python<'py>,
        of: impl Fn(BinnedDensity) -> f64,
    ) -> Bound<'py, PyArray1<f64>> {
        let channels = 0..self.inner.channels();
        let values: Vec<f64> = channels.map(|c| of(self.inner.density(c))).collect();
        values.to_pyarray(py)
    }
}

#[pymethods]
impl NextRow {
    #[getter]
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn mean<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.of_channels(py, |density| density.mean())
    }

    fn std<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.of_channels(py, |density| density.std())
    }

    fn quantile<'py>(&self, py: Python<'py>, level: f64) -> PyResult<Bound<'py, PyArray1<f64>>> {
        match (0.0..=1.0).contains(&level) {
            true => Ok(self.of_channels(py, |density| density.quantile(level))),
            false => Err(StatecastError::new_err(format!(
                "level {level}: from 0 to 1"
            ))),
        }
    }

    /// Probabilities of at most some values of a channel.
    fn cdf<'py>(
        &self,
        py: Python<'py>,
        channel: usize,
        values: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let density = self.density(channel)?;
        Ok(values
            .as_array()
            .mapv(|value| density.cdf(value))
            .to_pyarray(py))
    }

    /// Ends of a channel's bins, 1001, and the probability in each, 1000. A constant channel has no bins.
    fn bins<'py>(
        &self,
        py: Python<'py>,
        channel: usize,
    ) -> PyResult<[Bound<'py, PyArray1<f64>>; 2]> {
        let (edges, masses) = self.density(channel)?.bins();
        Ok([edges, masses].map(|values| values.to_pyarray(py)))
    }
}

struct State {
    reading: Reading,
    /// States of all rows so far, `[rows, states]`, and the actions taken in them.
    states: Array2<f64>,
    actions: Array2<f64>,
    /// Of the rows that were appended; PIT values are drawn within the cells of what was observed.
    test: CalibrationTest,
    random: ChaCha8Rng,
}

/// A context that rows are appended to.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Session {
    forecaster: Forecaster,
    state_names: Vec<String>,
    action_names: Vec<String>,
    state: Mutex<State>,
}

impl Session {
    /// Reads the first episode of a recording.
    pub(crate) fn new(
        py: Python<'_>,
        forecaster: Forecaster,
        recording: &Recording,
    ) -> PyResult<Self> {
        let first = recording.episodes().first();
        let episode = first.ok_or_else(|| StatecastError::new_err("there is no episode"))?;
        let (states, actions) = (episode.states().to_owned(), episode.actions().to_owned());
        let names = [recording.state_names(), recording.action_names()];
        Self::of_rows(py, forecaster, names, states, actions)
    }

    fn of_rows(
        py: Python<'_>,
        forecaster: Forecaster,
        names: [&[String]; 2],
        states: Array2<f64>,
        actions: Array2<f64>,
    ) -> PyResult<Self> {
        let rows = variables(names, &states, &actions, forecaster.settings().method);
        let reading = work::run(py, |_| forecaster.read_last(&rows, 0))?;
        let channels = reading.encoding().channel_names().len();
        Ok(Self {
            forecaster,
            state_names: names[0].to_vec(),
            action_names: names[1].to_vec(),
            state: Mutex::new(State {
                reading,
                states,
                actions,
                test: CalibrationTest::new(channels, ROWS_TO_FALSE_ALARM),
                random: ChaCha8Rng::seed_from_u64(0),
            }),
        })
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        of: impl FnOnce(&mut State) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        let threads = work::threads()?;
        // Another thread may hold the session while it waits for the interpreter.
        py.detach(|| {
            threads.install(|| of(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner)))
        })
    }

    /// Checks rows of states and actions that are going to be read.
    fn check(&self, states: &Array2<f64>, actions: &Array2<f64>) -> PyResult<()> {
        let expected = (self.state_names.len(), self.action_names.len());
        if (states.ncols(), actions.ncols()) != expected || states.nrows() != actions.nrows() {
            return Err(StatecastError::new_err(format!(
                "{} rows of {} states and {} rows of {} actions: the context has {} states and {} actions",
                states.nrows(),
                states.ncols(),
                actions.nrows(),
                actions.ncols(),
                expected.0,
                expected.1
            )));
        }
        match states.iter().chain(actions).all(|value| value.is_finite()) {
            true => Ok(()),
            false => Err(StatecastError::new_err(
                "a row holds a value that is not finite",
            )),
        }
    }
}

fn variables(
    [state_names, action_names]: [&[String]; 2],
    states: &Array2<f64>,
    actions: &Array2<f64>,
    method: Method,
) -> Variables {
    let parts = ChannelParts {
        state_names,
        states: states.view(),
        action_names,
        actions: actions.view(),
        reward: None,
    };
    Variables::of_parts(parts, method)
}

#[pymethods]
impl Session {
    #[getter]
    fn names(&self) -> Vec<String> {
        self.state_names.clone()
    }

    #[getter]
    fn action_names(&self) -> Vec<String> {
        self.action_names.clone()
    }

    #[getter]
    fn rows(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |state| Ok(state.states.nrows()))
    }

    /// States of all rows, `[rows, states]`.
    fn states<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let states = self.with(py, |state| Ok(state.states.clone()))?;
        Ok(states.to_pyarray(py))
    }

    /// Densities of the row after those that were read.
    fn density(&self, py: Python<'_>) -> PyResult<NextRow> {
        self.with(py, |state| {
            let names = state.reading.encoding().channel_names().to_vec();
            let next = state.reading.next_row().map_err(exception)?;
            Ok(NextRow::new(next, names))
        })
    }

    /// Reads rows that came, and gives their log scores `[rows, channels]` in nats per unit of the axis.
    fn append<'py>(
        &self,
        py: Python<'py>,
        states: PyReadonlyArray2<'py, f64>,
        actions: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (states, actions) = (states.as_array().to_owned(), actions.as_array().to_owned());
        self.check(&states, &actions)?;
        let names = [&self.state_names[..], &self.action_names];
        let mut came = variables(names, &states, &actions, self.forecaster.settings().method);
        came.begins.fill(false);
        let append = |to: &mut Array2<f64>, more: &Array2<f64>| {
            to.append(Axis(0), more.view())
                .expect("the widths were checked");
        };
        let scores = self.with(py, |state| {
            let seen = state.reading.observe(&came).map_err(exception)?;
            for row in 0..seen.rows() {
                let channels = 0..seen.channels();
                let pit = channels.map(|c| seen.pit(row, c, state.random.random()));
                state.test.learn(&pit.collect::<Vec<f64>>());
            }
            append(&mut state.states, &states);
            append(&mut state.actions, &actions);
            Ok(seen.log_scores())
        })?;
        Ok(scores.to_pyarray(py))
    }

    /// Evidence against the calibration of the densities of appended rows.
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = self.with(py, |state| Ok(state.test.found()))?;
        dictionary(py, &found)
    }

    /// Sample paths `[samples, horizon, names]` after the rows that were read.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        horizon: usize,
        samples: usize,
        seed: u64,
        actions: Option<PyReadonlyArray2<'py, f64>>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let count = |name, count| {
            NonZeroUsize::new(count)
                .ok_or_else(|| StatecastError::new_err(format!("`{name}=0`: at least 1")))
        };
        let settings = RolloutSettings {
            horizon: count("horizon", horizon)?,
            samples: count("samples", samples)?,
            seed,
            ..RolloutSettings::default()
        };
        let future = actions.map(|actions| KnownFuture(actions.as_array().to_owned()));
        let rollout = work::run(py, |watch| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let progress = |share| statecast::Observer::progress(watch, share);
            state.reading.rollout(&settings, future.as_ref(), &progress)
        })?;
        Ok(rollout.paths.to_pyarray(py))
    }

    /// Another session that has read the first rows, or all of them. They are read again.
    fn fork(&self, py: Python<'_>, rows: Option<usize>) -> PyResult<Self> {
        let (states, actions) = self.with(py, |state| {
            Ok((state.states.clone(), state.actions.clone()))
        })?;
        let rows = rows.unwrap_or(states.nrows()).min(states.nrows());
        let first = |of: Array2<f64>| of.slice(s![..rows, ..]).to_owned();
        let names = [&self.state_names[..], &self.action_names];
        Self::of_rows(
            py,
            self.forecaster.clone(),
            names,
            first(states),
            first(actions),
        )
    }
}
