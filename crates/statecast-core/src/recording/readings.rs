//! The readings of a column of time: numbers that wrap, times that go on over midnight, dates whose order is chosen.

use super::gregorian;
use super::instants::{Date, First, Instant, NANOS_OF_DAY, NANOS_OF_SECOND, days_of_month};
use super::left_out::MIN_REGULAR;
use super::order::gaps;
use super::times::{Scale, Unit};
use super::wrapped::{Wrap, unwrapped, wrap};

/// The times of a column that has one for every row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Times {
    /// A number a row; differences count, the origin does not.
    pub(super) values: Vec<f64>,
    /// What the numbers count, empty where the column does not say.
    pub(super) unit: &'static str,
    /// The same as instants, where they are dates.
    pub(super) instants: Vec<Instant>,
    /// What times of the column they stand for.
    pub(super) scale: Scale,
    /// How dates were read that have several readings, and the first row in which these differ.
    pub(super) chosen: Option<(First, usize)>,
    /// What is written first in dates, where that is not the same for all.
    pub(super) order: Option<First>,
    /// Where a clock was full and began again; its values count on.
    pub(super) wrap: Option<Wrap>,
}

pub(super) fn times_of(values: Vec<f64>, unit: &'static str) -> Times {
    Times {
        values,
        unit,
        instants: Vec::new(),
        scale: Scale::Plain,
        chosen: None,
        order: None,
        wrap: None,
    }
}

pub(super) fn times_of_numbers(numbers: &[f64]) -> Times {
    if let Some(times) = even_times_of_day(numbers) {
        return times_of(times, "s");
    }
    let Some(wrap) = wrap(numbers) else {
        return times_of(numbers.to_vec(), "");
    };
    let from = numbers.iter().copied().fold(0.0, f64::min);
    Times {
        scale: Scale::Modulo {
            modulus: wrap.modulus,
            // Counters that never say zero begin at one.
            from: match numbers.contains(&wrap.modulus) {
                true => 1.0,
                false => from,
            },
        },
        wrap: Some(wrap),
        ..times_of(unwrapped(numbers, wrap.modulus), "")
    }
}

/// Nanoseconds of the day of numbers such as 0, 930 and 2359, or 93000 and 235959.
pub(super) fn times_in_digits(numbers: &[f64]) -> Option<Vec<i64>> {
    let most = numbers.iter().copied().fold(0.0, f64::max);
    let with_seconds = most > 2400.0;
    let time = |&number: &f64| {
        // Larger numbers are no times of a day, and their nanoseconds would not be numbers here.
        if number.fract() != 0.0 || !(0.0..=240_000.0).contains(&number) {
            return None;
        }
        let digits = number as i64 * if with_seconds { 1 } else { 100 };
        let (hours, minutes, seconds) = (digits / 10_000, digits / 100 % 100, digits % 100);
        let valid = minutes < 60 && seconds < 60;
        valid.then_some((3600 * hours + 60 * minutes + seconds) * NANOS_OF_SECOND)
    };
    numbers.iter().map(time).collect()
}

/// Seconds of numbers that go on evenly as times of the day and do not as numbers.
fn even_times_of_day(numbers: &[f64]) -> Option<Vec<f64>> {
    let most = numbers.iter().copied().fold(0.0, f64::max);
    // Small numbers are those of minutes as well.
    if numbers.len() < MIN_REGULAR || !((1000.0..=2400.0).contains(&most) || most >= 10_000.0) {
        return None;
    }
    let even = |values: &[f64]| {
        let rows: Vec<usize> = (0..values.len()).collect();
        let ascend = values.windows(2).all(|pair| pair[0] < pair[1]);
        ascend && gaps(&rows, values).is_some_and(|gaps| gaps.count == 0)
    };
    let times = across_midnight(&times_in_digits(numbers)?);
    (even(&times) && !even(numbers)).then_some(times)
}

/// Seconds of times of the day that go on over midnight: every step is the shortest that fits. Durations of more than
/// a day are left alone.
pub(super) fn across_midnight(times: &[i64]) -> Vec<f64> {
    let seconds = |nanos: i128| nanos as f64 / NANOS_OF_SECOND as f64;
    if times.iter().any(|&nanos| nanos > NANOS_OF_DAY) {
        return times.iter().map(|&nanos| seconds(nanos.into())).collect();
    }
    let (day, mut total) = (i128::from(NANOS_OF_DAY), 0);
    let mut previous: Option<i128> = None;
    let on = |&nanos: &i64| {
        let nanos = i128::from(nanos);
        total = match previous {
            None => nanos,
            Some(before) => {
                let step = (nanos - before).rem_euclid(day);
                total + if 2 * step > day { step - day } else { step }
            }
        };
        previous = Some(nanos);
        seconds(total)
    };
    times.iter().map(on).collect()
}

/// The reading of all dates that makes the most regular times, or the one that is asked for if there is one.
pub(super) fn times_of_dates(dates: &[Date], wanted: Option<First>) -> Option<Times> {
    let mut readings: Vec<(First, Vec<Instant>)> = Vec::new();
    for order in First::ALL {
        let instants: Option<Vec<Instant>> = dates.iter().map(|date| date.read(order)).collect();
        let other = |known: &(First, Vec<Instant>)| Some(&known.1) != instants.as_ref();
        if let (true, Some(instants)) = (readings.iter().all(other), &instants) {
            readings.push((order, instants.clone()));
        }
    }
    let first = &readings.first()?.1;
    let differs = |row: &usize| readings.iter().any(|(_, other)| other[*row] != first[*row]);
    let differing = (0..first.len()).find(differs);
    let several = readings.len() > 1;
    let is_sure = dates.iter().all(Date::is_certain);
    let asked = |(order, _): &&(First, Vec<Instant>)| Some(*order) == wanted;
    if let Some(reading) = readings.iter().find(asked).cloned() {
        readings = vec![reading];
    }
    // Of two digits the century is a guess.
    let all_short = dates.iter().all(Date::has_short_year);
    let mut all = readings.clone();
    for (order, instants) in readings.iter().filter(|_| all_short) {
        let before: Option<Vec<Instant>> = instants.iter().map(|i| i.before_2000()).collect();
        all.extend(
            before
                .filter(|before| before != instants)
                .map(|before| (*order, before)),
        );
    }
    let unread = all.len() > 1;
    let times = all.into_iter().map(|(order, instants)| Times {
        chosen: differing
            .filter(|_| wanted.is_none() && several)
            .map(|row| (order, row)),
        order: (!is_sure).then_some(order),
        ..times_of_instants(instants)
    });
    // Of equals the first is taken.
    times.min_by_key(|times| match unread {
        true => disorder(&times.values),
        false => (0, 0),
    })
}

/// How little times are like those of a clock: turns of their direction, and steps that are not the usual one.
fn disorder(values: &[f64]) -> (usize, usize) {
    let steps = values.windows(2).map(|pair| pair[1] - pair[0]);
    let back = steps.clone().filter(|&step| step < 0.0).count();
    let on = steps.clone().filter(|&step| step > 0.0).count();
    let mut sizes: Vec<f64> = steps.map(f64::abs).filter(|&step| step > 0.0).collect();
    if sizes.is_empty() {
        return (0, 0);
    }
    let middle = sizes.len() / 2;
    let usual = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
    let unusual = sizes
        .iter()
        .filter(|&&step| (step - usual).abs() > 0.05 * usual);
    (back.min(on), unusual.count())
}

fn times_of_instants(instants: Vec<Instant>) -> Times {
    let first = instants[0];
    // The 30th of each month is the last day of February.
    let place = instants.iter().map(|i| i.day).max().unwrap_or(first.day);
    let same_place =
        |i: &Instant| i.day == place.min(days_of_month(i.month)) && i.nanos == first.nanos;
    let at_end = |i: &Instant| i.day == days_of_month(i.month) && i.nanos == first.nanos;
    let ends = instants.iter().all(at_end);
    if ends || instants.iter().all(same_place) {
        return Times {
            values: instants.iter().map(|i| i.month as f64).collect(),
            unit: "month",
            scale: Scale::Months {
                day: (!ends).then_some(place),
                nanos: first.nanos,
            },
            instants,
            chosen: None,
            order: None,
            wrap: None,
        };
    }
    let start = first.nanos_since_year_0();
    let nanos = |i: &Instant| i.nanos_since_year_0() - start;
    let days = instants.iter().all(|i| i.nanos == first.nanos);
    let unit = if days { NANOS_OF_DAY } else { NANOS_OF_SECOND } as f64;
    Times {
        values: instants.iter().map(|i| nanos(i) as f64 / unit).collect(),
        unit: if days { "day" } else { "s" },
        scale: Scale::Since(
            gregorian::Date {
                year: first.month.div_euclid(12),
                month: first.month.rem_euclid(12) + 1,
                day: i64::from(first.day),
                nanos: first.nanos,
            },
            if days { Unit::Day } else { Unit::Second },
        ),
        instants,
        chosen: None,
        order: None,
        wrap: None,
    }
}

/// Numbers such as 20240131, 202401 or 20240131235900, if all of them are dates of our time, or such as 31012024 if they
/// can be nothing else.
pub(super) fn digits_of_dates(numbers: &[f64]) -> Option<Vec<Date>> {
    let all: Option<Vec<Date>> = numbers.iter().map(|&number| year_first(number)).collect();
    all.or_else(|| {
        let in_turn = |day, month, year| Instant::new(year, month, day, 0).map(Date::certain);
        let is_month_first = numbers.iter().all(|&number| {
            year_last(number).is_some_and(|[a, b, year]| in_turn(b, a, year).is_some())
        });
        let day_first = |&number: &f64| {
            let [day, month, year] = year_last(number)?;
            in_turn(day, month, year)
        };
        let dates = numbers.iter().map(day_first);
        dates.collect::<Option<_>>().filter(|_| !is_month_first)
    })
}

fn year_first(number: f64) -> Option<Date> {
    let within = |digits: i32| {
        let scale = 10f64.powi(digits);
        number.fract() == 0.0 && (1900.0 * scale..2101.0 * scale).contains(&number)
    };
    let whole = number as i64;
    let (day, clock) = match () {
        () if within(2) => (100 * whole + 1, 0),
        () if within(4) => (whole, 0),
        () if within(6) => (whole / 100, 10_000 * (whole % 100)),
        () if within(8) => (whole / 10_000, 100 * (whole % 10_000)),
        () if within(10) => (whole / 1_000_000, whole % 1_000_000),
        () => return None,
    };
    let (hour, minute, second) = (clock / 10_000, clock / 100 % 100, clock % 100);
    let valid = hour < 24 && minute < 60 && second < 60;
    let nanos = (3600 * hour + 60 * minute + second) * NANOS_OF_SECOND;
    let instant = Instant::new(day / 10_000, day / 100 % 100, day % 100, nanos);
    instant.filter(|_| valid).map(Date::certain)
}

/// The first two pairs of digits of such a number, and its year.
fn year_last(number: f64) -> Option<[i64; 3]> {
    let digits =
        (number.fract() == 0.0 && (0.0..1e8).contains(&number)).then_some(number as i64)?;
    let year = digits % 10_000;
    (1900..2101)
        .contains(&year)
        .then_some([digits / 1_000_000, digits / 10_000 % 100, year])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: nanoseconds of numbers that are no times of a day were computed, and overflowed.
    #[test]
    fn numbers_beyond_a_day_are_no_times_of_the_day() {
        assert_eq!(times_in_digits(&[930.0, 1_706_140_859_999.0]), None);
        assert_eq!(times_in_digits(&[-1.0, 930.0]), None);
        let nine_thirty = (9 * 3600 + 30 * 60) * NANOS_OF_SECOND;
        assert_eq!(times_in_digits(&[930.0]), Some(vec![nine_thirty]));
    }
}
