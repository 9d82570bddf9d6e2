//! The arguments of imagined transitions.

use anyhow::ensure;
use clap::{Args, ValueEnum};

use crate::cli::experts::{NameArguments, load};
use crate::cli::input::ModelArguments;
use crate::environment::Task;
use crate::forecast::{Forecaster, Method};
use crate::forecasters::{Combining, Forecasters};
use crate::learning::{
    Acting, AugmentationSettings, Imagining, NextState, Source, Training, TrainingSettings, Trust,
};
use crate::model::{ModelSource, Work};

/// How imagined transitions come about, for dicl-sac.
#[derive(Debug, Args)]
#[command(next_help_heading = "Imagined transitions (dicl-sac)")]
pub(super) struct Augmentation {
    /// Updates from one pass of the model to the next [default: 16 for pendulum, 32 for other small tasks, else 256]
    #[arg(long, value_name = "UPDATES")]
    llm_every: Option<usize>,
    /// Step of the first pass [default: 1000, for MuJoCo's tasks 10000]
    #[arg(long, value_name = "STEP")]
    llm_starts: Option<usize>,
    /// Imagined transitions of an update, as a share of its real ones [default: 0.25]
    #[arg(long, value_name = "SHARE")]
    alpha: Option<f64>,
    /// Transitions of the stretches that the model reads [default: 200, for MuJoCo's tasks 500]
    #[arg(long, value_name = "STEPS")]
    context: Option<usize>,
    /// Fewest, where no episode is long enough [default: 50]
    #[arg(long, value_name = "STEPS")]
    shortest_context: Option<usize>,
    /// Stretches of a pass [default: 1]
    #[arg(long, value_name = "COUNT")]
    stretches: Option<usize>,
    /// Actions of imagined transitions: those that were taken, or the policy's, whose reward must be known
    #[arg(long, value_enum, value_name = "WHOSE")]
    actions: Option<Whose>,
    /// Imagine paths of so many steps on which the policy acts, behind a part of the stretch, instead of what
    /// followed its rows; for models that see actions
    #[arg(long, value_name = "STEPS")]
    rollout: Option<usize>,
    /// Paths of a stretch, with --rollout [default: 32]
    #[arg(long, value_name = "COUNT", requires = "rollout")]
    paths: Option<usize>,
    /// The next state: the mean of the density or a draw from it [default: mean; of paths a draw]
    #[arg(long, value_enum, value_name = "WHICH")]
    next: Option<Next>,
    /// What the model's own uncertainty does to imagined transitions
    #[arg(long, value_enum, value_name = "HOW")]
    trust: Option<Trusted>,
    /// For comparison: the simulator in the model's place, or more real transitions instead of imagined ones
    #[arg(long, value_enum, value_name = "ARM")]
    control: Option<ControlArm>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Whose {
    /// Those that were taken, with the rewards that they earned
    Taken,
    /// Drawn from the policy as it is
    Policy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Next {
    /// Its mean
    Mean,
    /// A draw from it
    Sampled,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Trusted {
    /// Nothing
    Even,
    /// Weights in the loss
    Weighted,
    /// The half of a stretch that it is least sure of is thrown away
    SurerHalf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ControlArm {
    /// The simulator
    Truth,
    /// Real transitions
    Replay,
}

impl Augmentation {
    /// True if nothing was said about imagined transitions.
    pub(super) fn is_empty(&self) -> bool {
        let counts = [
            self.llm_every,
            self.llm_starts,
            self.context,
            self.shortest_context,
            self.stretches,
            self.rollout,
            self.paths,
        ];
        counts.iter().all(Option::is_none)
            && self.alpha.is_none()
            && (self.actions.is_none() && self.next.is_none())
            && (self.trust.is_none() && self.control.is_none())
    }

    /// Who imagines: a control, or the forecaster that the arguments name.
    pub(super) fn source(
        &self,
        model: &ModelArguments,
        experts: &NameArguments,
        method: Method,
    ) -> anyhow::Result<Source> {
        if self.control.is_some() {
            ensure!(
                names_no_forecaster(model, experts),
                "--control: the simulator or the replay takes the place of a model; name none"
            );
        }
        Ok(match self.control {
            Some(ControlArm::Truth) => Source::Truth,
            Some(ControlArm::Replay) => Source::Replay,
            None => {
                let name = experts.name(model);
                let names: Vec<String> = name.members().iter().map(ToString::to_string).collect();
                let names = names.join("+");
                Source::Forecaster(format!("{names} {}", model.described(method)))
            }
        })
    }

    /// Settings with what was given over them.
    pub(super) fn over(&self, mut settings: AugmentationSettings) -> AugmentationSettings {
        settings.every = self.llm_every.unwrap_or(settings.every);
        settings.starts = self.llm_starts.unwrap_or(settings.starts);
        settings.share = self.alpha.unwrap_or(settings.share);
        settings.context = self.context.unwrap_or(settings.context);
        let shortest = self.shortest_context;
        settings.shortest = shortest.unwrap_or(settings.shortest.min(settings.context));
        settings.stretches = self.stretches.unwrap_or(settings.stretches);
        if let Some(steps) = self.rollout {
            let count = self.paths.unwrap_or(32);
            settings.imagining = Imagining::Paths { steps, count };
            settings.acting = Acting::Policy;
            settings.next = NextState::Sampled;
        }
        if let Some(actions) = self.actions {
            settings.acting = match actions {
                Whose::Taken => Acting::Taken,
                Whose::Policy => Acting::Policy,
            };
        }
        if let Some(next) = self.next {
            settings.next = match next {
                Next::Mean => NextState::Mean,
                Next::Sampled => NextState::Sampled,
            };
        }
        if let Some(trust) = self.trust {
            settings.trust = match trust {
                Trusted::Even => Trust::Even,
                Trusted::Weighted => Trust::Weighted,
                Trusted::SurerHalf => Trust::SurerHalf,
            };
        }
        settings
    }
}

/// True if the arguments say nothing about a forecaster.
pub(super) fn names_no_forecaster(model: &ModelArguments, experts: &NameArguments) -> bool {
    let plain = model.described(Method::Vicl) == Method::Vicl.to_string();
    let plain = plain && !model.names_method();
    plain && experts.is_empty() && *model.source() == ModelSource::Builtin
}

/// The models that a run needs.
pub(super) fn models(
    settings: &TrainingSettings,
    model: &ModelArguments,
    experts: &NameArguments,
) -> anyhow::Result<Option<Forecasters>> {
    let Some(augmentation) = &settings.augmentation else {
        return Ok(None);
    };
    let Source::Forecaster(_) = augmentation.source else {
        return Ok(None);
    };
    let task = Task::named(&settings.task)?;
    let (paths, horizon) = match augmentation.imagining {
        Imagining::Rows => (1, 1),
        Imagining::Paths { steps, count } => (count, steps + 1),
    };
    let work = Work {
        channels: task.observation.len() + task.action.len(),
        rows: augmentation.context + 1,
        paths,
        horizon,
    };
    Ok(Some(load(&[experts.name(model)], model, work)?))
}

/// The forecaster of a run, checked for what it is to imagine.
pub(super) fn forecaster(
    settings: &TrainingSettings,
    forecasters: &Forecasters,
    model: &ModelArguments,
    experts: &NameArguments,
    method: Method,
) -> anyhow::Result<Forecaster> {
    let reading = model.settings(method)?;
    // Paths are of few steps, from a context of their own each: to pool them costs more than it brings.
    let name = experts.name(model);
    let predictor = forecasters.unpooled(&name, reading, Combining::default())?;
    let forecaster = Forecaster::of(predictor, reading);
    if let Some(augmentation) = &settings.augmentation {
        Training::check_forecaster(augmentation, &forecaster)?;
    }
    Ok(forecaster)
}
