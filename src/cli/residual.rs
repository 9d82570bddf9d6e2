//! Knowledge of the user about a system, for the experts of `--method residual`.

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use crate::experts::SimulatorProgram;
use crate::forecast::Method;
use crate::forecasters::System;
use crate::recording::Recording;

#[derive(Debug, Args)]
#[command(next_help_heading = "Residual method")]
pub(super) struct ResidualArguments {
    /// With --method residual: a program that predicts the next state from a state and its actions,
    /// as one more expert. It is started once, without a shell (words are split and quoted as in
    /// one), and speaks lines of JSON (docs/simulators.md)
    #[arg(long, value_name = "COMMAND")]
    simulator: Option<String>,
    /// Longest time that a reply of the simulator may take, the first one too
    #[arg(
        long,
        default_value_t = 10.0,
        requires = "simulator",
        value_name = "SECONDS"
    )]
    simulator_timeout: f64,
    /// With --method residual, and of the forecasters seasonal, sari, harmonic, harmonic-ari and those of logarithms: rows of a season, at least 2 and at most those of the context less 3
    /// [default: found in the differences' autocorrelation of each channel, up to 512 rows]
    #[arg(long, value_name = "ROWS")]
    period: Option<usize>,
}

/// Names of a recording's channels and actions.
pub(super) struct Names<'n> {
    pub(super) channels: &'n [String],
    pub(super) actions: &'n [String],
}

impl ResidualArguments {
    /// Checks what can be checked before anything is read.
    pub(super) fn check(&self, method: Method) -> anyhow::Result<()> {
        let given = [
            ("--simulator", self.simulator.is_some()),
            ("--period", self.period.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            ensure!(
                method == Method::Residual,
                "{name} is for --method residual, the method is {method}"
            );
        }
        let limit = self.simulator_timeout;
        ensure!(
            Duration::try_from_secs_f64(limit).is_ok_and(|limit| !limit.is_zero()),
            "--simulator-timeout {limit}: must be a number of seconds above 0"
        );
        let period = self.period.unwrap_or(usize::MAX);
        ensure!(period >= 2, "--period {period}: at least 2 rows");
        Ok(())
    }

    /// Checks the period against the longest context, and starts the simulator.
    pub(super) fn start(&self, names: &Names, context: usize) -> anyhow::Result<System> {
        if let Some(period) = self.period {
            ensure!(
                period <= context.saturating_sub(System::ROWS_AFTER_PERIOD),
                "--period {period}: a context of {context} rows shows periods of at most {} rows",
                context.saturating_sub(System::ROWS_AFTER_PERIOD)
            );
        }
        let start = |command: &String| {
            let limit = Duration::from_secs_f64(self.simulator_timeout);
            SimulatorProgram::start(command, names.channels, names.actions, limit)
        };
        let simulator = self.simulator.as_ref().map(start).transpose();
        let simulator = simulator.context("--simulator")?;
        let mut system = System::default();
        if let Some(simulator) = simulator {
            system = system.with_simulator(simulator);
        }
        if let Some(period) = self.period {
            system = system.with_period(period);
        }
        Ok(system)
    }

    /// The same for a recording whose actions are no channels, but whose reward may be.
    pub(super) fn start_on(
        &self,
        recording: Option<&Recording>,
        with_reward: bool,
        context: usize,
    ) -> anyhow::Result<System> {
        let recording = recording.context("no recording")?;
        let reward = recording.reward_name().unwrap_or("reward").to_owned();
        let mut channels = recording.state_names().to_vec();
        channels.extend(with_reward.then_some(reward));
        let names = Names {
            channels: &channels,
            actions: recording.action_names(),
        };
        self.start(&names, context)
    }

    /// True if an option is given.
    pub(super) fn are_given(&self) -> bool {
        self.simulator.is_some() || self.period.is_some()
    }

    /// The simulator's command, for manifests.
    pub(super) fn simulator(&self) -> Option<String> {
        self.simulator.clone()
    }

    /// Rows of the season, for manifests.
    pub(super) fn period(&self) -> Option<usize> {
        self.period
    }
}
