//! Work of the library beside the interpreter: without its lock, ended by Ctrl-C.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyUserWarning};
use pyo3::types::PyAnyMethods;
use pyo3::{PyErr, PyResult, Python};
use rayon::{ThreadPool, ThreadPoolBuilder};
use statecast::Observer;

use crate::errors::exception;
use crate::policy::Raised;

/// Between looks at whether Ctrl-C was pressed.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The threads that compute, and the process that started them.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The threads of this process, as many as RAYON_NUM_THREADS says, or one a core. A process that was forked has none of its
/// parent's, and would wait for them for ever.
pub(crate) fn threads() -> PyResult<Arc<ThreadPool>> {
    let mut pool = lock(&POOL);
    if let Some((process, threads)) = &*pool
        && *process == process::id()
    {
        return Ok(threads.clone());
    }
    let made = ThreadPoolBuilder::new().build();
    let made = Arc::new(made.map_err(|error| PyRuntimeError::new_err(error.to_string()))?);
    // To drop the parent's pool is to wait for its threads.
    mem::forget(pool.replace((process::id(), made.clone())));
    Ok(made)
}

/// What unwinds work that was interrupted.
struct Interrupted;

/// Collects what a study says, and ends it when it was interrupted.
#[derive(Default)]
pub(crate) struct Watch {
    interrupted: AtomicBool,
    notes: Mutex<Vec<String>>,
    warnings: Mutex<Vec<String>>,
}

impl Observer for Watch {
    fn note(&self, text: &str) {
        lock(&self.notes).push(text.to_owned());
    }

    fn warning(&self, text: &str) {
        lock(&self.warnings).push(text.to_owned());
    }

    fn progress(&self, _share: f64) {
        if self.interrupted.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Interrupted));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work that calls no Python.
pub(crate) fn run<T, E>(
    py: Python<'_>,
    work: impl FnOnce(&Watch) -> Result<T, E> + Send,
) -> PyResult<T>
where
    T: Send,
    E: std::error::Error + Send + 'static,
{
    run_with(py, &Raised::default(), work)
}

/// Runs work on a thread of its own and looks for signals meanwhile. Warnings of the library become Python's, notes
/// go to the logger `statecast`. What a callable of Python `raised` is raised in place of what the library makes of it.
pub(crate) fn run_with<T, E>(
    py: Python<'_>,
    raised: &Raised,
    work: impl FnOnce(&Watch) -> Result<T, E> + Send,
) -> PyResult<T>
where
    T: Send,
    E: std::error::Error + Send + 'static,
{
    let (watch, threads) = (Watch::default(), threads()?);
    let mut signal = None;
    let outcome = py.detach(|| {
        thread::scope(|scope| {
            let (done, finished) = channel();
            let of_work = &watch;
            let worker = scope.spawn(move || {
                let outcome = threads.install(|| catch_unwind(AssertUnwindSafe(|| work(of_work))));
                // Nobody waits any more if the interpreter ends.
                let _ = done.send(());
                outcome
            });
            while finished.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if signal.is_none()
                    && let Err(raised) = Python::attach(|py| py.check_signals())
                {
                    signal = Some(raised);
                    watch.interrupted.store(true, Ordering::Relaxed);
                }
            }
            worker.join().unwrap_or_else(Err)
        })
    });
    if let Some(raised) = signal.or_else(|| lock(raised).take()) {
        return Err(raised);
    }
    let value = outcome
        .map_err(|panic| fault(&*panic))?
        .map_err(exception)?;
    say(py, &watch)?;
    Ok(value)
}

fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!(
        "statecast failed, which is a fault of it: {}",
        text.unwrap_or("unknown")
    ))
}

fn say(py: Python<'_>, watch: &Watch) -> PyResult<()> {
    let notes = mem::take(&mut *lock(&watch.notes));
    if !notes.is_empty() {
        let logger = py
            .import("logging")?
            .call_method1("getLogger", ("statecast",))?;
        for note in notes {
            logger.call_method1("info", ("%s", note))?;
        }
    }
    let warnings = py.import("warnings")?;
    let category = py.get_type::<PyUserWarning>();
    for text in mem::take(&mut *lock(&watch.warnings)) {
        warnings.call_method1("warn", (text, &category, 3))?;
    }
    Ok(())
}
