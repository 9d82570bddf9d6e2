//! Episodes of a controlled system.

use std::sync::Arc;
use std::time::Instant;

use ndarray::{Array2, ArrayView1, Axis, concatenate};
use serde::Serialize;

use super::controller::{Knowledge, TerminalValue};
use super::objective::Rewards;
use super::{
    ActionRange, ControlError, ControlSettings, Controller, Coverage, Limit, Objective, Planner,
    SetPoint,
};
use crate::environment::{Environment, RewardRule, Task, TerminationRule};
use crate::evaluation::{
    EvaluationError, FittedQ, FittedSettings, Logged, RolloutSpec, Rules, SimulatedEpisodes,
    TerminationModel, time_limit,
};
use crate::forecast::Forecaster;
use crate::metrics::{Estimate, block_bootstrap, mean_and_std};
use crate::policy::Cloned;
use crate::recording::Recording;
use crate::study::Observer;

/// Value functions of a terminal value, and their training steps.
const FITTED: FittedSettings = FittedSettings {
    members: 2,
    width: 64,
    updates: 6_000,
    batch: 128,
    rate: 1e-3,
    tau: 0.05,
};

/// Control of a system that is known by recordings.
///
/// ```
/// use statecast::baselines::named;
/// use statecast::control::{ControlSettings, ControlStudy, Objective};
/// use statecast::environment;
/// use statecast::evaluation::{RecordingFormat, SimulatedEpisodes};
/// use statecast::forecast::{Forecaster, Settings};
/// use statecast::policy::Uniform;
/// use statecast::recording::{MissingPolicy, RoleSelection, read};
///
/// // Two episodes of random torques.
/// let mut pendulum = environment::named("pendulum")?;
/// let mut random = Uniform::new(pendulum.task().action_space, 3);
/// let recorded = SimulatedEpisodes::record(&mut *pendulum, &mut random, 2, None, 0)?;
/// let file = std::env::temp_dir().join(format!("statecast-control-{}.npz", std::process::id()));
/// recorded.write(&file)?;
/// let selection = RoleSelection { transitions: true, ..RoleSelection::default() };
/// let (recording, _) = read(&file, &selection, MissingPolicy::Error)?;
///
/// let mut settings = ControlSettings::new(Objective::Reward);
/// settings.planner.horizon = 5.try_into()?;
/// let forecaster = Forecaster::of(named("fourier").unwrap(), Settings::builtin());
/// let study = ControlStudy::new(&[recording], pendulum.task(), forecaster, settings, &())?;
/// let outcome = study.run(&mut *pendulum, 1, Some(3), &())?;
/// assert_eq!(outcome.episodes.steps(), 3);
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ControlStudy {
    knowledge: Knowledge,
    forecaster: Forecaster,
    logged: Logged,
    task: Task,
    coverage: Coverage,
}

/// Controlled episodes.
#[derive(Debug, Clone, Serialize)]
pub struct ControlOutcome {
    /// How often the model's paths held what was recorded.
    pub coverage: Coverage,
    /// The episodes.
    #[serde(skip)]
    pub episodes: SimulatedEpisodes,
    /// Return of every episode.
    pub returns: Vec<f64>,
    /// Their mean, with a 95 % interval over episodes.
    pub mean: Estimate,
    /// Mean return of the recorded runs, where reward is wanted.
    pub recorded: Option<f64>,
    /// Goals, each with the mean distance from it in which episodes ended, in the state's unit.
    pub goals: Vec<(SetPoint, f64)>,
    /// Limits, each with the share of steps that kept it.
    pub limits: Vec<(Limit, f64)>,
    /// Recorded steps that were read before.
    pub recorded_steps: usize,
    /// Mean milliseconds that a step took.
    pub milliseconds: f64,
    /// Values along imagined paths that were moved to the end of an axis.
    pub clipped: usize,
}

impl ControlStudy {
    /// Reads recordings of a task and asks whether the model's paths hold them.
    ///
    /// # Errors
    /// [`ControlError`] if a setting is wrong, the recordings are of another system, or the paths hold too little.
    pub fn new(
        recordings: &[Recording],
        task: &Task,
        forecaster: Forecaster,
        settings: ControlSettings,
        observer: &dyn Observer,
    ) -> Result<Self, ControlError> {
        settings.check()?;
        let first = recordings.first().ok_or(EvaluationError::NoRuns(0))?;
        let (names, actions) = (first.state_names().to_vec(), first.action_names().to_vec());
        check_task(task, &names, &actions, observer)?;
        let rules = rules(&settings.objective, task);
        let logged = Logged::new(recordings, &rules)?;
        check_actions(&logged, &actions)?;
        let mut logged = match (&settings.objective, time_limit(&logged)) {
            // A goal knows no ends.
            (Objective::Goal(_), _) => logged.without_terminations(),
            (_, Some(limit)) => {
                observer.note(&format!(
                    "{} of {} episodes are done after {} steps: they count as truncated by a time limit",
                    limit.runs.len(),
                    logged.runs.len(),
                    limit.steps
                ));
                logged.truncated_at(&limit)
            }
            _ => logged,
        };
        let typical = typical(&logged);
        let units: Vec<f64> = typical.iter().map(|(_, unit)| *unit).collect();
        let rewards = rewards_of(&settings.objective, &rules, &logged, &names, &units)?;
        if let Rewards::Goal(_) = rewards {
            with_rewards(&mut logged, &rewards);
        }
        let limits = settings.limits.iter().map(|limit| {
            let c = state("limit", &limit.state, &names)?;
            Ok((c, units[c], limit.clone()))
        });
        let limits = limits.collect::<Result<Vec<_>, ControlError>>()?;
        let all = logged.runs.iter().flat_map(|run| &run.rewards);
        let mut knowledge = Knowledge {
            termination: match (&settings.objective, &rules.terminated) {
                (Objective::Goal(_), _) | (_, Some(_)) => None,
                (_, None) => TerminationModel::of(&logged),
            },
            terminated: rules.terminated.clone(),
            rewards,
            limits,
            typical,
            mean_reward: all.clone().sum::<f64>() / all.count().max(1) as f64,
            terminal: None,
            state_names: names,
            action_names: actions,
            settings,
        };
        observer.begin("paths along recorded actions");
        let settings = &knowledge.settings;
        let with_reward = knowledge.predicts_rewards();
        let horizon = settings.planner.horizon.get();
        let coverage = Coverage::of(&forecaster, &logged, with_reward, horizon, settings.seed)?;
        if coverage.held < settings.least_coverage {
            return Err(ControlError::NotTrusted {
                held: coverage.held,
                least: settings.least_coverage,
                steps: coverage.steps,
            });
        }
        if settings.terminal_value {
            observer.begin("value of the recorded policy");
            let mut valued = logged.clone();
            // In the unit of what plans earn, whatever was recorded.
            if !with_reward {
                with_rewards(&mut valued, &knowledge.rewards);
            }
            let progress = |share| observer.progress(share);
            knowledge.terminal = Some(terminal_value(&valued, &rules, settings, &progress)?);
        }
        Ok(Self {
            knowledge,
            forecaster,
            logged,
            task: task.clone(),
            coverage,
        })
    }

    /// How often the model's paths held what was recorded.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// A controller that has read the recordings.
    ///
    /// # Errors
    /// [`ControlError::Evaluation`] if they cannot be read.
    pub fn controller(&self) -> Result<Controller, ControlError> {
        let range = ActionRange::of(self.task.action_space);
        let planner = Planner::new(range, self.knowledge.settings.planner);
        let knowledge = self.knowledge.clone();
        let forecaster = self.forecaster.clone();
        Ok(Controller::new(
            knowledge,
            forecaster,
            &self.logged,
            planner,
        )?)
    }

    /// Controls an environment for some episodes, of at most `steps` steps or as many as the task allows.
    ///
    /// # Errors
    /// [`ControlError::OtherTask`] for an environment of another task, [`ControlError::Evaluation`] if the model cannot go on
    /// or the environment refuses an action.
    pub fn run(
        &self,
        environment: &mut dyn Environment,
        episodes: usize,
        steps: Option<usize>,
        observer: &dyn Observer,
    ) -> Result<ControlOutcome, ControlError> {
        if environment.task().name != self.task.name {
            return Err(other_task(environment.task(), widths(&self.task)));
        }
        observer.begin("control");
        let mut controller = self.controller()?;
        let started = Instant::now();
        let limit = steps.unwrap_or(environment.task().time_limit);
        let all = (episodes * limit).max(1) as f64;
        let episodes = SimulatedEpisodes::of_agent(
            environment,
            &mut controller,
            (episodes, steps),
            self.knowledge.settings.seed,
            &|done| observer.progress(done as f64 / all),
        )?;
        let seconds = started.elapsed().as_secs_f64();
        let runs = &self.logged.runs;
        let recorded: f64 = runs.iter().map(|run| run.rewards.sum()).sum();
        let ends = episodes.last_observations();
        let goals = match (&self.knowledge.settings.objective, &self.knowledge.rewards) {
            (Objective::Goal(points), Rewards::Goal(states)) => {
                let off = |&(c, value, _): &(usize, f64, f64)| {
                    let off = ends.column(c).mapv(|x| (x - value).abs());
                    off.mean().unwrap_or(f64::NAN)
                };
                points.iter().cloned().zip(states.iter().map(off)).collect()
            }
            _ => Vec::new(),
        };
        let after = episodes.observations_after();
        let limits = self.knowledge.limits.iter().map(|(c, _, limit)| {
            let kept = after
                .column(*c)
                .iter()
                .filter(|x| limit.is_kept(**x))
                .count();
            (limit.clone(), kept as f64 / after.nrows().max(1) as f64)
        });
        Ok(ControlOutcome {
            coverage: self.coverage,
            returns: episodes.returns.clone(),
            mean: block_bootstrap(&episodes.returns, 1, self.knowledge.settings.seed),
            recorded: goals.is_empty().then_some(recorded / runs.len() as f64),
            goals,
            limits: limits.collect(),
            recorded_steps: runs.iter().map(|run| run.steps()).sum(),
            milliseconds: 1000.0 * seconds / episodes.steps().max(1) as f64,
            clipped: controller.clipped(),
            episodes,
        })
    }
}

fn state(setting: &'static str, name: &str, names: &[String]) -> Result<usize, ControlError> {
    let found = names.iter().position(|known| known == name);
    found.ok_or_else(|| ControlError::UnknownState {
        setting,
        name: name.to_owned(),
        states: names.to_vec(),
    })
}

fn widths(task: &Task) -> (usize, usize) {
    (task.observation.len(), task.action_space.width())
}

fn other_task(task: &Task, found: (usize, usize)) -> ControlError {
    ControlError::OtherTask {
        task: task.name,
        expected: widths(task),
        found,
    }
}

/// Whether recorded states and actions are those of a task, in its order.
fn check_task(
    task: &Task,
    states: &[String],
    actions: &[String],
    observer: &dyn Observer,
) -> Result<(), ControlError> {
    let found = (states.len(), actions.len());
    if found != widths(task) {
        return Err(other_task(task, found));
    }
    let expected: Vec<&str> = task.observation.iter().map(|of| of.name).collect();
    let bare = |name: &String| name.strip_prefix("obs_").unwrap_or(name).to_owned();
    let bare: Vec<String> = states.iter().map(bare).collect();
    if bare == expected {
        return Ok(());
    }
    if task.is_in_other_order(states) {
        return Err(ControlError::OtherOrder {
            task: task.name,
            expected,
            found: states.to_vec(),
        });
    }
    observer.note(&format!(
        "states are taken as the task's observations, in this order: {}",
        expected.join(", ")
    ));
    Ok(())
}

/// Nothing can be learned of an action that was always the same.
fn check_actions(logged: &Logged, names: &[String]) -> Result<(), ControlError> {
    let actions: Vec<_> = logged.runs.iter().map(|run| run.actions.view()).collect();
    let actions = concatenate(Axis(0), &actions).expect("actions of one system");
    for (column, name) in actions.columns().into_iter().zip(names) {
        if column.iter().all(|a| *a == column[0]) {
            return Err(ControlError::ConstantAction(name.clone()));
        }
    }
    Ok(())
}

/// Rewards and ends that are known.
fn rules(objective: &Objective, task: &Task) -> Rules {
    match objective {
        Objective::Reward => Rules::of(task),
        Objective::Predicted => {
            let asked = task.terminated.clone();
            Rules {
                reward: None,
                terminated: asked.filter(TerminationRule::replaces_recorded),
            }
        }
        // Rewards are those of the goal.
        Objective::Goal(_) => Rules {
            reward: Some(RewardRule::of_task(|_, _, _| 0.0)),
            terminated: None,
        },
    }
}

/// Mean and standard deviation of every recorded state; 1 of constant ones.
fn typical(logged: &Logged) -> Vec<(f64, f64)> {
    let states: Vec<_> = logged.runs.iter().map(|run| run.states.view()).collect();
    let states = concatenate(Axis(0), &states).expect("states of one system");
    let of = |column: ArrayView1<f64>| {
        let (mean, std) = mean_and_std(&column.to_vec());
        (mean, if std > 0.0 { std } else { 1.0 })
    };
    states.columns().into_iter().map(of).collect()
}

fn rewards_of(
    objective: &Objective,
    rules: &Rules,
    logged: &Logged,
    names: &[String],
    units: &[f64],
) -> Result<Rewards, ControlError> {
    let all = logged.runs.iter().flat_map(|run| &run.rewards);
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
        (r.min(low), r.max(high))
    });
    Ok(match (objective, &rules.reward) {
        (Objective::Reward, Some(rule)) => Rewards::Rule(rule.clone(), low),
        (Objective::Reward, None) => Rewards::Predicted(f64::NEG_INFINITY, f64::INFINITY),
        (Objective::Predicted, _) => Rewards::Predicted(low, high),
        (Objective::Goal(points), _) => {
            let point = |point: &SetPoint| {
                let c = state("goal", &point.state, names)?;
                Ok((c, point.value, units[c]))
            };
            Rewards::Goal(
                points
                    .iter()
                    .map(point)
                    .collect::<Result<_, ControlError>>()?,
            )
        }
    })
}

/// Puts rewards by a rule or goal in the place of recorded ones.
fn with_rewards(logged: &mut Logged, rewards: &Rewards) {
    for run in &mut logged.runs {
        run.rewards = (0..run.steps())
            .map(|t| {
                let next = (t + 1).min(run.states.nrows() - 1);
                let row = |of: &Array2<f64>, t: usize| of.row(t).to_vec();
                let (state, next) = (row(&run.states, t), row(&run.states, next));
                rewards.of_step(&state, &row(&run.actions, t), &next, None)
            })
            .collect();
    }
}

/// The value of the policy that made the recordings, over as many steps as the longest run has.
fn terminal_value(
    logged: &Logged,
    rules: &Rules,
    settings: &ControlSettings,
    progress: &dyn Fn(f64),
) -> Result<TerminalValue, EvaluationError> {
    let of = |part: fn(&crate::evaluation::RecordedRun) -> Array2<f64>| {
        let parts: Vec<Array2<f64>> = logged.runs.iter().map(part).collect();
        let parts: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &parts).expect("runs of one system")
    };
    let (states, actions) = (
        of(|run| run.before().to_owned()),
        of(|run| run.actions.clone()),
    );
    let mut policy = Cloned::fit(states.view(), actions.view(), settings.seed);
    let starts: Vec<_> = logged.runs.iter().map(|run| run.start()).collect();
    let spec = RolloutSpec {
        starts: ndarray::stack(Axis(0), &starts).expect("states of one system"),
        paths: starts.len(),
        horizon: logged.runs.iter().map(|run| run.steps()).max().unwrap_or(1),
        discount: settings.discount,
        rules: rules.clone(),
        termination: None,
        failure: None,
        support: None,
        seed: settings.seed,
    };
    let fitted = FittedQ::fit(logged, &mut policy, &spec, FITTED, progress)?;
    Ok(TerminalValue {
        fitted: Arc::new(fitted),
        policy,
    })
}
