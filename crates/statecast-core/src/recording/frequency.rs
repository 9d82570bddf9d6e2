//! How far apart the values of a series are, as files of series say it.

use super::gregorian::Date;
use super::instants::{Instant, days_of_month};

const NANOS_OF_SECOND: i128 = 1_000_000_000;
/// Most units of time in a step.
const MAX_UNITS: i64 = 1_000_000;

/// The time from a value to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Nanos(i128),
    Months(i64),
}

impl Step {
    /// Reads `monthly`, `half_hourly` or `10_minutes`.
    pub(super) fn of(text: &str) -> Option<Self> {
        let seconds = |seconds: i128| Some(Self::Nanos(seconds * NANOS_OF_SECOND));
        let text = text.to_ascii_lowercase();
        let (count, unit) = match text.split_once('_') {
            Some((count, unit)) if count != "half" => (count.parse().ok()?, unit),
            _ => (1, text.as_str()),
        };
        let fits = (1..=i128::from(MAX_UNITS)).contains(&count);
        match unit.trim_end_matches('s') {
            _ if !fits => None,
            "second" | "secondly" => seconds(count),
            "minute" | "minutely" => seconds(60 * count),
            "half_hourly" => seconds(1800),
            "hour" | "hourly" => seconds(3600 * count),
            "day" | "daily" => seconds(86_400 * count),
            "week" | "weekly" => seconds(7 * 86_400 * count),
            "month" | "monthly" => Some(Self::Months(count as i64)),
            "quarterly" => Some(Self::Months(3)),
            "yearly" => Some(Self::Months(12)),
            _ => None,
        }
    }

    /// The time so many steps after a start, within the calendar.
    pub(super) fn after(self, start: Instant, steps: usize) -> Option<Instant> {
        let year_and_month = |month: i64| (month.div_euclid(12), month.rem_euclid(12) + 1);
        match self {
            Self::Nanos(nanos) => {
                let (year, month) = year_and_month(start.month);
                let start = Date {
                    year,
                    month,
                    day: i64::from(start.day),
                    nanos: start.nanos,
                };
                let date = start.after(nanos * steps as i128);
                Instant::new(date.year, date.month, date.day, date.nanos)
            }
            Self::Months(months) => {
                let month = start.month + months * steps as i64;
                let day = start.day.min(days_of_month(month));
                let (year, month) = year_and_month(month);
                Instant::new(year, month, i64::from(day), start.nanos)
            }
        }
    }

    /// Reads a frequency of pandas: `h`, `15min`, `W-SUN`, `MS`; nothing for days of work, and what it does not know.
    pub(super) fn of_pandas(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let count: i64 = match count {
            "" => 1,
            count => count.parse().ok()?,
        };
        if !(1..=MAX_UNITS).contains(&count) {
            return None;
        }
        let unit = unit.split('-').next().unwrap_or_default();
        let nanos = |nanos: i128| Some(Self::Nanos(i128::from(count) * nanos));
        match unit {
            "ns" | "N" => nanos(1),
            "us" | "U" => nanos(1_000),
            "ms" | "L" => nanos(1_000_000),
            "s" | "S" => nanos(NANOS_OF_SECOND),
            "min" | "T" => nanos(60 * NANOS_OF_SECOND),
            "h" | "H" => nanos(3600 * NANOS_OF_SECOND),
            "D" | "d" => nanos(86_400 * NANOS_OF_SECOND),
            "W" | "w" => nanos(7 * 86_400 * NANOS_OF_SECOND),
            "M" | "MS" | "ME" => Some(Self::Months(count)),
            "Q" | "QS" | "QE" => Some(Self::Months(3 * count)),
            "A" | "AS" | "Y" | "YS" | "YE" => Some(Self::Months(12 * count)),
            _ => None,
        }
    }

    /// Whether times so far apart are days.
    pub(super) fn is_of_days(self) -> bool {
        match self {
            Self::Nanos(nanos) => nanos % (86_400 * NANOS_OF_SECOND) == 0,
            Self::Months(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_by_their_names() {
        let seconds = |seconds| Some(Step::Nanos(seconds * NANOS_OF_SECOND));
        for (text, step) in [
            ("4_seconds", seconds(4)),
            ("10_minutes", seconds(600)),
            ("half_hourly", seconds(1800)),
            ("hourly", seconds(3600)),
            ("weekly", seconds(604_800)),
            ("monthly", Some(Step::Months(1))),
            ("quarterly", Some(Step::Months(3))),
            ("yearly", Some(Step::Months(12))),
            ("often", None),
            ("-3_days", None),
        ] {
            assert_eq!(Step::of(text), step, "{text}");
        }
    }

    #[test]
    fn frequencies_of_pandas_are_read() {
        let seconds = |seconds| Some(Step::Nanos(seconds * NANOS_OF_SECOND));
        for (text, step) in [
            ("H", seconds(3600)),
            ("15min", seconds(900)),
            ("5T", seconds(300)),
            ("W-SUN", seconds(604_800)),
            ("ms", Some(Step::Nanos(1_000_000))),
            ("MS", Some(Step::Months(1))),
            ("2QS-JAN", Some(Step::Months(6))),
            ("A-DEC", Some(Step::Months(12))),
            ("B", None),
            ("0D", None),
            ("99999999D", None),
            ("", None),
        ] {
            assert_eq!(Step::of_pandas(text), step, "{text}");
        }
    }
}
