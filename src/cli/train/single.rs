//! `statecast train TASK`: one agent.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use super::augment::{Augmentation, forecaster, models, names_no_forecaster};
use super::offline::Offline;
use crate::cli::experts::NameArguments;
use crate::cli::model_arguments::ModelArguments;
use crate::cli::terminal::tell;

use crate::cli::progress::Progress;
use crate::cli::rules::RuleArguments;
use crate::cli::terminal::show;
use crate::environment::EnvironmentSource;
use crate::forecast::{Forecaster, Method};
use crate::learning::{AugmentationSettings, Evaluation, TrainingSettings};
use crate::output::number;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Environment: pendulum, mountain-car, cart-pole-swing-up; with MuJoCo half-cheetah, hopper, …; or command:PROGRAM
    #[arg(required = true)]
    task: Option<EnvironmentSource>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Algorithm
    #[arg(long, value_enum, default_value_t = Algorithm::Sac)]
    algorithm: Algorithm,
    /// Source of the default settings
    #[arg(long, value_enum, default_value_t = Preset::Own)]
    preset: Preset,
    /// Environment steps; rounds of updates with --offline
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Random seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the run
    #[arg(long, value_name = "FOLDER", required = true)]
    out: Option<PathBuf>,
    /// Steps between evaluations, each with a checkpoint
    #[arg(long, default_value_t = 500)]
    evaluate_every: usize,
    /// Episodes per evaluation; 0 with --offline needs no simulator
    #[arg(long, default_value_t = 20)]
    evaluation_episodes: usize,
    #[command(flatten)]
    agent: AgentArguments,
    #[command(flatten)]
    offline: Offline,
    #[command(flatten)]
    augmentation: Augmentation,
    #[command(flatten)]
    experts: NameArguments,
    #[command(flatten)]
    model: ModelArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Agent")]
struct AgentArguments {
    /// Units of each of two hidden layers [default: 64, or 256 for MuJoCo's tasks]
    #[arg(long, value_name = "UNITS")]
    hidden: Option<usize>,
    /// Transitions per update [default: 256]
    #[arg(long, value_name = "COUNT")]
    batch: Option<usize>,
    /// Capacity of the replay buffer [default: 1000000]
    #[arg(long, value_name = "COUNT")]
    capacity: Option<usize>,
    /// Steps with random actions before the first update [default: 1000, or 5000 for MuJoCo's
    /// tasks]
    #[arg(long, value_name = "STEPS")]
    learning_starts: Option<usize>,
    /// Steps between rounds of updates [default: 1]
    #[arg(long, value_name = "STEPS")]
    update_every: Option<usize>,
    /// Updates per environment step; a round has as many times its steps [default: 1]
    #[arg(long, value_name = "UPDATES")]
    updates_per_step: Option<usize>,
    /// Learning rate of the actor [default: 0.0003]
    #[arg(long, value_name = "RATE")]
    actor_rate: Option<f64>,
    /// Learning rate of the critics and of the entropy coefficient [default: 0.001]
    #[arg(long, value_name = "RATE")]
    critic_rate: Option<f64>,
    /// Discount factor per step [default: 0.99]
    #[arg(long, value_name = "FACTOR")]
    discount: Option<f32>,
    /// Polyak coefficient of the target critics [default: 0.005]
    #[arg(long, value_name = "FRACTION", alias = "follow")]
    tau: Option<f32>,
    /// Critic updates between actor updates; the actor is then updated as often [default: 2]
    #[arg(long, value_name = "UPDATES", alias = "actor-every")]
    policy_frequency: Option<usize>,
    /// Critics, whose minimum is the value [default: 2]
    #[arg(long, value_name = "COUNT")]
    critics: Option<usize>,
    /// Dropout rate of the critics' hidden layers in updates [default: 0]
    #[arg(long, value_name = "RATE")]
    dropout: Option<f32>,
    /// Normalise the critics' hidden layers
    #[arg(long)]
    layer_norm: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// Soft actor-critic
    Sac,
    /// Soft actor-critic with transitions imagined by a model from the replay buffer
    DiclSac,
    /// TD3 with behaviour cloning, on recordings (--offline)
    Td3Bc,
    /// TD3 near to the recorded pair of state and action that is nearest (PRDC), on recordings (--offline)
    Prdc,
}

impl Algorithm {
    /// True if the actor is kept near to recorded actions.
    fn keeps_near(self) -> bool {
        matches!(self, Self::Td3Bc | Self::Prdc)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// Tuned for this program
    Own,
    /// Those of Benechehab et al. (table 3), for pendulum, hopper and half-cheetah
    Paper,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings()?;
    let folder = arguments
        .out
        .as_deref()
        .context("name a folder with --out")?;
    let forecaster = arguments.forecaster(&settings)?;
    let mut run = arguments.offline.open(folder, settings)?;
    let settings = run.training().settings();
    let progress = Progress::new(format!("{} seed {}", settings.task, settings.seed));
    run.refused().iter().for_each(warn_of_refused);
    if let Some(step) = run.resumed_at() {
        tell!("resuming after step {step}");
    }
    if run.training().is_done() {
        tell!("all {} steps are done", run.training().step());
    }
    // Training continues where its progress cannot be printed, and the error is reported at the
    // end.
    let evaluations = run.training().evaluations().iter();
    let mut shown = show(&evaluations.map(line).collect::<String>());
    while !run.training().is_done() {
        let found = run.advance(forecaster.as_ref())?;
        shown = shown.and(progress.aside(|| show(&line(&found))));
        let training = run.training();
        progress.show(training.step() as f64 / training.settings().steps as f64);
    }
    drop(progress);
    shown?;
    if let Some(best) = run.best() {
        show(&format!(
            "best: {:.1} at step {}, {}\n",
            best.mean,
            best.step,
            run.best_policy().display()
        ))?;
    }
    arguments.offline.choose(&run)
}

pub(super) fn warn_of_refused(reason: &String) {
    tell!("warning: {reason}; resuming from the previous checkpoint");
}

/// Formats an evaluation.
fn line(found: &Evaluation) -> String {
    if found.mean.is_nan() {
        return format!("step {:>8}\n", found.step);
    }
    format!(
        "step {:>8}  return {:>9.1} ± {:<7.1}  overestimation {:>7}\n",
        found.step,
        found.mean,
        found.std,
        number(found.overestimation, 1)
    )
}

impl Arguments {
    /// Returns the forecaster of imagined transitions, if any.
    pub(super) fn forecaster(
        &self,
        settings: &TrainingSettings,
    ) -> anyhow::Result<Option<Forecaster>> {
        let models = models(settings, &self.model, &self.experts)?;
        let of = |models| forecaster(settings, models, &self.model, &self.experts, self.method());
        models.as_ref().map(of).transpose()
    }

    /// Returns the method of the forecaster.
    fn method(&self) -> Method {
        match self.preset {
            Preset::Own => self.model.method(),
            Preset::Paper => self.model.published_method(),
        }
    }

    /// Returns the checked settings.
    pub(super) fn settings(&self) -> anyhow::Result<TrainingSettings> {
        let task = self.task.as_ref().context("name an environment")?;
        let task = &task.to_string();
        ensure!(
            !self.model.with_reward,
            "--with-reward: rewards of imagined transitions are recorded or computed, those of branches otherwise predicted"
        );
        let mut settings = match self.preset {
            Preset::Own => TrainingSettings::of_task(task),
            Preset::Paper => TrainingSettings::published(task)
                .with_context(|| format!("--preset paper: no settings for {task}"))?,
        };
        settings.reward.clone_from(&self.rules.reward_expr);
        settings.terminated.clone_from(&self.rules.terminated_expr);
        settings.steps = self.steps;
        settings.seed = self.seed;
        settings.evaluate_every = self.evaluate_every;
        settings.evaluation_episodes = self.evaluation_episodes;
        self.agent.set(&mut settings);
        ensure!(
            self.algorithm.keeps_near() || self.offline.value_weight.is_none(),
            "--value-weight needs --algorithm td3-bc or prdc"
        );
        ensure!(
            self.algorithm == Algorithm::Prdc || self.offline.state_weight.is_none(),
            "--state-weight needs --algorithm prdc"
        );
        match self.algorithm {
            Algorithm::Sac => ensure!(
                self.augmentation.is_empty() && names_no_forecaster(&self.model, &self.experts),
                "models and imagined transitions need --algorithm dicl-sac"
            ),
            Algorithm::Td3Bc | Algorithm::Prdc => {
                let name = self.algorithm.to_possible_value();
                let name = name.as_ref().map_or("", |value| value.get_name());
                ensure!(
                    self.augmentation.is_empty() && names_no_forecaster(&self.model, &self.experts),
                    "--algorithm {name}: there are no models and no imagined transitions"
                );
                ensure!(
                    self.offline.is_given(),
                    "--algorithm {name}: keeps near to recorded actions; give recordings with --offline"
                );
                settings.agent.value_weight = Some(self.offline.value_weight.unwrap_or(2.5));
                let weight = self.offline.state_weight.unwrap_or(2.0);
                settings.agent.state_weight = (self.algorithm == Algorithm::Prdc).then_some(weight);
            }
            Algorithm::DiclSac => {
                let source = self
                    .augmentation
                    .source(&self.model, &self.experts, self.method())?;
                let branches = self.augmentation.branching();
                let own =
                    match self.preset {
                        _ if let Some(branches) = branches => Some(
                            AugmentationSettings::of_branches(task, source.clone(), branches),
                        ),
                        Preset::Own => None,
                        Preset::Paper => AugmentationSettings::published(task, source.clone()),
                    };
                let own = own.unwrap_or_else(|| AugmentationSettings::of_task(task, source));
                settings.augmentation = Some(self.augmentation.apply_to(own));
            }
        }
        self.offline.check(&self.agent.of_steps())?;
        settings.offline = self.offline.settings(&settings.environment()?.task()?)?;
        settings.check()?;
        Ok(settings)
    }
}

impl AgentArguments {
    /// Flags that say how steps in the environment are used, and whether they are given.
    fn of_steps(&self) -> [(&'static str, bool); 2] {
        [
            ("learning-starts", self.learning_starts.is_some()),
            ("update-every", self.update_every.is_some()),
        ]
    }

    /// Overrides settings by the given flags.
    fn set(&self, settings: &mut TrainingSettings) {
        fn over<T: Copy>(setting: &mut T, given: Option<T>) {
            *setting = given.unwrap_or(*setting);
        }
        over(&mut settings.batch, self.batch);
        over(&mut settings.capacity, self.capacity);
        over(&mut settings.learning_starts, self.learning_starts);
        over(&mut settings.update_every, self.update_every);
        over(&mut settings.updates_per_step, self.updates_per_step);
        let agent = &mut settings.agent;
        over(&mut agent.hidden, self.hidden);
        over(&mut agent.actor_rate, self.actor_rate);
        over(&mut agent.critic_rate, self.critic_rate);
        over(&mut agent.discount, self.discount);
        over(&mut agent.tau, self.tau);
        over(&mut agent.policy_frequency, self.policy_frequency);
        over(&mut agent.critics, self.critics);
        over(&mut agent.dropout, self.dropout);
        agent.layer_norm |= self.layer_norm;
    }
}
