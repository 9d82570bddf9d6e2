//! How the rows of a table become episodes: which belong together, and in which order they came.

use std::ops::Range;

use super::cells::Block;
use super::conventions::is_called_episode;
use super::error::excerpt;
use super::labels::{Claim, Groups, group};
use super::order::{
    Arranged, Change, Resumption, SHORTEST_RUN, arrange, arrange_log, conflicts, gaps,
};
use super::readings::{Times, times_of};
use super::seams::Seams;
use super::summer_time::went_forward;
use super::table::{MissingPolicy, Table};
use super::time_names::{is_coarse, time_rank};
use super::{RecordingError, Roles};

/// A run of rows, in the order of time.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) name: String,
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

impl Reading {
    fn has(&self, change: Change) -> bool {
        self.arranged.iter().any(|found| found.change == change)
    }

    /// Whether its clock starts over within a group.
    fn starts_over(&self) -> bool {
        self.arranged.iter().any(|found| found.runs.len() > 1)
    }

    /// Whether its clock starts over again and again after a few rows.
    fn is_of_scraps(&self) -> bool {
        let runs = || self.arranged.iter().flat_map(|found| &found.runs);
        self.starts_over() && runs().map(Vec::len).sum::<usize>() < SHORTEST_RUN * runs().count()
    }
}

impl Table {
    /// Puts the rows into the order of time and cuts them into episodes: name and rows of each.
    pub(super) fn settle(
        &mut self,
        roles: &mut Roles,
    ) -> Result<Vec<(String, Range<usize>)>, RecordingError> {
        self.read_flags(roles);
        self.split_final_states(roles)?;
        let rows = self.checked_rows()?;
        let rows = self.leave_out_totals(rows, roles);
        let unknown = self.set_unknown_clocks_aside();
        self.combine_times(rows, roles);
        self.take_moments(rows, roles);
        self.take_backward_counter(rows, &unknown, roles);
        self.take_restarting_counter(rows, roles);
        self.take_false_clocks(rows, roles);
        let even = self.has_even_dates(rows);
        self.take_quantities(even, roles);
        if even {
            self.take_levels(rows, roles);
        }
        self.take_identifiers(rows, roles);
        self.drop_false_flags(roles);
        self.take_missing_values(roles);
        self.padding_rows = self.padding(rows, roles);
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
            // A model fills gaps once the episodes are cut, and says so then.
            if !matches!(self.missing, MissingPolicy::Model { .. }) {
                say_gaps(&found, &column, times, roles);
            }
        }
        if self.parts.is_some() && !self.flags_cut_parts {
            self.leave_out_zeros(&mut found, roles);
        }
        let columns = &reading.groups.columns;
        let of_environments = !columns.is_empty()
            && columns
                .iter()
                .all(|&l| self.labels[l].numbers_environments());
        let flags_cut = !labelled || self.flags_cut_parts || of_environments;
        if flags_cut {
            self.take_flags_of_first_steps(&found, roles);
        }
        match !flags_cut {
            true => self.note_flags(&found, &reading.groups, roles),
            false => {
                let seams = self.seams(&found, roles);
                found = self.cut_at_flags(found, &seams);
            }
        }
        self.leave_out_successors(roles);
        self.take_last_observations(&mut found, roles);
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
            true => Err(RecordingError::NoState {
                file: self.file.clone(),
                columns: self.column_names.clone(),
            }),
            false => Ok(ranges),
        }
    }

    /// Chooses the clock: the first of those that fit without equal times, or the first of all. One by which rows were
    /// written in order comes before one by which they are to be sorted, unless it only numbers them.
    fn reading(&self, rows: usize, roles: &mut Roles) -> Result<Reading, RecordingError> {
        let mut first: Option<Reading> = None;
        let mut sorting: Option<Reading> = None;
        let mut unclear: Option<(usize, Times)> = None;
        for place in self.clocks_in_turn(rows) {
            let clock = &self.clocks[place];
            let Some(mut times) = clock.times(rows, self.date_order) else {
                continue;
            };
            let column = clock.name();
            // Steps of episodes of one length look the same.
            let guessed = times.wrap.is_some_and(|wrap| wrap.is_guessed);
            if let Some(numbers) = clock
                .numbers_of_rows()
                .filter(|_| guessed && self.is_of_control())
            {
                times = times_of(numbers.to_vec(), "");
            }
            let still = |pair: &&[f64]| pair[0] == pair[1];
            let stands = times.values.windows(2).filter(still).count();
            if is_coarse(&column) && 2 * stands >= rows {
                continue;
            }
            let reading = self.read_by(Some((place, times)), rows, self.time_is_chosen)?;
            if reading.has(Change::Unclear) {
                unclear = unclear.or(reading.clock);
                continue;
            }
            // Row numbers tell nothing about rows of equal times, nor does what numbers the rows of each.
            let is_number = time_rank(&column).0 == 2;
            let may = first.is_none() || !(is_number || reading.is_of_scraps());
            if reading.repeated == 0 && may {
                match (reading.has(Change::Sorted), &sorting) {
                    (true, _) => sorting = sorting.or(Some(reading)),
                    (false, Some(_)) if is_number || reading.starts_over() => {}
                    (false, _) => return Ok(reading),
                }
                continue;
            }
            if !clock.is_tentative {
                first = first.or(Some(reading));
            }
        }
        if let Some(reading) = sorting.or(first) {
            return Ok(reading);
        }
        if let Some((place, times)) = unclear {
            // Rows of several series that take turns have no order in the file.
            let Ok(reading) = self.read_by(None, rows, false) else {
                return self.read_by(Some((place, times)), rows, true);
            };
            let column = self.clocks[place].name();
            roles.warnings.push(format!(
                "{column} goes back from row to row and its times are not evenly spaced in any order, so rows are read in \
                 the order of the file; `time={column}` sorts them by it"
            ));
            return Ok(reading);
        }
        self.say_unread(rows, roles)?;
        self.read_by(None, rows, false)
    }

    /// The clocks in the order in which they are tried: dates that go on evenly are when something happened, others when
    /// it was noted.
    fn clocks_in_turn(&self, rows: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.clocks.len()).collect();
        if places.len() < 2 {
            return places;
        }
        let is_of_dates = |&place: &usize| {
            let times = self.clocks[place].times(rows, self.date_order);
            times.is_some_and(|times| !times.instants.is_empty())
        };
        let first = places.iter().position(is_of_dates);
        let even = places
            .iter()
            .position(|&place| self.is_of_even_dates(place, rows));
        if let (Some(first), Some(even)) = (first, even) {
            places[first..=even].rotate_right(1);
        }
        places
    }

    /// Says why no column is the time, if one is called like it or was chosen.
    fn say_unread(&self, rows: usize, roles: &mut Roles) -> Result<(), RecordingError> {
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
                Err(RecordingError::NotATime {
                    file: self.file.clone(),
                    row,
                    column,
                    text,
                })
            }
            (None, Some((column, row))) if self.time_is_chosen => Err(RecordingError::Missing {
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

    /// Reads the rows by a clock; one in no clear order sorts them only if that is asked for.
    fn read_by(
        &self,
        clock: Option<(usize, Times)>,
        rows: usize,
        sorts: bool,
    ) -> Result<Reading, RecordingError> {
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
            _ => group(&self.labels, times, rows).map_err(|back| RecordingError::SplitEpisode {
                file: self.file.clone(),
                row: back.row + 1,
                label: excerpt(&back.label),
            })?,
        };
        let mut groups = groups;
        if let Some(start) = self.ring_start {
            for (_, members) in groups.members.iter_mut().filter(|(_, m)| m.len() > start) {
                members.rotate_left(start);
            }
        }
        let is_padding = |row: &usize| self.padding_rows.binary_search(row).is_ok();
        for (_, members) in &mut groups.members {
            members.retain(|row| !is_padding(row));
        }
        groups.members.retain(|(_, members)| !members.is_empty());
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
                false => match arrange(&local) {
                    found if found.change == Change::Unclear && sorts => Arranged::sorted(&local),
                    found => found,
                },
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
                    "{column} has {kinds} values, and its rows are read as one series: `episode={column}` splits them"
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
        if reading.has(Change::Reversed) {
            roles.notes.push(format!(
                "rows are newest first by {column}; they are read oldest first"
            ));
        }
        if reading.has(Change::Sorted) {
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
}

/// A number of a clock with what it counts.
pub(super) fn amount(value: f64, unit: &str) -> String {
    let short = format!("{value:.5e}").parse().unwrap_or(value);
    let number: f64 = short;
    match unit {
        "" => number.to_string(),
        "s" => format!("{number} s"),
        unit if number == 1.0 => format!("1 {unit}"),
        unit => format!("{number} {unit}s"),
    }
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
    let amount = |value: f64| amount(value, times.unit);
    let several = if count == 1 { "gap" } else { "gaps" };
    let why = match went_forward(times, row, gaps.step, gaps.largest) {
        true => {
            ", for which the clock went forward, as when summer time begins: in UTC or with offsets there is none"
        }
        false => "",
    };
    roles.warnings.push(format!(
        "{column} advances by {} a row, but has {count} {several} (the largest {}, before row {}{why}); \
         a gap is read as one step",
        amount(gaps.step),
        amount(gaps.largest),
        row + 1
    ));
}
