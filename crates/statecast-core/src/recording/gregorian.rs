//! Days of the Gregorian calendar.

use std::fmt;

use super::instants::NANOS_OF_DAY;

/// Days from the first of March of the year 0 to the beginning of 1970.
const DAYS_TO_1970: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_ERA: i64 = 146_097;

/// A date and a time of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// From 1 on.
    pub(super) month: i64,
    pub(super) day: i64,
    /// Nanoseconds of the day.
    pub(super) nanos: i64,
}

impl Date {
    /// The date so many nanoseconds since the beginning of 1970. Times that are no dates of the
    /// calendar end up out of its range.
    pub(super) fn since_1970(nanos: i128) -> Self {
        let day = i128::from(NANOS_OF_DAY);
        let days = i64::try_from(nanos.div_euclid(day)).unwrap_or(i64::MAX);
        let days = days.clamp(i64::MIN / 2, i64::MAX / 2) + DAYS_TO_1970;
        // Years begin in March here, so that the day that leap years add is their last.
        let era = days.div_euclid(DAYS_OF_ERA);
        let of_era = days.rem_euclid(DAYS_OF_ERA);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let (years_more, month_of_year) = match month < 10 {
            true => (0, month + 3),
            false => (1, month - 9),
        };
        Self {
            year: year + 400 * era + years_more,
            month: month_of_year,
            day: of_year - (153 * month + 2) / 5 + 1,
            nanos: i64::try_from(nanos.rem_euclid(day)).unwrap_or(0),
        }
    }

    /// The date so many nanoseconds later.
    pub(super) fn after(self, nanos: i128) -> Self {
        let day = i128::from(NANOS_OF_DAY) * i128::from(self.days());
        Self::since_1970(day + i128::from(self.nanos) + nanos)
    }

    /// Nanoseconds since another date.
    pub(super) fn nanos_since(self, other: Self) -> i128 {
        let days = i128::from(self.days() - other.days());
        days * i128::from(NANOS_OF_DAY) + i128::from(self.nanos - other.nanos)
    }

    /// Days since the beginning of 1970.
    pub(super) fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        DAYS_OF_ERA * era + 365 * of_era + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970
    }

    /// Whether it is a Saturday or a Sunday.
    pub(super) fn is_weekend(self) -> bool {
        // The first day of 1970 was a Thursday.
        matches!((self.days() + 3).rem_euclid(7), 5 | 6)
    }
}

impl fmt::Display for Date {
    /// As of ISO 8601, without the time of day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A date with its time of day.
pub(super) struct WithTime(pub(super) Date);

impl fmt::Display for WithTime {
    /// As of ISO 8601, without zeros at the end of broken seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.nanos / 1_000_000_000, self.0.nanos % 1_000_000_000);
        let (minutes, second) = (seconds / 60, seconds % 60);
        write!(
            f,
            "{}T{:02}:{:02}:{second:02}",
            self.0,
            minutes / 60,
            minutes % 60
        )?;
        match nanos {
            0 => Ok(()),
            nanos => write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_and_dates_days() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (47_541, "2100-03-01"),
            (-719_162, "0001-01-01"),
        ] {
            let date = Date::since_1970(i128::from(days) * i128::from(NANOS_OF_DAY));
            assert_eq!(date.to_string(), expected, "{days}");
            assert_eq!(date.days(), days);
        }
        let before = Date::since_1970(-1);
        assert_eq!((before.day, before.nanos), (31, NANOS_OF_DAY - 1));
        assert!(Date::since_1970(i128::MAX).year > 10_000);
    }

    #[test]
    fn weekends_are_saturday_and_sunday() {
        // The first of January 1970 was a Thursday.
        let days = (0..7).map(|day| Date::since_1970(day * i128::from(NANOS_OF_DAY)));
        let weekends: Vec<bool> = days.map(Date::is_weekend).collect();
        assert_eq!(weekends, [false, false, true, true, false, false, false]);
    }
}
