//! What was recorded of the policies that collected the data.

use std::collections::HashSet;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::{EvaluationError, Rules, TimeLimit};
use crate::dynamics::Steps;
use crate::environment::Reward;
use crate::policy::Policy;
use crate::recording::{EndFlag, Episode, Recording};

/// Fewest steps that a model is learned from.
const LEAST_STEPS: usize = 10;

/// One recorded run of a system.
#[derive(Debug, Clone)]
pub struct Run {
    /// Number of the recording it comes from.
    pub source: usize,
    /// States before every step, and the one after the last step if it is known,
    /// `[steps or steps + 1, states]`.
    pub states: Array2<f64>,
    /// Actions taken, `[steps, actions]`.
    pub actions: Array2<f64>,
    /// Rewards earned, `[steps]`.
    pub rewards: Array1<f64>,
    /// Whether the last step ended the run for good.
    pub terminated: bool,
    /// Log densities of the actions under the policy that took them, `[steps]`.
    pub log_probabilities: Option<Array1<f64>>,
}

impl Run {
    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.actions.nrows()
    }

    /// Steps whose next state is known.
    pub fn transitions(&self) -> usize {
        self.steps().min(self.states.nrows() - 1)
    }

    /// True if what an end leads to is not known: an end needs no next state.
    fn ends_unseen(&self) -> bool {
        self.terminated && self.transitions() < self.steps()
    }

    /// True if it tells what the first `horizon` steps earn: it has as many, or has ended.
    pub fn tells(&self, horizon: usize) -> bool {
        self.terminated || self.steps() >= horizon
    }

    /// States before every step, `[steps, states]`.
    pub fn before(&self) -> ArrayView2<'_, f64> {
        self.states.slice(s![..self.steps(), ..])
    }

    /// First state.
    pub fn start(&self) -> ArrayView1<'_, f64> {
        self.states.row(0)
    }

    /// Sum of the first `horizon` rewards, each step worth `discount` times the one before.
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

/// Runs that policies are judged by, all of one system.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The runs, at least one.
    pub runs: Vec<Run>,
    /// What the ends of each recording that they come from mean.
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
    /// `[rows, states]`; of a step that ended the run in a state that was not recorded, the state before it.
    pub next: Array2<f64>,
    /// Whether the next state was recorded.
    pub known: Vec<bool>,
    /// Whether the step ended the run for good.
    pub terminated: Vec<bool>,
    /// Number of the run each row comes from.
    pub run: Vec<usize>,
}

impl Logged {
    /// The runs of some recordings. Rewards that were not recorded are computed, if the rule is known.
    ///
    /// # Errors
    /// [`EvaluationError::Recordings`] if they are not of one system, [`EvaluationError::NoActions`],
    /// [`EvaluationError::NoReward`], [`EvaluationError::NoRuns`] if one has no step.
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
                let mut run = Run {
                    source,
                    states,
                    actions: episode.actions().to_owned(),
                    rewards: Array1::zeros(0),
                    terminated: ended(recording.end_flag(), episode),
                    log_probabilities: episode.log_probabilities().cloned(),
                };
                run.rewards = match (episode.rewards(), rules.reward) {
                    (Some(rewards), _) => rewards.clone(),
                    (None, Some(reward)) => run.computed_rewards(reward),
                    (None, None) => return Err(EvaluationError::NoReward),
                };
                // Where the rule needs a next state, a single row is no step.
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

    /// The same, with the log densities of the actions of one recording under the policy that
    /// took them, if it can say them.
    pub fn taken_by(mut self, source: usize, policy: &dyn Policy) -> Self {
        for run in self.runs.iter_mut().filter(|run| run.source == source) {
            run.log_probabilities = policy.log_probabilities(run.before(), run.actions.view());
        }
        self
    }

    /// Runs of a fold with their numbers: every so many of each recording.
    pub fn of_fold(&self, fold: usize, folds: usize) -> impl Iterator<Item = (usize, &Run)> {
        let mut before = vec![0; self.sources()];
        self.runs.iter().enumerate().filter(move |(_, run)| {
            let number = before[run.source];
            before[run.source] += 1;
            number % folds == fold
        })
    }

    /// Steps, `horizon` at most, about which the runs that tell of all of them hold most rewards together, and these
    /// runs: what would have followed a run that was cut off is not known.
    pub fn telling(&self, of: impl Fn(&Run) -> bool, horizon: usize) -> (usize, Vec<usize>) {
        let telling = |steps: usize| {
            let tells = |i: &usize| of(&self.runs[*i]) && self.runs[*i].tells(steps);
            (0..self.runs.len()).filter(tells).collect::<Vec<_>>()
        };
        let steps = self
            .runs
            .iter()
            .filter(|run| of(run))
            .map(|run| match run.terminated {
                true => horizon,
                false => run.steps().min(horizon),
            });
        let told = |steps: usize| {
            let of = |&i: &usize| self.runs[i].steps().min(steps);
            (telling(steps).iter().map(of).sum::<usize>(), steps)
        };
        let best = steps.max_by_key(|&steps| told(steps)).unwrap_or(horizon);
        (best, telling(best))
    }

    /// Recordings that the runs come from.
    pub fn sources(&self) -> usize {
        self.end_flags.len()
    }

    /// The same, with the ends of some runs as moments at which a time limit cut them off.
    pub fn cut_off(mut self, limit: &TimeLimit) -> Self {
        for &run in &limit.runs {
            self.runs[run].terminated = false;
        }
        self
    }

    /// The same, with ends as moments at which runs were cut off.
    pub fn endless(mut self) -> Self {
        self.runs.iter_mut().for_each(|run| run.terminated = false);
        self
    }

    /// The same without the runs of one recording; `None` if none is left.
    pub fn without(&self, source: usize) -> Option<Self> {
        let others = self.runs.iter().filter(|run| run.source != source);
        let runs: Vec<Run> = others.cloned().collect();
        (!runs.is_empty()).then_some(Self {
            runs,
            end_flags: self.end_flags.clone(),
        })
    }

    /// Numbers observed.
    pub fn states(&self) -> usize {
        self.runs[0].states.ncols()
    }

    /// Numbers of an action.
    pub fn actions(&self) -> usize {
        self.runs[0].actions.ncols()
    }

    /// First states `[runs, states]`.
    pub fn starts(&self) -> Array2<f64> {
        let starts: Vec<_> = self.runs.iter().map(Run::start).collect();
        ndarray::stack(Axis(0), &starts).expect("runs of one system are equally wide")
    }

    /// Different first states `[starts, states]`: recordings of several policies may begin alike, and
    /// tell no more of the starts then.
    pub fn distinct_starts(&self) -> Array2<f64> {
        let starts = self.starts();
        let mut seen = HashSet::new();
        let bits = |start: ArrayView1<f64>| start.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let new = (0..starts.nrows()).filter(|&i| seen.insert(bits(starts.row(i))));
        let new: Vec<usize> = new.collect();
        starts.select(Axis(0), &new)
    }

    /// First states `[runs, states]` of one recording.
    pub fn starts_of(&self, source: usize) -> Array2<f64> {
        let own = self.runs.iter().enumerate();
        let own = own.filter(|(_, run)| run.source == source);
        let own: Vec<usize> = own.map(|(number, _)| number).collect();
        self.starts().select(Axis(0), &own)
    }

    /// Observations and actions of one recording, `[steps, states]` and `[steps, actions]`.
    pub fn acts_of(&self, source: usize) -> (Array2<f64>, Array2<f64>) {
        let own = || self.runs.iter().filter(|run| run.source == source);
        let stacked = |parts: Vec<ArrayView2<f64>>| {
            concatenate(Axis(0), &parts).expect("runs of one system are equally wide")
        };
        (
            stacked(own().map(Run::before).collect()),
            stacked(own().map(|run| run.actions.view()).collect()),
        )
    }

    /// Smallest and largest value of each state.
    pub fn limits(&self) -> Vec<(f64, f64)> {
        let column = |c: usize| {
            let values = self.runs.iter().flat_map(|run| run.states.column(c));
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
                (x.min(low), x.max(high))
            })
        };
        (0..self.states()).map(column).collect()
    }

    /// What models of one step learn from, of the runs that `of` takes: the changes of state of the steps whose next
    /// state is known, and the rewards of all.
    ///
    /// # Errors
    /// [`EvaluationError::TooFew`] if there are hardly any.
    pub fn steps(&self, of: impl Fn(usize) -> bool) -> Result<Steps, EvaluationError> {
        let all = self.rows(of, Run::steps);
        let rows = all.rewards.len();
        if rows < LEAST_STEPS {
            return Err(EvaluationError::TooFew(rows, LEAST_STEPS));
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
            .expect("both have one row a step");
        Ok(Steps {
            states: all.states,
            actions: all.actions,
            changes,
            run: all.run,
        })
    }

    /// All steps whose next state is known or which ended a run, of the runs that `of` takes.
    pub fn transitions(&self, of: impl Fn(usize) -> bool) -> Transitions {
        self.rows(of, |run| run.transitions() + usize::from(run.ends_unseen()))
    }

    /// The first steps, so many of each, of the runs that `of` takes.
    fn rows(&self, of: impl Fn(usize) -> bool, steps: impl Fn(&Run) -> usize) -> Transitions {
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

/// Whether the last step of an episode ended the run for good.
fn ended(flag: EndFlag, episode: &Episode) -> bool {
    let is_set = |flags: &[bool]| flags.last() == Some(&true);
    match flag {
        EndFlag::Terminated | EndFlag::Done => is_set(episode.terminated()),
        EndFlag::DoneOrTruncated => is_set(episode.terminated()) && !is_set(episode.truncated()),
    }
}

impl Run {
    /// Rewards by a rule. Where the last step's next state is not known, the step is left out, unless it ended the
    /// run: then the states are taken to have gone on as in the step before.
    fn computed_rewards(&mut self, reward: Reward) -> Array1<f64> {
        let known = self.transitions() + usize::from(self.ends_unseen());
        self.actions = self.actions.slice(s![..known, ..]).to_owned();
        if let Some(log) = &mut self.log_probabilities {
            *log = log.slice(s![..known]).to_owned();
        }
        let of = |t: usize| {
            let state = self.states.row(t);
            let next = match t + 1 < self.states.nrows() {
                true => self.states.row(t + 1).to_owned(),
                false => &state + &(&state - &self.states.row(t.saturating_sub(1))),
            };
            reward(
                &state.to_vec(),
                &self.actions.row(t).to_vec(),
                &next.to_vec(),
            )
        };
        (0..known).map(of).collect()
    }
}
