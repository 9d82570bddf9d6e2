//! The short way: forecasters of models and experts by name, and forecasts of recordings.

use crate::codec::builtin_formats;
use crate::error::Error;
use crate::forecast::{Forecaster, Method, Settings, Variables};
use crate::forecasters::{Combining, ForecasterName, Forecasters, NameError};
use crate::model::{Device, Model, ModelSource, Precision};
use crate::recording::Recording;
use crate::study::forecast::ForecastStudyError;
use crate::study::{Forecast, ForecastSettings, ForecastStudy, Observer};

/// How a forecaster is made: which model or mixture, in which precision, on which device, by which method.
///
/// ```
/// use statecast::Forecaster;
/// let forecaster = Forecaster::builder().experts("builtin,linear")?.recalibrated(true).build()?;
/// assert_eq!(forecaster.name(), "mixture+recalibrated");
/// # Ok::<(), statecast::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    name: ForecasterName,
    precision: Precision,
    device: Device,
    /// By default that which suits the model.
    method: Option<Method>,
    settings: Settings,
    combining: Combining,
    earlier: Vec<Recording>,
}

impl Default for Builder {
    /// The bundled model.
    fn default() -> Self {
        Self {
            name: ForecasterName::Language(ModelSource::Builtin),
            precision: Precision::Auto,
            device: Device::Cpu,
            method: None,
            settings: Settings::default(),
            combining: Combining::default(),
            earlier: Vec::new(),
        }
    }
}

impl Builder {
    /// A model's source: `builtin`, a folder in Hugging Face layout, a GGUF file, `ORG/NAME` of the hub, or the
    /// address of a server.
    ///
    /// # Errors
    /// [`Error::Name`] if it is the address of a server that is none.
    pub fn model(self, source: &str) -> Result<Self, Error> {
        let name = ForecasterName::Language(source.parse().map_err(NameError::from)?);
        Ok(Self { name, ..self })
    }

    /// Names of forecasters to mix, or of a single one, such as `builtin,linear` or `ar`.
    ///
    /// # Errors
    /// [`Error::Name`] if one is empty or the address of a server that is none.
    pub fn experts(self, names: &str) -> Result<Self, Error> {
        let name = ForecasterName::mixture(ForecasterName::list(names)?);
        Ok(Self { name, ..self })
    }

    /// How variables become channels; by default what suits the model.
    pub fn method(self, method: Method) -> Self {
        let method = Some(method);
        Self { method, ..self }
    }

    /// Components, scale, temperature and tolerance. Their method is not taken: see [`method`](Self::method).
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Precision of weights and products.
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Where the model computes.
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// Whether densities are recalibrated online by their past PIT values, and bands by forecasts from inside of
    /// the context. Well-calibrated forecasts are left unchanged.
    pub fn recalibrated(mut self, recalibrated: bool) -> Self {
        self.combining.recalibrated = recalibrated;
        self
    }

    /// How densities are mixed and corrected.
    pub fn combining(self, combining: Combining) -> Self {
        Self { combining, ..self }
    }

    /// Another recording of the same system, which is read before every context: online experts learn from all its
    /// rows. Its variables must be those of the recordings that are forecast.
    pub fn also(mut self, recording: Recording) -> Self {
        self.earlier.push(recording);
        self
    }

    /// Loads the models. One of the hub is fetched if it is not in the cache.
    ///
    /// # Errors
    /// [`Error`] if a model cannot be loaded or the names make no forecaster.
    pub fn build(self) -> Result<Forecaster, Error> {
        let names = std::slice::from_ref(&self.name);
        let models = models(names, self.precision, self.device)?;
        let reads_hints = models.iter().any(|model| model.hinted().is_some());
        let suits = match reads_hints || models.is_empty() {
            true => Method::Residual,
            false => Method::Vicl,
        };
        let settings = Settings {
            method: self.method.unwrap_or(suits),
            ..self.settings
        };
        let of_recording = |recording: &Recording| {
            let of = |episode| Variables::of(recording, episode, settings.method, false);
            recording.episodes().iter().map(of).collect::<Vec<_>>()
        };
        let earlier = self.earlier.iter().flat_map(of_recording).collect();
        let names = self.name.members().to_vec();
        let forecasters = Forecasters::new(&names, models)?.with_earlier(earlier);
        Ok(forecasters.forecaster(&self.name, settings, self.combining)?)
    }
}

/// The language models among some names, each once.
fn models(
    names: &[ForecasterName],
    precision: Precision,
    device: Device,
) -> Result<Vec<Model>, Error> {
    let formats = builtin_formats().map_err(crate::model::ModelError::from)?;
    let mut models: Vec<Model> = Vec::new();
    for source in names.iter().flat_map(ForecasterName::language_models) {
        if !models.iter().any(|model| model.source() == source) {
            models.push(Model::load(source, &formats, precision, device)?);
        }
    }
    Ok(models)
}

impl Forecasters {
    /// Forecasters of some names, with the language models among them loaded for this processor. Those of the hub are
    /// fetched if they are not in the cache.
    ///
    /// ```
    /// use statecast::forecasters::{ForecasterName, Forecasters};
    /// let names = ForecasterName::list("builtin,mixture(builtin,ar)")?;
    /// let forecasters = Forecasters::load(&names)?;
    /// assert_eq!(forecasters.models().len(), 1);
    /// # Ok::<(), statecast::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Model`] if a model cannot be loaded, [`Error::Forecasters`] for too many names.
    pub fn load(names: &[ForecasterName]) -> Result<Self, Error> {
        let models = models(names, Precision::Auto, Device::Cpu)?;
        Ok(Self::new(names, models)?)
    }
}

impl Forecaster {
    /// The bundled model, which reads what online experts leave over, with paths that are pooled with those of the
    /// experts.
    ///
    /// # Errors
    /// [`Error::Model`] if memory runs out.
    pub fn builtin() -> Result<Self, Error> {
        Builder::default().build()
    }

    /// A forecaster of a model's source, read by the method that suits it.
    ///
    /// # Errors
    /// [`Error`] if the model cannot be loaded.
    pub fn from_pretrained(source: &str) -> Result<Self, Error> {
        Self::builder().model(source)?.build()
    }

    /// How a forecaster is made, from the bundled model on.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Forecasts so many steps after the end of a recording of one episode, by 100 paths.
    ///
    /// ```
    /// use statecast::{Forecaster, Recording};
    /// let recording = Recording::read("examples/pendulum.csv")?.only(&["0"])?;
    /// let forecast = Forecaster::builtin()?.forecast(&recording, 10)?;
    /// assert_eq!(forecast.quantile(0.9).dim(), (10, forecast.names.len()));
    /// # Ok::<(), statecast::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ForecastStudyError::SeveralEpisodes`] if there are more, for which there is
    /// [`forecast_each`](Self::forecast_each); [`Error::Study`] if the recording cannot be forecast.
    pub fn forecast(&self, recording: &Recording, horizon: usize) -> Result<Forecast, Error> {
        self.forecast_with(recording, ForecastSettings::new(horizon), &())
    }

    /// The same, as some settings say, to an observer.
    ///
    /// # Errors
    /// As [`forecast`](Self::forecast).
    pub fn forecast_with(
        &self,
        recording: &Recording,
        settings: ForecastSettings,
        observer: &dyn Observer,
    ) -> Result<Forecast, Error> {
        let episodes = recording.episodes().len();
        if episodes > 1 {
            return Err(ForecastStudyError::SeveralEpisodes(episodes).into());
        }
        let mut forecasts = self.forecast_each(recording, settings, observer)?;
        Ok(forecasts.swap_remove(0))
    }

    /// Forecasts after the end of each episode of a recording. Those with too few rows for a context are left out,
    /// which the observer is told.
    ///
    /// # Errors
    /// [`Error::Study`] if the recording cannot be forecast.
    pub fn forecast_each(
        &self,
        recording: &Recording,
        settings: ForecastSettings,
        observer: &dyn Observer,
    ) -> Result<Vec<Forecast>, Error> {
        Ok(ForecastStudy::new(self, recording, settings).run(observer)?)
    }
}
