//! Days of the Gregorian calendar.

const NANOS_OF_DAY: i128 = 86_400_000_000_000;
/// Days from the first of March of the year 0 to the beginning of 1970.
const DAYS_TO_1970: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_ERA: i64 = 146_097;

/// Year, month, day and nanoseconds of the day of a time in nanoseconds since the beginning of 1970.
pub(super) fn civil(nanos: i128) -> (i64, i64, i64, i64) {
    let days = nanos.div_euclid(NANOS_OF_DAY);
    let of_day = nanos.rem_euclid(NANOS_OF_DAY);
    // Times that are no dates of the calendar are out of its range, wherever they end.
    let days = i64::try_from(days)
        .unwrap_or(i64::MAX / 2)
        .clamp(i64::MIN / 2, i64::MAX / 2);
    let (year, month, day) = date(days);
    (year, month, day, i64::try_from(of_day).unwrap_or(0))
}

/// Year, month and day of a day since the beginning of 1970. Years begin in March here, so that the
/// day that leap years add is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_OF_ERA);
    let of_era = days.rem_euclid(DAYS_OF_ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month < 10 {
        true => (year + 400 * era, month + 3),
        false => (year + 400 * era + 1, month - 9),
    };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (47_541, (2100, 3, 1)),
            (-719_162, (1, 1, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
        assert_eq!(civil(-1), (1969, 12, 31, 86_399_999_999_999));
    }
}
