//! When the rows of an episode were recorded, and when those that follow will be.

use super::calendar_rows::Moment;
use super::gregorian::{Date, WithTime};
use super::instants::{NANOS_OF_DAY, days_of_month};
use super::order::{gaps, median_step, variation};
use super::weekly::Weekly;

/// Digits after the point that a number of time has at most.
const MAX_DECIMALS: usize = 9;
/// Rows whose numbers say how many digits there are.
const ROWS_OF_DECIMALS: usize = 1000;
/// Days from which on a calendar without weekends is one of workdays.
const MIN_WORKDAYS: usize = 10;
/// Fewest rows of which it is said how much their steps vary.
const MIN_VARYING: usize = 10;
const NANOS_OF_SECOND: f64 = 1e9;

/// A time of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeStamp {
    /// A number of the column's unit.
    Number(f64),
    /// A date as of ISO 8601, with the time of day where dates of the recording have one; in UTC where
    /// they say how far they are from it.
    Date(String),
}

/// The times of an episode, as far as its recording has them.
///
/// Times go on by the step of the clock, or by the median step if it is not regular, months by the calendar, days without
/// weekends from Friday to Monday, and a clock that left out the same times of the day or days of the
/// week all along leaves them out.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeAxis {
    values: Vec<f64>,
    scale: Scale,
    step: Option<Step>,
}

/// What the numbers of a clock count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// They are what the column holds.
    Plain,
    /// They are more than what it holds by a multiple of the modulus.
    Modulo { modulus: f64, from: f64 },
    /// Days or seconds since a date.
    Since(Date, Unit),
    /// Months since the year 0, on some day of these at some time.
    Months {
        /// The day, none for the last one.
        day: Option<u32>,
        /// Nanoseconds of the day.
        nanos: i64,
    },
}

impl Scale {
    /// The date that the clock counts to, if it counts dates.
    pub(super) fn date(self, value: f64) -> Option<Date> {
        match self {
            Self::Plain | Self::Modulo { .. } => None,
            Self::Months { day, nanos } => {
                let month = value.round() as i64;
                let last = days_of_month(month);
                Some(Date {
                    year: month.div_euclid(12),
                    month: month.rem_euclid(12) + 1,
                    day: i64::from(day.map_or(last, |day| day.min(last))),
                    nanos,
                })
            }
            Self::Since(origin, unit) => Some(since(origin, unit, value)),
        }
    }
}

/// A unit of time that is as long as any other of its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    Day,
    Second,
}

impl Unit {
    fn nanos(self) -> i64 {
        match self {
            Self::Day => NANOS_OF_DAY,
            Self::Second => super::instants::NANOS_OF_SECOND,
        }
    }

    fn of_nanos(self, nanos: i128) -> f64 {
        nanos as f64 / self.nanos() as f64
    }
}

/// How a clock goes on.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    By(f64),
    /// By one day, without weekends.
    Workday,
    /// By a step, without what a calendar leaves out.
    Weekly(Weekly),
    /// By steps that vary, of which this is the median.
    Varying(f64),
}

impl TimeAxis {
    pub(super) fn new(values: Vec<f64>, scale: Scale) -> Self {
        let mut axis = Self {
            values,
            scale,
            step: None,
        };
        axis.step = axis.regular_step().or_else(|| axis.median_step());
        axis
    }

    /// The time of a row, which may follow those of the recording: a clock that is not regular goes on by its median step.
    ///
    /// ```
    /// use statecast::recording::{MissingPolicy, RoleSelection, TimeStamp, read};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("monthly.csv");
    /// std::fs::write(&path, "month,x\n2023-12-31,1\n2024-01-31,2\n2024-02-29,3\n")?;
    /// let (trajectory, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error)?;
    /// let times = trajectory.episodes()[0].times().ok_or("no times")?;
    /// assert_eq!(times.at(4), Some(TimeStamp::Date("2024-04-30".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, row: usize) -> Option<TimeStamp> {
        let value = self.value(row)?;
        Some(match self.scale {
            Scale::Plain if row < self.values.len() => TimeStamp::Number(value),
            Scale::Plain => TimeStamp::Number(self.rounded(value)),
            Scale::Modulo { modulus, from } => {
                TimeStamp::Number(self.rounded((value - from).rem_euclid(modulus) + from))
            }
            Scale::Months { nanos, .. } => {
                TimeStamp::Date(text(self.scale.date(value)?, nanos != 0))
            }
            Scale::Since(origin, unit) => {
                let with_time = unit == Unit::Second || origin.nanos != 0;
                TimeStamp::Date(text(self.scale.date(value)?, with_time))
            }
        })
    }

    /// Recorded rows.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it is known how the clock goes on.
    pub(super) fn is_regular(&self) -> bool {
        matches!(
            self.step,
            Some(Step::By(_) | Step::Workday | Step::Weekly(_))
        )
    }

    /// The median step of a clock whose steps vary, in what it counts.
    fn median_step(&self) -> Option<Step> {
        let rows: Vec<usize> = (0..self.values.len()).collect();
        let step = median_step(&rows, &self.values);
        (rows.len() > 2 && step > 0.0).then_some(Step::Varying(step))
    }

    /// How far from the median step a quarter of the steps are at least, as a share of it, where the clock is not regular and has at
    /// least ten rows.
    ///
    /// ```
    /// use statecast::recording::{MissingPolicy, RoleSelection, read};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("read.csv");
    /// let rows = (0..20).map(|t| format!("{},{}\n", 4 * t + t % 2, t * t));
    /// std::fs::write(&path, "t,x\n".to_owned() + &rows.collect::<String>())?;
    /// let (recording, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error)?;
    /// let times = recording.episodes()[0].times().ok_or("no times")?;
    /// assert_eq!(times.variation(), Some(0.4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn variation(&self) -> Option<f64> {
        self.varying_step().and_then(|_| variation(&self.values))
    }

    /// The median step where steps vary, in what the clock counts.
    pub(super) fn varying_step(&self) -> Option<f64> {
        match self.step {
            Some(Step::Varying(step)) if self.values.len() >= MIN_VARYING => Some(step),
            _ => None,
        }
    }

    /// The moment of a row, which may follow those of the recording, if the clock counts dates.
    pub(super) fn moment(&self, row: usize) -> Option<Moment> {
        self.scale.date(self.value(row)?).map(Moment)
    }

    /// What the clock counts at a row, which may follow those of the recording.
    pub(super) fn value(&self, row: usize) -> Option<f64> {
        match self.values.get(row) {
            Some(&value) => Some(value),
            None => self.after(row + 1 - self.values.len()),
        }
    }

    /// The value so many rows after the last one.
    fn after(&self, rows: usize) -> Option<f64> {
        let last = *self.values.last()?;
        match self.step.as_ref()? {
            &(Step::By(step) | Step::Varying(step)) => Some(last + rows as f64 * step),
            Step::Workday | Step::Weekly(_) => {
                (0..rows).try_fold(last, |value, _| self.next(value))
            }
        }
    }

    /// The value a step after another, on a regular clock.
    fn next(&self, value: f64) -> Option<f64> {
        match self.step.as_ref()? {
            &Step::By(step) => Some(value + step),
            Step::Workday => {
                let mut next = value + 1.0;
                while self.is_weekend(next) {
                    next += 1.0;
                }
                Some(next)
            }
            Step::Weekly(calendar) => {
                let Scale::Since(origin, unit) = self.scale else {
                    return None;
                };
                let next = calendar.after(since(origin, unit, value));
                Some(unit.of_nanos(next.nanos_since(origin)))
            }
            Step::Varying(_) => None,
        }
    }

    /// The values that a regular clock skipped before a row, `most` and one more at most; none where it did not.
    pub(super) fn skipped(&self, row: usize, most: usize) -> Vec<f64> {
        let mut skipped = Vec::new();
        let Some(&[mut from, to]) = row.checked_sub(1).and_then(|r| self.values.get(r..=row))
        else {
            return skipped;
        };
        // The row itself may be late or early by less than half a step.
        while let Some(value) = self.next(from)
            && to - value > 0.5 * self.next(value).map_or(0.0, |next| next - value)
            && skipped.len() <= most
        {
            skipped.push(value);
            from = value;
        }
        skipped
    }

    /// The rows that come later than one step after the row before, on a regular clock.
    ///
    /// ```
    /// use statecast::recording::{RoleSelection, read_labels};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("sky.csv");
    /// std::fs::write(&path, "t,sky\n0,sun\n1,sun\n2,rain\n3,sun\n4,sun\n6,rain\n")?;
    /// let (runs, _) = read_labels(&path, "sky", &RoleSelection::default())?;
    /// assert_eq!(runs[0].breaks, [5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn breaks(&self) -> Vec<usize> {
        let late = |pair: &[f64]| Some(pair[1] - pair[0] > 1.5 * (self.next(pair[0])? - pair[0]));
        let pairs = self.values.windows(2).enumerate();
        pairs
            .filter_map(|(row, pair)| late(pair)?.then_some(row + 1))
            .collect()
    }

    fn is_weekend(&self, value: f64) -> bool {
        match self.scale {
            Scale::Since(origin, unit) => since(origin, unit, value).is_weekend(),
            Scale::Plain | Scale::Modulo { .. } | Scale::Months { .. } => false,
        }
    }

    fn regular_step(&self) -> Option<Step> {
        let values = &self.values;
        if let &[first, second] = values.as_slice() {
            return (second > first).then_some(Step::By(second - first));
        }
        let rows: Vec<usize> = (0..values.len()).collect();
        let found = gaps(&rows, values)?;
        let is_daily = matches!(self.scale, Scale::Since(_, Unit::Day)) && found.step == 1.0;
        let works = || values.len() >= MIN_WORKDAYS && !values.iter().any(|&v| self.is_weekend(v));
        if is_daily && works() {
            return Some(Step::Workday);
        }
        if let Some(calendar) = self.calendar(found.step) {
            return Some(Step::Weekly(calendar));
        }
        // Differences of decimal numbers are less exact than their mean.
        let count = (values.len() - 1) as f64;
        let mean = (values.last()? - values.first()?) / count;
        let whole = matches!(self.scale, Scale::Months { .. });
        Some(Step::By(match found.count == 0 && !whole {
            true => mean,
            false => found.step,
        }))
    }

    fn calendar(&self, step: f64) -> Option<Weekly> {
        let Scale::Since(origin, unit) = self.scale else {
            return None;
        };
        let times: Vec<Date> = self
            .values
            .iter()
            .map(|&v| since(origin, unit, v))
            .collect();
        Weekly::of(&times, (step * unit.nanos() as f64).round() as i64)
    }

    /// A number with as many digits after the point as those of the recording.
    fn rounded(&self, value: f64) -> f64 {
        let decimals = |value: &f64| {
            let text = value.to_string();
            text.split_once('.')
                .map_or(0, |(_, decimals)| decimals.len())
        };
        let known = self
            .values
            .iter()
            .rev()
            .take(ROWS_OF_DECIMALS)
            .map(decimals)
            .max();
        let digits = known.unwrap_or(0).min(MAX_DECIMALS);
        format!("{value:.digits$}").parse().unwrap_or(value)
    }
}

fn text(date: Date, with_time: bool) -> String {
    match with_time {
        true => WithTime(date).to_string(),
        false => date.to_string(),
    }
}

fn since(origin: Date, unit: Unit, value: f64) -> Date {
    match unit {
        Unit::Day => origin.after(i128::from(value.round() as i64) * i128::from(NANOS_OF_DAY)),
        Unit::Second => {
            // Whole and broken seconds apart, so that neither loses digits.
            let whole = i128::from(value.floor() as i64) * 1_000_000_000;
            let rest = (value - value.floor()) * NANOS_OF_SECOND;
            // A double of seconds is exact to a nanosecond for some days, and long after to a microsecond.
            let grain = if value.abs() < 1e6 { 1.0 } else { 1000.0 };
            let rest = ((rest / grain).round() * grain) as i128;
            origin.after(whole + rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(axis: &TimeAxis, row: usize) -> f64 {
        match axis.at(row) {
            Some(TimeStamp::Number(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    fn date(axis: &TimeAxis, row: usize) -> String {
        match axis.at(row) {
            Some(TimeStamp::Date(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    const JANUARY: Date = Date {
        year: 2024,
        month: 1,
        day: 29,
        nanos: 0,
    };

    #[test]
    fn numbers_go_on_without_noise() {
        let values = (0..20).map(|row| f64::from(row) * 5.0 / 100.0).collect();
        let axis = TimeAxis::new(values, Scale::Plain);
        assert_eq!(number(&axis, 3), 0.15);
        assert_eq!(number(&axis, 20), 1.0);
        assert_eq!(number(&axis, 22), 1.1);
        let irregular = TimeAxis::new(vec![0.0, 1.0, 5.0, 5.5], Scale::Plain);
        assert_eq!(number(&irregular, 4), 6.5);
        assert_eq!(number(&irregular, 2), 5.0);
        assert_eq!(TimeAxis::new(vec![3.0], Scale::Plain).at(1), None);
    }

    #[test]
    fn months_keep_their_day() {
        let months = (24_287..24_291).map(f64::from).collect();
        let of = |day| Scale::Months { day, nanos: 0 };
        let axis = TimeAxis::new(months, of(Some(31)));
        assert_eq!(date(&axis, 0), "2023-12-31");
        assert_eq!(date(&axis, 2), "2024-02-29");
        assert_eq!(date(&axis, 4), "2024-04-30");
        let quarters = [0, 3, 6, 9].map(|month| f64::from(24_288 + month)).to_vec();
        assert_eq!(date(&TimeAxis::new(quarters, of(Some(1))), 4), "2025-01-01");
    }

    #[test]
    fn days_and_hours_go_on_and_weekends_stay_out() {
        let since = |values: Vec<f64>, unit| TimeAxis::new(values, Scale::Since(JANUARY, unit));
        let daily = since((0..12).map(f64::from).collect(), Unit::Day);
        assert_eq!(date(&daily, 12), "2024-02-10");
        // Monday the 29th of January to Friday of the week after.
        let workdays = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11].map(f64::from).to_vec();
        assert_eq!(date(&since(workdays, Unit::Day), 10), "2024-02-12");
        let hours = since(
            (0..9).map(|row| f64::from(row) * 3600.0).collect(),
            Unit::Second,
        );
        assert_eq!(date(&hours, 1), "2024-01-29T01:00:00");
        assert_eq!(date(&hours, 24), "2024-01-30T00:00:00");
        let tenths = since(
            (0..9).map(|row| f64::from(row) / 10.0).collect(),
            Unit::Second,
        );
        assert_eq!(date(&tenths, 9), "2024-01-29T00:00:00.9");
    }

    /// Fault: the 29th of each month became the 28th of the next one after a February.
    #[test]
    fn late_days_of_months_are_kept() {
        let place = Scale::Months {
            day: Some(30),
            nanos: 0,
        };
        let axis = TimeAxis::new((24_288..24_300).map(f64::from).collect(), place);
        let at = |row| match axis.at(row) {
            Some(TimeStamp::Date(date)) => date,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [at(12), at(13), at(14)],
            ["2025-01-30", "2025-02-28", "2025-03-30"]
        );
    }
}
