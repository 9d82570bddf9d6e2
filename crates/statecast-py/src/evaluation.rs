//! Values of policies, estimated from recordings.

use pyo3::exceptions::PyValueError;
use pyo3::types::{PyAnyMethods, PyDict};
use pyo3::{Bound, FromPyObject, Py, PyAny, PyRef, PyResult, Python, pyfunction};
use statecast::Error;
use statecast::environment::{EnvironmentSource, RewardExpression, TerminationExpression};
use statecast::evaluation::{
    Estimator, EvaluationError, EvaluationSettings, EvaluationStudy, EvaluationStudyError,
    NamedPolicy,
};
use statecast::forecasters::{ForecasterName, Forecasters};
use statecast::policy::Policy;

use crate::errors::exception;
use crate::policy::{Callable, Raised};
use crate::recording::Recording;
use crate::table::{columns, dictionary};
use crate::work;

/// How policies are evaluated: a dictionary with these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Keywords {
    estimators: Vec<String>,
    task: Option<String>,
    reward: Option<String>,
    terminated: Option<String>,
    failure: Option<String>,
    horizon: Option<usize>,
    discount: f64,
    paths: usize,
    context: usize,
    contexts: usize,
    seed: u64,
    model: String,
    /// Episodes to run each policy for in the task's simulator; 0 for none.
    simulate: usize,
    /// Name of the policy that the others are compared with.
    incumbent: Option<String>,
    false_discovery_rate: f64,
}

/// A policy's name, what acts, and what gives log probabilities of actions, if that is known.
type Given = (String, Py<PyAny>, Option<Py<PyAny>>);

/// What acts, and what gives log probabilities.
type Behaviour = (Py<PyAny>, Option<Py<PyAny>>);

/// Estimates the values of policies; a summary, the table of estimates and the lines of a verdict.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    recordings: Vec<(String, PyRef<'py, Recording>)>,
    policies: Vec<Given>,
    behaviours: Vec<Behaviour>,
    keywords: Keywords,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>, Vec<String>)> {
    let incumbent = keywords.incumbent.as_ref().map(|name| {
        let found = policies.iter().position(|(policy, ..)| policy == name);
        found
            .ok_or_else(|| PyValueError::new_err(format!("incumbent={name}: none of the policies")))
    });
    let incumbent = incumbent.transpose()?;
    let rate = keywords.false_discovery_rate;
    if !(rate > 0.0 && rate < 1.0) {
        let reason = format!("false_discovery_rate={rate}: must be above 0 and below 1");
        return Err(PyValueError::new_err(reason));
    }
    let estimators = keywords
        .estimators
        .iter()
        .map(|name| name.parse::<Estimator>());
    let estimators = estimators
        .collect::<Result<Vec<_>, _>>()
        .map_err(exception)?;
    let mut settings = match estimators.is_empty() {
        true => EvaluationSettings::default(),
        false => EvaluationSettings::new(estimators),
    };
    settings.horizon = keywords.horizon;
    settings.discount = keywords.discount;
    settings.paths = keywords.paths;
    settings.context = keywords.context;
    settings.contexts = keywords.contexts;
    settings.seed = keywords.seed;
    let reward = keywords.reward.map(|text| text.parse()).transpose();
    let reward: Option<RewardExpression> = reward.map_err(exception)?;
    let terminated = keywords.terminated.map(|text| text.parse()).transpose();
    let terminated: Option<TerminationExpression> = terminated.map_err(exception)?;
    let failure = keywords.failure.map(|text| text.parse()).transpose();
    settings.failure = failure.map_err(exception)?;
    let env = keywords.task.map(|text| text.parse::<EnvironmentSource>());
    let env = env.transpose().map_err(exception)?;
    let env = match env {
        Some(env) => Some(env.with_rules(reward, terminated)),
        None => {
            (settings.reward, settings.terminated) = (reward, terminated);
            None
        }
    };
    // A program is started to describe its task.
    let task = env.as_ref().map(|env| work::run(py, |_| env.task_anew()));
    let task = task.transpose()?;
    let recordings: Vec<_> = recordings
        .into_iter()
        .map(|(name, recording)| (name, (*recording.inner).clone()))
        .collect();
    let model = keywords
        .model
        .parse::<ForecasterName>()
        .map_err(exception)?;
    let forecasters = work::run(py, |_| -> Result<_, Error> { Forecasters::load(&[model]) })?;
    let raised = Raised::default();
    let values = work::run_with(py, &raised, |watch| -> Result<_, EvaluationStudyError> {
        let study = EvaluationStudy::new(recordings, task.as_ref(), settings, watch)?;
        let widths = study.widths();
        let study = match behaviours.is_empty() {
            true => study,
            false => {
                let made_by = behaviours
                    .into_iter()
                    .enumerate()
                    .map(|(index, (act, log))| {
                        let name = format!("behaviour {index}");
                        let policy = Callable::new(name, act, log, widths, raised.clone());
                        Box::new(policy) as Box<dyn Policy>
                    });
                study.with_behaviours(made_by.collect())?
            }
        };
        let named = |(name, act, log_probabilities): Given| {
            let policy =
                Callable::new(name.clone(), act, log_probabilities, widths, raised.clone());
            NamedPolicy::new(name, Box::new(policy))
        };
        let mut policies: Vec<NamedPolicy> = policies.into_iter().map(named).collect();
        if keywords.simulate > 0 {
            let env = env.ok_or(EvaluationStudyError::NoSimulator)?;
            let mut env = env.make().map_err(EvaluationError::from)?;
            study.simulate(&mut *env, &mut policies, keywords.simulate)?;
        }
        study.run(&mut policies, &forecasters, watch)
    })?;
    let verdict = values.verdict();
    let summary = dictionary(py, &values)?;
    if let Some(incumbent) = incumbent {
        let selection = values.better_than(incumbent, keywords.false_discovery_rate);
        summary.set_item("selection", dictionary(py, &selection)?)?;
    }
    Ok((summary, columns(py, values.table())?, verdict))
}
