//! Recordings.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::ArrayView2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::exceptions::PyIndexError;
use pyo3::{Bound, FromPyObject, IntoPyObject, PyResult, Python, pyclass, pymethods};
use statecast::recording::{self, Duplicates, Episode, MissingPolicy, RoleSelection, TimeStamp};

use crate::errors::{StatecastError, exception};
use crate::work;

/// Recorded episodes of a system.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Recording {
    pub(crate) inner: Arc<recording::Recording>,
    notes: Vec<String>,
}

impl Recording {
    /// A recording that was made, of which there is nothing to note.
    pub(crate) fn of(inner: recording::Recording) -> Self {
        Self {
            inner: Arc::new(inner),
            notes: Vec::new(),
        }
    }
}

/// A time of a row.
#[derive(IntoPyObject)]
pub(crate) enum Time {
    Number(f64),
    Date(String),
}

impl Time {
    pub(crate) fn of(stamp: TimeStamp) -> Self {
        match stamp {
            TimeStamp::Number(number) => Self::Number(number),
            TimeStamp::Date(date) => Self::Date(date),
        }
    }
}

/// The parts of an episode: states `[rows, states]`, actions `[rows, actions]`, one reward and two flags a row, and
/// the state after the last step.
#[derive(FromPyObject)]
pub(crate) struct Parts<'py> {
    name: String,
    states: PyReadonlyArray2<'py, f64>,
    actions: PyReadonlyArray2<'py, f64>,
    rewards: Option<PyReadonlyArray1<'py, f64>>,
    terminated: PyReadonlyArray1<'py, bool>,
    truncated: PyReadonlyArray1<'py, bool>,
    final_state: Option<PyReadonlyArray1<'py, f64>>,
}

impl Parts<'_> {
    fn episode(&self) -> Result<Episode, recording::RecordingError> {
        let episode = Episode::new(
            self.name.clone(),
            self.states.as_array().to_owned(),
            self.actions.as_array().to_owned(),
            self.rewards
                .as_ref()
                .map(|rewards| rewards.as_array().to_owned()),
            self.terminated.as_array().to_vec(),
            self.truncated.as_array().to_vec(),
        )?;
        let last = self.final_state.as_ref();
        episode.with_final_state(last.map(|state| state.as_array().to_owned()))
    }
}

#[pymethods]
impl Recording {
    #[staticmethod]
    #[pyo3(signature = (path, *, state, action, reward, episode, time, duplicates, missing, missing_values, encoding, transitions, levels))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn read(
        py: Python<'_>,
        path: PathBuf,
        state: Vec<String>,
        action: Vec<String>,
        reward: Option<String>,
        episode: Option<String>,
        time: Option<String>,
        duplicates: &str,
        missing: &str,
        missing_values: Vec<f64>,
        encoding: Option<String>,
        transitions: bool,
        levels: Vec<String>,
    ) -> PyResult<Self> {
        let unknown = |setting: &str, value: &str, known: &str| {
            StatecastError::new_err(format!("`{setting}={value}`: use {known}"))
        };
        let selection = RoleSelection {
            state,
            action,
            levels,
            reward,
            episode,
            time,
            duplicates: match duplicates {
                "error" => Duplicates::Error,
                "last" => Duplicates::Last,
                "mean" => Duplicates::Mean,
                other => return Err(unknown("duplicates", other, "error, last or mean")),
            },
            encoding,
            missing_values,
            transitions,
            ..RoleSelection::default()
        };
        let missing = match missing {
            "error" => MissingPolicy::Error,
            "hold" => MissingPolicy::Hold,
            "model" => MissingPolicy::Model { held_out: 0 },
            other => return Err(unknown("missing", other, "error, hold or model")),
        };
        let (inner, roles) = work::run(py, |_| recording::read(&path, &selection, missing))?;
        let mut notes: Vec<String> = roles.to_string().lines().map(str::to_owned).collect();
        notes.extend(
            roles
                .scored_fills()
                .map(|warning| format!("warning: {warning}")),
        );
        Ok(Self {
            inner: Arc::new(inner),
            notes,
        })
    }

    #[staticmethod]
    fn of_episodes(
        states: Vec<String>,
        actions: Vec<String>,
        reward: Option<String>,
        episodes: Vec<Parts<'_>>,
    ) -> PyResult<Self> {
        let episodes = episodes.iter().map(Parts::episode);
        let episodes = episodes.collect::<Result<_, _>>().map_err(exception)?;
        let inner = recording::Recording::new(states, actions, reward, episodes);
        Ok(Self {
            inner: Arc::new(inner.map_err(exception)?),
            notes: Vec::new(),
        })
    }

    #[getter]
    fn state_names(&self) -> Vec<String> {
        self.inner.state_names().to_vec()
    }

    #[getter]
    fn action_names(&self) -> Vec<String> {
        self.inner.action_names().to_vec()
    }

    #[getter]
    fn reward_name(&self) -> Option<&str> {
        self.inner.reward_name()
    }

    /// What was understood when it was read, one line each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    #[getter]
    fn episode_names(&self) -> Vec<String> {
        let episodes = self.inner.episodes().iter();
        episodes.map(|episode| episode.name().to_owned()).collect()
    }

    fn only(&self, labels: Vec<String>) -> PyResult<Self> {
        let inner = (*self.inner).clone().only(&labels).map_err(exception)?;
        Ok(Self {
            inner: Arc::new(inner),
            notes: self.notes.clone(),
        })
    }

    fn states<'py>(&self, py: Python<'py>, episode: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(array(py, self.episode(episode)?.states()))
    }

    fn actions<'py>(&self, py: Python<'py>, episode: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(array(py, self.episode(episode)?.actions()))
    }

    fn rewards<'py>(
        &self,
        py: Python<'py>,
        episode: usize,
    ) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
        let rewards = self.episode(episode)?.rewards();
        Ok(rewards.map(|rewards| rewards.to_pyarray(py)))
    }

    fn terminated<'py>(
        &self,
        py: Python<'py>,
        episode: usize,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        Ok(self
            .episode(episode)?
            .terminated()
            .to_vec()
            .into_pyarray(py))
    }

    fn truncated<'py>(
        &self,
        py: Python<'py>,
        episode: usize,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        Ok(self.episode(episode)?.truncated().to_vec().into_pyarray(py))
    }

    fn final_state<'py>(
        &self,
        py: Python<'py>,
        episode: usize,
    ) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
        let state = self.episode(episode)?.final_state();
        Ok(state.map(|state| state.to_pyarray(py)))
    }

    /// Times of an episode's rows: numbers, or dates as texts; nothing if they are not known.
    fn times(&self, episode: usize) -> PyResult<Option<Vec<Option<Time>>>> {
        let episode = self.episode(episode)?;
        let times = episode.times();
        Ok(times.map(|times| {
            (0..episode.rows())
                .map(|row| times.at(row).map(Time::of))
                .collect()
        }))
    }
}

impl Recording {
    fn episode(&self, index: usize) -> PyResult<&Episode> {
        let episodes = self.inner.episodes();
        episodes.get(index).ok_or_else(|| {
            PyIndexError::new_err(format!("episode {index}: there are {}", episodes.len()))
        })
    }
}

fn array<'py>(py: Python<'py>, rows: ArrayView2<'_, f64>) -> Bound<'py, PyArray2<f64>> {
    rows.to_pyarray(py)
}
