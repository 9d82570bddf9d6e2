//! How the rows of a table become episodes: which belong together, and in which order they came.

use std::ops::Range;

use super::cells::Block;
use super::conventions::{is_called_episode, is_vague_flag};
use super::error::excerpt;
use super::labels::{Claim, Groups, group};
use super::order::{
    Arranged, Change, Resumption, arrange, arrange_log, conflicts, gaps, is_regular,
};
use super::seams::Seams;
use super::table::Table;
use super::time_names::{is_coarse, may_be_a_quantity, time_rank};
use super::wrapped::{unwrapped, wrap};
use super::{Duplicates, Roles, TrajectoryError, clock::Times};

/// Fewest rows from which on a column without a known name may be a counter or a clock.
pub(super) const FEWEST_REGULAR: usize = 10;

/// A run of rows, in the order of time.
#[derive(Debug)]
pub(super) struct Run {
    name: String,
    /// Position of its group.
    group: usize,
    pub(super) rows: Vec<usize>,
}

/// One way to read the table: a clock, the groups and the runs that follow from it.
struct Reading {
    clock: Option<(usize, Times)>,
    groups: Groups,
    arranged: Vec<Arranged>,
    resumed: Vec<Resumption>,
    /// Rows of a group with the time of another.
    repeated: usize,
}

impl Table {
    /// Puts the rows into the order of time and cuts them into episodes: name and rows of each.
    pub(super) fn settle(
        &mut self,
        roles: &mut Roles,
    ) -> Result<Vec<(String, Range<usize>)>, TrajectoryError> {
        self.split_final_states(roles)?;
        let rows = self.checked_rows()?;
        let rows = self.leave_out_totals(rows, roles);
        let unknown = self.set_unknown_clocks_aside();
        self.combine_times(rows, roles);
        self.take_backward_counter(rows, &unknown, roles);
        self.take_false_clocks(rows, roles);
        self.take_quantities(roles);
        self.drop_false_flags(roles);
        self.take_missing_values();
        let reading = self.reading(rows, roles)?;
        let mut found = Vec::new();
        let labelled = !reading.groups.columns.is_empty() || self.parts.is_some();
        let mut restarts = Vec::new();
        for (g, (name, members)) in reading.groups.members.iter().enumerate() {
            for (number, run) in reading.arranged[g].runs.iter().enumerate() {
                let name = match number {
                    0 => name.clone(),
                    _ => format!("{name}#{}", number + 1),
                };
                let rows: Vec<usize> = run.iter().map(|&at| members[at]).collect();
                if number > 0 && !self.starts(rows[0]) && !self.ends_before(rows[0]) {
                    restarts.push(rows[0]);
                }
                found.push(Run {
                    name,
                    group: g,
                    rows,
                });
            }
        }
        self.say_order(&reading, &restarts, roles);
        if found.len() == 1 {
            self.warn_of_series(roles);
        }
        if let Some((clock, times)) = &reading.clock {
            let column = self.clocks[*clock].name();
            self.merge_duplicates(&mut found, &column, times, roles)?;
            say_gaps(&found, &column, times, roles);
        }
        if self.flags_cut_parts {
            self.take_flags_of_first_steps(&found, roles);
        }
        if self.parts.is_some() && !self.flags_cut_parts {
            self.leave_out_zeros(&mut found, roles);
        }
        match labelled && !self.flags_cut_parts {
            true => self.note_flags(&found, &reading.groups, roles),
            false => {
                let seams = self.seams(&found, roles);
                found = self.cut_at_flags(found, &seams);
            }
        }
        self.leave_out_successors(roles);
        let mut finals = 0;
        for run in &mut found {
            finals += usize::from(self.take_final_row(&mut run.rows));
        }
        if finals > 0 {
            roles.notes.push(format!(
                "the last row of {finals} of {} episode(s) has a state and no action: it is the final state",
                found.len()
            ));
        }
        let named = reading.groups.columns.iter();
        let named: Vec<String> = named.map(|&l| self.labels[l].column.clone()).collect();
        if roles.episode.columns.is_empty() && !named.is_empty() {
            roles.episode.guessed = true;
            roles.episode.columns.clone_from(&named);
            if found.len() > 1 && !named.iter().all(|name| is_called_episode(name)) {
                let note = format!(
                    "{} episodes, told apart by {}",
                    found.len(),
                    named.join(", ")
                );
                roles.notes.insert(0, note);
            }
        }
        let clock = reading
            .clock
            .map(|(clock, times)| (self.clocks[clock].name(), times));
        self.times = clock;
        let order: Vec<usize> = found.iter().flat_map(|run| run.rows.clone()).collect();
        self.put_in_order(order);
        let mut start = 0;
        let ranges: Vec<(String, Range<usize>)> = found
            .into_iter()
            .map(|run| {
                let range = start..start + run.rows.len();
                start = range.end;
                (run.name, range)
            })
            .collect();
        self.drop_counters(&ranges, roles);
        match self.blocks[Block::State as usize].names.is_empty() && self.needs_states {
            true => Err(TrajectoryError::NoState {
                file: self.file.clone(),
                columns: self.column_names.clone(),
            }),
            false => Ok(ranges),
        }
    }

    /// Columns that may have been identifiers by their names and are quantities by their numbers
    /// become states.
    fn take_quantities(&mut self, roles: &mut Roles) {
        if !self.open_states {
            return;
        }
        let alone = self.blocks[Block::State as usize].names.is_empty();
        let mut kept = Vec::new();
        for labels in std::mem::take(&mut self.labels) {
            match labels
                .quantity(alone)
                .filter(|_| labels.claim == Claim::Vague)
            {
                Some(values) => {
                    self.blocks[Block::State as usize].append(&labels.column, &values);
                    roles.state.columns.push(labels.column.clone());
                }
                None => kept.push(labels),
            }
        }
        self.labels = kept;
    }

    /// Columns that would be a clock by their name and go up and down become states.
    fn take_false_clocks(&mut self, rows: usize, roles: &mut Roles) {
        if self.time_is_chosen || !self.open_states {
            return;
        }
        for clock in std::mem::take(&mut self.clocks) {
            let name = clock.name();
            match clock.quantity(rows).filter(|_| may_be_a_quantity(&name)) {
                Some(numbers) => {
                    self.blocks[Block::State as usize].append(&name, numbers);
                    roles.state.columns.push(name);
                }
                None => self.clocks.push(clock),
            }
        }
    }

    /// Columns called like flags that hold other numbers than 0 and 1 end nothing; those that may be quantities by
    /// their names become states where states are guessed.
    fn drop_false_flags(&mut self, roles: &mut Roles) {
        for block in [Block::Terminated, Block::Truncated, Block::Restart] {
            let flags = &mut self.blocks[block as usize];
            let other = |value: &f64| value.is_finite() && *value != 0.0 && *value != 1.0;
            if let Some(row) = flags.values.iter().position(other) {
                if self.open_states && is_vague_flag(&flags.names[0]) {
                    let flags = std::mem::take(flags);
                    let name = &flags.names[0];
                    self.blocks[Block::State as usize].append(name, &flags.values);
                    roles.state.columns.push(name.clone());
                    match block {
                        Block::Terminated => roles.terminated = Default::default(),
                        _ => roles.truncated = Default::default(),
                    }
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

    /// Chooses the clock: the first of those that fit without equal times, or the first of all.
    fn reading(&self, rows: usize, roles: &mut Roles) -> Result<Reading, TrajectoryError> {
        let mut first: Option<Reading> = None;
        for (place, clock) in self.clocks.iter().enumerate() {
            let Some(times) = clock.times(rows, self.date_order) else {
                continue;
            };
            let column = clock.name();
            let still = |pair: &&[f64]| pair[0] == pair[1];
            let stands = times.values.windows(2).filter(still).count();
            if is_coarse(&column) && 2 * stands >= rows {
                continue;
            }
            let reading = self.read_by(Some((place, times)), rows)?;
            // Row numbers tell nothing about rows of equal times.
            let may = first.is_none() || time_rank(&column).0 < 2;
            if reading.repeated == 0 && may {
                return Ok(reading);
            }
            if !clock.is_tentative {
                first = first.or(Some(reading));
            }
        }
        if let Some(first) = first {
            return Ok(first);
        }
        self.say_unread(rows, roles)?;
        self.read_by(None, rows)
    }

    /// Says why no column is the time, if one is called like it or was chosen.
    fn say_unread(&self, rows: usize, roles: &mut Roles) -> Result<(), TrajectoryError> {
        let mut unread = self.clocks.iter().filter_map(|clock| {
            let (row, text) = clock.unread()?;
            Some((clock.name(), row + 1, text.to_owned()))
        });
        let mut gaps = self.clocks.iter().filter_map(|clock| {
            let row = clock.gap()?;
            Some((clock.name(), row + 1))
        });
        match (unread.next(), gaps.next()) {
            (Some((column, row, text)), _) if self.time_is_chosen => {
                Err(TrajectoryError::NotATime {
                    file: self.file.clone(),
                    row,
                    column,
                    text,
                })
            }
            (None, Some((column, row))) if self.time_is_chosen => Err(TrajectoryError::Missing {
                file: self.file.clone(),
                row,
                line: None,
                column,
                what: "no number and no date",
            }),
            (Some((column, row, text)), _) => {
                roles.warnings.push(format!(
                    "column {column} holds {text:?} in row {row}, which cannot be read as a time, so \
                     rows are read in the order of the file; write times as 2024-01-31 10:59:00"
                ));
                Ok(())
            }
            (None, Some((column, row))) if 2 * row > rows || row > 100 => {
                roles.warnings.push(format!(
                    "column {column} has no time in row {row}, so rows are read in the order of the \
                     file"
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_by(
        &self,
        clock: Option<(usize, Times)>,
        rows: usize,
    ) -> Result<Reading, TrajectoryError> {
        let times = clock.as_ref().map(|(_, times)| times.values.as_slice());
        let groups = match &self.parts {
            Some(parts) if self.labels.iter().all(|l| l.claim > Claim::Named) => {
                let mut start = 0;
                let group = |(name, length): &(String, usize)| {
                    let range = start..(start + length).min(rows);
                    start = range.end;
                    (name.clone(), range.collect())
                };
                Groups {
                    columns: Vec::new(),
                    members: parts.iter().map(group).collect(),
                }
            }
            _ => {
                group(&self.labels, times, rows).map_err(|back| TrajectoryError::SplitEpisode {
                    file: self.file.clone(),
                    row: back.row + 1,
                    label: excerpt(&back.label),
                })?
            }
        };
        let mut arranged = Vec::new();
        let mut resumed = Vec::new();
        let mut repeated = 0;
        for (_, members) in &groups.members {
            let Some(times) = times else {
                arranged.push(Arranged {
                    runs: vec![(0..members.len()).collect()],
                    change: Change::None,
                });
                continue;
            };
            let local: Vec<f64> = members.iter().map(|&row| times[row]).collect();
            let found = match self.is_log {
                true => {
                    let (found, again) = arrange_log(&local);
                    resumed.extend(again.into_iter().map(|again| Resumption {
                        row: members[again.row],
                        ..again
                    }));
                    found
                }
                false => arrange(&local),
            };
            repeated += conflicts(&found, &local) + 1 - found.runs.len();
            arranged.push(found);
        }
        Ok(Reading {
            clock,
            groups,
            arranged,
            resumed,
            repeated,
        })
    }

    /// Says which columns may have told series apart where all rows are one.
    fn warn_of_series(&self, roles: &mut Roles) {
        for label in &self.labels {
            if let Some(kinds) = label.may_be_series() {
                let column = &label.column;
                roles.warnings.push(format!(
                    "{column} has {kinds} values, and its rows are read as one series: --episode {column} splits them"
                ));
            }
        }
    }

    pub(super) fn starts(&self, row: usize) -> bool {
        self.blocks[Block::Restart as usize].is_set(row)
    }

    pub(super) fn ends(&self, row: usize) -> bool {
        self.blocks[Block::Terminated as usize].is_set(row)
            || self.blocks[Block::Truncated as usize].is_set(row)
    }

    fn ends_before(&self, row: usize) -> bool {
        row > 0 && self.ends(row - 1)
    }

    /// Says what became of the order of the file.
    fn say_order(&self, reading: &Reading, restarts: &[usize], roles: &mut Roles) {
        let Some((clock, times)) = &reading.clock else {
            return;
        };
        let column = self.clocks[*clock].name();
        roles.time.columns.clone_from(&self.clocks[*clock].columns);
        roles.time.guessed = !self.time_is_chosen;
        if let Some((order, row)) = times.chosen {
            roles.notes.insert(
                0,
                format!(
                    "dates of {column} have two readings; they are read {}, row {} as {}; if that \
                     is wrong, write them as 2024-01-31",
                    order.name(),
                    row + 1,
                    times.instants[row]
                ),
            );
        }
        if let Some(wrap) = times.wrap {
            roles.notes.push(format!(
                "{column} is full at {} in row {} and counts on from there",
                wrap.modulus,
                wrap.row + 1
            ));
        }
        let changed = |change| reading.arranged.iter().any(|a| a.change == change);
        if changed(Change::Reversed) {
            roles.notes.push(format!(
                "rows came newest first by {column}; they are read oldest first"
            ));
        }
        if changed(Change::Sorted) {
            roles.notes.push(format!(
                "rows were not in the order of {column}; they are sorted by it"
            ));
        }
        if let Some(first) = restarts.first() {
            let others = match restarts.len() {
                1 => String::new(),
                count => format!(" and in {} more", count - 1),
            };
            roles.notes.push(format!(
                "{column} starts over in row {}{others}, which begins an episode",
                first + 1
            ));
        }
        for again in &reading.resumed {
            roles.notes.push(format!(
                "{column} goes back in row {}: the log was taken up again, and its rows replace {} \
                 written before",
                again.row + 1,
                again.replaced
            ));
        }
    }

    /// Refuses or merges rows of one time.
    fn merge_duplicates(
        &mut self,
        runs: &mut [Run],
        column: &str,
        times: &Times,
        roles: &mut Roles,
    ) -> Result<(), TrajectoryError> {
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
            (Some((row, again)), Duplicates::Error) => Err(TrajectoryError::SameTime {
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

    /// A user must hear of a recording that does not agree with its own flags.
    fn note_flags(&self, runs: &[Run], groups: &Groups, roles: &mut Roles) {
        let inside = runs.iter().find_map(|run| {
            let pairs = run.rows.windows(2);
            let mut seams = pairs.filter(|pair| self.ends(pair[0]) || self.starts(pair[1]));
            Some(seams.next()?[1])
        });
        let Some(row) = inside else { return };
        let names = groups
            .columns
            .iter()
            .map(|&l| self.labels[l].column.as_str());
        let names: Vec<&str> = names.collect();
        roles.notes.push(format!(
            "row {} would start an episode by its flags, but the episodes follow {}",
            row + 1,
            match names.is_empty() {
                false => format!("column {}", names.join(", ")),
                true => "the shape of the arrays".to_owned(),
            }
        ));
    }

    /// Leaves out rows of zeros behind the end of an episode of an array.
    fn leave_out_zeros(&self, runs: &mut [Run], roles: &mut Roles) {
        let quantities = [Block::State, Block::Action, Block::Reward];
        let is_zero = |&row: &usize| {
            let mut cells = quantities.iter().map(|&block| &self.blocks[block as usize]);
            cells.all(|cells| cells.row(row).iter().all(|&value| value == 0.0))
        };
        let mut left_out = 0;
        for run in runs.iter_mut() {
            let end = run.rows.iter().position(|&row| self.ends(row));
            let end = end.map_or(run.rows.len(), |end| end + 1);
            if run.rows[end..].iter().all(is_zero) {
                left_out += run.rows.len() - end;
                run.rows.truncate(end);
            }
        }
        if left_out > 0 {
            roles.notes.push(format!(
                "{left_out} row(s) of zeros behind the ends of episodes are left out as padding"
            ));
        }
    }

    /// Without labels, flags and seams cut runs; episodes are numbered.
    fn cut_at_flags(&self, runs: Vec<Run>, seams: &Seams) -> Vec<Run> {
        let joined = |a: &usize, b: &usize| !self.ends(*a) && !self.starts(*b) && !seams.follow(*a);
        let pieces = runs.iter().flat_map(|run| {
            let pieces = run.rows.chunk_by(joined);
            pieces.map(|piece| (run.group, piece.to_vec()))
        });
        pieces
            .enumerate()
            .map(|(number, (group, rows))| Run {
                name: number.to_string(),
                group,
                rows,
            })
            .collect()
    }

    /// Leaves out guessed states that go up by the same step in every row of every episode, as
    /// long as other states are left.
    fn drop_counters(&mut self, episodes: &[(String, Range<usize>)], roles: &mut Roles) {
        let block = &mut self.blocks[Block::State as usize];
        if !self.open_states || block.rows() < FEWEST_REGULAR {
            return;
        }
        let long = episodes
            .iter()
            .any(|(_, rows)| rows.len() >= FEWEST_REGULAR);
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
                "{} falls by the same step in every row: if it is a time, name it with --time, for the file is newest \
                 first then",
                block.names[column]
            )
        }));
        if regular.len() == block.names.len() {
            return;
        }
        for &column in regular.iter().rev() {
            let name = block.remove(column);
            for state in self.final_states.values_mut() {
                state.remove(column);
            }
            roles.state.columns.retain(|known| *known != name);
            self.counters.push(name);
        }
    }
}

/// Whether values are those of a regular counter that begins again when it is full.
fn is_full_clock(values: impl Iterator<Item = f64>) -> bool {
    let values: Vec<f64> = values.collect();
    wrap(&values).is_some_and(|wrap| is_regular(unwrapped(&values, wrap.modulus).into_iter()))
}

/// Warns of rows that a regular clock says are missing.
fn say_gaps(runs: &[Run], column: &str, times: &Times, roles: &mut Roles) {
    let found = runs
        .iter()
        .filter_map(|run| {
            let gaps = gaps(&run.rows, &times.values)?;
            Some((gaps, run.rows[gaps.after]))
        })
        .filter(|(gaps, _)| gaps.count > 0);
    let mut count = 0;
    let mut worst = None;
    for (gaps, row) in found {
        count += gaps.count;
        if worst.is_none_or(|(known, _): (super::order::Gaps, usize)| gaps.largest > known.largest)
        {
            worst = Some((gaps, row));
        }
    }
    let Some((gaps, row)) = worst else { return };
    let amount = |value: f64| {
        let short = format!("{value:.5e}").parse().unwrap_or(value);
        let number: f64 = short;
        match times.unit {
            "" => number.to_string(),
            "s" => format!("{number} s"),
            unit if number == 1.0 => format!("1 {unit}"),
            unit => format!("{number} {unit}s"),
        }
    };
    let several = if count == 1 { "gap" } else { "gaps" };
    roles.warnings.push(format!(
        "{column} goes on by {} a row, but has {count} {several} (the largest {}, before row {}); \
         a gap is read as one step",
        amount(gaps.step),
        amount(gaps.largest),
        row + 1
    ));
}
