//! `statecast replay`: forecasts of recorded runs' remaining rewards.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::cli::choices::estimators;
use crate::cli::experts::{finish, load, with_system};
use crate::cli::input::Columns;
use crate::cli::model_arguments::ModelArguments;
use crate::cli::outputs::Ending;
use crate::cli::residual::ResidualArguments;
use crate::cli::terminal::Terminal;
use crate::cli::windowed::aligned_rows;
use crate::environment::{EnvironmentSource, RewardExpression, Task};
use crate::evaluation::{
    EvaluationError, EvaluationStudyError, ReplayOutcome, ReplaySettings, ReplayStudy,
    RewardEstimator, RewardForecastScores, RolloutModel,
};
use crate::forecasters::{ForecasterName, System};
use crate::output::{Manifest, TableFormat, estimate, number};
use crate::policy::{self, PolicySource};
use crate::recording::Recording;

/// Names and descriptions of the estimators.
const ESTIMATORS: [(&str, &str); 8] = [
    (
        "mixture",
        "The recalibrated language model, mixed with in-context ar, linear, knn and mlp",
    ),
    ("builtin", "The language model, by --method"),
    ("vicl", "The language model, each variable separately"),
    (
        "dicl-s",
        "The language model on principal components of the states",
    ),
    (
        "dicl-sa",
        "The language model on principal components of states and actions",
    ),
    ("linear", "A linear model fitted to the context"),
    (
        "mlp",
        "An ensemble of neural networks fitted to the context",
    ),
    (
        "baselines|rules",
        "Zero, means, an autoregression and the last period of the rewards",
    ),
];

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
        value_parser = estimators::<RewardEstimator>(&ESTIMATORS),
        value_delimiter = ',',
        default_value = "mixture,vicl,dicl-s,dicl-sa,linear,mlp,baselines"
    )]
    estimators: Vec<RewardEstimator>,
    /// Environment whose reward is known [default: the reward is predicted]
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentSource>,
    /// Reward of a step in place of the recorded or the environment's one: an expression of the columns, such as
    /// '-(theta^2 + 0.001*u^2)'; next_NAME is the observation after the step
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    reward_expr: Option<RewardExpression>,
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

#[derive(Serialize)]
struct Run<'a> {
    inputs: Vec<String>,
    context: usize,
    horizon: usize,
    paths: usize,
    runs: usize,
    seed: u64,
    steps: &'a [usize],
    /// Names, scores and seconds.
    estimators: Vec<(&'a str, &'a RewardForecastScores, f64)>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings()?;
    arguments.check(&settings)?;
    let terminal = Terminal::default();
    let task = arguments.env.as_ref().map(EnvironmentSource::task);
    let task = task.transpose()?;
    let task = task.as_ref();
    let (study, system) = arguments.study(task, settings, &terminal)?;
    let space = task.map(|t| t.action_space);
    let policy = arguments.policy.as_ref().map(|source| {
        policy::read(source, study.widths(), space).with_context(|| format!("--policy {source}"))
    });
    let mut policy = policy.transpose()?;
    let study = match arguments.train.is_empty() {
        true => study,
        false => {
            let read = |file: &PathBuf| arguments.columns.read_transitions(file);
            let others = arguments.train.iter().map(read);
            let others = others.collect::<anyhow::Result<Vec<_>>>()?;
            study
                .with_training(&others)
                .map_err(|error| of_files(error, &arguments.train))?
        }
    };
    let language = ForecasterName::Language(arguments.model.source().clone());
    let forecasters = load(&[language], &arguments.model, study.work())?;
    let forecasters = with_system(forecasters, system)?;
    let outcome = study.run(policy.as_deref_mut(), &forecasters, &terminal)?;
    drop(terminal);
    finish(&forecasters)?;
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(output) = &arguments.output {
        let run = arguments.manifest(&outcome);
        ending.table(output, &outcome.table(), &Manifest::new("replay", &run));
    }
    ending.show(&text(&outcome))
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<ReplaySettings> {
        let mut settings = ReplaySettings::new(self.estimators.clone());
        settings.reward.clone_from(&self.reward_expr);
        settings.context = self.context.get();
        settings.horizon = self.horizon.get();
        settings.steps = self.steps.iter().map(|step| step.get()).collect();
        settings.runs = self.runs.map(NonZeroUsize::get);
        settings.paths = self.paths.get();
        settings.seed = self.seed;
        settings.forecast = self.model.settings(self.model.method())?;
        Ok(settings)
    }

    /// Checks what can be checked before anything is read.
    fn check(&self, settings: &ReplaySettings) -> anyhow::Result<()> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        settings.check()?;
        self.residual.check(self.model.method())?;
        let reads = [RolloutModel::Mixture, RolloutModel::Builtin].map(RewardEstimator::Rollouts);
        ensure!(
            reads.iter().any(|e| self.estimators.contains(e)) || !self.residual.are_given(),
            "--simulator and --period need the estimator 'builtin' or 'mixture'"
        );
        Ok(())
    }

    /// Reads the recordings, and starts the simulator of the system, if there is one.
    fn study(
        &self,
        task: Option<&Task>,
        settings: ReplaySettings,
        terminal: &Terminal,
    ) -> anyhow::Result<(ReplayStudy, System)> {
        let read = |file: &PathBuf| self.columns.read_selected_transitions(file);
        let recordings = self.files.iter().map(read);
        let recordings = recordings.collect::<anyhow::Result<Vec<Recording>>>()?;
        let study = ReplayStudy::new(&recordings, task, settings, terminal);
        let study = study.map_err(|error| of_files(error, &self.files))?;
        let system = self.residual.start_on(
            recordings.first(),
            study.predicts_rewards(),
            self.context.get(),
        )?;
        Ok((study, system))
    }

    fn manifest<'a>(&self, outcome: &'a ReplayOutcome) -> Run<'a> {
        let files = self.files.iter().map(|file| file.display().to_string());
        let estimators = outcome.estimates.iter();
        Run {
            inputs: files.collect(),
            context: self.context.get(),
            horizon: self.horizon.get(),
            paths: self.paths.get(),
            runs: outcome.runs(),
            seed: self.seed,
            steps: &outcome.steps,
            estimators: estimators
                .map(|of| (of.name.as_str(), &of.scores, of.seconds))
                .collect(),
        }
    }
}

/// Names the files whose recordings are refused.
fn of_files(error: EvaluationStudyError, files: &[PathBuf]) -> anyhow::Error {
    match error {
        EvaluationStudyError::Evaluation(error)
            if !matches!(error, EvaluationError::TooShort(..)) =>
        {
            let files = files.iter().map(|file| file.display().to_string());
            anyhow::Error::from(error).context(files.collect::<Vec<_>>().join(", "))
        }
        other => other.into(),
    }
}

fn text(outcome: &ReplayOutcome) -> String {
    let runs = outcome.runs();
    let mut heads = vec!["forecast".to_owned()];
    heads.extend(outcome.steps.iter().map(|step| format!("after {step}")));
    heads.extend(["|error|", "bias", "in 90 %", "s per run"].map(str::to_owned));
    let mut rows = vec![heads];
    for of in &outcome.estimates {
        let score = &of.scores;
        let mut row = vec![of.name.clone()];
        row.extend(score.error.iter().map(|e| estimate(e, 1)));
        row.push(number(score.absolute_error.mean, 2));
        let sign = if score.bias.mean > 0.0 { "+" } else { "" };
        row.push(format!("{sign}{}", number(score.bias.mean, 2)));
        row.push(match score.covered {
            (_, 0) => "-".to_owned(),
            (held, known) => format!("{held} of {known}"),
        });
        row.push(format!("{:.1}", of.seconds / runs as f64));
        rows.push(row);
    }
    let mut text = aligned_rows(&rows);
    text += &format!(
        "\n{runs} run(s): error of the summed rewards in percent of the run's return, with 95 % intervals; mean \
         absolute error\nand bias of the whole sum, in steps times the rewards' standard deviation; sums within their \
         90 % interval.\n"
    );
    let notes = outcome.notes().into_iter();
    text.extend(notes.map(|note| format!("note: {note}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_help_is_an_estimator() {
        for name in ESTIMATORS.iter().flat_map(|(names, _)| names.split('|')) {
            assert!(name.parse::<RewardEstimator>().is_ok(), "{name}");
        }
    }
}
