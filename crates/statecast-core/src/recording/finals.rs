//! Rows that are no steps: states after the last step of an episode, which no action follows and which are its final
//! state, and totals below a table.

use super::RecordingError;
use super::Roles;
use super::cells::{Block, Cells};
use super::labels::Labels;
use super::table::Table;

impl Table {
    /// Takes final states out of columns that have a row more for each episode than others.
    pub(super) fn split_final_states(&mut self, roles: &mut Roles) -> Result<(), RecordingError> {
        let lengths = self.lengths();
        let (Some(&short), Some(&long)) = (lengths.iter().min(), lengths.iter().max()) else {
            return Ok(());
        };
        if short == long || short == 0 || lengths.iter().any(|&l| l != short && l != long) {
            return Ok(());
        }
        let Some(ends) = self.ends_of(short, long) else {
            return Err(RecordingError::FinalRows {
                file: self.file.clone(),
                rows: long,
                others: short,
            });
        };
        // After the ends before it there is a row more each.
        let finals: Vec<usize> = ends
            .iter()
            .enumerate()
            .map(|(at, end)| end + 1 + at)
            .collect();
        let states = &self.blocks[Block::State as usize];
        if states.rows() == long {
            let row = |&row: &usize| states.row(row).to_vec();
            self.final_states = ends.iter().copied().zip(finals.iter().map(row)).collect();
            let note =
                "states have a row more for each episode than actions: it is the final state";
            roles.notes.push(note.to_owned());
            // Environments that begin anew at once show the next episode's first state after an end.
            let set: Vec<usize> = (0..short).filter(|&row| self.ends(row)).collect();
            let inside = set.iter().any(|row| ends.binary_search(row).is_err());
            let before = self.final_states.len();
            if self.flags_cut_parts && inside {
                self.final_states
                    .retain(|row, _| set.binary_search(row).is_err());
            }
            let left_out = before - self.final_states.len();
            if left_out > 0 {
                roles.notes.push(format!(
                    "of {left_out} environment(s) that end with the last step it begins another episode and is left out"
                ));
            }
        }
        for cells in self.blocks.iter_mut().filter(|cells| cells.rows() == long) {
            cells.remove_rows(&finals);
        }
        for labels in self.labels.iter_mut().filter(|labels| labels.rows == long) {
            *labels = labels.without_rows(&finals);
        }
        for clock in self.clocks.iter_mut().filter(|clock| clock.rows() == long) {
            clock.remove_rows(&finals);
        }
        Ok(())
    }

    /// Leaves out rows below the table that sum it up, and gives the rows that stay.
    pub(super) fn leave_out_totals(&mut self, rows: usize, roles: &mut Roles) -> usize {
        let clocks = || self.clocks.iter().filter(|clock| !clock.is_unknown);
        let totals = clocks().find_map(|clock| Some((clock.totals(rows)?, clock.name())));
        // A final state may have no time.
        let steps = [Block::Action, Block::Reward];
        let controlled = steps
            .iter()
            .any(|&block| !self.blocks[block as usize].names.is_empty());
        let blank = clocks()
            .filter(|_| !controlled && !self.time_is_chosen)
            .find_map(|clock| Some((clock.blank_end(rows)?, clock.name())));
        let (first, note) = match (totals, blank) {
            (Some((first, column)), _) => (
                first,
                format!(
                    "rows from {} on are totals by {column}; they are left out",
                    first + 1
                ),
            ),
            (None, Some((first, column))) => (
                first,
                format!(
                    "rows from {} on have no {column}; they are left out",
                    first + 1
                ),
            ),
            (None, None) => return rows,
        };
        let removed: Vec<usize> = (first..rows).collect();
        self.blocks
            .iter_mut()
            .for_each(|cells| cells.remove_rows(&removed));
        self.labels
            .iter_mut()
            .for_each(|labels| *labels = labels.without_rows(&removed));
        self.clocks.iter_mut().for_each(|clock| clock.end_at(first));
        self.time_parts
            .iter_mut()
            .for_each(|part| part.values.truncate(first));
        roles.notes.push(note);
        first
    }

    /// Rows of every column that is used.
    fn lengths(&self) -> Vec<usize> {
        let used = self.blocks.iter().filter(|cells| !cells.names.is_empty());
        used.map(Cells::rows)
            .chain(self.labels.iter().map(|labels| labels.rows))
            .collect()
    }

    /// The last rows of the episodes, where nothing is but what has no final states, if they are as
    /// many as these.
    fn ends_of(&self, short: usize, long: usize) -> Option<Vec<usize>> {
        let fitting = |ends: &Vec<usize>| ends.len() == long - short;
        if let Some(parts) = &self.parts {
            let mut end = 0;
            let ends = parts.iter().map(|(_, rows)| {
                end += rows;
                end.checked_sub(1).filter(|_| *rows > 0)
            });
            let ends: Option<Vec<usize>> = ends.collect();
            return ends.filter(|ends| fitting(ends) && end == short);
        }
        if long - short == 1 {
            return Some(vec![short - 1]);
        }
        let [terminated, truncated] = [Block::Terminated, Block::Truncated].map(|block| {
            let flags = &self.blocks[block as usize];
            let known = flags.rows() == short;
            move |row: usize| known && flags.is_set(row)
        });
        let flagged =
            (0..short).filter(|&row| terminated(row) || truncated(row) || row == short - 1);
        let by_flags = Some(flagged.collect()).filter(fitting);
        by_flags.or_else(|| {
            self.labels.iter().find_map(|labels| {
                let changes = labels.last_rows();
                let ends = match labels.rows == long {
                    // Each of these rows is a final state; the row of its end stands before it.
                    true => changes
                        .iter()
                        .enumerate()
                        .map(|(at, row)| row.checked_sub(1 + at))
                        .collect(),
                    false => Some(changes),
                };
                ends.filter(fitting)
            })
        })
    }

    /// Takes the last row of an episode out of its rows if it has a state and neither an action nor
    /// a reward.
    pub(super) fn take_final_row(&mut self, rows: &mut Vec<usize>) -> bool {
        let [states, actions, rewards] =
            [Block::State, Block::Action, Block::Reward].map(|block| &self.blocks[block as usize]);
        let &[.., before, last] = rows.as_slice() else {
            return false;
        };
        let some = |cells: &Cells, row: usize| cells.row(row).iter().any(|x| x.is_finite());
        let steps: Vec<&Cells> = [actions, rewards]
            .into_iter()
            .filter(|cells| !cells.names.is_empty())
            .collect();
        let taken = !actions.names.is_empty() || !rewards.names.is_empty();
        let is_final = taken
            && steps.iter().all(|cells| !some(cells, last))
            && steps.iter().all(|cells| some(cells, before))
            && !states.names.is_empty()
            && states.row(last).iter().all(|x| x.is_finite());
        if is_final {
            self.end_before_final_state(before, last);
            rows.pop();
        }
        is_final
    }

    /// Ends an episode with the row before its last one, whose state becomes the final state if it is known.
    pub(super) fn end_before_final_state(&mut self, before: usize, last: usize) {
        let state = self.blocks[Block::State as usize].row(last);
        if state.iter().all(|x| x.is_finite()) {
            self.final_states.insert(before, state.to_vec());
        }
        for block in [Block::Terminated, Block::Truncated] {
            let flags = &mut self.blocks[block as usize];
            if flags.is_set(last) {
                flags.values[before] = 1.0;
            }
        }
    }
}

impl Labels {
    /// The last row of each stretch of equal labels.
    fn last_rows(&self) -> Vec<usize> {
        let of_rows = self.of_rows();
        let ends = (1..=of_rows.len()).filter(|&row| of_rows.get(row) != of_rows.get(row - 1));
        ends.map(|row| row - 1).collect()
    }

    /// The labels of all rows but some, which ascend.
    fn without_rows(&self, removed: &[usize]) -> Self {
        let mut kept = Self::new(&self.column, self.claim, self.numeric);
        let of_rows = self.of_rows();
        let mut row = 0;
        for (index, word) in of_rows.iter().enumerate() {
            if removed.binary_search(&index).is_err() {
                let text = match self.is_gap(index) {
                    true => "",
                    false => self.word(*word),
                };
                kept.push(row, text);
                row += 1;
            }
        }
        kept
    }
}
