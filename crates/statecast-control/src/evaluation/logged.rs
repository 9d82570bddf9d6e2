//! Recorded runs of the behaviour policies.

use std::collections::HashSet;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::{EvaluationError, Rules, TimeLimit};
use crate::dynamics::Steps;
use crate::environment::{RewardRule, TerminationRule};
use crate::policy::{Policy, PolicyError};
use crate::recording::{EndFlag, Episode, Recording};

/// Fewest steps for learning a model.
const MIN_STEPS: usize = 10;

/// Fewest returns of which a standard deviation is taken.
const MIN_RETURNS: usize = 5;

/// One recorded run of a system.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    /// Index of its recording.
    pub source: usize,
    /// States before every step, and the one after the last step if it is known,
    /// `[steps or steps + 1, states]`.
    pub states: Array2<f64>,
    /// Actions taken, `[steps, actions]`.
    pub actions: Array2<f64>,
    /// Rewards, `[steps]`.
    pub rewards: Array1<f64>,
    /// Whether the last step terminated the run.
    pub terminated: bool,
    /// Log densities of the actions under the behaviour policy, `[steps]`.
    pub log_probabilities: Option<Array1<f64>>,
}

impl RecordedRun {
    /// Returns the number of steps.
    pub fn steps(&self) -> usize {
        self.actions.nrows()
    }

    /// Returns the number of steps whose next state is known.
    pub fn transitions(&self) -> usize {
        self.steps().min(self.states.nrows() - 1)
    }

    /// True if the terminal state is unknown; a termination needs none.
    fn lacks_terminal_state(&self) -> bool {
        self.terminated && self.transitions() < self.steps()
    }

    /// True if the return over `horizon` steps is known: the run has as many steps, or has
    /// terminated.
    pub fn covers_horizon(&self, horizon: usize) -> bool {
        self.terminated || self.steps() >= horizon
    }

    /// Returns the states before every step, `[steps, states]`.
    pub fn before(&self) -> ArrayView2<'_, f64> {
        self.states.slice(s![..self.steps(), ..])
    }

    /// Returns the first state.
    pub fn start(&self) -> ArrayView1<'_, f64> {
        self.states.row(0)
    }

    /// Returns the discounted sum of the first `horizon` rewards.
    pub fn discounted(&self, discount: f64, horizon: usize) -> f64 {
        let rewards = self.rewards.iter().take(horizon);
        let terms = rewards.scan(1.0, |weight, reward| {
            let term = *weight * reward;
            *weight *= discount;
            Some(term)
        });
        terms.sum()
    }
}

/// Recorded runs of one system, the data of policy evaluation.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Runs, at least one.
    pub runs: Vec<RecordedRun>,
    /// Meaning of the end flag of each recording.
    pub end_flags: Vec<EndFlag>,
}

/// States, actions, rewards and next states, row by row.
#[derive(Debug, Clone)]
pub struct Transitions {
    /// `[rows, states]`.
    pub states: Array2<f64>,
    /// `[rows, actions]`.
    pub actions: Array2<f64>,
    /// `[rows]`.
    pub rewards: Array1<f64>,
    /// `[rows, states]`; the state before the step where a terminal state was not recorded.
    pub next: Array2<f64>,
    /// Whether the next state was recorded.
    pub known: Vec<bool>,
    /// Whether the step terminated the run.
    pub terminated: Vec<bool>,
    /// Run of each row.
    pub run: Vec<usize>,
}

impl Logged {
    /// Collects the runs of recordings. Missing rewards are computed if the reward function is
    /// known; rules that [replace](RewardRule::replaces_recorded) what was recorded give all rewards, or all ends: a run is
    /// over at its first terminal state.
    ///
    /// # Errors
    /// [`EvaluationError::Recordings`] if they are not of one system, [`EvaluationError::NoActions`],
    /// [`EvaluationError::NoReward`], [`EvaluationError::NoRuns`] if one has no step, [`EvaluationError::Undefined`] for a rule
    /// that is not defined at a recorded step.
    pub fn new(recordings: &[Recording], rules: &Rules) -> Result<Self, EvaluationError> {
        let mut runs = Vec::new();
        for (source, recording) in recordings.iter().enumerate() {
            let first = &recordings[0];
            if recording.state_names().len() != first.state_names().len()
                || recording.action_names().len() != first.action_names().len()
            {
                return Err(EvaluationError::Recordings(source));
            }
            if recording.action_names().is_empty() {
                return Err(EvaluationError::NoActions);
            }
            for episode in recording.episodes() {
                let mut states = episode.states().to_owned();
                if let Some(last) = episode.final_state() {
                    let last = last.view().insert_axis(Axis(0));
                    states = concatenate(Axis(0), &[states.view(), last])
                        .expect("a final state has as many values as there are states");
                }
                let mut run = RecordedRun {
                    source,
                    states,
                    actions: episode.actions().to_owned(),
                    rewards: Array1::zeros(0),
                    terminated: ended(recording.end_flag(), episode),
                    log_probabilities: episode.log_probabilities().cloned(),
                };
                let undefined = |setting, row| EvaluationError::Undefined {
                    setting,
                    recording: source,
                    episode: episode.name().to_owned(),
                    row,
                };
                let ends = rules.terminated.as_ref();
                if let Some(rule) = ends.filter(|rule| rule.replaces_recorded()) {
                    run.end_by(rule)
                        .map_err(|row| undefined("terminated-expr", row))?;
                }
                let reward = rules.reward.as_ref();
                let replaced = reward.is_some_and(RewardRule::replaces_recorded);
                run.rewards = match (episode.rewards(), reward) {
                    (Some(rewards), _) if !replaced => rewards.slice(s![..run.steps()]).to_owned(),
                    (_, Some(reward)) => run.computed_rewards(reward),
                    (_, None) => return Err(EvaluationError::NoReward),
                };
                if let Some(row) = run.rewards.iter().position(|r| replaced && !r.is_finite()) {
                    return Err(undefined("reward-expr", row));
                }
                // Where the reward function needs a next state, a single row has no step.
                if run.steps() > 0 {
                    runs.push(run);
                }
            }
            if runs.last().is_none_or(|run| run.source != source) {
                return Err(EvaluationError::NoRuns(source));
            }
        }
        match runs.is_empty() {
            true => Err(EvaluationError::NoRuns(0)),
            false => Ok(Self {
                runs,
                end_flags: recordings.iter().map(Recording::end_flag).collect(),
            }),
        }
    }

    /// Checks that a rule is defined at all recorded states after steps.
    pub(super) fn check_defined(
        &self,
        rule: &TerminationRule,
        setting: &'static str,
    ) -> Result<(), EvaluationError> {
        for (number, run) in self.runs.iter().enumerate() {
            let states = run.states.rows().into_iter().enumerate().skip(1);
            for (row, state) in states {
                if !rule.is_defined(&state.to_vec()) {
                    return Err(EvaluationError::Undefined {
                        setting,
                        recording: run.source,
                        episode: number.to_string(),
                        row,
                    });
                }
            }
        }
        Ok(())
    }

    /// Sets the log densities of one recording's actions under its behaviour policy, if the policy
    /// has them.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy cannot tell those that it should know.
    pub fn with_behaviour_policy(
        mut self,
        source: usize,
        policy: &dyn Policy,
    ) -> Result<Self, PolicyError> {
        for run in self.runs.iter_mut().filter(|run| run.source == source) {
            run.log_probabilities = policy.log_probabilities(run.before(), run.actions.view())?;
        }
        Ok(self)
    }

    /// Iterates over the runs of a fold with their indices: every `folds`-th run of each recording.
    pub fn fold_runs(
        &self,
        fold: usize,
        folds: usize,
    ) -> impl Iterator<Item = (usize, &RecordedRun)> {
        let mut before = vec![0; self.sources()];
        self.runs.iter().enumerate().filter(move |(_, run)| {
            let number = before[run.source];
            before[run.source] += 1;
            number % folds == fold
        })
    }

    /// Returns the horizon, at most `horizon`, for which the runs that cover it hold the most
    /// rewards in total, and these runs. Later rewards of a truncated run are unknown.
    pub fn covered_horizon(
        &self,
        of: impl Fn(&RecordedRun) -> bool,
        horizon: usize,
    ) -> (usize, Vec<usize>) {
        let covered_horizon = |steps: usize| {
            let covers_horizon =
                |i: &usize| of(&self.runs[*i]) && self.runs[*i].covers_horizon(steps);
            (0..self.runs.len())
                .filter(covers_horizon)
                .collect::<Vec<_>>()
        };
        let steps = self
            .runs
            .iter()
            .filter(|run| of(run))
            .map(|run| match run.terminated {
                true => horizon,
                false => run.steps().min(horizon),
            });
        let rewards = |steps: usize| {
            let of = |&i: &usize| self.runs[i].steps().min(steps);
            (covered_horizon(steps).iter().map(of).sum::<usize>(), steps)
        };
        let best = steps.max_by_key(|&steps| rewards(steps)).unwrap_or(horizon);
        (best, covered_horizon(best))
    }

    /// Returns the standard deviation of the recorded returns over a horizon, every recording with the same weight. Runs
    /// that were truncated earlier are left out, if five others remain.
    pub(super) fn return_std(&self, discount: f64, horizon: usize) -> f64 {
        let covering = self.runs.iter().filter(|run| run.covers_horizon(horizon));
        let enough = covering.count() >= MIN_RETURNS;
        let returns = |source: usize| -> Vec<f64> {
            let own = self
                .runs
                .iter()
                .filter(|run| run.source == source && (run.covers_horizon(horizon) || !enough));
            own.map(|run| run.discounted(discount, horizon)).collect()
        };
        let all: Vec<Vec<f64>> = (0..self.sources())
            .map(returns)
            .filter(|returns| !returns.is_empty())
            .collect();
        let mean_of = |of: &dyn Fn(f64) -> f64| {
            let means = all
                .iter()
                .map(|returns| returns.iter().map(|&r| of(r)).sum::<f64>() / returns.len() as f64);
            means.sum::<f64>() / all.len() as f64
        };
        let centre = mean_of(&|value| value);
        mean_of(&|value| (value - centre).powi(2)).sqrt()
    }

    /// Returns the number of recordings.
    pub fn sources(&self) -> usize {
        self.end_flags.len()
    }

    /// Marks the runs of a time limit as truncated.
    pub fn truncated_at(mut self, limit: &TimeLimit) -> Self {
        for &run in &limit.runs {
            self.runs[run].terminated = false;
        }
        self
    }

    /// Marks all runs as truncated.
    pub fn without_terminations(mut self) -> Self {
        self.runs.iter_mut().for_each(|run| run.terminated = false);
        self
    }

    /// Returns all runs but those of one recording; `None` if none is left.
    pub fn without_source(&self, source: usize) -> Option<Self> {
        let others = self.runs.iter().filter(|run| run.source != source);
        let runs: Vec<RecordedRun> = others.cloned().collect();
        (!runs.is_empty()).then_some(Self {
            runs,
            end_flags: self.end_flags.clone(),
        })
    }

    /// Returns the number of state variables.
    pub fn states(&self) -> usize {
        self.runs[0].states.ncols()
    }

    /// Returns the number of action dimensions.
    pub fn actions(&self) -> usize {
        self.runs[0].actions.ncols()
    }

    /// Returns the first states `[runs, states]`.
    pub fn starts(&self) -> Array2<f64> {
        let starts: Vec<_> = self.runs.iter().map(RecordedRun::start).collect();
        ndarray::stack(Axis(0), &starts).expect("runs of one system are equally wide")
    }

    /// Returns the distinct first states `[starts, states]`: recordings of several policies may
    /// share them.
    pub fn distinct_starts(&self) -> Array2<f64> {
        let starts = self.starts();
        let mut seen = HashSet::new();
        let bits = |start: ArrayView1<f64>| start.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let new = (0..starts.nrows()).filter(|&i| seen.insert(bits(starts.row(i))));
        let new: Vec<usize> = new.collect();
        starts.select(Axis(0), &new)
    }

    /// Returns the first states `[runs, states]` of one recording.
    pub fn starts_of(&self, source: usize) -> Array2<f64> {
        let own = self.runs.iter().enumerate();
        let own = own.filter(|(_, run)| run.source == source);
        let own: Vec<usize> = own.map(|(number, _)| number).collect();
        self.starts().select(Axis(0), &own)
    }

    /// Returns the observations and actions of one recording, `[steps, states]` and `[steps,
    /// actions]`.
    pub fn observations_and_actions_of(&self, source: usize) -> (Array2<f64>, Array2<f64>) {
        let own = || self.runs.iter().filter(|run| run.source == source);
        let stacked = |parts: Vec<ArrayView2<f64>>| {
            concatenate(Axis(0), &parts).expect("runs of one system are equally wide")
        };
        (
            stacked(own().map(RecordedRun::before).collect()),
            stacked(own().map(|run| run.actions.view()).collect()),
        )
    }

    /// Returns the smallest and largest value of each state variable.
    pub fn limits(&self) -> Vec<(f64, f64)> {
        let column = |c: usize| {
            let values = self.runs.iter().flat_map(|run| run.states.column(c));
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
                (x.min(low), x.max(high))
            })
        };
        (0..self.states()).map(column).collect()
    }

    /// Returns the training data of one-step models from the runs that `of` selects: state changes
    /// where the next state is known, and all rewards.
    ///
    /// # Errors
    /// [`EvaluationError::TooFew`] for fewer than 10 steps.
    pub fn steps(&self, of: impl Fn(usize) -> bool) -> Result<Steps, EvaluationError> {
        let all = self.rows(of, RecordedRun::steps);
        let rows = all.rewards.len();
        if rows < MIN_STEPS {
            return Err(EvaluationError::TooFew(rows, MIN_STEPS));
        }
        let rewards = all.rewards.insert_axis(Axis(1));
        let mut moved = &all.next - &all.states;
        for (mut row, _) in moved
            .rows_mut()
            .into_iter()
            .zip(&all.known)
            .filter(|(_, known)| !**known)
        {
            row.fill(f64::NAN);
        }
        let changes = concatenate(Axis(1), &[moved.view(), rewards.view()])
            .expect("both have one row per step");
        Ok(Steps {
            states: all.states,
            actions: all.actions,
            changes,
            run: all.run,
        })
    }

    /// Returns the steps with a known next state or a termination, of the runs that `of` selects.
    pub fn transitions(&self, of: impl Fn(usize) -> bool) -> Transitions {
        self.rows(of, |run| {
            run.transitions() + usize::from(run.lacks_terminal_state())
        })
    }

    /// Returns the first `steps` steps of each run that `of` selects.
    fn rows(
        &self,
        of: impl Fn(usize) -> bool,
        steps: impl Fn(&RecordedRun) -> usize,
    ) -> Transitions {
        let taken: Vec<usize> = (0..self.runs.len()).filter(|&i| of(i)).collect();
        let rows: usize = taken.iter().map(|&i| steps(&self.runs[i])).sum();
        let mut all = Transitions {
            states: Array2::zeros((rows, self.states())),
            actions: Array2::zeros((rows, self.actions())),
            rewards: Array1::zeros(rows),
            next: Array2::zeros((rows, self.states())),
            known: Vec::with_capacity(rows),
            terminated: Vec::with_capacity(rows),
            run: Vec::with_capacity(rows),
        };
        let mut row = 0;
        for i in taken {
            let run = &self.runs[i];
            for t in 0..steps(run) {
                let known = t < run.transitions();
                all.states.row_mut(row).assign(&run.states.row(t));
                all.actions.row_mut(row).assign(&run.actions.row(t));
                all.rewards[row] = run.rewards[t];
                let next = run.states.row(t + usize::from(known));
                all.next.row_mut(row).assign(&next);
                all.known.push(known);
                let last = t + 1 == run.steps();
                all.terminated.push(last && run.terminated);
                all.run.push(i);
                row += 1;
            }
        }
        all
    }
}

/// True if the last step of an episode terminated.
fn ended(flag: EndFlag, episode: &Episode) -> bool {
    let is_set = |flags: &[bool]| flags.last() == Some(&true);
    match flag {
        EndFlag::Terminated | EndFlag::Done => is_set(episode.terminated()),
        EndFlag::DoneOrTruncated => is_set(episode.terminated()) && !is_set(episode.truncated()),
    }
}

impl RecordedRun {
    /// Computes rewards by a function. A last step without a next state is left out, unless it
    /// terminated: then its next state is extrapolated linearly.
    fn computed_rewards(&mut self, reward: &RewardRule) -> Array1<f64> {
        let known = self.transitions() + usize::from(self.lacks_terminal_state());
        self.shorten(known);
        let of = |t: usize| {
            let state = self.states.row(t);
            let next = match t + 1 < self.states.nrows() {
                true => self.states.row(t + 1).to_owned(),
                false => &state + &(&state - &self.states.row(t.saturating_sub(1))),
            };
            reward.of_step(
                &state.to_vec(),
                &self.actions.row(t).to_vec(),
                &next.to_vec(),
            )
        };
        (0..known).map(of).collect()
    }

    /// Ends the run at the first state that a rule calls terminal, or leaves it open; the row at which the rule is not
    /// defined otherwise. Where the last step led is not always known: then it ends as it was recorded.
    fn end_by(&mut self, rule: &TerminationRule) -> Result<(), usize> {
        for row in 1..self.states.nrows() {
            let state = self.states.row(row).to_vec();
            if !rule.is_defined(&state) {
                return Err(row);
            }
            if rule.ends(&state) {
                self.shorten(row);
                self.states = self.states.slice(s![..=row, ..]).to_owned();
                self.terminated = true;
                return Ok(());
            }
        }
        self.terminated &= self.transitions() < self.steps();
        Ok(())
    }

    /// Keeps the first steps.
    fn shorten(&mut self, steps: usize) {
        self.actions = self.actions.slice(s![..steps, ..]).to_owned();
        if let Some(log) = &mut self.log_probabilities {
            *log = log.slice(s![..steps]).to_owned();
        }
    }
}
