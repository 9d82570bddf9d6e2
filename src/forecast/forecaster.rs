//! Reading a context: from variables to one-step densities and a session that can go on.

use std::rc::Rc;
use std::str::FromStr;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{
    Continuation, Encoding, ForecastError, Language, Levels, Observed, OneStep, Point, Predictor,
    Role, Start, Summary, Tolerance, Variables,
};
use crate::codec::{Bin, Scale};
use crate::density::BinnedDensity;
use crate::disentangle::{Components, Disentangler};
use crate::experts::Leadership;
use crate::model::Model;

/// Joint draws behind the one-step quantiles of a mixed variable.
const ONE_STEP_DRAWS: usize = 1000;

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

/// Divisor of the logits: 1 is the model as it is, below 1 is narrower, above 1 wider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(f64);

impl Temperature {
    /// A temperature above zero.
    ///
    /// # Errors
    /// [`ForecastError::Temperature`] otherwise.
    pub fn new(value: f64) -> Result<Self, ForecastError> {
        if value > 0.0 && value.is_finite() {
            Ok(Self(value))
        } else {
            Err(ForecastError::Temperature(value))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Temperature {
    fn default() -> Self {
        Self(1.0)
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            method: Method::default(),
            components: Components::All,
            scale: Scale::default(),
            temperature: Temperature::default(),
            tolerance: Tolerance::default(),
        }
    }
}

/// A predictor of channels with the settings by which it reads trajectories.
///
/// ```
/// use std::num::NonZeroUsize;
/// use candle_core::Device;
/// use ndarray::Array2;
/// use statecast::codec::builtin_formats;
/// use statecast::forecast::{Forecaster, Levels, Role, RolloutSettings, Settings, Variables};
/// use statecast::model::{Model, ModelSource, Precision};
///
/// let formats = builtin_formats()?;
/// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, &Device::Cpu)?;
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
pub struct Forecaster<'m> {
    predictor: Rc<dyn Predictor<'m> + 'm>,
    settings: Settings,
    origins: usize,
}

impl<'m> Forecaster<'m> {
    /// A language model that forecasts.
    pub fn new(model: &'m Model, settings: Settings) -> Self {
        Self::of(Language::as_set(model, settings), settings)
    }

    /// Any predictor that forecasts. The settings' temperature and tolerance are the predictor's
    /// business.
    pub fn of(predictor: Rc<dyn Predictor<'m> + 'm>, settings: Settings) -> Self {
        Self {
            predictor,
            settings,
            origins: 0,
        }
    }

    /// The same, with the bands of its [forecasts](Self::forecast) adjusted by forecasts from so many
    /// origins inside of the context.
    pub fn with_origins(self, origins: usize) -> Self {
        Self { origins, ..self }
    }

    /// Origins inside of the context that forecasts are adjusted by.
    pub fn origins(&self) -> usize {
        self.origins
    }

    /// Name of the predictor.
    pub fn name(&self) -> String {
        self.predictor.name()
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Most rows of context that leave room for a forecast of `horizon` steps.
    pub fn longest_context(&self, horizon: usize) -> usize {
        self.predictor.longest_context(horizon)
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
    pub fn read(&self, context: &Variables) -> Result<Reading<'m>, ForecastError> {
        self.read_last(context, context.rows())
    }

    /// Reads a context, with the densities of its last `scored` rows only. The others cost nothing
    /// then, which counts for models that write numbers digit by digit.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_last(
        &self,
        context: &Variables,
        scored: usize,
    ) -> Result<Reading<'m>, ForecastError> {
        let rows = context.rows();
        let first = rows.saturating_sub(scored);
        if rows < 2 {
            return Err(ForecastError::TooFewRows(rows));
        }
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
        let (_, saturated) = encoding.bins(values.view());
        let active: Vec<usize> = (0..encoding.axes().len())
            .filter(|&c| !encoding.axes()[c].is_constant())
            .collect();
        let mut reading = Reading {
            predictor: self.predictor.clone(),
            one_step: OneStep::constant(&encoding, values.slice(s![first.., ..])),
            rows,
            actions: context.of_role(Role::Action),
            units: largest(context.actions.view()),
            encoding,
            active,
            continuation: None,
            saturated,
        };
        if !reading.active.is_empty() {
            let mut continuation = self.predictor.start(reading.start(rows))?;
            let positions = reading.start(rows).positions(values.view());
            let resolutions = reading.active_resolutions();
            let observed = Observed {
                positions: positions.view(),
                actions: context.actions.view(),
                begins: &context.begins,
                resolutions: &resolutions,
            };
            let read = continuation.observe(observed, first..rows)?;
            reading.continuation = Some(continuation);
            reading.one_step.keep(&read, &reading.active);
        }
        Ok(reading)
    }
}

/// Size of the largest value of every column.
fn largest(actions: ArrayView2<f64>) -> Vec<f64> {
    let columns = actions.columns().into_iter();
    columns
        .map(|column| column.iter().fold(0.0, |m: f64, a| m.max(a.abs())))
        .collect()
}

/// A context that was read: its densities, and the state from which it is continued.
pub struct Reading<'m> {
    pub(super) predictor: Rc<dyn Predictor<'m> + 'm>,
    pub(super) encoding: Encoding,
    /// Channels that are predicted: all but the constant ones.
    pub(super) active: Vec<usize>,
    pub(super) continuation: Option<Box<dyn Continuation<'m> + 'm>>,
    /// Indices of the variables that are actions.
    pub(super) actions: Vec<usize>,
    /// Sizes of the largest actions that were recorded, whether they are variables or not.
    pub(super) units: Vec<f64>,
    one_step: OneStep,
    rows: usize,
    saturated: usize,
}

impl Reading<'_> {
    /// The map between variables and bins.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Which online experts have led in the rows that were observed, channel by channel, with the
    /// channel's index; none where the predictor reads no experts. Constant channels have none.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::experts::Source;
    /// use statecast::forecast::{Forecaster, Residual, Role, Settings, Variables};
    /// let values = Array2::from_shape_fn((80, 1), |(t, _)| (0.3 * t as f64).sin());
    /// let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    /// let residual = Residual::new(named("mean").unwrap());
    /// let reading = Forecaster::of(Rc::new(residual), Settings::default()).read(&context)?;
    /// let (channel, leadership) = &reading.leaders()[0];
    /// assert_eq!((*channel, leadership.last), (0, Some(Source::Linear)));
    /// # Ok::<(), statecast::forecast::ForecastError>(())
    /// ```
    pub fn leaders(&self) -> Vec<(usize, Leadership)> {
        let leaders = self.continuation.as_ref().map(|c| c.leaders());
        let leaders = leaders.unwrap_or_default();
        self.active.iter().copied().zip(leaders).collect()
    }

    /// Rows of the context.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The densities of the context's rows, or of its last ones if only those were asked for.
    pub fn one_step(&self) -> &OneStep {
        &self.one_step
    }

    /// Values of the context that lay outside their channel's axis, or that of its residual, and were moved to
    /// its end.
    pub fn saturated(&self) -> usize {
        match (&self.continuation, self.predictor.is_bounded()) {
            (Some(continuation), false) => continuation.clipped(),
            _ => self.saturated,
        }
    }

    /// One-step mean, spread and quantiles of the variables, `[rows, variables]`, of the rows that
    /// have a density.
    ///
    /// Quantiles of mixed variables come from 1000 joint draws of the channels a row, seeded.
    pub fn one_step_summary(&self, levels: &Levels, seed: u64) -> Summary {
        if self.encoding.disentangler().is_identity() {
            self.separate_summary(levels)
        } else {
            self.mixed_summary(levels, seed)
        }
    }

    fn separate_summary(&self, levels: &Levels) -> Summary {
        let (rows, channels) = self.one_step.observed().dim();
        let mut summary = Summary::zeros(rows, channels, levels);
        for t in 0..rows {
            for c in 0..channels {
                let density = self.one_step.density(t, c);
                summary.mean[[t, c]] = density.mean();
                summary.std[[t, c]] = density.std();
                for (quantiles, &level) in summary.quantiles.iter_mut().zip(levels.as_slice()) {
                    quantiles[[t, c]] = density.quantile(level);
                }
            }
        }
        summary
    }

    fn mixed_summary(&self, levels: &Levels, seed: u64) -> Summary {
        let (rows, channels) = self.one_step.observed().dim();
        let disentangler = self.encoding.disentangler();
        let variables = disentangler.variables();
        let mut summary = Summary::zeros(rows, variables, levels);
        (summary.mean, summary.std) = self.one_step_moments();
        let mut draws = Array2::zeros((ONE_STEP_DRAWS, channels));
        for t in 0..rows {
            let densities = self.densities(t);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(t as u64);
            for mut draw in draws.rows_mut() {
                for (c, density) in densities.iter().enumerate() {
                    draw[c] = density.quantile(random.random());
                }
            }
            let mut drawn = disentangler.to_variables(draws.view());
            if let Some(residuals) = disentangler.residuals() {
                for mut row in drawn.rows_mut() {
                    row += &residuals.row(random.random_range(0..residuals.nrows()));
                }
            }
            for (v, column) in drawn.columns().into_iter().enumerate() {
                summary.set_quantiles(t, v, &mut column.to_vec());
            }
        }
        summary
    }

    /// One-step means and standard deviations of the variables, `[rows, variables]`, of the rows that
    /// have a density.
    pub fn one_step_moments(&self) -> (Array2<f64>, Array2<f64>) {
        let disentangler = self.encoding.disentangler();
        let shape = (self.one_step.rows(), disentangler.variables());
        let (mut means, mut deviations) = (Array2::zeros(shape), Array2::zeros(shape));
        for t in 0..self.one_step.rows() {
            let densities = self.densities(t);
            let mean: Array1<f64> = densities.iter().map(|d| d.mean()).collect();
            let variance: Array1<f64> = densities.iter().map(|d| d.variance()).collect();
            means
                .row_mut(t)
                .assign(&self.encoding.variables(mean.view()));
            let covariance = disentangler.covariance(variance.view());
            deviations
                .row_mut(t)
                .assign(&covariance.diag().mapv(f64::sqrt));
        }
        (means, deviations)
    }

    /// One joint draw of the variables of every row that has a density, `[rows, variables]`.
    pub fn one_step_draw(&self, random: &mut ChaCha8Rng) -> Array2<f64> {
        let disentangler = self.encoding.disentangler();
        let mut drawn = Array2::zeros((self.one_step.rows(), disentangler.variables()));
        for (t, mut row) in drawn.rows_mut().into_iter().enumerate() {
            let levels = self.densities(t).into_iter();
            let channels: Array1<f64> = levels.map(|d| d.quantile(random.random())).collect();
            row.assign(&self.encoding.variables(channels.view()));
            if let Some(residuals) = disentangler.residuals() {
                row += &residuals.row(random.random_range(0..residuals.nrows()));
            }
        }
        drawn
    }

    fn densities(&self, row: usize) -> Vec<BinnedDensity<'_>> {
        let channels = 0..self.one_step.channels();
        channels.map(|c| self.one_step.density(row, c)).collect()
    }

    /// Reads rows that came after the context, `[rows, variables]` with their actions, and returns
    /// their densities, each given all rows before it. The axes stay those of the context.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if the window ends, and what the predictor reports.
    pub fn observe(&mut self, came: &Variables) -> Result<OneStep, ForecastError> {
        let rows = came.rows();
        self.predictor.check(self.rows + rows, 0)?;
        let values = came.values.as_standard_layout();
        let (_, saturated) = self.encoding.bins(values.view());
        self.one_step = OneStep::constant(&self.encoding, values.view());
        let positions = self.start(rows).positions(values.view());
        let resolutions = self.active_resolutions();
        if let Some(continuation) = &mut self.continuation {
            let observed = Observed {
                positions: positions.view(),
                actions: came.actions.view(),
                begins: &came.begins,
                resolutions: &resolutions,
            };
            let read = continuation.observe(observed, 0..rows)?;
            self.one_step.keep(&read, &self.active);
        }
        self.rows += rows;
        self.saturated += saturated;
        Ok(self.one_step.clone())
    }

    fn active_resolutions(&self) -> Vec<f64> {
        let resolutions = self.encoding.resolutions();
        self.active.iter().map(|&c| resolutions[c]).collect()
    }

    /// What a predictor is started on, for so many rows.
    fn start(&self, rows: usize) -> Start<'_> {
        Start {
            encoding: &self.encoding,
            active: &self.active,
            units: &self.units,
            rows,
        }
    }

    /// Points of the channels that are predicted, of one row of variables, and how many of them were moved to the
    /// end of the axis.
    pub(super) fn active_points(&self, variables: ArrayView1<f64>) -> (Vec<Point>, usize) {
        let positions = self
            .start(1)
            .positions(variables.insert_axis(ndarray::Axis(0)));
        if !self.predictor.is_bounded() {
            return (positions.iter().map(|&y| Point::at(y)).collect(), 0);
        }
        let saturated = positions.iter().filter(|&&y| Bin::quantise(y).saturated);
        let saturated = saturated.count();
        (positions.iter().map(|&y| Point::of(y)).collect(), saturated)
    }
}
