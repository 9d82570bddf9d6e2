//! Forecasters by name: baselines, language models, their mixture.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

use super::input::{Columns, ModelArguments};
use super::residual::ResidualOptions;
use super::served;
use super::units::other_units;
use crate::baselines::{Learned, NAMES, named, seasonal, trained_mlp};
use crate::cli::terminal::tell;
use crate::forecast::{
    Forecaster, Knowledge, Language, Method, Mixture, Predictor, Recalibrated, Settings, Stacked,
    Variables,
};
use crate::model::{Model, ModelInfo, ModelSource, Work};

/// Name of the mixture among the methods.
const MIXTURE: &str = "mixture";

/// Most methods of one run.
const MOST: usize = 50;

#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct ExpertArguments {
    /// Recalibrate language models, and the mixture, by what they got right so far
    #[arg(long, value_enum, default_value_t = Recalibration::None)]
    recalibrate: Recalibration,
    /// Share of a mixture's weights that is spread evenly at every step: more for systems that change; 0 for
    /// plain Bayesian weights, whose total score is within the logarithm of their number of the best's
    #[arg(long, default_value_t = 0.003, value_name = "SHARE")]
    share: f64,
}

/// Forecasters that are mixed instead of the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct NameArguments {
    /// Forecasters to mix, by what each has predicted so far: builtin or other models' sources,
    /// persistence, mean, ar, linear, quadratic, fourier, smoothing, seasonal, analogue, scales, knn, mlp [default: the
    /// model; where it is the bundled one and the method residual, paths of several steps are shared out among those of
    /// the model, of its digits and of the experts linear, fourier and scales, but not with --simulator]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    experts: Vec<String>,
}

impl NameArguments {
    /// True if none are named.
    pub(super) fn is_empty(&self) -> bool {
        self.experts.is_empty()
    }

    /// The experts, or the model.
    pub(super) fn names(&self, model: &ModelArguments) -> Vec<String> {
        match self.experts.as_slice() {
            [] => vec![model.source().to_string()],
            experts => experts.to_vec(),
        }
    }
}

/// What the bands of steps ahead learn from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct BandArguments {
    /// Forecasts from inside of the context that the bands of steps ahead are adjusted by, where
    /// --recalibrate is on
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    origins: usize,
}

impl BandArguments {
    /// Forecasts from inside of the context, none without recalibration.
    pub(super) fn origins(&self, recalibrated: bool) -> usize {
        if recalibrated { self.origins } else { 0 }
    }

    /// The forecaster, with adjusted bands if it is one that is recalibrated.
    pub(super) fn apply(&self, forecaster: Forecaster, recalibrated: bool) -> Forecaster {
        match recalibrated {
            true => forecaster.with_origins(self.origins),
            false => forecaster,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recalibration {
    /// Take the densities as they are
    None,
    /// Learn online, from the context
    Online,
}

/// The baseline that a known season is told to.
const SEASONAL: &str = "seasonal";

/// What forecasters know beforehand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct TrainArguments {
    /// Other recordings of the same system, which mlp learns before it reads a context
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    train: Vec<PathBuf>,
    /// Other recordings of the same system, which every method reads before each context: online experts
    /// learn from all their rows
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    also: Vec<PathBuf>,
}

/// Language models that were loaded, by name, and recordings to train on.
pub(super) struct Models {
    loaded: Vec<(String, Model)>,
    training: Vec<Variables>,
    /// Episodes that are read before every context.
    earlier: Vec<Variables>,
    /// Networks that learned from these, once they are asked for.
    learned: OnceCell<Option<Learned>>,
    options: ResidualOptions,
    /// Whether the baseline of a season is among the names.
    has_seasonal: bool,
}

impl Models {
    /// Loads the models among some names.
    pub(super) fn load(
        names: &[String],
        arguments: &ModelArguments,
        work: Work,
    ) -> anyhow::Result<Self> {
        ensure!(
            names.len() <= MOST,
            "{} methods: at most {MOST}",
            names.len()
        );
        let mut models: Vec<(String, Model)> = Vec::new();
        for name in names {
            let known = models.iter().any(|(loaded, _)| loaded == name);
            if is_language(name) && !known {
                let source: ModelSource = name.parse().with_context(|| name.clone())?;
                models.push((name.clone(), arguments.load(&source, work)?));
            }
        }
        Ok(Self {
            loaded: models,
            training: Vec::new(),
            earlier: Vec::new(),
            learned: OnceCell::new(),
            options: ResidualOptions::default(),
            has_seasonal: names.iter().any(|name| name == SEASONAL),
        })
    }

    /// The same, with options for those that read residuals.
    pub(super) fn with_options(self, options: ResidualOptions) -> anyhow::Result<Self> {
        if self.loaded.is_empty() && options.simulates() {
            bail!("--simulator: no language model among the methods takes it");
        }
        if self.loaded.is_empty() && options.period().is_some() && !self.has_seasonal {
            bail!("--period: neither a language model nor seasonal is among the methods");
        }
        Ok(Self { options, ..self })
    }

    /// The model of a name.
    fn named(&self, name: &str) -> anyhow::Result<&Model> {
        let found = self.loaded.iter().find(|(loaded, _)| loaded == name);
        let (_, model) = found.with_context(|| format!("'{name}' cannot be an expert"))?;
        Ok(model)
    }

    /// Ends the simulator once all is forecast, before anything is reported.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        self.options.finish()?;
        self.loaded
            .iter()
            .for_each(|(_, model)| served::note_cost(model));
        Ok(())
    }

    /// The reading of a model that the settings say.
    fn reader(&self, model: &Model, settings: Settings) -> Arc<dyn Predictor> {
        let language = Language::of(model, settings);
        language.as_method(settings.method, &self.knowledge(settings.method))
    }

    /// Networks that learned from the earlier recordings, if there are any, a method that uses them, and no
    /// simulator.
    fn learned(&self, method: Method) -> Option<&Learned> {
        if method != Method::Residual || self.options.simulates() {
            return None;
        }
        let learn = || Learned::fit(&self.earlier, 0);
        self.learned.get_or_init(learn).as_ref()
    }

    /// What experts know beforehand.
    fn knowledge(&self, method: Method) -> Knowledge {
        let knowledge = self.options.knowledge();
        match self.learned(method) {
            Some(learned) => knowledge.with_learned(learned.simulator()),
            None => knowledge,
        }
    }

    /// Paths of a member that are pooled with those of experts, learned networks, and of the member before it was
    /// recalibrated.
    fn stacked(
        &self,
        language: Language,
        method: Method,
        member: Arc<dyn Predictor>,
        plain: Option<Arc<dyn Predictor>>,
    ) -> Arc<dyn Predictor> {
        let learned = self.learned(method).map(Learned::predictor);
        language.stacked(method, member, learned.into_iter().chain(plain).collect())
    }

    /// The reading of the only model that was loaded, with pooled paths along the actions of any policy.
    pub(super) fn for_policies(&self, settings: Settings) -> anyhow::Result<Arc<dyn Predictor>> {
        let read = self.only(settings)?;
        if self.options.simulates() {
            return Ok(read);
        }
        Ok(language(self, settings)?.stacked_for_policies(settings.method, read, Vec::new()))
    }

    /// What was made of the reading of that model, mixed with learned models of one step: by paths inside
    /// the context if the model reads hints, by densities of one step otherwise.
    pub(super) fn mixed_for_policies(
        &self,
        settings: Settings,
        read: Arc<dyn Predictor>,
        learned: Vec<Arc<dyn Predictor>>,
    ) -> anyhow::Result<Arc<dyn Predictor>> {
        let language = language(self, settings)?;
        if language.pools(settings.method) && !self.options.simulates() {
            return Ok(language.stacked_for_policies(settings.method, read, learned));
        }
        let mut experts = vec![read];
        experts.extend(learned);
        Ok(Arc::new(Mixture::new(experts, 0.0)?))
    }

    /// The reading of the only model that was loaded, for mixtures.
    pub(super) fn only(&self, settings: Settings) -> anyhow::Result<Arc<dyn Predictor>> {
        let (_, model) = self.loaded.first().context("no language model")?;
        Ok(self.reader(model, settings))
    }

    /// The same, with pooled paths along the actions of the context's policy.
    pub(super) fn alone(&self, settings: Settings) -> anyhow::Result<Arc<dyn Predictor>> {
        let read = self.only(settings)?;
        if self.options.simulates() {
            return Ok(read);
        }
        Ok(self.stacked(language(self, settings)?, settings.method, read, None))
    }

    /// The same, with the recordings to train on and to read; their variables must be those of `like`.
    pub(super) fn trained(
        mut self,
        arguments: &TrainArguments,
        columns: &Columns,
        settings: Settings,
        with_reward: bool,
        like: &Variables,
    ) -> anyhow::Result<Self> {
        let read = |files: &[PathBuf]| -> anyhow::Result<Vec<Variables>> {
            let mut all = Vec::new();
            for file in files {
                let recording = columns.read(file)?;
                let before = all.len();
                for episode in recording.episodes() {
                    let values = Variables::of(&recording, episode, settings.method, with_reward);
                    ensure!(
                        values.names == like.names
                            && values.actions.ncols() == like.actions.ncols(),
                        "{}: its columns are not those of the recording",
                        file.display()
                    );
                    all.push(values);
                }
                let actions = recording.action_names();
                if let Some(warning) = other_units(like, &all[before..], actions) {
                    tell!("warning: {}: {warning}", file.display());
                }
            }
            Ok(all)
        };
        self.training = read(&arguments.train)?;
        self.earlier = read(&arguments.also)?;
        Ok(self)
    }

    /// A forecaster that reads the earlier recordings before each context.
    pub(super) fn informed(&self, forecaster: Forecaster) -> anyhow::Result<Forecaster> {
        let method = forecaster.settings().method;
        let earlier = self.earlier.iter().cloned();
        let earlier: Vec<Variables> = earlier.map(|of| of.of_method(method)).collect();
        Ok(forecaster.with_earlier(&earlier)?)
    }

    /// What a result should say about the models.
    pub(super) fn infos(&self) -> anyhow::Result<Vec<ModelInfo>> {
        let infos = self.loaded.iter().map(|(_, model)| model.info());
        Ok(infos.collect::<Result<_, _>>()?)
    }
}

/// The only model that was loaded.
pub(super) fn language(models: &Models, settings: Settings) -> anyhow::Result<Language> {
    let (_, model) = models.loaded.first().context("no language model")?;
    Ok(Language::of(model, settings))
}

/// Settings of a baseline: the same whatever stands beside it.
fn baseline(settings: Settings) -> Settings {
    let method = match settings.method {
        Method::DiclS | Method::DiclSa => Method::Vicl,
        same => same,
    };
    Settings { method, ..settings }
}

/// Whether a name is that of a language model.
pub(super) fn is_language(name: &str) -> bool {
    !NAMES.contains(&name) && name != MIXTURE
}

impl ExpertArguments {
    /// Densities as they are.
    pub(super) fn plain(share: f64) -> Self {
        Self {
            recalibrate: Recalibration::None,
            share,
        }
    }

    /// Densities that are recalibrated online.
    pub(super) fn online(share: f64) -> Self {
        Self {
            recalibrate: Recalibration::Online,
            share,
        }
    }

    /// True if language models are recalibrated.
    pub(super) fn recalibrates(&self) -> bool {
        self.recalibrate == Recalibration::Online
    }

    /// The member of a mixture of a name; a language model as the arguments want it.
    fn member(
        &self,
        name: &str,
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Arc<dyn Predictor>> {
        if name == "mlp" && !models.training.is_empty() {
            return Ok(trained_mlp(models.training.clone()));
        }
        if let (SEASONAL, Some(period)) = (name, models.options.period()) {
            return Ok(seasonal(period));
        }
        if let Some(baseline) = named(name) {
            return Ok(baseline);
        }
        let language = models.reader(models.named(name)?, settings);
        Ok(match self.recalibrates() {
            true => Arc::new(Recalibrated::new(language)),
            false => language,
        })
    }

    /// The forecaster of a name that is no mixture.
    fn single(
        &self,
        name: &str,
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Arc<dyn Predictor>> {
        let member = self.member(name, models, settings)?;
        if !is_language(name) || models.options.simulates() {
            return Ok(member);
        }
        let model = models.named(name)?;
        let language = Language::of(model, settings);
        // Paths of densities that are recalibrated need not be better than those of densities as they are.
        let plain = self.recalibrates().then(|| models.reader(model, settings));
        Ok(models.stacked(language, settings.method, member, plain))
    }

    /// The mixture of some forecasters, or the only one; recalibrated if the arguments want it. Where
    /// models read residuals, its paths are pooled with those of its members.
    pub(super) fn mixture(
        &self,
        experts: &[String],
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Arc<dyn Predictor>> {
        if let [only] = experts {
            return self.single(only, models, settings);
        }
        let members = self.experts(experts, models, settings)?;
        let mixture = self.mixed(members.clone())?;
        if settings.method != Method::Residual || models.options.simulates() {
            return Ok(mixture);
        }
        Ok(match experts.iter().position(|name| is_language(name)) {
            Some(own) => Language::of(models.named(&experts[own])?, settings).stacked_in(
                settings.method,
                mixture,
                members,
                own,
            ),
            None => Arc::new(Stacked::new(mixture, members)),
        })
    }

    /// The same, with the paths of the mixture or the only forecaster itself.
    pub(super) fn unpooled(
        &self,
        experts: &[String],
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Arc<dyn Predictor>> {
        if let [only] = experts {
            return self.member(only, models, settings);
        }
        self.mixed(self.experts(experts, models, settings)?)
    }

    fn mixed(&self, experts: Vec<Arc<dyn Predictor>>) -> anyhow::Result<Arc<dyn Predictor>> {
        let mixture = Arc::new(Mixture::new(experts, self.share)?);
        Ok(match self.recalibrates() {
            true => Arc::new(Recalibrated::new(mixture)),
            false => mixture,
        })
    }

    /// The members of a mixture.
    pub(super) fn experts(
        &self,
        names: &[String],
        models: &Models,
        settings: Settings,
    ) -> anyhow::Result<Vec<Arc<dyn Predictor>>> {
        let names = names.iter();
        names
            .map(|name| self.member(name, models, settings))
            .collect()
    }

    /// Share of a mixture's weights that is spread evenly at every step.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// The forecasters of some names, `mixture` that of the experts. A language model or mixture
    /// that is recalibrated comes as it is, too.
    pub(super) fn methods(
        &self,
        names: &[String],
        experts: &[String],
        models: &Models,
        settings: Settings,
        bands: &BandArguments,
    ) -> anyhow::Result<Vec<Forecaster>> {
        let plain = Self::plain(self.share);
        let mut methods = Vec::new();
        for name in names {
            let mixed = name == MIXTURE;
            let settings = match mixed || is_language(name) {
                true => settings,
                false => baseline(settings),
            };
            let of = |arguments: &Self| match mixed {
                true => arguments.mixture(experts, models, settings),
                false => arguments.single(name, models, settings),
            };
            methods.push(models.informed(Forecaster::of(of(&plain)?, settings))?);
            if self.recalibrates() && (mixed || is_language(name)) {
                let recalibrated = models.informed(Forecaster::of(of(self)?, settings))?;
                methods.push(bands.apply(recalibrated, true));
            }
        }
        Ok(methods)
    }
}
