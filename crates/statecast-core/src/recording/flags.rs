//! What columns of flags hold beside 0 and 1: words, flags of going on, the type of a step, levels of a series.

use super::Roles;
use super::cells::{Block, Cells};
use super::conventions::{Convention, convention};
use super::flag_names::{is_continuation, is_end_of_episode, is_vague_continuation};
use super::labels::{Claim, Labels};
use super::order::gaps;
use super::table::Table;

const SET: [&str; 5] = ["yes", "y", "t", "true", "on"];
const UNSET: [&str; 5] = ["no", "n", "f", "false", "off"];

/// Dates that go on evenly from which on flags are believed to end nothing.
const MIN_DATES: usize = 10;

impl Table {
    /// Makes 0 and 1 of flags that are written in other ways.
    pub(super) fn read_flags(&mut self, roles: &mut Roles) {
        for labels in std::mem::take(&mut self.labels) {
            match of_words(&labels).filter(|(block, _)| self.flag(*block).names.is_empty()) {
                Some((block, values)) => {
                    self.blocks[block as usize].append(&labels.column, &values);
                    name_flag(block, &labels.column, roles);
                }
                None => self.labels.push(labels),
            }
        }
        self.turn_continuations(roles);
        self.leave_time_limits();
        self.read_step_types(roles);
    }

    fn flag(&self, block: Block) -> &Cells {
        &self.blocks[block as usize]
    }

    /// Flags of ends of those that are 0 where a run ended; what is called like one and holds other numbers, as a
    /// discount factor, is none.
    fn turn_continuations(&mut self, roles: &mut Roles) {
        let flags = &mut self.blocks[Block::Terminated as usize];
        let Some(name) = flags
            .names
            .first()
            .filter(|name| is_continuation(array_of(name)))
        else {
            return;
        };
        let is_flag = |value: &f64| !value.is_finite() || *value == 0.0 || *value == 1.0;
        if flags.values.iter().all(is_flag) {
            roles.notes.push(format!(
                "{name} is 1 while a run continues: 0 marks its end"
            ));
            flags
                .values
                .iter_mut()
                .for_each(|value| *value = 1.0 - *value);
        } else if is_vague_continuation(array_of(name)) {
            *flags = Cells::default();
            roles.terminated = Default::default();
        }
    }

    /// Of a flag of ends of episodes that stands beside one of ends of the system, what is left is where they were cut
    /// off.
    fn leave_time_limits(&mut self) {
        let over = self.flag(Block::Truncated).names.first();
        if !over.is_some_and(|name| is_end_of_episode(array_of(name))) {
            return;
        }
        let ended = std::mem::take(&mut self.blocks[Block::Terminated as usize]);
        let over = &mut self.blocks[Block::Truncated as usize];
        for (row, value) in over.values.iter_mut().enumerate() {
            if row < ended.rows() && ended.is_set(row) {
                *value = 0.0;
            }
        }
        self.blocks[Block::Terminated as usize] = ended;
    }

    /// Flags of first and last steps of the types 0, 1 and 2 of these.
    fn read_step_types(&mut self, roles: &mut Roles) {
        let types = self.flag(Block::Restart);
        let known = |value: &f64| [0.0, 1.0, 2.0].contains(value);
        let Some(name) = types
            .names
            .first()
            .filter(|name| array_of(name) == "step_type")
        else {
            return;
        };
        let name = name.clone();
        let types = std::mem::take(&mut self.blocks[Block::Restart as usize]).values;
        roles.restart = Default::default();
        if !types.iter().all(known) {
            return;
        }
        let flags = |wanted: f64| -> Vec<f64> {
            types
                .iter()
                .map(|&value| f64::from(u8::from(value == wanted)))
                .collect()
        };
        self.blocks[Block::Restart as usize].append(&name, &flags(0.0));
        name_flag(Block::Restart, &name, roles);
        if self.flag(Block::Truncated).names.is_empty() {
            self.blocks[Block::Truncated as usize].append(&name, &flags(2.0));
            name_flag(Block::Truncated, &name, roles);
        }
        roles.notes.push(format!(
            "{name} is 0 in first steps of episodes and 2 in last ones"
        ));
    }

    /// Whether a clock of dates advances by one step through all rows, in the order of the file.
    pub(super) fn has_even_dates(&self, rows: usize) -> bool {
        (0..self.clocks.len()).any(|place| self.is_of_even_dates(place, rows))
    }

    /// Whether a clock is one of such dates.
    pub(super) fn is_of_even_dates(&self, place: usize, rows: usize) -> bool {
        let times = self.clocks[place].times(rows, self.date_order);
        let Some(times) = times.filter(|times| !times.instants.is_empty()) else {
            return false;
        };
        let all: Vec<usize> = (0..rows).collect();
        let ascend = times.values.windows(2).all(|pair| pair[0] < pair[1]);
        let even = gaps(&all, &times.values).is_some_and(|gaps| gaps.count == 0);
        rows >= MIN_DATES && ascend && even
    }

    /// Flags that would cut a series whose dates go on evenly over every cut, and beside which nothing is done or
    /// earned, are states.
    pub(super) fn take_levels(&mut self, rows: usize, roles: &mut Roles) {
        let controlled = [Block::Action, Block::Reward]
            .iter()
            .any(|&block| !self.flag(block).names.is_empty());
        if !self.open_states || controlled {
            return;
        }
        for block in [Block::Terminated, Block::Truncated, Block::Restart] {
            let inside = match block {
                Block::Restart => 1..rows,
                _ => 0..rows - 1,
            };
            if !inside.into_iter().any(|row| self.flag(block).is_set(row)) {
                continue;
            }
            let flags = std::mem::take(&mut self.blocks[block as usize]);
            let name = &flags.names[0];
            self.blocks[Block::State as usize].append(name, &flags.values);
            *role_of(block, roles) = Default::default();
            roles.state.columns.push(name.clone());
            roles.notes.push(format!(
                "{name} would cut a series whose dates go on evenly, and nothing is called like an action or a reward: \
                 it is a state"
            ));
        }
    }
}

/// `not_done` of `not_done_0`, the only column of an array.
fn array_of(name: &str) -> &str {
    name.strip_suffix("_0").unwrap_or(name)
}

/// The flag that words of a column stand for, if it is called like one.
fn of_words(labels: &Labels) -> Option<(Block, Vec<f64>)> {
    let block = match convention(&labels.column).filter(|_| labels.claim == Claim::Words)? {
        Convention::Terminated => Block::Terminated,
        Convention::Truncated => Block::Truncated,
        Convention::Restart => Block::Restart,
        _ => return None,
    };
    let value = |word: &String| {
        let is = |known: &&str| word.eq_ignore_ascii_case(known);
        match (SET.iter().any(is), UNSET.iter().any(is)) {
            (true, _) => Some(1.0),
            (_, true) => Some(0.0),
            _ => None,
        }
    };
    let values: Vec<f64> = labels.words().iter().map(value).collect::<Option<_>>()?;
    let rows = labels.of_rows().into_iter().enumerate();
    let flag = |(row, word): (usize, usize)| match labels.is_gap(row) {
        true => f64::NAN,
        false => values[word],
    };
    (!values.is_empty()).then(|| (block, rows.map(flag).collect()))
}

pub(super) fn role_of(block: Block, roles: &mut Roles) -> &mut super::AssignedRole {
    match block {
        Block::Terminated => &mut roles.terminated,
        Block::Truncated => &mut roles.truncated,
        _ => &mut roles.restart,
    }
}

fn name_flag(block: Block, column: &str, roles: &mut Roles) {
    let role = role_of(block, roles);
    role.columns = vec![column.to_owned()];
    role.guessed = true;
}
