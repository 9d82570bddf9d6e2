//! Points of time, and the order in which a column writes its dates.

/// A point of time in UTC, as far as the text says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Instant {
    /// Months since the year 0.
    pub(super) month: i64,
    pub(super) day: u32,
    /// Nanoseconds of the day; an offset from UTC may lead out of it.
    pub(super) nanos: i64,
}

pub(super) const NANOS_OF_SECOND: i64 = 1_000_000_000;
pub(super) const NANOS_OF_DAY: i64 = 86_400 * NANOS_OF_SECOND;

impl Instant {
    pub(super) fn new(year: i64, month: i64, day: i64, nanos: i64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(0..10_000).contains(&year) {
            return None;
        }
        let month = 12 * year + month - 1;
        let day = u32::try_from(day).ok()?;
        let valid = (1..=days_of_month(month)).contains(&day);
        valid.then_some(Self { month, day, nanos })
    }

    /// The same day of the century before 2000, if there is such a day.
    pub(super) fn before_2000(self) -> Option<Self> {
        let month = match self.month >= 12 * 2000 {
            true => self.month - 1200,
            false => self.month,
        };
        (self.day <= days_of_month(month)).then_some(Self { month, ..self })
    }

    /// Nanoseconds since the first day of the year 0.
    pub(super) fn nanos_since_year_0(&self) -> i128 {
        i128::from(self.day_number()) * i128::from(NANOS_OF_DAY) + i128::from(self.nanos)
    }

    /// Days since the first day of the year 0.
    pub(super) fn day_number(&self) -> i64 {
        let (year, month) = (self.month.div_euclid(12), self.month.rem_euclid(12));
        let before = |year: i64| {
            365 * year + (year + 3).div_euclid(4) - (year + 99).div_euclid(100)
                + (year + 399).div_euclid(400)
        };
        let months = (0..month).map(|m| i64::from(days_of_month(12 * year + m)));
        before(year) + months.sum::<i64>() + i64::from(self.day) - 1
    }

    pub(super) fn plus_days(self, days: i64) -> Self {
        let (mut month, mut day) = (self.month, i64::from(self.day) + days);
        while day < 1 {
            month -= 1;
            day += i64::from(days_of_month(month));
        }
        while day > i64::from(days_of_month(month)) {
            day -= i64::from(days_of_month(month));
            month += 1;
        }
        let day = u32::try_from(day).unwrap_or(1);
        Self { month, day, ..self }
    }

    /// The instant some nanoseconds later.
    pub(super) fn plus_nanos(self, nanos: i128) -> Self {
        let sum = i128::from(self.nanos) + nanos;
        let day = i128::from(NANOS_OF_DAY);
        let days = i64::try_from(sum.div_euclid(day))
            .unwrap_or(0)
            .clamp(-4_000_000, 4_000_000);
        let nanos = i64::try_from(sum.rem_euclid(day)).unwrap_or(0);
        Self { nanos, ..self }.plus_days(days)
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { month, day, nanos } = self.plus_nanos(0);
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        let seconds = nanos / NANOS_OF_SECOND;
        if nanos > 0 {
            let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            write!(f, " {hour:02}:{minute:02}:{second:02}")?;
            let rest = format!("{:09}", nanos % NANOS_OF_SECOND);
            let rest = rest.trim_end_matches('0');
            if !rest.is_empty() {
                write!(f, ".{rest}")?;
            }
        }
        Ok(())
    }
}

pub(super) fn days_of_month(month: i64) -> u32 {
    let year = month.div_euclid(12);
    match month.rem_euclid(12) {
        1 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// What is written first in a date of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Month,
    Day,
    Year,
}

impl First {
    /// In the order in which they are preferred.
    pub(super) const ALL: [Self; 3] = [Self::Month, Self::Day, Self::Year];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Month => "month first",
            Self::Day => "day first",
            Self::Year => "year first",
        }
    }
}

/// A date by each reading of its numbers; 31/1/2024 has one reading, 3/4/2024 two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Date {
    readings: [Option<Instant>; 3],
    short_year: bool,
}

impl Date {
    pub(super) fn certain(instant: Instant) -> Self {
        Self {
            readings: [Some(instant); 3],
            short_year: false,
        }
    }

    pub(super) fn of(readings: [Option<Instant>; 3]) -> Option<Self> {
        let any = readings.iter().any(Option::is_some);
        any.then_some(Self {
            readings,
            short_year: false,
        })
    }

    pub(super) fn read(&self, order: First) -> Option<Instant> {
        self.readings[order as usize]
    }

    /// The same date at another time of the day.
    pub(super) fn at(self, nanos: i64) -> Self {
        let at = |reading: Option<Instant>| reading.map(|instant| Instant { nanos, ..instant });
        Self {
            readings: self.readings.map(at),
            ..self
        }
    }

    /// Whether there is one way to read it.
    pub(super) fn is_certain(&self) -> bool {
        self.readings
            .iter()
            .all(|reading| *reading == self.readings[0])
    }

    /// Whether its year has two digits, so that its century is a guess.
    pub(super) fn has_short_year(&self) -> bool {
        self.short_year
    }

    pub(super) fn with_short_year(self) -> Self {
        Self {
            short_year: true,
            ..self
        }
    }

    /// Whether it says nothing of the time of the day.
    pub(super) fn is_day(&self) -> bool {
        self.readings
            .iter()
            .flatten()
            .all(|instant| instant.nanos == 0)
    }
}
