//! Actions to come, where forecasts depend on them.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use ndarray::{Axis, s};

use crate::forecast::{Forecaster, KnownFuture, Variables};
use crate::trajectory::{Trajectory, read_future_actions};

#[derive(Debug, Args)]
pub(super) struct FutureArguments {
    /// File with the actions that will be taken, one row a step, where forecasts depend on actions
    /// (methods residual and dicl-sa, experts such as linear) [default: residual and experts go on
    /// with the last action or, with --holdout, the recorded ones]
    #[arg(long, value_name = "FILE")]
    future: Option<PathBuf>,
}

impl FutureArguments {
    /// Name of the file.
    pub(super) fn file(&self) -> Option<String> {
        let path = self.future.as_ref();
        path.map(|path| path.display().to_string())
    }

    /// The actions of the file.
    pub(super) fn read(
        &self,
        trajectory: &Trajectory,
        horizon: usize,
    ) -> anyhow::Result<Option<KnownFuture>> {
        let Some(path) = &self.future else {
            return Ok(None);
        };
        let actions = read_future_actions(path, trajectory.action_names())?;
        ensure!(
            actions.nrows() >= horizon,
            "{}: {} rows of actions for a horizon of {horizon}",
            path.display(),
            actions.nrows()
        );
        Ok(Some(KnownFuture(
            actions.slice(s![..horizon, ..]).to_owned(),
        )))
    }

    /// Checks that actions to come matter where they are given, and says which are taken where they
    /// are needed, but neither given nor recorded.
    pub(super) fn check(
        &self,
        forecaster: &Forecaster,
        trajectory: &Trajectory,
        recorded: bool,
    ) -> anyhow::Result<()> {
        ensure!(
            self.future.is_none() || forecaster.sees_actions(),
            "--future needs --method residual or dicl-sa, or an expert such as linear: actions act on \
             nothing else"
        );
        let missing = self.future.is_none() && !recorded;
        if missing && !trajectory.action_names().is_empty() && forecaster.needs_actions() {
            eprintln!(
                "note: no actions to come are given (--future); the last one of every episode is taken to \
                 go on"
            );
        }
        Ok(())
    }
}

/// Actions of so many steps behind row `end` of an episode: those given, those recorded or the last
/// one before; none where none are needed.
pub(super) fn actions_to_come(
    forecaster: &Forecaster,
    given: Option<&KnownFuture>,
    all: &Variables,
    end: usize,
    horizon: usize,
) -> Option<KnownFuture> {
    if given.is_some() || !forecaster.needs_actions() || all.actions.ncols() == 0 {
        return given.cloned();
    }
    let recorded = end + horizon <= all.rows();
    let row = |step: usize| if recorded { end + step } else { end - 1 };
    let rows: Vec<usize> = (0..horizon).map(row).collect();
    Some(KnownFuture(all.actions.select(Axis(0), &rows)))
}
