//! `statecast train TASK`: one agent.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

use super::augment::{Augmentation, forecaster, models, names_no_forecaster};
use crate::cli::experts::NameArguments;
use crate::cli::input::ModelArguments;
use crate::cli::terminal::tell;

use crate::cli::progress::Progress;
use crate::cli::terminal::show;
use crate::environment::Task;
use crate::forecast::Method;
use crate::learning::{AugmentationSettings, Evaluation, Training, TrainingSettings};
use crate::output::{Column, ScalarEvent, Table, number, write_atomically, write_events};

/// Name of the table of a run's evaluations.
pub(super) const EVALUATIONS: &str = "evaluations.csv";

/// Name of a run's event file.
const EVENTS: &str = "events.out.tfevents.statecast";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Task: pendulum, mountain-car, cart-pole-swing-up; with MuJoCo half-cheetah, hopper, …
    #[arg(required = true)]
    task: Option<String>,
    /// How to learn
    #[arg(long, value_enum, default_value_t = Algorithm::Sac)]
    algorithm: Algorithm,
    /// Where settings that are not given come from
    #[arg(long, value_enum, default_value_t = Preset::Own)]
    preset: Preset,
    /// Steps in the environment
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the run
    #[arg(long, value_name = "FOLDER", required = true)]
    out: Option<PathBuf>,
    /// Steps from one evaluation and checkpoint to the next
    #[arg(long, default_value_t = 500)]
    evaluate_every: usize,
    /// Episodes of an evaluation
    #[arg(long, default_value_t = 20)]
    evaluation_episodes: usize,
    #[command(flatten)]
    agent: AgentArguments,
    #[command(flatten)]
    augmentation: Augmentation,
    #[command(flatten)]
    experts: NameArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// End when standard input does: that of a run which another process has started
    #[arg(long, hide = true)]
    attended: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Agent")]
struct AgentArguments {
    /// Units of each of two hidden layers [default: 64, or 256 for MuJoCo's tasks]
    #[arg(long, value_name = "UNITS")]
    hidden: Option<usize>,
    /// Transitions of an update [default: 256]
    #[arg(long, value_name = "COUNT")]
    batch: Option<usize>,
    /// Transitions that are kept [default: 1000000]
    #[arg(long, value_name = "COUNT")]
    capacity: Option<usize>,
    /// Steps of random actions before the first update [default: 1000, or 5000 for MuJoCo's tasks]
    #[arg(long, value_name = "STEPS")]
    learning_starts: Option<usize>,
    /// Steps from one round of updates, of which there are as many, to the next [default: 1]
    #[arg(long, value_name = "STEPS")]
    update_every: Option<usize>,
    /// Learning rate of the actor [default: 0.0003]
    #[arg(long, value_name = "RATE")]
    actor_rate: Option<f64>,
    /// Learning rate of the critics and of the temperature [default: 0.001]
    #[arg(long, value_name = "RATE")]
    critic_rate: Option<f64>,
    /// Worth of a reward one step later [default: 0.99]
    #[arg(long, value_name = "FACTOR")]
    discount: Option<f32>,
    /// Share of the way that target critics follow in an update [default: 0.005]
    #[arg(long, value_name = "SHARE")]
    follow: Option<f32>,
    /// Updates of the critics for which the actor waits, to make up for them then [default: 2]
    #[arg(long, value_name = "UPDATES")]
    actor_every: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// Soft actor-critic
    Sac,
    /// Soft actor-critic with transitions that a model imagines from the replay
    DiclSac,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// What works well here
    Own,
    /// Those of the paper (table 3), for pendulum, hopper and half-cheetah
    Paper,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.attended {
        end_with_input();
    }
    let settings = arguments.settings()?;
    let folder = arguments
        .out
        .as_deref()
        .context("name a folder with --out")?;
    let (model, experts) = (&arguments.model, &arguments.experts);
    let models = models(&settings, model, experts)?;
    let forecaster = models
        .as_ref()
        .map(|models| forecaster(&settings, models, model, experts, arguments.method()))
        .transpose()?;
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let _lock = lock(folder)?;
    let progress = Progress::new(format!("{} seed {}", settings.task, settings.seed));
    let mut training = match Training::resume(folder)? {
        Some(resumed) => {
            for reason in &resumed.refused {
                tell!("warning: {reason}; going on from the checkpoint before it");
            }
            let mut training = resumed.training;
            training
                .go_on(&settings)
                .with_context(|| format!("{} holds another run", folder.display()))?;
            tell!("going on behind step {}", training.step());
            training
        }
        None => Training::new(settings)?,
    };
    if training.is_done() {
        tell!("all {} steps are done", training.step());
    }
    // A run goes on where its progress cannot be shown, and fails in the end.
    let mut shown = show(&training.evaluations().iter().map(line).collect::<String>());
    while !training.is_done() {
        let best = best(training.evaluations()).map(|e| e.mean);
        let found = training.advance(forecaster.as_ref())?;
        let policy = training.agent().actor().policy();
        policy.write(&folder.join("last.safetensors"))?;
        if best.is_none_or(|best| found.mean > best) {
            policy.write(&folder.join("best.safetensors"))?;
        }
        write_evaluations(training.evaluations(), &folder.join(EVALUATIONS))?;
        let events = events(training.evaluations());
        write_atomically(&folder.join(EVENTS), |file| write_events(file, &events))?;
        training.save(folder)?;
        shown = shown.and(progress.aside(|| show(&line(&found))));
        progress.show(training.step() as f64 / training.settings().steps as f64);
    }
    drop(progress);
    shown?;
    let Some(best) = best(training.evaluations()) else {
        return Ok(());
    };
    show(&format!(
        "best: {:.1} at step {}, {}\n",
        best.mean,
        best.step,
        folder.join("best.safetensors").display()
    ))
}

/// What is shown of an evaluation.
fn line(found: &Evaluation) -> String {
    format!(
        "step {:>8}  return {:>9.1} ± {:<7.1}  values too high by {:>7}\n",
        found.step,
        found.mean,
        found.deviation,
        number(found.overestimation, 1)
    )
}

/// Ends the process once its standard input does, as it does when the process that holds the other end is
/// gone, however that ended. Checkpoints stay.
fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// Keeps other processes from training in a folder, as long as the file is open.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{}: another process trains here", folder.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The first of the best evaluations, whose policy was kept.
fn best(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    let better = |best: &'_ Evaluation, found: &Evaluation| found.mean > best.mean;
    let mut all = evaluations.iter();
    let first = all.next()?;
    Some(all.fold(
        first,
        |best, found| if better(best, found) { found } else { best },
    ))
}

impl Arguments {
    /// How a forecaster reads what was lived through.
    fn method(&self) -> Method {
        match self.preset {
            Preset::Own => self.model.method(),
            Preset::Paper => self.model.published_method(),
        }
    }

    /// The checked settings.
    pub(super) fn settings(&self) -> anyhow::Result<TrainingSettings> {
        let task = self.task.as_deref().context("name a task")?;
        let task = Task::named(task)?;
        ensure!(
            !self.model.with_reward,
            "--with-reward: what imagined transitions earn is recorded or known"
        );
        let mut settings = match self.preset {
            Preset::Own => TrainingSettings::of_task(task.name),
            Preset::Paper => TrainingSettings::published(task.name)
                .with_context(|| format!("--preset paper: it has no settings for {}", task.name))?,
        };
        settings.steps = self.steps;
        settings.seed = self.seed;
        settings.evaluate_every = self.evaluate_every;
        settings.evaluation_episodes = self.evaluation_episodes;
        self.agent.set(&mut settings);
        match self.algorithm {
            Algorithm::Sac => ensure!(
                self.augmentation.is_empty() && names_no_forecaster(&self.model, &self.experts),
                "models and imagined transitions are those of --algorithm dicl-sac"
            ),
            Algorithm::DiclSac => {
                let source = self
                    .augmentation
                    .source(&self.model, &self.experts, self.method())?;
                let own = match self.preset {
                    Preset::Own => None,
                    Preset::Paper => AugmentationSettings::published(task.name, source.clone()),
                };
                let own = own.unwrap_or_else(|| AugmentationSettings::of_task(task.name, source));
                settings.augmentation = Some(self.augmentation.over(own));
            }
        }
        settings.check()?;
        Ok(settings)
    }
}

impl AgentArguments {
    /// Writes what was given over settings.
    fn set(&self, settings: &mut TrainingSettings) {
        fn over<T: Copy>(setting: &mut T, given: Option<T>) {
            *setting = given.unwrap_or(*setting);
        }
        over(&mut settings.batch, self.batch);
        over(&mut settings.capacity, self.capacity);
        over(&mut settings.learning_starts, self.learning_starts);
        over(&mut settings.update_every, self.update_every);
        let agent = &mut settings.agent;
        over(&mut agent.hidden, self.hidden);
        over(&mut agent.actor_rate, self.actor_rate);
        over(&mut agent.critic_rate, self.critic_rate);
        over(&mut agent.discount, self.discount);
        over(&mut agent.follow, self.follow);
        over(&mut agent.actor_every, self.actor_every);
    }
}

/// Evaluations as scalars of the moments at which they were made.
fn events(evaluations: &[Evaluation]) -> Vec<ScalarEvent> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0.0, |since| since.as_secs_f64());
    let end = evaluations.last().map_or(0.0, |last| last.seconds);
    let event = |found: &Evaluation| ScalarEvent {
        step: found.step,
        time: now - (end - found.seconds),
        scalars: vec![
            ("evaluation/return".to_owned(), found.mean),
            ("evaluation/return_deviation".to_owned(), found.deviation),
            ("evaluation/overestimation".to_owned(), found.overestimation),
            ("agent/temperature".to_owned(), found.temperature),
        ],
    };
    evaluations.iter().map(event).collect()
}

fn write_evaluations(evaluations: &[Evaluation], path: &Path) -> anyhow::Result<()> {
    let column = |of: fn(&Evaluation) -> f64| Column::Real(evaluations.iter().map(of).collect());
    let columns = [
        ("step", column(|e| e.step as f64)),
        ("return_mean", column(|e| e.mean)),
        ("return_deviation", column(|e| e.deviation)),
        ("overestimation", column(|e| e.overestimation)),
        ("temperature", column(|e| e.temperature)),
        ("seconds", column(|e| e.seconds)),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values));
    let table = Table::new(columns.collect()).context("one value an evaluation")?;
    Ok(table.write(path)?)
}
