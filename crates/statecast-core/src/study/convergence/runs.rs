//! Runs of an optimiser: a metric or a parameter, row by row.

use super::Simulation;
use crate::recording::LoggedRun;

/// A column of some runs of an optimiser.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimisationRuns {
    /// Name of the metric or parameter.
    pub column: String,
    /// The runs.
    pub runs: Vec<OptimisationRun>,
    /// How the runs were simulated, if they were.
    pub simulation: Option<Simulation>,
}

/// A column of a run.
///
/// ```
/// use statecast::recording::LoggedRun;
/// use statecast::study::convergence::OptimisationRun;
/// let run = OptimisationRun::of_log(LoggedRun {
///     name: "a".to_owned(),
///     steps: Some(vec![0.0, 100.0, 200.0]),
///     values: vec![0.9, f64::NAN, 0.8],
/// });
/// assert_eq!(run.values, [0.9, 0.8]);
/// assert_eq!((run.step_of(1), run.step_of(2)), (200, 400));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OptimisationRun {
    /// The run's label, or its number.
    pub name: String,
    /// Values of the rows that have one. The last one is NaN if the run diverges.
    pub values: Vec<f64>,
    /// Steps, if the log has a step column.
    steps: Option<Steps>,
}

/// The step column of a log.
#[derive(Debug, Clone, PartialEq)]
struct Steps {
    /// Step of every row with a value, ascending.
    of_rows: Vec<f64>,
    /// Whether the log starts at step 0, so that its Nth step is N - 1.
    from_zero: bool,
}

impl OptimisationRun {
    /// A run whose rows count its steps.
    pub fn new(name: String, values: Vec<f64>) -> Self {
        Self {
            name,
            values,
            steps: None,
        }
    }

    /// The rows of a logged run that have a value. It diverges if it ends with more than twice as
    /// many rows without a value as between any two values: its last value is then NaN.
    pub fn of_log(run: LoggedRun) -> Self {
        let steps = run.steps.map(|steps| Steps {
            from_zero: steps.first() == Some(&0.0),
            of_rows: {
                let rows = steps.into_iter().zip(&run.values);
                let logged = rows.filter(|(_, value)| !value.is_nan());
                logged.map(|(step, _)| step).collect()
            },
        });
        Self {
            name: run.name,
            values: logged_values(&run.values),
            steps,
        }
    }

    /// Returns the number of rows until a step, or the argument if the log has no step column.
    pub fn rows_until(&self, until: usize) -> usize {
        let Some((steps, last, stride)) = self.pace() else {
            return until;
        };
        let from_zero = self.steps.as_ref().is_some_and(|steps| steps.from_zero);
        let until = until as f64;
        // Integers up to rounding count as integers.
        let ahead = (until - last) / stride;
        let ahead = match from_zero {
            true => (ahead - 1e-9).ceil() - 1.0,
            false => (ahead + 1e-9).floor(),
        };
        let made = |step: &&f64| **step < until || (!from_zero && **step == until);
        steps.iter().filter(made).count() + ahead.max(0.0) as usize
    }

    /// Returns the step of a known or future row; the row if the log has no step column.
    pub fn step_of(&self, row: usize) -> usize {
        let Some((steps, last, stride)) = self.pace() else {
            return row;
        };
        let ahead = || last + (row + 1 - steps.len()) as f64 * stride;
        steps.get(row).copied().unwrap_or_else(ahead).round() as usize
    }

    /// Returns whether all values are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Returns the steps, the last one, and the mean difference.
    fn pace(&self) -> Option<(&[f64], f64, f64)> {
        let steps = &self.steps.as_ref()?.of_rows;
        let (first, last) = (*steps.first()?, *steps.last()?);
        let stride = (last - first) / (steps.len() - 1) as f64;
        (first >= 0.0 && stride > 0.0 && stride.is_finite()).then_some((steps, last, stride))
    }
}

/// Returns the values of the rows that log a metric, and NaN after them for a run that diverges.
pub(super) fn logged_values(values: &[f64]) -> Vec<f64> {
    let mut logged = Vec::new();
    let (mut gap, mut longest) = (0, 0);
    for &value in values {
        if value.is_nan() {
            gap += 1;
            continue;
        }
        longest = longest.max(gap);
        gap = 0;
        logged.push(value);
    }
    if !logged.is_empty() && gap > 2 * longest {
        logged.push(f64::NAN);
    }
    logged
}

#[cfg(test)]
mod tests {
    use super::{OptimisationRun, Steps, logged_values};

    /// Fault: the end was a row number even for logs with a row every hundred steps.
    #[test]
    fn ends_are_steps_of_the_log() {
        let series = |steps| OptimisationRun {
            name: String::new(),
            values: vec![1.0; 10],
            steps,
        };
        let of = |first: u32, stride: u32| {
            let of_rows = (0..10).map(|row| f64::from(first + row * stride));
            series(Some(Steps {
                of_rows: of_rows.collect(),
                from_zero: first < stride,
            }))
        };
        assert_eq!(series(None).rows_until(300), 300);
        // Ten steps are made in rows 0 to 9, and in rows 1 to 10.
        assert_eq!([of(0, 1).rows_until(10), of(1, 1).rows_until(10)], [10, 10]);
        assert_eq!(
            [of(0, 1).rows_until(300), of(1, 1).rows_until(300)],
            [300, 300]
        );
        assert_eq!(
            [of(0, 100).rows_until(5000), of(100, 100).rows_until(5000)],
            [50, 50]
        );
        assert_eq!(
            [of(0, 100).rows_until(500), of(100, 100).rows_until(500)],
            [5, 5]
        );
        assert_eq!(
            [of(100, 100).rows_until(5099), of(0, 100).rows_until(5001)],
            [50, 51]
        );
        // A metric that is logged in every tenth row of a log from 0.
        assert_eq!(
            [of(9, 10).rows_until(100), of(9, 10).rows_until(600)],
            [10, 60]
        );
        assert_eq!(
            [of(100, 100).step_of(0), of(100, 100).step_of(49)],
            [100, 5000]
        );
        let stands = Steps {
            of_rows: vec![3.0; 10],
            from_zero: false,
        };
        assert_eq!(series(Some(stands)).rows_until(7), 7);
    }

    #[test]
    fn rows_without_the_metric_are_left_out_and_a_lost_end_is_not() {
        let none = f64::NAN;
        assert_eq!(
            logged_values(&[none, 1.0, none, 2.0, none, none]),
            [1.0, 2.0]
        );
        let diverged = logged_values(&[none, 1.0, none, 2.0, none, none, none]);
        assert_eq!(diverged[..2], [1.0, 2.0]);
        assert!(diverged.len() == 3 && diverged[2].is_nan());
        assert!(logged_values(&[1.0, 2.0, none])[2].is_nan());
        assert!(logged_values(&[none, none]).is_empty());
    }
}
