//! The calendar of rows: which hour, day and month they are of, and those that follow them.

use std::ops::Range;
use std::sync::Arc;

use super::TimeAxis;
use super::gregorian::{Date, WithTime};
use super::instants::{Instant, NANOS_OF_DAY, NANOS_OF_SECOND, days_of_month};

/// Shortest and longest step of rows of which the calendar may say something, in nanoseconds.
const STEPS: std::ops::RangeInclusive<i128> =
    15 * 60 * NANOS_OF_SECOND as i128..=31 * NANOS_OF_DAY as i128;

/// A date with a time of day, in the time of the recording.
///
/// ```
/// use statecast::recording::Moment;
/// let leap_day = Moment::new(2024, 2, 29, 6 * 3600).ok_or("no such day")?;
/// assert_eq!((leap_day.weekday(), leap_day.second_of_day()), (3, 21_600));
/// assert_eq!((leap_day.days_of_month(), leap_day.workdays_of_month()), (29, 21));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub(super) Date);

impl Moment {
    /// A second of a day; months and days are counted from 1. `None` if the years 0 to 9999 have no such day, or the day no such second.
    pub fn new(year: i64, month: i64, day: i64, second: i64) -> Option<Self> {
        Instant::new(year, month, day, 0)?;
        let nanos = (0..86_400)
            .contains(&second)
            .then_some(second * NANOS_OF_SECOND)?;
        Some(Self(Date {
            year,
            month,
            day,
            nanos,
        }))
    }

    /// Seconds since midnight.
    pub fn second_of_day(self) -> i64 {
        self.0.nanos / NANOS_OF_SECOND
    }

    /// Days since Monday, from 0 to 6.
    pub fn weekday(self) -> usize {
        // The first day of 1970 was a Thursday.
        usize::try_from((self.0.days() + 3).rem_euclid(7)).unwrap_or(0)
    }

    /// Share of the month that is over.
    pub fn of_month(self) -> f64 {
        (self.0.day - 1) as f64 / self.days_of_month() as f64
    }

    /// Share of the year that is over.
    pub fn of_year(self) -> f64 {
        let first = |year| Date {
            year,
            month: 1,
            day: 1,
            nanos: 0,
        };
        let (start, end) = (first(self.0.year), first(self.0.year + 1));
        self.0.nanos_since(start) as f64 / end.nanos_since(start) as f64
    }

    /// Days of its month.
    pub fn days_of_month(self) -> i64 {
        i64::from(days_of_month(12 * self.0.year + self.0.month - 1))
    }

    /// Days of its month from Monday to Friday.
    pub fn workdays_of_month(self) -> i64 {
        let first = Date {
            day: 1,
            nanos: 0,
            ..self.0
        };
        let days = (0..self.days_of_month())
            .map(|day| first.after(i128::from(day) * i128::from(NANOS_OF_DAY)));
        days.filter(|day| !day.is_weekend()).count() as i64
    }

    /// Nanoseconds since another.
    pub fn nanos_since(self, other: Self) -> i128 {
        self.0.nanos_since(other.0)
    }

    /// So many nanoseconds later.
    pub fn after(self, nanos: i128) -> Self {
        Self(self.0.after(nanos))
    }

    /// The same time of the same day of the year before, the 28th of February in place of the 29th.
    pub fn a_year_before(self) -> Self {
        let year = self.0.year - 1;
        let last = i64::from(days_of_month(12 * year + self.0.month - 1));
        Self(Date {
            year,
            day: self.0.day.min(last),
            ..self.0
        })
    }
}

impl std::fmt::Display for Moment {
    /// As of ISO 8601.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        WithTime(self.0).fmt(f)
    }
}

/// The moments of some rows, and of those that follow as the clock of their recording goes on.
///
/// ```
/// use statecast::recording::{Calendar, MissingPolicy, RoleSelection, read};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("sold.csv");
/// // Two weeks of workdays.
/// let days: Vec<u32> = (1..=5).chain(8..=12).collect();
/// let rows = days.iter().map(|day| format!("2024-01-{day:02},{day}\n"));
/// std::fs::write(&path, "day,sold\n".to_owned() + &rows.collect::<String>())?;
/// let (trajectory, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error)?;
/// let times = trajectory.episodes()[0].times().ok_or("no times")?;
/// let calendar = Calendar::of(times, 0..10).ok_or("no dates")?;
/// let monday = calendar.moment(10).ok_or("no next row")?;
/// assert_eq!((monday.to_string(), monday.weekday()), ("2024-01-15T00:00:00".to_owned(), 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Rows of earlier recordings, which come first.
    earlier: Vec<Moment>,
    axis: Arc<TimeAxis>,
    rows: Range<usize>,
}

impl Calendar {
    /// That of some rows of a recording. None where times are no dates, their clock is not regular, or its step is
    /// shorter than a quarter of an hour or longer than a month.
    pub fn of(axis: &TimeAxis, rows: Range<usize>) -> Option<Self> {
        let first = axis.moment(0)?;
        let steps_on = |row: usize| axis.moment(row).zip(axis.moment(row + 1));
        let steps = (0..axis.len().saturating_sub(1)).filter_map(steps_on);
        let mut steps: Vec<i128> = steps.map(|(from, to)| to.nanos_since(from)).collect();
        steps.sort_unstable();
        let step = steps.get(steps.len() / 2)?;
        (STEPS.contains(step) && axis.is_regular() && first.0.year >= 0).then(|| Self {
            earlier: Vec::new(),
            axis: Arc::new(axis.clone()),
            rows,
        })
    }

    /// The moment of a row. That of a row behind these is the recorded one, or behind the recording where its clock goes on to.
    pub fn moment(&self, row: usize) -> Option<Moment> {
        match self.earlier.get(row) {
            Some(&moment) => Some(moment),
            None => self.axis.moment(self.rows.start + row - self.earlier.len()),
        }
    }

    /// Rows whose times are known.
    pub fn len(&self) -> usize {
        self.earlier.len() + self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That of some rows. The last of them may be behind these: the clock goes on.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let earlier = self.earlier.len();
        let of_own = |row: usize| self.rows.start + row.saturating_sub(earlier);
        Self {
            earlier: self.earlier[rows.start.min(earlier)..rows.end.min(earlier)].to_vec(),
            axis: self.axis.clone(),
            rows: of_own(rows.start)..of_own(rows.end),
        }
    }

    /// That of all rows of several, one after the other, of which the last one's clock goes on.
    pub fn joined(parts: &[Self]) -> Option<Self> {
        let (last, before) = parts.split_last()?;
        let of_part = |part: &Self| (0..part.len()).map(|row| part.moment(row)).collect();
        let earlier: Option<Vec<Vec<Moment>>> = before.iter().map(of_part).collect();
        let mut earlier = earlier?.concat();
        earlier.extend(&last.earlier);
        Some(Self {
            earlier,
            ..last.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{MissingPolicy, RoleSelection, read};

    fn axis(times: &[&str]) -> TimeAxis {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dated.csv");
        let rows = times.iter().enumerate();
        let rows: String = rows
            .map(|(row, time)| format!("{time},{}\n", row * row))
            .collect();
        std::fs::write(&path, "date,x\n".to_owned() + &rows).unwrap();
        let (recording, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error).unwrap();
        recording.episodes()[0].times().unwrap().clone()
    }

    fn shown(calendar: &Calendar, rows: Range<usize>) -> Vec<String> {
        rows.map(|row| calendar.moment(row).unwrap().to_string())
            .collect()
    }

    #[test]
    fn weeks_of_iso_8601_are_their_mondays() {
        let axis = axis(&["2020-W51", "2020-W52", "2020-W53", "2021-W01", "2021-W02"]);
        let calendar = Calendar::of(&axis, 0..5).unwrap();
        let mondays = shown(&calendar, 2..6);
        assert_eq!(
            mondays.iter().map(|day| &day[..10]).collect::<Vec<_>>(),
            ["2020-12-28", "2021-01-04", "2021-01-11", "2021-01-18"]
        );
        assert!((0..6).all(|row| calendar.moment(row).unwrap().weekday() == 0));
    }

    /// In autumn an hour comes twice; times that say how far they are from UTC go on in UTC.
    #[test]
    fn hours_go_on_over_a_change_of_summer_time() {
        let times = [
            "2024-10-27T00:00+02:00",
            "2024-10-27T01:00+02:00",
            "2024-10-27T02:00+02:00",
            "2024-10-27T02:00+01:00",
            "2024-10-27T03:00+01:00",
        ];
        let calendar = Calendar::of(&axis(&times), 0..5).unwrap();
        let hours = (0..6).map(|row| calendar.moment(row).unwrap().second_of_day() / 3600);
        assert_eq!(hours.collect::<Vec<_>>(), [22, 23, 0, 1, 2, 3]);
    }

    #[test]
    fn leap_days_and_month_ends_have_their_share() {
        let day = |year, month, day| Moment::new(year, month, day, 0).unwrap();
        assert_eq!(day(2024, 2, 29).a_year_before(), day(2023, 2, 28));
        assert_eq!(day(2024, 12, 31).of_year(), 365.0 / 366.0);
        assert_eq!(day(2023, 12, 31).of_year(), 364.0 / 365.0);
        assert_eq!(day(2024, 2, 29).of_month(), 28.0 / 29.0);
        assert_eq!(Moment::new(2023, 2, 29, 0), None);
        assert_eq!(Moment::new(2023, 2, 28, 86_400), None);
    }

    /// Rows behind a context are those of the recording, and behind that those of its clock.
    #[test]
    fn slices_keep_their_own_rows() {
        let times = [
            "2024-01-01",
            "2024-01-02",
            "2024-01-03",
            "2024-01-05",
            "2024-01-06",
        ];
        let all = Calendar::of(&axis(&times), 0..5).unwrap();
        let part = all.slice(1..3);
        let expected = ["02", "03", "05", "06", "07"].map(|day| format!("2024-01-{day}T00:00:00"));
        assert_eq!((part.len(), shown(&part, 0..5)), (2, expected.to_vec()));
        let last = part.slice(1..2);
        assert_eq!(
            (last.len(), shown(&last, 0..4)),
            (1, expected[1..].to_vec())
        );
        let behind = part.slice(4..6);
        assert_eq!(
            (behind.len(), shown(&behind, 0..1)),
            (2, expected[4..].to_vec())
        );
        let joined = Calendar::joined(&[all.slice(3..5), part]).unwrap();
        let expected = ["05", "06", "02", "03", "05"].map(|day| format!("2024-01-{day}T00:00:00"));
        assert_eq!((joined.len(), shown(&joined, 0..5)), (4, expected.to_vec()));
        let late = joined.slice(1..4);
        assert_eq!(
            (late.len(), shown(&late, 0..4)),
            (3, expected[1..].to_vec())
        );
    }

    #[test]
    fn clocks_of_other_steps_have_no_calendar() {
        let none = |times: &[&str]| Calendar::of(&axis(times), 0..times.len()).is_none();
        assert!(none(&[
            "2001-01-01",
            "2002-01-01",
            "2003-01-01",
            "2004-01-01"
        ]));
        assert!(none(&[
            "2024-01-01 00:00",
            "2024-01-01 00:05",
            "2024-01-01 00:10",
            "2024-01-01 00:15"
        ]));
        assert!(none(&[
            "2024-01-01",
            "2024-01-02",
            "2024-01-09",
            "2024-02-11"
        ]));
    }
}
