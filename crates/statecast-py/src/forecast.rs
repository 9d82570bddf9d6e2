//! Forecasts.

use std::path::PathBuf;

use numpy::{PyArray2, PyArray3, ToPyArray};
use pyo3::types::PyDict;
use pyo3::{Bound, PyAny, PyResult, Python, pyclass, pymethods};
use statecast::forecast::Levels;

use crate::errors::exception;
use crate::recording::Time;
use crate::session::NextRow;
use crate::table::{columns, dictionary};

/// How an episode continues: sample paths of one or several futures.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Forecast {
    inner: statecast::Forecast,
}

impl Forecast {
    pub(crate) fn of(inner: statecast::Forecast) -> Self {
        Self { inner }
    }

    fn rollout(&self, future: usize) -> PyResult<&statecast::forecast::Rollout> {
        let futures = &self.inner.futures;
        let found = futures.get(future).map(|future| &future.rollout);
        found.ok_or_else(|| {
            pyo3::exceptions::PyIndexError::new_err(format!(
                "future {future}: there are {}",
                futures.len()
            ))
        })
    }
}

#[pymethods]
impl Forecast {
    #[getter]
    fn episode(&self) -> &str {
        &self.inner.episode
    }

    #[getter]
    fn names(&self) -> Vec<String> {
        self.inner.names.clone()
    }

    /// First row of the context in its episode, and the row after its last.
    #[getter]
    fn context(&self) -> (usize, usize) {
        (self.inner.context.start, self.inner.context.end)
    }

    #[getter]
    fn times(&self) -> Vec<Option<Time>> {
        let times = self.inner.times.iter().cloned();
        times.map(|time| time.map(Time::of)).collect()
    }

    #[getter]
    fn futures(&self) -> Vec<Option<String>> {
        self.inner
            .futures
            .iter()
            .map(|future| future.name.clone())
            .collect()
    }

    /// The context, `[rows, names]`.
    fn observed<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        self.inner.observed.to_pyarray(py)
    }

    /// Rows that were held back, `[horizon, names]`.
    fn truth<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray2<f64>>> {
        let held_out = self.inner.held_out.as_ref();
        held_out.map(|held_out| held_out.truth.to_pyarray(py))
    }

    /// `[samples, horizon, names]`.
    fn paths<'py>(&self, py: Python<'py>, future: usize) -> PyResult<Bound<'py, PyArray3<f64>>> {
        Ok(self.rollout(future)?.paths.to_pyarray(py))
    }

    fn mean<'py>(&self, py: Python<'py>, future: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(self
            .rollout(future)?
            .summary(&Levels::default())
            .mean
            .to_pyarray(py))
    }

    fn std<'py>(&self, py: Python<'py>, future: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(self
            .rollout(future)?
            .summary(&Levels::default())
            .std
            .to_pyarray(py))
    }

    fn quantile<'py>(
        &self,
        py: Python<'py>,
        level: f64,
        future: usize,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let levels = Levels::new(vec![level]).map_err(exception)?;
        Ok(self
            .rollout(future)?
            .quantile(levels.as_slice()[0])
            .to_pyarray(py))
    }

    /// Ends of the band that holds whole paths, `[horizon, names]` each.
    fn band<'py>(
        &self,
        py: Python<'py>,
        future: usize,
    ) -> PyResult<[Bound<'py, PyArray2<f64>>; 2]> {
        self.rollout(future)?;
        let band = &self.inner.futures[future].band;
        Ok([&band.low, &band.high].map(|end| end.to_pyarray(py)))
    }

    /// Densities of the channels in the first step.
    fn next_row(&self) -> Option<NextRow> {
        let next = self.inner.next_row().cloned();
        next.map(|next| NextRow::new(next, self.inner.reading.channels.clone()))
    }

    fn table<'py>(&self, py: Python<'py>, levels: Vec<f64>) -> PyResult<Bound<'py, PyDict>> {
        let levels = Levels::new(levels).map_err(exception)?;
        columns(py, self.inner.table(&levels))
    }

    fn write(&self, path: PathBuf) -> PyResult<()> {
        self.inner.write(path).map_err(exception)
    }

    /// What a reader should know of how the context was read.
    fn reading<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dictionary(py, &self.inner.reading)
    }
}
