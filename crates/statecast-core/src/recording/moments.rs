//! Numbers under names that are in no list of times and that are moments by their size: seconds since 1970 and parts of
//! those, years with decimals.

use super::Roles;
use super::cells::Block;
use super::clock::Clock;
use super::table::Table;

/// Words of names of moments.
const WORDS: [&str; 23] = [
    "time",
    "date",
    "datetime",
    "dt",
    "ts",
    "start",
    "started",
    "begin",
    "end",
    "created",
    "updated",
    "received",
    "recv",
    "stamp",
    "measured",
    "recorded",
    "observed",
    "sampled",
    "logged",
    "timestamp",
    "when",
    "at",
    "epoch",
];
/// Seconds since 1970 of the years 1973 to 2103; larger numbers are in thousandths of them, and so on.
const SECONDS: std::ops::Range<f64> = 1e8..4.2e9;
const UNITS: [f64; 4] = [1.0, 1e3, 1e6, 1e9];
const YEARS: std::ops::Range<f64> = 1000.0..2200.0;

impl Table {
    /// Guessed states that are moments become clocks, after the others: they order the rows if no time repeats.
    pub(super) fn take_moments(&mut self, rows: usize, roles: &mut Roles) {
        let states = &self.blocks[Block::State as usize];
        if self.time_is_chosen || !self.open_states {
            return;
        }
        let found: Vec<(usize, Clock)> = (0..states.names.len())
            .filter_map(|column| {
                let name = &states.names[column];
                let values: Vec<f64> = states.column_values(column, 0..states.rows()).collect();
                let may = is_called_moment(name) || (is_numbered(name) && go_one_way(&values));
                let is_moment = (may && are_since_1970(&values))
                    || (name.eq_ignore_ascii_case("year") && are_years_with_decimals(&values));
                (is_moment && values.len() == rows)
                    .then(|| (column, Clock::tentative(name, &values)))
            })
            .collect();
        if found.is_empty() || found.len() == states.names.len() {
            return;
        }
        let (columns, clocks): (Vec<usize>, Vec<Clock>) = found.into_iter().unzip();
        let names = self.leave_out_states(&columns, roles);
        self.counters.extend(names);
        self.clocks.extend(clocks);
    }
}

/// Whether a word of a name, as of `open_time` and `createdAt`, is one of time.
fn is_called_moment(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a name is that of a column of a file without names.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix('c');
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}

fn go_one_way(values: &[f64]) -> bool {
    let all = |goes: fn(f64, f64) -> bool| values.windows(2).all(|pair| goes(pair[0], pair[1]));
    all(|a, b| a < b) || all(|a, b| a > b)
}

fn are_since_1970(values: &[f64]) -> bool {
    UNITS.iter().any(|unit| {
        let mut seconds = values.iter().map(|value| value / unit);
        !values.is_empty() && seconds.all(|seconds| SECONDS.contains(&seconds))
    })
}

fn are_years_with_decimals(values: &[f64]) -> bool {
    values.iter().all(|value| YEARS.contains(value))
        && values.iter().any(|value| value.fract() != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_known_by_name_and_size() {
        for name in [
            "open_time",
            "openTime",
            "dt",
            "start",
            "ts recv",
            "created-at",
            "Event Date",
        ] {
            assert!(is_called_moment(name), "{name}");
        }
        for name in ["gdp", "population", "restart", "datum_x", "atom", "timer"] {
            assert!(!is_called_moment(name), "{name}");
        }
        assert!(are_since_1970(&[1.7e9, 1.6e9]));
        assert!(are_since_1970(&[1.7e12, 1.6e12]));
        assert!(!are_since_1970(&[1.7e12, 1.6e9]));
        assert!(!are_since_1970(&[0.5, 1.6e9]));
        assert!(are_years_with_decimals(&[1999.5, 1999.0]));
        assert!(!are_years_with_decimals(&[1999.0, 2000.0]));
    }
}
