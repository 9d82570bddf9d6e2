//! Steps of imagined paths, one at a time: the library's rollout waits on its thread for the actions of the caller.

use std::num::NonZeroUsize;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ndarray::{Array1, Array2, ArrayViewMut2, s};
use numpy::{PyArray2, PyReadonlyArray2, ToPyArray};
use pyo3::exceptions::PyRuntimeError;
use pyo3::{Bound, PyRef, PyResult, Python, pyclass, pymethods};
use rayon::ThreadPoolBuilder;
use statecast::forecast::{
    ChannelParts, Control, ForecastError, Reading, RewardRow, RolloutSettings, Variables,
};
use statecast::{Method, Recording as Recorded};

use crate::errors::{StatecastError, exception};
use crate::forecaster::Forecaster;
use crate::recording::Recording;
use crate::work::{self, LOOK};

/// Most steps between two beginnings at the end of the context: what a path draws on is the context and so many of its
/// own rows.
const MAX_STEPS: usize = 64;

/// Actions `[paths, actions]` at the present rows, in some of which paths began anew at given states, and the paths whose
/// next row is going to be such a beginning.
struct Taken {
    actions: Array2<f64>,
    starts: Vec<(usize, Array1<f64>)>,
    ending: Vec<usize>,
}

/// What was drawn of a step, `[paths, variables]`, and the standard deviations it was drawn with, if these are wanted.
struct Drawn {
    rows: Array2<f64>,
    std: Option<Array2<f64>>,
}

/// The control of the rollout: it hands over what was drawn, and waits for actions.
struct Remote {
    taken: Receiver<Taken>,
    drawn: Sender<Result<Drawn, ForecastError>>,
    /// States of the paths, `[paths, states]`.
    states: Array2<f64>,
    /// Paths whose next row does not follow from the one before.
    ending: Vec<usize>,
    last_step: usize,
    wants_spread: bool,
    std: Option<Array2<f64>>,
    /// Whether nobody waits for steps any more.
    left: bool,
}

impl Control for Remote {
    fn act(
        &mut self,
        step: usize,
        _first: usize,
        mut drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        let width = self.states.ncols();
        if step > 0 {
            self.states.assign(&drawn.slice(s![.., ..width]));
            let drawn = Drawn {
                rows: drawn.to_owned(),
                std: self.std.take(),
            };
            if self.drawn.send(Ok(drawn)).is_err() {
                self.left = true;
                return Ok(None);
            }
            if step == self.last_step {
                // The next rollout goes on from here.
                return Ok(None);
            }
        }
        let Ok(taken) = self.taken.recv() else {
            self.left = true;
            return Ok(None);
        };
        for (path, start) in taken.starts {
            self.states.row_mut(path).assign(&start);
        }
        drawn.slice_mut(s![.., ..width]).assign(&self.states);
        self.ending = taken.ending;
        Ok(Some(taken.actions))
    }

    fn detached(&self, step: usize, paths: std::ops::Range<usize>) -> Vec<usize> {
        // The end of the context is not where paths begin.
        match step {
            0 => paths.collect(),
            _ => self.ending.clone(),
        }
    }

    fn wants_spread(&self) -> bool {
        self.wants_spread
    }

    fn spread(&mut self, _step: usize, _first: usize, std: Array2<f64>) {
        self.std = Some(std);
    }
}

fn imagine(reading: &Reading, paths: NonZeroUsize, seed: u64, mut remote: Remote) {
    // Threads of its own, of which it is the first: those of the interpreter's work are not kept from it while it waits.
    let threads = ThreadPoolBuilder::new().use_current_thread().build();
    let _threads = match threads {
        Ok(threads) => threads,
        Err(error) => {
            // If nobody waits, nobody has to be told.
            let _ = remote
                .drawn
                .send(Err(ForecastError::Control(Box::new(error))));
            return;
        }
    };
    let horizon = NonZeroUsize::new(remote.last_step + 1).unwrap_or(NonZeroUsize::MIN);
    let mut settings = RolloutSettings {
        horizon,
        samples: paths,
        seed,
        paths_at_once: Some(paths),
        ..RolloutSettings::default()
    };
    while !remote.left {
        if let Err(error) = reading.rollout_with_policy(&settings, &mut remote, &|_| ()) {
            // If nobody waits, nobody has to be told.
            let _ = remote.drawn.send(Err(error));
            return;
        }
        settings.seed = settings.seed.wrapping_add(1);
    }
}

/// Rows of a step, and the standard deviations that they were drawn with.
type Rows<'py> = (Bound<'py, PyArray2<f64>>, Option<Bound<'py, PyArray2<f64>>>);

/// Imagined paths of a system that are advanced together, one step at a time.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Imagination {
    taken: Mutex<Sender<Taken>>,
    drawn: Mutex<Receiver<Result<Drawn, ForecastError>>>,
    /// The process whose thread draws.
    process: u32,
    /// Whether a step was interrupted, whose row nobody took.
    interrupted: AtomicBool,
    paths: usize,
    states: usize,
    actions: usize,
}

#[pymethods]
impl Imagination {
    /// Reads all episodes of a recording, with rewards if they are to be drawn, too.
    #[new]
    fn new(
        py: Python<'_>,
        forecaster: PyRef<'_, Forecaster>,
        recording: PyRef<'_, Recording>,
        paths: usize,
        seed: u64,
        with_reward: bool,
        wants_spread: bool,
    ) -> PyResult<Self> {
        let paths = NonZeroUsize::new(paths)
            .ok_or_else(|| StatecastError::new_err("`paths=0`: at least 1"))?;
        let made = forecaster.inner.clone();
        let rows = rows(&recording.inner, made.settings().method, with_reward);
        let steps = made.longest_context_of_paths(MAX_STEPS);
        let rows = rows.slice(rows.rows().saturating_sub(steps)..rows.rows());
        let reading = work::run(py, |_| made.read_last(&rows, 0))?;
        let (states, actions) = (
            recording.inner.state_names().len(),
            recording.inner.action_names().len(),
        );
        let (to_worker, taken) = channel();
        let (drawn, from_worker) = channel();
        let remote = Remote {
            taken,
            drawn,
            states: Array2::zeros((paths.get(), states)),
            ending: Vec::new(),
            last_step: MAX_STEPS - 1,
            wants_spread,
            std: None,
            left: false,
        };
        thread::spawn(move || imagine(&reading, paths, seed, remote));
        Ok(Self {
            taken: Mutex::new(to_worker),
            drawn: Mutex::new(from_worker),
            process: process::id(),
            interrupted: AtomicBool::new(false),
            paths: paths.get(),
            states,
            actions,
        })
    }

    /// Takes actions `[paths, actions]` after some paths, by their numbers, began anew at states `[count, states]`; returns the
    /// rows that follow, `[paths, states]` and the reward if it is drawn, and the standard deviations of their densities. Rows of `ending` paths mean nothing: there they begin
    /// anew before the next step.
    fn step<'py>(
        &self,
        py: Python<'py>,
        actions: PyReadonlyArray2<'py, f64>,
        begun: Vec<usize>,
        starts: PyReadonlyArray2<'py, f64>,
        ending: Vec<usize>,
    ) -> PyResult<Rows<'py>> {
        let (actions, starts) = (actions.as_array().to_owned(), starts.as_array().to_owned());
        let fits = actions.dim() == (self.paths, self.actions)
            && starts.dim() == (begun.len(), self.states)
            && begun.iter().chain(&ending).all(|&path| path < self.paths);
        if !fits
            || actions
                .iter()
                .chain(&starts)
                .any(|value| !value.is_finite())
        {
            return Err(StatecastError::new_err(format!(
                "actions of shape {:?} and {} starts of shape {:?} for {} paths of {} states and {} actions, or values \
                 that are not finite",
                actions.shape(),
                begun.len(),
                starts.shape(),
                self.paths,
                self.states,
                self.actions
            )));
        }
        let starts = begun
            .into_iter()
            .zip(starts.rows().into_iter().map(|row| row.to_owned()));
        let taken = Taken {
            starts: starts.collect(),
            actions,
            ending,
        };
        if self.process != process::id() {
            return Err(PyRuntimeError::new_err(
                "this process was forked, and what draws is in its parent: make the environment anew",
            ));
        }
        let ended = || {
            PyRuntimeError::new_err(
                "the paths have ended, by an error or a step that was interrupted",
            )
        };
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(ended());
        }
        let sent = py.detach(|| {
            let to_worker = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            to_worker.send(taken)
        });
        sent.map_err(|_| ended())?;
        let drawn = loop {
            let received = py.detach(|| {
                let from_worker = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
                from_worker.recv_timeout(LOOK)
            });
            match received {
                Ok(drawn) => break drawn,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
                Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| {
                    self.interrupted.store(true, Ordering::Relaxed);
                })?,
            }
        };
        let Drawn { rows, std } = drawn.map_err(exception)?;
        Ok((rows.to_pyarray(py), std.map(|std| std.to_pyarray(py))))
    }
}

/// Rows of all episodes, one after the other. Rewards stand in the row that they led to.
fn rows(recording: &Recorded, method: Method, with_reward: bool) -> Variables {
    let of_episode = |episode: &statecast::recording::Episode| {
        let name = with_reward.then(|| recording.reward_name()).flatten();
        let reward = name.zip(episode.rewards());
        let parts = ChannelParts {
            state_names: recording.state_names(),
            states: episode.states(),
            action_names: recording.action_names(),
            actions: episode.actions(),
            reward: reward.map(|(name, rewards)| (name, rewards.view(), RewardRow::OfNextState)),
        };
        Variables::of_parts(parts, method)
    };
    let parts: Vec<Variables> = recording.episodes().iter().map(of_episode).collect();
    Variables::joined(&parts)
}
