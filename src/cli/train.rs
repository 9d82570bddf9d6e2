//! `statecast train`: an agent that learns to control a task.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::progress::Progress;
use crate::environment::Task;
use crate::learning::{Evaluation, Training, TrainingSettings};
use crate::output::{Column, Table};

/// Train an agent on a simulated task
///
/// The run is written to a folder: what every evaluation found (evaluations.csv), the last and the best policy
/// (last.safetensors, best.safetensors, for --policy of evaluate), and checkpoints. The same
/// command on the same folder goes on where it was stopped, as if it had not been.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast train pendulum --steps 10000 --seed 1 --out runs/p1\n  \
    statecast evaluate logged.npz --env pendulum --policy runs/p1/best.safetensors")]
pub(super) struct Arguments {
    /// Task: pendulum, mountain-car, cart-pole-swing-up; with MuJoCo half-cheetah, hopper, …
    task: String,
    /// How to learn
    #[arg(long, value_enum, default_value_t = Algorithm::Sac)]
    algorithm: Algorithm,
    /// Steps in the environment
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the run
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Units of each of two hidden layers [default: 64, or 256 for MuJoCo's tasks]
    #[arg(long)]
    hidden: Option<usize>,
    /// Transitions of an update
    #[arg(long)]
    batch: Option<usize>,
    /// Steps of random actions before the first update
    #[arg(long)]
    learning_starts: Option<usize>,
    /// Steps from one evaluation and checkpoint to the next
    #[arg(long, default_value_t = 500)]
    evaluate_every: usize,
    /// Episodes of an evaluation
    #[arg(long, default_value_t = 20)]
    evaluation_episodes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// Soft actor-critic
    Sac,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Algorithm::Sac = arguments.algorithm;
    let settings = arguments.settings()?;
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let mut training = match Training::resume(folder)? {
        Some(resumed) => {
            for reason in &resumed.refused {
                eprintln!("warning: {reason}; going on from the checkpoint before it");
            }
            let mut training = resumed.training;
            training
                .go_on(&settings)
                .with_context(|| format!("{} holds another run", folder.display()))?;
            eprintln!("going on behind step {}", training.step());
            training
        }
        None => Training::new(settings)?,
    };
    let progress = Progress::new(format!("{} seed {}", arguments.task, arguments.seed));
    if training.is_done() {
        eprintln!("all {} steps are done", training.step());
    }
    while !training.is_done() {
        let best = best(training.evaluations()).map(|e| e.mean);
        let found = training.advance()?;
        let policy = training.agent().actor().policy();
        policy.write(&folder.join("last.safetensors"))?;
        if best.is_none_or(|best| found.mean > best) {
            policy.write(&folder.join("best.safetensors"))?;
        }
        write_evaluations(training.evaluations(), &folder.join("evaluations.csv"))?;
        training.save(folder)?;
        progress.show(training.step() as f64 / training.settings().steps as f64);
    }
    drop(progress);
    let mut out = std::io::stdout().lock();
    for found in training.evaluations() {
        writeln!(
            out,
            "step {:>8}  return {:>9.1} ± {:<7.1}  values too high by {:>7.1}",
            found.step, found.mean, found.deviation, found.overestimation
        )?;
    }
    if let Some(best) = best(training.evaluations()) {
        writeln!(
            out,
            "best: {:.1} at step {}, {}",
            best.mean,
            best.step,
            folder.join("best.safetensors").display()
        )?;
    }
    Ok(())
}

fn best(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    evaluations.iter().max_by(|a, b| a.mean.total_cmp(&b.mean))
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<TrainingSettings> {
        let task = Task::named(&self.task)?;
        let mut settings = TrainingSettings::of_task(task.name);
        settings.steps = self.steps;
        settings.seed = self.seed;
        settings.evaluate_every = self.evaluate_every;
        settings.evaluation_episodes = self.evaluation_episodes;
        settings.batch = self.batch.unwrap_or(settings.batch);
        settings.learning_starts = self.learning_starts.unwrap_or(settings.learning_starts);
        settings.agent.hidden = self.hidden.unwrap_or(settings.agent.hidden);
        Ok(settings)
    }
}

fn write_evaluations(evaluations: &[Evaluation], path: &Path) -> anyhow::Result<()> {
    let column = |of: fn(&Evaluation) -> f64| Column::Real(evaluations.iter().map(of).collect());
    let columns = [
        ("step", column(|e| e.step as f64)),
        ("return_mean", column(|e| e.mean)),
        ("return_deviation", column(|e| e.deviation)),
        ("overestimation", column(|e| e.overestimation)),
        ("seconds", column(|e| e.seconds)),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values));
    let table = Table::new(columns.collect()).context("one value an evaluation")?;
    Ok(table.write(path)?)
}
