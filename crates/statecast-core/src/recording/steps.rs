//! The time from a row to the next where a clock's steps vary.

use std::ops::Range;
use std::sync::Arc;

use super::TimeAxis;

/// Steps from rows to the next ones, in median steps, and those from rows that follow as the clock of their recording goes on.
///
/// ```
/// use statecast::recording::{MissingPolicy, RoleSelection, Steps, read};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("read.csv");
/// let rows = (0..20).map(|t| format!("{},{}\n", 4 * t + t % 2, t * t));
/// std::fs::write(&path, "t,x\n".to_owned() + &rows.collect::<String>())?;
/// let (recording, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error)?;
/// let times = recording.episodes()[0].times().ok_or("no times")?;
/// let steps = Steps::of(times, 0..20).ok_or("an even clock")?;
/// assert_eq!([steps.after(0), steps.after(1), steps.after(19)], [1.0, 0.6, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Steps {
    /// Those from rows of earlier recordings, which come first.
    earlier: Vec<f64>,
    axis: Arc<TimeAxis>,
    rows: Range<usize>,
    median: f64,
}

impl Steps {
    /// Those of some rows of a recording. None where its clock is regular, or has fewer than ten rows.
    pub fn of(axis: &TimeAxis, rows: Range<usize>) -> Option<Self> {
        axis.varying_step().map(|median| Self {
            earlier: Vec::new(),
            axis: Arc::new(axis.clone()),
            rows,
            median,
        })
    }

    /// The step from a row to the next; the recorded one where the next row is recorded, else the median: 1.
    pub fn after(&self, row: usize) -> f64 {
        match self.earlier.get(row) {
            Some(&step) => step,
            None => {
                let row = self.rows.start + row - self.earlier.len();
                let known = self.axis.value(row).filter(|_| row + 1 < self.axis.len());
                let next = known.zip(self.axis.value(row + 1));
                next.map_or(1.0, |(from, to)| (to - from) / self.median)
            }
        }
    }

    /// Rows whose steps are known.
    pub fn len(&self) -> usize {
        self.earlier.len() + self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of some of the rows.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        assert!(rows.end <= self.len(), "rows of the steps");
        let earlier = self.earlier.len();
        let of_own = |row: usize| self.rows.start + row.saturating_sub(earlier);
        Self {
            earlier: self.earlier[rows.start.min(earlier)..rows.end.min(earlier)].to_vec(),
            rows: of_own(rows.start)..of_own(rows.end),
            ..self.clone()
        }
    }

    /// Those of all rows of several, one after the other, in median steps of the last one, which goes on.
    pub fn joined(parts: &[Self]) -> Option<Self> {
        let (last, before) = parts.split_last()?;
        let of_part = |part: &Self| -> Vec<f64> {
            let unit = part.median / last.median;
            (0..part.len()).map(|row| part.after(row) * unit).collect()
        };
        let mut earlier: Vec<f64> = before.iter().flat_map(of_part).collect();
        earlier.extend(&last.earlier);
        Some(Self {
            earlier,
            ..last.clone()
        })
    }
}
