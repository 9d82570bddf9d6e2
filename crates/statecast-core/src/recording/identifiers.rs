//! Whole numbers that are called like things of which there are several: they tell series apart where the rows of each
//! stand together, or where each has its own row of every time.

use std::collections::HashSet;

use super::Roles;
use super::cells::Block;
use super::labels::{Claim, Labels};
use super::spelling::plain;
use super::table::Table;

/// Things that are numbered and measured one by one.
const THINGS: &[&str] = &[
    "store",
    "shop",
    "patient",
    "participant",
    "animal",
    "mouse",
    "rat",
    "batch",
    "lot",
    "wafer",
    "specimen",
    "station",
    "stn",
    "site",
    "sensor",
    "engine",
    "turbine",
    "plant",
    "cell",
    "battery",
    "worker",
    "env",
    "environment",
    "house",
    "household",
    "building",
    "customer",
    "user",
    "product",
    "sku",
    "dept",
    "department",
    "region",
    "location",
    "county",
    "fips",
    "player",
    "driver",
    "scene",
    "game",
    "rep",
    "replicate",
    "replica",
    "dataset",
    "group",
    "mmsi",
    "imei",
    "icao",
    "icao24",
    "ship",
    "vessel",
    "vehicle",
    "meter",
    "node",
    "asset",
    "subject",
    "person",
    "tag",
];
/// Fewest rows of each.
const MIN_ROWS: usize = 5;

impl Table {
    /// Guessed states that are called like numbered things become what may tell series apart, if their numbers are whole
    /// and the rows of each stand together or repeat no time, though others do.
    pub(super) fn take_identifiers(&mut self, rows: usize, roles: &mut Roles) {
        let states = &self.blocks[Block::State as usize];
        let named: Vec<usize> = (0..states.names.len())
            .filter(|&column| self.open_states && is_thing(&states.names[column]))
            .collect();
        if named.is_empty() {
            return;
        }
        let mut clocks = self.clocks.iter();
        let times = clocks.find_map(|clock| clock.times(rows, self.date_order));
        let tells = |values: &[f64]| {
            times
                .as_ref()
                .is_some_and(|times| tell_equal_times_apart(values, &times.values))
        };
        // Words that do so are better names.
        let told = self.labels.iter().any(|labels| {
            let words = labels.of_rows().into_iter().map(|word| word as f64);
            tells(&words.collect::<Vec<f64>>())
        });
        let columns: Vec<usize> = named
            .iter()
            .copied()
            .filter(|&column| {
                let values: Vec<f64> = states.column_values(column, 0..states.rows()).collect();
                let whole = values.iter().all(|value| value.fract() == 0.0);
                whole && (stand_together(&values) || (!told && tells(&values)))
            })
            .collect();
        if !told {
            let left = named.iter().filter(|&column| !columns.contains(column));
            for &column in left {
                let values: Vec<f64> = states.column_values(column, 0..states.rows()).collect();
                if let Some(kinds) = few_numbers(&values) {
                    let name = &states.names[column];
                    roles.warnings.push(format!(
                        "{name} has {kinds} values and is read as a state: `episode={name}` splits the rows by it"
                    ));
                }
            }
        }
        if columns.is_empty() || columns.len() == states.names.len() {
            return;
        }
        for &column in &columns {
            let mut labels = Labels::new(&states.names[column], Claim::Perhaps, true);
            let values = states.column_values(column, 0..states.rows());
            for (row, value) in values.enumerate() {
                labels.push(row, &value.to_string());
            }
            self.labels.push(labels);
        }
        let names = self.leave_out_states(&columns, roles);
        self.identifiers.extend(names);
    }
}

/// Whether a column is called like a thing or the number of one, as `Station` and `site_no`.
fn is_thing(name: &str) -> bool {
    let name = plain(name);
    let name = name.trim_end_matches('.');
    let numbers = [
        "_no", "_nr", "_nbr", "_num", "_number", "_index", "_idx", "_code",
    ];
    let stem = numbers
        .iter()
        .find_map(|number| name.strip_suffix(number))
        .unwrap_or(name);
    THINGS.contains(&stem)
        || stem
            .strip_suffix("id")
            .is_some_and(|of| THINGS.contains(&of))
}

/// The number of different values, if they are whole and each has some rows.
fn few_numbers(values: &[f64]) -> Option<usize> {
    let whole = values.iter().all(|value| value.fract() == 0.0);
    let kinds: HashSet<u64> = values.iter().map(|value| value.to_bits()).collect();
    let few = kinds.len() > 1 && MIN_ROWS * kinds.len() <= values.len();
    (whole && few).then_some(kinds.len())
}

/// Whether times repeat, and none for the same number again.
fn tell_equal_times_apart(values: &[f64], times: &[f64]) -> bool {
    let bits = |numbers: &[f64]| -> HashSet<u64> { numbers.iter().map(|x| x.to_bits()).collect() };
    let pairs = values.iter().zip(times);
    let pairs: HashSet<(u64, u64)> = pairs.map(|(x, t)| (x.to_bits(), t.to_bits())).collect();
    let rows = values.len();
    bits(times).len() < rows && pairs.len() == rows && MIN_ROWS * bits(values).len() <= rows
}

/// Whether numbers stand together in stretches of some rows, each in one stretch.
fn stand_together(values: &[f64]) -> bool {
    let stretches: Vec<&[f64]> = values.chunk_by(|a, b| a == b).collect();
    let mut kinds: Vec<f64> = stretches.iter().map(|stretch| stretch[0]).collect();
    kinds.sort_by(f64::total_cmp);
    let once = kinds.windows(2).all(|pair| pair[0] < pair[1]);
    once && stretches.iter().all(|stretch| stretch.len() >= MIN_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: the numbers of stores were a state, and the rows of all of them one series.
    #[test]
    fn numbers_of_things_stand_together() {
        let of = |kinds: &[f64]| -> Vec<f64> {
            let rows = kinds.iter().map(|&kind| vec![kind; 6]);
            rows.flatten().collect()
        };
        assert!(stand_together(&of(&[1.0, 2.0, 3.0])));
        assert!(stand_together(&of(&[44_013.0])));
        assert!(!stand_together(&of(&[1.0, 2.0, 1.0])));
        let mixed: Vec<f64> = (0..30).map(|i| f64::from(i % 3)).collect();
        let times: Vec<f64> = (0..30).map(|i| f64::from(i / 3)).collect();
        assert!(tell_equal_times_apart(&mixed, &times));
        assert!(!tell_equal_times_apart(
            &mixed,
            &of(&[1.0, 2.0, 3.0, 4.0, 5.0])
        ));
        assert!(!stand_together(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0]));
        assert_eq!(few_numbers(&mixed), Some(3));
        assert_eq!(few_numbers(&[1.0, 2.0, 3.0]), None);
        assert_eq!(few_numbers(&[0.5; 20]), None);
        for name in [
            "userId",
            "PatientID",
            "MMSI",
            "Store",
            "site_no",
            "Station",
            "engine",
            "FIPS",
            "cell no.",
        ] {
            assert!(is_thing(name), "{name}");
        }
        for name in [
            "level",
            "gear",
            "engine_speed",
            "cell_voltage",
            "stored",
            "no",
        ] {
            assert!(!is_thing(name), "{name}");
        }
    }
}
