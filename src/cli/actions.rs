//! Actions to come, where forecasts depend on them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::TypedValueParser;

use crate::cli::choices::choice;
use crate::cli::terminal::tell;
use crate::evaluation::{PolicyActions, unsupported_actions};
use crate::policy::{self, Policy, PolicySource, Widths};
use crate::recording::{Episode, FutureActions, Recording, read_future_actions};
use crate::study::forecast::{ActionsAhead, Held, PlannedActions};

#[derive(Debug, Args)]
pub(super) struct FutureArguments {
    /// File with the actions that will be taken, one row a step, where forecasts depend on actions
    /// (methods residual and dicl-sa, experts such as linear) [default: residual and experts go on
    /// with the last action or, with --holdout, the recorded ones]
    #[arg(long, value_name = "FILE")]
    future: Option<PathBuf>,
    /// Files as of --future, each another future of the same context: all are forecast with the same
    /// random numbers, so that differences are those of the actions
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "FILES",
        conflicts_with_all = ["future", "holdout"]
    )]
    fork: Vec<PathBuf>,
    /// Actions of all steps to come [default: the last one or, with --holdout, the recorded ones]
    #[arg(long, value_parser = held(), value_name = "WHICH", conflicts_with_all = ["future", "fork"])]
    hold_actions: Option<Held>,
    /// Policy that acts at the states of every sampled path: a .safetensors or .json file, mean:FILE,
    /// constant:NUMBERS or command:PROGRAM
    #[arg(
        long,
        value_name = "SOURCE",
        conflicts_with_all = ["future", "fork", "hold_actions", "holdout"]
    )]
    policy: Option<PolicySource>,
}

/// Actions that are taken in all steps to come.
fn held() -> impl TypedValueParser<Value = Held> {
    choice([
        (
            "last",
            "That of the last row before the forecast",
            Held::Last,
        ),
        ("zero", "Zero", Held::Zero),
        (
            "mean",
            "The mean of the recorded ones before the forecast",
            Held::Mean,
        ),
    ])
}

impl FutureArguments {
    /// Name of the file.
    pub(super) fn file(&self) -> Option<String> {
        let path = self.future.as_ref();
        path.map(|path| path.display().to_string())
    }

    /// True if there are several futures.
    pub(super) fn forks(&self) -> bool {
        !self.fork.is_empty()
    }

    /// Names of the forked futures: those of their files, or their paths where two files have the
    /// same name.
    pub(super) fn names(&self) -> anyhow::Result<Vec<String>> {
        let short = |path: &PathBuf| path.file_name().unwrap_or_default().to_owned();
        let same = |path: &PathBuf| self.fork.iter().filter(|p| short(p) == short(path)).count();
        let name = |path: &PathBuf| match same(path) {
            1 => short(path).to_string_lossy().into_owned(),
            _ => path.display().to_string(),
        };
        // However a file is spelled, it is one. One that does not exist is an error when it is read.
        let file = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let mut files = BTreeSet::new();
        if let Some(twice) = self.fork.iter().find(|path| !files.insert(file(path))) {
            bail!("--fork: {} is given twice", twice.display());
        }
        Ok(self.fork.iter().map(name).collect())
    }

    /// The actions of the steps after the rows of some episodes, as the flags say.
    pub(super) fn ahead(
        &self,
        recording: &Recording,
        time: Option<&str>,
        episodes: &[(&Episode, usize)],
        horizon: usize,
    ) -> anyhow::Result<ActionsAhead> {
        let given = [
            ("--future", self.future.is_some()),
            ("--fork", self.forks()),
            ("--hold-actions", self.hold_actions.is_some()),
            ("--policy", self.policy.is_some()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            ensure!(
                !recording.action_names().is_empty(),
                "{flag}: the recording has no action columns; choose them with --action"
            );
        }
        if let Some(held) = self.hold_actions {
            return Ok(ActionsAhead::Held(held));
        }
        if let Some(policy) = self.policy(recording)? {
            return Ok(ActionsAhead::acting(PolicyActions(policy)));
        }
        let single = self.future.iter().map(|path| (path, None));
        let forked = self.fork.iter().zip(self.names()?);
        let forked = forked.map(|(path, name)| (path, Some(name)));
        let plans = single.chain(forked).map(|(path, name)| {
            let plan = planned(path, recording, time, episodes, horizon)?;
            Ok(PlannedActions { name, plan })
        });
        let plans = plans.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(match plans.is_empty() {
            true => ActionsAhead::Recorded,
            false => ActionsAhead::Planned(plans),
        })
    }

    /// The policy that acts, for a recording's states and actions.
    pub(super) fn policy(&self, recording: &Recording) -> anyhow::Result<Option<Box<dyn Policy>>> {
        let widths = Widths {
            observations: recording.state_names().len(),
            actions: recording.action_names().len(),
        };
        let read = |source: &PolicySource| {
            policy::read(source, widths, None).with_context(|| format!("--policy {source}"))
        };
        self.policy.as_ref().map(read).transpose()
    }

    /// Warns if the policy takes actions far outside of those recorded in some episodes.
    pub(super) fn warn_of_policy(
        &self,
        recording: &Recording,
        episodes: &[(&Episode, usize)],
        seed: u64,
    ) -> anyhow::Result<()> {
        // A program may draw: what it is asked beside its paths would change these.
        let Some(source) = self
            .policy
            .as_ref()
            .filter(|s| !matches!(s, PolicySource::Program(_)))
        else {
            return Ok(());
        };
        if let Some(mut policy) = self.policy(recording)? {
            let states: Vec<_> = episodes
                .iter()
                .map(|(episode, _)| episode.states())
                .collect();
            let actions: Vec<_> = episodes
                .iter()
                .map(|(episode, _)| episode.actions())
                .collect();
            let found = unsupported_actions(&mut *policy, &states, &actions, seed)?;
            let names = recording.action_names();
            for beyond in found {
                tell!("warning: {}", beyond.described(&source.to_string(), names));
            }
        }
        Ok(())
    }
}

/// The actions of a file, checked to be those of the steps after the rows of some episodes.
fn planned(
    path: &Path,
    recording: &Recording,
    time: Option<&str>,
    episodes: &[(&Episode, usize)],
    horizon: usize,
) -> anyhow::Result<FutureActions> {
    let recorded = episodes.first().and_then(|(episode, _)| episode.timeline());
    let plan = read_future_actions(path, recording.action_names(), time, recorded)?;
    let mut notes = plan.notes.clone();
    for &(episode, end) in episodes {
        let steps = plan.ahead(episode, end, horizon)?;
        notes.extend(steps.note.filter(|note| !notes.contains(note)));
    }
    for note in notes {
        tell!("note: {}: {note}", path.display());
    }
    Ok(plan)
}
