//! The module `statecast._core`: classes over the library, whose arguments the Python package has checked.
//!
//! Arrays are `float64` and C-contiguous. What computes runs without the interpreter's lock, on a thread of its own, so that
//! Ctrl-C ends it ([`work`]). Errors of the library are `ValueError`s with its words ([`errors`]).

mod control;
mod errors;
mod evaluation;
mod forecast;
mod forecaster;
mod imagination;
mod imputation;
mod policy;
mod program;
mod recording;
mod session;
mod study;
mod table;
mod work;

use pyo3::pymodule;

#[pymodule]
mod _core {
    /// The version, which is that of all crates.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "its name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::control::{Controller, control};
    #[pymodule_export]
    use super::errors::StatecastError;
    #[pymodule_export]
    use super::evaluation::evaluate;
    #[pymodule_export]
    use super::forecast::Forecast;
    #[pymodule_export]
    use super::forecaster::Forecaster;
    #[pymodule_export]
    use super::imagination::Imagination;
    #[pymodule_export]
    use super::imputation::{ActionLabels, Imputation, impute, impute_actions};
    #[pymodule_export]
    use super::program::run_program;
    #[pymodule_export]
    use super::recording::Recording;
    #[pymodule_export]
    use super::session::{NextRow, Session};
    #[pymodule_export]
    use super::study::{backtest, calibrate};
}
