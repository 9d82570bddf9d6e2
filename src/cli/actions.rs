//! Actions to come, where forecasts depend on them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::cli::terminal::tell;
use crate::evaluation::{UnsupportedActions, unsupported_actions};
use crate::forecast::{Forecaster, KnownFuture, Variables};
use crate::output::{numbers, percent};
use crate::policy::{self, Policy, PolicySource, Widths};
use crate::recording::{Episode, FutureActions, Recording, read_future_actions};

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
    #[arg(long, value_enum, value_name = "WHICH", conflicts_with_all = ["future", "fork"])]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Held {
    /// That of the last row before the forecast
    Last,
    /// Zero
    Zero,
    /// The mean of the recorded ones before the forecast
    Mean,
}

impl Held {
    /// The action after recorded ones, `[rows, actions]`.
    fn after(self, recorded: ArrayView2<f64>) -> Array1<f64> {
        let zero = Array1::zeros(recorded.ncols());
        match (self, recorded.nrows()) {
            (Self::Zero, _) | (_, 0) => zero,
            (Self::Last, rows) => recorded.row(rows - 1).to_owned(),
            (Self::Mean, _) => recorded.mean_axis(Axis(0)).unwrap_or(zero),
        }
    }
}

/// Actions that are going to be taken.
pub(super) struct Future {
    /// Name of its file among several.
    pub(super) name: Option<String>,
    plan: FutureActions,
}

impl Future {
    /// The actions of the steps after row `end` of an episode.
    pub(super) fn ahead(
        &self,
        episode: &Episode,
        end: usize,
        horizon: usize,
    ) -> anyhow::Result<KnownFuture> {
        Ok(KnownFuture(self.plan.ahead(episode, end, horizon)?.actions))
    }
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

    /// The actions of the files, and whether they are those of the steps after the rows of some episodes.
    pub(super) fn read(
        &self,
        recording: &Recording,
        time: Option<&str>,
        episodes: &[(&Episode, usize)],
        horizon: usize,
    ) -> anyhow::Result<Vec<Future>> {
        let single = self.future.iter().map(|path| (path, None));
        let forked = self.fork.iter().zip(self.names()?);
        let forked = forked.map(|(path, name)| (path, Some(name)));
        single
            .chain(forked)
            .map(|(path, name)| {
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
                Ok(Future { name, plan })
            })
            .collect()
    }

    /// True if actions to come are given.
    pub(super) fn given(&self) -> bool {
        self.future.is_some() || self.forks()
    }

    /// Which are taken all the time, if that is asked for.
    pub(super) fn held(&self) -> Option<Held> {
        self.hold_actions
    }

    /// True if a policy acts.
    pub(super) fn acts(&self) -> bool {
        self.policy.is_some()
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
            warn_of_actions(&source.to_string(), recording.action_names(), &found);
        }
        Ok(())
    }

    /// Checks that actions to come matter where they are given, and says which are taken where they
    /// are needed, but neither given nor recorded.
    pub(super) fn check(
        &self,
        forecaster: &Forecaster,
        recording: &Recording,
        recorded: bool,
    ) -> anyhow::Result<()> {
        let flags = [
            ("--future", self.future.is_some()),
            ("--fork", self.forks()),
            ("--hold-actions", self.hold_actions.is_some()),
            ("--policy", self.acts()),
        ];
        let given = flags.iter().find(|(_, given)| *given);
        if let Some((flag, _)) = given {
            ensure!(
                !recording.action_names().is_empty(),
                "{flag}: the recording has no action columns; choose them with --action"
            );
            ensure!(
                forecaster.sees_actions(),
                "{flag} needs --method residual or dicl-sa, or an expert such as linear: actions act on \
                 nothing else"
            );
        }
        let missing = given.is_none() && !recorded;
        if missing && !recording.action_names().is_empty() && forecaster.needs_actions() {
            tell!(
                "note: no actions to come are given (--future, --hold-actions, --policy); the last one of every \
                 episode is taken to go on"
            );
        }
        Ok(())
    }
}

/// Warns of a policy that takes actions far outside of those recorded, by the names of the columns.
pub(super) fn warn_of_actions(policy: &str, names: &[String], found: &[UnsupportedActions]) {
    for beyond in found {
        let [taken_low, taken_high, low, high] = numbers(
            [
                beyond.taken.0,
                beyond.taken.1,
                beyond.recorded.0,
                beyond.recorded.1,
            ],
            3,
        );
        tell!(
            "warning: policy {policy}: at {} of the recorded states, {} leaves the recorded range: {taken_low} to \
             {taken_high}, recorded {low} to {high}; models extrapolate there",
            percent(beyond.fraction, 0),
            names.get(beyond.action).map_or("actions", String::as_str)
        );
    }
}

/// Actions of so many steps after row `end` of an episode: those given or held, those recorded or the last
/// one before; none where none are needed.
pub(super) fn actions_to_come(
    forecaster: &Forecaster,
    given: Option<KnownFuture>,
    held: Option<Held>,
    all: &Variables,
    end: usize,
    horizon: usize,
) -> Option<KnownFuture> {
    let needed = held.is_some() || forecaster.needs_actions();
    if given.is_some() || !needed || all.actions.ncols() == 0 {
        return given;
    }
    if held.is_none() && end + horizon <= all.rows() {
        let recorded = all.actions.slice(s![end..end + horizon, ..]);
        return Some(KnownFuture(recorded.to_owned()));
    }
    let held = held
        .unwrap_or(Held::Last)
        .after(all.actions.slice(s![..end, ..]));
    let shape = (horizon, held.len());
    Some(KnownFuture(Array2::from_shape_fn(shape, |(_, a)| held[a])))
}

/// Actions of the steps ahead, `[horizon, actions]`, for what is derived from them: those that the
/// forecast takes, or those recorded; zeros where none are known, which nothing may use.
pub(super) fn actions_ahead(
    taken: Option<&KnownFuture>,
    all: &Variables,
    end: usize,
    horizon: usize,
) -> Array2<f64> {
    match taken {
        Some(KnownFuture(actions)) => actions.clone(),
        None if end + horizon <= all.rows() => {
            all.actions.slice(s![end..end + horizon, ..]).to_owned()
        }
        None => Array2::zeros((horizon, all.actions.ncols())),
    }
}
