//! Counters without a known name that fall by one step from row to row: the file is newest first.

use super::Roles;
use super::cells::Block;
use super::clock::Clock;
use super::left_out::FEWEST_REGULAR;
use super::order::{gaps, is_regular};
use super::spelling::plain_field;
use super::table::Table;

/// Parts of names of quantities that count down while time goes on.
const COUNT_DOWN: [&str; 9] = [
    "rul",
    "remain",
    "left",
    "countdown",
    "ttl",
    "to_go",
    "until",
    "budget",
    "stock",
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
        if rows < FEWEST_REGULAR || candidates.iter().any(rising) {
            return;
        }
        let mut falling = candidates.into_iter().filter(|(name, values)| {
            let name = plain_field(name);
            values.len() == rows
                && falls(values)
                && !COUNT_DOWN.iter().any(|part| name.contains(part))
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

/// Whether whole numbers fall in every row, mostly by the same step.
fn falls(values: &[f64]) -> bool {
    let whole = values.iter().all(|value| value.fract() == 0.0);
    let backwards: Vec<usize> = (0..values.len()).rev().collect();
    whole && values.windows(2).all(|pair| pair[1] < pair[0]) && gaps(&backwards, values).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_fall() {
        let counter: Vec<f64> = (0..20).rev().map(f64::from).collect();
        assert!(falls(&counter));
        let skipped: Vec<f64> = counter.iter().copied().filter(|&x| x != 7.0).collect();
        assert!(falls(&skipped));
        assert!(!falls(&counter.iter().map(|x| 0.5 * x).collect::<Vec<_>>()));
        assert!(!falls(&counter.iter().map(|x| x * x).collect::<Vec<_>>()));
        assert!(!falls(&(0..20).map(f64::from).collect::<Vec<_>>()));
    }
}
