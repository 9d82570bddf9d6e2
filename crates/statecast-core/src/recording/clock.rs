//! Columns of time: numbers, dates or times of the day, one a row.

use std::borrow::Cow;

use super::calendar::{When, when, when_called};
use super::error::excerpt;
use super::gregorian;
use super::instants::{Date, First, Instant};
use super::order::{Change, arrange, gaps};
use super::readings::{
    Times, across_midnight, digits_of_dates, times_in_digits, times_of, times_of_dates,
    times_of_numbers,
};

/// First words of rows below a table that sum it up.
const TOTALS: [&str; 12] = [
    "total", "totals", "grand", "subtotal", "sum", "summe", "gesamt", "average", "avg", "mean",
    "std", "totaal",
];
/// Most such rows.
const MAX_TOTALS: usize = 4;

/// A column that may say when its rows were recorded.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Its name, or those of the columns that it is made of.
    pub(super) columns: Vec<String>,
    numbers: Vec<f64>,
    dates: Vec<Date>,
    /// Nanoseconds since midnight.
    times_of_day: Vec<i64>,
    /// The first row without a time.
    gap: Option<usize>,
    /// The first row with words that are no time, and these.
    unread: Option<(usize, String)>,
    /// Whether it is the time only if no time repeats.
    pub(super) is_tentative: bool,
    /// Whether it is the time only if it counts all rows backwards, for its name says nothing.
    pub(super) is_unknown: bool,
}

impl Clock {
    pub(super) fn new(column: &str) -> Self {
        Self {
            columns: vec![column.to_owned()],
            ..Self::default()
        }
    }

    /// A clock of dates that several columns make together.
    pub(super) fn of_dates(columns: Vec<String>, dates: Vec<Date>) -> Self {
        Self {
            columns,
            dates,
            ..Self::default()
        }
    }

    /// A clock of numbers that several columns make together.
    pub(super) fn of_numbers(columns: Vec<String>, numbers: Vec<f64>) -> Self {
        Self {
            columns,
            numbers,
            ..Self::default()
        }
    }

    /// A clock of numbers that may be one.
    pub(super) fn tentative(column: &str, numbers: &[f64]) -> Self {
        Self {
            columns: vec![column.to_owned()],
            numbers: numbers.to_vec(),
            is_tentative: true,
            ..Self::default()
        }
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        self.columns.join("+")
    }

    /// Rows with a time.
    pub(super) fn rows(&self) -> usize {
        let counts = [
            self.numbers.len(),
            self.dates.len(),
            self.times_of_day.len(),
        ];
        counts.into_iter().max().unwrap_or(0)
    }

    /// Takes the number of the next row.
    pub(super) fn number(&mut self, value: f64) {
        if !value.is_finite() || self.rows() > self.numbers.len() {
            return self.missing();
        }
        self.numbers.push(value);
    }

    /// Takes the date of the next row.
    pub(super) fn text(&mut self, text: &str) {
        let rows = self.rows();
        let name = self.columns.first().map_or("", String::as_str);
        match when_called(name, text) {
            Some(When::Date(date)) if rows == self.dates.len() => self.dates.push(date),
            Some(When::TimeOfDay(nanos)) if rows == self.times_of_day.len() => {
                self.times_of_day.push(nanos);
            }
            _ => {
                if !text.trim().is_empty() && self.unread.is_none() {
                    self.unread = Some((self.gap.unwrap_or(rows), excerpt(text.trim())));
                }
                self.missing();
            }
        }
    }

    /// Takes the date of the next row.
    pub(super) fn instant(&mut self, instant: Instant) {
        match self.rows() == self.dates.len() {
            true => self.dates.push(Date::certain(instant)),
            false => self.missing(),
        }
    }

    /// Takes the time of the next row, in nanoseconds since the beginning of 1970.
    pub(super) fn nanos(&mut self, nanos: i128) {
        let date = gregorian::Date::since_1970(nanos);
        match Instant::new(date.year, date.month, date.day, date.nanos) {
            Some(instant) => self.instant(instant),
            None => self.missing(),
        }
    }

    /// Leaves out the times of some rows, which ascend.
    pub(super) fn remove_rows(&mut self, rows: &[usize]) {
        fn keep<T>(times: &mut Vec<T>, rows: &[usize]) {
            let mut index = 0;
            times.retain(|_| {
                index += 1;
                rows.binary_search(&(index - 1)).is_err()
            });
        }
        keep(&mut self.numbers, rows);
        keep(&mut self.dates, rows);
        keep(&mut self.times_of_day, rows);
    }

    /// Takes a row without a time.
    pub(super) fn missing(&mut self) {
        let row = self.rows();
        self.gap.get_or_insert(row);
    }

    /// The first row without a time, if some rows have one.
    pub(super) fn gap(&self) -> Option<usize> {
        self.gap.filter(|_| self.rows() > 1)
    }

    /// The first row with words that are no time, and these, if it is the first without a time.
    pub(super) fn unread(&self) -> Option<(usize, &str)> {
        let (row, text) = self.unread.as_ref()?;
        (self.gap == Some(*row)).then_some((*row, text))
    }

    /// The row from which on the column holds totals rather than times, up to the last of so many rows.
    pub(super) fn totals(&self, rows: usize) -> Option<usize> {
        let (row, text) = self.unread()?;
        let word = text.split_whitespace().next()?.to_ascii_lowercase();
        let is_total = TOTALS.contains(&word.trim_matches(|c: char| !c.is_alphanumeric()));
        let last = self.rows() == row && row >= 2 && rows - row <= MAX_TOTALS;
        (is_total && last).then_some(row)
    }

    /// The row from which on the last few of so many rows have no time, though all before have one.
    pub(super) fn blank_end(&self, rows: usize) -> Option<usize> {
        let row = self.gap.filter(|_| self.unread.is_none())?;
        let last = self.rows() == row && row > MAX_TOTALS && rows - row <= MAX_TOTALS;
        last.then_some(row)
    }

    /// Forgets the rows from one without a time on.
    pub(super) fn end_at(&mut self, row: usize) {
        if self.gap.is_some_and(|gap| gap >= row) {
            (self.gap, self.unread) = (None, None);
        }
        self.numbers.truncate(row);
        self.dates.truncate(row);
        self.times_of_day.truncate(row);
    }

    /// The dates, if all of so many rows have one and none says the time of the day.
    pub(super) fn days(&self, rows: usize) -> Option<Cow<'_, [Date]>> {
        let dates = match self.numbers.is_empty() {
            true => Cow::Borrowed(&self.dates[..]),
            false => Cow::Owned(digits_of_dates(&self.numbers)?),
        };
        let all = self.gap.is_none() && dates.len() == rows;
        (all && dates.iter().all(Date::is_day)).then_some(dates)
    }

    /// Its numbers, if they go up and down as those of a quantity: no order of the rows makes a regular clock of them,
    /// and more than a tenth of the steps go the other way than the rest.
    pub(super) fn quantity(&self, rows: usize) -> Option<&[f64]> {
        let numbers = self
            .numbers_of_rows()
            .filter(|numbers| numbers.len() == rows)?;
        let steps = || numbers.windows(2).map(|pair| pair[1] - pair[0]);
        let back = steps().filter(|&step| step < 0.0).count();
        let on = steps().filter(|&step| step > 0.0).count();
        let mut sorted: Vec<usize> = (0..rows).collect();
        sorted.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
        let wanders = 10 * back.min(on) > rows
            && gaps(&sorted, numbers).is_none()
            && matches!(arrange(numbers).change, Change::Sorted | Change::Unclear);
        wanders.then_some(numbers)
    }

    /// The times of the day, if all of so many rows have one.
    pub(super) fn times_of_day(&self, rows: usize) -> Option<&[i64]> {
        let all = self.gap.is_none() && self.times_of_day.len() == rows;
        all.then_some(&self.times_of_day)
    }

    /// The times of the day of numbers such as 930 or 235959, in nanoseconds, if all of so many rows are such.
    pub(super) fn times_in_digits(&self, rows: usize) -> Option<Vec<i64>> {
        let numbers = self
            .numbers_of_rows()
            .filter(|numbers| numbers.len() == rows)?;
        let times = times_in_digits(numbers);
        times.filter(|_| numbers.iter().any(|&number| number > 100.0))
    }

    /// The numbers of all rows, if they are numbers.
    pub(super) fn numbers_of_rows(&self) -> Option<&[f64]> {
        (self.gap.is_none() && self.dates.is_empty()).then_some(&self.numbers)
    }

    /// The times of all `rows` rows; none if one of them has none, or if all are one. Dates are read as `order` says
    /// if they can be.
    pub(super) fn times(&self, rows: usize, order: Option<First>) -> Option<Times> {
        if self.gap.is_some() || self.rows() != rows {
            return None;
        }
        let times = if !self.numbers.is_empty() {
            match digits_of_dates(&self.numbers) {
                Some(dates) => times_of_dates(&dates, order)?,
                None => times_of_numbers(&self.numbers),
            }
        } else if !self.times_of_day.is_empty() {
            times_of(across_midnight(&self.times_of_day), "s")
        } else {
            times_of_dates(&self.dates, order)?
        };
        let moves = times.values.windows(2).any(|pair| pair[0] != pair[1]);
        (moves || rows == 1).then_some(times)
    }
}

/// Whether a cell is a date, with or without the time of day, or a time of the day.
pub(super) fn is_date(text: &str) -> bool {
    when(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(dates: &[&str]) -> Option<Times> {
        let mut clock = Clock::new("date");
        dates.iter().for_each(|text| clock.text(text));
        clock.times(dates.len(), None)
    }

    #[test]
    fn dates_are_read_in_the_ways_people_write_them() {
        for (dates, values, unit) in [
            (
                ["2024-01-31", "2024-02-01", "2024-02-03"],
                [0.0, 1.0, 3.0],
                "day",
            ),
            (
                ["2024/1/1", "2024/1/2", "2025/1/1"],
                [0.0, 1.0, 366.0],
                "day",
            ),
            (
                ["31.1.2024", "1.2.2024", "2.2.2024"],
                [0.0, 1.0, 2.0],
                "day",
            ),
            (
                ["1/30/2024", "1/31/2024", "2/1/2024"],
                [0.0, 1.0, 2.0],
                "day",
            ),
            (
                ["30/1/2024", "31/1/2024", "1/2/2024"],
                [0.0, 1.0, 2.0],
                "day",
            ),
            (
                [
                    "2024-01-01 00:00",
                    "2024-01-01T01:00:00Z",
                    "2024-01-01 03:30+02:00",
                ],
                [0.0, 3600.0, 5400.0],
                "s",
            ),
            (
                [
                    "1970-01-01 00:00:00.000005050",
                    "1970-01-01 00:00:00.000005051",
                    "1970-01-01 00:00:00.000005053",
                ],
                [0.0, 1e-9, 3e-9],
                "s",
            ),
        ] {
            let times = times(&dates).unwrap_or_else(|| panic!("{dates:?}"));
            assert_eq!(
                (times.values.as_slice(), times.unit),
                (&values[..], unit),
                "{dates:?}"
            );
        }
    }

    #[test]
    fn months_are_of_one_length() {
        for dates in [
            ["2023-12", "2024-01", "2024-02"],
            ["2023-12-15", "2024-01-15", "2024-02-15"],
            ["2023-12-31", "2024-01-31", "2024-02-29"],
            ["2022-12-30", "2023-01-30", "2023-02-28"],
        ] {
            let times = times(&dates).unwrap();
            assert_eq!(times.unit, "month");
            assert!(times.values.windows(2).all(|pair| pair[1] - pair[0] == 1.0));
        }
    }

    /// Fault: times of the day were words.
    #[test]
    fn times_of_the_day_go_on_over_midnight() {
        let found = times(&["22:00:00", "23:00:00", "00:00:00", "01:00:00"]).unwrap();
        assert_eq!(found.values, [79200.0, 82800.0, 86400.0, 90000.0]);
        let found = times(&["01:00", "00:00", "23:00"]).unwrap();
        assert_eq!(found.values, [3600.0, 0.0, -3600.0]);
        let found = times(&["10:00:00", "10:00:01", "10:00:00"]).unwrap();
        assert_eq!(found.values, [36000.0, 36001.0, 36000.0]);
    }

    /// Fault: where both readings of d/m fit, a file that was newest first was read by the wrong one.
    #[test]
    fn days_and_months_are_told_apart_by_all_rows() {
        let read = |texts: &[String]| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let found = times(&texts).unwrap();
            (
                found.instants[1].to_string(),
                found.chosen.map(|(order, _)| order),
                found.unit,
            )
        };
        let months = |of: fn(usize, usize) -> String| -> Vec<String> {
            (0..14).map(|i| of(i % 12 + 1, 2023 + i / 12)).collect()
        };
        let day_first = months(|month, year| format!("5/{month}/{year}"));
        let month_first = months(|month, year| format!("{month}/5/{year}"));
        let (day, month) = (Some(First::Day), Some(First::Month));
        assert_eq!(read(&day_first), ("2023-02-05".to_owned(), day, "month"));
        assert_eq!(
            read(&month_first),
            ("2023-02-05".to_owned(), month, "month")
        );
        let newest_first: Vec<String> = day_first.into_iter().rev().collect();
        assert_eq!(read(&newest_first), ("2024-01-05".to_owned(), day, "month"));
        // One day beyond the 12th decides.
        let days: Vec<String> = (10..14).map(|day| format!("{day}/3/24")).collect();
        assert_eq!(read(&days), ("2024-03-11".to_owned(), None, "day"));
    }

    #[test]
    fn words_that_are_no_time_are_kept_for_the_warning() {
        let mut clock = Clock::new("date");
        for text in ["2024-01-01", "2024-01-02", "soon", "later"] {
            clock.text(text);
        }
        assert_eq!(clock.unread(), Some((2, "soon")));
    }

    #[test]
    fn numbers_of_eight_digits_are_dates_if_all_are() {
        let clock = |numbers: &[f64]| {
            let mut clock = Clock::new("date");
            numbers.iter().for_each(|&number| clock.number(number));
            clock.times(numbers.len(), None).unwrap().values
        };
        assert_eq!(
            clock(&[20240131.0, 20240201.0, 20240203.0]),
            [0.0, 1.0, 3.0]
        );
        assert_eq!(clock(&[20240131.0, 20240132.0]), [20240131.0, 20240132.0]);
        assert_eq!(
            clock(&[202411.0, 202412.0, 202501.0])[2] - clock(&[202411.0])[0],
            2.0
        );
        assert_eq!(clock(&[20240131235959.0, 20240201000001.0]), [0.0, 2.0]);
        // Day first, for there is no month 31.
        assert_eq!(clock(&[31012024.0, 1022024.0, 3022024.0]), [0.0, 1.0, 3.0]);
        assert_eq!(clock(&[1022024.0, 2022024.0]), [1022024.0, 2022024.0]);
    }

    /// Fault: rows after midnight came first where the time of the day was written as one number.
    #[test]
    fn times_of_the_day_in_digits_go_on_over_midnight() {
        for seconds in [true, false] {
            let mut clock = Clock::new("time");
            for i in 0..80 {
                let minute = (1_000 + 15 * i) % 1440;
                let digits = 100 * (minute / 60) + minute % 60;
                clock.number(f64::from(digits * if seconds { 100 } else { 1 }));
            }
            let times = clock.times(80, None).unwrap();
            assert_eq!(times.unit, "s");
            assert!(
                times
                    .values
                    .windows(2)
                    .all(|pair| pair[1] - pair[0] == 900.0)
            );
        }
        let mut counter = Clock::new("step");
        (0..80).for_each(|i| counter.number(f64::from(100 * i)));
        assert_eq!(counter.times(80, None).unwrap().unit, "");
    }

    #[test]
    fn a_column_with_a_gap_or_one_value_is_no_clock() {
        let mut clock = Clock::new("t");
        clock.number(4.0);
        clock.number(f64::NAN);
        assert_eq!(clock.times(2, None), None);
        let mut clock = Clock::new("Ts");
        clock.number(4.0);
        clock.number(4.0);
        assert_eq!(clock.times(2, None), None);
    }
}
