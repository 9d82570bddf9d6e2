//! A predictor with its settings, and how it begins to read a context.

use std::str::FromStr;
use std::sync::Arc;

use ndarray::{ArrayView2, s};

use super::ends::Ends;
use super::known_steps::KnownSteps;
use super::long_context::{first_shown, longest_segment, most_steps};
use super::{
    Cycles, Encoding, ForecastError, Language, OneStep, Predictor, Reading, Role, Temperature,
    Tolerance, Variables,
};
use crate::codec::Scale;
use crate::disentangle::{Components, Disentangler};
use crate::experts::{CENTRE, MAX_POSITION};
use crate::model::Model;
use crate::recording::{Calendar, Steps};

/// How variables become channels (Benechehab et al., arXiv 2410.11711).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Every state variable is a channel of its own.
    #[default]
    Vicl,
    /// Channels are the principal components of the states.
    DiclS,
    /// Channels are the principal components of states and actions.
    DiclSa,
    /// Every state variable is a channel of its own, read as what online experts, which see all
    /// channels and the actions, leave over ([`Residual`](super::Residual)).
    Residual,
}

impl FromStr for Method {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, ForecastError> {
        match text {
            "vicl" => Ok(Self::Vicl),
            "dicl-s" => Ok(Self::DiclS),
            "dicl-sa" => Ok(Self::DiclSa),
            "residual" => Ok(Self::Residual),
            other => Err(ForecastError::Method(other.to_owned())),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vicl => "vicl",
            Self::DiclS => "dicl-s",
            Self::DiclSa => "dicl-sa",
            Self::Residual => "residual",
        })
    }
}

/// What shapes the densities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How variables become channels.
    pub method: Method,
    /// How many principal components are kept, for the methods that have them.
    pub components: Components,
    /// How the channels' axes are chosen.
    pub scale: Scale,
    /// Divisor of the logits.
    pub temperature: Temperature,
    /// Probability that may stay unrefined where numbers are written digit by digit.
    pub tolerance: Tolerance,
    /// Whether forecasters may read the calendar of rows: times of the day, days of the week, and so on.
    pub calendar: bool,
    /// How steps of time that vary are read.
    pub irregular: Irregular,
}

/// How rows whose steps of time vary are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Irregular {
    /// Sample paths of what no action drives are drawn from [rows at even times](crate::resample::even_rows), a median step
    /// apart. Densities of single rows, and paths that actions drive, are as with [`Known`](Self::Known).
    #[default]
    Even,
    /// The time from a row to the next is known to forecasters that need actions, as one more of these.
    Known,
    /// As if all steps were equal.
    None,
}

impl FromStr for Irregular {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, ForecastError> {
        match text {
            "even" => Ok(Self::Even),
            "known" => Ok(Self::Known),
            "none" => Ok(Self::None),
            other => Err(ForecastError::Irregular(other.to_owned())),
        }
    }
}

impl Default for Settings {
    /// The published method, [`Method::Vicl`], which suits any model and any predictor. The bundled model is read
    /// [otherwise](Self::builtin).
    fn default() -> Self {
        Self {
            method: Method::default(),
            components: Components::All,
            scale: Scale::default(),
            temperature: Temperature::default(),
            tolerance: Tolerance::default(),
            calendar: true,
            irregular: Irregular::default(),
        }
    }
}

impl Settings {
    /// How the program reads the bundled model: by [`Method::Residual`].
    pub fn builtin() -> Self {
        Self {
            method: Method::Residual,
            ..Self::default()
        }
    }

    /// Those of a baseline beside language models: it is the same whatever it stands beside, principal components too.
    pub(crate) fn of_baseline(self) -> Self {
        let method = match self.method {
            Method::DiclS | Method::DiclSa => Method::Vicl,
            same => same,
        };
        Self { method, ..self }
    }

    /// The settings that suit a model, as the program chooses them: those of the [bundled](Self::builtin) one for any that
    /// was trained to read hints, else [`Method::Vicl`].
    pub fn for_model(model: &Model) -> Self {
        match model.hinted().is_some() {
            true => Self::builtin(),
            false => Self::default(),
        }
    }
}

/// A predictor of channels with the settings by which it reads trajectories.
///
/// ```
/// use std::num::NonZeroUsize;
/// use ndarray::Array2;
/// use statecast::codec::builtin_formats;
/// use statecast::forecast::{Forecaster, Levels, Role, RolloutSettings, Settings, Variables};
/// use statecast::model::{Device, Model, ModelSource, Precision};
///
/// let formats = builtin_formats()?;
/// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu)?;
/// let context = Variables::new(
///     vec!["angle".to_owned()],
///     vec![Role::State],
///     Array2::from_shape_fn((80, 1), |(t, _)| (0.3 * t as f64).sin()),
/// );
/// let reading = Forecaster::new(&model, Settings::default()).read(&context)?;
/// let rollout = reading.rollout(&RolloutSettings {
///     horizon: NonZeroUsize::new(5).unwrap(),
///     ..RolloutSettings::default()
/// }, None, &|_| ())?;
/// let next = rollout.summary(&Levels::default()).mean[[0, 0]];
/// assert!((next - (0.3 * 80.0f64).sin()).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Forecaster {
    predictor: Arc<dyn Predictor>,
    settings: Settings,
    origins: usize,
    earlier: Option<Arc<Variables>>,
    name: Option<String>,
}

impl Forecaster {
    /// A language model that forecasts.
    pub fn new(model: &Model, settings: Settings) -> Self {
        Self::of(Language::as_set(model, settings), settings)
    }

    /// Any predictor that forecasts. The settings' temperature and tolerance are the predictor's
    /// business.
    pub fn of(predictor: Arc<dyn Predictor>, settings: Settings) -> Self {
        Self {
            predictor,
            settings,
            origins: 0,
            earlier: None,
            name: None,
        }
    }

    /// The same, with other recordings of the system that it reads before every context: what learns
    /// online learns from all their rows, and a model's window is left to the context. Axes are
    /// fitted on both.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::forecast::{Forecaster, Role, Settings, Variables};
    /// // Two runs of x' = 0.9 x.
    /// let run = |first: f64, rows: usize| {
    ///     let values = Array2::from_shape_fn((rows, 1), |(t, _)| first * 0.9f64.powi(t as i32));
    ///     Variables::new(vec!["x".to_owned()], vec![Role::State], values)
    /// };
    /// let linear = Forecaster::of(named("linear").unwrap(), Settings::default());
    /// let informed = linear.clone().with_earlier(&[run(1.0, 40)])?;
    /// let off = |forecaster: &Forecaster| -> Result<f64, statecast::forecast::ForecastError> {
    ///     let reading = forecaster.read(&run(-2.0, 3))?;
    ///     Ok((reading.one_step().density(2, 0).mean() + 2.0 * 0.81).abs())
    /// };
    /// assert!(off(&informed)? < 0.8 * off(&linear)?);
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    ///
    /// # Errors
    /// [`ForecastError::Earlier`] if their variables or actions are not those of the first.
    pub fn with_earlier(self, recordings: &[Variables]) -> Result<Self, ForecastError> {
        let Some(first) = recordings.first() else {
            return Ok(self);
        };
        recordings
            .iter()
            .try_for_each(|other| other.check_like(first))?;
        Ok(Self {
            earlier: Some(Arc::new(Variables::joined(recordings))),
            ..self
        })
    }

    /// The same, with the bands of its [rollouts](Self::rollouts) adjusted by forecasts from so many
    /// origins inside of the context.
    pub fn with_origins(self, origins: usize) -> Self {
        Self { origins, ..self }
    }

    /// Whether it reads other recordings before every context.
    pub(super) fn has_earlier(&self) -> bool {
        self.earlier.is_some()
    }

    /// Origins inside of the context that forecasts are adjusted by.
    pub fn origins(&self) -> usize {
        self.origins
    }

    /// The same under another name, where several predictors have the same.
    pub fn with_name(self, name: String) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// Its name, by default that of the predictor.
    pub fn name(&self) -> String {
        let of_predictor = || self.predictor.name();
        self.name.clone().unwrap_or_else(of_predictor)
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Rows of context and steps, together, that a model behind it remembers; of longer contexts it
    /// reads the last ones, while online experts read all ([`Predictor::window`]).
    pub fn window(&self) -> usize {
        self.predictor.window()
    }

    /// Most rows of context that leave room for a forecast of `horizon` steps.
    pub fn longest_context(&self, horizon: usize) -> usize {
        self.predictor.longest_context(horizon)
    }

    /// Most rows of context that leave room for paths of `horizon` steps, which begin again where the
    /// window is full: whatever the horizon, a quarter of the window is left.
    pub fn longest_context_of_paths(&self, horizon: usize) -> usize {
        self.longest_context(self.at_once(horizon))
    }

    /// Last rows of longer contexts that a model behind it reads before paths of `horizon` steps.
    pub fn rows_before_paths(&self, horizon: usize) -> usize {
        self.window().saturating_sub(self.at_once(horizon))
    }

    /// Steps that are drawn from a context before a path begins again, at least.
    fn at_once(&self, horizon: usize) -> usize {
        horizon.min(most_steps(self.window()))
    }

    /// Steps that a path may go from a context of so many rows before it has to begin again
    /// ([`RolloutSettings::max_steps`](field@super::RolloutSettings::max_steps)).
    pub fn longest_segment(&self, rows: usize) -> usize {
        let room = self.longest_context(1).saturating_sub(rows);
        let max_steps = longest_segment(self.predictor.window(), rows);
        max_steps.min(room.saturating_add(1))
    }

    /// True if forecasts of contexts with actions need those to come.
    pub fn needs_actions(&self) -> bool {
        self.predictor.needs_actions()
    }

    /// True if its densities depend on the actions.
    pub fn sees_actions(&self) -> bool {
        self.settings.method == Method::DiclSa || self.predictor.needs_actions()
    }

    /// Reads a context `[rows, variables]` in one pass, with the density of every row.
    ///
    /// # Errors
    /// [`ForecastError::TooFewRows`], [`ForecastError::Window`] if the context alone is longer than
    /// the window, and what the codec, the disentangler and the model report.
    pub fn read(&self, context: &Variables) -> Result<Reading, ForecastError> {
        self.read_last(context, context.rows())
    }

    /// Reads a context, with the densities of its last `scored` rows only. The others cost nothing
    /// then, which counts for models that write numbers digit by digit.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_last(&self, context: &Variables, scored: usize) -> Result<Reading, ForecastError> {
        self.read_ahead(context, scored, 0)
    }

    /// The same before so many steps, which leave the less of a model's window to a longer context;
    /// zero if their number is not known.
    pub(super) fn read_ahead(
        &self,
        context: &Variables,
        scored: usize,
        horizon: usize,
    ) -> Result<Reading, ForecastError> {
        let rows = context.rows();
        let wanted = rows.saturating_sub(scored);
        let ahead = self.at_once(horizon);
        let mut reading = self.begin_ahead(context, ahead)?;
        let shown = first_shown(self.predictor.window(), rows, wanted, ahead);
        if shown > 0 {
            reading.pass(&context.slice(0..shown))?;
        }
        match shown {
            0 => reading.take(context, wanted..rows)?,
            _ => reading.take(&context.slice(shown..rows), wanted - shown..rows - shown)?,
        }
        Ok(reading)
    }

    /// A context `[rows, variables]` that was not read yet: its rows are still to be
    /// [observed](Reading::observe). Axes are fitted on all of them, and on
    /// [earlier recordings](Self::with_earlier), which are read.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::forecast::{Forecaster, Role, Settings, Variables};
    /// let wave = Array2::from_shape_fn((90, 1), |(t, _)| (0.3 * t as f64).sin());
    /// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], wave);
    /// let forecaster = Forecaster::of(named("ar").unwrap(), Settings::default());
    /// // Densities of many rows need not be held together.
    /// let mut reading = forecaster.begin(&context)?;
    /// let mut score = 0.0;
    /// for start in (0..90).step_by(30) {
    ///     score += reading.observe(&context.slice(start..start + 30))?.log_scores().sum();
    /// }
    /// let at_once = forecaster.read(&context)?.one_step().log_scores().sum();
    /// assert!((score - at_once).abs() < 1e-6);
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn begin(&self, context: &Variables) -> Result<Reading, ForecastError> {
        self.begin_ahead(context, 0)
    }

    /// The same before so many steps; zero if their number is not known.
    fn begin_ahead(&self, context: &Variables, horizon: usize) -> Result<Reading, ForecastError> {
        let Some(earlier) = &self.earlier else {
            return self.begin_on(context, horizon);
        };
        context.check_like(earlier)?;
        let all = Variables::joined(&[Variables::clone(earlier), context.clone()]);
        let mut reading = self.begin_on(&all, horizon)?;
        reading.pass(earlier)?;
        // They are no rows of the context, whose first does not follow from their last.
        reading.rows = 0;
        reading.begins_anew = true;
        Ok(reading)
    }

    /// The calendar of a context's rows, if it is read and shows cycles.
    fn calendar(&self, context: &Variables) -> Option<Calendar> {
        self.cycles(context)?;
        context.calendar.clone()
    }

    /// The cycles of the calendar that it reads in a context; none if it reads no calendar, no times are known, the context is
    /// too short for any, or actions drive it.
    pub fn cycles(&self, context: &Variables) -> Option<Cycles> {
        let calendar = context.calendar.as_ref()?;
        let is_read = self.settings.calendar && self.predictor.reads_calendar();
        let cycles = (is_read && context.actions.is_empty()).then(|| calendar.cycles())?;
        (!cycles.is_empty()).then_some(cycles)
    }

    /// The steps of a context's rows, if they vary and are read.
    pub fn steps(&self, context: &Variables) -> Option<Steps> {
        let is_read = self.settings.irregular != Irregular::None && self.predictor.needs_actions();
        context.steps.clone().filter(|_| is_read)
    }

    /// What is fitted on some rows, of which none was read.
    fn begin_on(&self, context: &Variables, horizon: usize) -> Result<Reading, ForecastError> {
        let rows = context.rows();
        if rows < 2 {
            return Err(ForecastError::TooFewRows(rows));
        }
        Variables::check_count(context.names.len())?;
        self.predictor.check(rows, 0)?;
        // In one memory order: sums must not round differently for what was cut from a longer array.
        let values = context.values.as_standard_layout();
        let disentangler = match self.settings.method {
            Method::Vicl | Method::Residual => Disentangler::identity(context.names.len()),
            Method::DiclSa if context.of_role(Role::Action).is_empty() => {
                return Err(ForecastError::NoActions);
            }
            Method::DiclS | Method::DiclSa => {
                Disentangler::principal(values.view(), self.settings.components)?
            }
        };
        let encoding = Encoding::fit(
            disentangler,
            &context.names,
            self.settings.scale,
            values.view(),
        )?;
        let active: Vec<usize> = (0..encoding.axes().len())
            .filter(|&c| !encoding.axes()[c].is_constant())
            .collect();
        if !self.predictor.is_bounded() {
            check_reach(&encoding, &active, values.view())?;
        }
        let known_steps = self.steps(context).map(KnownSteps::new);
        let mut units = largest(context.actions.view());
        units.extend(known_steps.as_ref().map(KnownSteps::largest));
        let mut reading = Reading {
            predictor: self.predictor.clone(),
            one_step: OneStep::constant(&encoding, values.slice(s![..0, ..])),
            rows: 0,
            actions: context.of_role(Role::Action),
            units,
            known_steps,
            outcomes: outcomes(context, &encoding, &active),
            ends: vec![Ends::default(); active.len()],
            calendar: self.calendar(context),
            encoding,
            active,
            continuation: None,
            begins_anew: false,
            clipped: 0,
        };
        if !reading.active.is_empty() {
            reading.continuation = Some(self.predictor.start(reading.start(rows, horizon))?);
        }
        Ok(reading)
    }
}

/// Places of outcomes among the active channels, where channels are variables.
fn outcomes(context: &Variables, encoding: &Encoding, active: &[usize]) -> Vec<usize> {
    let is_outcome = |&i: &usize| context.roles[active[i]] == Role::Outcome;
    match encoding.disentangler().is_identity() {
        true => (0..active.len()).filter(is_outcome).collect(),
        false => Vec::new(),
    }
}

/// Whether all values of a context lie where online experts take them as they are.
fn check_reach(
    encoding: &Encoding,
    active: &[usize],
    values: ArrayView2<f64>,
) -> Result<(), ForecastError> {
    let channels = encoding.disentangler().to_channels(values);
    for &c in active {
        let axis = encoding.axes()[c];
        let beyond = |x: &f64| (axis.position(*x) - CENTRE).abs() > MAX_POSITION;
        if let Some(&value) = channels.column(c).iter().find(|x| beyond(x)) {
            let channel = encoding.channel_names()[c].clone();
            return Err(ForecastError::BeyondReach { channel, value });
        }
    }
    Ok(())
}

/// Size of the largest value of every column.
fn largest(actions: ArrayView2<f64>) -> Vec<f64> {
    let columns = actions.columns().into_iter();
    columns
        .map(|column| column.iter().fold(0.0, |m: f64, a| m.max(a.abs())))
        .collect()
}
