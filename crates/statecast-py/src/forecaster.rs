//! Forecasters.

use numpy::PyReadonlyArray2;
use pyo3::{FromPyObject, Py, PyAny, PyRef, PyResult, Python, pyclass, pymethods};
use statecast::codec::Scale;
use statecast::decode::{Temperature, Tolerance};
use statecast::disentangle::Components;
use statecast::evaluation::PolicyActions;
use statecast::policy::Widths;
use statecast::recording::FutureActions;
use statecast::study::forecast::{ActionsAhead, Held, PlannedActions};
use statecast::{Builder, Device, Error, ForecastSettings, Method, Precision, Settings};

use crate::errors::{StatecastError, exception};
use crate::forecast::Forecast;
use crate::policy::{Callable, Raised};
use crate::recording::Recording;
use crate::session::Session;
use crate::work::{self, Watch};

/// A model, baseline or mixture that forecasts.
#[pyclass(frozen, module = "statecast._core")]
pub(crate) struct Forecaster {
    pub(crate) inner: statecast::Forecaster,
}

/// What a forecaster is made of: a dictionary with these keys, `None` for what suits the model.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options<'py> {
    model: Option<String>,
    experts: Option<String>,
    method: Option<String>,
    recalibrated: bool,
    precision: String,
    device: String,
    components: Option<String>,
    scale: Option<String>,
    temperature: Option<f64>,
    tolerance: Option<f64>,
    irregular: String,
    also: Vec<PyRef<'py, Recording>>,
}

impl Options<'_> {
    fn builder(&self) -> PyResult<Builder> {
        let mut builder = statecast::Forecaster::builder()
            .recalibrated(self.recalibrated)
            .precision(precision(&self.precision)?)
            .device(device(&self.device)?);
        if let Some(model) = &self.model {
            builder = builder.model(model).map_err(exception)?;
        }
        if let Some(experts) = &self.experts {
            builder = builder.experts(experts).map_err(exception)?;
        }
        if let Some(method) = &self.method {
            builder = builder.method(method.parse::<Method>().map_err(exception)?);
        }
        let mut settings = Settings::default();
        if let Some(components) = &self.components {
            settings.components = components.parse::<Components>().map_err(exception)?;
        }
        if let Some(scale) = &self.scale {
            settings.scale = scale.parse::<Scale>().map_err(exception)?;
        }
        if let Some(temperature) = self.temperature {
            settings.temperature = Temperature::new(temperature).map_err(exception)?;
        }
        if let Some(tolerance) = self.tolerance {
            settings.tolerance = Tolerance::new(tolerance).ok_or_else(|| {
                StatecastError::new_err(format!("`tolerance={tolerance}`: from 0 to 1"))
            })?;
        }
        settings.irregular = self.irregular.parse().map_err(exception)?;
        for recording in &self.also {
            builder = builder.also((*recording.inner).clone());
        }
        Ok(builder.settings(settings))
    }
}

fn precision(name: &str) -> PyResult<Precision> {
    match name {
        "auto" => Ok(Precision::Auto),
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        other => Err(StatecastError::new_err(format!(
            "`precision={other}`: use auto, f32 or bf16"
        ))),
    }
}

fn device(name: &str) -> PyResult<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index = index.parse();
    match (kind, index) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", Ok(index)) => Ok(Device::Cuda(index)),
        ("metal", Ok(index)) => Ok(Device::Metal(index)),
        _ => Err(StatecastError::new_err(format!(
            "`device={name}`: use cpu, cuda:N or metal:N"
        ))),
    }
}

/// What is forecast, and how: a dictionary with these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Steps<'py> {
    horizon: usize,
    samples: usize,
    seed: u64,
    context: Option<usize>,
    with_reward: bool,
    holdout: bool,
    hold_actions: Option<String>,
    /// Plans `[horizon, actions]`, named if there are several.
    future_actions: Vec<(Option<String>, PyReadonlyArray2<'py, f64>)>,
    /// Actions `[paths, actions]` at observations `[paths, states]`.
    policy: Option<Py<PyAny>>,
    derived: Vec<String>,
}

impl Steps<'_> {
    fn settings(&self) -> PyResult<ForecastSettings> {
        let mut settings = ForecastSettings::new(self.horizon);
        settings.samples = self.samples;
        settings.seed = self.seed;
        settings.context = self.context;
        settings.with_reward = self.with_reward;
        settings.holdout = self.holdout;
        for text in &self.derived {
            settings.derived.push(text.parse().map_err(exception)?);
        }
        if let Some(held) = &self.hold_actions {
            settings.actions = ActionsAhead::Held(match held.as_str() {
                "last" => Held::Last,
                "zero" => Held::Zero,
                "mean" => Held::Mean,
                other => {
                    return Err(StatecastError::new_err(format!(
                        "`hold_actions={other}`: use last, zero or mean"
                    )));
                }
            });
        }
        if !self.future_actions.is_empty() {
            let plan = |(name, actions): &(Option<String>, PyReadonlyArray2<f64>)| PlannedActions {
                name: name.clone(),
                plan: FutureActions::of_rows(actions.as_array().to_owned()),
            };
            settings.actions =
                ActionsAhead::Planned(self.future_actions.iter().map(plan).collect());
        }
        Ok(settings)
    }
}

#[pymethods]
impl Forecaster {
    #[new]
    fn new(py: Python<'_>, options: Options<'_>) -> PyResult<Self> {
        let builder = options.builder()?;
        drop(options);
        let inner = work::run(py, |_| builder.build())?;
        Ok(Self { inner })
    }

    #[getter]
    fn name(&self) -> String {
        self.inner.name()
    }

    #[getter]
    fn method(&self) -> String {
        self.inner.settings().method.to_string()
    }

    /// Whether actions change what it forecasts.
    #[getter]
    fn sees_actions(&self) -> bool {
        self.inner.sees_actions()
    }

    /// The same under another name.
    fn named(&self, name: String) -> Self {
        Self {
            inner: self.inner.clone().with_name(name),
        }
    }

    /// Rows of the longest context that it reads before paths of some steps.
    fn longest_context(&self, horizon: usize) -> usize {
        self.inner.longest_context_of_paths(horizon)
    }

    fn forecast(
        &self,
        py: Python<'_>,
        recording: &Recording,
        steps: Steps<'_>,
    ) -> PyResult<Vec<Forecast>> {
        let settings = steps.settings()?;
        let policy = steps.policy.as_ref().map(|policy| policy.clone_ref(py));
        drop(steps);
        let forecaster = &self.inner;
        let recording = &recording.inner;
        let raised = Raised::default();
        let policy = policy.map(|act| {
            let widths = Widths {
                observations: recording.state_names().len(),
                actions: recording.action_names().len(),
            };
            Callable::new("policy".to_owned(), act, None, widths, raised.clone())
        });
        let study = move |watch: &Watch| -> Result<_, Error> {
            let mut settings = settings;
            if let Some(policy) = policy {
                settings.actions = ActionsAhead::acting(PolicyActions(Box::new(policy)));
            }
            forecaster.forecast_each(recording, settings, watch)
        };
        let forecasts = work::run_with(py, &raised, study)?;
        Ok(forecasts.into_iter().map(Forecast::of).collect())
    }

    /// Reads the only episode of a recording, to follow what comes after it.
    fn session(&self, py: Python<'_>, recording: &Recording) -> PyResult<Session> {
        Session::new(py, self.inner.clone(), &recording.inner)
    }

    fn __repr__(&self) -> String {
        format!("Forecaster({:?})", self.inner.name())
    }
}
