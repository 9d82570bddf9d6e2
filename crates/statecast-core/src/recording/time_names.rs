//! Names of columns that say when a row was recorded, or a part of that.

use super::spelling::{field, plain};

/// What a column may say of the time beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Quarter,
    Month,
    /// Week of the year as of ISO 8601.
    Week,
    /// Day of the year, from 1 on.
    DayOfYear,
    Day,
    Hour,
    Minute,
    Second,
    /// Whole seconds of a stamp, since 1970 or since a start.
    StampSeconds,
    /// Nanoseconds of a stamp beside its seconds.
    StampNanos,
}

impl Part {
    /// Those that make a date and its time of the day, from the coarsest on.
    pub(super) const CALENDAR: [Self; 6] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The same of dates whose days are numbered through the year.
    pub(super) const DAYS_OF_YEARS: [Self; 5] = [
        Self::Year,
        Self::DayOfYear,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];
}

/// The part of the time that a column may be by its name.
pub(super) fn part_of_time(name: &str) -> Option<Part> {
    let names: [(&[&str], Part); 9] = [
        (&["year", "yr", "yyyy"], Part::Year),
        (&["quarter", "qtr"], Part::Quarter),
        (&["month", "mon", "mnth", "mo"], Part::Month),
        (
            &[
                "week",
                "weeknum",
                "week_number",
                "week_of_year",
                "iso_week",
                "isoweek",
            ],
            Part::Week,
        ),
        (
            &[
                "doy",
                "yday",
                "jday",
                "day_of_year",
                "dayofyear",
                "julian_day",
            ],
            Part::DayOfYear,
        ),
        (&["day", "dd", "dy", "mday", "day_of_month"], Part::Day),
        (&["hour", "hr", "hh"], Part::Hour),
        (&["minute"], Part::Minute),
        (&["second"], Part::Second),
    ];
    let name = plain(name);
    let found = names
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()));
    found.map(|(_, part)| *part)
}

/// The parts of the time that columns called `YY MM DD hh mm` are, where case tells months from minutes; nothing unless
/// year, month and day are all there.
pub(super) fn parts_by_letters<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Option<Part>> {
    let part = |name: &str| match name.trim_start_matches('#') {
        "YY" | "YYYY" => Some(Part::Year),
        "MM" => Some(Part::Month),
        "DD" => Some(Part::Day),
        "hh" | "HH" => Some(Part::Hour),
        "mm" => Some(Part::Minute),
        "ss" => Some(Part::Second),
        _ => None,
    };
    let parts: Vec<Option<Part>> = names.map(part).collect();
    let date = [Part::Year, Part::Month, Part::Day];
    match date.iter().all(|part| parts.contains(&Some(*part))) {
        true => parts,
        false => vec![None; parts.len()],
    }
}

/// Whether a column of years is called as one of two digits.
pub(super) fn is_short_year(name: &str) -> bool {
    name.trim_start_matches('#') == "YY"
}

const CLOCKS: &[&str] = &[
    "timestamp",
    "timestamps",
    "datetime",
    "date",
    "ds",
    "time",
    "times",
    "t",
    "ts",
    "date_time",
    "time_stamp",
    "unix",
    "unix_time",
    "unixtime",
    "epoch_time",
    "utc",
    "utc_time",
    "local_time",
    "sim_time",
    "elapsed",
    "elapsed_time",
    "time_elapsed",
    "time_total",
    "wall_time",
    "walltime",
    "runtime",
    "relative_time",
    "tow",
    "itow",
    "gps_time",
    "gps_seconds",
    "hhmm",
    "stamp",
    "yyyymmdd",
    "yyyymmddhh",
    "mess_datum",
    "datum",
    "fecha",
    "fecha_hora",
    "zeit",
    "uhrzeit",
    "zeitstempel",
    "horodatage",
    "tstamp",
    "posix",
    "uptime",
    "millis",
    "micros",
    "since_start",
    "jd",
    "mjd",
    "bjd",
    "hjd",
    "julian_date",
    "modified_julian_date",
    "decimal_year",
    "decimal_date",
    "datenum",
    "epiweek",
];

/// Names of texts that say when; such a column is said where it cannot be read.
const WRITTEN_TIMES: &[&str] = &[
    "period",
    "time_period",
    "quarter",
    "month",
    "week",
    "year",
    "season",
    "stamp",
    "jour",
    "day",
    "fy",
    "fiscal_year",
    "monat",
    "mois",
    "mes",
    "日期",
    "时间",
    "日付",
    "дата",
];

const STEPS: &[&str] = &[
    "step",
    "steps",
    "timestep",
    "timesteps",
    "time_step",
    "time_steps",
    "time_idx",
    "time_index",
    "step_index",
    "step_id",
    "global_step",
    "total_timesteps",
    "timesteps_total",
    "env_step",
    "training_iteration",
    "iteration",
    "iterations",
    "iter",
    "epoch",
    "epochs",
    "epoch_id",
    "frame",
    "frame_index",
    "frame_idx",
    "frame_id",
    "frame_number",
    "tick",
    "ticks",
    "seq",
    "seqno",
    "sequence_number",
    "batch_idx",
    "batch_index",
    "sample_index",
    "sample_number",
    "sample_no",
    "num_updates",
    "n_updates",
    "updates",
    "update",
    "it",
    "env_steps",
    "num_env_steps",
    "environment_steps",
    "num_steps",
    "num_timesteps",
    "time_in_cycles",
    "cycle",
];

const ROW_NUMBERS: &[&str] = &[
    "index",
    "idx",
    "row",
    "row_id",
    "row_number",
    "row_index",
    "unnamed:_0",
    "counter",
];

/// Counters that may stand still over many rows.
const COARSE: &[&str] = &[
    "epoch",
    "epochs",
    "epoch_id",
    "iteration",
    "iterations",
    "training_iteration",
];

const UNITS: &[&str] = &[
    "_s", "_sec", "_secs", "_seconds", "_ms", "_us", "_ns", "_min", "_h", "_hours", "_utc",
];

/// Short names that are times as well as quantities.
const AMBIGUOUS: [&str; 10] = [
    "t", "ts", "step", "steps", "index", "idx", "seq", "frame", "tick", "counter",
];

/// Whether numbers under this name are a time only if they go on like one.
pub(super) fn may_be_a_quantity(name: &str) -> bool {
    is_ambiguous(&plain(name))
}

/// Whether a unit in brackets after a name says that it is no time, as in `T (degC)`.
pub(super) fn has_other_unit(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let unit = name.find(['[', '(']).map(|at| &name[at + 1..]);
    let unit = unit.map(|unit| unit.trim_end_matches([']', ')', ' ']).trim());
    unit.is_some_and(|unit| {
        let word = unit.split([' ', ',', '/', ':']).next().unwrap_or_default();
        !word.is_empty() && !OF_TIME.contains(&word)
    })
}

/// First words of what stands in brackets after the name of a time.
const OF_TIME: [&str; 32] = [
    "s", "sec", "secs", "second", "seconds", "ms", "us", "\u{b5}s", "\u{3bc}s", "ns", "m", "min",
    "mins", "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "week",
    "weeks", "month", "year", "utc", "gmt", "local", "unix", "#",
];

/// The part of a stamp that a column may be by its name, and the name that both parts share: `header.stamp` of
/// `header.stamp.secs`.
pub(super) fn part_of_stamp(name: &str) -> Option<(Part, String)> {
    let name = plain(name);
    let last = field(&name);
    let part = match last {
        "sec" | "secs" | "seconds" => Part::StampSeconds,
        "nsec" | "nsecs" | "nanosec" | "nanosecs" | "nanoseconds" | "nanos" => Part::StampNanos,
        _ => return None,
    };
    Some((part, name[..name.len() - last.len()].to_owned()))
}

/// Whether a column of words is called as one that says when.
pub(super) fn is_written_time(name: &str) -> bool {
    WRITTEN_TIMES.contains(&plain(name).as_str())
}

/// How near to time itself a name of time is: 0 for clocks, 1 for counters of steps, 2 for numbers
/// of rows; and its place among those. A unit after the name does not count.
pub(super) fn time_place(name: &str) -> Option<(usize, usize)> {
    let lists = [CLOCKS, STEPS, ROW_NUMBERS];
    let place = |name: &str| {
        let found = |list: &[&str]| list.iter().position(|known| *known == name);
        lists
            .iter()
            .enumerate()
            .find_map(|(class, list)| Some((class, found(list)?)))
    };
    place(name)
        .or_else(|| place(field(name)))
        .or_else(|| {
            UNITS
                .iter()
                .find_map(|unit| place(name.strip_suffix(unit)?))
        })
        .or_else(|| name.ends_with("_ts").then_some((0, CLOCKS.len())))
}

/// Whether a counter may stand still over many rows, as `epoch`.
pub(super) fn is_coarse(name: &str) -> bool {
    COARSE.contains(&plain(name).as_str())
}

/// Whether a counter is that of passes over the data of a training.
pub(super) fn is_epoch(name: &str) -> bool {
    matches!(plain(name).as_str(), "epoch" | "epochs" | "epoch_id")
}

/// The order in which names of time are tried: clocks, counters of steps, numbers of rows.
pub(super) fn time_rank(name: &str) -> (usize, usize) {
    time_place(&plain(name)).unwrap_or((0, usize::MAX))
}

/// Whether a name, as the lists have it, is that of a time as well as of a quantity.
pub(super) fn is_ambiguous(plain_name: &str) -> bool {
    AMBIGUOUS.contains(&plain_name)
}

#[cfg(test)]
mod tests {
    use super::super::conventions::{Convention, convention};
    use super::*;

    #[test]
    fn names_of_times_with_units_are_times() {
        for name in [
            "Time [s]",
            "time (ms)",
            "time / s",
            "time_s",
            "t_ms",
            "unix",
            "timestamp_ms",
            "Unnamed: 0",
            "frame_index",
            "seq",
            "_step",
            "_runtime",
            "Wall time",
            "time/total_timesteps",
            "run-a - _step",
        ] {
            assert_eq!(convention(name), Some(Convention::Time), "{name}");
        }
    }

    #[test]
    fn clocks_rank_before_counters_of_steps_and_numbers_of_rows() {
        assert!(time_rank("time [s]") < time_rank("step"));
        assert!(time_rank("step") < time_rank("Unnamed: 0"));
    }
}
