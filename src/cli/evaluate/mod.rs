//! `statecast evaluate`: values of policies from recorded trajectories.

mod text;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::TypedValueParser;
use serde::Serialize;

use super::choices::{choice, estimators};
use super::endings::written_as;
use super::experts::{finish, load, with_system};
use super::input::Columns;
use super::model_arguments::ModelArguments;
use super::outputs::Ending;
use super::residual::ResidualArguments;
use super::rules::RuleArguments;
use crate::cli::terminal::Terminal;
use crate::environment::{
    EnvironmentSource, FailureExpression, RewardExpression, Task, TerminationExpression,
};
use crate::evaluation::{
    Estimator, EvaluationSettings, EvaluationStudy, EvaluationStudyError, NamedPolicy,
    PolicyEstimate, RankingMetrics, RecordedPolicy, ReturnStatistics, RolloutModel, Selection,
    Termination, Value, check_names, read_truth,
};
use crate::forecasters::{ForecasterName, System};
use crate::output::{Manifest, TableFormat};
use crate::policy::{self, Policy, PolicySource, Widths};
use crate::recording::Recording;
use crate::report::{self, About};

/// Names and descriptions of the estimators.
const ESTIMATORS: [(&str, &str); 14] = [
    (
        "combined",
        "The other estimators of this list and the policy's own recorded returns, weighted by precision",
    ),
    (
        "mixture",
        "Rollouts in a mixture of the recalibrated language model and both learned models",
    ),
    ("builtin", "Rollouts in the language model, by --method"),
    (
        "vicl",
        "Rollouts in the language model, each variable separately",
    ),
    (
        "dicl-s",
        "Rollouts in the language model on principal components of the states",
    ),
    (
        "dicl-sa",
        "Rollouts in the language model on principal components of states and actions",
    ),
    ("linear", "Rollouts in a linear model"),
    ("mlp", "Rollouts in an ensemble of neural networks"),
    (
        "corrected",
        "Rollouts in the networks, with their errors at the steps of the nearest recording",
    ),
    ("fqe", "Fitted Q evaluation"),
    ("is", "Weighted per-decision importance sampling"),
    (
        "dr",
        "Doubly robust: the values of fqe corrected by importance sampling",
    ),
    (
        "on-policy",
        "The policy's own recorded returns, with the ensemble as control variate",
    ),
    ("behaviour", "Mean return of the recordings"),
];

/// Evaluate control policies from recorded trajectories, without running them
///
/// Each policy is rolled out in models that are fitted to the recordings alone: the language model
/// with the recordings as its context, alone and mixed with learned models, and the learned models
/// themselves. Model-free estimators stand beside them, and all are combined by their precisions.
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
    statecast evaluate logged.csv --policy pi.json --reward-expr '-(theta^2)' --terminated-expr 'abs(theta) > 0.2'\n  \
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
    /// Environment with known reward and termination: pendulum, cart-pole, half-cheetah, …, or command:PROGRAM
    /// [default: rewards are predicted, and episodes terminate where recorded ones did]
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentSource>,
    #[command(flatten)]
    rules: RuleArguments,
    /// States that are failures, as an expression of the columns, such as 'abs(x) > 2': the probability that an episode
    /// reaches one is estimated
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    failure_expr: Option<FailureExpression>,
    /// Termination of imagined episodes before the horizon [default: the task's rule, or as
    /// recorded]
    #[arg(long, value_parser = termination())]
    termination: Option<Termination>,
    /// Steps of an episode [default: the task's time limit, or the longest recorded episode]
    #[arg(long)]
    horizon: Option<NonZeroUsize>,
    /// Discount factor per step [default: 0.99, or that of --protocol]
    #[arg(long)]
    discount: Option<f64>,
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
        value_parser = estimators::<Estimator>(&ESTIMATORS),
        value_delimiter = ',',
        default_value = "combined,builtin,mixture,linear,mlp,corrected,fqe,is,dr,on-policy,behaviour"
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
    /// Name of one of the policies: say which others are better, by the differences of their values
    #[arg(long, value_name = "NAME")]
    incumbent: Option<String>,
    /// Largest expected share of wrong ones among the policies reported as better
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 0.1,
        requires = "incumbent"
    )]
    false_discovery_rate: f64,
    /// Compare with true values as a benchmark does
    #[arg(long, value_parser = protocol())]
    protocol: Option<Protocol>,
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

/// How a benchmark compares estimates with true values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Dope,
}

fn protocol() -> impl TypedValueParser<Value = Protocol> {
    choice([(
        "dope",
        "Deep OPE (Fu et al., ICLR 2021): discount 0.995; absolute error of normalised returns, rank correlation, \
         regret@1 and regret@5",
        Protocol::Dope,
    )])
}

fn termination() -> impl TypedValueParser<Value = Termination> {
    choice([
        (
            "recorded",
            "Where the nearest recorded steps terminated",
            Termination::Recorded,
        ),
        ("never", "No termination", Termination::Never),
        (
            "task",
            "By the rule of --env or --terminated-expr",
            Termination::Task,
        ),
    ])
}

#[derive(Serialize)]
struct Run<'a> {
    inputs: Vec<String>,
    policies: Vec<(String, String)>,
    task: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<&'a RewardExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminated: Option<&'a TerminationExpression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a FailureExpression>,
    horizon: usize,
    discount: f64,
    paths: usize,
    context: usize,
    contexts: usize,
    seed: u64,
    estimates: &'a [PolicyEstimate],
    truth: &'a [Option<Value>],
    true_returns: &'a [Option<ReturnStatistics>],
    recorded: &'a [RecordedPolicy],
    /// Name of the estimator with the smallest error for the recorded policies, if it is reliable.
    recommended: Option<&'static str>,
    rankings: &'a [(&'static str, RankingMetrics)],
    selection: Option<&'a Selection>,
    seconds: f64,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let settings = arguments.settings()?;
    arguments.check(&settings)?;
    let terminal = Terminal::default();
    let env = arguments.env.as_ref();
    let env = env.map(|env| arguments.rules.of(env));
    let task = env.as_ref().map(EnvironmentSource::task).transpose()?;
    let task = task.as_ref();
    let (study, system) = arguments.study(task, settings, &terminal)?;
    let sources = arguments.sources()?;
    let mut policies = arguments.policies(&sources, study.widths(), task)?;
    arguments.set_truth(env.as_ref(), &study, &mut policies)?;
    let (work, horizon) = (study.work(), study.horizon());
    let language = ForecasterName::Language(arguments.model.source().clone());
    let forecasters = with_system(load(&[language], &arguments.model, work)?, system)?;
    let values = study.run(&mut policies, &forecasters, &terminal)?;
    drop(terminal);
    finish(&forecasters)?;
    let rankings = values.rankings();
    let selection = arguments.incumbent(&values.policies)?;
    let rate = arguments.false_discovery_rate;
    let selection = selection.map(|incumbent| values.better_than(incumbent, rate));
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.report {
        ending.report(path, || {
            report::values(&arguments.about(task, horizon), &values, selection.as_ref())
        });
    }
    if let Some(output) = &arguments.output {
        let files = arguments
            .files
            .iter()
            .map(|file| file.display().to_string());
        let policies = sources
            .iter()
            .map(|(name, of)| (name.clone(), of.to_string()));
        let run = Run {
            inputs: files.collect(),
            policies: policies.collect(),
            task: task.map(|task| task.name),
            reward: arguments.rules.reward_expr.as_ref(),
            terminated: arguments.rules.terminated_expr.as_ref(),
            failure: arguments.failure_expr.as_ref(),
            horizon,
            discount: arguments.discount(),
            paths: arguments.paths.get(),
            context: arguments.context,
            contexts: arguments.contexts.get(),
            seed: arguments.seed,
            estimates: &values.estimates,
            truth: &values.truth,
            true_returns: &values.true_returns,
            recorded: &values.recorded,
            recommended: values.recommended().map(Estimator::name),
            rankings: &rankings,
            selection: selection.as_ref(),
            seconds: started.elapsed().as_secs_f64(),
        };
        ending.table(output, &values.table(), &Manifest::new("evaluate", &run));
    }
    let mut text = text::of(&values);
    if let Some(selection) = &selection {
        text += &text::selected(selection);
    }
    text += &text::compared(&rankings, arguments.protocol == Some(Protocol::Dope));
    ending.show(&text)
}

impl Arguments {
    fn discount(&self) -> f64 {
        let of_protocol = self.protocol.map(|Protocol::Dope| 0.995);
        self.discount.or(of_protocol).unwrap_or(0.99)
    }

    /// Returns the index of the incumbent among the policies.
    fn incumbent(&self, policies: &[String]) -> anyhow::Result<Option<usize>> {
        let Some(name) = &self.incumbent else {
            return Ok(None);
        };
        let found = policies.iter().position(|policy| policy == name);
        let found = found.with_context(|| {
            format!(
                "--incumbent {name}: is none of the policies ({})",
                policies.join(", ")
            )
        })?;
        Ok(Some(found))
    }

    fn settings(&self) -> anyhow::Result<EvaluationSettings> {
        let mut settings = EvaluationSettings::new(self.estimators.clone());
        settings.failure.clone_from(&self.failure_expr);
        settings.termination = self.termination;
        // A task has them already.
        if self.env.is_none() {
            settings.reward.clone_from(&self.rules.reward_expr);
            settings.terminated.clone_from(&self.rules.terminated_expr);
        }
        settings.horizon = self.horizon.map(NonZeroUsize::get);
        settings.discount = self.discount();
        settings.paths = self.paths.get();
        settings.context = self.context;
        settings.contexts = self.contexts.get();
        settings.seed = self.seed;
        settings.forecast = self.model.settings(self.model.method())?;
        Ok(settings)
    }

    /// Checks what can be checked before anything is read.
    fn check(&self, settings: &EvaluationSettings) -> anyhow::Result<()> {
        if let Some(output) = &self.output {
            TableFormat::of(output)?;
        }
        written_as(self.report.as_ref(), &["html"])?;
        settings.check()?;
        let rate = self.false_discovery_rate;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "--false-discovery-rate {rate}: must be above 0 and below 1"
        );
        let names = self.sources()?.into_iter().map(|(name, _)| name);
        let names: Vec<String> = names.collect();
        self.incumbent(&names)?;
        ensure!(
            self.incumbent.is_none() || names.len() > 1,
            "--incumbent: give the policies to compare it with"
        );
        ensure!(
            self.protocol.is_none() || self.truth.is_some() || self.simulate.is_some(),
            "--protocol compares with true values: give them with --truth or --simulate"
        );
        let (policies, recordings) = (self.behaviours.len(), self.files.len());
        if policies > 0 && policies != recordings {
            return Err(EvaluationStudyError::Behaviours {
                policies,
                recordings,
            }
            .into());
        }
        self.residual.check(self.model.method())?;
        let reads = [RolloutModel::Builtin, RolloutModel::Mixture].map(Estimator::Rollouts);
        ensure!(
            reads.iter().any(|e| self.estimators.contains(e)) || !self.residual.are_given(),
            "--simulator and --period need the estimator 'builtin' or 'mixture'"
        );
        Ok(())
    }

    /// Reads the recordings and their behaviour policies, and starts the simulator of the system, if there is one.
    fn study(
        &self,
        task: Option<&Task>,
        settings: EvaluationSettings,
        terminal: &Terminal,
    ) -> anyhow::Result<(EvaluationStudy, System)> {
        let read = |file: &PathBuf| -> anyhow::Result<(String, Recording)> {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            Ok((
                name.into_owned(),
                self.columns.read_selected_transitions(file)?,
            ))
        };
        let recordings = self.files.iter().map(read);
        let recordings = recordings.collect::<anyhow::Result<Vec<_>>>()?;
        let first = recordings.first().map(|(_, first)| first.clone());
        let files = || {
            let files = self.files.iter().map(|file| file.display().to_string());
            files.collect::<Vec<_>>().join(", ")
        };
        let study = EvaluationStudy::new(recordings, task, settings, terminal);
        let mut study = study.map_err(|error| match error {
            EvaluationStudyError::Evaluation(error) => anyhow::Error::from(error).context(files()),
            other => other.into(),
        })?;
        if !self.behaviours.is_empty() {
            let read = |source: &PolicySource| {
                read_policy(source, study.widths(), task)
                    .with_context(|| format!("--behaviour {source}"))
            };
            let behaviours = self.behaviours.iter().map(read);
            let behaviours = behaviours.collect::<anyhow::Result<_>>()?;
            study = study.with_behaviours(behaviours)?;
        }
        let with_reward = study.predicts_rewards();
        let system = self
            .residual
            .start_on(first.as_ref(), with_reward, self.context)?;
        Ok((study, system))
    }

    /// Returns the names and sources of the policies.
    fn sources(&self) -> anyhow::Result<Vec<(String, PolicySource)>> {
        let sources = self.policies.iter().map(|text| named(text));
        let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
        check_names(sources.iter().map(|(name, _)| name.as_str()))?;
        Ok(sources)
    }

    fn policies(
        &self,
        sources: &[(String, PolicySource)],
        widths: Widths,
        task: Option<&Task>,
    ) -> anyhow::Result<Vec<NamedPolicy>> {
        let read = |((name, source), text): (&(String, PolicySource), &String)| {
            let policy =
                read_policy(source, widths, task).with_context(|| format!("--policy {text}"))?;
            let mut named = NamedPolicy::new(name.clone(), policy);
            named.stateful = matches!(source, PolicySource::Program(_));
            named.recorded_in = self.behaviours.iter().position(|b| b == source);
            Ok(named)
        };
        sources.iter().zip(&self.policies).map(read).collect()
    }

    /// Sets the true values that the policies are compared with: simulated ones, or those of a file.
    fn set_truth(
        &self,
        env: Option<&EnvironmentSource>,
        study: &EvaluationStudy,
        policies: &mut [NamedPolicy],
    ) -> anyhow::Result<()> {
        if let Some(episodes) = self.simulate {
            let env = env.ok_or(EvaluationStudyError::NoSimulator)?;
            return Ok(study.simulate(&mut *env.make()?, policies, episodes.get())?);
        }
        let Some(file) = &self.truth else {
            return Ok(());
        };
        let known = read_truth(file)?;
        for named in policies.iter_mut() {
            let value = known.iter().find(|(name, _)| *name == named.name);
            named.truth = value.map(|&(_, value)| Value::new(value, 0.0, 1.0));
        }
        ensure!(
            policies.iter().any(|named| named.truth.is_some()),
            "{}: has none of the policies",
            file.display()
        );
        Ok(())
    }

    fn about(&self, task: Option<&Task>, horizon: usize) -> About {
        let settings = [
            ("task", task.map_or("unknown", |t| t.name).to_owned()),
            ("horizon", horizon.to_string()),
            ("discount", self.discount().to_string()),
            ("paths", self.paths.to_string()),
        ];
        About {
            title: "Policy values".to_owned(),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }
    }
}

fn read_policy(
    source: &PolicySource,
    widths: Widths,
    task: Option<&Task>,
) -> Result<Box<dyn Policy>, policy::PolicyError> {
    policy::read(source, widths, task.map(|task| task.action_space))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_help_is_an_estimator() {
        for (name, _) in ESTIMATORS {
            let found: Estimator = name.parse().unwrap();
            assert_eq!(found.name(), name);
        }
    }
}
