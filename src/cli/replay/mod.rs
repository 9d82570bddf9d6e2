//! `statecast replay`: forecasts of recorded runs' remaining rewards.

mod outcome;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use ndarray::{Array2, Axis};
use serde::Serialize;

use crate::baselines;
use crate::cli::experts::{self, finish};
use crate::cli::input::{Columns, ModelArguments};
use crate::cli::outputs::Ending;
use crate::cli::progress::Progress;
use crate::cli::residual::ResidualArguments;
use crate::cli::terminal::tell;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge, Steps};
use crate::environment::Task;
use crate::evaluation::{
    ActionSource, ContextSegment, Contexts, EvaluationError, Logged, PrefixSplit, RewardBaseline,
    RewardForecastErrors, RewardForecastScores, RolloutSpec, Rules, in_context, learned,
};
use crate::forecast::{Forecaster, Method, Recalibrated, Settings};
use crate::forecasters::{ForecasterName, Forecasters, System};
use crate::model::Work;
use crate::network::FitSettings;
use crate::output::{Bundle, Manifest, TableFormat};
use crate::policy::{self, Policy, PolicySource, Widths};
use crate::recording::Recording;

/// Forecast the remaining rewards of recorded runs and compare them with the actual return
///
/// The first steps of every run are the context. The remaining rewards are forecast under the
/// recorded actions, and their sum is compared with the actual sum. Learned models and baselines on
/// rewards alone are included for comparison.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast replay cheetah.npz --context 500 --horizon 499 --steps 10,50,100,250,499\n  \
    statecast replay pendulum.npz --context 100 --horizon 99 --env pendulum --policy pi.safetensors\n  \
    statecast replay test.npz --context 100 --horizon 50 --train other.npz --output replay.csv")]
pub(super) struct Arguments {
    /// Recording files of one system, in any format that forecast reads
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    /// Context, in steps
    #[arg(long, default_value = "100", value_name = "STEPS")]
    context: NonZeroUsize,
    /// Steps to forecast after the context; shorter runs are left out
    #[arg(long, default_value = "99")]
    horizon: NonZeroUsize,
    /// Steps after which the sums are compared [default: 10, 50, 100, 250 and the horizon]
    #[arg(long, value_delimiter = ',', value_name = "COUNTS")]
    steps: Vec<NonZeroUsize>,
    /// Largest number of runs, evenly spaced
    #[arg(long, value_name = "COUNT")]
    runs: Option<NonZeroUsize>,
    /// Estimators
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "mixture,vicl,dicl-s,dicl-sa,linear,mlp,baselines"
    )]
    estimators: Vec<Estimator>,
    /// Task whose reward is known [default: the reward is predicted]
    #[arg(long, value_name = "TASK")]
    env: Option<String>,
    /// Behaviour policy; adds estimators in which it acts on the imagined states
    #[arg(long, value_name = "SOURCE")]
    policy: Option<PolicySource>,
    /// Other recordings of the system, for additional learned models
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    train: Vec<PathBuf>,
    /// Imagined paths per run
    #[arg(long, default_value = "20")]
    paths: NonZeroUsize,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    residual: ResidualArguments,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Table of the errors of each run: .csv, .json or .parquet, with a manifest beside it
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Estimator {
    /// The recalibrated language model, mixed with in-context ar, linear, knn and mlp
    Mixture,
    /// The language model, by --method
    Builtin,
    /// The language model, each variable separately
    Vicl,
    /// The language model on principal components of the states
    DiclS,
    /// The language model on principal components of states and actions
    DiclSa,
    /// A linear model fitted to the context
    Linear,
    /// An ensemble of neural networks fitted to the context
    Mlp,
    /// Zero, means, an autoregression and the last period of the rewards
    #[value(alias = "rules")]
    Baselines,
}

/// A named forecaster of rewards.
#[derive(Clone)]
struct EstimatorSpec {
    name: String,
    of: Kind,
    /// True if the policy acts instead of the recorded actions.
    acts: bool,
}

#[derive(Clone)]
enum Kind {
    Language(Method),
    Mixture,
    /// Fitted to the context.
    Fitted {
        networks: bool,
    },
    /// Fitted to other recordings.
    Trained(Arc<dyn Dynamics>),
    Baseline(RewardBaseline),
}

#[derive(Serialize)]
struct Run<'a> {
    inputs: Vec<String>,
    context: usize,
    horizon: usize,
    paths: usize,
    runs: usize,
    seed: u64,
    steps: &'a [usize],
    estimators: &'a [(String, RewardForecastScores, f64)],
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let steps = arguments.check()?;
    let task = arguments.env.as_deref().map(Task::named).transpose()?;
    let (splits, system) = arguments.splits(task)?;
    let widths = Widths {
        observations: splits[0].context.states(),
        actions: splits[0].context.actions(),
    };
    let space = task.map(|t| t.action_space);
    let policy = arguments.policy.as_ref().map(|source| {
        policy::read(source, widths, space).with_context(|| format!("--policy {source}"))
    });
    let mut policy = policy.transpose()?;
    let specs = arguments.specs(policy.is_some(), widths)?;
    let study = Study::new(&arguments, task, widths, system)?;
    let mut scores = Vec::new();
    for estimator in &specs {
        let begin = Instant::now();
        let progress = Progress::new(&estimator.name);
        let of_run = |(number, split): (usize, &PrefixSplit)| {
            let shown = |share: f64| progress.show((number as f64 + share) / splits.len() as f64);
            let forecast = study.rewards(estimator, split, policy.as_deref_mut(), &shown);
            let forecast = forecast.with_context(|| estimator.name.clone())?;
            Ok(RewardForecastErrors::new(split, forecast.view()))
        };
        let errors = splits.iter().enumerate().map(of_run);
        let errors = errors.collect::<anyhow::Result<Vec<RewardForecastErrors>>>()?;
        scores.push((
            estimator.name.clone(),
            errors,
            begin.elapsed().as_secs_f64(),
        ));
    }
    finish(&study.forecasters)?;
    let baseline = scores
        .iter()
        .find(|(name, ..)| name == RewardBaseline::Mean.name())
        .map_or(scores[0].1.clone(), |(_, runs, _)| runs.clone());
    let summed: Vec<(String, RewardForecastScores, f64)> = scores
        .iter()
        .map(|(name, runs, seconds)| {
            (
                name.clone(),
                RewardForecastScores::of(runs, &baseline, &steps),
                *seconds,
            )
        })
        .collect();
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(output) = &arguments.output {
        ending.write(|| {
            let mut bundle = Bundle::new();
            bundle.add_table(output, &outcome::table(&scores, &steps)?)?;
            let run = arguments.manifest(splits.len(), &steps, &summed);
            Ok(bundle.finish(output, &Manifest::new("replay", &run))?)
        });
    }
    ending.show(&outcome::text(&summed, &steps, splits.len()))
}

impl Arguments {
    fn manifest<'a>(
        &self,
        runs: usize,
        steps: &'a [usize],
        estimators: &'a [(String, RewardForecastScores, f64)],
    ) -> Run<'a> {
        let files = self.files.iter().map(|file| file.display().to_string());
        Run {
            inputs: files.collect(),
            context: self.context.get(),
            horizon: self.horizon.get(),
            paths: self.paths.get(),
            runs,
            seed: self.seed,
            steps,
            estimators,
        }
    }

    /// Checks the arguments; returns the steps after which sums are compared, in order.
    fn check(&self) -> anyhow::Result<Vec<usize>> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        ensure!(
            self.context.get() >= 10,
            "--context {}: at least 10 steps",
            self.context
        );
        self.residual.check(self.model.method())?;
        ensure!(
            [Estimator::Mixture, Estimator::Builtin]
                .iter()
                .any(|e| self.estimators.contains(e))
                || !self.residual.are_given(),
            "--simulator and --period need the estimator 'builtin' or 'mixture'"
        );
        let horizon = self.horizon.get();
        let mut steps: Vec<usize> = self.steps.iter().map(|s| s.get()).collect();
        if let Some(beyond) = steps.iter().find(|&&s| s > horizon) {
            anyhow::bail!("--steps {beyond}: beyond the horizon of {horizon}");
        }
        if steps.is_empty() {
            steps = [10, 50, 100, 250, horizon]
                .into_iter()
                .filter(|&s| s <= horizon)
                .collect();
        }
        steps.sort_unstable();
        steps.dedup();
        Ok(steps)
    }

    /// Returns the sufficiently long runs of all files, and the options with their simulator
    /// started.
    fn splits(&self, task: Option<&Task>) -> anyhow::Result<(Vec<PrefixSplit>, System)> {
        let rules = task.map_or(Rules::default(), Rules::of);
        let recordings = self.files.iter();
        let recordings = recordings.map(|file| self.columns.read_selected_transitions(file));
        let recordings: Vec<Recording> = recordings.collect::<anyhow::Result<_>>()?;
        let with_reward = rules.reward.is_none();
        let context = self.context.get();
        let system = self
            .residual
            .start_on(recordings.first(), with_reward, context)?;
        let logged = logged(&recordings, &self.files, &rules)?;
        let (context, horizon) = (self.context.get(), self.horizon.get());
        let splits = logged.runs.iter();
        let splits: Vec<PrefixSplit> = splits
            .filter_map(|run| PrefixSplit::of(run, context, horizon))
            .collect();
        ensure!(
            !splits.is_empty(),
            EvaluationError::TooShort(context, horizon)
        );
        let left_out = logged.runs.len() - splits.len();
        if left_out > 0 {
            tell!("note: {left_out} run(s) with fewer steps are left out");
        }
        let most = self
            .runs
            .map_or(splits.len(), |runs| runs.get().min(splits.len()));
        let taken = (0..most).map(|i| splits[i * splits.len() / most].clone());
        Ok((taken.collect(), system))
    }

    fn recordings(&self, files: &[PathBuf]) -> anyhow::Result<Vec<Recording>> {
        let recordings = files.iter().map(|file| self.columns.read_transitions(file));
        recordings.collect()
    }

    /// Returns the requested estimators; those with the policy follow those with recorded actions.
    fn specs(&self, acts: bool, widths: Widths) -> anyhow::Result<Vec<EstimatorSpec>> {
        let mut specs = Vec::new();
        let mut add = |name: &str, of: Kind| {
            let of_rule = matches!(of, Kind::Baseline(_));
            for acts in [false, true]
                .into_iter()
                .take(1 + usize::from(acts && !of_rule))
            {
                let name = if acts {
                    format!("{name}, policy")
                } else {
                    name.to_owned()
                };
                let of = of.clone();
                specs.push(EstimatorSpec { name, of, acts });
            }
        };
        let trained = self.trained(widths)?;
        for estimator in &self.estimators {
            match estimator {
                Estimator::Mixture => add("mixture", Kind::Mixture),
                Estimator::Builtin => add("builtin", Kind::Language(self.model.method())),
                Estimator::Vicl => add("vicl", Kind::Language(Method::Vicl)),
                Estimator::DiclS => add("dicl-s", Kind::Language(Method::DiclS)),
                Estimator::DiclSa => add("dicl-sa", Kind::Language(Method::DiclSa)),
                Estimator::Linear | Estimator::Mlp => {
                    let networks = *estimator == Estimator::Mlp;
                    let name = if networks { "mlp" } else { "linear" };
                    add(name, Kind::Fitted { networks });
                    if let Some(steps) = &trained {
                        let model = fitted(steps, networks, self.seed);
                        add(&format!("{name} of --train"), Kind::Trained(model));
                    }
                }
                Estimator::Baselines => RewardBaseline::ALL
                    .into_iter()
                    .for_each(|rule| add(rule.name(), Kind::Baseline(rule))),
            }
        }
        Ok(specs)
    }

    fn trained(&self, widths: Widths) -> anyhow::Result<Option<Steps>> {
        if self.train.is_empty() {
            return Ok(None);
        }
        let recordings = self.recordings(&self.train)?;
        let logged = logged(&recordings, &self.train, &Rules::default())?;
        ensure!(
            (logged.states(), logged.actions()) == (widths.observations, widths.actions),
            "--train: has {} states and {} actions, the other recordings {} and {}",
            logged.states(),
            logged.actions(),
            widths.observations,
            widths.actions
        );
        Ok(Some(logged.steps(|_| true)?))
    }
}

fn fitted(steps: &Steps, networks: bool, seed: u64) -> Arc<dyn Dynamics> {
    match networks {
        true => {
            let settings = EnsembleSettings {
                fit: FitSettings::for_rows(steps.run.len()),
                seed,
                ..EnsembleSettings::default()
            };
            Arc::new(Ensemble::fit(steps, settings, &|_| ()))
        }
        false => Arc::new(Ridge::fit(steps, 1, seed)),
    }
}

fn logged(recordings: &[Recording], files: &[PathBuf], rules: &Rules) -> anyhow::Result<Logged> {
    Logged::new(recordings, rules).with_context(|| {
        let files = files.iter().map(|file| file.display().to_string());
        files.collect::<Vec<_>>().join(", ")
    })
}

/// Settings and models that the forecasters share.
struct Study<'a> {
    arguments: &'a Arguments,
    forecasters: Forecasters,
    settings: Settings,
    rules: Rules,
}

impl<'a> Study<'a> {
    fn new(
        arguments: &'a Arguments,
        task: Option<&Task>,
        widths: Widths,
        system: System,
    ) -> anyhow::Result<Self> {
        let language = ForecasterName::Language(arguments.model.source().clone());
        let forecasters = experts::load(
            &[language],
            &arguments.model,
            Work {
                channels: widths.observations + widths.actions + 1,
                rows: arguments.context.get(),
                paths: arguments.paths.get(),
                horizon: arguments.horizon.get() + 1,
            },
        )?;
        let forecasters = experts::with_system(forecasters, system)?;
        // Recorded runs cover the horizon: no termination is needed.
        let rules = Rules {
            reward: task.and_then(|task| task.reward),
            terminated: None,
        };
        Ok(Self {
            arguments,
            forecasters,
            settings: arguments.model.settings(arguments.model.method())?,
            rules,
        })
    }

    /// Returns forecasts of a run's remaining rewards, `[paths, horizon]`.
    fn rewards(
        &self,
        estimator: &EstimatorSpec,
        split: &PrefixSplit,
        policy: Option<&mut (dyn Policy + 'static)>,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Array2<f64>> {
        let spec = RolloutSpec {
            rules: self.rules,
            ..split.spec(self.arguments.paths.get(), self.arguments.seed)?
        };
        let actor = match policy {
            Some(policy) if estimator.acts => ActionSource::Policy(policy),
            _ => ActionSource::Recorded(split.actions.view()),
        };
        let of_model =
            |model: &dyn Dynamics, actor| learned(&[model], &split.context, actor, &spec, progress);
        let imagined = match &estimator.of {
            Kind::Baseline(rule) => {
                let seen = split.context.runs[0].rewards.view();
                return Ok(rule.rewards(seen, spec.horizon).insert_axis(Axis(0)));
            }
            Kind::Trained(model) => of_model(&**model, actor)?,
            Kind::Fitted { networks } => {
                let steps = split.context.steps(|_| true)?;
                of_model(&*fitted(&steps, *networks, self.arguments.seed), actor)?
            }
            Kind::Language(_) | Kind::Mixture => {
                let contexts = self.contexts(&estimator.of, split)?;
                in_context(&contexts, &split.context, actor, &spec, progress)?
            }
        };
        let (paths, horizon) = (imagined.rewards.len(), spec.horizon);
        let earned = |(path, step): (usize, usize)| imagined.rewards[path].get(step).copied();
        Ok(Array2::from_shape_fn((paths, horizon), |at| {
            earned(at).unwrap_or(0.0)
        }))
    }

    fn contexts(&self, kind: &Kind, split: &PrefixSplit) -> anyhow::Result<Contexts> {
        let method = match kind {
            Kind::Language(method) => *method,
            _ => self.settings.method,
        };
        let settings = Settings {
            method,
            ..self.settings
        };
        let predictor = match kind {
            Kind::Mixture => {
                let model = Arc::new(Recalibrated::new(self.forecasters.only(settings)?));
                let names = ["ar", "linear", "knn", "mlp"].into_iter();
                let learned = names.filter_map(baselines::named).collect();
                self.forecasters
                    .mixed_for_policies(settings, model, learned)?
            }
            _ => self.forecasters.alone(settings)?,
        };
        let segment = ContextSegment {
            run: 0,
            rows: split.context.runs[0].steps(),
        };
        let forecaster = Forecaster::of(predictor, settings);
        let with_reward = self.rules.reward.is_none();
        Ok(Contexts::read(
            &[forecaster],
            &split.context,
            &[vec![segment]],
            with_reward,
            &|_| (),
        )?)
    }
}
