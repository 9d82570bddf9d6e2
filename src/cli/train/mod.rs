//! `statecast train`: trains agents, alone or in comparison.

mod augment;
mod compare;
mod offline;
mod single;

use clap::{Args, Subcommand};

/// Train an agent on a simulated task, or compare training arms
///
/// The run's folder holds the evaluations (evaluations.csv, and an event file for TensorBoard), the
/// last and the best policy (last.safetensors, best.safetensors, for --policy of evaluate), and
/// checkpoints. The same command on the same folder resumes the run exactly.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = "Examples:\n  \
    statecast train pendulum --steps 10000 --seed 1 --out runs/p1\n  \
    statecast train pendulum --algorithm dicl-sac --method dicl-s --out runs/d1\n  \
    statecast train pendulum --updates-per-step 20 --layer-norm --dropout 0.01 --batch 64 \\\n    \
      --algorithm dicl-sac --branch 20 --experts linear,quadratic,fourier --alpha 3 --out runs/b1\n  \
    statecast train pendulum --offline logged.npz --algorithm td3-bc --out runs/o1\n  \
    statecast train compare --env pendulum --algorithms sac,dicl-sac --seeds 5 --report learning.html\n  \
    statecast evaluate logged.npz --env pendulum --policy runs/p1/best.safetensors"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    single: single::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compare(compare::Arguments),
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Some(Command::Compare(arguments)) => compare::run(arguments),
        None => single::run(arguments.single),
    }
}
