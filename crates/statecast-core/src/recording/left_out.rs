//! What of a table is left out or taken for something else before and after its rows are in order: columns
//! that are no clocks, flags or identifiers, rows of one time, padding, counters.

use std::collections::HashSet;
use std::ops::Range;

use super::cells::Block;
use super::flag_names::is_vague_flag;
use super::flags::role_of;
use super::labels::Claim;
use super::order::is_regular;
use super::readings::Times;
use super::settle::Run;
use super::summer_time::went_back;
use super::table::Table;
use super::time_names::may_be_a_quantity;
use super::wrapped::{turns, unwrapped, wrap};
use super::{Duplicates, RecordingError, Roles};

/// Fewest rows from which on a column without a known name may be a counter or a clock.
pub(super) const MIN_REGULAR: usize = 10;

/// Rows of zeros at the end of an episode from which on they are warned of.
const MIN_ZEROS: usize = 3;

impl Table {
    /// Columns that may have been identifiers by their names and are quantities by their numbers
    /// become states; beside dates that go on evenly through all rows, so do whole numbers that come back.
    pub(super) fn take_quantities(&mut self, even_dates: bool, roles: &mut Roles) {
        if !self.open_states {
            return;
        }
        let alone = self.blocks[Block::State as usize].names.is_empty();
        let mut kept = Vec::new();
        for labels in std::mem::take(&mut self.labels) {
            let is_level = even_dates && labels.comes_back().is_some();
            match labels
                .quantity(alone || is_level)
                .filter(|_| labels.claim == Claim::Vague)
            {
                Some(values) => {
                    self.blocks[Block::State as usize].append(&labels.column, &values);
                    roles.state.columns.push(labels.column.clone());
                    if is_level {
                        roles.notes.push(format!(
                            "{} has the same values again while dates go on evenly: it is a state and tells no \
                             episodes apart",
                            labels.column
                        ));
                    }
                }
                None => kept.push(labels),
            }
        }
        self.labels = kept;
    }

    /// Columns that would be a clock by their name and go up and down become states: those that may be quantities by
    /// their names, and any beside a counter of all rows, as the durations of numbered trials.
    pub(super) fn take_false_clocks(&mut self, rows: usize, roles: &mut Roles) {
        if self.time_is_chosen || !self.open_states {
            return;
        }
        let has_counter = self.counts_all_rows(rows);
        for clock in std::mem::take(&mut self.clocks) {
            let name = clock.name();
            let may = has_counter || may_be_a_quantity(&name);
            match clock.quantity(rows).filter(|_| may) {
                Some(numbers) => {
                    self.blocks[Block::State as usize].append(&name, numbers);
                    roles.state.columns.push(name);
                }
                None => self.clocks.push(clock),
            }
        }
    }

    /// Whether a column that is neither a time nor the name of an episode goes up by one in every row.
    fn counts_all_rows(&self, rows: usize) -> bool {
        let states = &self.blocks[Block::State as usize];
        let columns = (0..states.names.len())
            .map(|column| states.column_values(column, 0..states.rows()).collect());
        let labels = self.labels.iter().filter(|l| l.claim > Claim::Named);
        let mut all = columns.chain(labels.filter_map(|labels| labels.quantity(true)));
        rows >= MIN_REGULAR
            && all.any(|values: Vec<f64>| {
                let by_one = values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
                by_one && values.len() == rows && [0.0, 1.0].contains(&values[0])
            })
    }

    /// Columns called like flags that hold other numbers than 0 and 1 end nothing; those that may be quantities by
    /// their names become states where states are guessed.
    pub(super) fn drop_false_flags(&mut self, roles: &mut Roles) {
        for block in [Block::Terminated, Block::Truncated, Block::Restart] {
            let flags = &mut self.blocks[block as usize];
            let other = |value: &f64| value.is_finite() && *value != 0.0 && *value != 1.0;
            if let Some(row) = flags.values.iter().position(other) {
                if self.open_states && is_vague_flag(&flags.names[0]) {
                    let flags = std::mem::take(flags);
                    let name = &flags.names[0];
                    self.blocks[Block::State as usize].append(name, &flags.values);
                    roles.state.columns.push(name.clone());
                    *role_of(block, roles) = Default::default();
                    continue;
                }
                roles.warnings.push(format!(
                    "{} is called like a flag and holds {} in row {}: it is not used",
                    flags.names[0],
                    flags.values[row],
                    row + 1
                ));
                flags.values.fill(0.0);
            }
        }
    }

    /// Refuses or merges rows of one time.
    pub(super) fn merge_duplicates(
        &mut self,
        runs: &mut [Run],
        column: &str,
        times: &Times,
        roles: &mut Roles,
    ) -> Result<(), RecordingError> {
        let values = &times.values;
        let mut merged = 0;
        let mut first: Option<(usize, usize)> = None;
        for run in runs {
            let mut kept: Vec<usize> = Vec::with_capacity(run.rows.len());
            for same in run.rows.chunk_by(|&a, &b| values[a] == values[b]) {
                let mut same: Vec<usize> = same.to_vec();
                if self.is_log && same.len() > 1 {
                    // Other rows of the step log other metrics.
                    let logged = |row: &usize| self.blocks[Block::State as usize].has(*row);
                    let with: Vec<usize> = same.iter().copied().filter(logged).collect();
                    same = if with.is_empty() { vec![same[0]] } else { with };
                }
                same.sort_unstable();
                let last = same[same.len() - 1];
                if same.len() > 1 {
                    merged += same.len() - 1;
                    first = first.or(Some((same[0], same[1])));
                    match self.duplicates {
                        Duplicates::Mean => self.average(&same),
                        Duplicates::Last | Duplicates::Error => {}
                    }
                }
                kept.push(last);
            }
            run.rows = kept;
        }
        match (first, self.duplicates) {
            (None, _) => Ok(()),
            (Some((row, again)), Duplicates::Error) if went_back(times, row, again) => {
                Err(RecordingError::ClockWentBack {
                    file: self.file.clone(),
                    row: again + 1,
                    column: column.to_owned(),
                    time: times.instants[again].to_string(),
                })
            }
            (Some((row, again)), Duplicates::Error) => Err(RecordingError::SameTime {
                file: self.file.clone(),
                first: row + 1,
                second: again + 1,
                others: merged - 1,
                column: column.to_owned(),
            }),
            (Some(_), policy) => {
                let how = match policy {
                    Duplicates::Mean => "their mean is taken",
                    _ => "the last of them is taken",
                };
                roles
                    .notes
                    .push(format!("{merged} row(s) repeat a time of {column}; {how}"));
                Ok(())
            }
        }
    }

    /// Writes the mean of some rows into the last of them; flags are set that any of them sets.
    fn average(&mut self, rows: &[usize]) {
        for block in [
            Block::State,
            Block::Action,
            Block::Reward,
            Block::LogProbability,
        ] {
            self.blocks[block as usize].average(rows);
        }
        for block in [Block::Terminated, Block::Truncated, Block::Restart] {
            self.blocks[block as usize].unite(rows);
        }
    }

    /// Leaves out rows of zeros after the end of an episode of an array, and rows of nothing at its end.
    pub(super) fn leave_out_zeros(&self, runs: &mut [Run], roles: &mut Roles) {
        let quantities = [Block::State, Block::Action, Block::Reward];
        let states = &self.blocks[Block::State as usize];
        let is_zero = |&row: &usize| {
            let state = states.row(row);
            !state.is_empty() && state.iter().all(|&value| value == 0.0)
        };
        let is_nothing = |&row: &usize| {
            let mut cells = quantities.iter().map(|&block| &self.blocks[block as usize]);
            cells.all(|cells| cells.row(row).iter().all(|value| value.is_nan()))
        };
        let (mut left_out, mut repeated, mut nothing) = (0, 0, 0);
        for run in runs.iter_mut() {
            let last = run.rows.iter().rposition(|row| !is_nothing(row));
            if let Some(last) = last.filter(|_| self.may_be_padded) {
                nothing += run.rows.len() - last - 1;
                run.rows.truncate(last + 1);
            }
            let end = run.rows.iter().position(|&row| self.ends(row));
            let end = end.map_or(run.rows.len(), |end| end + 1);
            let repeats = |row: &usize| {
                let last = end.checked_sub(1).map(|last| states.row(run.rows[last]));
                self.ends(*row) && last == Some(states.row(*row))
            };
            let rest = &run.rows[end..];
            if rest.iter().all(is_zero) {
                left_out += rest.len();
                run.rows.truncate(end);
            } else if rest.iter().all(repeats) {
                repeated += rest.len();
                run.rows.truncate(end);
            }
        }
        let zeros = |run: &Run| run.rows.iter().rev().take_while(|row| is_zero(row)).count();
        let padded = |run: &&Run| (MIN_ZEROS..run.rows.len()).contains(&zeros(run));
        // One state may rest at zero: several that do at the end alone are filled up.
        let alike = states.names.len() > 1
            || runs.iter().filter(padded).count() > 1
                && runs.iter().all(|run| {
                    let moves = &run.rows[..run.rows.len() - zeros(run)];
                    !moves.iter().any(is_zero)
                });
        let first = runs.iter().filter(|_| alike).find(padded);
        if let Some(run) = first.filter(|_| self.may_be_padded) {
            roles.warnings.push(format!(
                "{} row(s) at the end of episode {} hold nothing but zeros, as in {} of {} episodes: if they are padding, \
                 save the rows of each in an array `lengths` or its steps in a `mask`",
                zeros(run),
                run.name,
                runs.iter().filter(padded).count(),
                runs.len()
            ));
        }
        if nothing > 0 {
            roles.notes.push(format!(
                "{nothing} row(s) of NaN alone at the ends of episodes are left out as padding"
            ));
        }
        if repeated > 0 {
            roles.notes.push(format!(
                "{repeated} row(s) after the ends of episodes repeat the last state and its end; they are left out as padding"
            ));
        }
        if left_out > 0 {
            roles.notes.push(format!(
                "{left_out} row(s) of zeros after the ends of episodes are left out as padding"
            ));
        }
    }

    /// The rows that a flag of padding marks, if the states of all of them are zero, missing or those of the row before.
    pub(super) fn padding(&self, rows: usize, roles: &mut Roles) -> Vec<usize> {
        let [states, flags] =
            [Block::State, Block::Padding].map(|block| &self.blocks[block as usize]);
        let marked: Vec<usize> = (0..rows).filter(|&row| flags.is_set(row)).collect();
        let Some(name) = flags.names.first().filter(|_| !marked.is_empty()) else {
            return marked;
        };
        let is_blank = |&row: &usize| {
            let before = row.checked_sub(1).map(|before| states.row(before));
            let mut values = states.row(row).iter();
            values.all(|&value| value == 0.0 || value.is_nan()) || before == Some(states.row(row))
        };
        match marked.len() < rows && marked.iter().all(is_blank) {
            true => {
                let count = marked.len();
                roles.notes.push(format!(
                    "by {name}, {count} of {rows} rows are padding and are left out"
                ));
                marked
            }
            false => {
                roles.warnings.push(format!(
                    "{name} is set in rows whose states change: it is not read as a flag of padding"
                ));
                Vec::new()
            }
        }
    }

    /// Leaves out guessed states that go up by the same step in every row of every episode, as
    /// long as other states are left.
    pub(super) fn drop_counters(&mut self, episodes: &[(String, Range<usize>)], roles: &mut Roles) {
        let block = &mut self.blocks[Block::State as usize];
        if !self.open_states || block.rows() < MIN_REGULAR {
            return;
        }
        let long = episodes.iter().any(|(_, rows)| rows.len() >= MIN_REGULAR);
        let regular: Vec<usize> = (0..block.names.len())
            .filter(|&column| {
                let of = |rows: &Range<usize>| block.column_values(column, rows.clone());
                let counts = |rows: &Range<usize>| is_regular(of(rows)) || is_full_clock(of(rows));
                let mut several = episodes.iter().filter(|(_, rows)| rows.len() > 1);
                long && several.all(|(_, rows)| counts(rows))
            })
            .collect();
        let falling = (0..block.names.len()).find(|&column| {
            let of = |rows: &Range<usize>| block.column_values(column, rows.clone()).map(|x| -x);
            let mut several = episodes.iter().filter(|(_, rows)| rows.len() > 1);
            long && several.all(|(_, rows)| is_regular(of(rows)))
        });
        roles.warnings.extend(falling.map(|column| {
            format!(
                "{} falls by the same step in every row: if it is a time, name it with `time=`, for the file is newest \
                 first then",
                block.names[column]
            )
        }));
        if regular.len() == block.names.len() {
            return;
        }
        let names = self.leave_out_states(&regular, roles);
        self.counters.extend(names);
    }

    /// Leaves out states, by their columns, which ascend; their names.
    pub(super) fn leave_out_states(&mut self, columns: &[usize], roles: &mut Roles) -> Vec<String> {
        let names = self.blocks[Block::State as usize].remove(columns);
        for state in self.final_states.values_mut() {
            let mut column = 0;
            state.retain(|_| {
                column += 1;
                columns.binary_search(&(column - 1)).is_err()
            });
        }
        let left_out: HashSet<&String> = names.iter().collect();
        roles
            .state
            .columns
            .retain(|known| !left_out.contains(known));
        names
    }
}

/// Whether values are those of a regular counter that begins again when it is full.
fn is_full_clock(values: impl Iterator<Item = f64>) -> bool {
    let values: Vec<f64> = values.collect();
    let full = wrap(&values).or_else(|| turns(&values));
    full.is_some_and(|wrap| is_regular(unwrapped(&values, wrap.modulus).into_iter()))
}
