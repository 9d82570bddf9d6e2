//! `statecast evaluate`: what policies are worth, from recorded trajectories.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::experts::{Models, language};
use super::input::{Columns, ModelArguments};
use super::progress::Progress;
use super::windowed::aligned_rows;
use crate::baselines::of_dynamics;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge};
use crate::environment::{self, Task};
use crate::evaluation::{
    Contexts, FittedSettings, Imagined, Logged, Rules, Standing, Value, Walk, behaviour_mean,
    critic, doubly_robust, fitted_q, importance, in_context, learned, on_policy, pieces, simulated,
    standing,
};
use crate::forecast::{Forecaster, Method, Mixture, Predictor, Recalibrated, Settings};
use crate::model::Work;
use crate::output::{Column, Table, TableFormat, write_atomically, write_manifest};
use crate::policy::{self, Policy, PolicySource, Widths};
use crate::report::{self, Evaluated};

/// Judge control policies from recorded trajectories, without running them
///
/// Each policy is rolled out in models of the system that know nothing but the recordings: the
/// language model that reads them as its context, alone and mixed with learned models, and the
/// learned models themselves. Beside them stand estimators without a model.
#[derive(Debug, Args)]
#[command(after_long_help = "Policies:\n  \
    pi.safetensors, pi.json   a file (docs/policies.md); mean:FILE takes its mean action\n  \
    constant:0.5,-1           always the same action\n  \
    random                    any action, all as likely (needs --env)\n  \
    command:./act --fast      a program that reads and writes lines of JSON\n  \
    NAME=…                    any of them under another name\n\n\
    Examples:\n  \
    statecast evaluate logged.npz --policy a.safetensors --policy b.safetensors --env pendulum\n  \
    statecast evaluate random.npz medium.npz --behaviour random --behaviour medium.safetensors \\\n    \
    --policy new.safetensors --env pendulum --report values.html\n  \
    statecast evaluate logged.csv --policy 'mine=command:python act.py' --horizon 100 --discount 1")]
pub(super) struct Arguments {
    /// Trajectory files of one system: CSV, NPZ, NPY or Parquet
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    /// Policy to judge, [NAME=]SOURCE; give it once for each
    #[arg(long = "policy", required = true, value_name = "[NAME=]SOURCE")]
    policies: Vec<String>,
    /// Policy that took the actions of a file; give it once for each file, in their order
    #[arg(long = "behaviour", value_name = "SOURCE")]
    behaviours: Vec<PolicySource>,
    /// Task whose reward and end of episodes are known: pendulum, cart-pole, half-cheetah, … [default: the
    /// reward is predicted and episodes end at the horizon]
    #[arg(long, value_name = "TASK")]
    env: Option<String>,
    /// Steps of an episode [default: the task's time limit, or the longest recorded episode]
    #[arg(long)]
    horizon: Option<NonZeroUsize>,
    /// Worth of a reward one step later
    #[arg(long, default_value_t = 0.99)]
    discount: f64,
    /// Imagined paths of a policy
    #[arg(long, default_value = "50")]
    paths: NonZeroUsize,
    /// Rows of recordings in a context
    #[arg(long, default_value_t = 400, value_name = "ROWS")]
    context: usize,
    /// Contexts, of different episodes; learned models never see those of the context they are used in
    #[arg(long, default_value = "4", value_name = "COUNT")]
    contexts: NonZeroUsize,
    /// Ways to estimate
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "mixture,vicl,dicl-s,dicl-sa,linear,mlp,fqe,is,dr,on-policy,behaviour"
    )]
    estimators: Vec<Estimator>,
    #[command(flatten)]
    model: ModelArguments,
    /// Also run the policies for so many episodes in the task's simulator, and hold the estimates
    /// against that
    #[arg(long, value_name = "EPISODES")]
    simulate: Option<NonZeroUsize>,
    /// True values to hold the estimates against: a CSV file with the columns policy and value
    #[arg(long, value_name = "FILE", conflicts_with = "simulate")]
    truth: Option<PathBuf>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Table of all estimates: .csv, .json or .parquet, with a manifest beside it
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Page with the estimates and their intervals (.html), readable without a network
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Estimator {
    /// Paths of the language model, recalibrated, mixed with both learned models
    Mixture,
    /// Paths of the language model, every variable alone
    Vicl,
    /// Paths of the language model in principal components of the states
    DiclS,
    /// Paths of the language model in principal components of states and actions
    DiclSa,
    /// Paths of a linear model
    Linear,
    /// Paths of an ensemble of neural networks
    Mlp,
    /// Fitted Q evaluation
    Fqe,
    /// Weighted per-decision importance sampling
    Is,
    /// Doubly robust: the ensemble's values corrected by importance sampling
    Dr,
    /// Recorded returns of the policy itself, the ensemble as control variate
    OnPolicy,
    /// Mean return of the recordings
    Behaviour,
}

impl Estimator {
    fn name(self) -> &'static str {
        match self {
            Self::Mixture => "mixture",
            Self::Vicl => "vicl",
            Self::DiclS => "dicl-s",
            Self::DiclSa => "dicl-sa",
            Self::Linear => "linear",
            Self::Mlp => "mlp",
            Self::Fqe => "fqe",
            Self::Is => "is",
            Self::Dr => "dr",
            Self::OnPolicy => "on-policy",
            Self::Behaviour => "behaviour",
        }
    }

    /// Method of the language model, if it is one.
    fn method(self, chosen: Method) -> Option<Method> {
        match self {
            Self::Mixture => Some(chosen),
            Self::Vicl => Some(Method::Vicl),
            Self::DiclS => Some(Method::DiclS),
            Self::DiclSa => Some(Method::DiclSa),
            _ => None,
        }
    }
}

/// A policy to judge.
struct Candidate {
    name: String,
    source: PolicySource,
    policy: Box<dyn Policy>,
}

/// One estimate of one policy's value.
#[derive(Debug, Clone, Serialize)]
struct Estimate {
    policy: String,
    estimator: &'static str,
    value: Option<Value>,
    /// Mean steps of the imagined paths.
    length: Option<f64>,
    /// Values that left the known range on the paths.
    saturated: Option<usize>,
    /// Runs' worth of evidence that importance weights leave.
    effective: Option<f64>,
    seconds: f64,
}

#[derive(Serialize)]
struct Manifest<'a> {
    program: &'static str,
    version: &'static str,
    command: &'static str,
    inputs: Vec<String>,
    policies: Vec<(String, String)>,
    task: Option<&'static str>,
    horizon: usize,
    discount: f64,
    paths: usize,
    context: usize,
    contexts: usize,
    seed: u64,
    estimates: &'a [Estimate],
    truth: &'a [Option<Value>],
    standings: &'a [(String, Standing)],
    seconds: f64,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    arguments.check()?;
    let task = arguments.env.as_deref().map(Task::named).transpose()?;
    let rules = task.map_or(Rules::default(), Rules::of);
    let logged = arguments.logged(task, &rules)?;
    let mut candidates = arguments.candidates(&logged, task)?;
    let horizon = arguments.horizon(&logged, task);
    let walk = Walk {
        starts: logged.starts(),
        paths: arguments.paths.get(),
        horizon,
        discount: arguments.discount,
        rules,
        seed: arguments.seed,
    };
    let truth = arguments.truth(&mut candidates, task, horizon)?;
    let estimates = arguments.estimates(&logged, &mut candidates, &walk)?;
    let table = Evaluated {
        policies: candidates.iter().map(|c| c.name.clone()).collect(),
        estimators: arguments
            .estimators
            .iter()
            .map(|e| e.name().to_owned())
            .collect(),
        values: arguments
            .estimators
            .iter()
            .map(|e| {
                of_estimator(&estimates, e.name())
                    .map(|found| found.value)
                    .collect()
            })
            .collect(),
        truth,
    };
    let standings = standings(&table);
    print!("{}", text(&table, &standings));
    for estimate in &estimates {
        if let Some(saturated @ 1..) = estimate.saturated {
            eprintln!(
                "note: {} of {}: {saturated} value(s) left the range of the recordings",
                estimate.estimator, estimate.policy
            );
        }
    }
    arguments.write(
        &table,
        &estimates,
        &standings,
        &candidates,
        task,
        horizon,
        started,
    )
}

fn of_estimator<'e>(
    estimates: &'e [Estimate],
    name: &'static str,
) -> impl Iterator<Item = &'e Estimate> {
    estimates
        .iter()
        .filter(move |estimate| estimate.estimator == name)
}

impl Arguments {
    fn check(&self) -> anyhow::Result<()> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        if let Some(report) = &self.report {
            let html = report.extension().is_some_and(|e| e == "html");
            ensure!(html, "{}: reports are written as .html", report.display());
        }
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
            !(mixes && self.model.method == Method::DiclSa),
            "--method dicl-sa: learned models do not predict actions; mix with vicl or dicl-s"
        );
        Ok(())
    }

    fn logged(&self, task: Option<&Task>, rules: &Rules) -> anyhow::Result<Logged> {
        let recordings = self
            .files
            .iter()
            .map(|file| self.columns.read_transitions(file));
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
            logged = logged.taken_by(source, &*policy);
        }
        Ok(logged)
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
                source,
                policy,
            })
        });
        candidates.collect()
    }

    fn horizon(&self, logged: &Logged, task: Option<&Task>) -> usize {
        let longest = logged.runs.iter().map(|run| run.steps()).max();
        match (self.horizon, task) {
            (Some(horizon), _) => horizon.get(),
            (None, Some(task)) => task.time_limit,
            (None, None) => longest.unwrap_or(1),
        }
    }

    /// True values of the policies, as far as they are known.
    fn truth(
        &self,
        candidates: &mut [Candidate],
        task: Option<&'static Task>,
        horizon: usize,
    ) -> anyhow::Result<Vec<Option<Value>>> {
        if let Some(episodes) = self.simulate {
            let task = task.context("--simulate: name the task with --env")?;
            let mut environment = environment::named(task.name)?;
            let values = candidates.iter_mut().map(|candidate| {
                let policy = &mut *candidate.policy;
                let episodes = episodes.get();
                let value = simulated(&mut *environment, policy, episodes, self.discount, horizon);
                Ok(Some(
                    value.with_context(|| format!("policy {}", candidate.name))?,
                ))
            });
            return values.collect();
        }
        let Some(file) = &self.truth else {
            return Ok(vec![None; candidates.len()]);
        };
        let known = read_truth(file)?;
        let found = candidates.iter().map(|candidate| {
            let value = known.iter().find(|(name, _)| *name == candidate.name);
            value.map(|&(_, value)| Value::new(value, 0.0, 1.0))
        });
        let found: Vec<Option<Value>> = found.collect();
        ensure!(
            found.iter().any(Option::is_some),
            "{}: none of the policies is in it",
            file.display()
        );
        Ok(found)
    }

    fn estimates(
        &self,
        logged: &Logged,
        candidates: &mut [Candidate],
        walk: &Walk,
    ) -> anyhow::Result<Vec<Estimate>> {
        let shortest = (0..logged.sources)
            .map(|source| {
                logged
                    .runs
                    .iter()
                    .filter(|run| run.source == source)
                    .count()
            })
            .min()
            .unwrap_or(1);
        let folds = self.contexts.get().min(shortest.max(1));
        let fitted = Fitted::new(self, logged, folds)?;
        let models = Models::load(
            &[self.model.source().to_string()],
            &self.model,
            Work {
                channels: logged.states() + logged.actions() + 1,
                rows: self.context,
                paths: self.paths.get().div_ceil(folds),
                horizon: walk.horizon + 1,
            },
        )?;
        let settings = self.model.settings()?;
        let mut estimates = Vec::new();
        for &estimator in &self.estimators {
            let label = estimator.name();
            let progress = Progress::new(label);
            let count = candidates.len() as f64;
            let contexts = match estimator.method(settings.method) {
                Some(method) => {
                    let settings = Settings { method, ..settings };
                    let forecasters = fitted.forecasters(estimator, &models, settings, logged)?;
                    let contexts = self.contexts(logged, &forecasters, walk, folds);
                    Some(contexts.with_context(|| label.to_owned())?)
                }
                None => None,
            };
            for (number, candidate) in candidates.iter_mut().enumerate() {
                let begin = Instant::now();
                let shown = |share: f64| progress.show((number as f64 + share) / count);
                let mut estimate = self
                    .estimate(
                        estimator,
                        contexts.as_ref(),
                        &fitted,
                        logged,
                        candidate,
                        walk,
                        &shown,
                    )
                    .with_context(|| format!("policy {}", candidate.name))?;
                estimate.seconds = begin.elapsed().as_secs_f64();
                estimates.push(estimate);
            }
        }
        Ok(estimates)
    }

    fn contexts<'m>(
        &self,
        logged: &Logged,
        forecasters: &[Forecaster<'m>],
        walk: &Walk,
        folds: usize,
    ) -> anyhow::Result<Contexts<'m>> {
        let longest = forecasters
            .iter()
            .map(|f| f.longest_context(walk.horizon + 1));
        let longest = longest.min().unwrap_or(usize::MAX);
        ensure!(
            longest >= 10,
            "a horizon of {} leaves no room for a context in the model's window",
            walk.horizon
        );
        let rows = self.context.min(longest);
        if rows < self.context {
            eprintln!("note: the model's window leaves room for {rows} rows of context");
        }
        let pieces = pieces(logged, folds, rows);
        let with_reward = walk.rules.reward.is_none();
        Ok(Contexts::read(
            forecasters,
            logged,
            &pieces,
            with_reward,
            &|_| (),
        )?)
    }

    #[expect(clippy::too_many_arguments)]
    fn estimate(
        &self,
        estimator: Estimator,
        contexts: Option<&Contexts>,
        fitted: &Fitted,
        logged: &Logged,
        candidate: &mut Candidate,
        walk: &Walk,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Estimate> {
        let mut estimate = Estimate {
            policy: candidate.name.clone(),
            estimator: estimator.name(),
            value: None,
            length: None,
            saturated: None,
            effective: None,
            seconds: 0.0,
        };
        let policy = &mut *candidate.policy;
        let (discount, horizon) = (walk.discount, walk.horizon);
        let mut of_paths = |imagined: Imagined| {
            estimate.value = Some(imagined.value());
            estimate.length = Some(imagined.length);
            estimate.saturated = Some(imagined.saturated);
        };
        match estimator {
            Estimator::Mixture | Estimator::Vicl | Estimator::DiclS | Estimator::DiclSa => {
                let contexts = contexts.context("contexts are read for language models")?;
                of_paths(in_context(contexts, logged, policy, walk, progress)?);
            }
            Estimator::Linear | Estimator::Mlp => {
                let models = fitted.of(estimator == Estimator::Mlp);
                let walk = fitted.every_start(&models, walk);
                of_paths(learned(&models, logged, policy, &walk, progress)?);
            }
            Estimator::Fqe => {
                let settings = FittedSettings::default();
                estimate.value = Some(fitted_q(logged, policy, walk, settings, progress)?);
            }
            Estimator::Is => {
                let weighted = importance(logged, policy, discount, horizon);
                estimate.value = weighted.map(|w| w.value);
                estimate.effective = weighted.map(|w| w.effective);
            }
            Estimator::Dr if importance(logged, policy, discount, horizon).is_some() => {
                let critic = critic(&fitted.of(true), logged, policy, walk, progress)?;
                let weighted = doubly_robust(logged, policy, discount, horizon, &critic);
                estimate.value = weighted.map(|w| w.value);
                estimate.effective = weighted.map(|w| w.effective);
            }
            Estimator::Dr => {}
            Estimator::OnPolicy => {
                let source = self.behaviours.iter().position(|b| *b == candidate.source);
                if let Some(source) = source {
                    let models = fitted.of(true);
                    let walk = fitted.every_start(&models, walk);
                    let imagined = learned(&models, logged, policy, &walk, progress)?;
                    estimate.value = on_policy(logged, source, &imagined, discount, horizon);
                }
            }
            Estimator::Behaviour => {
                estimate.value = Some(behaviour_mean(logged, discount, horizon));
            }
        }
        Ok(estimate)
    }

    #[expect(clippy::too_many_arguments)]
    fn write(
        &self,
        table: &Evaluated,
        estimates: &[Estimate],
        standings: &[(String, Standing)],
        candidates: &[Candidate],
        task: Option<&'static Task>,
        horizon: usize,
        started: Instant,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.report {
            let about = report::About {
                title: "Values of policies".to_owned(),
                settings: vec![
                    (
                        "task".to_owned(),
                        task.map_or("unknown", |t| t.name).to_owned(),
                    ),
                    ("horizon".to_owned(), horizon.to_string()),
                    ("discount".to_owned(), self.discount.to_string()),
                    ("paths".to_owned(), self.paths.to_string()),
                ],
            };
            let page = report::values(&about, table, standings)?;
            write_atomically(path, |file| {
                std::io::Write::write_all(file, page.as_bytes())
            })?;
            eprintln!("report: {}", path.display());
        }
        let Some(output) = &self.output else {
            return Ok(());
        };
        estimates_table(estimates)?.write(output)?;
        let sources = candidates
            .iter()
            .map(|c| (c.name.clone(), c.source.to_string()));
        let manifest = Manifest {
            program: "statecast",
            version: env!("CARGO_PKG_VERSION"),
            command: "evaluate",
            inputs: self
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            policies: sources.collect(),
            task: task.map(|task| task.name),
            horizon,
            discount: self.discount,
            paths: self.paths.get(),
            context: self.context,
            contexts: self.contexts.get(),
            seed: self.seed,
            estimates,
            truth: &table.truth,
            standings,
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok(write_manifest(output, &manifest)?)
    }
}

fn widths(logged: &Logged) -> Widths {
    Widths {
        observations: logged.states(),
        actions: logged.actions(),
    }
}

/// Name and source of a policy; the name of a file is that without its ending.
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

/// Models learned from the runs of all folds but one, as many as folds.
struct Fitted {
    linear: Vec<Rc<Ridge>>,
    mlp: Vec<Rc<Ensemble>>,
    folds: usize,
}

impl Fitted {
    fn new(arguments: &Arguments, logged: &Logged, folds: usize) -> anyhow::Result<Self> {
        let wanted = |among: &[Estimator]| arguments.estimators.iter().any(|e| among.contains(e));
        let mixes = wanted(&[Estimator::Mixture]);
        let networks = mixes || wanted(&[Estimator::Mlp, Estimator::Dr, Estimator::OnPolicy]);
        let (mut linear, mut mlp) = (Vec::new(), Vec::new());
        let progress = Progress::new("learning models");
        for fold in 0..folds {
            let left_out: HashSet<usize> = match folds {
                1 => HashSet::new(),
                _ => logged.of_fold(fold, folds).map(|(run, _)| run).collect(),
            };
            let steps = logged.steps(|run| !left_out.contains(&run))?;
            if mixes || wanted(&[Estimator::Linear]) {
                let members = 8usize.div_ceil(folds).max(2);
                linear.push(Rc::new(Ridge::fit(
                    &steps,
                    members,
                    arguments.seed + fold as u64,
                )));
            }
            if networks {
                let settings = EnsembleSettings {
                    members: 8usize.div_ceil(folds).max(2),
                    seed: arguments.seed.wrapping_add(fold as u64),
                    ..EnsembleSettings::default()
                };
                let shown = |share| progress.show((fold as f64 + share) / folds as f64);
                mlp.push(Rc::new(Ensemble::fit(&steps, settings, &shown)));
            }
        }
        Ok(Self { linear, mlp, folds })
    }

    fn of(&self, networks: bool) -> Vec<&dyn Dynamics> {
        match networks {
            true => self
                .mlp
                .iter()
                .map(|model| &**model as &dyn Dynamics)
                .collect(),
            false => self
                .linear
                .iter()
                .map(|model| &**model as &dyn Dynamics)
                .collect(),
        }
    }

    /// Enough paths that every member goes from every start: they cost little.
    fn every_start(&self, models: &[&dyn Dynamics], walk: &Walk) -> Walk {
        let members: usize = models.iter().map(|model| model.members()).sum();
        Walk {
            paths: walk.paths.max(members * walk.starts.nrows()),
            ..walk.clone()
        }
    }

    /// Forecasters of the contexts, one a fold.
    fn forecasters<'m>(
        &self,
        estimator: Estimator,
        models: &'m Models,
        settings: Settings,
        logged: &Logged,
    ) -> anyhow::Result<Vec<Forecaster<'m>>> {
        let of_fold = |fold: usize| {
            let language = language(models, settings)?;
            let predictor: Rc<dyn Predictor<'m> + 'm> = match estimator {
                Estimator::Mixture => {
                    let experts: Vec<Rc<dyn Predictor<'m> + 'm>> = vec![
                        Rc::new(Recalibrated::new(language)),
                        of_dynamics(self.linear[fold].clone(), logged.states()),
                        of_dynamics(self.mlp[fold].clone(), logged.states()),
                    ];
                    Rc::new(Mixture::new(experts, 0.0)?)
                }
                _ => language,
            };
            Ok(Forecaster::of(predictor, settings))
        };
        (0..self.folds).map(of_fold).collect()
    }
}

fn read_truth(file: &PathBuf) -> anyhow::Result<Vec<(String, f64)>> {
    let shown = file.display();
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("{shown}"))?;
    let headers = reader
        .headers()
        .with_context(|| format!("{shown}"))?
        .clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim() == name);
        found.with_context(|| format!("{shown}: no column '{name}'"))
    };
    let (policy, value) = (column("policy")?, column("value")?);
    let rows = reader.records().enumerate().map(|(row, record)| {
        let record = record.with_context(|| format!("{shown}: row {}", row + 1))?;
        let text = record.get(value).unwrap_or_default().trim();
        let Ok(number) = text.parse::<f64>() else {
            bail!("{shown}: row {}, column value holds '{text}'", row + 1);
        };
        Ok((
            record.get(policy).unwrap_or_default().trim().to_owned(),
            number,
        ))
    });
    rows.collect()
}

/// How each estimator stands against the truth, where that is known of two policies or more.
fn standings(table: &Evaluated) -> Vec<(String, Standing)> {
    let of = |(name, values): (&String, &Vec<Option<Value>>)| {
        let pairs = values.iter().zip(&table.truth);
        let pairs: Vec<(Value, f64)> = pairs
            .filter_map(|(value, truth)| Some(((*value)?, truth.as_ref()?.mean)))
            .collect();
        let range: Vec<f64> = table
            .truth
            .iter()
            .flatten()
            .map(|truth| truth.mean)
            .collect();
        standing(&pairs, &range).map(|standing| (name.clone(), standing))
    };
    table
        .estimators
        .iter()
        .zip(&table.values)
        .filter_map(of)
        .collect()
}

fn text(table: &Evaluated, standings: &[(String, Standing)]) -> String {
    let shown = |value: &Option<Value>| match value {
        Some(value) => format!("{:.1} ± {:.1}", value.mean, value.error),
        None => "-".to_owned(),
    };
    let known = table.truth.iter().any(Option::is_some);
    let mut heads = vec!["policy".to_owned()];
    heads.extend(known.then(|| "truth".to_owned()));
    heads.extend(table.estimators.iter().cloned());
    let mut rows = vec![heads];
    for (number, policy) in table.policies.iter().enumerate() {
        let mut row = vec![policy.clone()];
        if known {
            let truth = &table.truth[number];
            row.push(
                truth
                    .as_ref()
                    .map_or("-".to_owned(), |t| format!("{:.1}", t.mean)),
            );
        }
        row.extend(table.values.iter().map(|values| shown(&values[number])));
        rows.push(row);
    }
    let mut text = aligned_rows(&rows);
    text += "\nEstimated mean returns ± standard errors; -: the estimator lacks what it needs.\n";
    if !standings.is_empty() {
        let heads = [
            "estimator",
            "error",
            "/ range",
            "Spearman",
            "regret@1",
            "regret@3",
            "in 90 %",
        ];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for (name, s) in standings {
            rows.push(vec![
                name.clone(),
                format!("{:.2}", s.error),
                format!("{:.3}", s.relative),
                format!("{:.2}", s.spearman),
                format!("{:.3}", s.regret_1),
                format!("{:.3}", s.regret_3),
                format!("{} of {}", s.covered, s.policies),
            ]);
        }
        text += "\n";
        text += &aligned_rows(&rows);
        text +=
            "\nError: mean of |estimate - truth|; regret as a share of the true values' range.\n";
    }
    text
}

fn estimates_table(estimates: &[Estimate]) -> anyhow::Result<Table> {
    let real = |of: &dyn Fn(&Estimate) -> Option<f64>| {
        Column::Real(
            estimates
                .iter()
                .map(|e| of(e).unwrap_or(f64::NAN))
                .collect(),
        )
    };
    let value = |of: fn(Value) -> f64| real(&move |e: &Estimate| e.value.map(of));
    let columns = [
        (
            "policy",
            Column::Text(estimates.iter().map(|e| e.policy.clone()).collect()),
        ),
        (
            "estimator",
            Column::Text(estimates.iter().map(|e| e.estimator.to_owned()).collect()),
        ),
        ("value", value(|v| v.mean)),
        ("standard_error", value(|v| v.error)),
        ("low", value(|v| v.low)),
        ("high", value(|v| v.high)),
        ("length", real(&|e| e.length)),
        ("saturated", real(&|e| e.saturated.map(|s| s as f64))),
        ("effective_runs", real(&|e| e.effective)),
        ("seconds", real(&|e| Some(e.seconds))),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name.to_owned(), column));
    Table::new(columns.collect()).context("the table's columns differ in length")
}
