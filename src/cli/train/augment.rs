//! Arguments of imagined transitions.

use anyhow::ensure;
use clap::Args;
use clap::builder::TypedValueParser;

use crate::cli::choices::choice;
use crate::cli::experts::{NameArguments, load};
use crate::cli::model_arguments::ModelArguments;
use crate::forecast::{Forecaster, Method};
use crate::forecasters::{Combining, Forecasters};
use crate::learning::{
    AugmentationSettings, AugmentationSource, BranchSettings, Imagination, ImaginedActions,
    NextState, SampleWeighting, Training, TrainingSettings,
};
use crate::model::{ModelSource, Work};

/// Settings of imagined transitions, for dicl-sac.
#[derive(Debug, Args)]
#[command(next_help_heading = "Imagined transitions (dicl-sac)")]
pub(super) struct Augmentation {
    /// Updates between passes of the model [default: 16 for pendulum, 32 for other small tasks,
    /// else 256]
    #[arg(long, value_name = "UPDATES")]
    llm_every: Option<usize>,
    /// Environment step of the first pass [default: 1000, for MuJoCo's tasks 10000]
    #[arg(long, value_name = "STEP")]
    llm_starts: Option<usize>,
    /// Imagined transitions per real transition of an update [default: 0.25]
    #[arg(long, value_name = "FRACTION")]
    alpha: Option<f64>,
    /// Transitions per episode segment that the model reads [default: 200, for MuJoCo's tasks 500]
    #[arg(long, value_name = "STEPS")]
    context: Option<usize>,
    /// Fewest transitions per segment, while no episode has --context [default: 50]
    #[arg(long, value_name = "STEPS", alias = "shortest-context")]
    min_context: Option<usize>,
    /// Segments per pass [default: 1]
    #[arg(long, value_name = "COUNT", alias = "stretches")]
    segments: Option<usize>,
    /// Actions of imagined transitions
    #[arg(long, value_parser = actions(), value_name = "WHOSE")]
    actions: Option<ImaginedActions>,
    /// Imagine rollouts of so many steps under the policy after a prefix of the segment, instead of
    /// one step from every row; for models that condition on actions
    #[arg(long, value_name = "STEPS")]
    rollout: Option<usize>,
    /// Rollouts per segment, with --rollout [default: 32]
    #[arg(long, value_name = "COUNT", requires = "rollout")]
    paths: Option<usize>,
    /// Imagine branches of at most so many steps under the policy, from states of the whole replay
    /// buffer and by a model that has read the latest --context transitions, by default all; for
    /// models that condition on actions, such as --experts linear,quadratic,fourier
    #[arg(long, value_name = "STEPS", conflicts_with_all = ["rollout", "llm_every", "segments"])]
    branch: Option<usize>,
    /// Branches per round, each round replacing the one before, with --branch [default: 400]
    #[arg(long, value_name = "COUNT", requires = "branch")]
    branches: Option<usize>,
    /// Environment steps between rounds of branches [default: 100]
    #[arg(long, value_name = "STEPS", requires = "branch")]
    branch_every: Option<usize>,
    /// Stop a branch before a step whose forecast variance is larger, in units of the mean squared
    /// step; persistence has about 1 [default: no limit]
    #[arg(long, value_name = "VARIANCE", requires = "branch")]
    max_variance: Option<f64>,
    /// Next state: the mean of the forecast density or a draw from it [default: mean; with
    /// --rollout or --branch a draw]
    #[arg(long, value_parser = next(), value_name = "WHICH")]
    next: Option<NextState>,
    /// Weighting of imagined samples by the model's uncertainty [default: uniform]
    #[arg(long, value_parser = weighting(), value_name = "HOW", alias = "trust")]
    weighting: Option<SampleWeighting>,
    /// Fraction of the branches that start at imagined states of the round before, so that the ends
    /// of branches are trained, too [default: 0]
    #[arg(long, value_name = "FRACTION", requires = "branch")]
    imagined_starts: Option<f64>,
    /// Penalty on the reward of an imagined step per unit of its forecast standard deviation, in
    /// units of the root mean squared step [default: 0]
    #[arg(long, value_name = "REWARD", requires = "branch")]
    penalty: Option<f64>,
    /// Imagine branches in an ensemble of so many networks, fitted to the recordings of --offline,
    /// instead of the model
    #[arg(
        long,
        value_name = "NETWORKS",
        requires = "branch",
        conflicts_with = "control"
    )]
    ensemble: Option<usize>,
    /// Control arm: the simulator instead of the model, or additional real transitions
    #[arg(long, value_parser = control(), value_name = "ARM")]
    control: Option<AugmentationSource>,
}

fn actions() -> impl TypedValueParser<Value = ImaginedActions> {
    choice([
        (
            "recorded|taken",
            "Recorded actions with their rewards",
            ImaginedActions::Recorded,
        ),
        (
            "policy",
            "Actions drawn from the current policy; single transitions need a task with a known reward function",
            ImaginedActions::Policy,
        ),
    ])
}

fn next() -> impl TypedValueParser<Value = NextState> {
    choice([
        ("mean", "Its mean", NextState::Mean),
        ("sampled", "A draw from it", NextState::Sampled),
    ])
}

fn weighting() -> impl TypedValueParser<Value = SampleWeighting> {
    choice([
        ("uniform|even", "Weight 1 for all", SampleWeighting::Uniform),
        (
            "weighted",
            "Lower weight in the loss at higher variance",
            SampleWeighting::Weighted,
        ),
        (
            "low-variance-half|surer-half",
            "Only the half of a segment with the lower variance",
            SampleWeighting::LowVarianceHalf,
        ),
    ])
}

fn control() -> impl TypedValueParser<Value = AugmentationSource> {
    choice([
        ("truth", "The simulator", AugmentationSource::Truth),
        ("replay", "Real transitions", AugmentationSource::Replay),
    ])
}

impl Augmentation {
    /// True if no flag about imagined transitions was given.
    pub(super) fn is_empty(&self) -> bool {
        let counts = [
            self.llm_every,
            self.llm_starts,
            self.context,
            self.min_context,
            self.segments,
            self.rollout,
            self.paths,
            self.branch,
        ];
        counts.iter().all(Option::is_none)
            && self.alpha.is_none()
            && (self.actions.is_none() && self.next.is_none())
            && (self.weighting.is_none() && self.control.is_none())
    }

    /// Returns the source: a control, or the forecaster that the arguments name.
    pub(super) fn source(
        &self,
        model: &ModelArguments,
        experts: &NameArguments,
        method: Method,
    ) -> anyhow::Result<AugmentationSource> {
        let instead = self.ensemble.map(AugmentationSource::Networks);
        let instead = self.control.clone().or(instead);
        if instead.is_some() {
            ensure!(
                names_no_forecaster(model, experts),
                "--control, --ensemble: these replace the model; give no --model or --experts"
            );
        }
        Ok(match instead {
            Some(instead) => instead,
            None => {
                let name = experts.name(model);
                let names: Vec<String> = name.members().iter().map(ToString::to_string).collect();
                let names = names.join("+");
                AugmentationSource::Forecaster(format!("{names} {}", model.described(method)))
            }
        })
    }

    /// Returns the settings of branches, if there are any.
    pub(super) fn branching(&self) -> Option<BranchSettings> {
        let default = BranchSettings::default();
        self.branch.map(|steps| BranchSettings {
            steps,
            count: self.branches.unwrap_or(default.count),
            every: self.branch_every.unwrap_or(default.every),
            max_variance: self.max_variance,
            imagined_starts: self.imagined_starts.unwrap_or(default.imagined_starts),
            penalty: self.penalty.unwrap_or(default.penalty),
        })
    }

    /// Overrides settings by the given flags.
    pub(super) fn apply_to(&self, mut settings: AugmentationSettings) -> AugmentationSettings {
        settings.every = self.llm_every.unwrap_or(settings.every);
        settings.start_step = self.llm_starts.unwrap_or(settings.start_step);
        settings.fraction = self.alpha.unwrap_or(settings.fraction);
        settings.context = self.context.unwrap_or(settings.context);
        let shortest = self.min_context;
        settings.min_context = shortest.unwrap_or(settings.min_context.min(settings.context));
        settings.segments = self.segments.unwrap_or(settings.segments);
        if let Some(steps) = self.rollout {
            let count = self.paths.unwrap_or(32);
            settings.imagination = Imagination::Rollouts { steps, count };
            settings.actions = ImaginedActions::Policy;
            settings.next = NextState::Sampled;
        }
        settings.actions = self.actions.unwrap_or(settings.actions);
        settings.next = self.next.unwrap_or(settings.next);
        settings.weighting = self.weighting.unwrap_or(settings.weighting);
        settings
    }
}

/// True if no flag about a forecaster was given.
pub(super) fn names_no_forecaster(model: &ModelArguments, experts: &NameArguments) -> bool {
    let plain = model.described(Method::Vicl) == Method::Vicl.to_string();
    let plain = plain && !model.names_method();
    plain && experts.is_empty() && *model.source() == ModelSource::Builtin
}

/// Loads the models of a run.
pub(super) fn models(
    settings: &TrainingSettings,
    model: &ModelArguments,
    experts: &NameArguments,
) -> anyhow::Result<Option<Forecasters>> {
    let Some(augmentation) = &settings.augmentation else {
        return Ok(None);
    };
    let AugmentationSource::Forecaster(_) = augmentation.source else {
        return Ok(None);
    };
    let task = settings.environment()?.task()?;
    let (paths, horizon) = match augmentation.imagination {
        Imagination::OneStep => (1, 1),
        Imagination::Rollouts { steps, count } => (count, steps + 1),
        Imagination::Branches(branches) => (branches.count, branches.steps + 1),
    };
    let work = Work {
        channels: task.observation.len() + task.action.len(),
        rows: augmentation.context + 1,
        paths,
        horizon,
    };
    Ok(Some(load(&[experts.name(model)], model, work)?))
}

/// Returns the forecaster of a run, checked against the augmentation settings.
pub(super) fn forecaster(
    settings: &TrainingSettings,
    forecasters: &Forecasters,
    model: &ModelArguments,
    experts: &NameArguments,
    method: Method,
) -> anyhow::Result<Forecaster> {
    let reading = model.settings(method)?;
    // Rollouts are short and each has its own context: pooling them costs more than it gains.
    let name = experts.name(model);
    let predictor = forecasters.unpooled(&name, reading, Combining::default())?;
    let forecaster = Forecaster::of(predictor, reading);
    if let Some(augmentation) = &settings.augmentation {
        Training::check_forecaster(augmentation, &forecaster)?;
    }
    Ok(forecaster)
}
