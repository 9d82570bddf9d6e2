//! Places where a row does not begin where the step before it led: another episode begins there.

use super::Roles;
use super::cells::{Block, Cells};
use super::settle::Run;
use super::table::Table;

/// The most by which a state may differ from the one that a step led to, in usual steps.
const ROUNDING: f64 = 0.01;

/// How much further, squared, states go to flagged rows than from them where these are first steps, at least.
const LEAP: f64 = 4.0;

/// Flagged rows of a table from which on their leaps are believed.
const MIN_FLAGGED: usize = 3;

/// Rows that do not begin where the step before led.
#[derive(Debug, Default)]
pub(super) struct Seams {
    /// The rows before them, in ascending order.
    before: Vec<usize>,
}

impl Seams {
    /// Whether an episode ends with a row.
    pub(super) fn follow(&self, row: usize) -> bool {
        self.before.binary_search(&row).is_ok()
    }
}

impl Table {
    /// The seams of runs that flags do not cut, by the states after the steps. Where most rows differ from these, they
    /// tell nothing: they are scaled otherwise, or rows are in no order.
    pub(super) fn seams(&self, runs: &[Run], roles: &mut Roles) -> Seams {
        let [states, successors] =
            [Block::State, Block::Successor].map(|block| &self.blocks[block as usize]);
        if successors.names.is_empty() || successors.names.len() != states.names.len() {
            return Seams::default();
        }
        let usual = usual_steps(states, successors);
        let pairs = runs.iter().flat_map(|run| run.rows.windows(2));
        let pairs = pairs.filter(|pair| !self.ends(pair[0]) && !self.starts(pair[1]));
        let (mut all, mut before, mut first) = (0, Vec::new(), None);
        for pair in pairs {
            all += 1;
            if leads_elsewhere(successors.row(pair[0]), states.row(pair[1]), &usual) {
                before.push(pair[0]);
                first.get_or_insert(pair[1]);
            }
        }
        let Some(first) = first else {
            return Seams::default();
        };
        let named = match successors.names.as_slice() {
            [name] => name.clone(),
            [name, ..] => format!("{name}, …"),
            [] => String::new(),
        };
        if 2 * before.len() > all {
            roles.notes.push(format!(
                "{named} is not the state of the next row in {} of {all} rows, so it does not tell episodes apart",
                before.len()
            ));
            return Seams::default();
        }
        roles.notes.push(format!(
            "the state of row {} is not where the step before it led ({named}): an episode begins there{}",
            first + 1,
            match before.len() {
                1 => String::new(),
                count => format!(", and in {} more such rows", count - 1),
            }
        ));
        before.sort_unstable();
        Seams { before }
    }

    /// Takes flags of ends for those of starts where states leap to the flagged rows rather than from them: rollout
    /// buffers keep with each step whether the one before it was the last.
    pub(super) fn take_flags_of_first_steps(&mut self, runs: &[Run], roles: &mut Roles) {
        let [states, ends, starts] = [Block::State, Block::Terminated, Block::Restart]
            .map(|block| &self.blocks[block as usize]);
        if ends.names.is_empty() || !starts.names.is_empty() {
            return;
        }
        let usual = usual_changes(states, runs);
        let change = |from: usize, to: usize| -> f64 {
            let pairs = states.row(from).iter().zip(states.row(to));
            let scaled = pairs.zip(&usual).filter(|(_, usual)| **usual > 0.0);
            scaled
                .map(|((a, b), usual)| ((a - b) / usual).powi(2))
                .filter(|change| change.is_finite())
                .sum()
        };
        let flagged = runs.iter().flat_map(|run| run.rows.windows(3));
        let flagged = flagged.filter(|rows| ends.is_set(rows[1]));
        let (count, to, from) = flagged.fold((0, 0.0, 0.0), |(count, to, from), rows| {
            (
                count + 1,
                to + change(rows[0], rows[1]),
                from + change(rows[1], rows[2]),
            )
        });
        if to <= LEAP * from || (count < MIN_FLAGGED && !self.flags_cut_parts) {
            return;
        }
        let name = ends.names[0].clone();
        roles.notes.push(format!(
            "states leap to rows with {name} set, not from them: it marks first steps of episodes"
        ));
        self.blocks[Block::Restart as usize] =
            std::mem::take(&mut self.blocks[Block::Terminated as usize]);
        roles.restart = std::mem::take(&mut roles.terminated);
    }

    /// Leaves out the states after the steps if they were read for what they tell of episodes alone.
    pub(super) fn leave_out_successors(&mut self, roles: &mut Roles) {
        if !self.wants_successors {
            self.blocks[Block::Successor as usize] = Cells::default();
            roles.next_state = Default::default();
        }
    }
}

/// Mean size of the step of each column.
fn usual_steps(states: &Cells, successors: &Cells) -> Vec<f64> {
    let rows = states.rows().min(successors.rows());
    let column = |column: usize| {
        let [before, after] =
            [states, successors].map(|cells| cells.column_values(column, 0..rows));
        let steps = before.zip(after).map(|(x, next)| (next - x).abs());
        let known: Vec<f64> = steps.filter(|step| step.is_finite()).collect();
        known.iter().map(|step| step / known.len() as f64).sum()
    };
    (0..states.names.len()).map(column).collect()
}

/// Root mean square of the change of each state from row to row.
fn usual_changes(states: &Cells, runs: &[Run]) -> Vec<f64> {
    let pairs = || runs.iter().flat_map(|run| run.rows.windows(2));
    let column = |column: usize| {
        let changes = pairs().map(|rows| states.row(rows[1])[column] - states.row(rows[0])[column]);
        let known: Vec<f64> = changes.filter(|change| change.is_finite()).collect();
        let squares = known
            .iter()
            .map(|change| change * change / known.len() as f64);
        squares.sum::<f64>().sqrt()
    };
    (0..states.names.len()).map(column).collect()
}

/// Whether a state is not the one that a step led to, but for the rounding of numbers.
fn leads_elsewhere(led_to: &[f64], state: &[f64], usual: &[f64]) -> bool {
    let differs = |((a, b), usual): ((&f64, &f64), &f64)| (a - b).abs() > ROUNDING * usual;
    led_to.iter().zip(state).zip(usual).any(differs)
}
