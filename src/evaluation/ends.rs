//! Where recorded runs ended.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::{Logged, Run};

/// Recorded steps that share the say about a step.
const NEIGHBOURS: usize = 5;

/// Most recorded steps that are compared with, of those that ended a run and of the others.
const MOST: usize = 2_000;

/// How likely a step ends a run, by the recorded steps nearest to it.
#[derive(Debug, Clone)]
pub struct RecordedEnds {
    /// What is compared of the recorded steps, in units of its deviation, `[steps, numbers]`.
    steps: Array2<f64>,
    unit: Array1<f64>,
    ended: Vec<bool>,
    /// Steps that one of those that did not end a run stands for.
    stands_for: f64,
    by: Compared,
}

/// What is compared of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Where it led.
    Next,
    /// Where it was taken: where some ends led is not known.
    Before,
}

impl RecordedEnds {
    /// Of all runs; `None` if none has ended.
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
        let unit = unit.mapv(|deviation| if deviation > 0.0 { deviation } else { 1.0 });
        Some(Self {
            steps: numbers.select(Axis(0), &kept) / &unit,
            unit,
            ended: kept.iter().map(|&row| all.terminated[row]).collect(),
            stands_for,
            by,
        })
    }

    /// Mean probability that it gives to the ends of a recorded run by those of all others: near zero where
    /// ends have nothing to do with states.
    fn foresight(&self) -> f64 {
        let ends: Vec<usize> = (0..self.ended.len()).filter(|&i| self.ended[i]).collect();
        let of = |&i: &usize| self.share(self.steps.row(i), Some(i));
        ends.iter().map(of).sum::<f64>() / ends.len().max(1) as f64
    }

    /// Probability that a step from a state to the next ends a run.
    pub(super) fn probability(&self, state: &[f64], next: &[f64]) -> f64 {
        let at = match self.by {
            Compared::Next => next,
            Compared::Before => state,
        };
        let at = Array1::from(at.to_vec()) / &self.unit;
        self.share(at.view(), None)
    }

    /// Share of the steps nearest to a place, but for one of them, that ended a run.
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

/// Steps after which all runs ended, if it is a time limit rather than what the states say: all ended alike, in
/// states in which others went on.
pub fn time_limit(logged: &Logged) -> Option<usize> {
    let first = logged.runs.first()?;
    let alike = |run: &Run| run.terminated && run.steps() == first.steps();
    if logged.runs.len() < 2 || first.steps() < 2 || !logged.runs.iter().all(alike) {
        return None;
    }
    let ends = RecordedEnds::of(logged)?;
    (ends.foresight() < 0.5).then_some(first.steps())
}

/// At most so many of some rows, evenly spread.
fn spread(rows: &[usize]) -> Vec<usize> {
    let step = rows.len().div_ceil(MOST).max(1);
    rows.iter().copied().step_by(step).collect()
}

fn squared_distance(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::evaluation::Run;

    /// Runs of five steps whose state counts them.
    fn counted(final_state: bool) -> Logged {
        let rows = 5 + usize::from(final_state);
        let run = Run {
            source: 0,
            states: Array2::from_shape_fn((rows, 1), |(t, _)| t as f64),
            actions: Array2::zeros((5, 1)),
            rewards: Array1::ones(5),
            terminated: true,
            log_probabilities: None,
        };
        Logged {
            runs: vec![run; 8],
            sources: 1,
        }
    }

    #[test]
    fn steps_end_where_recorded_ones_did() {
        for final_state in [true, false] {
            let ends = RecordedEnds::of(&counted(final_state)).unwrap();
            let of = |t: f64| ends.probability(&[t], &[t + 1.0]);
            assert_eq!((of(2.1), of(3.1), of(4.1)), (0.0, 0.0, 1.0));
        }
    }

    /// Values were halved: states at the limit are those of all other steps.
    #[test]
    fn ends_at_one_step_in_any_state_are_a_time_limit() {
        let mut logged = counted(true);
        assert_eq!(time_limit(&logged), None);
        for (r, run) in logged.runs.iter_mut().enumerate() {
            let state = |(t, _)| ((r * 7 + t * t * 3) % 11) as f64;
            run.states = Array2::from_shape_fn((6, 1), state);
        }
        assert_eq!(time_limit(&logged), Some(5));
        logged.runs[0].terminated = false;
        assert_eq!(time_limit(&logged), None);
    }

    #[test]
    fn nothing_ends_where_nothing_did() {
        let mut logged = counted(true);
        logged
            .runs
            .iter_mut()
            .for_each(|run| run.terminated = false);
        assert!(RecordedEnds::of(&logged).is_none());
    }
}
