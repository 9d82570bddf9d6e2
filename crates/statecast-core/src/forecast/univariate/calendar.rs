//! What the calendar says of rows, as features of regressions.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::recording::{Calendar, Moment};

/// Cycles that a context has to show before anything is learned of their parts. Of a year nearly two: of what was seen
/// once, a season is not told from a trend.
const DAYS: f64 = 2.0;
const WEEKS: f64 = 2.0;
const MONTHS: f64 = 4.0;
const YEARS: f64 = 1.8;

/// Harmonics at most.
const OF_DAY: usize = 8;
const OF_WEEKEND: usize = 3;
const OF_MONTH: usize = 2;
const OF_YEAR: usize = 3;
const OF_MONTHS: usize = 6;

const DAY: f64 = 86_400e9;
/// Days of a month at least, and of a mean one.
const SHORTEST_MONTH: f64 = 28.0;
const MEAN_MONTH: f64 = 30.44;
const WORKDAYS_OF_MONTH: f64 = MEAN_MONTH * 5.0 / 7.0;

/// Cycles of the calendar of which a context shows enough to learn what is usual in their parts.
///
/// ```
/// use statecast::forecast::Cycles;
/// use statecast::recording::Moment;
/// let monday = Moment::new(2024, 1, 1, 0).ok_or("no such day")?;
/// let hours = |count: i128| (0..count).map(move |hour| monday.after(hour * 3_600_000_000_000));
/// assert_eq!(Cycles::of(hours(50)).to_string(), "times of the day");
/// assert_eq!(Cycles::of(hours(24 * 15)).to_string(), "times of the day, days of the week");
/// assert!(Cycles::of(hours(20)).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cycles {
    /// Harmonics of the day.
    day: usize,
    week: bool,
    month: bool,
    /// Harmonics of the year.
    year: usize,
    /// Whether rows are months.
    of_months: bool,
}

impl Cycles {
    /// Of some rows.
    pub fn of(rows: impl IntoIterator<Item = Moment>) -> Self {
        let rows: Vec<Moment> = rows.into_iter().collect();
        let step = |pair: &[Moment]| pair[1].nanos_since(pair[0]);
        let mut steps: Vec<i128> = rows.windows(2).map(step).collect();
        steps.sort_unstable();
        let Some(&step) = steps.get(steps.len() / 2) else {
            return Self::default();
        };
        // Of earlier recordings, gaps to the next one are not seen.
        let seen = step * steps.len() as i128;
        let spanned = steps.iter().sum::<i128>().abs();
        let days = seen.max(spanned) as f64 / DAY;
        let step = step as f64 / DAY;
        let most = |harmonics: usize, cycle: f64| harmonics.min((cycle / step / 2.0) as usize);
        let shows =
            |cycles: f64, cycle: f64, longest: f64| days >= cycles * cycle && step <= longest;
        let of_months = step >= SHORTEST_MONTH;
        Self {
            day: if shows(DAYS, 1.0, 0.5) {
                most(OF_DAY, 1.0)
            } else {
                0
            },
            week: shows(WEEKS, 7.0, 1.0),
            month: shows(MONTHS, MEAN_MONTH, 1.0),
            year: match (shows(YEARS, 365.25, 31.0), of_months) {
                (false, _) => 0,
                (true, true) => OF_MONTHS,
                (true, false) => OF_YEAR,
            },
            of_months: of_months && shows(YEARS, 365.25, 31.0),
        }
    }

    /// True if there is none.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Moments of earlier rows whose values say much of a row's: the same time of the day, the week, the year before.
    fn alike(self, moment: Moment) -> Vec<Moment> {
        let before = |days: i128| moment.after(-days * DAY as i128);
        // Of days the same one of the week, of months the same.
        let year = match self.of_months {
            true => moment.a_year_before(),
            false => before(364),
        };
        let all = [
            (self.day > 0, before(1)),
            (self.week, before(7)),
            (self.year > 0, year),
        ];
        all.into_iter()
            .filter_map(|(is, at)| is.then_some(at))
            .collect()
    }

    fn features(self, moment: Moment) -> Vec<f64> {
        let of_day = moment.second_of_day() as f64 * 1e9 / DAY;
        let is_weekend = moment.weekday() >= 5;
        let mut features = vec![1.0];
        features.extend(harmonics(self.day, of_day));
        if self.week {
            features.extend((0..7).map(|day| indicator(moment.weekday() == day)));
            let apart = harmonics(self.day.min(OF_WEEKEND), of_day);
            features.extend(apart.map(|wave| indicator(is_weekend) * wave));
        }
        if self.month {
            features.extend(harmonics(OF_MONTH, moment.of_month()));
        }
        if self.of_months {
            let year = (moment.of_year() * 12.0).round() / 12.0;
            features.extend(harmonics(self.year, year));
            features.push(moment.days_of_month() as f64 - MEAN_MONTH);
            features.push(moment.workdays_of_month() as f64 - WORKDAYS_OF_MONTH);
        } else {
            features.extend(harmonics(self.year, moment.of_year()));
        }
        features
    }
}

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.day > 0, "times of the day"),
            (self.week, "days of the week"),
            (self.month, "days of the month"),
            (self.year > 0 && !self.of_months, "times of the year"),
            (self.of_months, "months and their days"),
        ];
        let found = all.into_iter().filter_map(|(is, name)| is.then_some(name));
        f.write_str(&found.collect::<Vec<_>>().join(", "))
    }
}

fn indicator(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Waves at a share of a cycle.
fn harmonics(count: usize, share: f64) -> impl Iterator<Item = f64> {
    (1..=count).flat_map(move |harmonic| {
        let (sin, cos) = (TAU * harmonic as f64 * share).sin_cos();
        [cos, sin]
    })
}

/// The calendar of a context's rows and of those ahead, as regressions read it.
pub(super) struct Known {
    calendar: Calendar,
    cycles: Cycles,
    /// The last rows up to the last one that was asked for: so many at least, and up to twice as many.
    last: RwLock<Last>,
    kept: usize,
}

/// Rows behind so many that are forgotten.
#[derive(Default)]
struct Last {
    forgotten: usize,
    rows: Vec<Arc<Row>>,
}

impl Last {
    fn get(&self, row: usize) -> Option<&Arc<Row>> {
        self.rows.get(row.checked_sub(self.forgotten)?)
    }

    fn next(&self) -> usize {
        self.forgotten + self.rows.len()
    }

    /// Rows back from the next one to that of a moment, if it is kept.
    fn back_to(&self, time: Moment) -> Option<usize> {
        let found = self
            .rows
            .partition_point(|row| row.moment.nanos_since(time) < 0);
        let is = self.rows.get(found)?.moment == time;
        is.then(|| self.rows.len() - found)
    }
}

/// What is known of a row before its value.
pub(super) struct Row {
    moment: Moment,
    pub(super) features: Vec<f64>,
    /// Rows back to those of the same time of a cycle before; `None` where there was none.
    pub(super) alike: Vec<Option<usize>>,
}

impl Known {
    /// Of regressions whose lags and rows that they learn anew are among the last `kept` ones.
    pub(super) fn new(calendar: &Calendar, kept: usize) -> Self {
        Self {
            cycles: calendar.cycles(),
            calendar: calendar.clone(),
            last: RwLock::default(),
            kept,
        }
    }

    /// Numbers of features of a row: of the row itself, and of earlier ones that are alike.
    pub(super) fn count(&self) -> [usize; 2] {
        let first = self.calendar.moment(0);
        first.map_or([0, 0], |first| {
            let features = self.cycles.features(first).len();
            [features, self.cycles.alike(first).len()]
        })
    }

    /// What is known of a row; `None` if it is forgotten, or if the clock does not reach it.
    pub(super) fn row(&self, row: usize) -> Option<Arc<Row>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        if row < last.next() {
            return last.get(row).cloned();
        }
        drop(last);
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        while last.next() <= row {
            let moment = self.calendar.moment(last.next())?;
            let alike = self.cycles.alike(moment).into_iter();
            let next = Row {
                moment,
                features: self.cycles.features(moment),
                alike: alike.map(|time| last.back_to(time)).collect(),
            };
            last.rows.push(Arc::new(next));
            if last.rows.len() >= self.kept.saturating_mul(2) {
                let old = last.rows.len() - self.kept;
                last.rows.drain(..old);
                last.forgotten += old;
            }
        }
        last.get(row).cloned()
    }
}

impl Calendar {
    /// The cycles of which the rows show enough.
    pub fn cycles(&self) -> Cycles {
        Cycles::of((0..self.len()).filter_map(|row| self.moment(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{MissingPolicy, RoleSelection, read};

    /// Fault: rows of a stream were all kept.
    #[test]
    fn a_stream_keeps_the_last_rows_of_its_calendar() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hours.csv");
        let hours = (0..500).map(|t| format!("2024-01-{:02} {:02}:00,1\n", t / 24 + 1, t % 24));
        std::fs::write(&path, "time,x\n".to_owned() + &hours.collect::<String>()).unwrap();
        let (recording, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error).unwrap();
        let times = recording.episodes()[0].times().unwrap();
        let known = Known::new(&Calendar::of(times, 0..500).unwrap(), 200);
        let counts = known.count();
        for row in 0..10_000 {
            let found = known.row(row).unwrap();
            assert_eq!(found.features.len(), counts[0]);
            let alike = |lag| (row >= lag).then_some(lag);
            assert_eq!(found.alike, [alike(24), alike(168)], "row {row}");
        }
        assert!(known.last.read().unwrap().rows.len() < 400);
        assert!(known.row(9_800).is_some() && known.row(9_000).is_none());
        assert_eq!(known.count(), counts);
    }
}
