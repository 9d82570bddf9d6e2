//! Control by planning of environments that are objects of Python.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use numpy::{PyArray1, PyArray2, PyReadonlyArray1, ToPyArray};
use pyo3::types::{PyAnyMethods, PyDict};
use pyo3::{
    Bound, FromPyObject, Py, PyAny, PyErr, PyRef, PyResult, Python, pyclass, pyfunction, pymethods,
};
use statecast::control::{
    ControlError, ControlSettings, ControlStudy, Limit, Objective, PlannerSettings, SetPoint,
};
use statecast::environment::{
    ActionSpace, Environment, EnvironmentError, EnvironmentSource, RewardExpression, RewardRule,
    StepResult, Task, TaskDescription, TerminationExpression, TerminationRule, with_rules,
};
use statecast::evaluation::{Agent, EvaluationError};

use crate::errors::{StatecastError, exception};
use crate::forecaster::Forecaster;
use crate::policy::Raised;
use crate::recording::Recording;
use crate::table::dictionary;
use crate::work;

/// How a system is controlled: a dictionary with these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Keywords {
    /// `recorded`, an expression, a callable, or `None` for what the environment knows.
    reward: Option<Rule>,
    /// An expression or a callable.
    terminated: Option<Rule>,
    goals: Vec<(String, f64)>,
    limits: Vec<String>,
    horizon: usize,
    candidates: usize,
    iterations: usize,
    draws: usize,
    pessimism: f64,
    discount: f64,
    terminal_value: bool,
    least_coverage: f64,
    seed: u64,
}

/// A rule as a text, or as a function.
#[derive(FromPyObject)]
enum Rule {
    Text(String),
    Function(Py<PyAny>),
}

/// An environment by name, or its description in JSON with the object that is reset and stepped.
#[derive(FromPyObject)]
pub(crate) enum Given {
    Name(String),
    Served(String, Py<PyAny>),
}

/// An object of Python with the methods `reset(seed)` and `step(action)`.
struct Served {
    inner: Py<PyAny>,
    task: Task,
    /// Steps until the time limit; `None` while no episode runs.
    left: Option<usize>,
    raised: Raised,
}

impl Served {
    fn failed(&self, error: PyErr) -> EnvironmentError {
        let reason = error.to_string();
        keep(&self.raised, error);
        EnvironmentError::Program {
            program: self.task.name.to_owned(),
            reason,
        }
    }
}

fn keep(raised: &Raised, error: PyErr) {
    let mut raised = raised.lock().unwrap_or_else(PoisonError::into_inner);
    raised.get_or_insert(error);
}

impl Environment for Served {
    fn task(&self) -> &Task {
        &self.task
    }

    fn reset(&mut self, seed: u64) -> Result<Vec<f64>, EnvironmentError> {
        self.left = None;
        let found = Python::attach(|py| {
            let given = self.inner.bind(py).call_method1("reset", (seed,))?;
            given.extract::<Vec<f64>>()
        });
        let observation = found.map_err(|error| self.failed(error))?;
        self.left = Some(self.task.time_limit);
        Ok(observation)
    }

    fn state(&self) -> Result<Vec<f64>, EnvironmentError> {
        Err(EnvironmentError::NoState {
            task: self.task.name,
        })
    }

    fn restore(&mut self, _state: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        Err(EnvironmentError::NoState {
            task: self.task.name,
        })
    }

    fn step(&mut self, action: &[f64]) -> Result<StepResult, EnvironmentError> {
        self.task.check_action(action)?;
        let task = self.task.name;
        let left = self
            .left
            .take()
            .ok_or(EnvironmentError::NotRunning { task })?;
        let mut action = action.to_vec();
        if let ActionSpace::Box { low, high } = self.task.action_space {
            for (action, (low, high)) in action.iter_mut().zip(low.iter().zip(high)) {
                *action = action.clamp(*low, *high);
            }
        }
        let found = Python::attach(|py| {
            let given = self.inner.bind(py).call_method1("step", (action,))?;
            given.extract::<(Vec<f64>, f64, bool, bool)>()
        });
        let (observation, reward, terminated, truncated) =
            found.map_err(|error| self.failed(error))?;
        let truncated = truncated || left == 1;
        self.left = (!terminated && !truncated).then_some(left - 1);
        Ok(StepResult {
            observation,
            reward,
            terminated,
            truncated,
        })
    }
}

/// A row as a matrix, for functions of many rows.
fn row<'py>(py: Python<'py>, values: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    let values = values.to_pyarray(py);
    values.call_method1("reshape", (1, values.len()?))
}

/// The only number of what a function of one row returned.
fn only(given: &Bound<'_, PyAny>) -> PyResult<f64> {
    let numpy = given.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    array
        .call_method1("reshape", (-1,))?
        .call_method0("item")?
        .extract()
}

/// A number of a function of Python; NaN once one has raised.
fn called(raised: &Raised, call: impl FnOnce(Python<'_>) -> PyResult<f64>) -> f64 {
    let over = raised
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some();
    match over {
        true => f64::NAN,
        false => Python::attach(call).unwrap_or_else(|error| {
            keep(raised, error);
            f64::NAN
        }),
    }
}

fn names(of: &[statecast::environment::Quantity]) -> Vec<String> {
    of.iter().map(|quantity| quantity.name.to_owned()).collect()
}

impl Rule {
    fn reward(self, task: &Task, raised: &Raised) -> Result<RewardRule, EnvironmentError> {
        Ok(match self {
            Self::Text(text) => {
                let expression: RewardExpression = text.parse()?;
                expression.bind(&names(task.observation), &names(task.action))?
            }
            Self::Function(function) => {
                let raised = raised.clone();
                RewardRule::of_function(move |before, action, after| {
                    called(&raised, |py| {
                        let rows = (row(py, before)?, row(py, action)?, row(py, after)?);
                        only(&function.bind(py).call1(rows)?)
                    })
                })
            }
        })
    }

    fn termination(
        self,
        task: &Task,
        raised: &Raised,
    ) -> Result<TerminationRule, EnvironmentError> {
        Ok(match self {
            Self::Text(text) => {
                let expression: TerminationExpression = text.parse()?;
                expression.bind(&names(task.observation))?
            }
            Self::Function(function) => {
                let raised = raised.clone();
                TerminationRule::of_function(move |after| {
                    let ends = called(&raised, |py| {
                        only(&function.bind(py).call1((row(py, after)?,))?)
                    });
                    ends != 0.0
                })
            }
        })
    }
}

impl Given {
    fn environment(
        self,
        py: Python<'_>,
        raised: &Raised,
        reward: Option<Rule>,
        terminated: Option<Rule>,
    ) -> PyResult<Box<dyn Environment>> {
        let environment: Box<dyn Environment> = match self {
            Self::Name(name) => {
                let source: EnvironmentSource = name.parse().map_err(exception)?;
                // A program is started.
                work::run(py, |_| source.make())?
            }
            Self::Served(description, inner) => {
                let description: TaskDescription =
                    serde_json::from_str(&description).map_err(exception)?;
                Box::new(Served {
                    inner,
                    task: description.task().map_err(exception)?,
                    left: None,
                    raised: raised.clone(),
                })
            }
        };
        let task = environment.task();
        let reward = reward.map(|rule| rule.reward(task, raised));
        let terminated = terminated.map(|rule| rule.termination(task, raised));
        let reward = reward.transpose().map_err(exception)?;
        let terminated = terminated.transpose().map_err(exception)?;
        Ok(match (&reward, &terminated) {
            (None, None) => environment,
            _ => with_rules(environment, reward, terminated),
        })
    }
}

/// A system and a study of how it is controlled, whose recordings have been read.
type Prepared = (Box<dyn Environment>, ControlStudy);

fn prepared(
    py: Python<'_>,
    recordings: &[PyRef<'_, Recording>],
    environment: Given,
    forecaster: &Forecaster,
    keywords: Keywords,
    raised: &Raised,
) -> PyResult<Prepared> {
    let predicts = matches!(&keywords.reward, Some(Rule::Text(text)) if text == "recorded");
    let objective = match (keywords.goals.is_empty(), predicts) {
        (true, true) => Objective::Predicted,
        (true, false) => Objective::Reward,
        (false, _) => {
            let points = keywords.goals.into_iter();
            Objective::Goal(
                points
                    .map(|(state, value)| SetPoint { state, value })
                    .collect(),
            )
        }
    };
    let count = |name: &str, count: usize| {
        NonZeroUsize::new(count)
            .ok_or_else(|| StatecastError::new_err(format!("`{name}=0`: at least 1")))
    };
    let mut settings = ControlSettings::new(objective);
    settings.planner = PlannerSettings {
        horizon: count("horizon", keywords.horizon)?,
        candidates: count("candidates", keywords.candidates)?,
        iterations: count("iterations", keywords.iterations)?,
    };
    settings.draws = keywords.draws;
    settings.pessimism = keywords.pessimism;
    settings.discount = keywords.discount;
    let limits = keywords.limits.iter().map(|limit| limit.parse::<Limit>());
    settings.limits = limits.collect::<Result<_, _>>().map_err(exception)?;
    settings.terminal_value = keywords.terminal_value;
    settings.least_coverage = keywords.least_coverage;
    settings.seed = keywords.seed;
    let reward = keywords.reward.filter(|_| !predicts);
    let environment = environment.environment(py, raised, reward, keywords.terminated)?;
    let recordings: Vec<_> = recordings.iter().map(|of| (*of.inner).clone()).collect();
    let forecaster = forecaster.inner.clone();
    work::run_with(py, raised, |watch| -> Result<_, ControlError> {
        let task = environment.task();
        let study = ControlStudy::new(&recordings, task, forecaster, settings, watch)?;
        Ok((environment, study))
    })
}

/// Controls an environment for some episodes; a summary, and the columns of the episodes.
#[pyfunction]
pub(crate) fn control<'py>(
    py: Python<'py>,
    recordings: Vec<PyRef<'py, Recording>>,
    environment: Given,
    forecaster: PyRef<'py, Forecaster>,
    episodes: usize,
    steps: Option<usize>,
    keywords: Keywords,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    if episodes == 0 || steps == Some(0) {
        return Err(StatecastError::new_err(
            "`episodes=` and `steps=` are at least 1",
        ));
    }
    let raised = Raised::default();
    let (mut environment, study) =
        prepared(py, &recordings, environment, &forecaster, keywords, &raised)?;
    drop((recordings, forecaster));
    let outcome = work::run_with(py, &raised, |watch| {
        study.run(&mut *environment, episodes, steps, watch)
    })?;
    let columns = PyDict::new(py);
    for (name, values) in outcome.episodes.columns() {
        columns.set_item(name, values.to_pyarray(py))?;
    }
    Ok((dictionary(py, &outcome)?, columns))
}

/// An agent that plans at every step.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Controller {
    inner: Arc<Mutex<statecast::control::Controller>>,
    raised: Raised,
}

/// Takes a controller, if no other call has it. Who waited for it would wait with the interpreter's lock, which a reward
/// function needs that the controller calls.
fn lock<T>(of: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match of.try_lock() {
        Ok(taken) => Some(taken),
        Err(TryLockError::Poisoned(taken)) => Some(taken.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn busy() -> PyErr {
    StatecastError::new_err("the controller is at work in another call")
}

#[pymethods]
impl Controller {
    #[new]
    fn new(
        py: Python<'_>,
        recordings: Vec<PyRef<'_, Recording>>,
        environment: Given,
        forecaster: PyRef<'_, Forecaster>,
        keywords: Keywords,
    ) -> PyResult<Self> {
        let raised = Raised::default();
        let (_, study) = prepared(py, &recordings, environment, &forecaster, keywords, &raised)?;
        drop((recordings, forecaster));
        let controller = work::run_with(py, &raised, |_| study.controller())?;
        Ok(Self {
            inner: Arc::new(Mutex::new(controller)),
            raised,
        })
    }

    /// Begins an episode.
    fn begin(&self) -> PyResult<()> {
        lock(&self.inner).ok_or_else(busy)?.begin();
        Ok(())
    }

    /// The best plan from an observation, `[horizon, actions]`.
    fn plan<'py>(
        &self,
        py: Python<'py>,
        observation: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let observation = observation.as_array().to_vec();
        let plan = work::run_with(py, &self.raised, |_| {
            let taken = lock(&self.inner);
            taken
                .map(|mut controller| controller.plan(&observation))
                .transpose()
        })?
        .ok_or_else(busy)?;
        Ok(plan.to_pyarray(py))
    }

    /// The action at an observation.
    fn act<'py>(
        &self,
        py: Python<'py>,
        observation: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let observation = observation.as_array().to_vec();
        let action = work::run_with(py, &self.raised, |_| {
            let taken = lock(&self.inner);
            taken
                .map(|mut controller| controller.act(&observation))
                .transpose()
        })?
        .ok_or_else(busy)?;
        Ok(action.to_pyarray(py))
    }

    /// Reads where an action led.
    #[expect(clippy::too_many_arguments, reason = "a step has so many parts")]
    fn learn(
        &self,
        py: Python<'_>,
        observation: PyReadonlyArray1<'_, f64>,
        action: PyReadonlyArray1<'_, f64>,
        reward: f64,
        next: PyReadonlyArray1<'_, f64>,
        terminated: bool,
        truncated: bool,
    ) -> PyResult<()> {
        let vector = |of: PyReadonlyArray1<'_, f64>| of.as_array().to_vec();
        let (observation, action) = (vector(observation), vector(action));
        let step = StepResult {
            observation: vector(next),
            reward,
            terminated,
            truncated,
        };
        work::run_with(py, &self.raised, |_| -> Result<_, EvaluationError> {
            let taken = lock(&self.inner);
            let learnt = taken.map(|mut controller| controller.learn(&observation, &action, &step));
            learnt.transpose()
        })?
        .ok_or_else(busy)
    }
}
