//! `statecast control`: plans that are imagined at every step of a simulated task.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::experts::{NameList, names};
use super::input::Columns;
use super::outputs::Ending;
use super::rules::RuleArguments;
use super::terminal::Terminal;
use crate::codec::builtin_formats;
use crate::control::{
    ControlOutcome, ControlSettings, ControlStudy, Limit, Objective, PlannerSettings, SetPoint,
};
use crate::environment::EnvironmentSource;
use crate::evaluation::RecordingFormat;
use crate::forecast::Settings;
use crate::forecasters::{Combining, ForecasterName, Forecasters};
use crate::model::{Device, Model, Precision};
use crate::recording::Recording;

/// Control a simulated task by planning in a model that reads recordings, without training
///
/// At every step sequences of actions are imagined from the present state, all from one context, and searched by the
/// cross-entropy method. The first action of the best is taken, and the result is read. It refuses where the model's
/// paths do not hold what the recordings did.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast simulate pendulum --episodes 2 --out random.npz\n  \
    statecast control --env pendulum --context random.npz\n  \
    statecast control --env pendulum --context random.npz --goal obs_cos_theta=0 --goal obs_sin_theta=1\n  \
    statecast control --env pendulum --context random.npz --reward-expr 'cos_theta - 0.001*torque^2'\n  \
    statecast control --env 'command:python -m statecast.environment Pendulum-v1' --context random.npz\n  \
    statecast control --env mountain-car --context random.npz --horizon 100 --limit 'obs_velocity < 0.05 @ 0.9' --draws 10")]
pub(super) struct Arguments {
    /// Environment that is controlled: pendulum, mountain-car, cart-pole, cart-pole-swing-up, one of MuJoCo, or
    /// command:PROGRAM
    #[arg(long, value_name = "ENVIRONMENT")]
    env: EnvironmentSource,
    #[command(flatten)]
    rules: RuleArguments,
    /// Recordings of the task, in any format that forecast reads
    #[arg(long = "context", required = true, num_args = 1.., value_name = "FILES")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    /// A state's value that is wanted instead of the task's reward, NAME=VALUE; repeatable
    #[arg(long = "goal", value_name = "NAME=VALUE", conflicts_with_all = ["reward_expr", "terminated_expr"])]
    goals: Vec<SetPoint>,
    /// A bound that plans keep along all their steps, 'NAME < VALUE @ PROBABILITY' or with >; repeatable. Give enough
    /// --draws for the probability
    #[arg(long = "limit", value_name = "BOUND")]
    limits: Vec<Limit>,
    /// Predict rewards from the recorded ones instead of knowing the task's rule
    #[arg(long, conflicts_with_all = ["goals", "reward_expr"])]
    predict_rewards: bool,
    /// Steps of a plan
    #[arg(long, default_value_t = PlannerSettings::default().horizon)]
    horizon: NonZeroUsize,
    /// Plans that are imagined at once
    #[arg(long, default_value_t = PlannerSettings::default().candidates, value_name = "COUNT")]
    candidates: NonZeroUsize,
    /// Times that plans are drawn at a step, each time closer to the best
    #[arg(long, default_value_t = PlannerSettings::default().iterations, value_name = "COUNT")]
    iterations: NonZeroUsize,
    /// Paths that are drawn of every plan
    #[arg(long, default_value = "1", value_name = "COUNT")]
    draws: NonZeroUsize,
    /// Standard deviations over its draws that are taken off a plan's return
    #[arg(long, default_value_t = 0.0)]
    pessimism: f64,
    /// Discount factor per step
    #[arg(long, default_value_t = 0.99)]
    discount: f64,
    /// Add what the policy of the recordings is worth where a plan ends, by fitted Q evaluation
    #[arg(long)]
    terminal_value: bool,
    /// Share of recorded states that the model's 90 % intervals must hold
    #[arg(long, default_value_t = 0.8, value_name = "SHARE")]
    least_coverage: f64,
    /// Forecasters whose paths are pooled, as those of forecast
    #[arg(long, default_value = "linear,quadratic,fourier", value_name = "NAMES")]
    experts: Vec<NameList>,
    /// Episodes to control
    #[arg(long, default_value = "1", value_name = "COUNT")]
    episodes: NonZeroUsize,
    /// Most steps of an episode [default: the task's time limit]
    #[arg(long, value_name = "STEPS")]
    steps: Option<NonZeroUsize>,
    /// Seed of starts and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Recording of the controlled episodes to write: .npz, .csv or .parquet
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(output) = &arguments.output {
        RecordingFormat::of(output)?;
    }
    let mut environment = arguments.rules.of(&arguments.env).make()?;
    let mut settings = ControlSettings::new(arguments.objective());
    settings.planner = PlannerSettings {
        horizon: arguments.horizon,
        candidates: arguments.candidates,
        iterations: arguments.iterations,
    };
    settings.draws = arguments.draws.get();
    settings.pessimism = arguments.pessimism;
    settings.discount = arguments.discount;
    settings.limits.clone_from(&arguments.limits);
    settings.terminal_value = arguments.terminal_value;
    settings.least_coverage = arguments.least_coverage;
    settings.seed = arguments.seed;
    settings.check()?;
    let read = |file: &PathBuf| arguments.columns.read_selected_transitions(file);
    let recordings: Vec<Recording> = arguments
        .files
        .iter()
        .map(read)
        .collect::<anyhow::Result<_>>()?;
    let name = ForecasterName::mixture(names(&arguments.experts));
    let forecasters = forecasters(&name)?;
    let forecaster = forecasters.forecaster(&name, Settings::builtin(), Combining::default())?;
    let terminal = Terminal::default();
    let study = ControlStudy::new(
        &recordings,
        environment.task(),
        forecaster,
        settings,
        &terminal,
    )?;
    let steps = arguments.steps.map(NonZeroUsize::get);
    let outcome = study.run(
        &mut *environment,
        arguments.episodes.get(),
        steps,
        &terminal,
    )?;
    drop(terminal);
    let mut ending = Ending::new(None);
    if let Some(output) = &arguments.output {
        ending.write(|| Ok(outcome.episodes.write(output)?));
    }
    ending.show(&text(&outcome, environment.task().name))
}

impl Arguments {
    fn objective(&self) -> Objective {
        match (self.goals.as_slice(), self.predict_rewards) {
            ([], true) => Objective::Predicted,
            ([], false) => Objective::Reward,
            (goals, _) => Objective::Goal(goals.to_vec()),
        }
    }
}

/// The language models among the experts, if there are any.
fn forecasters(name: &ForecasterName) -> anyhow::Result<Forecasters> {
    let formats = builtin_formats()?;
    let load = |source| Model::load(source, &formats, Precision::Auto, Device::Cpu);
    let models = name.language_models().into_iter().map(load);
    let models = models.collect::<Result<Vec<_>, _>>()?;
    Ok(Forecasters::new(std::slice::from_ref(name), models)?)
}

fn text(outcome: &ControlOutcome, task: &str) -> String {
    let ControlOutcome { coverage, mean, .. } = outcome;
    let recorded = outcome
        .recorded
        .map(|mean| format!(", mean return {mean:.1}"));
    let mut text = format!(
        "read: {} steps{}; the model's 90 % intervals hold {:.0} % of recorded states along {} steps\n",
        outcome.recorded_steps,
        recorded.unwrap_or_default(),
        100.0 * coverage.held,
        coverage.steps
    );
    text += &match outcome.returns.as_slice() {
        [only] => format!("{task}: return {only:.1}"),
        all => format!(
            "{task}: {} episodes, mean return {:.1} [{:.1}, {:.1}], worst {:.1}",
            all.len(),
            mean.mean,
            mean.low,
            mean.high,
            all.iter().copied().fold(f64::INFINITY, f64::min)
        ),
    };
    text += &format!(
        " in {} steps of {:.0} ms\n",
        outcome.episodes.steps(),
        outcome.milliseconds
    );
    for (goal, off) in &outcome.goals {
        text += &format!("{}: ended {off:.3} from {}\n", goal.state, goal.value);
    }
    for (limit, kept) in &outcome.limits {
        text += &format!("{limit}: kept in {:.1} % of the steps\n", 100.0 * kept);
    }
    text
}
