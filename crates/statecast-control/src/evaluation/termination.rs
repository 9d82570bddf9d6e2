//! Termination of recorded runs.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::{Logged, RecordedRun};
use crate::recording::EndFlag;

/// Number of nearest recorded steps.
const NEIGHBOURS: usize = 5;

/// Most recorded steps that are searched, of terminal ones and of the others each.
const MAX_NEIGHBOUR_STEPS: usize = 2_000;

/// Termination probability from which on an end counts as an end of the system.
const FORESEEN: f64 = 0.5;

/// Nearest-neighbour estimate of the probability that a step terminates a run.
#[derive(Debug, Clone)]
pub struct TerminationModel {
    /// Features of the recorded steps in units of their standard deviation, `[steps, features]`.
    steps: Array2<f64>,
    unit: Array1<f64>,
    ended: Vec<bool>,
    /// LoggedRun of each step.
    runs: Vec<usize>,
    /// Weight of a nonterminal step: they are subsampled.
    stands_for: f64,
    by: Compared,
}

/// Features of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Next state.
    Next,
    /// State before the step, where some terminal states are unknown.
    Before,
}

impl TerminationModel {
    /// Fits all runs; `None` if none has terminated.
    pub fn of(logged: &Logged) -> Option<Self> {
        let all = logged.transitions(|_| true);
        let by = match all.known.iter().all(|&known| known) {
            true => Compared::Next,
            false => Compared::Before,
        };
        let numbers = match by {
            Compared::Next => all.next,
            Compared::Before => all.states,
        };
        let (ends, others): (Vec<usize>, Vec<usize>) =
            (0..numbers.nrows()).partition(|&row| all.terminated[row]);
        if ends.is_empty() {
            return None;
        }
        let mut kept = spread(&ends);
        let goes_on = spread(&others);
        let stands_for = others.len() as f64 / goes_on.len().max(1) as f64;
        kept.extend(&goes_on);
        let unit = numbers.std_axis(Axis(0), 0.0);
        let unit = unit.mapv(|std| if std > 0.0 { std } else { 1.0 });
        Some(Self {
            steps: numbers.select(Axis(0), &kept) / &unit,
            unit,
            ended: kept.iter().map(|&row| all.terminated[row]).collect(),
            runs: kept.iter().map(|&row| all.run[row]).collect(),
            stands_for,
            by,
        })
    }

    /// Returns the mean leave-one-out probability of the terminations of some runs, near zero where
    /// terminations do not depend on the state; `None` if there are none.
    fn foresight(&self, of_runs: impl Fn(usize) -> bool) -> Option<f64> {
        let is_one = |&i: &usize| self.ended[i] && of_runs(self.runs[i]);
        let ends: Vec<usize> = (0..self.ended.len()).filter(is_one).collect();
        let of = |&i: &usize| self.share(self.steps.row(i), Some(i));
        let sum: f64 = ends.iter().map(of).sum();
        (!ends.is_empty()).then(|| sum / ends.len() as f64)
    }

    /// Returns the probability that a step from a state to the next terminates.
    pub(crate) fn probability(&self, state: &[f64], next: &[f64]) -> f64 {
        let at = match self.by {
            Compared::Next => next,
            Compared::Before => state,
        };
        let at = Array1::from(at.to_vec()) / &self.unit;
        self.share(at.view(), None)
    }

    /// Returns the weighted fraction of the nearest steps, without one of them, that terminated.
    fn share(&self, at: ArrayView1<f64>, without: Option<usize>) -> f64 {
        let mut nearest: Vec<(f64, usize)> = Vec::with_capacity(NEIGHBOURS + 1);
        for (i, step) in self.steps.rows().into_iter().enumerate() {
            if without == Some(i) {
                continue;
            }
            let distance = squared_distance(step, at);
            if nearest.len() < NEIGHBOURS || distance < nearest[nearest.len() - 1].0 {
                let place = nearest.partition_point(|(d, _)| *d <= distance);
                nearest.insert(place, (distance, i));
                nearest.truncate(NEIGHBOURS);
            }
        }
        let weight = |i: usize| if self.ended[i] { 1.0 } else { self.stands_for };
        let all: f64 = nearest.iter().map(|&(_, i)| weight(i)).sum();
        let ended = nearest.iter().filter(|(_, i)| self.ended[*i]).count();
        ended as f64 / all.max(1.0)
    }
}

/// A time limit that truncated runs, although their flag says that they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLimit {
    /// Steps until the limit.
    pub steps: usize,
    /// The runs that it truncated.
    pub runs: Vec<usize>,
}

/// Detects a time limit in runs whose flag does not distinguish truncation from termination:
/// several runs share the longest length, more than share shorter ones, and end in states where
/// others continue.
pub fn time_limit(logged: &Logged) -> Option<TimeLimit> {
    let unsure = |run: &RecordedRun| logged.end_flags.get(run.source) == Some(&EndFlag::Done);
    let steps = logged.runs.iter().map(RecordedRun::steps).max()?;
    let at_limit = |run: &RecordedRun| run.terminated && unsure(run) && run.steps() == steps;
    let runs: Vec<usize> = (0..logged.runs.len())
        .filter(|&i| at_limit(&logged.runs[i]))
        .collect();
    if steps < 2 || runs.len() < 2 * most_of_one_length(logged, steps).max(1) {
        return None;
    }
    let ends = TerminationModel::of(logged)?;
    let foreseen = ends.foresight(|run| at_limit(&logged.runs[run]))?;
    // If shorter runs are no more predictable, states do not predict termination at all.
    let usual = ends.foresight(|run| !at_limit(&logged.runs[run]));
    let is_cut = foreseen < FORESEEN && usual.is_none_or(|usual| foreseen <= FORESEEN * usual);
    is_cut.then_some(TimeLimit { steps, runs })
}

/// Returns the largest number of runs that share a length, of lengths from half to below the
/// longest.
fn most_of_one_length(logged: &Logged, longest: usize) -> usize {
    let mut counts = HashMap::new();
    for run in logged.runs.iter().filter(|run| run.terminated) {
        if (longest / 2..longest).contains(&run.steps()) {
            *counts.entry(run.steps()).or_insert(0) += 1;
        }
    }
    counts.into_values().max().unwrap_or(0)
}

/// Subsamples rows evenly.
fn spread(rows: &[usize]) -> Vec<usize> {
    let step = rows.len().div_ceil(MAX_NEIGHBOUR_STEPS).max(1);
    rows.iter().copied().step_by(step).collect()
}

fn squared_distance(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::evaluation::RecordedRun;

    /// Runs of five steps whose state is the step number.
    fn counted(final_state: bool) -> Logged {
        let rows = 5 + usize::from(final_state);
        let run = RecordedRun {
            source: 0,
            states: Array2::from_shape_fn((rows, 1), |(t, _)| t as f64),
            actions: Array2::zeros((5, 1)),
            rewards: Array1::ones(5),
            terminated: true,
            log_probabilities: None,
        };
        Logged {
            runs: vec![run; 8],
            end_flags: vec![EndFlag::Done],
        }
    }

    #[test]
    fn steps_terminate_where_recorded_ones_did() {
        for final_state in [true, false] {
            let ends = TerminationModel::of(&counted(final_state)).unwrap();
            let of = |t: f64| ends.probability(&[t], &[t + 1.0]);
            assert_eq!((of(2.1), of(3.1), of(4.1)), (0.0, 0.0, 1.0));
        }
    }

    /// The same runs with states that are independent of the step.
    fn scattered() -> Logged {
        let mut logged = counted(true);
        for (r, run) in logged.runs.iter_mut().enumerate() {
            let state = |(t, _)| ((r * 7 + t * t * 3) % 11) as f64;
            run.states = Array2::from_shape_fn((6, 1), state);
        }
        logged
    }

    /// Fault: values were halved, as states at the limit are those of all other steps.
    #[test]
    fn ends_at_one_step_in_any_state_are_a_time_limit() {
        assert_eq!(time_limit(&counted(true)), None);
        let limit = time_limit(&scattered()).unwrap();
        assert_eq!((limit.steps, limit.runs.len()), (5, 8));
    }

    /// Fault: a flag called `terminated` was taken for a time limit where all runs were of one
    /// length.
    #[test]
    fn a_terminated_flag_is_not_a_time_limit() {
        for flag in [EndFlag::Terminated, EndFlag::DoneOrTruncated] {
            let logged = Logged {
                end_flags: vec![flag],
                ..scattered()
            };
            assert_eq!(time_limit(&logged), None);
        }
    }

    const LIMIT: usize = 40;

    /// Random walks that terminate beyond 3 and are truncated by a limit, with or without the last
    /// state.
    fn walks(known: bool) -> Logged {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut runs = Vec::new();
        for _ in 0..60 {
            let mut states = vec![0.0_f64];
            let mut ended = false;
            while !ended && states.len() <= LIMIT {
                let next = states[states.len() - 1] + random.random_range(-1.0..1.0);
                ended = next.abs() > 3.0;
                states.push(next);
            }
            let steps = states.len() - 1;
            states.truncate(steps + usize::from(known));
            runs.push(RecordedRun {
                source: 0,
                actions: Array2::zeros((steps, 1)),
                rewards: Array1::ones(steps),
                states: Array2::from_shape_vec((states.len(), 1), states).unwrap(),
                terminated: ended || steps == LIMIT,
                log_probabilities: None,
            });
        }
        Logged {
            runs,
            end_flags: vec![EndFlag::Done],
        }
    }

    /// Fault: of runs of several lengths, truncated ones counted as terminated.
    #[test]
    fn the_longest_runs_are_truncated_and_shorter_ones_terminate() {
        for known in [true, false] {
            let logged = walks(known);
            let limit = time_limit(&logged).unwrap();
            let split = logged
                .runs
                .iter()
                .filter(|run| run.steps() == LIMIT)
                .count();
            assert_eq!((limit.steps, limit.runs.len()), (LIMIT, split));
            assert!(split < logged.runs.len());
            let rest = logged.truncated_at(&limit);
            let ended = rest.runs.iter().filter(|run| run.terminated).count();
            assert_eq!(ended, rest.runs.len() - split);
            // The last step keeps its reward.
            let steps: usize = rest.runs.iter().map(RecordedRun::steps).sum();
            assert_eq!(rest.steps(|_| true).unwrap().changes.nrows(), steps);
        }
    }

    /// Terminations at the same length are no time limit, however many there are.
    #[test]
    fn runs_that_all_terminate_have_no_time_limit() {
        let mut logged = walks(true);
        logged.runs.retain(|run| run.steps() < LIMIT);
        let longest = logged.runs.iter().map(RecordedRun::steps).max().unwrap();
        let last = logged.runs.iter().find(|run| run.steps() == longest);
        let again = last.unwrap().clone();
        logged.runs.extend(std::iter::repeat_n(again, 20));
        assert_eq!(time_limit(&logged), None);
    }

    #[test]
    fn without_terminations_there_is_no_model() {
        let mut logged = counted(true);
        logged
            .runs
            .iter_mut()
            .for_each(|run| run.terminated = false);
        assert!(TerminationModel::of(&logged).is_none());
    }
}
