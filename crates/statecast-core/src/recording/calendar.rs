//! Dates and times of day as people write them.

use super::instants::{Date, Instant, NANOS_OF_SECOND};
use super::spelling::plain;

/// A cell that says when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    Date(Date),
    /// Nanoseconds since midnight, or of a duration.
    TimeOfDay(i64),
}

/// Reads a date with or without a time of the day, or a time of the day alone.
pub(super) fn when(text: &str) -> Option<When> {
    let text = without_weekday(text.trim());
    // An interval is where it begins: `01.03.2024 00:00 - 01.03.2024 01:00`.
    if let Some((start, end)) = text.split_once(" - ")
        && start.contains(':')
        && let (Some(When::Date(start)), Some(When::Date(_))) = (when(start), when(end))
    {
        return Some(When::Date(start));
    }
    let (day, clock) = split(text);
    if day.is_empty() {
        return time_of_day(&clock, 9999).map(When::TimeOfDay);
    }
    let nanos = match clock.is_empty() {
        true => Some(0),
        false => time_of_day(&clock, 24),
    };
    let date = nanos.and_then(|nanos| Some(date(&day)?.at(nanos)));
    date.map(When::Date).or_else(|| {
        let dotted = text.split('.').count() == 3 && text.len() == 8;
        let nanos = dotted.then(|| time_of_day(&text.replace('.', ":"), 24))?;
        nanos.map(When::TimeOfDay)
    })
}

/// Reads a cell of a column of a name that says how its times are written: weeks as `2024-05`, seasons as `1999-00`.
pub(super) fn when_called(name: &str, text: &str) -> Option<When> {
    let parts = || {
        let (year, part) = text.trim().split_once(['-', '/'])?;
        let is_part = year.len() == 4 && part.len() == 2 && is_number(year) && is_number(part);
        is_part.then(|| Some((year.parse::<i64>().ok()?, part.parse::<i64>().ok()?)))?
    };
    let instant = match plain(name).as_str() {
        "week" | "iso_week" | "yearweek" | "year_week" => {
            parts().and_then(|(year, week)| of_week(year, week, 1))
        }
        "season" => parts()
            .filter(|(year, next)| (year + 1) % 100 == *next)
            .and_then(|(year, _)| Instant::new(year, 1, 1, 0)),
        _ => None,
    };
    match instant {
        Some(instant) => Some(When::Date(Date::certain(instant))),
        None => when(text),
    }
}

/// Number of a month by its English name, in full or its first three letters.
pub(super) fn month_named(word: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    named(word, &NAMES).or_else(|| word.eq_ignore_ascii_case("sept").then_some(9))
}

fn without_weekday(text: &str) -> &str {
    const NAMES: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    match named(&text[..end], &NAMES) {
        Some(_) => text[end..].trim_start_matches([',', '.', ' ']),
        None => text,
    }
}

/// Place of a name in a list from 1, in full or by its first three letters.
fn named(word: &str, names: &[&str]) -> Option<i64> {
    let word = word.to_ascii_lowercase();
    let is = |name: &&str| **name == word || name.get(..3) == Some(word.as_str());
    names
        .iter()
        .zip(1..)
        .find(|(name, _)| is(name))
        .map(|(_, number)| number)
}

/// What is written of the day, and what of the time of the day.
fn split(text: &str) -> (String, String) {
    let Some(colon) = text.find(':') else {
        return match text.split_once(['T', 't', ' ']) {
            // 20240229T1030, 20240229 103000, 20240229 103000500
            Some((day, clock)) if day.len() == 8 && is_number(day) => {
                let (digits, zone) = clock.split_at(
                    clock
                        .find(|c: char| !c.is_ascii_digit())
                        .unwrap_or(clock.len()),
                );
                let (digits, decimals) = digits.split_at(digits.len().min(6));
                let pairs: Vec<String> = digits
                    .chars()
                    .collect::<Vec<_>>()
                    .chunks(2)
                    .map(String::from_iter)
                    .collect();
                let point = if decimals.is_empty() { "" } else { "." };
                (day.to_owned(), pairs.join(":") + point + decimals + zone)
            }
            _ => (text.to_owned(), String::new()),
        };
    };
    let hour = text[..colon]
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .len();
    let day = text[..hour].trim_end_matches(['T', 't', ' ', ',']);
    let clock = &text[hour..];
    // Thu Feb 29 10:00:00 2024
    match clock.rsplit_once(' ') {
        Some((clock, year)) if year.len() == 4 && is_number(year) => {
            (format!("{day} {year}"), clock.to_owned())
        }
        _ => (day.to_owned(), clock.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn date(day: &str) -> Option<Date> {
    let (tokens, marks) = tokens(day)?;
    if tokens.iter().all(|token| is_number(token)) {
        return date_of_numbers(&tokens, &marks);
    }
    let lower: Vec<String> = tokens
        .iter()
        .map(|token| token.to_ascii_lowercase())
        .collect();
    let words: Vec<&str> = lower
        .iter()
        .map(String::as_str)
        .filter(|word| !["st", "nd", "rd", "th"].contains(word))
        .collect();
    let number = |text: &str| is_number(text).then(|| text.parse::<i64>().ok()).flatten();
    let year = |text: &str| (text.len() == 4).then(|| number(text)).flatten();
    let instant = match words.as_slice() {
        [y, "q", n] | ["q", n, y] if n.len() == 1 => {
            let quarter = number(n).filter(|n| (1..=4).contains(n))?;
            Instant::new(year(y)?, 3 * quarter - 2, 1, 0)
        }
        [y, "m", month] => Instant::new(year(y)?, number(month)?, 1, 0),
        ["fy" | "cy", y] => Instant::new(year(y)?, 1, 1, 0),
        [y, "w", week] if week.len() == 2 => of_week(year(y)?, number(week)?, 1),
        [y, "w", week, day] if week.len() == 2 => of_week(year(y)?, number(week)?, number(day)?),
        [y, m] if year(y).is_some() => Instant::new(year(y)?, month_named(m)?, 1, 0),
        [m, y] => Instant::new(year(y)?, month_named(m)?, 1, 0),
        [y, m, d] if year(y).is_some() => Instant::new(year(y)?, month_named(m)?, number(d)?, 0),
        [m, d, y] if month_named(m).is_some() => {
            Instant::new(year(y)?, month_named(m)?, number(d)?, 0)
        }
        [d, m, y] => {
            let full = year(y).or_else(|| (y.len() == 2).then(|| number(y).map(century)).flatten());
            Instant::new(full?, month_named(m)?, number(d)?, 0)
        }
        _ => None,
    };
    let short_year = matches!(words.as_slice(), [_, _, y] if y.len() == 2);
    let date = instant.map(Date::certain)?;
    Some(if short_year {
        date.with_short_year()
    } else {
        date
    })
}

fn date_of_numbers(tokens: &[&str], marks: &[&str]) -> Option<Date> {
    let values: Vec<i64> = tokens
        .iter()
        .map(|token| token.parse().ok())
        .collect::<Option<_>>()?;
    let lengths: Vec<usize> = tokens.iter().map(|token| token.len()).collect();
    let mark = match marks {
        [] => "",
        [mark, others @ ..]
            if ["-", "/", "."].contains(mark) && others.iter().all(|m| m == mark) =>
        {
            *mark
        }
        _ => return None,
    };
    let only = |instant: Option<Instant>| instant.map(Date::certain);
    match (values.as_slice(), lengths.as_slice()) {
        (&[number], &[8]) => only(Instant::new(
            number / 10_000,
            number / 100 % 100,
            number % 100,
            0,
        )),
        (&[year, month], &[4, 2]) => only(Instant::new(year, month, 1, 0)),
        (&[month, year], &[1 | 2, 4]) if mark == "/" || mark == "-" => {
            only(Instant::new(year, month, 1, 0))
        }
        (&[year, month, day], &[4, _, _]) => only(Instant::new(year, month, day, 0)),
        (&[day, month, year], &[_, _, 4]) if mark == "." => only(Instant::new(year, month, day, 0)),
        (&[a, b, year], &[_, _, 4]) => Date::of([
            Instant::new(year, a, b, 0),
            Instant::new(year, b, a, 0),
            None,
        ]),
        (&[a, b, c], &[1 | 2, 1 | 2, 2]) => Some(
            Date::of([
                Instant::new(century(c), a, b, 0).filter(|_| mark != "."),
                Instant::new(century(c), b, a, 0),
                Instant::new(century(a), b, c, 0)
                    .filter(|_| mark == "-" && lengths[0] == 2 && lengths[1] == 2),
            ])?
            .with_short_year(),
        ),
        _ => None,
    }
}

/// The year of two digits, as POSIX has it.
pub(super) fn century(year: i64) -> i64 {
    year + if year < 69 { 2000 } else { 1900 }
}

/// The day of a week by ISO 8601: week 1 holds the 4th of January.
pub(super) fn of_week(year: i64, week: i64, day: i64) -> Option<Instant> {
    if !(1..=53).contains(&week) || !(1..=7).contains(&day) {
        return None;
    }
    let fourth = Instant::new(year, 1, 4, 0)?;
    // The first day of the year 0 was a Saturday.
    let weekday = (fourth.day_number() + 5).rem_euclid(7);
    Some(fourth.plus_days(7 * (week - 1) + day - 1 - weekday))
}

/// Stretches of digits and of letters, and what stands between those that do not touch.
fn tokens(text: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    const MAX_TOKENS: usize = 6;
    let class = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' | 'A'..='Z' => 1,
        _ => 2,
    };
    let (mut tokens, mut marks) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| class(c) != class(first))
            .unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        match class(first) {
            2 if tokens.is_empty() || after.is_empty() => return None,
            2 if !token.bytes().all(|b| b" -/.,".contains(&b)) => return None,
            2 => marks.push(token),
            _ => tokens.push(token),
        }
        if tokens.len() > MAX_TOKENS {
            return None;
        }
        rest = after;
    }
    Some((tokens, marks))
}

/// Nanoseconds of the day in UTC: `12:30`, `12:30:15.25`, `12:30:15+02:00`, `1:05 PM`.
fn time_of_day(text: &str, most_hours: i64) -> Option<i64> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let text = ["UTC", "GMT"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text)
        .trim();
    let half = |suffixes: [&str; 4]| suffixes.iter().find_map(|suffix| text.strip_suffix(suffix));
    let (text, noon) = match (
        half(["AM", "am", "a.m.", "A.M."]),
        half(["PM", "pm", "p.m.", "P.M."]),
    ) {
        (Some(text), _) => (text.trim(), Some(0)),
        (_, Some(text)) => (text.trim(), Some(12)),
        _ => (text, None),
    };
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
    let whole = |text: &str| is_number(text).then(|| text.parse::<i64>().ok()).flatten();
    let hour = whole(parts.next()?)?;
    let minute = whole(parts.next().filter(|minute| minute.len() == 2)?)?;
    let second = parts.next().unwrap_or("00");
    let (second, decimals) = second.split_once(['.', ',']).unwrap_or((second, "0"));
    let second = whole(second)?;
    if !is_number(decimals) {
        return None;
    }
    let decimals: String = decimals
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: i64 = decimals.parse().ok()?;
    let hour = match noon {
        None => hour,
        Some(noon) if (1..=12).contains(&hour) => hour % 12 + noon,
        Some(_) => return None,
    };
    let valid = parts.next().is_none()
        && (0..=most_hours).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    // Digits that are none of a time may be of any size.
    valid.then(|| ((hour * 60 + minute - offset) * 60 + second) * NANOS_OF_SECOND + nanos)
}

/// Minutes of an offset: `02:00`, `0200`, `02`.
fn minutes(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(|&c| c != ':').collect();
    let number: i64 = is_number(&digits).then(|| digits.parse().ok()).flatten()?;
    match digits.len() {
        1 | 2 => Some(60 * number),
        4 => Some(60 * (number / 100) + number % 100),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::instants::First;
    use super::*;

    fn shown(text: &str) -> Option<String> {
        match when(text)? {
            When::Date(date) => First::ALL
                .iter()
                .find_map(|&order| date.read(order))
                .map(|i| i.to_string()),
            When::TimeOfDay(nanos) => Some(format!("{} s", nanos as f64 / 1e9)),
        }
    }

    /// Fault: these were no dates, and rows were read in the order of the file.
    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, date) in [
            ("2024-02-29", "2024-02-29"),
            ("29 Feb 2024", "2024-02-29"),
            ("29-Feb-24", "2024-02-29"),
            ("29. February 2024", "2024-02-29"),
            ("Feb 29, 2024", "2024-02-29"),
            ("Thu, 29 Feb 2024 10:00:00 GMT", "2024-02-29 10:00:00"),
            ("Thu Feb 29 10:00:00 2024", "2024-02-29 10:00:00"),
            ("February 29th, 2024 1:05 PM", "2024-02-29 13:05:00"),
            ("2024-Q4", "2024-10-01"),
            ("2024Q4", "2024-10-01"),
            ("Q4 2024", "2024-10-01"),
            ("2024-W05", "2024-01-29"),
            ("2021-W01", "2021-01-04"),
            ("2024-W05-3", "2024-01-31"),
            ("2024-02", "2024-02-01"),
            ("Feb 2024", "2024-02-01"),
            ("29/2/24", "2024-02-29"),
            ("2/29/99", "none"),
            ("20240229", "2024-02-29"),
            ("20240229T1030", "2024-02-29 10:30:00"),
            ("2024-02-29T10:30:00.125+05:30", "2024-02-29 05:00:00.125"),
            ("2024-03-01T00:30:00+0100", "2024-02-29 23:30:00"),
            ("10:59:00", "39540 s"),
            ("10:59", "39540 s"),
            ("12:00:01.5 AM", "1.5 s"),
            ("18.00.00", "64800 s"),
        ] {
            assert_eq!(shown(text).as_deref().unwrap_or("none"), date, "{text}");
        }
    }

    #[test]
    fn hours_of_any_size_are_no_times() {
        // Fault: their nanoseconds were computed, and overflowed where that is looked at.
        for text in [
            "42949672960:00:00",
            "9223372036854775807:00",
            "1979-01-31 42949672960:00:00",
        ] {
            assert!(when(text).is_none(), "{text}");
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
            "may",
            "16:9",
            "2024-Q5",
            "2024-W54",
            "a:b",
            ":",
            "10:",
            "12:3x",
            "2024-01-01 10:00:00.é",
            "Mon 12",
        ] {
            assert_eq!(when(text), None, "{text}");
        }
    }
}
