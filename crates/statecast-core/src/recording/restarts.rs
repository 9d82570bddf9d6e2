//! Counters under any name that begin again: each of their turns is an episode.

use super::Roles;
use super::cells::Block;
use super::clock::Clock;
use super::labels::Claim;
use super::left_out::MIN_REGULAR;
use super::order::is_regular;
use super::table::Table;
use super::time_names::part_of_time;

/// Rows after which counters of the calendar begin again.
const OF_CALENDAR: [usize; 14] = [7, 12, 24, 28, 29, 30, 31, 48, 52, 53, 60, 96, 365, 366];

/// How a counter begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turns {
    /// After different numbers of rows, as with recordings.
    Uneven,
    /// Always after so many rows, as with recordings of one length and with what is full.
    Even(usize),
}

impl Table {
    /// Where no column is a time, tells no episodes apart and flags none, a guessed state that goes up by one step and
    /// begins again at its first value is the time. One that always begins again after so many rows may be a part of the
    /// calendar, and is warned of.
    pub(super) fn take_restarting_counter(&mut self, rows: usize, roles: &mut Roles) {
        let says = |clock: &Clock| clock.times(rows, self.date_order).is_some();
        let labelled = self.labels.iter().any(|l| l.claim <= Claim::Vague);
        let flagged = [Block::Terminated, Block::Truncated, Block::Restart]
            .iter()
            .any(|&block| !self.blocks[block as usize].names.is_empty());
        let told = labelled || flagged || self.parts.is_some();
        let states = &self.blocks[Block::State as usize];
        let open = self.open_states && !self.time_is_chosen && states.names.len() > 1;
        if !open || told || self.clocks.iter().any(says) {
            return;
        }
        let found = (0..states.names.len())
            .filter(|&column| part_of_time(&states.names[column]).is_none())
            .find_map(|column| {
                let values: Vec<f64> = states.column_values(column, 0..states.rows()).collect();
                turns(&values).map(|turns| (column, values, turns))
            });
        let Some((column, values, turns)) = found else {
            return;
        };
        let name = states.names[column].clone();
        match turns {
            Turns::Uneven => {
                self.leave_out_states(&[column], roles);
                self.clocks.insert(0, Clock::of_numbers(vec![name], values));
            }
            Turns::Even(length) => roles.warnings.push(format!(
                "{name} counts {length} rows again and again, and they are read as one series: if each turn is an episode, \
                 name it with `time={name}`"
            )),
        }
    }
}

/// How values begin again that go up by one step in every row but those.
fn turns(values: &[f64]) -> Option<Turns> {
    let first = *values.first()?;
    let stretches: Vec<&[f64]> = values.chunk_by(|a, b| b > a).collect();
    let (last, full) = stretches.split_last()?;
    let step = values.get(1)? - first;
    let counts = |stretch: &&[f64]| {
        let same = |pair: &[f64]| (pair[1] - pair[0] - step).abs() <= 1e-6 * step;
        let regular = stretch.len() < 2
            || is_regular(stretch.iter().copied()) && same(&[stretch[0], stretch[1]]);
        stretch[0] == first && regular
    };
    let long = full.iter().all(|stretch| stretch.len() >= MIN_REGULAR);
    let length = full.first()?.len();
    if step <= 0.0 || !long || !stretches.iter().all(counts) {
        return None;
    }
    let even = last.len() <= length && full.iter().all(|stretch| stretch.len() == length);
    match even {
        true if OF_CALENDAR.contains(&length) => None,
        true if full.len() > 1 => Some(Turns::Even(length)),
        _ => Some(Turns::Uneven),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: two recordings below each other were one series where their clock had an unknown name.
    #[test]
    fn counters_that_begin_again_are_told_from_the_calendar() {
        let counter = |lengths: &[usize]| -> Vec<f64> {
            let of = |&length: &usize| (0..length).map(|i| 0.5 * i as f64);
            lengths.iter().flat_map(of).collect()
        };
        assert_eq!(turns(&counter(&[40, 30])), Some(Turns::Uneven));
        assert_eq!(turns(&counter(&[12, 30, 1])), Some(Turns::Uneven));
        assert_eq!(turns(&counter(&[40, 40, 40])), Some(Turns::Even(40)));
        assert_eq!(turns(&counter(&[24, 24, 10])), None);
        assert_eq!(turns(&counter(&[7, 9, 30])), None);
        assert_eq!(turns(&counter(&[40])), None);
        let mut later = counter(&[40, 30]);
        later[40..].iter_mut().for_each(|value| *value += 1.0);
        assert_eq!(turns(&later), None);
        let wave: Vec<f64> = (0..80).map(|i| (0.3 * f64::from(i)).sin()).collect();
        assert_eq!(turns(&wave), None);
    }
}
