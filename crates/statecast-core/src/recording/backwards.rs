//! Numbers of rows that fall from row to row: the file is newest first.

use super::Roles;
use super::cells::Block;
use super::clock::Clock;
use super::left_out::MIN_REGULAR;
use super::order::{gaps, is_regular};
use super::spelling::plain;
use super::table::Table;

/// Words of names that number rows.
const NUMBERING: [&str; 21] = [
    "n",
    "no",
    "nr",
    "n\u{b0}",
    "n\u{ba}",
    "#",
    "num",
    "number",
    "nummer",
    "lfd",
    "id",
    "idx",
    "index",
    "row",
    "obs",
    "observation",
    "sample",
    "trial",
    "day",
    "tag",
    "jour",
];

impl Table {
    /// Takes those clocks out of the others that are none unless they count backwards.
    pub(super) fn set_unknown_clocks_aside(&mut self) -> Vec<Clock> {
        let clocks = std::mem::take(&mut self.clocks);
        let (unknown, known) = clocks.into_iter().partition(|clock| clock.is_unknown);
        self.clocks = known;
        unknown
    }

    /// Takes a counter that falls in all rows for the time, unless another column says in which order rows are.
    pub(super) fn take_backward_counter(
        &mut self,
        rows: usize,
        unknown: &[Clock],
        roles: &mut Roles,
    ) {
        let says = |clock: &Clock| clock.times(rows, self.date_order).is_some();
        if self.time_is_chosen || self.clocks.iter().any(says) {
            return;
        }
        let states = &self.blocks[Block::State as usize];
        let open = self.open_states && states.names.len() > 1;
        let of_states = (0..states.names.len()).filter(|_| open).map(|column| {
            let values: Vec<f64> = states.column_values(column, 0..states.rows()).collect();
            (states.names[column].clone(), values)
        });
        let of_clocks = unknown.iter().filter_map(|clock| {
            let numbers = clock.numbers_of_rows().filter(|n| n.len() == rows)?;
            Some((clock.name(), numbers.to_vec()))
        });
        let candidates: Vec<(String, Vec<f64>)> = of_states.chain(of_clocks).collect();
        let rising = |(_, values): &(String, Vec<f64>)| is_regular(values.iter().copied());
        if rows < MIN_REGULAR || candidates.iter().any(rising) {
            return;
        }
        let mut falling = candidates.into_iter().filter(|(name, values)| {
            values.len() == rows && is_numbering(name) && counts_down(values)
        });
        let Some((name, values)) = falling.next() else {
            return;
        };
        let states = &mut self.blocks[Block::State as usize];
        if let Some(column) = states.names.iter().position(|known| *known == name) {
            states.remove(&[column]);
            for state in self.final_states.values_mut() {
                state.remove(column);
            }
            roles.state.columns.retain(|known| *known != name);
        }
        self.clocks.insert(0, Clock::of_numbers(vec![name], values));
    }
}

/// Whether a column is called as one that numbers rows, and not as a quantity that may fall while time goes on.
fn is_numbering(name: &str) -> bool {
    let name = plain(name);
    let mut words = name
        .split([' ', '_', '.', '-'])
        .filter(|word| !word.is_empty());
    words.all(|word| NUMBERING.contains(&word))
}

/// Whether whole numbers fall in every row, mostly by one, and down to 0 or 1.
fn counts_down(values: &[f64]) -> bool {
    let whole = values.iter().all(|value| value.fract() == 0.0);
    let backwards: Vec<usize> = (0..values.len()).rev().collect();
    let by_one = gaps(&backwards, values).is_some_and(|gaps| gaps.step == 1.0);
    let to_start = values.last().is_some_and(|last| [0.0, 1.0].contains(last));
    whole && to_start && by_one && values.windows(2).all(|pair| pair[1] < pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_rows_count_down() {
        let counter: Vec<f64> = (0..20).rev().map(f64::from).collect();
        assert!(counts_down(&counter));
        let skipped: Vec<f64> = counter.iter().copied().filter(|&x| x != 7.0).collect();
        assert!(counts_down(&skipped));
        for scaled in [0.5, 2.0, -1.0] {
            let other: Vec<f64> = counter.iter().map(|x| scaled * x).collect();
            assert!(!counts_down(&other), "{scaled}");
        }
        let later: Vec<f64> = counter.iter().map(|x| x + 80.0).collect();
        assert!(!counts_down(&later));
    }

    #[test]
    fn only_names_of_numbers_are_those_of_rows() {
        for name in [
            "Trial no.",
            "Jour",
            "n",
            "Lfd. Nr.",
            "#",
            "obs",
            "Sample #",
            "id",
        ] {
            assert!(is_numbering(name), "{name}");
        }
        for name in [
            "fuel",
            "battery",
            "soc",
            "level",
            "RUL",
            "days left",
            "sample temperature",
            "c0",
        ] {
            assert!(!is_numbering(name), "{name}");
        }
    }
}
