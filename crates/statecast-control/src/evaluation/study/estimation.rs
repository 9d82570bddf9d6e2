//! Estimates of all policies by one estimator after another.

use std::sync::Arc;
use std::time::Instant;

use ndarray::{Array2, s};

use super::folds::FoldModels;
use super::{
    Behaviour, EvaluationSettings, EvaluationStudyError, NamedPolicy, PolicyEstimate,
    RecordedPolicy,
};
use crate::dynamics::Dynamics;
use crate::evaluation::one_step::{
    PredictedSteps, predicted_by_models, predicted_in_context, unpredicted,
    value_error as value_error_of,
};
use crate::evaluation::recorded_support::beyond_recorded;
use crate::evaluation::{
    ActionSource, Contexts, Estimator, FittedQ, FittedSettings, ImaginedRollouts,
    ImportanceEstimate, Logged, RolloutModel, RolloutSpec, Value, behaviour_mean, context_segments,
    corrected, doubly_robust, importance, in_context, learned, misspecification_error,
    nearest_recording, on_policy,
};
use crate::forecast::Settings;
use crate::forecasters::Forecasters;
use crate::policy::Policy;
use crate::study::Observer;

/// Most paths in learned models, unless there are more starts.
const MAX_PATHS: usize = 10_000;

/// Most recorded states at which a policy's actions are compared with the recorded ones.
const MAX_STATES: usize = 2_000;

/// Steps that a context leaves free in the model's window, or the horizon if it is shorter.
const MIN_ROOM: usize = 100;

/// Fewest rows of a context.
pub(super) const MIN_CONTEXT: usize = 10;

/// What all estimators share.
pub(super) struct Estimation<'s> {
    pub(super) settings: &'s EvaluationSettings,
    pub(super) logged: &'s Logged,
    pub(super) spec: &'s RolloutSpec,
    pub(super) models: &'s FoldModels,
    pub(super) forecasters: &'s Forecasters,
    pub(super) observer: &'s dyn Observer,
}

/// A policy whose value is estimated from some recordings.
struct Case<'c> {
    policy: &'c mut dyn Policy,
    /// Recording of its own, if it has one.
    source: Option<usize>,
    /// Whether it may be asked for the actions of its paths only.
    stateful: bool,
    /// Recording that checks the estimator on this policy: steps of its own runs would give the answer away.
    checked: Option<usize>,
    /// Value functions, fitted on first use.
    values: &'c mut Option<Arc<FittedQ>>,
    logged: &'c Logged,
    spec: &'c RolloutSpec,
}

impl Estimation<'_> {
    /// Evaluates all policies by the estimator at a place of the settings. Intervals are widened by the estimator's
    /// misspecification error, measured on the recorded policies, and by the share of steps that the recordings do not
    /// cover: beyond them any recorded return is possible.
    /// `values` are the policies' value functions, if
    /// they have been fitted.
    pub(super) fn estimates(
        &self,
        place: usize,
        policies: &mut [NamedPolicy],
        values: &mut [Option<Arc<FittedQ>>],
        behaviours: &mut [Behaviour],
        recorded: &mut [RecordedPolicy],
    ) -> Result<Vec<PolicyEstimate>, EvaluationStudyError> {
        let estimator = self.settings.estimators[place];
        self.observer.begin(estimator.name());
        let contexts = self.contexts(estimator)?;
        let predicted = self.predicted(estimator, contexts.as_ref())?;
        let steps = self.counted_steps();
        // The share of a single step adds up.
        let share = predicted.as_deref().map(unpredicted);
        let share = share.map(|of_step| (of_step * steps).min(1.0));
        let checked = match estimator.is_checked() {
            true => behaviours.len(),
            false => 0,
        };
        let count = (policies.len() + checked) as f64;
        let mut pairs = Vec::new();
        for (number, behaviour) in behaviours.iter_mut().take(checked).enumerate() {
            let shown = |share: f64| self.observer.progress((number as f64 + share) / count);
            let others = estimator
                .weighs()
                .then(|| self.logged.without_source(number));
            let logged = match &others {
                None => self.logged,
                Some(Some(others)) => others,
                Some(None) => {
                    continue;
                }
            };
            let case = Case {
                policy: &mut *behaviour.policy,
                source: None,
                stateful: false,
                checked: Some(number),
                // Fitted values hold for one horizon only.
                values: &mut None,
                logged,
                spec: &behaviour.spec,
            };
            let estimate = self.estimate(estimator, contexts.as_ref(), case, &shown);
            let of = EvaluationStudyError::of(format!("recording {}", behaviour.name));
            let value = estimate.map_err(of)?.value;
            recorded[number].imagined[place] = value;
            pairs.extend(value.map(|value| (value, behaviour.actual)));
        }
        let misspecification = (!pairs.is_empty()).then(|| misspecification_error(&pairs));
        let spread = self
            .logged
            .return_std(self.spec.discount, self.spec.horizon);
        let mut estimates = Vec::new();
        for (number, (named, values)) in policies.iter_mut().zip(values).enumerate() {
            let begin = Instant::now();
            let done = (checked + number) as f64;
            let shown = |share: f64| self.observer.progress((done + share) / count);
            let case = Case {
                policy: &mut *named.policy,
                source: named.recorded_in,
                stateful: named.stateful,
                checked: None,
                values,
                logged: self.logged,
                spec: self.spec,
            };
            let estimate = self.estimate(estimator, contexts.as_ref(), case, &shown);
            let of = EvaluationStudyError::of(format!("policy {}", named.name));
            let estimate = estimate.map_err(of)?;
            // Value functions are fitted for their own estimate, and used here.
            let mut value_error = None;
            let corrected = estimator == Estimator::Corrected;
            if let (Some(predicted), Some(values), false) =
                (&predicted, values, named.stateful || corrected)
            {
                let policy = &mut *named.policy;
                let length = estimate.length.unwrap_or(0.0).round() as usize;
                value_error = value_error_of(predicted, values, policy, self.spec, length)?;
            }
            let support_error = beyond_recorded(estimate.uncovered.unwrap_or(0.0)) * spread;
            let widened = |value: Value| {
                let value = value.widen_by(misspecification.unwrap_or(0.0));
                value.widen_by(support_error)
            };
            estimates.push(PolicyEstimate {
                policy: named.name.clone(),
                value: estimate.value.map(widened),
                distribution: estimate
                    .distribution
                    .map(|d| d.widen_by(support_error.hypot(misspecification.unwrap_or(0.0)))),
                support_error,
                unpredicted: share,
                value_error,
                misspecification_error: misspecification,
                seconds: begin.elapsed().as_secs_f64(),
                ..estimate
            });
        }
        Ok(estimates)
    }

    /// Predicts recorded steps in the estimator's model, if it has one.
    fn predicted(
        &self,
        estimator: Estimator,
        contexts: Option<&Contexts>,
    ) -> Result<Option<Vec<PredictedSteps>>, EvaluationStudyError> {
        Ok(match (contexts, estimator) {
            (Some(contexts), _) => {
                let seed = self.settings.seed;
                Some(predicted_in_context(contexts, self.logged, seed)?)
            }
            (None, Estimator::Rollouts(RolloutModel::Linear)) => {
                Some(predicted_by_models(&self.models.linear(), self.logged))
            }
            (None, Estimator::Rollouts(_) | Estimator::Corrected) => {
                Some(predicted_by_models(&self.models.networks(), self.logged))
            }
            _ => None,
        })
    }

    /// Returns the number of steps that count: the horizon, or fewer with a discount.
    fn counted_steps(&self) -> f64 {
        (self.spec.horizon as f64).min(1.0 / (1.0 - self.spec.discount))
    }

    /// Returns the contexts of the estimator's language model, if it has one.
    fn contexts(&self, estimator: Estimator) -> Result<Option<Contexts>, EvaluationStudyError> {
        let model = estimator.model();
        let Some((model, method)) =
            model.and_then(|m| Some((m, m.method(self.settings.forecast.method)?)))
        else {
            return Ok(None);
        };
        let read = self.read(
            model,
            Settings {
                method,
                ..self.settings.forecast
            },
        );
        read.map(Some)
            .map_err(EvaluationStudyError::of(estimator.name()))
    }

    fn read(
        &self,
        model: RolloutModel,
        settings: Settings,
    ) -> Result<Contexts, EvaluationStudyError> {
        let (logged, models) = (self.logged, self.models);
        let forecasters = models.forecasters(model, self.forecasters, settings, logged.states())?;
        let room = (self.spec.horizon + 1).min(MIN_ROOM);
        let longest = forecasters.iter().map(|f| f.longest_context(room));
        let longest = longest.min().unwrap_or(usize::MAX);
        if longest < MIN_CONTEXT {
            return Err(EvaluationStudyError::NoRoom);
        }
        let rows = self.settings.context.min(longest);
        if rows < self.settings.context {
            self.observer
                .note(&format!("the model's window allows {rows} rows of context"));
        }
        let segments = context_segments(logged, models.folds, rows);
        let with_reward = self.spec.rules.reward.is_none();
        let contexts = Contexts::read(&forecasters, logged, &segments, with_reward, &|_| ())?;
        Ok(contexts)
    }

    /// Returns the runs of a policy's own recording, or of that whose actions are nearest to its own, other than one that
    /// is left out.
    fn followed_runs(
        &self,
        policy: &mut dyn Policy,
        own: Option<usize>,
        left_out: Option<usize>,
    ) -> Result<Vec<usize>, EvaluationStudyError> {
        let nearest = match own {
            Some(own) => Some(own),
            None => nearest_recording(policy, self.logged, left_out, self.settings.seed)?,
        };
        let runs = self.logged.runs.iter().enumerate();
        let own = runs.filter(|(_, run)| Some(run.source) == nearest);
        Ok(own.map(|(index, _)| index).collect())
    }

    fn estimate(
        &self,
        estimator: Estimator,
        contexts: Option<&Contexts>,
        case: Case,
        progress: &dyn Fn(f64),
    ) -> Result<PolicyEstimate, EvaluationStudyError> {
        let mut estimate = PolicyEstimate {
            policy: String::new(),
            estimator: estimator.name(),
            value: None,
            length: None,
            clipped: None,
            uncovered: None,
            weight: None,
            distribution: None,
            paths: Vec::new(),
            effective_runs: None,
            support_error: 0.0,
            unpredicted: None,
            value_error: None,
            too_small_ratio: None,
            misspecification_error: None,
            seconds: 0.0,
        };
        let Case {
            policy,
            source,
            stateful,
            checked,
            values,
            logged,
            spec,
        } = case;
        let (discount, horizon) = (spec.discount, spec.horizon);
        if estimator.counts_recorded() && logged.covered_horizon(|_| true, horizon).0 < horizon {
            return Ok(estimate);
        }
        match estimator {
            Estimator::Rollouts(model) => {
                let actor = ActionSource::Policy(policy);
                let imagined = match (contexts, model) {
                    (Some(contexts), _) => in_context(contexts, logged, actor, spec, progress)?,
                    (None, RolloutModel::Linear) => {
                        rolled_out(&self.models.linear(), logged, actor, spec, progress)?
                    }
                    (None, _) => {
                        rolled_out(&self.models.networks(), logged, actor, spec, progress)?
                    }
                };
                estimate.imagined(&imagined, spec);
            }
            Estimator::Corrected => {
                let runs = match stateful {
                    true => Vec::new(),
                    false => self.followed_runs(policy, source, checked)?,
                };
                if !runs.is_empty() {
                    let actor = ActionSource::Policy(policy);
                    let models = self.models.networks();
                    let longer = with_paths(spec, &models, runs.len());
                    let imagined = corrected(&models, logged, &runs, actor, &longer, progress)?;
                    estimate.imagined(&imagined, spec);
                }
            }
            Estimator::Fqe => {
                let fitted = fitted(values, policy, logged, spec, progress)?;
                estimate.paths = fitted.paths(policy)?;
                estimate.value = Some(Value::of_paths(&estimate.paths));
                if let Some(support) = &spec.support
                    && !stateful
                    && checked.is_none()
                {
                    let states = some_states(logged);
                    let mut random = spec.policy_random(0..states.nrows());
                    let actions = policy.act(states.view(), &mut random)?;
                    estimate.uncovered = Some(support.share_outside(&states, &actions));
                }
            }
            Estimator::Is => estimate.weighted(importance(logged, policy, discount, horizon)?),
            Estimator::Dr if importance(logged, policy, discount, horizon)?.is_some() => {
                let fitted = fitted(values, policy, logged, spec, progress)?;
                let critic = fitted.critic(logged, policy)?;
                estimate.weighted(doubly_robust(logged, policy, discount, horizon, &critic)?);
            }
            Estimator::Dr => {}
            Estimator::OnPolicy => {
                if let Some(source) = source {
                    let starts = RolloutSpec {
                        starts: logged.starts(),
                        ..spec.clone()
                    };
                    let actor = ActionSource::Policy(policy);
                    let models = self.models.networks();
                    let imagined = rolled_out(&models, logged, actor, &starts, progress)?;
                    estimate.value = on_policy(logged, source, &imagined, discount, horizon);
                }
            }
            // Made of the others' values.
            Estimator::Combined => {}
            Estimator::Behaviour => {
                estimate.value = Some(behaviour_mean(logged, discount, horizon));
            }
        }
        Ok(estimate)
    }
}

impl PolicyEstimate {
    fn imagined(&mut self, imagined: &ImaginedRollouts, spec: &RolloutSpec) {
        // Where paths end with a probability, their returns are means over ends, not single returns.
        if spec.termination.is_none() {
            self.distribution = imagined.distribution();
        }
        self.value = Some(imagined.value());
        self.paths = imagined.paths.clone();
        self.length = Some(imagined.length());
        self.clipped = Some(imagined.clipped);
        self.uncovered = imagined.outside.share();
    }

    fn weighted(&mut self, weighted: Option<ImportanceEstimate>) {
        self.value = weighted.and_then(|w| w.value);
        self.effective_runs = weighted.map(|w| w.effective);
        self.too_small_ratio = weighted.and_then(|w| w.too_small_ratio);
    }
}

/// Returns a policy's value functions, fitted on first use.
fn fitted(
    values: &mut Option<Arc<FittedQ>>,
    policy: &mut dyn Policy,
    logged: &Logged,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<Arc<FittedQ>, EvaluationStudyError> {
    if let Some(values) = values {
        return Ok(values.clone());
    }
    let fitted = FittedQ::fit(logged, policy, spec, FittedSettings::default(), progress)?;
    Ok(values.insert(Arc::new(fitted)).clone())
}

/// Rolls out in learned models, with at least one path per member and start, which costs little here.
fn rolled_out(
    models: &[&dyn Dynamics],
    logged: &Logged,
    actor: ActionSource,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<ImaginedRollouts, EvaluationStudyError> {
    let spec = with_paths(spec, models, spec.starts.nrows());
    Ok(learned(models, logged, actor, &spec, progress)?)
}

/// Returns recorded states, spread evenly.
fn some_states(logged: &Logged) -> Array2<f64> {
    let all = logged.transitions(|_| true).states;
    let every = all.nrows().div_ceil(MAX_STATES).max(1);
    all.slice(s![..;every, ..]).to_owned()
}

/// Returns the spec with at least one path per member and start.
fn with_paths(spec: &RolloutSpec, models: &[&dyn Dynamics], starts: usize) -> RolloutSpec {
    let members: usize = models.iter().map(|model| model.members()).sum();
    RolloutSpec {
        paths: spec
            .paths
            .max((members * starts).min(MAX_PATHS.max(starts))),
        ..spec.clone()
    }
}
