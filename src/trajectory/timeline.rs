//! When the rows of a run were recorded, and which rows of a plan are those of the steps ahead.

use std::path::PathBuf;

use ndarray::{Array2, s};

use super::calendar::{Instant, NANOS_OF_DAY, NANOS_OF_SECOND};
use super::clock::Times;
use super::order::gaps;
use super::{Episode, TrajectoryError};

/// Share of a recording's steps from which on a gap of one length is part of its calendar, as a weekend.
const USUAL: f64 = 0.05;

/// The times of a run's rows, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    column: String,
    unit: &'static str,
    marks: Marks,
}

#[derive(Debug, Clone, PartialEq)]
enum Marks {
    Numbers(Vec<f64>),
    Dates(Vec<Instant>),
}

impl Timeline {
    /// Those of some rows. Times of the day alone say nothing of another file's day.
    pub(super) fn of(column: &str, times: &Times, rows: &[usize]) -> Option<Self> {
        let marks = match (times.instants.is_empty(), times.unit) {
            (false, _) => Marks::Dates(rows.iter().map(|&row| times.instants[row]).collect()),
            (true, "") => Marks::Numbers(rows.iter().map(|&row| times.values[row]).collect()),
            _ => return None,
        };
        Some(Self {
            column: column.to_owned(),
            unit: times.unit,
            marks,
        })
    }

    /// Name of the column, or of several with `+` between.
    pub fn column(&self) -> &str {
        &self.column
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
            "month" => {
                instant.month as f64 + (f64::from(instant.day) - f64::from(first.day)) / 31.0
            }
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
    /// The actions of the `horizon` steps after the first `end` rows of an episode: those of their times where both
    /// files have such, or else the first rows.
    ///
    /// # Errors
    /// [`TrajectoryError::PlanTooShort`], [`TrajectoryError::PlanSkips`] if there is no row of one of the steps, and
    /// [`TrajectoryError::PlanOutOfStep`] if rows are nearer to each other than steps.
    ///
    /// # Panics
    /// If `end` is 0 or more than the episode's rows.
    pub fn ahead(
        &self,
        episode: &Episode,
        end: usize,
        horizon: usize,
    ) -> Result<PlannedSteps, TrajectoryError> {
        let (first, note) = match (episode.timeline(), &self.timeline) {
            (Some(recorded), Some(planned)) if recorded.is_like(planned) => {
                let first = self.first_row(recorded, planned, end, horizon)?;
                let cut = || {
                    format!(
                        "{first} row(s) up to {} {}, the last of the context, are left out",
                        recorded.column,
                        recorded.shown(end - 1, 0.0)
                    )
                };
                (first, (first > 0).then(cut))
            }
            (Some(recorded), Some(planned)) => {
                let note = format!(
                    "its times ({}) are not those of the recording ({}): the first row is taken for the \
                     first step",
                    planned.column, recorded.column
                );
                (0, Some(note))
            }
            _ => (0, None),
        };
        if self.actions.nrows() < first + horizon {
            return Err(TrajectoryError::PlanTooShort {
                file: self.file.clone(),
                rows: self.actions.nrows() - first,
                horizon,
                cut: first,
            });
        }
        let actions = self.actions.slice(s![first..first + horizon, ..]);
        Ok(PlannedSteps {
            actions: actions.to_owned(),
            note,
        })
    }

    /// The row of the first step. All steps that have a row are checked.
    fn first_row(
        &self,
        recorded: &Timeline,
        planned: &Timeline,
        end: usize,
        horizon: usize,
    ) -> Result<usize, TrajectoryError> {
        let times = recorded.positions(recorded);
        let plan = recorded.positions(planned);
        let rows: Vec<usize> = (0..times.len()).collect();
        let step = gaps(&rows, &times).map(|gaps| gaps.step);
        let last = times[end - 1];
        let half = 0.5 * step.unwrap_or(0.0);
        let first = plan.iter().take_while(|&&time| time <= last + half).count();
        let Some(step) = step else {
            return Ok(first);
        };
        let usual = |gap: f64| {
            let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
            let alike = steps
                .filter(|found| (found - gap).abs() <= 0.1 * step)
                .count();
            alike as f64 >= USUAL * times.len() as f64
        };
        let mut before = last;
        for (ahead, &time) in plan[first..].iter().take(horizon).enumerate() {
            let expected = times.get(end + ahead).copied().unwrap_or(before + step);
            if time > expected + half && !usual(time - before) {
                return Err(TrajectoryError::PlanSkips {
                    file: self.file.clone(),
                    row: first + ahead + 1,
                    column: recorded.column.clone(),
                    missing: recorded.shown(end - 1, expected - last),
                    found: planned.shown(first + ahead, 0.0),
                });
            }
            if time < expected - half {
                return Err(TrajectoryError::PlanOutOfStep {
                    file: self.file.clone(),
                    row: first + ahead + 1,
                    column: recorded.column.clone(),
                    expected: recorded.shown(end - 1, expected - last),
                    found: planned.shown(first + ahead, 0.0),
                });
            }
            before = time;
        }
        Ok(first)
    }
}
