//! The command line program.

use pyo3::{Python, pyfunction};

/// Runs the program on its name and arguments, and returns its exit code.
#[pyfunction]
pub(crate) fn run_program(py: Python<'_>, arguments: Vec<String>) -> u8 {
    py.detach(|| statecast::cli::run_with(arguments))
}
