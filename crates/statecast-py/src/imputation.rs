//! Missing values of an array and missing actions of a recording, with the density of each.

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::{Bound, PyRef, PyResult, Python, pyclass, pyfunction, pymethods};
use statecast::impute::{self as filling, IncompleteRun, InverseSettings};
use statecast::study::LabelledRecording;

use crate::errors::exception;
use crate::recording::Recording;
use crate::work;

/// What is known of missing values.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Imputation {
    inner: filling::Imputation,
    filled: Array2<f64>,
}

/// Fills NaN in states `[rows, states]`, given actions `[rows, actions]`.
#[pyfunction]
pub(crate) fn impute(
    py: Python<'_>,
    states: PyReadonlyArray2<'_, f64>,
    actions: PyReadonlyArray2<'_, f64>,
    seed: u64,
) -> PyResult<Imputation> {
    let run = IncompleteRun {
        values: states.as_array().to_owned(),
        actions: actions.as_array().to_owned(),
    };
    work::run(py, move |_| {
        let runs = [run];
        let inner = filling::impute(&runs, seed)?;
        let filled = inner.filled(&runs).swap_remove(0);
        Ok::<_, filling::ImputeError>(Imputation { filled, inner })
    })
}

#[pymethods]
impl Imputation {
    #[getter]
    fn filled<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        self.filled.clone().into_pyarray(py)
    }

    /// Row and column of each missing value, `[holes, 2]`.
    #[getter]
    fn holes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<i64>> {
        let holes = self.inner.holes();
        let place = |(hole, axis): (usize, usize)| match axis {
            0 => holes[hole].row as i64,
            _ => holes[hole].channel as i64,
        };
        Array2::from_shape_fn((holes.len(), 2), place).into_pyarray(py)
    }

    fn quantile<'py>(&self, py: Python<'py>, level: f64) -> Bound<'py, PyArray1<f64>> {
        let holes = 0..self.inner.holes().len();
        let quantiles: Vec<f64> = holes.map(|h| self.inner.quantile(h, level)).collect();
        quantiles.into_pyarray(py)
    }

    fn sample<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        seed: u64,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let draws = py.detach(|| self.inner.draws(count, seed));
        Ok(draws.into_pyarray(py))
    }
}

/// What is known of the actions of a recording that has none.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct ActionLabels {
    inner: LabelledRecording,
}

/// Labels a recording by others of the same system that have actions.
#[pyfunction]
pub(crate) fn impute_actions(
    py: Python<'_>,
    recording: &Recording,
    labelled: Vec<PyRef<'_, Recording>>,
) -> PyResult<ActionLabels> {
    let unlabelled = recording.inner.clone();
    let known: Vec<_> = labelled.iter().map(|of| of.inner.clone()).collect();
    drop(labelled);
    work::run(py, move |_| {
        let names: Vec<String> = (0..known.len()).map(|i| format!("labelled[{i}]")).collect();
        let pairs = names.iter().map(String::as_str).zip(&known);
        let known: Vec<(&str, &statecast::recording::Recording)> =
            pairs.map(|(name, of)| (name, &**of)).collect();
        let settings = InverseSettings::default();
        LabelledRecording::of(("recording", &unlabelled), &known, settings)
            .map(|inner| ActionLabels { inner })
    })
}

#[pymethods]
impl ActionLabels {
    #[getter]
    fn action_names(&self) -> Vec<String> {
        self.inner.action_names().to_vec()
    }

    /// Method, loss, loss of the mean and share of hits of each action.
    #[getter]
    fn scores(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let scores = self.inner.scores().iter();
        let of = |s: &filling::ActionScore| (s.method.name(), s.loss, s.loss_of_mean, s.hit);
        scores.map(of).collect()
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    /// Episode and row of each labelled step, `[steps, 2]`.
    #[getter]
    fn steps<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<i64>> {
        let steps = self.inner.steps();
        let place = |(step, axis): (usize, usize)| match axis {
            0 => steps[step].0 as i64,
            _ => steps[step].1 as i64,
        };
        Array2::from_shape_fn((steps.len(), 2), place).into_pyarray(py)
    }

    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        let labels = self.inner.labels();
        let shape = (labels.steps(), self.inner.action_names().len());
        Array2::from_shape_fn(shape, |(step, action)| labels.label(step, action)).into_pyarray(py)
    }

    fn quantile<'py>(&self, py: Python<'py>, level: f64) -> Bound<'py, PyArray2<f64>> {
        let labels = self.inner.labels();
        let shape = (labels.steps(), self.inner.action_names().len());
        let quantile = |(step, action)| labels.quantile(step, action, level);
        Array2::from_shape_fn(shape, quantile).into_pyarray(py)
    }

    fn recording(&self) -> PyResult<Recording> {
        let recording = self.inner.recording().map_err(exception)?;
        Ok(Recording::of(recording))
    }
}
