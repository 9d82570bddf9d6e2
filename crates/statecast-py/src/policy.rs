//! Policies that are callables of Python.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, Array2, ArrayView2};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::types::PyAnyMethods;
use pyo3::{Bound, Py, PyAny, PyErr, PyResult, Python};
use rand::rngs::ChaCha8Rng;
use statecast::policy::{Policy, PolicyError, Widths};

use crate::errors::StatecastError;

/// Where what a callable raised is kept until the library has given up.
pub(crate) type Raised = Arc<Mutex<Option<PyErr>>>;

/// A callable that gives actions `[rows, actions]` at observations `[rows, observations]`, and maybe one that gives
/// log probabilities of actions, `[rows]`.
pub(crate) struct Callable {
    name: String,
    act: Py<PyAny>,
    log_probabilities: Option<Py<PyAny>>,
    widths: Widths,
    raised: Raised,
}

impl Callable {
    pub(crate) fn new(
        name: String,
        act: Py<PyAny>,
        log_probabilities: Option<Py<PyAny>>,
        widths: Widths,
        raised: Raised,
    ) -> Self {
        Self {
            name,
            act,
            log_probabilities,
            widths,
            raised,
        }
    }

    fn failed(&self, error: PyErr) -> PolicyError {
        let reason = error.to_string();
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.get_or_insert(error);
        PolicyError::Program {
            program: self.name.clone(),
            reason,
        }
    }

    fn actions(&self, py: Python<'_>, observations: ArrayView2<f64>) -> PyResult<Array2<f64>> {
        let given = self.act.bind(py).call1((observations.to_pyarray(py),))?;
        let actions: PyReadonlyArray2<'_, f64> = extract(&given, &self.name)?;
        let expected = [observations.nrows(), self.widths.actions];
        let found = actions.as_array();
        if found.shape() != expected {
            return Err(StatecastError::new_err(format!(
                "policy {} gave actions of shape {:?} for {} observations, expected {expected:?}",
                self.name,
                found.shape(),
                expected[0]
            )));
        }
        if found.iter().any(|action| !action.is_finite()) {
            return Err(StatecastError::new_err(format!(
                "policy {} gave an action that is not finite",
                self.name
            )));
        }
        Ok(found.to_owned())
    }
}

fn extract<'py>(given: &Bound<'py, PyAny>, name: &str) -> PyResult<PyReadonlyArray2<'py, f64>> {
    given.extract().map_err(|_| {
        StatecastError::new_err(format!(
            "policy {name} gave no array [observations, actions] of float64"
        ))
    })
}

impl Policy for Callable {
    fn widths(&self) -> Widths {
        self.widths
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        _random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        Python::attach(|py| self.actions(py, observations)).map_err(|error| self.failed(error))
    }

    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let Some(log_probabilities) = &self.log_probabilities else {
            return Ok(None);
        };
        let given = Python::attach(|py| {
            let arrays = (observations.to_pyarray(py), actions.to_pyarray(py));
            let given = log_probabilities.bind(py).call1(arrays)?;
            let values: PyReadonlyArray1<'_, f64> = given.extract()?;
            Ok::<_, PyErr>(values.as_array().to_owned())
        });
        let values = given.map_err(|error| self.failed(error))?;
        match values.len() == observations.nrows() {
            true => Ok(Some(values)),
            false => Err(self.failed(StatecastError::new_err(format!(
                "policy {} gave {} log probabilities for {} actions",
                self.name,
                values.len(),
                observations.nrows()
            )))),
        }
    }
}
