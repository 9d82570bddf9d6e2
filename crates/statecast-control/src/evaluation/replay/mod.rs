//! Forecasts of recorded runs' remaining rewards, by several estimators.

mod models;
mod outcome;

use std::time::Instant;

use ndarray::{Array2, Axis};

pub use outcome::{ReplayEstimate, ReplayOutcome};

use super::study::{check_task, check_widths};
use super::{
    ActionSource, EvaluationError, EvaluationStudyError, Logged, PrefixSplit, RewardBaseline,
    RewardEstimator, RewardForecastErrors, RolloutModel, RolloutSpec, Rules, in_context, learned,
};
use crate::dynamics::{Dynamics, Steps};
use crate::environment::{RewardExpression, Task};
use crate::forecast::Settings;
use crate::forecasters::Forecasters;
use crate::model::Work;
use crate::policy::{Policy, Widths};
use crate::recording::Recording;
use crate::study::Observer;
use models::{Kind, Named, contexts, fitted};
use outcome::EstimatorRun;

/// Fewest steps of a context.
const MIN_CONTEXT: usize = 10;

/// Numbers of steps after which sums are compared by default, besides the horizon.
const STEPS: [usize; 4] = [10, 50, 100, 250];

/// What is forecast of recorded runs, and how.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReplaySettings {
    /// Estimators, in the order of the result.
    pub estimators: Vec<RewardEstimator>,
    /// Reward in place of the recorded or the task's one, of the recordings' columns.
    pub reward: Option<RewardExpression>,
    /// Context, in steps, at least 10.
    pub context: usize,
    /// Steps to forecast after the context, at least 1; shorter runs are left out.
    pub horizon: usize,
    /// Numbers of steps after which sums are compared; by default 10, 50, 100, 250 and the horizon.
    pub steps: Vec<usize>,
    /// Most runs, evenly spaced; by default all.
    pub runs: Option<usize>,
    /// Imagined paths per run, at least 1.
    pub paths: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// How language models read; by default as the program reads the bundled one.
    pub forecast: Settings,
}

impl Default for ReplaySettings {
    /// The mixture, the linear model, the networks and the baselines.
    fn default() -> Self {
        let models = [
            RolloutModel::Mixture,
            RolloutModel::Linear,
            RolloutModel::Mlp,
        ];
        let mut estimators = models.map(RewardEstimator::Rollouts).to_vec();
        estimators.push(RewardEstimator::Baselines);
        Self::new(estimators)
    }
}

impl ReplaySettings {
    /// Some estimators with all else as it is by default.
    pub fn new(estimators: Vec<RewardEstimator>) -> Self {
        Self {
            estimators,
            reward: None,
            context: 100,
            horizon: 99,
            steps: Vec::new(),
            runs: None,
            paths: 20,
            seed: 0,
            forecast: Settings::builtin(),
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`EvaluationStudyError::Setting`] outside of a range.
    pub fn check(&self) -> Result<(), EvaluationStudyError> {
        let fail = |setting, value: usize, range: &str| {
            Err(EvaluationStudyError::Setting {
                setting,
                value: value.to_string(),
                range: range.to_owned(),
            })
        };
        if self.context < MIN_CONTEXT {
            return fail("context", self.context, "at least 10 steps");
        }
        let counts = [
            ("horizon", self.horizon),
            ("paths", self.paths),
            ("runs", self.runs.unwrap_or(1)),
        ];
        if let Some((setting, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return fail(setting, 0, "at least 1");
        }
        if self.steps.contains(&0) {
            return fail("steps", 0, "at least 1");
        }
        if let Some(&step) = self.steps.iter().find(|&&step| step > self.horizon) {
            let range = format!("beyond the horizon of {}", self.horizon);
            return fail("steps", step, &range);
        }
        Ok(())
    }

    /// Numbers of steps after which sums are compared, in order.
    fn compared_steps(&self) -> Vec<usize> {
        let mut steps = self.steps.clone();
        if steps.is_empty() {
            let within = STEPS.into_iter().filter(|&step| step <= self.horizon);
            steps = within.chain([self.horizon]).collect();
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

/// Recorded runs, each split into a context and the rewards that remain, which are forecast under the recorded
/// actions: the published protocol of in-context policy evaluation (Benechehab et al., arXiv 2410.11711, section 5).
///
/// ```
/// use statecast::Recording;
/// use statecast::evaluation::{ReplaySettings, ReplayStudy};
/// use statecast::forecasters::Forecasters;
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let mut settings = ReplaySettings::new(vec!["linear".parse()?, "baselines".parse()?]);
/// settings.horizon = 50;
/// let study = ReplayStudy::new(&[recording], None, settings, &())?;
/// let forecasters = Forecasters::new(&[], Vec::new())?; // no estimator reads with a language model
/// let outcome = study.run(None, &forecasters, &())?;
/// assert_eq!(outcome.steps, [10, 50]);
/// assert!(outcome.estimates[0].scores.error[0].mean.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReplayStudy {
    splits: Vec<PrefixSplit>,
    steps: Vec<usize>,
    rules: Rules,
    settings: ReplaySettings,
    /// Steps of other recordings.
    training: Option<Steps>,
}

impl ReplayStudy {
    /// Collects the sufficiently long runs of recordings of one system, of a task whose reward is known or of none.
    ///
    /// # Errors
    /// [`EvaluationStudyError`] if the settings or the recordings are not suitable.
    pub fn new(
        recordings: &[Recording],
        task: Option<&Task>,
        settings: ReplaySettings,
        observer: &dyn Observer,
    ) -> Result<Self, EvaluationStudyError> {
        settings.check()?;
        if let Some(first) = recordings.first() {
            check_task(task, first.state_names(), first.action_names())?;
        }
        let rules = task.map_or(Rules::default(), Rules::of);
        let rules = rules.with(settings.reward.as_ref(), None, recordings)?;
        let logged = Logged::new(recordings, &rules)?;
        let (context, horizon) = (settings.context, settings.horizon);
        let splits = logged.runs.iter();
        let splits: Vec<PrefixSplit> = splits
            .filter_map(|run| PrefixSplit::of(run, context, horizon))
            .collect();
        if splits.is_empty() {
            return Err(EvaluationError::TooShort(context, horizon).into());
        }
        let left_out = logged.runs.len() - splits.len();
        if left_out > 0 {
            observer.note(&format!("{left_out} run(s) with fewer steps are left out"));
        }
        let most = settings
            .runs
            .map_or(splits.len(), |runs| runs.min(splits.len()));
        let taken = (0..most).map(|i| splits[i * splits.len() / most].clone());
        Ok(Self {
            splits: taken.collect(),
            steps: settings.compared_steps(),
            // Recorded runs cover the horizon: no termination is needed.
            rules: Rules {
                terminated: None,
                ..rules
            },
            settings,
            training: None,
        })
    }

    /// The same with other recordings of the system, for learned models that are not fitted to the context.
    ///
    /// # Errors
    /// [`EvaluationStudyError::OtherSystem`] if they are of another one; [`EvaluationError`] if they have no actions, no
    /// rewards, or too few steps.
    pub fn with_training(mut self, recordings: &[Recording]) -> Result<Self, EvaluationStudyError> {
        let logged = Logged::new(recordings, &self.rules)?;
        let Widths {
            observations,
            actions,
        } = self.widths();
        let (found, recorded) = ((logged.states(), logged.actions()), (observations, actions));
        if found != recorded {
            return Err(EvaluationStudyError::OtherSystem { found, recorded });
        }
        self.training = Some(logged.steps(|_| true)?);
        Ok(self)
    }

    /// Numbers of states and actions.
    pub fn widths(&self) -> Widths {
        let context = &self.splits[0].context;
        Widths {
            observations: context.states(),
            actions: context.actions(),
        }
    }

    /// True if rewards are predicted, because no task gives them.
    pub fn predicts_rewards(&self) -> bool {
        self.rules.reward.is_none()
    }

    /// The forecast of a language model, to be prepared for.
    pub fn work(&self) -> Work {
        let widths = self.widths();
        Work {
            channels: widths.observations + widths.actions + 1,
            rows: self.settings.context,
            paths: self.settings.paths,
            horizon: self.settings.horizon + 1,
        }
    }

    /// Forecasts the remaining rewards of all runs, with the forecasters' language model where estimators need one. With
    /// a policy, estimators come twice: under the recorded actions, and with the policy acting at the imagined states.
    ///
    /// # Errors
    /// [`EvaluationStudyError`] if an estimator or the policy fails.
    pub fn run(
        &self,
        mut policy: Option<&mut (dyn Policy + 'static)>,
        forecasters: &Forecasters,
        observer: &dyn Observer,
    ) -> Result<ReplayOutcome, EvaluationStudyError> {
        if let Some(policy) = &policy {
            check_widths(&**policy, self.widths())?;
        }
        let mut found = Vec::new();
        for named in self.named(policy.is_some()) {
            let begin = Instant::now();
            observer.begin(&named.name);
            let (mut errors, mut clipped) = (Vec::new(), 0);
            for (number, split) in self.splits.iter().enumerate() {
                let count = self.splits.len() as f64;
                let progress = |share: f64| observer.progress((number as f64 + share) / count);
                let actor = match &mut policy {
                    Some(policy) if named.acts => ActionSource::Policy(&mut **policy),
                    _ => ActionSource::Recorded(split.actions.view()),
                };
                let forecast = self.forecast(&named.kind, split, actor, forecasters, &progress);
                let of = EvaluationStudyError::of(named.name.as_str());
                let (rewards, outside) = forecast.map_err(of)?;
                errors.push(RewardForecastErrors::new(split, rewards.view()));
                clipped += outside;
            }
            found.push(EstimatorRun {
                name: named.name,
                errors,
                clipped,
                seconds: begin.elapsed().as_secs_f64(),
            });
        }
        Ok(ReplayOutcome::of(found, &self.steps))
    }

    /// Returns the requested estimators; those with the policy follow those with recorded actions.
    fn named(&self, acts: bool) -> Vec<Named> {
        let chosen = self.settings.forecast.method;
        let mut all = Vec::new();
        let mut add = |name: &str, kind: Kind| {
            let twice = acts && !matches!(kind, Kind::Baseline(_));
            all.push(Named {
                name: name.to_owned(),
                kind: kind.clone(),
                acts: false,
            });
            all.extend(twice.then(|| Named {
                name: format!("{name}, policy"),
                kind,
                acts: true,
            }));
        };
        for estimator in &self.settings.estimators {
            let model = match estimator {
                RewardEstimator::Baselines => {
                    for baseline in RewardBaseline::ALL {
                        add(baseline.name(), Kind::Baseline(baseline));
                    }
                    continue;
                }
                RewardEstimator::Rollouts(model) => *model,
            };
            match model.method(chosen) {
                Some(method) => add(model.name(), Kind::Language(model, method)),
                None => add(model.name(), Kind::Fitted(model)),
            }
            if let (None, Some(steps)) = (model.method(chosen), &self.training) {
                let trained = fitted(model, steps, self.settings.seed);
                add(
                    &format!("{} of other recordings", model.name()),
                    Kind::Trained(trained),
                );
            }
        }
        all
    }

    /// Returns forecasts of a run's remaining rewards, `[paths, horizon]`, and the number of values on their paths that
    /// were clipped to the range of the context.
    fn forecast(
        &self,
        kind: &Kind,
        split: &PrefixSplit,
        actor: ActionSource,
        forecasters: &Forecasters,
        progress: &dyn Fn(f64),
    ) -> Result<(Array2<f64>, usize), EvaluationStudyError> {
        let spec = RolloutSpec {
            rules: self.rules.clone(),
            ..split.spec(self.settings.paths, self.settings.seed)?
        };
        let context = &split.context;
        let of_model =
            |model: &dyn Dynamics, actor| learned(&[model], context, actor, &spec, progress);
        let imagined = match kind {
            Kind::Baseline(baseline) => {
                let seen = context.runs[0].rewards.view();
                let rewards = baseline.rewards(seen, spec.horizon).insert_axis(Axis(0));
                return Ok((rewards, 0));
            }
            Kind::Trained(model) => of_model(&**model, actor)?,
            Kind::Fitted(model) => {
                let steps = context.steps(|_| true)?;
                of_model(&*fitted(*model, &steps, self.settings.seed), actor)?
            }
            Kind::Language(model, method) => {
                let reading = Settings {
                    method: *method,
                    ..self.settings.forecast
                };
                let contexts = contexts(
                    *model,
                    forecasters,
                    reading,
                    context,
                    self.predicts_rewards(),
                )?;
                in_context(&contexts, context, actor, &spec, progress)?
            }
        };
        let (paths, horizon) = (imagined.rewards.len(), spec.horizon);
        let earned = |(path, step): (usize, usize)| imagined.rewards[path].get(step).copied();
        let rewards = Array2::from_shape_fn((paths, horizon), |at| earned(at).unwrap_or(0.0));
        Ok((rewards, imagined.clipped))
    }
}
