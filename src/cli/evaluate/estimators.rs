//! The estimators by name, what they learn once, and what they say of each policy.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::{Arguments, Candidate};
use crate::baselines::of_dynamics;
use crate::cli::experts::{self, finish};
use crate::cli::progress::Progress;
use crate::cli::terminal::tell;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge};
use crate::evaluation::{
    Actor, Contexts, FittedQ, FittedSettings, Imagined, Logged, Value, Walk, behaviour_mean,
    doubly_robust, doubt, importance, in_context, learned, on_policy, pieces,
};
use crate::forecast::{Forecaster, Method, Recalibrated, Settings};
use crate::forecasters::{ForecasterName, Forecasters, System};
use crate::model::Work;
use crate::network::FitSettings;
use crate::report::Recorded;

/// Members of learned models, all folds together.
const MEMBERS: usize = 8;

/// Most paths through learned models, if there are not more starts.
const MOST_PATHS: usize = 10_000;

/// Steps that a context leaves room for in the model's window, if the horizon is not shorter.
const LEAST_ROOM: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Estimator {
    /// Paths of the language model, recalibrated, mixed with both learned models
    Mixture,
    /// Paths of the language model, read as --method says
    Builtin,
    /// Paths of the language model, every variable alone
    Vicl,
    /// Paths of the language model in principal components of the states
    DiclS,
    /// Paths of the language model in principal components of states and actions
    DiclSa,
    /// Paths of a linear model
    Linear,
    /// Paths of an ensemble of neural networks
    Mlp,
    /// Fitted Q evaluation
    Fqe,
    /// Weighted per-decision importance sampling
    Is,
    /// Doubly robust: the values of fqe corrected by importance sampling
    Dr,
    /// Recorded returns of the policy itself, the ensemble as control variate
    OnPolicy,
    /// Mean return of the recordings
    Behaviour,
}

impl Estimator {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mixture => "mixture",
            Self::Builtin => "builtin",
            Self::Vicl => "vicl",
            Self::DiclS => "dicl-s",
            Self::DiclSa => "dicl-sa",
            Self::Linear => "linear",
            Self::Mlp => "mlp",
            Self::Fqe => "fqe",
            Self::Is => "is",
            Self::Dr => "dr",
            Self::OnPolicy => "on-policy",
            Self::Behaviour => "behaviour",
        }
    }

    /// Method of the language model, if it is one.
    fn method(self, chosen: Method) -> Option<Method> {
        match self {
            Self::Mixture | Self::Builtin => Some(chosen),
            Self::Vicl => Some(Method::Vicl),
            Self::DiclS => Some(Method::DiclS),
            Self::DiclSa => Some(Method::DiclSa),
            _ => None,
        }
    }

    /// True if it says what any policy earns, so that it can be compared with what recorded policies earned.
    fn is_checked(self) -> bool {
        !matches!(self, Self::OnPolicy | Self::Behaviour)
    }

    /// True if it needs recorded episodes of the whole horizon.
    pub(super) fn counts_recorded(self) -> bool {
        self.weighs() || matches!(self, Self::OnPolicy | Self::Behaviour)
    }

    /// True if it weighs what was recorded: of a recorded policy, the recordings of the others.
    fn weighs(self) -> bool {
        matches!(self, Self::Is | Self::Dr)
    }
}

/// One estimate of one policy's value.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Estimate {
    pub(super) policy: String,
    pub(super) estimator: &'static str,
    pub(super) value: Option<Value>,
    /// Mean steps of the imagined paths.
    pub(super) length: Option<f64>,
    /// Values that left the known range on the paths.
    pub(super) saturated: Option<usize>,
    /// Runs' worth of evidence that importance weights leave.
    pub(super) effective: Option<f64>,
    /// Of importance sampling: the mean ratio of probabilities, if it is plainly below 1.
    pub(super) too_small_ratio: Option<f64>,
    /// Whether it weighs what was recorded.
    #[serde(skip)]
    pub(super) is_weighted: bool,
    /// What the estimator is off by about the recordings, as a standard deviation.
    pub(super) doubt: Option<f64>,
    pub(super) seconds: f64,
}

/// The policy of a recording, as it was given or as it was learned from what it did.
pub(super) struct Behaviour {
    pub(super) candidate: Candidate,
    /// From the recording's own starts.
    pub(super) walk: Walk,
    pub(super) earned: Value,
}

impl Behaviour {
    /// What the recording earned, before any estimator is asked.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            name: self.candidate.name.clone(),
            earned: self.earned,
            steps: self.walk.horizon,
            imagined: Vec::new(),
        }
    }
}

/// All that estimators need.
pub(super) struct Study<'s> {
    arguments: &'s Arguments,
    logged: &'s Logged,
    walk: &'s Walk,
    fitted: Fitted,
    forecasters: Forecasters,
    settings: Settings,
}

impl<'s> Study<'s> {
    pub(super) fn new(
        arguments: &'s Arguments,
        logged: &'s Logged,
        walk: &'s Walk,
        system: System,
    ) -> anyhow::Result<Self> {
        let runs = |source| logged.runs.iter().filter(move |run| run.source == source);
        let fewest = (0..logged.sources())
            .map(|source| runs(source).count())
            .min();
        let folds = arguments.contexts.get().min(fewest.unwrap_or(1).max(1));
        let fitted = Fitted::new(arguments, logged, folds)?;
        let language = ForecasterName::Language(arguments.model.source().clone());
        let forecasters = experts::load(
            &[language],
            &arguments.model,
            Work {
                channels: logged.states() + logged.actions() + 1,
                rows: arguments.context,
                paths: arguments.paths.get().div_ceil(folds),
                horizon: walk.horizon + 1,
            },
        )?;
        let forecasters = experts::with_system(forecasters, system)?;
        Ok(Self {
            arguments,
            logged,
            walk,
            fitted,
            forecasters,
            settings: arguments.model.settings(arguments.model.method())?,
        })
    }

    /// Ends what was started for the estimators.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        finish(&self.forecasters)
    }

    /// What an estimator says of all policies, in doubt by what it says of the recorded ones, which it is
    /// asked for beside them.
    pub(super) fn estimates(
        &self,
        estimator: Estimator,
        candidates: &mut [Candidate],
        behaviours: &mut [Behaviour],
        recorded: &mut [Recorded],
    ) -> anyhow::Result<Vec<Estimate>> {
        let label = estimator.name();
        let progress = Progress::new(label);
        let contexts = match estimator.method(self.settings.method) {
            Some(method) => {
                let read = self.contexts(estimator, method);
                Some(read.with_context(|| label.to_owned())?)
            }
            None => None,
        };
        let checked = if estimator.is_checked() {
            behaviours.len()
        } else {
            0
        };
        let count = (candidates.len() + checked) as f64;
        let mut pairs = Vec::new();
        for (number, behaviour) in behaviours.iter_mut().take(checked).enumerate() {
            let shown = |share: f64| progress.show((number as f64 + share) / count);
            let Behaviour {
                candidate,
                walk,
                earned,
            } = behaviour;
            let others = estimator.weighs().then(|| self.logged.without(number));
            let logged = match &others {
                None => self.logged,
                Some(Some(others)) => others,
                Some(None) => {
                    recorded[number].imagined.push(None);
                    continue;
                }
            };
            let read = contexts.as_ref();
            let estimate = self.estimate(estimator, read, logged, candidate, walk, &shown);
            // Values are functions of the steps left of one horizon: they are not asked about another.
            candidate.values = None;
            let estimate = estimate.with_context(|| format!("recording {}", candidate.name))?;
            recorded[number].imagined.push(estimate.value);
            pairs.extend(estimate.value.map(|value| (value, *earned)));
        }
        if checked == 0 {
            recorded.iter_mut().for_each(|r| r.imagined.push(None));
        }
        let doubt = (checked > 0).then(|| doubt(&pairs));
        let of_policy = |(number, candidate): (usize, &mut Candidate)| {
            let begin = Instant::now();
            let done = (checked + number) as f64;
            let shown = |share: f64| progress.show((done + share) / count);
            let mut estimate = self
                .estimate(
                    estimator,
                    contexts.as_ref(),
                    self.logged,
                    candidate,
                    self.walk,
                    &shown,
                )
                .with_context(|| format!("policy {}", candidate.name))?;
            estimate.value = estimate.value.map(|v| v.doubted(doubt.unwrap_or(0.0)));
            estimate.doubt = doubt;
            estimate.seconds = begin.elapsed().as_secs_f64();
            Ok(estimate)
        };
        candidates.iter_mut().enumerate().map(of_policy).collect()
    }

    fn contexts(&self, estimator: Estimator, method: Method) -> anyhow::Result<Contexts> {
        let settings = Settings {
            method,
            ..self.settings
        };
        let forecasters =
            self.fitted
                .forecasters(estimator, &self.forecasters, settings, self.logged)?;
        let room = (self.walk.horizon + 1).min(LEAST_ROOM);
        let longest = forecasters.iter().map(|f| f.longest_context(room));
        let longest = longest.min().unwrap_or(usize::MAX);
        ensure!(
            longest >= 10,
            "the model's window leaves no room for a context"
        );
        let rows = self.arguments.context.min(longest);
        if rows < self.arguments.context {
            tell!("note: the model's window leaves room for {rows} rows of context");
        }
        let pieces = pieces(self.logged, self.fitted.folds, rows);
        let with_reward = self.walk.rules.reward.is_none();
        Ok(Contexts::read(
            &forecasters,
            self.logged,
            &pieces,
            with_reward,
            &|_| (),
        )?)
    }

    fn estimate(
        &self,
        estimator: Estimator,
        contexts: Option<&Contexts>,
        logged: &Logged,
        candidate: &mut Candidate,
        walk: &Walk,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Estimate> {
        let mut estimate = Estimate {
            policy: candidate.name.clone(),
            estimator: estimator.name(),
            value: None,
            length: None,
            saturated: None,
            effective: None,
            too_small_ratio: None,
            is_weighted: estimator.weighs(),
            doubt: None,
            seconds: 0.0,
        };
        let fitted = &self.fitted;
        let (discount, horizon) = (walk.discount, walk.horizon);
        let mut of_paths = |imagined: Imagined| {
            estimate.value = Some(imagined.value());
            estimate.length = Some(imagined.length());
            estimate.saturated = Some(imagined.saturated);
        };
        let policy = &mut *candidate.policy;
        if estimator.counts_recorded() && logged.telling(|_| true, horizon).0 < horizon {
            return Ok(estimate);
        }
        match estimator {
            Estimator::Mixture
            | Estimator::Builtin
            | Estimator::Vicl
            | Estimator::DiclS
            | Estimator::DiclSa => {
                let contexts = contexts.context("contexts are read for language models")?;
                of_paths(in_context(
                    contexts,
                    logged,
                    Actor::Policy(policy),
                    walk,
                    progress,
                )?);
            }
            Estimator::Linear | Estimator::Mlp => {
                let models = fitted.of(estimator == Estimator::Mlp);
                let walk = every_start(&models, walk);
                of_paths(learned(
                    &models,
                    logged,
                    Actor::Policy(policy),
                    &walk,
                    progress,
                )?);
            }
            Estimator::Fqe => {
                let values = candidate.values(logged, walk, progress)?;
                estimate.value = Some(values.value(&mut *candidate.policy)?);
            }
            Estimator::Is => {
                let weighted = importance(logged, policy, discount, horizon);
                estimate.value = weighted.and_then(|w| w.value);
                estimate.effective = weighted.map(|w| w.effective);
                estimate.too_small_ratio = weighted.and_then(|w| w.too_small_ratio);
            }
            Estimator::Dr if importance(logged, policy, discount, horizon).is_some() => {
                let values = candidate.values(logged, walk, progress)?;
                let critic = values.critic(logged, &mut *candidate.policy)?;
                let policy = &*candidate.policy;
                let weighted = doubly_robust(logged, policy, discount, horizon, &critic);
                estimate.value = weighted.and_then(|w| w.value);
                estimate.effective = weighted.map(|w| w.effective);
                estimate.too_small_ratio = weighted.and_then(|w| w.too_small_ratio);
            }
            Estimator::Dr => {}
            Estimator::OnPolicy => {
                let behaviours = &self.arguments.behaviours;
                if let Some(source) = behaviours
                    .iter()
                    .position(|b| Some(b) == candidate.source.as_ref())
                {
                    let models = fitted.of(true);
                    let starts = Walk {
                        starts: logged.starts(),
                        ..walk.clone()
                    };
                    let walk = every_start(&models, &starts);
                    let imagined =
                        learned(&models, logged, Actor::Policy(policy), &walk, progress)?;
                    estimate.value = on_policy(logged, source, &imagined, discount, horizon);
                }
            }
            Estimator::Behaviour => {
                estimate.value = Some(behaviour_mean(logged, discount, horizon));
            }
        }
        Ok(estimate)
    }
}

impl Candidate {
    /// The policy's value functions, fitted when they are first asked for.
    fn values(
        &mut self,
        logged: &Logged,
        walk: &Walk,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Arc<FittedQ>> {
        if let Some(values) = &self.values {
            return Ok(values.clone());
        }
        let settings = FittedSettings::default();
        let fitted = FittedQ::fit(logged, &mut *self.policy, walk, settings, progress)?;
        Ok(self.values.insert(Arc::new(fitted)).clone())
    }
}

/// Enough paths that every member goes from every start: they cost little.
fn every_start(models: &[&dyn Dynamics], walk: &Walk) -> Walk {
    let members: usize = models.iter().map(|model| model.members()).sum();
    let starts = walk.starts.nrows();
    Walk {
        paths: walk
            .paths
            .max((members * starts).min(MOST_PATHS.max(starts))),
        ..walk.clone()
    }
}

/// Models learned from the runs of all folds but one, as many as folds.
struct Fitted {
    linear: Vec<Arc<Ridge>>,
    mlp: Vec<Arc<Ensemble>>,
    folds: usize,
}

impl Fitted {
    fn new(arguments: &Arguments, logged: &Logged, folds: usize) -> anyhow::Result<Self> {
        let wanted = |among: &[Estimator]| arguments.estimators.iter().any(|e| among.contains(e));
        let mixes = wanted(&[Estimator::Mixture]);
        let networks = mixes || wanted(&[Estimator::Mlp, Estimator::OnPolicy]);
        let (mut linear, mut mlp) = (Vec::new(), Vec::new());
        let progress = Progress::new("learning models");
        let members = MEMBERS.div_ceil(folds).max(2);
        for fold in 0..folds {
            let left_out: HashSet<usize> = match folds {
                1 => HashSet::new(),
                _ => logged.of_fold(fold, folds).map(|(run, _)| run).collect(),
            };
            let steps = logged.steps(|run| !left_out.contains(&run))?;
            let seed = arguments.seed.wrapping_add(fold as u64);
            if mixes || wanted(&[Estimator::Linear]) {
                linear.push(Arc::new(Ridge::fit(&steps, members, seed)));
            }
            if networks {
                let settings = EnsembleSettings {
                    members,
                    fit: FitSettings::for_rows(steps.run.len()),
                    seed,
                };
                let shown = |share| progress.show((fold as f64 + share) / folds as f64);
                mlp.push(Arc::new(Ensemble::fit(&steps, settings, &shown)));
            }
        }
        Ok(Self { linear, mlp, folds })
    }

    fn of(&self, networks: bool) -> Vec<&dyn Dynamics> {
        fn all<D: Dynamics>(models: &[Arc<D>]) -> Vec<&dyn Dynamics> {
            models
                .iter()
                .map(|model| &**model as &dyn Dynamics)
                .collect()
        }
        match networks {
            true => all(&self.mlp),
            false => all(&self.linear),
        }
    }

    /// Forecasters of the contexts, one a fold.
    fn forecasters(
        &self,
        estimator: Estimator,
        forecasters: &Forecasters,
        settings: Settings,
        logged: &Logged,
    ) -> anyhow::Result<Vec<Forecaster>> {
        let of_fold = |fold: usize| {
            let predictor = match estimator {
                Estimator::Mixture => {
                    let language = Arc::new(Recalibrated::new(forecasters.only(settings)?));
                    let linear = of_dynamics(self.linear[fold].clone(), logged.states());
                    let networks = of_dynamics(self.mlp[fold].clone(), logged.states());
                    forecasters.mixed_for_policies(settings, language, vec![linear, networks])?
                }
                _ => forecasters.for_policies(settings)?,
            };
            Ok(Forecaster::of(predictor, settings))
        };
        (0..self.folds).map(of_fold).collect()
    }
}
