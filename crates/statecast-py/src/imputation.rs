//! Missing values of an array, with the density of each.

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::{Bound, PyResult, Python, pyclass, pyfunction, pymethods};
use statecast::impute::{self as filling, IncompleteRun};

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
