//! Tables of results as dictionaries of columns, and results as dictionaries.

use pyo3::types::{PyAnyMethods, PyDict, PyDictMethods};
use pyo3::{Bound, PyAny, PyResult, Python};
use serde::Serialize;
use statecast::output::{Column, Table};

use numpy::IntoPyArray;

use crate::errors::exception;

/// The columns of a table by their names, in order: lists of texts and arrays of numbers.
pub(crate) fn columns<'py>(py: Python<'py>, table: Table) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    for (name, column) in table.into_columns() {
        match column {
            Column::Text(texts) => columns.set_item(name, texts)?,
            Column::Integer(numbers) => columns.set_item(name, numbers.into_pyarray(py))?,
            Column::Real(numbers) => columns.set_item(name, numbers.into_pyarray(py))?,
        }
    }
    Ok(columns)
}

/// A result as what JSON makes of it: dictionaries, lists, numbers and texts.
pub(crate) fn dictionary<'py>(
    py: Python<'py>,
    result: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(result).map_err(exception)?;
    py.import("json")?.call_method1("loads", (text,))
}
