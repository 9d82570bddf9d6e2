//! Gives columns their roles: as the user chose, or guessed from their names.

use std::collections::HashSet;
use std::path::Path;

use globset::{Glob, GlobMatcher};

use super::cells::Block;
use super::conventions::{
    Convention, Part, convention, is_bare_action, is_vague_episode, is_written_time, part_of_time,
    rank, time_rank,
};
use super::episode::LARGEST_OF_TRANSITIONS;
use super::labels::Claim;
use super::source::{Column, Kind, Precision, Source, described, list};
use super::table::{Slot, Table};
use super::{
    Duplicates, EndFlag, IgnoredColumn, MissingPolicy, RoleSelection, Roles, TrajectoryError,
};

/// What is known of the columns before the rows are read.
pub(super) struct Resolved<'a> {
    file: &'a Path,
    pub(super) columns: Vec<Column>,
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) roles: Roles,
    open_states: bool,
    needs_states: bool,
    transitions: bool,
    duplicates: Duplicates,
    missing_values: Vec<f64>,
}

/// Gives the columns their roles.
pub(super) fn resolve<'a>(
    file: &'a Path,
    columns: &[Column],
    selection: &RoleSelection,
) -> Result<Resolved<'a>, TrajectoryError> {
    let mut assignment = Assignment::new(file, columns);
    assignment.choose(selection)?;
    assignment.guess(selection)?;
    let mut open_states = assignment.open_states;
    if assignment.roles.state.columns.is_empty() {
        let vague = |slot: &Option<Slot>| *slot == Some(Slot::Label(Claim::Vague));
        let mut numbers = assignment.slots.iter().zip(columns);
        open_states = numbers.any(|(slot, column)| vague(slot) && column.kind == Kind::Number);
        if !open_states {
            return Err(TrajectoryError::NoState {
                file: file.to_owned(),
                columns: described(columns),
            });
        }
        assignment.roles.state.guessed = true;
    }
    let resolved = assignment.resolved(open_states, true, selection.duplicates)?;
    Ok(Resolved {
        transitions: selection.transitions,
        missing_values: selection.missing_values.clone(),
        ..resolved
    })
}

/// Finds a column of labels, beside what cuts and orders the rows.
pub(super) fn resolve_sequence<'a>(
    file: &'a Path,
    columns: &[Column],
    column: &str,
    selection: &RoleSelection,
) -> Result<Resolved<'a>, TrajectoryError> {
    let mut assignment = Assignment::new(file, columns);
    let Some(index) = columns.iter().position(|known| known.name == column) else {
        return Err(TrajectoryError::NoMatch {
            file: file.to_owned(),
            role: "label",
            pattern: column.to_owned(),
            columns: names(columns),
        });
    };
    assignment.take(index, Slot::Word, false)?;
    let only = RoleSelection {
        episode: selection.episode.clone(),
        time: selection.time.clone(),
        ..RoleSelection::default()
    };
    assignment.choose(&only)?;
    assignment.guess_cuts(&only)?;
    assignment.resolved(false, false, selection.duplicates)
}

impl Resolved<'_> {
    /// An empty table for the columns that have a slot.
    fn table(&self, missing: MissingPolicy) -> Table {
        let mut table = Table::new(self.file, missing, &self.columns, &self.slots);
        table.duplicates = self.duplicates;
        table.missing_values.clone_from(&self.missing_values);
        table.wants_successors = self.transitions;
        table.open_states = self.open_states;
        table.needs_states = self.needs_states;
        if self.transitions {
            table.largest = LARGEST_OF_TRANSITIONS;
        }
        table.time_is_chosen = !self.roles.time.columns.is_empty();
        table
    }

    /// What the flag of ends means, as far as its name says.
    pub(super) fn end_flag(&self) -> EndFlag {
        let of = |block: Block| {
            let mut columns = self.columns.iter().zip(&self.slots);
            let (column, _) = columns.find(|(_, slot)| **slot == Some(Slot::Value(block, 0)))?;
            Some(column.family())
        };
        let beside_truncated = of(Block::Truncated).is_some();
        of(Block::Terminated).map_or_else(EndFlag::default, |name| {
            EndFlag::called(name, beside_truncated)
        })
    }

    /// The table of a source whose columns these are.
    pub(super) fn filled(
        &self,
        source: Box<dyn Source>,
        missing: MissingPolicy,
    ) -> Result<Table, TrajectoryError> {
        let mut table = self.table(missing);
        table.bounds = Some(source.bounds());
        source.read(&self.slots, &mut table)?;
        Ok(table)
    }

    /// Says why columns are not used, once the rows are known; `counters` are states that turned
    /// out to be none.
    pub(super) fn explain_ignored(&self, roles: &mut Roles, counters: &[String]) {
        let chosen_states = !roles.state.guessed;
        let used: HashSet<&String> = roles.assigned().flat_map(|role| &role.columns).collect();
        let counters: HashSet<&String> = counters.iter().collect();
        let mut ignored = Vec::new();
        for (column, slot) in self.columns.iter().zip(&self.slots) {
            let given = slot.is_some() && used.contains(&column.name);
            // A nameless column without values is a comma too many at the line ends.
            if given
                || *slot == Some(Slot::Word)
                || (column.name.is_empty() && column.kind == Kind::Blank)
            {
                continue;
            }
            let reason = match (&column.kind, convention(column.family())) {
                (Kind::Blank, _) => "empty",
                (Kind::Unusable(reason), _) => reason,
                _ if counters.contains(&column.name) => "regular as a clock or a counter",
                (Kind::Date(_), _) | (_, Some(Convention::Time)) => "time or index",
                (Kind::Number, Some(Convention::Series | Convention::Episode)) => "identifier",
                (_, Some(Convention::Successor)) => "next state",
                (_, Some(Convention::Bookkeeping)) => "bookkeeping",
                (_, Some(Convention::LogProbability)) => "log probability",
                (Kind::Text, _) => "text",
                (Kind::Unnamed, _) => "no name",
                (_, None) if chosen_states => "not chosen",
                (_, None) => "not named like a state",
                (_, Some(_)) => "not chosen",
            };
            ignored.push(IgnoredColumn {
                name: column.name.clone(),
                reason: reason.to_owned(),
            });
        }
        let unread =
            self.columns
                .iter()
                .zip(&self.slots)
                .filter_map(|(column, slot)| match &column.kind {
                    Kind::Unusable(reason)
                        if slot.is_none()
                            && convention(column.family()) == Some(Convention::Time) =>
                    {
                        Some((&column.name, reason))
                    }
                    _ => None,
                });
        if roles.time.columns.is_empty() {
            roles.warnings.extend(unread.map(|(name, reason)| {
                format!("{name} is called like a time and not read ({reason}): rows are read in the order of the file")
            }));
        }
        roles.ignored = ignored;
    }
}

/// Finds the columns of the actions to come, and the time.
pub(super) fn resolve_actions<'a>(
    file: &'a Path,
    source: &dyn Source,
    action_names: &[String],
    time: Option<&str>,
) -> Result<Resolved<'a>, TrajectoryError> {
    let columns = source.columns();
    let position = |name: &String| columns.iter().position(|column| column.name == *name);
    let found: Vec<Option<usize>> = action_names.iter().map(position).collect();
    let chosen: Vec<usize> = if found.iter().all(Option::is_none) {
        let called_action = |index: &usize| {
            let family = columns[*index].family();
            !source.has_names() || convention(family) == Some(Convention::Action)
        };
        let all: Vec<usize> = (0..columns.len()).filter(called_action).collect();
        let one_array = all
            .windows(2)
            .all(|pair| columns[pair[0]].array == columns[pair[1]].array);
        let is_array = |index: &usize| !source.has_names() || columns[*index].array.is_some();
        let fits = one_array && all.iter().all(is_array) && all.len() == action_names.len();
        if fits { all } else { Vec::new() }
    } else {
        found.iter().flatten().copied().collect()
    };
    let mut assignment = Assignment::new(file, columns);
    if chosen.len() < action_names.len() {
        let absent = found.iter().position(Option::is_none).unwrap_or(0);
        return Err(TrajectoryError::NoMatch {
            file: file.to_owned(),
            role: "action",
            pattern: action_names[absent].clone(),
            columns: names(columns),
        });
    }
    for (position, index) in chosen.into_iter().enumerate() {
        assignment.take(index, Slot::Value(Block::Action, position), false)?;
    }
    match columns
        .iter()
        .position(|column| Some(&*column.name) == time)
    {
        Some(index) => {
            assignment.take(index, Slot::Time((0, 0)), false)?;
        }
        None if time == Some("none") => {}
        None => assignment.guess_times(),
    }
    assignment.resolved(false, false, Duplicates::Error)
}

struct Assignment<'f, 'c> {
    file: &'f Path,
    columns: &'c [Column],
    slots: Vec<Option<Slot>>,
    roles: Roles,
    /// Whether the states are guessed from columns without a known name.
    open_states: bool,
    /// Whether all that could be states are called like actions, such as `u`.
    bare_states: bool,
}

impl<'f, 'c> Assignment<'f, 'c> {
    fn new(file: &'f Path, columns: &'c [Column]) -> Self {
        Self {
            file,
            columns,
            slots: vec![None; columns.len()],
            roles: Roles::default(),
            open_states: false,
            bare_states: false,
        }
    }

    fn resolved(
        self,
        open_states: bool,
        needs_states: bool,
        duplicates: Duplicates,
    ) -> Result<Resolved<'f>, TrajectoryError> {
        refuse_same_names(self.file, self.columns, &self.slots)?;
        Ok(Resolved {
            file: self.file,
            columns: self.columns.to_vec(),
            slots: self.slots,
            roles: self.roles,
            open_states,
            needs_states,
            transitions: false,
            duplicates,
            missing_values: Vec::new(),
        })
    }

    fn choose(&mut self, selection: &RoleSelection) -> Result<(), TrajectoryError> {
        for (block, patterns) in [
            (Block::State, &selection.state),
            (Block::Action, &selection.action),
        ] {
            let mut position = 0;
            for pattern in &self.joined(patterns) {
                for index in self.matches(pattern, block.name())? {
                    if self.take(index, Slot::Value(block, position), false)? {
                        position += 1;
                    }
                }
            }
        }
        for (slot, pattern) in [
            (Slot::Value(Block::Reward, 0), &selection.reward),
            (Slot::Label(Claim::Chosen), &selection.episode),
            (Slot::Time((0, 0)), &selection.time),
        ] {
            let Some(pattern) = pattern else { continue };
            let is_none = matches!(slot, Slot::Time(_)) && pattern == "none";
            if is_none && self.columns.iter().all(|column| column.name != "none") {
                continue;
            }
            let found = self.matches(pattern, slot.role())?;
            let &[index] = found.as_slice() else {
                let found = found.iter().map(|&index| self.columns[index].name.as_str());
                return Err(TrajectoryError::ManyMatches {
                    file: self.file.to_owned(),
                    role: slot.role(),
                    pattern: pattern.clone(),
                    columns: list(found),
                });
            };
            self.take(index, slot, false)?;
        }
        Ok(())
    }

    /// Patterns of a list, of which those that are a name together once held a comma.
    fn joined(&self, patterns: &[String]) -> Vec<String> {
        let mut joined = Vec::new();
        let mut rest = patterns;
        while let Some(first) = rest.first() {
            let named = (2..=rest.len()).rev().find_map(|count| {
                let name = rest[..count].join(",");
                let known = |column: &Column| column.name == name;
                self.columns.iter().any(known).then_some((name, count))
            });
            let (name, count) = named.unwrap_or_else(|| (first.clone(), 1));
            joined.push(name);
            rest = &rest[count..];
        }
        joined
    }

    fn guess(&mut self, selection: &RoleSelection) -> Result<(), TrajectoryError> {
        let singles = [
            (
                Convention::Reward,
                Slot::Value(Block::Reward, 0),
                selection.reward.is_none(),
            ),
            (
                Convention::LogProbability,
                Slot::Value(Block::LogProbability, 0),
                selection.transitions,
            ),
        ];
        for (role, slot, open) in singles {
            let best = self
                .free(role)
                .filter(|&index| self.columns[index].kind == Kind::Number)
                .min_by_key(|&index| rank(role, self.columns[index].family()));
            if let Some(index) = best.filter(|_| open) {
                self.take(index, slot, true)?;
            }
        }
        if selection.state.is_empty() {
            self.bare_states = self.has_bare_states();
        }
        self.guess_cuts(selection)?;
        if selection.action.is_empty() {
            let actions: Vec<usize> = self
                .free_numbers(Some(Convention::Action))
                .filter(|&index| !self.bare_states || !is_bare_action(self.columns[index].family()))
                .collect();
            self.take_all(&actions, Block::Action)?;
        }
        if selection.state.is_empty() {
            let named: Vec<usize> = self.free_numbers(Some(Convention::State)).collect();
            if named.is_empty() {
                // Guessing other columns instead would hide that the states cannot be read.
                let unreadable = self
                    .free(Convention::State)
                    .find(|&index| matches!(self.columns[index].kind, Kind::Unusable(_)));
                if let Some(index) = unreadable {
                    refuse_unusable(self.file, &self.columns[index])?;
                }
                let others: Vec<usize> = match self.bare_states {
                    true => self.free_numbers(Some(Convention::Action)).collect(),
                    false => self.free_numbers(None).collect(),
                };
                self.take_all(&others, Block::State)?;
                self.open_states = true;
            } else {
                self.take_all(&named, Block::State)?;
            }
        }
        // Where nothing labels the episodes, next states may tell them apart.
        let sure =
            |slot: &Option<Slot>| matches!(slot, Some(Slot::Label(Claim::Chosen | Claim::Named)));
        if selection.transitions || !self.slots.iter().any(sure) {
            self.pair_successors()?;
        }
        Ok(())
    }

    /// Whether all that could be states are called like actions: a file of nothing but a column `u`
    /// or `torque` is a recording of that.
    fn has_bare_states(&self) -> bool {
        let others = self.free_numbers(None).chain(self.free(Convention::State));
        let vague = |&index: &usize| is_vague_episode(self.columns[index].family());
        let vague = self.free_numbers(Some(Convention::Episode)).filter(vague);
        let mut bare = self.free_numbers(Some(Convention::Action));
        let is_bare = |index: usize| is_bare_action(self.columns[index].family());
        others.chain(vague).next().is_none() && bare.any(is_bare)
    }

    /// Guesses what may cut the rows into episodes and what may order them.
    fn guess_cuts(&mut self, selection: &RoleSelection) -> Result<(), TrajectoryError> {
        if selection.time.is_none() {
            self.guess_times();
        }
        for index in 0..self.columns.len() {
            let column = &self.columns[index];
            let vague = is_vague_episode(column.family());
            let claim = match (convention(column.family()), &column.kind) {
                (Some(Convention::Episode), Kind::Number | Kind::Text) if vague => Claim::Vague,
                (Some(Convention::Episode), Kind::Number | Kind::Text) => Claim::Named,
                (Some(Convention::Series), Kind::Number | Kind::Text) => Claim::Perhaps,
                (Some(Convention::Bookkeeping), _) => continue,
                (_, Kind::Text) => Claim::Words,
                _ => continue,
            };
            if self.slots[index].is_none() && selection.episode.is_none() {
                self.slots[index] = Some(Slot::Label(claim));
            }
        }
        for (role, block) in [
            (Convention::Terminated, Block::Terminated),
            (Convention::Truncated, Block::Truncated),
            (Convention::Restart, Block::Restart),
        ] {
            let best = self
                .free(role)
                .filter(|&index| self.columns[index].kind == Kind::Number)
                .min_by_key(|&index| rank(role, self.columns[index].family()));
            if let Some(index) = best {
                self.take(index, Slot::Value(block, 0), true)?;
            }
        }
        Ok(())
    }

    /// Whatever may be the time: one of them will be.
    fn guess_times(&mut self) {
        for (index, column) in self.columns.iter().enumerate() {
            let called = convention(column.family());
            let rank = match (&column.kind, called) {
                (Kind::Number | Kind::Text | Kind::Date(_), Some(Convention::Time)) => {
                    time_rank(column.family())
                }
                (Kind::Date(_), _) => (0, usize::MAX),
                (Kind::Unnamed, _) => (2, usize::MAX),
                _ => continue,
            };
            self.slots[index].get_or_insert(Slot::Time(rank));
        }
        self.guess_parts();
        for (index, column) in self.columns.iter().enumerate() {
            if column.kind == Kind::Text && is_written_time(column.family()) {
                self.slots[index].get_or_insert(Slot::Time((0, usize::MAX)));
            }
        }
    }

    /// Columns that are the time together: year and month with what is finer, or hours beside days.
    fn guess_parts(&mut self) {
        let free: Vec<(usize, Part)> = (0..self.columns.len())
            .filter(|&index| self.slots[index].is_none())
            .filter_map(|index| {
                let column = &self.columns[index];
                let part = part_of_time(column.family())?;
                let named = part == Part::Month && column.kind == Kind::Text;
                (named || column.kind == Kind::Number).then_some((index, part))
            })
            .collect();
        let find = |part: Part| free.iter().find(|(_, known)| *known == part).copied();
        let clocks = || {
            self.columns
                .iter()
                .zip(&self.slots)
                .filter(|(_, slot)| matches!(slot, Some(Slot::Time(_))))
        };
        let days = clocks().any(|(column, _)| column.kind == Kind::Date(Precision::Day));
        let complete = clocks().any(|(column, slot)| {
            let by_name = column.kind == Kind::Number && matches!(slot, Some(Slot::Time((0, _))));
            by_name || column.kind == Kind::Date(Precision::Time)
        });
        let wanted: &[Part] = match (
            days,
            find(Part::Year),
            find(Part::Quarter),
            find(Part::Month),
        ) {
            _ if complete => &[],
            (true, ..) => &[Part::Hour, Part::Minute, Part::Second],
            (_, Some(_), _, Some(_)) => &Part::CALENDAR,
            (_, Some(_), Some(_), None) => &[Part::Year, Part::Quarter],
            (_, Some(_), ..) if find(Part::DayOfYear).is_some() => &Part::DAYS_OF_YEARS,
            (_, Some(_), ..) => &[Part::Year, Part::Week],
            _ => &[],
        };
        let found: Vec<(usize, Part)> = wanted.iter().map_while(|&part| find(part)).collect();
        for (index, part) in found {
            self.slots[index] = Some(Slot::Part(part));
        }
    }

    /// Finds the state after the step of every state, `next_x` of `x` or `obs_x`; takes none unless
    /// all are there.
    fn pair_successors(&mut self) -> Result<(), TrajectoryError> {
        let states = self.roles.state.columns.clone();
        let found: Option<Vec<usize>> = states.iter().map(|name| self.successor(name)).collect();
        match found {
            Some(found) => self.take_all(&found, Block::Successor),
            None => Ok(()),
        }
    }

    fn successor(&self, state: &str) -> Option<usize> {
        let plain = ["obs_", "state_", "observation_"]
            .iter()
            .find_map(|prefix| state.strip_prefix(prefix));
        [Some(state), plain].iter().flatten().find_map(|name| {
            let name = format!("next_{name}");
            self.free_numbers(Some(Convention::Successor))
                .find(|&index| self.columns[index].name == name)
        })
    }

    /// Columns without a role that are called like `role`.
    fn free(&self, role: Convention) -> impl Iterator<Item = usize> {
        self.free_where(move |column| convention(column.family()) == Some(role))
    }

    /// Columns of numbers without a role, called like `role` or like nothing known.
    fn free_numbers(&self, role: Option<Convention>) -> impl Iterator<Item = usize> {
        self.free_where(move |column| {
            column.kind == Kind::Number && convention(column.family()) == role
        })
    }

    fn free_where(&self, fits: impl Fn(&Column) -> bool) -> impl Iterator<Item = usize> {
        (0..self.columns.len())
            .filter(move |&index| self.slots[index].is_none() && fits(&self.columns[index]))
    }

    fn take_all(&mut self, indices: &[usize], block: Block) -> Result<(), TrajectoryError> {
        for (position, &index) in indices.iter().enumerate() {
            self.take(index, Slot::Value(block, position), true)?;
        }
        Ok(())
    }

    /// Gives a column its role; `false` if it has the role already.
    fn take(&mut self, index: usize, slot: Slot, guessed: bool) -> Result<bool, TrajectoryError> {
        let column = &self.columns[index];
        if let Some(taken) = self.slots[index] {
            if taken.role() == slot.role() {
                return Ok(false);
            }
            return Err(TrajectoryError::TwoRoles {
                file: self.file.to_owned(),
                column: column.name.clone(),
                first: taken.role(),
                second: slot.role(),
            });
        }
        refuse_unusable(self.file, column)?;
        if matches!(column.kind, Kind::Date(_)) && matches!(slot, Slot::Value(..)) {
            return Err(TrajectoryError::Unusable {
                file: self.file.to_owned(),
                column: column.name.clone(),
                reason: "a date or time".to_owned(),
            });
        }
        self.slots[index] = Some(slot);
        let role = match slot {
            Slot::Word => return Ok(true),
            Slot::Label(_) => &mut self.roles.episode,
            Slot::Time(_) | Slot::Part(_) => &mut self.roles.time,
            Slot::Value(Block::State, _) => &mut self.roles.state,
            Slot::Value(Block::Action, _) => &mut self.roles.action,
            Slot::Value(Block::Reward, _) => &mut self.roles.reward,
            Slot::Value(Block::Terminated, _) => &mut self.roles.terminated,
            Slot::Value(Block::Truncated, _) => &mut self.roles.truncated,
            Slot::Value(Block::Restart, _) => &mut self.roles.restart,
            Slot::Value(Block::Successor, _) => &mut self.roles.next_state,
            Slot::Value(Block::LogProbability, _) => &mut self.roles.log_probability,
        };
        role.columns.push(column.name.clone());
        role.guessed = guessed;
        Ok(true)
    }

    fn matches(&self, pattern: &str, role: &'static str) -> Result<Vec<usize>, TrajectoryError> {
        let found = matching(self.columns, pattern).map_err(|fault| TrajectoryError::BadGlob {
            file: self.file.to_owned(),
            pattern: pattern.to_owned(),
            reason: fault.kind().to_string(),
            columns: names(self.columns),
        })?;
        if found.is_empty() {
            return Err(TrajectoryError::NoMatch {
                file: self.file.to_owned(),
                role,
                pattern: pattern.to_owned(),
                columns: names(self.columns),
            });
        }
        Ok(found)
    }
}

/// Positions of the columns that `pattern` names: exactly if it can, as a glob otherwise.
pub(super) fn matching(columns: &[Column], pattern: &str) -> Result<Vec<usize>, globset::Error> {
    let positions = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let both =
            |column: &Column| fits(&column.name) || column.array.as_deref().is_some_and(fits);
        (0..columns.len())
            .filter(|&index| both(&columns[index]))
            .collect()
    };
    let exact = positions(&|name| name == pattern);
    if !exact.is_empty() {
        return Ok(exact);
    }
    let glob: GlobMatcher = Glob::new(pattern)?.compile_matcher();
    Ok(positions(&|name| glob.is_match(name)))
}

fn refuse_unusable(file: &Path, column: &Column) -> Result<(), TrajectoryError> {
    match &column.kind {
        Kind::Unusable(reason) => Err(TrajectoryError::Unusable {
            file: file.to_owned(),
            column: column.name.clone(),
            reason: reason.clone(),
        }),
        _ => Ok(()),
    }
}

fn refuse_same_names(
    file: &Path,
    columns: &[Column],
    slots: &[Option<Slot>],
) -> Result<(), TrajectoryError> {
    let mut count = std::collections::HashMap::new();
    for column in columns {
        *count.entry(column.name.as_str()).or_insert(0) += 1;
    }
    let twice = columns.iter().zip(slots).find(|(column, slot)| {
        let used = matches!(slot, Some(Slot::Value(..) | Slot::Word));
        used && count[column.name.as_str()] > 1
    });
    match twice {
        Some((column, _)) => Err(TrajectoryError::SameName {
            file: file.to_owned(),
            column: column.name.clone(),
        }),
        None => Ok(()),
    }
}

pub(super) fn names(columns: &[Column]) -> String {
    let named: Vec<&str> = columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    list(named.into_iter())
}
