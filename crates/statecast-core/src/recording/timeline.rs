//! When the rows of a run were recorded, and which rows of a plan are those of the steps ahead.

use std::path::PathBuf;

use ndarray::{Array2, Axis};

use super::instants::{First, Instant, NANOS_OF_DAY, NANOS_OF_SECOND};
use super::order::gaps;
use super::readings::Times;
use super::{Episode, PlanError, RecordingError};

/// Share of a recording's steps from which on a gap of one length is part of its calendar, as a weekend.
const USUAL: f64 = 0.05;

/// How far the time of a planned row may be from that of its step, in steps.
const NEAR: f64 = 0.1;

/// The times of a run's rows, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    column: String,
    unit: &'static str,
    marks: Marks,
    order: Option<First>,
}

#[derive(Debug, Clone, PartialEq)]
enum Marks {
    Numbers(Vec<f64>),
    Dates(Vec<Instant>),
}

impl Timeline {
    /// Those of some rows. Times of the day alone say nothing of another file's day, and those of a clock that was
    /// full nothing of how often.
    pub(super) fn of(column: &str, times: &Times, rows: &[usize]) -> Option<Self> {
        let marks = match (times.instants.is_empty(), times.unit) {
            _ if times.wrap.is_some() => return None,
            (false, _) => Marks::Dates(rows.iter().map(|&row| times.instants[row]).collect()),
            (true, "") => Marks::Numbers(rows.iter().map(|&row| times.values[row]).collect()),
            _ => return None,
        };
        Some(Self {
            column: column.to_owned(),
            unit: times.unit,
            marks,
            order: times.order,
        })
    }

    /// Name of the column, or of several with `+` between.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// What is written first in its dates, where they can be read in several ways.
    pub(super) fn date_order(&self) -> Option<First> {
        self.order
    }

    /// Whether its times and another's are of one clock: dates, or numbers of columns of one name.
    fn is_like(&self, other: &Self) -> bool {
        match (&self.marks, &other.marks) {
            (Marks::Dates(_), Marks::Dates(_)) => true,
            (Marks::Numbers(_), Marks::Numbers(_)) => {
                self.column.eq_ignore_ascii_case(&other.column)
            }
            _ => false,
        }
    }

    /// Times of another like this one as numbers of this one's unit.
    fn positions(&self, other: &Self) -> Vec<f64> {
        match &other.marks {
            Marks::Numbers(values) => values.clone(),
            Marks::Dates(instants) => instants.iter().map(|i| self.position(*i)).collect(),
        }
    }

    fn position(&self, instant: Instant) -> f64 {
        let first = match &self.marks {
            Marks::Dates(instants) => instants[0],
            Marks::Numbers(_) => instant,
        };
        let nanos = (instant.nanos_since_year_0() - first.nanos_since_year_0()) as f64;
        match self.unit {
            "month" => instant.month as f64,
            "day" => nanos / NANOS_OF_DAY as f64,
            _ => nanos / NANOS_OF_SECOND as f64,
        }
    }

    /// A time that is so far behind that of a row, for a message.
    fn shown(&self, row: usize, behind: f64) -> String {
        match &self.marks {
            Marks::Numbers(values) => {
                let value = values[row] + behind;
                format!("{:.9e}", value)
                    .parse()
                    .unwrap_or(value)
                    .to_string()
            }
            Marks::Dates(instants) => {
                let instant = instants[row];
                let unit = match self.unit {
                    "month" => {
                        let month = instant.month + behind.round() as i64;
                        return Instant { month, ..instant }.to_string();
                    }
                    "day" => NANOS_OF_DAY,
                    _ => NANOS_OF_SECOND,
                };
                instant
                    .plus_nanos((behind * unit as f64).round() as i128)
                    .to_string()
            }
        }
    }
}

/// Actions that are going to be taken, row by row.
#[derive(Debug, Clone)]
pub struct FutureActions {
    pub(super) file: PathBuf,
    /// `[rows, actions]`.
    pub actions: Array2<f64>,
    pub(super) timeline: Option<Timeline>,
    /// What there is to say about how they were read.
    pub notes: Vec<String>,
}

/// The rows of a plan that belong to the steps ahead of a context.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSteps {
    /// `[horizon, actions]`.
    pub actions: Array2<f64>,
    /// What there is to say about how they were found.
    pub note: Option<String>,
}

impl FutureActions {
    /// Actions `[rows, actions]` of the steps after any context.
    pub fn of_rows(actions: Array2<f64>) -> Self {
        Self {
            file: PathBuf::from("planned actions"),
            actions,
            timeline: None,
            notes: Vec::new(),
        }
    }

    /// The actions of the `horizon` steps after the first `end` rows of an episode: those of their times where both
    /// files have such, or else the first rows.
    ///
    /// # Errors
    /// [`PlanError::TooShort`], [`PlanError::Skips`] if there is no row of one of the steps, and
    /// [`PlanError::OutOfStep`] if two rows are of one step.
    ///
    /// # Panics
    /// If `end` is 0 or more than the episode's rows.
    pub fn ahead(
        &self,
        episode: &Episode,
        end: usize,
        horizon: usize,
    ) -> Result<PlannedSteps, RecordingError> {
        let (rows, note) = match (episode.timeline(), &self.timeline) {
            (Some(recorded), Some(planned)) if recorded.is_like(planned) => {
                let rows = self.rows_ahead(episode, (recorded, planned), end, horizon)?;
                let note = left_out(&rows, recorded, end);
                (rows, note)
            }
            (Some(recorded), Some(planned)) => {
                let note = format!(
                    "its times ({}) are not those of the recording ({}): the first row is taken for the \
                     first step",
                    planned.column, recorded.column
                );
                ((0..horizon).collect(), Some(note))
            }
            _ => ((0..horizon).collect(), None),
        };
        self.long_enough(&rows, horizon)?;
        Ok(PlannedSteps {
            actions: self.actions.select(Axis(0), &rows),
            note,
        })
    }

    fn long_enough(&self, rows: &[usize], horizon: usize) -> Result<(), PlanError> {
        let cut = rows.first().copied().unwrap_or(self.actions.nrows());
        match rows.len() == horizon && rows.iter().all(|&row| row < self.actions.nrows()) {
            true => Ok(()),
            false => Err(PlanError::TooShort {
                file: self.file.clone(),
                rows: self.actions.nrows() - cut,
                horizon,
                cut,
            }),
        }
    }

    /// The rows of the steps ahead, fewer if the plan ends before. Steps that the clock leaves out, as nights and
    /// weekends, may be left out by the plan.
    fn rows_ahead(
        &self,
        episode: &Episode,
        (recorded, planned): (&Timeline, &Timeline),
        end: usize,
        horizon: usize,
    ) -> Result<Vec<usize>, PlanError> {
        let times = recorded.positions(recorded);
        let plan = recorded.positions(planned);
        let rows: Vec<usize> = (0..times.len()).collect();
        let last = times[end - 1];
        let (Some(gaps), Some(axis)) = (gaps(&rows, &times), episode.times()) else {
            let first = plan.iter().take_while(|&&time| time <= last).count();
            return Ok((first..first + horizon).collect());
        };
        let near = NEAR * gaps.step;
        let usual = |gap: f64| {
            let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
            let alike = steps
                .filter(|found| (found - gap).abs() <= 0.1 * gaps.step)
                .count();
            alike as f64 >= USUAL * times.len() as f64
        };
        let mut taken = Vec::with_capacity(horizon);
        let (mut before, mut next) = (last, 0);
        for row in end..end + horizon {
            let on = axis.value(row).zip(axis.value(row - 1));
            let on = on.map_or(gaps.step, |(to, from)| to - from);
            let expected = times.get(row).copied().unwrap_or(before + on);
            let passed = plan[next..]
                .iter()
                .take_while(|&&time| time < expected - near);
            let found = next + passed.count();
            let Some(&time) = plan.get(found) else {
                break;
            };
            if time > expected + near && !(usual(time - before) && time - before > on) {
                return Err(PlanError::Skips {
                    file: self.file.clone(),
                    row: found + 1,
                    column: recorded.column.clone(),
                    missing: recorded.shown(end - 1, expected - last),
                    found: planned.shown(found, 0.0),
                });
            }
            // Two rows of one step.
            if plan
                .get(found + 1)
                .is_some_and(|&other| other <= time + near)
            {
                return Err(PlanError::OutOfStep {
                    file: self.file.clone(),
                    row: found + 2,
                    column: recorded.column.clone(),
                    expected: recorded.shown(end - 1, expected - last),
                    found: planned.shown(found + 1, 0.0),
                });
            }
            taken.push(found);
            (before, next) = (time, found + 1);
        }
        if taken.is_empty() {
            // None is ahead: the error counts from the plan's end.
            taken.push(plan.len());
        }
        Ok(taken)
    }
}

/// Says which rows of a plan are of other times than those of the steps.
fn left_out(rows: &[usize], recorded: &Timeline, end: usize) -> Option<String> {
    let (first, last) = (*rows.first()?, *rows.last()?);
    let between = last + 1 - first - rows.len();
    let up_to = format!(
        "{first} row(s) up to {} {}, the last of the context, are left out",
        recorded.column,
        recorded.shown(end - 1, 0.0)
    );
    match (first, between) {
        (0, 0) => None,
        (_, 0) => Some(up_to),
        _ => Some(format!(
            "{} row(s) of other times than those of the steps are left out",
            first + between
        )),
    }
}
