//! `statecast simulate`: recordings of a simulated task.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::outputs::Ending;
use super::rules::RuleArguments;
use crate::environment::EnvironmentSource;
use crate::evaluation::{RecordingFormat, SimulatedEpisodes};
use crate::policy::{self, PolicySource, Widths};

/// Record a policy in a simulated task
#[derive(Debug, Args)]
#[command(
    after_long_help = "Forms of a policy: FILE.safetensors or FILE.json, mean:FILE, constant:NUMBERS, random, \
    command:PROGRAM.\n\n\
    Examples:\n  \
    statecast simulate pendulum --policy random --episodes 20 --out random.npz\n  \
    statecast simulate cart-pole --policy pi.json --episodes 5 --steps 100 --out pi.csv"
)]
pub(super) struct Arguments {
    /// Environment: pendulum, mountain-car, cart-pole, cart-pole-swing-up, one of MuJoCo, or command:PROGRAM
    task: EnvironmentSource,
    #[command(flatten)]
    rules: RuleArguments,
    /// Policy that acts
    #[arg(long, default_value = "random", value_name = "SOURCE")]
    policy: PolicySource,
    /// Episodes to record
    #[arg(long, default_value = "10", value_name = "COUNT")]
    episodes: NonZeroUsize,
    /// Most steps of an episode [default: the task's time limit]
    #[arg(long, value_name = "STEPS")]
    steps: Option<NonZeroUsize>,
    /// Seed of starts and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Recording to write: .npz, .csv or .parquet
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    RecordingFormat::of(&arguments.output)?;
    let mut environment = arguments.rules.of(&arguments.task).make()?;
    let task = environment.task().clone();
    let widths = Widths {
        observations: task.observation.len(),
        actions: task.action_space.width(),
    };
    let mut policy = policy::read(&arguments.policy, widths, Some(task.action_space))
        .with_context(|| format!("--policy {}", arguments.policy))?;
    let recorded = SimulatedEpisodes::record(
        &mut *environment,
        &mut *policy,
        arguments.episodes.get(),
        arguments.steps.map(NonZeroUsize::get),
        arguments.seed,
    )?;
    let mut ending = Ending::new(None);
    ending.write(|| Ok(recorded.write(&arguments.output)?));
    let returns = &recorded.returns;
    ending.show(&format!(
        "{} episodes of {}, {} steps; mean return {:.1}\n",
        returns.len(),
        task.name,
        recorded.steps(),
        returns.iter().sum::<f64>() / returns.len() as f64
    ))
}
