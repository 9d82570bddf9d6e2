//! `statecast evaluate`: values of policies from recorded trajectories.

mod estimators;
mod outcome;
mod truth;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

use self::estimators::{Behaviour, Estimator, Study};
use self::outcome::{Outcome, rankings};
use super::actions::warn_of_actions;
use super::endings::written_as;
use super::input::{Columns, ModelArguments};
use super::outputs::Ending;
use super::residual::ResidualArguments;
use crate::cli::terminal::tell;
use crate::environment::Task;
use crate::evaluation::{
    FittedQ, Logged, RolloutSpec, Rules, TerminationModel, recorded_return, time_limit,
    unsupported_actions,
};
use crate::forecast::Method;
use crate::forecasters::System;
use crate::output::TableFormat;
use crate::policy::{self, Cloned, Policy, PolicySource, Widths};
use crate::report::Evaluated;

/// Evaluate control policies from recorded trajectories, without running them
///
/// Each policy is rolled out in models that are fitted to the recordings alone: the language model
/// with the recordings as its context, alone and mixed with learned models, and the learned models
/// themselves. Model-free estimators are included for comparison.
#[derive(Debug, Args)]
#[command(after_long_help = "Policies:\n  \
    pi.safetensors, pi.json   a file (docs/policies.md); mean:FILE takes its mean action\n  \
    constant:0.5,-1           a constant action\n  \
    random                    uniformly random actions (needs --env)\n  \
    command:./act --fast      a program that reads and writes lines of JSON\n  \
    NAME=…                    any of these under another name\n\n\
    Examples:\n  \
    statecast evaluate logged.npz --policy a.safetensors --policy b.safetensors --env pendulum\n  \
    statecast evaluate random.npz medium.npz --behaviour random --behaviour medium.safetensors \\\n    \
    --policy new.safetensors --env pendulum --report values.html\n  \
    statecast evaluate logged.csv --policy 'mine=command:python act.py' --horizon 100 --discount 1")]
pub(super) struct Arguments {
    /// Recording files of one system, in any format that forecast reads
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    /// Policy to evaluate, [NAME=]SOURCE; repeatable
    #[arg(long = "policy", required = true, value_name = "[NAME=]SOURCE")]
    policies: Vec<String>,
    /// Behaviour policy of a file; give one per file, in their order
    #[arg(long = "behaviour", value_name = "SOURCE")]
    behaviours: Vec<PolicySource>,
    /// Task with known reward and termination: pendulum, cart-pole, half-cheetah, … [default:
    /// rewards are predicted, and episodes terminate where recorded ones did]
    #[arg(long, value_name = "TASK")]
    env: Option<String>,
    /// Termination of imagined episodes before the horizon [default: the task's rule, or as
    /// recorded]
    #[arg(long, value_enum)]
    termination: Option<Termination>,
    /// Steps of an episode [default: the task's time limit, or the longest recorded episode]
    #[arg(long)]
    horizon: Option<NonZeroUsize>,
    /// Discount factor per step
    #[arg(long, default_value_t = 0.99)]
    discount: f64,
    /// Imagined paths per policy
    #[arg(long, default_value = "50")]
    paths: NonZeroUsize,
    /// Recorded rows per context
    #[arg(long, default_value_t = 400, value_name = "ROWS")]
    context: usize,
    /// Contexts, of different episodes; learned models are never fitted to the context that they
    /// are used with
    #[arg(long, default_value = "4", value_name = "COUNT")]
    contexts: NonZeroUsize,
    /// Estimators
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "mixture,vicl,dicl-s,dicl-sa,linear,mlp,fqe,is,dr,on-policy,behaviour"
    )]
    estimators: Vec<Estimator>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    residual: ResidualArguments,
    /// Also run the policies in the task's simulator for so many episodes, and compare the
    /// estimates with the simulated values
    #[arg(long, value_name = "EPISODES")]
    simulate: Option<NonZeroUsize>,
    /// True values to compare the estimates with: a CSV file with the columns policy and value
    #[arg(long, value_name = "FILE", conflicts_with = "simulate")]
    truth: Option<PathBuf>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Table of all estimates: .csv, .json or .parquet, with a manifest beside it
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Self-contained HTML report of the estimates and their intervals
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Termination of imagined episodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Termination {
    /// Where the nearest recorded steps terminated
    Recorded,
    /// No termination
    Never,
    /// By the rule of --env
    Task,
}

/// A policy to evaluate.
struct Candidate {
    name: String,
    /// Source, unless it is cloned from a recording.
    source: Option<PolicySource>,
    policy: Box<dyn Policy>,
    values: Option<Arc<FittedQ>>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    arguments.check()?;
    let task = arguments.env.as_deref().map(Task::named).transpose()?;
    let rules = arguments.rules(task)?;
    let (logged, action_names, system) = arguments.logged(task, &rules)?;
    arguments.check_termination(task, &logged)?;
    let logged = arguments.with_ends(logged);
    let mut candidates = arguments.candidates(&logged, task)?;
    let horizon = arguments.horizon(&logged, task);
    let spec = RolloutSpec {
        starts: logged.distinct_starts(),
        paths: arguments.paths.get(),
        horizon,
        discount: arguments.discount,
        rules,
        termination: arguments.termination_model(&logged, task),
        seed: arguments.seed,
    };
    let truth = arguments.truth(&mut candidates, task, horizon)?;
    let mut behaviours = arguments.behaviours(&logged, task, &spec)?;
    let mut table = Evaluated {
        policies: candidates.iter().map(|c| c.name.clone()).collect(),
        estimators: Vec::new(),
        values: Vec::new(),
        truth,
        recorded: behaviours.iter().map(Behaviour::recorded).collect(),
    };
    let study = Study::new(&arguments, &logged, &spec, system)?;
    arguments.warn_of_actions(&action_names, &logged, &mut candidates)?;
    let mut estimates = Vec::new();
    for &estimator in &arguments.estimators {
        let recorded = &mut table.recorded;
        let found = study.estimates(estimator, &mut candidates, &mut behaviours, recorded)?;
        table.estimators.push(estimator.name().to_owned());
        table
            .values
            .push(found.iter().map(|estimate| estimate.value).collect());
        estimates.extend(found);
    }
    study.finish()?;
    let outcome = Outcome {
        arguments: &arguments,
        task,
        spec: &spec,
        is_short: logged.covered_horizon(|_| true, horizon).0 < horizon,
        candidates: &candidates,
        rankings: rankings(&table),
        table,
        estimates,
    };
    let mut ending = Ending::new(arguments.output.as_ref());
    outcome.write(started, &mut ending);
    arguments.note_short_episodes(&logged, horizon);
    outcome.warn();
    ending.show(&outcome.text())
}

impl Arguments {
    fn check(&self) -> anyhow::Result<()> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        written_as(self.report.as_ref(), &["html"])?;
        ensure!(
            self.discount > 0.0 && self.discount <= 1.0,
            "--discount {}: must be above 0 and at most 1",
            self.discount
        );
        ensure!(
            self.behaviours.is_empty() || self.behaviours.len() == self.files.len(),
            "{} --behaviour for {} files: give one for each file, or none",
            self.behaviours.len(),
            self.files.len()
        );
        ensure!(
            self.context >= 10,
            "--context {}: at least 10 rows",
            self.context
        );
        let mixes = self.estimators.contains(&Estimator::Mixture);
        ensure!(
            !(mixes && self.model.method() == Method::DiclSa),
            "--method dicl-sa: learned models do not predict actions; mix with vicl or dicl-s"
        );
        self.residual.check(self.model.method())?;
        ensure!(
            mixes || self.estimators.contains(&Estimator::Builtin) || !self.residual.are_given(),
            "--simulator and --period need the estimator 'builtin' or 'mixture'"
        );
        Ok(())
    }

    fn logged(
        &self,
        task: Option<&Task>,
        rules: &Rules,
    ) -> anyhow::Result<(Logged, Vec<String>, System)> {
        let recordings = self
            .files
            .iter()
            .map(|file| self.columns.read_selected_transitions(file));
        let recordings = recordings.collect::<anyhow::Result<Vec<_>>>()?;
        let mut logged = Logged::new(&recordings, rules).with_context(|| {
            let files = self.files.iter().map(|file| file.display().to_string());
            files.collect::<Vec<_>>().join(", ")
        })?;
        if let Some(task) = task {
            let (observed, acted) = (task.observation.len(), task.action_space.width());
            ensure!(
                (logged.states(), logged.actions()) == (observed, acted),
                "--env {}: it has {observed} observations and {acted} actions, the recordings have \
                 {} and {}; choose columns with --state and --action",
                task.name,
                logged.states(),
                logged.actions()
            );
        }
        for (source, behaviour) in self.behaviours.iter().enumerate() {
            let policy = policy::read(behaviour, widths(&logged), task.map(|t| t.action_space))
                .with_context(|| format!("--behaviour {behaviour}"))?;
            logged = logged.with_behaviour_policy(source, &*policy);
        }
        let with_reward = rules.reward.is_none();
        let system = self
            .residual
            .start_on(recordings.first(), with_reward, self.context)?;
        let names = recordings
            .first()
            .map(|first| first.action_names().to_vec());
        Ok((logged, names.unwrap_or_default(), system))
    }

    fn candidates(&self, logged: &Logged, task: Option<&Task>) -> anyhow::Result<Vec<Candidate>> {
        let mut names = HashSet::new();
        let candidates = self.policies.iter().map(|text| {
            let (name, source) = named(text)?;
            let policy = policy::read(&source, widths(logged), task.map(|t| t.action_space))
                .with_context(|| format!("--policy {text}"))?;
            ensure!(
                names.insert(name.clone()),
                "two policies are called {name}: name one with --policy NAME=SOURCE"
            );
            Ok(Candidate {
                name,
                source: Some(source),
                policy,
                values: None,
            })
        });
        candidates.collect()
    }

    /// Warns of policies with unsupported actions.
    fn warn_of_actions(
        &self,
        names: &[String],
        logged: &Logged,
        candidates: &mut [Candidate],
    ) -> anyhow::Result<()> {
        let states: Vec<_> = logged.runs.iter().map(|run| run.before()).collect();
        let actions: Vec<_> = logged.runs.iter().map(|run| run.actions.view()).collect();
        for candidate in candidates {
            // A program may draw: additional queries would change its paths.
            if matches!(candidate.source, Some(PolicySource::Program(_))) {
                continue;
            }
            let policy = &mut *candidate.policy;
            let found = unsupported_actions(policy, &states, &actions, self.seed)?;
            warn_of_actions(&candidate.name, names, &found);
        }
        Ok(())
    }

    /// Returns the known reward and termination that apply.
    fn rules(&self, task: Option<&Task>) -> anyhow::Result<Rules> {
        ensure!(
            self.termination != Some(Termination::Task) || task.is_some(),
            "--termination task: name the task with --env"
        );
        let mut rules = task.map_or(Rules::default(), Rules::of);
        if matches!(
            self.termination,
            Some(Termination::Recorded | Termination::Never)
        ) {
            rules.terminated = None;
        }
        Ok(rules)
    }

    /// Notes which estimators have no value for a horizon that no episode covers.
    fn note_short_episodes(&self, logged: &Logged, horizon: usize) {
        let covered = logged.covered_horizon(|_| true, horizon).0;
        let counting = self.estimators.iter().filter(|e| e.counts_recorded());
        let names: Vec<&str> = counting.map(|estimator| estimator.name()).collect();
        if covered < horizon && !names.is_empty() {
            tell!(
                "note: {}: no value: recorded episodes cover {covered} steps, the horizon is {horizon} (--horizon)",
                names.join(", ")
            );
        }
    }

    /// Checks that --termination has an effect.
    fn check_termination(&self, task: Option<&Task>, logged: &Logged) -> anyhow::Result<()> {
        let ended = logged.runs.iter().any(|run| run.terminated);
        let flag = match self.termination {
            Some(Termination::Recorded) if !ended => "recorded",
            Some(Termination::Never) if !ended && task.is_none() => "never",
            _ => return Ok(()),
        };
        bail!(
            "--termination {flag} has no effect: no recorded episode terminated, or no column such as terminated \
             says so"
        )
    }

    /// Applies --termination and a detected time limit to the recorded runs.
    fn with_ends(&self, logged: Logged) -> Logged {
        match (self.termination, time_limit(&logged)) {
            (Some(Termination::Never), _) => logged.without_terminations(),
            (None, Some(limit)) => {
                tell!(
                    "note: {} of {} episodes are done after {} steps, the longest, in states where others continue: they \
                     count as truncated by a time limit, shorter ones as terminated; with --termination recorded, or a \
                     flag called terminated, all count as terminated",
                    limit.runs.len(),
                    logged.runs.len(),
                    limit.steps
                );
                logged.truncated_at(&limit)
            }
            _ => logged,
        }
    }

    /// Returns the termination model, if imagined episodes terminate by it.
    fn termination_model(
        &self,
        logged: &Logged,
        task: Option<&Task>,
    ) -> Option<Arc<TerminationModel>> {
        let recorded = match self.termination {
            Some(termination) => termination == Termination::Recorded,
            None => task.is_none(),
        };
        let ends = recorded.then(|| TerminationModel::of(logged)).flatten()?;
        let ended = logged.runs.iter().filter(|run| run.terminated).count();
        tell!(
            "note: imagined episodes terminate where recorded ones did ({ended} of {} terminated); --termination never \
             disables this",
            logged.runs.len()
        );
        Some(Arc::new(ends))
    }

    /// Returns the behaviour policies: as given, or cloned from the recordings.
    fn behaviours(
        &self,
        logged: &Logged,
        task: Option<&Task>,
        spec: &RolloutSpec,
    ) -> anyhow::Result<Vec<Behaviour>> {
        let of_source = |source: usize| {
            let policy: Box<dyn Policy> = match self.behaviours.get(source) {
                Some(given) => {
                    let space = task.map(|t| t.action_space);
                    policy::read(given, widths(logged), space)?
                }
                None => {
                    let (observations, actions) = logged.observations_and_actions_of(source);
                    let cloned = Cloned::fit(observations.view(), actions.view(), self.seed);
                    Box::new(cloned)
                }
            };
            let earned = recorded_return(logged, source, self.discount, spec.horizon);
            let file = self.files[source].file_stem().unwrap_or_default();
            if earned.left_out > 0 {
                tell!(
                    "note: {}: {} episode(s) were truncated before {} steps and are left out of its return",
                    self.files[source].display(),
                    earned.left_out,
                    earned.horizon
                );
            }
            Ok(Behaviour {
                candidate: Candidate {
                    name: file.to_string_lossy().into_owned(),
                    source: None,
                    policy,
                    values: None,
                },
                spec: RolloutSpec {
                    starts: logged.starts_of(source),
                    horizon: earned.horizon,
                    ..spec.clone()
                },
                earned: earned.value,
            })
        };
        (0..logged.sources()).map(of_source).collect()
    }

    fn horizon(&self, logged: &Logged, task: Option<&Task>) -> usize {
        let longest = logged.runs.iter().map(|run| run.steps()).max();
        match (self.horizon, task) {
            (Some(horizon), _) => horizon.get(),
            (None, Some(task)) => task.time_limit,
            (None, None) => longest.unwrap_or(1),
        }
    }
}

fn widths(logged: &Logged) -> Widths {
    Widths {
        observations: logged.states(),
        actions: logged.actions(),
    }
}

/// Parses the name and source of a policy; the default name of a file is its stem.
fn named(text: &str) -> anyhow::Result<(String, PolicySource)> {
    if let Some((name, source)) = text.split_once('=')
        && !name.is_empty()
        && !name.contains([':', '/', '.', ' '])
    {
        return Ok((name.to_owned(), source.parse()?));
    }
    let source: PolicySource = text.parse()?;
    let name = match &source {
        PolicySource::File { path, mean } => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            format!("{stem}{}", if *mean { " (mean)" } else { "" })
        }
        other => other.to_string(),
    };
    Ok((name, source))
}
