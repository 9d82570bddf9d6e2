//! Columns of time: numbers or dates, one a row.

/// A column that may say when its rows were recorded.
#[derive(Debug, Default)]
pub(super) struct Clock {
    pub(super) column: String,
    numbers: Vec<f64>,
    dates: Vec<Date>,
    /// The first row without a number or a date.
    gap: Option<usize>,
    /// Whether a row holds words that are no date.
    written: bool,
}

/// The times of a column that has one for every row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Times {
    /// A number a row; differences count, the origin does not.
    pub(super) values: Vec<f64>,
    /// What the numbers count, empty where the column does not say.
    pub(super) unit: &'static str,
}

/// A date as it is written; `day_first` is the other reading of 3/4/2024.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Date {
    month_first: Option<Instant>,
    day_first: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Instant {
    /// Months since the year 0.
    month: i64,
    day: u32,
    /// Nanoseconds of the day.
    nanos: i64,
}

const NANOS_OF_DAY: i64 = 86_400_000_000_000;

impl Clock {
    pub(super) fn new(column: &str) -> Self {
        Self {
            column: column.to_owned(),
            ..Self::default()
        }
    }

    /// Takes the number of the next row.
    pub(super) fn number(&mut self, value: f64) {
        if !value.is_finite() || !self.dates.is_empty() {
            return self.missing();
        }
        self.numbers.push(value);
    }

    /// Takes the date of the next row.
    pub(super) fn text(&mut self, text: &str) {
        match date(text.trim()) {
            Some(date) if self.numbers.is_empty() => self.dates.push(date),
            _ => {
                self.written |= !text.trim().is_empty();
                self.missing();
            }
        }
    }

    /// Takes a row without a time.
    pub(super) fn missing(&mut self) {
        let row = self.numbers.len().max(self.dates.len());
        self.gap.get_or_insert(row);
    }

    /// The first row without a time, if some rows have one.
    pub(super) fn gap(&self) -> Option<usize> {
        let some = self.numbers.len().max(self.dates.len()) > 1;
        self.gap.filter(|_| some)
    }

    /// Whether it has values, of which none or one is a time that is known.
    pub(super) fn is_unreadable(&self) -> bool {
        self.written && self.gap.is_some() && self.gap().is_none()
    }

    /// The numbers of all rows, if they are numbers.
    pub(super) fn numbers_of_rows(&self) -> Option<&[f64]> {
        (self.gap.is_none() && self.dates.is_empty()).then_some(&self.numbers)
    }

    /// The times of all `rows` rows; none if one of them has none, or if all are one.
    pub(super) fn times(&self, rows: usize) -> Option<Times> {
        let all = self.gap.is_none() && self.numbers.len().max(self.dates.len()) == rows;
        let times = match self.numbers.is_empty() {
            _ if !all => return None,
            true => times_of_dates(&self.dates)?,
            false => match digits_of_dates(&self.numbers) {
                Some(dates) => times_of_dates(&dates)?,
                None => Times {
                    values: self.numbers.clone(),
                    unit: "",
                },
            },
        };
        let moves = times.values.windows(2).any(|pair| pair[0] != pair[1]);
        (moves || rows == 1).then_some(times)
    }
}

fn times_of_dates(dates: &[Date]) -> Option<Times> {
    let reading = |of: fn(&Date) -> Option<Instant>| dates.iter().map(of).collect();
    let month_first: Option<Vec<Instant>> = reading(|date| date.month_first);
    let day_first: Option<Vec<Instant>> = reading(|date| date.day_first);
    let instants = match (month_first, day_first) {
        (Some(a), Some(b)) if steps_back(&b) < steps_back(&a) => b,
        (Some(a), _) => a,
        (None, b) => b?,
    };
    let first = instants.first()?;
    let same_place = |i: &Instant| (i.day, i.nanos) == (first.day, first.nanos);
    let at_end = |i: &Instant| i.day == days_of_month(i.month) && i.nanos == first.nanos;
    if instants.iter().all(same_place) || instants.iter().all(at_end) {
        return Some(Times {
            values: instants.iter().map(|i| i.month as f64).collect(),
            unit: "month",
        });
    }
    let since_year_0 =
        |i: &Instant| i128::from(i.day_number()) * i128::from(NANOS_OF_DAY) + i128::from(i.nanos);
    let start = since_year_0(first);
    let nanos = |i: &Instant| since_year_0(i) - start;
    let days = instants.iter().all(|i| i.nanos == first.nanos);
    let unit = if days { NANOS_OF_DAY as f64 } else { 1e9 };
    Some(Times {
        values: instants.iter().map(|i| nanos(i) as f64 / unit).collect(),
        unit: if days { "day" } else { "s" },
    })
}

fn steps_back(instants: &[Instant]) -> usize {
    let key = |i: &Instant| (i.month, i.day, i.nanos);
    instants
        .windows(2)
        .filter(|pair| key(&pair[1]) < key(&pair[0]))
        .count()
}

/// Numbers such as 20240131, if all of them are dates of our time.
fn digits_of_dates(numbers: &[f64]) -> Option<Vec<Date>> {
    let date = |&number: &f64| {
        let near = (19_000_101.0..21_001_232.0).contains(&number) && number.fract() == 0.0;
        let number = near.then_some(number as i64)?;
        let instant = instant(number / 10_000, number / 100 % 100, number % 100, 0)?;
        Some(Date {
            month_first: Some(instant),
            day_first: None,
        })
    };
    numbers.iter().map(date).collect()
}

impl Instant {
    /// Days since the first day of the year 0.
    fn day_number(&self) -> i64 {
        let (year, month) = (self.month.div_euclid(12), self.month.rem_euclid(12));
        let before = |year: i64| {
            365 * year + (year + 3).div_euclid(4) - (year + 99).div_euclid(100)
                + (year + 399).div_euclid(400)
        };
        let months = (0..month).map(|m| i64::from(days_of_month(12 * year + m)));
        before(year) + months.sum::<i64>() + i64::from(self.day) - 1
    }
}

fn days_of_month(month: i64) -> u32 {
    let year = month.div_euclid(12);
    match month.rem_euclid(12) {
        1 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn instant(year: i64, month: i64, day: i64, nanos: i64) -> Option<Instant> {
    if !(1..=12).contains(&month) || !(0..10_000).contains(&year) {
        return None;
    }
    let month = 12 * year + month - 1;
    let day = u32::try_from(day).ok()?;
    (1..=days_of_month(month))
        .contains(&day)
        .then_some(Instant { month, day, nanos })
}

/// Whether a cell is a date: 2024-01-31, 2024-01, 31.1.2024, 1/31/2024, with or without the time of day.
pub(super) fn is_date(text: &str) -> bool {
    date(text.trim()).is_some()
}

fn date(text: &str) -> Option<Date> {
    let (day, clock) = match text.find([' ', 'T', 't']) {
        Some(place) => (&text[..place], text[place + 1..].trim()),
        None => (text, ""),
    };
    let mark = day.bytes().find(|byte| !byte.is_ascii_digit())?;
    let parts: Vec<&str> = day.split(char::from(mark)).collect();
    let number = |part: &&str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten()
    };
    let values: Vec<i64> = parts.iter().map(number).collect::<Option<_>>()?;
    let nanos = time_of_day(clock)?;
    let only = |instant: Instant| Date {
        month_first: Some(instant),
        day_first: None,
    };
    let year_first = parts[0].len() == 4;
    match (mark, values.as_slice()) {
        (b'-' | b'/' | b'.', &[year, month]) if year_first && parts[1].len() == 2 => {
            instant(year, month, 1, nanos).map(only)
        }
        (b'-' | b'/' | b'.', &[year, month, day]) if year_first => {
            instant(year, month, day, nanos).map(only)
        }
        (b'.', &[day, month, year]) if parts[2].len() == 4 => {
            instant(year, month, day, nanos).map(only)
        }
        (b'/' | b'-', &[a, b, year]) if parts[2].len() == 4 => {
            let date = Date {
                month_first: instant(year, a, b, nanos),
                day_first: instant(year, b, a, nanos),
            };
            (date.month_first.is_some() || date.day_first.is_some()).then_some(date)
        }
        _ => None,
    }
}

/// Nanoseconds of the day in UTC: `12:30`, `12:30:15.25`, `12:30:15+02:00`, nothing for midnight.
fn time_of_day(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let (clock, offset) = match text.rfind(['+', '-']) {
        Some(place) => {
            let sign = if text[place..].starts_with('-') {
                -1
            } else {
                1
            };
            (&text[..place], sign * minutes(&text[place + 1..])?)
        }
        None => (text, 0),
    };
    let mut parts = clock.trim().split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second = parts.next().unwrap_or("0");
    let (whole, decimals) = second.split_once(['.', ',']).unwrap_or((second, ""));
    let whole: i64 = whole.parse().ok()?;
    let decimals: String = decimals
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: i64 = decimals.parse().ok()?;
    let valid = parts.next().is_none()
        && (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&whole);
    valid.then_some(((hour * 60 + minute - offset) * 60 + whole) * 1_000_000_000 + nanos)
}

/// Minutes of an offset: `02:00`, `0200`, `02`.
fn minutes(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(|&c| c != ':').collect();
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        1 | 2 => Some(60 * number),
        4 => Some(60 * (number / 100) + number % 100),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(dates: &[&str]) -> Option<Times> {
        let mut clock = Clock::new("date");
        dates.iter().for_each(|text| clock.text(text));
        clock.times(dates.len())
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
        ] {
            let times = times(&dates).unwrap();
            assert_eq!(times.unit, "month");
            assert!(times.values.windows(2).all(|pair| pair[1] - pair[0] == 1.0));
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "sun",
            "12",
            "1.5",
            "2024-13-01",
            "2023-02-29",
            "1/2",
            "v1-2-3",
            "10.0.0.1",
            "2024-01-01 25:00",
            "2024-01-01 noon",
            "-5",
            "1e5",
            "2024-1",
            "é-1-2024",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn numbers_of_eight_digits_are_dates_if_all_are() {
        let clock = |numbers: &[f64]| {
            let mut clock = Clock::new("date");
            numbers.iter().for_each(|&number| clock.number(number));
            clock.times(numbers.len()).unwrap().values
        };
        assert_eq!(
            clock(&[20240131.0, 20240201.0, 20240203.0]),
            [0.0, 1.0, 3.0]
        );
        assert_eq!(clock(&[20240131.0, 20240132.0]), [20240131.0, 20240132.0]);
    }

    #[test]
    fn a_column_with_a_gap_or_one_value_is_no_clock() {
        let mut clock = Clock::new("t");
        clock.number(4.0);
        clock.number(f64::NAN);
        assert_eq!(clock.times(2), None);
        let mut clock = Clock::new("Ts");
        clock.number(4.0);
        clock.number(4.0);
        assert_eq!(clock.times(2), None);
    }
}
