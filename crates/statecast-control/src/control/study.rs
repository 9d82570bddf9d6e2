//! Episodes of a controlled system.

use std::sync::Arc;
use std::time::Instant;

use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;

use super::controller::{Knowledge, TerminalValue};
use super::objective::Rewards;
use super::{
    ActionRange, ControlError, ControlSettings, Controller, Coverage, Limit, Objective, Planner,
    SetPoint,
};
use crate::environment::Environment;
use crate::evaluation::{
    EvaluationError, FittedQ, FittedSettings, Logged, RolloutSpec, Rules, SimulatedEpisodes,
    TerminationModel,
};
use crate::forecast::Forecaster;
use crate::metrics::{Estimate, block_bootstrap};
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
/// use statecast::control::{ControlSettings, ControlStudy, Objective, Rule};
/// use statecast::environment::{self, Task};
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
/// let mut settings = ControlSettings::new(Objective::Rule(Rule(Task::named("pendulum")?)));
/// settings.planner.horizon = 5.try_into()?;
/// let forecaster = Forecaster::of(named("fourier").unwrap(), Settings::builtin());
/// let study = ControlStudy::new(&[recording], forecaster, settings, &())?;
/// let outcome = study.run(&mut *pendulum, 1, Some(3), &())?;
/// assert_eq!(outcome.episodes.steps(), 3);
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ControlStudy {
    knowledge: Knowledge,
    forecaster: Forecaster,
    logged: Logged,
    range: ActionRange,
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
    /// Recorded steps that were read before.
    pub recorded_steps: usize,
    /// Mean milliseconds that a step took.
    pub milliseconds: f64,
    /// Values along imagined paths that were moved to the end of an axis.
    pub clipped: usize,
}

impl ControlStudy {
    /// Reads recordings and asks whether the model's paths hold them.
    ///
    /// # Errors
    /// [`ControlError`] if a setting is wrong, the recordings are of another system, or the paths hold too little.
    pub fn new(
        recordings: &[Recording],
        forecaster: Forecaster,
        settings: ControlSettings,
        observer: &dyn Observer,
    ) -> Result<Self, ControlError> {
        settings.check()?;
        let (names, actions) = match recordings.first() {
            Some(first) => (first.state_names().to_vec(), first.action_names().to_vec()),
            None => return Err(EvaluationError::NoRuns(0).into()),
        };
        let rules = match &settings.objective {
            Objective::Rule(rule) => Rules::of(rule.0),
            Objective::Predicted => Rules::default(),
            // Rewards are those of the goal.
            Objective::Goal(_) => Rules {
                reward: Some(|_, _, _| 0.0),
                terminated: None,
            },
        };
        if let Objective::Rule(rule) = &settings.objective
            && rule.0.observation.len() != names.len()
        {
            return Err(ControlError::OtherTask {
                task: rule.0.name,
                expected: rule.0.observation.len(),
                found: names.len(),
            });
        }
        let mut logged = Logged::new(recordings, &rules)?;
        let rewards = rewards_of(&settings.objective, &logged, &names)?;
        if let Rewards::Goal(_) = rewards {
            with_rewards(&mut logged, &rewards);
        }
        let limits = settings.limits.iter();
        let limits: Vec<(usize, Limit)> = limits
            .map(|limit| Ok((state("limit", &limit.state, &names)?, limit.clone())))
            .collect::<Result<_, ControlError>>()?;
        let range = range(&settings.objective, &logged);
        let mut knowledge = Knowledge {
            termination: match settings.objective {
                Objective::Predicted => TerminationModel::of(&logged),
                _ => None,
            },
            rewards,
            limits,
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
                steps: horizon,
            });
        }
        if settings.terminal_value {
            observer.begin("value of the recorded policy");
            let fitted =
                terminal_value(&logged, &rules, settings, &|share| observer.progress(share))?;
            knowledge.terminal = Some(fitted);
        }
        Ok(Self {
            knowledge,
            forecaster,
            logged,
            range,
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
        let planner = Planner::new(self.range.clone(), self.knowledge.settings.planner);
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
    /// [`ControlError::Evaluation`] if the model cannot go on or the environment refuses an action.
    pub fn run(
        &self,
        environment: &mut dyn Environment,
        episodes: usize,
        steps: Option<usize>,
        observer: &dyn Observer,
    ) -> Result<ControlOutcome, ControlError> {
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
        Ok(ControlOutcome {
            coverage: self.coverage,
            returns: episodes.returns.clone(),
            mean: block_bootstrap(&episodes.returns, 1, self.knowledge.settings.seed),
            recorded: goals.is_empty().then_some(recorded / runs.len() as f64),
            goals,
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

fn rewards_of(
    objective: &Objective,
    logged: &Logged,
    names: &[String],
) -> Result<Rewards, ControlError> {
    Ok(match objective {
        Objective::Rule(rule) => Rewards::Rule(rule.0),
        Objective::Predicted => {
            let all = logged.runs.iter().flat_map(|run| &run.rewards);
            let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
                (r.min(low), r.max(high))
            });
            Rewards::Predicted(low, high)
        }
        Objective::Goal(points) => {
            let states: Vec<_> = logged.runs.iter().map(|run| run.states.view()).collect();
            let states = concatenate(Axis(0), &states).expect("states of one system");
            let units = states.std_axis(Axis(0), 0.0);
            let point = |point: &SetPoint| {
                let c = state("goal", &point.state, names)?;
                let unit = if units[c] > 0.0 { units[c] } else { 1.0 };
                Ok((c, point.value, unit))
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

/// Puts a goal's rewards in the place of recorded ones.
fn with_rewards(logged: &mut Logged, rewards: &Rewards) {
    for run in &mut logged.runs {
        run.rewards = (0..run.steps())
            .map(|t| {
                let next = (t + 1).min(run.states.nrows() - 1);
                let row = |of: &Array2<f64>, t: usize| of.row(t).to_vec();
                let (state, next) = (row(&run.states, t), row(&run.states, next));
                rewards.step(&state, &row(&run.actions, t), &next, None).0
            })
            .collect();
    }
}

/// The actions of the task, or those between the recorded ones.
fn range(objective: &Objective, logged: &Logged) -> ActionRange {
    if let Objective::Rule(rule) = objective {
        return ActionRange::of(rule.0.action_space);
    }
    let actions: Vec<_> = logged.runs.iter().map(|run| run.actions.view()).collect();
    let actions = concatenate(Axis(0), &actions).expect("actions of one system");
    let fold = |start: f64, of: fn(f64, f64) -> f64| {
        let columns = actions.columns().into_iter();
        columns
            .map(|column| column.iter().copied().fold(start, of))
            .collect()
    };
    ActionRange::Box {
        low: fold(f64::INFINITY, f64::min),
        high: fold(f64::NEG_INFINITY, f64::max),
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
        rules: *rules,
        termination: None,
        seed: settings.seed,
    };
    let fitted = FittedQ::fit(logged, &mut policy, &spec, FITTED, progress)?;
    Ok(TerminalValue {
        fitted: Arc::new(fitted),
        policy,
    })
}
