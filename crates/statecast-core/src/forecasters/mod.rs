//! Forecasters by name: baselines, language models, and mixtures of them.
//!
//! A [`ForecasterName`] is parsed from what a user writes; [`Forecasters`] holds the language models that the
//! names need, and what all of them know beforehand, and makes a [`Predictor`] or a [`Forecaster`] of a name.

mod error;
mod name;
mod system;
mod units;

use std::sync::{Arc, OnceLock};

pub use error::ForecastersError;
use name::MLP;
pub use name::seasonal;
pub use name::{ForecasterName, NameError};
pub use system::System;
pub use units::other_units;

use crate::baselines::{Learned, named, named_with_period, trained_mlp};
use crate::forecast::{
    Forecaster, Knowledge, Language, Method, Mixture, Predictor, Recalibrated, Settings, Stacked,
    Variables,
};
use crate::model::{Model, ModelError, ModelInfo, ModelSource};

/// Most forecasters of one run.
const MAX_NAMES: usize = 50;

/// How densities are mixed and corrected.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Combining {
    /// Whether densities are recalibrated online, by their past PIT values; of the members of a mixture only those
    /// of language models are.
    pub recalibrated: bool,
    /// Share of a mixture's weights that is spread evenly at every step, 0 to 1 (fixed share, Herbster &
    /// Warmuth 1998).
    pub alpha: f64,
    /// Forecasts from inside of a context by which the bands of steps ahead are adjusted, where densities are
    /// recalibrated.
    pub origins: usize,
}

impl Default for Combining {
    fn default() -> Self {
        Self {
            recalibrated: false,
            alpha: 0.003,
            origins: 20,
        }
    }
}

impl Combining {
    /// The same without recalibration.
    pub fn plain(self) -> Self {
        Self {
            recalibrated: false,
            ..self
        }
    }

    /// The same with another share of a mixture's weights that is spread evenly.
    pub fn with_alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// The same with so many forecasts from inside of a context.
    pub fn with_origins(self, origins: usize) -> Self {
        Self { origins, ..self }
    }

    /// The same with recalibration.
    pub fn online(self) -> Self {
        Self {
            recalibrated: true,
            ..self
        }
    }
}

/// The language models that some forecasters need, and what forecasters know beforehand.
///
/// ```
/// use statecast::forecast::Settings;
/// use statecast::forecasters::{Combining, ForecasterName, Forecasters};
/// let names = ForecasterName::list("ar,persistence")?;
/// let forecasters = Forecasters::new(&names, Vec::new())?;
/// let mixture = ForecasterName::Mixture(names);
/// let mixture = forecasters.forecaster(&mixture, Settings::default(), Combining::default())?;
/// assert_eq!(mixture.name(), "mixture");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Forecasters {
    names: Vec<ForecasterName>,
    models: Vec<Model>,
    /// Episodes that `mlp` is trained on.
    training: Vec<Variables>,
    /// Episodes that are read before every context.
    earlier: Vec<Variables>,
    /// Networks that learned from these, once they are asked for.
    learned: OnceLock<Option<Learned>>,
    system: System,
}

impl Forecasters {
    /// Forecasters of some names, with the language models among them.
    ///
    /// # Errors
    /// [`ForecastersError::TooMany`]; a model that is missing is found when its forecaster is asked for.
    pub fn new(names: &[ForecasterName], models: Vec<Model>) -> Result<Self, ForecastersError> {
        if names.len() > MAX_NAMES {
            return Err(ForecastersError::TooMany {
                found: names.len(),
                max: MAX_NAMES,
            });
        }
        Ok(Self {
            names: names.to_vec(),
            models,
            training: Vec::new(),
            earlier: Vec::new(),
            learned: OnceLock::new(),
            system: System::default(),
        })
    }

    /// The same, with what is known about the system.
    ///
    /// # Errors
    /// [`ForecastersError::NoReaderOfSimulator`] or [`ForecastersError::NoReaderOfPeriod`] if no forecaster uses it.
    pub fn with_system(self, system: System) -> Result<Self, ForecastersError> {
        if self.models.is_empty() && system.simulates() {
            return Err(ForecastersError::NoReaderOfSimulator);
        }
        let read = self.names.iter().any(|name| name.has(&seasonal()));
        if self.models.is_empty() && system.period().is_some() && !read {
            return Err(ForecastersError::NoReaderOfPeriod);
        }
        Ok(Self { system, ..self })
    }

    /// The same, with episodes that `mlp` is trained on before it reads a context.
    pub fn with_training(self, training: Vec<Variables>) -> Self {
        Self { training, ..self }
    }

    /// The same, with episodes of the same system that every forecaster reads before each context.
    pub fn with_earlier(self, earlier: Vec<Variables>) -> Self {
        Self { earlier, ..self }
    }

    /// What is known about the system.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The language models.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// What a result should say about the models.
    ///
    /// # Errors
    /// [`ModelError::Read`] if weights can no longer be read.
    pub fn model_infos(&self) -> Result<Vec<ModelInfo>, ModelError> {
        self.models.iter().map(Model::info).collect()
    }

    /// The forecaster of a name, with paths that are pooled with those of experts where its model reads hints. It
    /// reads the earlier episodes before each context, and its bands are adjusted where it is recalibrated.
    ///
    /// # Errors
    /// [`ForecastersError`] if a model is missing, a mixture has no members, or earlier episodes are of other variables.
    pub fn forecaster(
        &self,
        name: &ForecasterName,
        settings: Settings,
        combining: Combining,
    ) -> Result<Forecaster, ForecastersError> {
        let predictor = self.predictor(name, settings, combining)?;
        let forecaster = self.informed(Forecaster::of(predictor, settings))?;
        Ok(match combining.recalibrated {
            true => forecaster.with_origins(combining.origins),
            false => forecaster,
        })
    }

    /// The forecasters of some names, to be compared: a baseline has the same channels whatever stands beside it. If
    /// they are recalibrated, a language model or mixture comes as it is, too.
    ///
    /// # Errors
    /// As [`forecaster`](Self::forecaster).
    pub fn all(
        &self,
        names: &[ForecasterName],
        settings: Settings,
        combining: Combining,
    ) -> Result<Vec<Forecaster>, ForecastersError> {
        let mixtures = names.iter().filter(|name| name.is_mixture()).count();
        let named = |forecaster: Forecaster, name: &ForecasterName| match mixtures {
            2.. if name.is_mixture() => {
                let label = forecaster.name().replacen("mixture", &name.to_string(), 1);
                forecaster.with_name(label)
            }
            _ => forecaster,
        };
        let mut all = Vec::new();
        for name in names {
            let settings = match name {
                ForecasterName::Baseline(_) => settings.of_baseline(),
                _ => settings,
            };
            all.push(named(
                self.forecaster(name, settings, combining.plain())?,
                name,
            ));
            if combining.recalibrated && !matches!(name, ForecasterName::Baseline(_)) {
                all.push(named(self.forecaster(name, settings, combining)?, name));
            }
        }
        Ok(all)
    }

    /// The predictor of a name, with paths that are pooled with those of experts where its model reads hints.
    ///
    /// # Errors
    /// As [`forecaster`](Self::forecaster).
    pub fn predictor(
        &self,
        name: &ForecasterName,
        settings: Settings,
        combining: Combining,
    ) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let members = name.members();
        if let [only] = members {
            return self.single(only, settings, combining);
        }
        let predictors = self.members(members, settings, combining)?;
        let mixture = mixed(predictors.clone(), combining)?;
        if settings.method != Method::Residual || self.system.simulates() {
            return Ok(mixture);
        }
        let own = members
            .iter()
            .enumerate()
            .find_map(|(i, member)| match member {
                ForecasterName::Language(source) => Some((i, source)),
                _ => None,
            });
        Ok(match own {
            Some((own, source)) => Language::of(self.model(source)?, settings).stacked_in(
                settings.method,
                mixture,
                predictors,
                own,
                &self.knowledge(settings.method),
            ),
            None => Arc::new(Stacked::new(mixture, predictors)),
        })
    }

    /// The predictor of a name, with no paths but its own.
    ///
    /// # Errors
    /// As [`forecaster`](Self::forecaster).
    pub fn unpooled(
        &self,
        name: &ForecasterName,
        settings: Settings,
        combining: Combining,
    ) -> Result<Arc<dyn Predictor>, ForecastersError> {
        match name.members() {
            [only] => self.member(only, settings, combining),
            members => mixed(self.members(members, settings, combining)?, combining),
        }
    }

    /// The members of a mixture, each as the mixture reads it.
    ///
    /// # Errors
    /// As [`forecaster`](Self::forecaster).
    pub fn members(
        &self,
        names: &[ForecasterName],
        settings: Settings,
        combining: Combining,
    ) -> Result<Vec<Arc<dyn Predictor>>, ForecastersError> {
        let names = names.iter();
        names
            .map(|name| self.member(name, settings, combining))
            .collect()
    }

    fn member(
        &self,
        name: &ForecasterName,
        settings: Settings,
        combining: Combining,
    ) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let source = match name {
            ForecasterName::Baseline(name) => return self.baseline(name),
            ForecasterName::Mixture(_) => {
                return Err(ForecastersError::Nested(name.to_string()));
            }
            ForecasterName::Language(source) => source,
        };
        let language = self.reader(self.model(source)?, settings);
        Ok(match combining.recalibrated {
            true => Arc::new(Recalibrated::new(language)),
            false => language,
        })
    }

    fn baseline(&self, name: &str) -> Result<Arc<dyn Predictor>, ForecastersError> {
        if name == MLP && !self.training.is_empty() {
            return Ok(trained_mlp(self.training.clone()));
        }
        let found = match self.system.period() {
            Some(rows) => named_with_period(name, rows),
            None => named(name),
        };
        found.ok_or_else(|| ForecastersError::Unknown(name.to_owned()))
    }

    fn single(
        &self,
        name: &ForecasterName,
        settings: Settings,
        combining: Combining,
    ) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let member = self.member(name, settings, combining)?;
        let source = match name {
            ForecasterName::Baseline(_) if combining.recalibrated => {
                return Ok(Arc::new(Recalibrated::new(member)));
            }
            ForecasterName::Language(source) if !self.system.simulates() => source,
            _ => return Ok(member),
        };
        let model = self.model(source)?;
        let language = Language::of(model, settings);
        // Paths of densities that are recalibrated need not be better than those of densities as they are.
        let plain = combining.recalibrated.then(|| self.reader(model, settings));
        Ok(self.stacked(&language, settings.method, member, plain))
    }

    /// The language model of a source.
    fn model(&self, source: &ModelSource) -> Result<&Model, ForecastersError> {
        let found = self.models.iter().find(|model| model.source() == source);
        found.ok_or_else(|| ForecastersError::Unknown(source.to_string()))
    }

    /// The reading of a model that the settings say.
    fn reader(&self, model: &Model, settings: Settings) -> Arc<dyn Predictor> {
        let language = Language::of(model, settings);
        language.as_method(settings.method, &self.knowledge(settings.method))
    }

    /// Networks that learned from the earlier episodes, if there are any, a method that uses them, and no
    /// simulator.
    fn learned(&self, method: Method) -> Option<&Learned> {
        if method != Method::Residual || self.system.simulates() {
            return None;
        }
        let learn = || Learned::fit(&self.earlier, 0);
        self.learned.get_or_init(learn).as_ref()
    }

    fn knowledge(&self, method: Method) -> Knowledge {
        let knowledge = self.system.knowledge();
        match self.learned(method) {
            Some(learned) => knowledge.with_learned(learned.simulator()),
            None => knowledge,
        }
    }

    /// Paths of a member that are pooled with those of experts, of learned networks, and of the member before it
    /// was recalibrated.
    fn stacked(
        &self,
        language: &Language,
        method: Method,
        member: Arc<dyn Predictor>,
        plain: Option<Arc<dyn Predictor>>,
    ) -> Arc<dyn Predictor> {
        let learned = self.learned(method).map(Learned::predictor);
        let more = learned.into_iter().chain(plain).collect();
        language.stacked(method, member, more, &self.knowledge(method))
    }

    /// A forecaster that reads the earlier episodes before each context.
    ///
    /// # Errors
    /// [`ForecastersError::Forecast`] if their variables are not all the same.
    pub fn informed(&self, forecaster: Forecaster) -> Result<Forecaster, ForecastersError> {
        let method = forecaster.settings().method;
        let earlier = self.earlier.iter().cloned();
        let earlier: Vec<Variables> = earlier.map(|of| of.of_method(method)).collect();
        Ok(forecaster.with_earlier(&earlier)?)
    }

    /// The only language model with the settings' temperature and tolerance.
    ///
    /// # Errors
    /// [`ForecastersError::NoLanguage`] if there is none.
    pub fn language(&self, settings: Settings) -> Result<Language, ForecastersError> {
        let model = self.models.first().ok_or(ForecastersError::NoLanguage)?;
        Ok(Language::of(model, settings))
    }

    /// The reading of the only language model, for mixtures.
    ///
    /// # Errors
    /// [`ForecastersError::NoLanguage`] if there is none.
    pub fn only(&self, settings: Settings) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let language = self.language(settings)?;
        Ok(self.reader(&language.model, settings))
    }

    /// The same, with pooled paths along the actions of the context's policy.
    ///
    /// # Errors
    /// [`ForecastersError::NoLanguage`] if there is none.
    pub fn alone(&self, settings: Settings) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let read = self.only(settings)?;
        if self.system.simulates() {
            return Ok(read);
        }
        let language = self.language(settings)?;
        Ok(self.stacked(&language, settings.method, read, None))
    }

    /// The same, with pooled paths along the actions of any policy.
    ///
    /// # Errors
    /// [`ForecastersError::NoLanguage`] if there is none.
    pub fn for_policies(&self, settings: Settings) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let read = self.only(settings)?;
        if self.system.simulates() {
            return Ok(read);
        }
        let language = self.language(settings)?;
        Ok(language.stacked_for_policies(settings.method, read, Vec::new()))
    }

    /// What was made of that reading, mixed with learned models of one step: by paths inside the context if the
    /// model reads hints, by densities of one step otherwise.
    ///
    /// # Errors
    /// [`ForecastersError::NoLanguage`] if there is no language model.
    pub fn mixed_for_policies(
        &self,
        settings: Settings,
        read: Arc<dyn Predictor>,
        learned: Vec<Arc<dyn Predictor>>,
    ) -> Result<Arc<dyn Predictor>, ForecastersError> {
        let language = self.language(settings)?;
        if language.pools(settings.method) && !self.system.simulates() {
            return Ok(language.stacked_for_policies(settings.method, read, learned));
        }
        let mut experts = vec![read];
        experts.extend(learned);
        Ok(Arc::new(Mixture::new(experts, 0.0)?))
    }
}

fn mixed(
    members: Vec<Arc<dyn Predictor>>,
    combining: Combining,
) -> Result<Arc<dyn Predictor>, ForecastersError> {
    let mixture = Arc::new(Mixture::new(members, combining.alpha)?);
    Ok(match combining.recalibrated {
        true => Arc::new(Recalibrated::new(mixture)),
        false => mixture,
    })
}
