//! An agent that plans at every step.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::objective::Rewards;
use super::{ControlSettings, Limit, Planner, Score};
use crate::environment::{StepResult, TerminationRule};
use crate::evaluation::{Agent, EvaluationError, FittedQ, Logged, TerminationModel, run_variables};
use crate::forecast::{
    ChannelParts, EpisodeControl, EpisodeSteps, ForecastError, Forecaster, Method, Reading,
    RewardRow, RolloutSettings, Variables,
};
use crate::metrics::mean_and_std;
use crate::policy::Cloned;

/// What the state after a plan is worth.
#[derive(Clone)]
pub(super) struct TerminalValue {
    pub(super) fitted: std::sync::Arc<FittedQ>,
    pub(super) policy: Cloned,
}

/// What is known of a system before it is controlled.
#[derive(Clone)]
pub(super) struct Knowledge {
    pub(super) settings: ControlSettings,
    pub(super) rewards: Rewards,
    /// Limits with the indices of their states, and the units of these.
    pub(super) limits: Vec<(usize, f64, Limit)>,
    /// Mean and standard deviation of every recorded state.
    pub(super) typical: Vec<(f64, f64)>,
    /// Mean of the recorded rewards: what the first row of an episode has, to which no step led.
    pub(super) mean_reward: f64,
    /// Ends of imagined episodes by a rule, and as they were recorded.
    pub(super) terminated: Option<TerminationRule>,
    pub(super) termination: Option<TerminationModel>,
    pub(super) terminal: Option<TerminalValue>,
    pub(super) state_names: Vec<String>,
    pub(super) action_names: Vec<String>,
}

impl Knowledge {
    /// Whether the reward is a variable of the model.
    pub(super) fn predicts_rewards(&self) -> bool {
        matches!(self.rewards, Rewards::Predicted(..))
    }

    fn parts<'p>(
        &'p self,
        states: ArrayView2<'p, f64>,
        actions: ArrayView2<'p, f64>,
        rewards: ArrayView1<'p, f64>,
    ) -> ChannelParts<'p> {
        ChannelParts {
            state_names: &self.state_names,
            states,
            action_names: &self.action_names,
            actions,
            reward: self
                .predicts_rewards()
                .then_some(("reward", rewards, RewardRow::OfNextState)),
        }
    }
}

/// An [`Agent`] that imagines plans in a model and takes the first action of the best one. The result is read, so
/// that the model knows more at every step.
pub struct Controller {
    knowledge: Knowledge,
    forecaster: Forecaster,
    reading: Reading,
    /// The recorded runs, and the episodes since that have ended.
    read: Vec<Variables>,
    planner: Planner,
    episode: Episode,
    random: ChaCha8Rng,
    /// Values along imagined paths that were moved to the end of an axis.
    clipped: usize,
}

/// The rows of the present episode.
#[derive(Default)]
struct Episode {
    states: Vec<Vec<f64>>,
    actions: Vec<Vec<f64>>,
    rewards: Vec<f64>,
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let width = rows.first().map_or(0, Vec::len);
    Array2::from_shape_fn((rows.len(), width), |(t, c)| rows[t][c])
}

impl Controller {
    /// Reads the recorded runs.
    pub(super) fn new(
        knowledge: Knowledge,
        forecaster: Forecaster,
        logged: &Logged,
        planner: Planner,
    ) -> Result<Self, EvaluationError> {
        let method = forecaster.settings().method;
        let with_reward = knowledge.predicts_rewards();
        let context = run_variables(logged, method, with_reward);
        Ok(Self {
            reading: forecaster.read_last(&context, 0)?,
            random: ChaCha8Rng::seed_from_u64(knowledge.settings.seed),
            knowledge,
            forecaster,
            read: vec![context],
            planner,
            episode: Episode::default(),
            clipped: 0,
        })
    }

    /// Plans from a state: the best sequence of actions that was found, `[horizon, actions]`.
    ///
    /// # Errors
    /// [`EvaluationError::Observation`] of another width, [`EvaluationError::Forecast`] if the model cannot go on.
    pub fn plan(&mut self, state: &[f64]) -> Result<Array2<f64>, EvaluationError> {
        let known = self.knowledge.state_names.len();
        if state.len() != known {
            return Err(EvaluationError::Observation {
                found: state.len(),
                expected: known,
            });
        }
        for _ in 0..self.planner.settings().iterations.get() {
            let plans = self.planner.candidates(&mut self.random);
            let scores = self.scores(state, &plans)?;
            self.planner.narrow(&plans, &scores);
        }
        Ok(self.planner.best().expect("plans were scored").clone())
    }

    /// Score of every plan `[candidates, horizon, actions]` from a state.
    fn scores(
        &mut self,
        state: &[f64],
        plans: &Array3<f64>,
    ) -> Result<Vec<Score>, EvaluationError> {
        let (candidates, horizon, _) = plans.dim();
        let settings = &self.knowledge.settings;
        let (draws, pessimism) = (settings.draws, settings.pessimism);
        let paths = candidates * draws;
        let mut control = EpisodeControl {
            starts: Array2::from_shape_fn((paths, state.len()), |(_, c)| state[c]),
            reward: self
                .knowledge
                .predicts_rewards()
                .then(|| self.reward_column()),
            steps: PlanSteps {
                plans,
                knowledge: &self.knowledge,
                states: vec![state.to_vec(); paths],
                actions: vec![Vec::new(); paths],
                steps: vec![0; paths],
                returns: vec![0.0; paths],
                distance: vec![0.0; paths],
                alive: vec![1.0; paths],
                beyond: vec![vec![0.0; self.knowledge.limits.len()]; paths],
            },
        };
        let rollout = RolloutSettings {
            // One row more than steps: the last row is the state after the last step.
            horizon: NonZeroUsize::MIN.saturating_add(horizon),
            samples: NonZeroUsize::new(paths).unwrap_or(NonZeroUsize::MIN),
            seed: self.random.random(),
            ..RolloutSettings::default()
        };
        let imagined = self
            .reading
            .rollout_with_policy(&rollout, &mut control, &|_| ())?;
        self.clipped += imagined.clipped;
        let steps = control.steps;
        let ends = steps.terminal_values(rollout.seed)?;
        let score = |plan: usize| {
            let own = plan * draws..(plan + 1) * draws;
            let values: Vec<f64> = own.clone().map(|p| steps.returns[p] + ends[p]).collect();
            let (mean, std) = mean_and_std(&values);
            let spread = if draws > 1 { pessimism * std } else { 0.0 };
            let limits = self.knowledge.limits.iter().enumerate();
            let violations = limits.map(|(l, (_, _, limit))| {
                let beyond = || own.clone().map(|path| steps.beyond[path][l]);
                let broken = beyond().filter(|beyond| *beyond > 0.0).count() as f64;
                match broken / draws as f64 > 1.0 - limit.probability {
                    true => beyond().sum::<f64>() / draws as f64,
                    false => 0.0,
                }
            });
            Score {
                violation: violations.sum(),
                value: mean - spread,
                distance: own.map(|path| steps.distance[path]).sum::<f64>(),
            }
        };
        Ok((0..candidates).map(score).collect())
    }

    fn reward_column(&self) -> usize {
        let states = self.knowledge.state_names.len();
        match self.forecaster.settings().method {
            Method::DiclSa => states + self.knowledge.action_names.len(),
            _ => states,
        }
    }

    /// Reads the last row of the present episode; returns the episode so far.
    fn read_last(&mut self) -> Result<Variables, EvaluationError> {
        let (states, actions) = (matrix(&self.episode.states), matrix(&self.episode.actions));
        let mean = self.knowledge.mean_reward;
        let mut rewards = self.episode.rewards.clone();
        rewards.resize(states.nrows(), mean);
        let rewards = Array1::from(rewards);
        let parts = self
            .knowledge
            .parts(states.view(), actions.view(), rewards.view());
        let mut episode = Variables::of_parts(parts, self.forecaster.settings().method);
        episode.begins[0] = true;
        if self.knowledge.predicts_rewards() {
            episode.values[[0, self.reward_column()]] = mean;
        }
        let rows = episode.rows();
        match self.reading.observe(&episode.slice(rows - 1..rows)) {
            Ok(_) => {}
            // The window of a language model is full: the last rows are read anew.
            Err(ForecastError::Window { .. }) => {
                let mut all = self.read.clone();
                all.push(episode.clone());
                self.reading = self.forecaster.read_last(&Variables::joined(&all), 0)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(episode)
    }

    /// Values along imagined paths that were moved to the end of an axis: where there are many, plans leave what was
    /// recorded.
    pub fn clipped(&self) -> usize {
        self.clipped
    }
}

impl Agent for Controller {
    fn begin(&mut self) {
        self.planner.begin();
        self.episode = Episode::default();
    }

    fn act(&mut self, observation: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        Ok(self.plan(observation)?.row(0).to_vec())
    }

    fn learn(
        &mut self,
        observation: &[f64],
        action: &[f64],
        step: &StepResult,
    ) -> Result<(), EvaluationError> {
        let (states, actions) = (
            self.knowledge.state_names.len(),
            self.knowledge.action_names.len(),
        );
        for seen in [observation, &step.observation] {
            if seen.len() != states {
                return Err(EvaluationError::Observation {
                    found: seen.len(),
                    expected: states,
                });
            }
        }
        if action.len() != actions {
            return Err(EvaluationError::Action {
                found: action.len(),
                expected: actions,
            });
        }
        if !step.reward.is_finite() {
            return Err(EvaluationError::Reward(step.reward));
        }
        self.planner.go_on();
        self.episode.states.push(observation.to_vec());
        self.episode.actions.push(action.to_vec());
        self.read_last()?;
        self.episode.rewards.push(step.reward);
        if step.terminated || step.truncated {
            // The state after the last step repeats its action: no other is known.
            self.episode.states.push(step.observation.clone());
            self.episode.actions.push(action.to_vec());
            let episode = self.read_last()?;
            self.read.push(episode);
        }
        Ok(())
    }
}

/// Plans along imagined paths, `draws` of each.
struct PlanSteps<'p> {
    /// `[candidates, horizon, actions]`.
    plans: &'p Array3<f64>,
    knowledge: &'p Knowledge,
    /// State and action of every path's present step.
    states: Vec<Vec<f64>>,
    actions: Vec<Vec<f64>>,
    steps: Vec<usize>,
    returns: Vec<f64>,
    /// Squared distances from the recorded mean along a path, in standard deviations, summed over steps and states.
    distance: Vec<f64>,
    /// Probability that a path has not ended.
    alive: Vec<f64>,
    /// How far a path has been beyond every limit, summed over its steps, in units of the state.
    beyond: Vec<Vec<f64>>,
}

/// Probability of going on below which a path counts as ended.
const ENDED: f64 = 1e-3;

impl PlanSteps<'_> {
    /// Discounted values of the states after the plans.
    fn terminal_values(&self, seed: u64) -> Result<Vec<f64>, EvaluationError> {
        let Some(terminal) = &self.knowledge.terminal else {
            return Ok(vec![0.0; self.states.len()]);
        };
        let mut policy = terminal.policy.clone();
        let values =
            terminal
                .fitted
                .state_values(matrix(&self.states).view(), &mut policy, seed)?;
        let discount = self.knowledge.settings.discount;
        let weighed = values.iter().enumerate();
        let weighed =
            weighed.map(|(p, value)| self.alive[p] * discount.powi(self.steps[p] as i32) * value);
        Ok(weighed.collect())
    }
}

impl EpisodeSteps for PlanSteps<'_> {
    fn act(
        &mut self,
        step: usize,
        paths: Range<usize>,
        _states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError> {
        let draws = self.knowledge.settings.draws;
        let (_, horizon, width) = self.plans.dim();
        let mut actions = Array2::zeros((paths.len(), width));
        for (mut to, path) in actions.rows_mut().into_iter().zip(paths) {
            let plan = self.plans.index_axis(Axis(0), path / draws);
            let action = plan.row(step.min(horizon - 1));
            to.assign(&action);
            self.actions[path] = action.to_vec();
        }
        Ok(actions)
    }

    fn arrive(
        &mut self,
        paths: Range<usize>,
        states: ArrayView2<f64>,
        rewards: Option<ArrayView1<f64>>,
    ) {
        let Knowledge {
            settings,
            rewards: of_step,
            limits,
            terminated,
            termination,
            typical,
            ..
        } = self.knowledge;
        for (row, path) in paths.enumerate() {
            if self.has_ended(path) {
                continue;
            }
            let next = states.row(row).to_vec();
            let (state, action) = (&self.states[path], &self.actions[path]);
            let predicted = rewards.map(|rewards| rewards[row]);
            let reward = of_step.of_step(state, action, &next, predicted);
            let discount = settings.discount.powi(self.steps[path] as i32);
            self.returns[path] += self.alive[path] * discount * reward;
            if terminated.as_ref().is_some_and(|rule| rule.ends(&next)) {
                self.alive[path] = 0.0;
            }
            if let Some(model) = termination {
                self.alive[path] *= 1.0 - model.probability(state, &next);
            }
            for (beyond, (c, unit, limit)) in self.beyond[path].iter_mut().zip(limits) {
                if !limit.is_kept(next[*c]) {
                    *beyond += (next[*c] - limit.bound).abs().max(f64::MIN_POSITIVE) / unit;
                }
            }
            let typical = next.iter().zip(typical);
            let off = typical.map(|(x, (mean, unit))| ((x - mean) / unit).powi(2));
            self.distance[path] += off.sum::<f64>();
            self.steps[path] += 1;
            self.states[path] = next;
        }
    }

    fn has_ended(&self, path: usize) -> bool {
        self.alive[path] < ENDED
    }
}
