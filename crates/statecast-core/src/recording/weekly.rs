//! Clocks that stand still at some times of the day or on some days of the week, as those of offices and markets.

use super::gregorian::Date;
use super::instants::NANOS_OF_DAY;

/// Steps of a day up to which its times are told apart.
const MAX_OF_DAY: i64 = 86_400;
/// Gaps from which on they may be of a calendar.
const MIN_GAPS: usize = 2;
/// Share of the recorded steps that the calendar has to foresee.
const FORESEEN: f64 = 0.95;
/// Times that a day of the week was left out from which on it always is; a weekend is after once.
const LEFT_OUT: usize = 2;

/// When a clock runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weekly {
    /// By the day of the week, Monday first.
    days: [bool; 7],
    /// By the step of the day.
    steps: Vec<bool>,
    /// Nanoseconds.
    step: i64,
    /// Nanoseconds of the day at which its steps begin.
    phase: i64,
}

impl Weekly {
    /// That of a regular clock with gaps, if leaving out what it left out foresees nearly all of its steps. The step is
    /// in nanoseconds, at most a day.
    pub(super) fn of(times: &[Date], step: i64) -> Option<Self> {
        let first = *times.first()?;
        let whole = step > 0 && NANOS_OF_DAY % step == 0 && NANOS_OF_DAY / step <= MAX_OF_DAY;
        if !whole {
            return None;
        }
        let mut calendar = Self {
            days: [true; 7],
            steps: vec![false; usize::try_from(NANOS_OF_DAY / step).ok()?],
            step,
            phase: first.nanos % step,
        };
        let mut left_out = [0; 7];
        let mut taken = [false; 7];
        for pair in times.windows(2) {
            let (from, to) = (pair[0].days(), pair[1].days());
            let between = (from + 1..to).take(14);
            between.for_each(|day| left_out[weekday(day)] += 1);
        }
        for time in times {
            taken[weekday(time.days())] = true;
            let place = calendar.step_of_day(*time);
            calendar.steps[place] = true;
        }
        for day in 0..7 {
            let enough = if day < 5 { LEFT_OUT } else { 1 };
            calendar.days[day] = taken[day] || left_out[day] < enough;
        }
        let pairs = || times.windows(2).map(|pair| (pair[0], pair[1]));
        let one_step = |from: Date, to: Date| same(from.after(step.into()), to, step);
        let gaps = pairs().filter(|&(from, to)| !one_step(from, to)).count();
        let foreseen = |(from, to): &(Date, Date)| same(calendar.after(*from), *to, step);
        let right = pairs().filter(foreseen).count();
        let good = right as f64 >= FORESEEN * (times.len() - 1) as f64;
        let better = right > times.len() - 1 - gaps;
        (gaps >= MIN_GAPS && good && better).then_some(calendar)
    }

    /// The time after another.
    pub(super) fn after(&self, time: Date) -> Date {
        let mut next = time.after(self.step.into());
        // A week holds every open time.
        for _ in 0..7 * self.steps.len() {
            if self.days[weekday(next.days())] && self.steps[self.step_of_day(next)] {
                break;
            }
            next = next.after(self.step.into());
        }
        next
    }

    fn step_of_day(&self, time: Date) -> usize {
        let steps = (time.nanos - self.phase + self.step / 2).div_euclid(self.step);
        usize::try_from(steps).unwrap_or(0) % self.steps.len()
    }
}

/// Days since Monday; day 0 of 1970 was a Thursday.
fn weekday(day: i64) -> usize {
    usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0)
}

/// Whether two times are of one step.
fn same(a: Date, b: Date, step: i64) -> bool {
    2 * a.nanos_since(b).abs() < i128::from(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = NANOS_OF_DAY / 24;
    /// A Monday.
    const START: Date = Date {
        year: 2024,
        month: 1,
        day: 1,
        nanos: 0,
    };

    fn open(step: i64, rows: usize, is_open: impl Fn(usize, i64) -> bool) -> Vec<Date> {
        let mut time = START;
        let mut times = Vec::new();
        while times.len() < rows {
            if is_open(weekday(time.days()), time.nanos / HOUR) {
                times.push(time);
            }
            time = time.after(step.into());
        }
        times
    }

    fn check(step: i64, rows: usize, is_open: impl Fn(usize, i64) -> bool) {
        let times = open(step, 2 * rows, is_open);
        let calendar = Weekly::of(&times[..rows], step).unwrap();
        for pair in times[rows - 1..].windows(2) {
            assert_eq!(calendar.after(pair[0]), pair[1]);
        }
    }

    /// Fault: forecasts of office hours went on through the night, and weeks from Sunday to Thursday had none.
    #[test]
    fn nights_and_free_days_stay_out() {
        let office = |day, hour| day < 5 && (9..18).contains(&hour);
        check(HOUR, 60, office);
        check(HOUR / 4, 300, office);
        check(NANOS_OF_DAY, 20, |day, _| day != 4 && day != 5);
        check(HOUR, 300, |day, hour| day < 6 && !(2..4).contains(&hour));
        check(NANOS_OF_DAY, 12, |day, _| day < 5);
    }

    #[test]
    fn clocks_that_failed_now_and_then_have_no_calendar() {
        let mut times = open(HOUR, 400, |_, _| true);
        assert_eq!(Weekly::of(&times, HOUR), None);
        times.drain(100..130);
        times.drain(200..207);
        assert_eq!(Weekly::of(&times, HOUR), None);
        let days = open(NANOS_OF_DAY, 10, |day, _| day < 5);
        assert_eq!(Weekly::of(&days, NANOS_OF_DAY), None);
        assert_eq!(Weekly::of(&[], HOUR), None);
        assert_eq!(Weekly::of(&times, 7 * HOUR), None);
    }
}
