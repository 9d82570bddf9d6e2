//! Estimators: their models, fitted once, and their estimates for each policy.

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
    ActionSource, Contexts, FittedQ, FittedSettings, ImaginedRollouts, Logged, RolloutSpec, Value,
    behaviour_mean, context_segments, doubly_robust, importance, in_context, learned,
    misspecification_error, on_policy,
};
use crate::forecast::{Forecaster, Method, Recalibrated, Settings};
use crate::forecasters::{ForecasterName, Forecasters, System};
use crate::model::Work;
use crate::network::FitSettings;
use crate::report::Recorded;

/// Members of learned models, over all folds.
const MEMBERS: usize = 8;

/// Most paths in learned models, unless there are more starts.
const MAX_PATHS: usize = 10_000;

/// Steps that a context leaves free in the model's window, or the horizon if it is shorter.
const MIN_ROOM: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Estimator {
    /// Rollouts in a mixture of the recalibrated language model and both learned models
    Mixture,
    /// Rollouts in the language model, by --method
    Builtin,
    /// Rollouts in the language model, each variable separately
    Vicl,
    /// Rollouts in the language model on principal components of the states
    DiclS,
    /// Rollouts in the language model on principal components of states and actions
    DiclSa,
    /// Rollouts in a linear model
    Linear,
    /// Rollouts in an ensemble of neural networks
    Mlp,
    /// Fitted Q evaluation
    Fqe,
    /// Weighted per-decision importance sampling
    Is,
    /// Doubly robust: the values of fqe corrected by importance sampling
    Dr,
    /// The policy's own recorded returns, with the ensemble as control variate
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

    /// Returns the method of the language model, if it uses one.
    fn method(self, chosen: Method) -> Option<Method> {
        match self {
            Self::Mixture | Self::Builtin => Some(chosen),
            Self::Vicl => Some(Method::Vicl),
            Self::DiclS => Some(Method::DiclS),
            Self::DiclSa => Some(Method::DiclSa),
            _ => None,
        }
    }

    /// True if it evaluates any policy, so that its error for the recorded policies is known.
    fn is_checked(self) -> bool {
        !matches!(self, Self::OnPolicy | Self::Behaviour)
    }

    /// True if it needs recorded episodes that cover the horizon.
    pub(super) fn counts_recorded(self) -> bool {
        self.weighs() || matches!(self, Self::OnPolicy | Self::Behaviour)
    }

    /// True for importance sampling, which evaluates a recorded policy on the recordings of the
    /// others.
    fn weighs(self) -> bool {
        matches!(self, Self::Is | Self::Dr)
    }
}

/// One estimate of one policy's value.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PolicyEstimate {
    pub(super) policy: String,
    pub(super) estimator: &'static str,
    pub(super) value: Option<Value>,
    /// Mean number of steps of imagined paths.
    pub(super) length: Option<f64>,
    /// Number of clipped values on the paths.
    #[serde(rename = "saturated")]
    pub(super) clipped: Option<usize>,
    /// Effective number of runs of importance sampling.
    #[serde(rename = "effective")]
    pub(super) effective_runs: Option<f64>,
    /// Mean probability ratio of importance sampling, if it is significantly below 1.
    pub(super) too_small_ratio: Option<f64>,
    /// True for importance sampling.
    #[serde(skip)]
    pub(super) is_weighted: bool,
    /// Standard deviation of the estimator's errors for the recorded policies beyond their stated
    /// uncertainty.
    #[serde(rename = "doubt")]
    pub(super) misspecification_error: Option<f64>,
    pub(super) seconds: f64,
}

/// The behaviour policy of a recording, given or cloned.
pub(super) struct Behaviour {
    pub(super) candidate: Candidate,
    /// Rollouts from the recording's own starts.
    pub(super) spec: RolloutSpec,
    pub(super) earned: Value,
}

impl Behaviour {
    /// Returns the recorded return, without estimates yet.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            name: self.candidate.name.clone(),
            earned: self.earned,
            steps: self.spec.horizon,
            imagined: Vec::new(),
        }
    }
}

/// Shared state of the estimators.
pub(super) struct Study<'s> {
    arguments: &'s Arguments,
    logged: &'s Logged,
    spec: &'s RolloutSpec,
    fitted: Fitted,
    forecasters: Forecasters,
    settings: Settings,
}

impl<'s> Study<'s> {
    pub(super) fn new(
        arguments: &'s Arguments,
        logged: &'s Logged,
        spec: &'s RolloutSpec,
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
                horizon: spec.horizon + 1,
            },
        )?;
        let forecasters = experts::with_system(forecasters, system)?;
        Ok(Self {
            arguments,
            logged,
            spec,
            fitted,
            forecasters,
            settings: arguments.model.settings(arguments.model.method())?,
        })
    }

    /// Ends the programs that were started for the estimators.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        finish(&self.forecasters)
    }

    /// Evaluates all policies by an estimator. Intervals are widened by the estimator's
    /// misspecification error, measured on the recorded policies.
    pub(super) fn estimates(
        &self,
        estimator: Estimator,
        candidates: &mut [Candidate],
        behaviours: &mut [Behaviour],
        recorded: &mut [Recorded],
    ) -> anyhow::Result<Vec<PolicyEstimate>> {
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
                spec,
                earned,
            } = behaviour;
            let others = estimator
                .weighs()
                .then(|| self.logged.without_source(number));
            let logged = match &others {
                None => self.logged,
                Some(Some(others)) => others,
                Some(None) => {
                    recorded[number].imagined.push(None);
                    continue;
                }
            };
            let read = contexts.as_ref();
            let estimate = self.estimate(estimator, read, logged, candidate, spec, &shown);
            // Fitted values hold for one horizon only.
            candidate.values = None;
            let estimate = estimate.with_context(|| format!("recording {}", candidate.name))?;
            recorded[number].imagined.push(estimate.value);
            pairs.extend(estimate.value.map(|value| (value, *earned)));
        }
        if checked == 0 {
            recorded.iter_mut().for_each(|r| r.imagined.push(None));
        }
        let misspecification = (checked > 0).then(|| misspecification_error(&pairs));
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
                    self.spec,
                    &shown,
                )
                .with_context(|| format!("policy {}", candidate.name))?;
            estimate.value = estimate
                .value
                .map(|v| v.widen_by(misspecification.unwrap_or(0.0)));
            estimate.misspecification_error = misspecification;
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
        let room = (self.spec.horizon + 1).min(MIN_ROOM);
        let longest = forecasters.iter().map(|f| f.longest_context(room));
        let longest = longest.min().unwrap_or(usize::MAX);
        ensure!(
            longest >= 10,
            "the model's window is too short for a context"
        );
        let rows = self.arguments.context.min(longest);
        if rows < self.arguments.context {
            tell!("note: the model's window allows {rows} rows of context");
        }
        let segments = context_segments(self.logged, self.fitted.folds, rows);
        let with_reward = self.spec.rules.reward.is_none();
        Ok(Contexts::read(
            &forecasters,
            self.logged,
            &segments,
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
        spec: &RolloutSpec,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<PolicyEstimate> {
        let mut estimate = PolicyEstimate {
            policy: candidate.name.clone(),
            estimator: estimator.name(),
            value: None,
            length: None,
            clipped: None,
            effective_runs: None,
            too_small_ratio: None,
            is_weighted: estimator.weighs(),
            misspecification_error: None,
            seconds: 0.0,
        };
        let fitted = &self.fitted;
        let (discount, horizon) = (spec.discount, spec.horizon);
        let mut of_paths = |imagined: ImaginedRollouts| {
            estimate.value = Some(imagined.value());
            estimate.length = Some(imagined.length());
            estimate.clipped = Some(imagined.clipped);
        };
        let policy = &mut *candidate.policy;
        if estimator.counts_recorded() && logged.covered_horizon(|_| true, horizon).0 < horizon {
            return Ok(estimate);
        }
        match estimator {
            Estimator::Mixture
            | Estimator::Builtin
            | Estimator::Vicl
            | Estimator::DiclS
            | Estimator::DiclSa => {
                let contexts = contexts.context("language models have contexts")?;
                of_paths(in_context(
                    contexts,
                    logged,
                    ActionSource::Policy(policy),
                    spec,
                    progress,
                )?);
            }
            Estimator::Linear | Estimator::Mlp => {
                let models = fitted.of(estimator == Estimator::Mlp);
                let spec = every_start(&models, spec);
                of_paths(learned(
                    &models,
                    logged,
                    ActionSource::Policy(policy),
                    &spec,
                    progress,
                )?);
            }
            Estimator::Fqe => {
                let values = candidate.values(logged, spec, progress)?;
                estimate.value = Some(values.value(&mut *candidate.policy)?);
            }
            Estimator::Is => {
                let weighted = importance(logged, policy, discount, horizon);
                estimate.value = weighted.and_then(|w| w.value);
                estimate.effective_runs = weighted.map(|w| w.effective);
                estimate.too_small_ratio = weighted.and_then(|w| w.too_small_ratio);
            }
            Estimator::Dr if importance(logged, policy, discount, horizon).is_some() => {
                let values = candidate.values(logged, spec, progress)?;
                let critic = values.critic(logged, &mut *candidate.policy)?;
                let policy = &*candidate.policy;
                let weighted = doubly_robust(logged, policy, discount, horizon, &critic);
                estimate.value = weighted.and_then(|w| w.value);
                estimate.effective_runs = weighted.map(|w| w.effective);
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
                    let starts = RolloutSpec {
                        starts: logged.starts(),
                        ..spec.clone()
                    };
                    let spec = every_start(&models, &starts);
                    let imagined = learned(
                        &models,
                        logged,
                        ActionSource::Policy(policy),
                        &spec,
                        progress,
                    )?;
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
    /// Returns the policy's value functions, fitted on first use.
    fn values(
        &mut self,
        logged: &Logged,
        spec: &RolloutSpec,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Arc<FittedQ>> {
        if let Some(values) = &self.values {
            return Ok(values.clone());
        }
        let settings = FittedSettings::default();
        let fitted = FittedQ::fit(logged, &mut *self.policy, spec, settings, progress)?;
        Ok(self.values.insert(Arc::new(fitted)).clone())
    }
}

/// Returns a spec with at least one path per member and start, which costs little here.
fn every_start(models: &[&dyn Dynamics], spec: &RolloutSpec) -> RolloutSpec {
    let members: usize = models.iter().map(|model| model.members()).sum();
    let starts = spec.starts.nrows();
    RolloutSpec {
        paths: spec
            .paths
            .max((members * starts).min(MAX_PATHS.max(starts))),
        ..spec.clone()
    }
}

/// Models fitted to all folds but one, one per fold.
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
        let progress = Progress::new("fitting models");
        let members = MEMBERS.div_ceil(folds).max(2);
        for fold in 0..folds {
            let left_out: HashSet<usize> = match folds {
                1 => HashSet::new(),
                _ => logged.fold_runs(fold, folds).map(|(run, _)| run).collect(),
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

    /// Returns the forecasters of the contexts, one per fold.
    fn forecasters(
        &self,
        estimator: Estimator,
        forecasters: &Forecasters,
        settings: Settings,
        logged: &Logged,
    ) -> anyhow::Result<Vec<Forecaster>> {
        let fold_runs = |fold: usize| {
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
        (0..self.folds).map(fold_runs).collect()
    }
}
