//! Times that several columns make together: year and month, a date and the time of the day.

use super::Roles;
use super::calendar::{century, of_week};
use super::cells::Block;
use super::clock::Clock;
use super::instants::{Date, Instant, NANOS_OF_DAY, NANOS_OF_SECOND};
use super::table::Table;
use super::time_names::{Part, is_epoch, is_short_year, time_rank};

/// Seconds since 1970 from which on they are taken for such: in 2001.
const SECONDS_OF_DATES: f64 = 1e9;
/// Years that are taken for such.
const YEARS: std::ops::RangeInclusive<i64> = 1000..=2200;

/// A column that may be a part of the time; NaN where it says nothing.
#[derive(Debug)]
pub(super) struct PartColumn {
    column: String,
    part: Part,
    pub(super) values: Vec<f64>,
}

impl PartColumn {
    pub(super) fn new(column: &str, part: Part) -> Self {
        Self {
            column: column.to_owned(),
            part,
            values: Vec::new(),
        }
    }
}

impl Table {
    /// Makes one clock of the columns that are the time together. Those that are not are states where states are
    /// guessed.
    pub(super) fn combine_times(&mut self, rows: usize, roles: &mut Roles) {
        let combined = self
            .stamps(rows)
            .or_else(|| self.steps_of_epochs(rows))
            .or_else(|| self.date_of_parts(rows))
            .or_else(|| self.date_and_time(rows))
            .or_else(|| self.years(rows));
        let parts = std::mem::take(&mut self.time_parts);
        let used = |part: &PartColumn| {
            combined
                .as_ref()
                .is_some_and(|clock| clock.columns.contains(&part.column))
        };
        let quantities = parts.iter().filter(|part| {
            self.open_states && !used(part) && part.values.iter().all(|value| value.is_finite())
        });
        for part in quantities {
            self.blocks[Block::State as usize].append(&part.column, &part.values);
            roles.state.columns.push(part.column.clone());
        }
        if let Some(clock) = combined {
            self.clocks.insert(0, clock);
        }
    }

    /// Seconds and nanoseconds: dates where they count from 1970, else numbers of seconds.
    fn stamps(&self, rows: usize) -> Option<Clock> {
        let (seconds, nanos) = (
            self.part_column(Part::StampSeconds)?,
            self.part_column(Part::StampNanos)?,
        );
        let columns = vec![seconds.column.clone(), nanos.column.clone()];
        let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 1e12).then_some(value);
        let pairs = seconds.values.iter().zip(&nanos.values);
        let times: Vec<(f64, f64)> = pairs
            .map(|(&seconds, &nanos)| Some((whole(seconds)?, whole(nanos)?)))
            .collect::<Option<_>>()?;
        if times.len() != rows {
            return None;
        }
        let since_1970 = times
            .iter()
            .all(|(seconds, _)| SECONDS_OF_DATES <= *seconds);
        if !since_1970 {
            let numbers = times.iter().map(|(seconds, nanos)| seconds + nanos * 1e-9);
            return Some(Clock::of_numbers(columns, numbers.collect()));
        }
        let mut clock = Clock::of_dates(columns, Vec::new());
        for (seconds, nanos) in times {
            clock.nanos(seconds as i128 * i128::from(NANOS_OF_SECOND) + nanos as i128);
        }
        Some(clock)
    }

    /// Steps that start over in every epoch of a log of training: one clock of both.
    fn steps_of_epochs(&self, rows: usize) -> Option<Clock> {
        if self.time_is_chosen || self.is_of_control() {
            return None;
        }
        let counters = || {
            let counts = |clock: &&Clock| time_rank(&clock.name()).0 == 1;
            self.clocks.iter().filter(counts).filter_map(|clock| {
                let numbers = clock.numbers_of_rows().filter(|n| n.len() == rows)?;
                let whole = numbers.iter().all(|number| number.fract() == 0.0);
                whole.then_some((clock, numbers))
            })
        };
        let epochs = counters().filter(|(clock, _)| is_epoch(&clock.name()));
        let mut pairs = epochs.flat_map(|epoch| counters().map(move |steps| (epoch, steps)));
        pairs.find_map(|((coarse, epochs), (fine, steps))| {
            let numbers = steps_in_epochs(epochs, steps)?;
            let columns = [&coarse.columns[..], &fine.columns[..]].concat();
            Some(Clock::of_numbers(columns, numbers))
        })
    }

    /// Whether there are actions, or flags of episodes.
    pub(super) fn is_of_control(&self) -> bool {
        let blocks = [
            Block::Action,
            Block::Terminated,
            Block::Truncated,
            Block::Restart,
        ];
        let mut blocks = blocks.iter();
        blocks.any(|&block| !self.blocks[block as usize].names.is_empty())
    }

    /// Dates of a year, a month or quarter, and what is finer.
    fn date_of_parts(&self, rows: usize) -> Option<Clock> {
        let year = self.part_column(Part::Year)?;
        let month = self.part_column(Part::Month);
        let day = self.part_column(Part::Day);
        let quarter = self.part_column(Part::Quarter);
        let week = self.part_column(Part::Week);
        let day_of_year = self.part_column(Part::DayOfYear);
        let short = is_short_year(&year.column) && year.values.iter().all(|year| *year < 100.0);
        let dates = (0..rows).map(|row| {
            let whole = |column: &PartColumn| {
                let value = whole(*column.values.get(row)?)?;
                Some(match short && column.part == Part::Year {
                    true => century(value),
                    false => value,
                })
            };
            if let Some(week) = week {
                return of_week(whole(year)?, whole(week)?, 1).map(Date::certain);
            }
            if let Some(day) = day_of_year {
                let (day, nanos) = (whole(day)?, self.time_of_day(row)?);
                let first = Instant::new(whole(year)?, 1, 1, nanos)?;
                let is_day = (1..=366).contains(&day);
                return is_day.then(|| Date::certain(first.plus_days(day - 1)));
            }
            let month = match (month, quarter) {
                (Some(month), _) => whole(month)?,
                (None, Some(quarter)) => 3 * whole(quarter)? - 2,
                (None, None) => return None,
            };
            let day = day.map_or(Some(1), whole)?;
            let nanos = self.time_of_day(row)?;
            Instant::new(whole(year)?, month, day, nanos).map(Date::certain)
        });
        let dates: Vec<Date> = dates.collect::<Option<_>>()?;
        let columns = self.time_parts.iter().map(|part| part.column.clone());
        Some(Clock::of_dates(columns.collect(), dates))
    }

    /// A column of years alone, for a clock if none is in two rows of a series.
    fn years(&self, rows: usize) -> Option<Clock> {
        let [
            PartColumn {
                column,
                part: Part::Year,
                values,
            },
        ] = self.time_parts.as_slice()
        else {
            return None;
        };
        let is_year = |&value: &f64| whole(value).is_some_and(|year| YEARS.contains(&year));
        let all = values.len() == rows && values.iter().all(is_year);
        all.then(|| Clock::tentative(column, values))
    }

    /// Days of one column at the times of the day, or the hours, of another.
    fn date_and_time(&self, rows: usize) -> Option<Clock> {
        if self.time_is_chosen {
            return None;
        }
        let (date, days) = self
            .clocks
            .iter()
            .find_map(|clock| Some((clock, clock.days(rows)?)))?;
        let clock = self
            .clocks
            .iter()
            .find_map(|clock| Some((clock, clock.times_of_day(rows)?)));
        if let Some((clock, times)) = clock {
            let within = times.iter().all(|nanos| (0..=NANOS_OF_DAY).contains(nanos));
            let dates = days.iter().zip(times).map(|(day, &nanos)| day.at(nanos));
            let columns = [&date.columns[..], &clock.columns[..]].concat();
            return within.then(|| Clock::of_dates(columns, dates.collect()));
        }
        let repeats = days.windows(2).any(|pair| pair[0] == pair[1]);
        let numbered = self.clocks.iter().filter(|_| repeats);
        let numbered = numbered.filter(|clock| time_rank(&clock.name()).0 == 0);
        let mut numbered = numbered.filter_map(|clock| Some((clock, clock.times_in_digits(rows)?)));
        if let Some((clock, times)) = numbered.next() {
            let dates = days.iter().zip(times).map(|(day, nanos)| day.at(nanos));
            let columns = [&date.columns[..], &clock.columns[..]].concat();
            return Some(Clock::of_dates(columns, dates.collect()));
        }
        self.part_column(Part::Hour).filter(|_| repeats)?;
        let dates = days.iter().enumerate();
        let dates = dates.map(|(row, day)| Some(day.at(self.time_of_day(row)?)));
        let dates: Vec<Date> = dates.collect::<Option<_>>()?;
        let parts = self.time_parts.iter().map(|part| part.column.clone());
        Some(Clock::of_dates(
            date.columns.iter().cloned().chain(parts).collect(),
            dates,
        ))
    }

    fn part_column(&self, part: Part) -> Option<&PartColumn> {
        self.time_parts.iter().find(|column| column.part == part)
    }

    /// Nanoseconds of the day by the columns of hours, minutes and seconds that there are.
    fn time_of_day(&self, row: usize) -> Option<i64> {
        let of = |part, most| match self.part_column(part) {
            Some(column) => {
                whole(*column.values.get(row)?).filter(|value| (0..=most).contains(value))
            }
            None => Some(0),
        };
        let minutes = 60 * of(Part::Hour, 24)? + of(Part::Minute, 59)?;
        Some((60 * minutes + of(Part::Second, 60)?) * NANOS_OF_SECOND)
    }
}

/// Steps that count on over the epochs; nothing if they do not go up within each and start over with the next.
fn steps_in_epochs(epochs: &[f64], steps: &[f64]) -> Option<Vec<f64>> {
    let pairs = || epochs.windows(2).zip(steps.windows(2));
    let mut restarts = 0;
    let mut size = f64::INFINITY;
    for (epochs, steps) in pairs() {
        let step = steps[1] - steps[0];
        match epochs[1] - epochs[0] {
            0.0 if step < 0.0 => return None,
            0.0 if step > 0.0 => size = size.min(step),
            more if more > 0.0 && step >= 0.0 => return None,
            more if more > 0.0 => restarts += 1,
            // Equal steps of one epoch, or another run.
            _ => {}
        }
    }
    let (low, high) = steps
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &step| {
            (low.min(step), high.max(step))
        });
    let length = high - low + size;
    let counted = epochs.iter().zip(steps);
    (restarts > 0 && length.is_finite())
        .then(|| counted.map(|(epoch, step)| epoch * length + step).collect())
}

fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 1e6).then_some(value as i64)
}
