//! Gives columns their roles: as the user chose (`chosen`), or guessed from their names (`guessed`).

use std::collections::HashSet;
use std::path::Path;

use super::cells::Block;
use super::company::conventions_of;
use super::conventions::{Convention, convention, is_probability};
use super::episode::LARGEST_OF_TRANSITIONS;
use super::finished::LeftOut;
use super::labels::Claim;
use super::source::{Column, Kind, Source, list};
use super::table::{Slot, Table};
use super::{
    AssignedRole, Duplicates, EndFlag, IgnoredColumn, MissingPolicy, RecordingError, RoleSelection,
    Roles,
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
    wanted_episodes: Vec<String>,
    most_states: Option<usize>,
    /// Columns of words that are states.
    levels: Vec<String>,
}

/// Gives the columns their roles.
pub(super) fn resolve<'a>(
    file: &'a Path,
    columns: &[Column],
    selection: &RoleSelection,
) -> Result<Resolved<'a>, RecordingError> {
    let mut assignment = Assignment::new(file, columns);
    assignment.choose(selection)?;
    assignment.guess(selection)?;
    if !selection.state.is_empty() && selection.time.is_none() {
        assignment.guess_counters();
    }
    let levels = assignment.take_levels(&selection.levels)?;
    if let (Some(column), Duplicates::Mean) = (levels.first(), selection.duplicates) {
        return Err(RecordingError::Invalid {
            name: column.clone(),
            reason: "words have no mean; use `duplicates=last`".to_owned(),
        });
    }
    if assignment.roles.state.columns.is_empty() {
        assignment.take_number_beside_date()?;
    }
    let mut open_states = assignment.open_states;
    if assignment.roles.state.columns.is_empty() {
        let vague = |slot: &Option<Slot>| *slot == Some(Slot::Label(Claim::Vague));
        let mut numbers = assignment.slots.iter().zip(columns);
        open_states = numbers.any(|(slot, column)| vague(slot) && column.kind == Kind::Number);
        if !open_states {
            return Err(RecordingError::NoState {
                file: file.to_owned(),
                columns: assignment.set_aside(),
            });
        }
        assignment.roles.state.guessed = true;
    }
    let resolved = assignment.resolved(open_states, true, selection.duplicates)?;
    Ok(Resolved {
        transitions: selection.transitions,
        missing_values: selection.missing_values.clone(),
        wanted_episodes: selection.only_episodes.clone(),
        most_states: selection.most_states,
        levels,
        ..resolved
    })
}

/// Finds a column of labels, beside what cuts and orders the rows.
pub(super) fn resolve_sequence<'a>(
    file: &'a Path,
    columns: &[Column],
    column: &str,
    selection: &RoleSelection,
) -> Result<Resolved<'a>, RecordingError> {
    let mut assignment = Assignment::new(file, columns);
    let Some(index) = columns.iter().position(|known| known.name == column) else {
        return Err(RecordingError::NoMatch {
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
    if only.time.is_none() {
        assignment.guess_counters();
    }
    assignment.resolved(false, false, selection.duplicates)
}

impl Resolved<'_> {
    /// An empty table for the columns that have a slot.
    fn table(&self, missing: MissingPolicy) -> Table {
        let mut table = Table::new(self.file, missing, &self.columns, &self.slots);
        table.duplicates = self.duplicates;
        table.missing_values.clone_from(&self.missing_values);
        table.wanted_episodes.clone_from(&self.wanted_episodes);
        table.most_states = self.most_states;
        table.expect_words(&self.levels);
        table.wants_successors = self.transitions;
        table.open_states = self.open_states;
        table.needs_states = self.needs_states;
        if self.transitions {
            table.largest = LARGEST_OF_TRANSITIONS;
        }
        let mut used = self.columns.iter().zip(&self.slots);
        table.of_probabilities = used.any(|(column, slot)| {
            *slot == Some(Slot::Value(Block::LogProbability, 0)) && is_probability(column.family())
        });
        table.time_is_chosen = !self.roles.time.columns.is_empty();
        table
    }

    /// What the flag of ends means, as far as its name says.
    pub(super) fn end_flag(&self, roles: &Roles) -> EndFlag {
        let of = |role: &AssignedRole| {
            let name = role.columns.first()?;
            let column = self.columns.iter().find(|column| column.name == *name)?;
            Some(column.family())
        };
        let beside_truncated = of(&roles.truncated).is_some();
        of(&roles.terminated).map_or_else(EndFlag::default, |name| {
            EndFlag::called(name, beside_truncated)
        })
    }

    /// The table of a source whose columns these are.
    pub(super) fn filled(
        &self,
        source: Box<dyn Source>,
        missing: MissingPolicy,
    ) -> Result<Table, RecordingError> {
        let mut table = self.table(missing);
        table.bounds = Some(source.bounds());
        source.read(&self.slots, &mut table)?;
        Ok(table)
    }

    /// Says why columns are not used, once the rows are known; `left_out` are states that turned
    /// out to be none.
    pub(super) fn explain_ignored(&self, roles: &mut Roles, left_out: &LeftOut) {
        let chosen_states = !roles.state.guessed;
        let used: HashSet<&String> = roles.assigned().flat_map(|role| &role.columns).collect();
        let mut ignored = Vec::new();
        let called = conventions_of(&self.columns);
        for ((column, slot), called) in self.columns.iter().zip(&self.slots).zip(called) {
            let given = slot.is_some() && used.contains(&column.name);
            // A nameless column without values is a comma too many at the line ends.
            if given
                || *slot == Some(Slot::Word)
                || (column.name.is_empty() && column.kind == Kind::Blank)
            {
                continue;
            }
            let reason = match reason(column, called) {
                _ if left_out.counters.contains(&column.name) && column.kind != Kind::Blank => {
                    "regular as a clock or a counter"
                }
                _ if left_out.identifiers.contains(&column.name) => "identifier",
                Some(reason) => reason,
                None if called.is_none() && !chosen_states => "not named like a state",
                None => "not chosen",
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

/// Why a column is no state, by what it holds and is called.
fn reason(column: &Column, called: Option<Convention>) -> Option<&str> {
    Some(match (&column.kind, called) {
        (Kind::Blank, _) => "empty",
        (Kind::Unusable(reason), _) => reason,
        (Kind::Date(_), _) | (_, Some(Convention::Time)) => "time or index",
        (Kind::Number, Some(Convention::Series | Convention::Episode)) => "identifier",
        (_, Some(Convention::Successor)) => "next state",
        (_, Some(Convention::Bookkeeping)) => "bookkeeping",
        (_, Some(Convention::LogProbability)) => "log probability",
        (Kind::Text, _) => "text",
        (Kind::Unnamed, _) => "no name",
        _ => return None,
    })
}

/// Finds the columns of the actions to come, and the time.
pub(super) fn resolve_actions<'a>(
    file: &'a Path,
    source: &dyn Source,
    action_names: &[String],
    time: Option<&str>,
) -> Result<Resolved<'a>, RecordingError> {
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
        return Err(RecordingError::NoMatch {
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

/// Roles on the way to being given.
pub(super) struct Assignment<'f, 'c> {
    pub(super) file: &'f Path,
    pub(super) columns: &'c [Column],
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) roles: Roles,
    /// What the name of each column stands for beside the others.
    pub(super) called: Vec<Option<Convention>>,
    /// Whether the states are guessed from columns without a known name.
    pub(super) open_states: bool,
    /// Whether all that could be states are called like actions, such as `u`.
    pub(super) bare_states: bool,
}

impl<'f, 'c> Assignment<'f, 'c> {
    fn new(file: &'f Path, columns: &'c [Column]) -> Self {
        Self {
            file,
            columns,
            slots: vec![None; columns.len()],
            roles: Roles::default(),
            called: conventions_of(columns),
            open_states: false,
            bare_states: false,
        }
    }

    fn resolved(
        self,
        open_states: bool,
        needs_states: bool,
        duplicates: Duplicates,
    ) -> Result<Resolved<'f>, RecordingError> {
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
            wanted_episodes: Vec::new(),
            most_states: None,
            levels: Vec::new(),
        })
    }

    /// Beside dates the only number is the series, whatever it is called: `steps` of a day, `index` of prices.
    fn take_number_beside_date(&mut self) -> Result<(), RecordingError> {
        let may_be = |index: &usize| {
            let time = matches!(self.slots[*index], Some(Slot::Time(_) | Slot::Part(_)));
            time && self.columns[*index].kind == Kind::Number
        };
        let numbers: Vec<usize> = (0..self.columns.len()).filter(may_be).collect();
        let dated = self.columns.iter().zip(&self.slots).any(|(column, slot)| {
            matches!(column.kind, Kind::Date(_)) && matches!(slot, Some(Slot::Time(_)))
        });
        let chosen = !self.roles.time.columns.is_empty();
        if let (&[index], true, false) = (&numbers[..], dated, chosen) {
            self.slots[index] = None;
            self.take(index, Slot::Value(Block::State, 0), true)?;
        }
        Ok(())
    }

    /// The columns with why each is no state, for a message.
    fn set_aside(&self) -> String {
        let columns = self.columns.iter().zip(&self.slots).zip(&self.called);
        let described = columns.filter(|((column, _), _)| !column.name.is_empty());
        let described = described.map(|((column, slot), called)| {
            let reason = match slot {
                Some(slot @ (Slot::Time(_) | Slot::Part(_) | Slot::Value(..))) => slot.role(),
                _ => reason(column, *called).unwrap_or("label"),
            };
            format!("{} ({reason})", column.name)
        });
        let described: Vec<String> = described.collect();
        list(described.iter().map(String::as_str))
    }

    /// Columns without a role that are called like `role`.
    pub(super) fn free(&self, role: Convention) -> impl Iterator<Item = usize> {
        self.free_where(move |index| self.called[index] == Some(role))
    }

    /// Columns of numbers without a role, called like `role` or like nothing known.
    pub(super) fn free_numbers(&self, role: Option<Convention>) -> impl Iterator<Item = usize> {
        self.free_where(move |index| {
            self.columns[index].kind == Kind::Number && self.called[index] == role
        })
    }

    pub(super) fn free_where(&self, fits: impl Fn(usize) -> bool) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(move |&index| self.slots[index].is_none() && fits(index))
    }

    pub(super) fn take_all(
        &mut self,
        indices: &[usize],
        block: Block,
    ) -> Result<(), RecordingError> {
        for (position, &index) in indices.iter().enumerate() {
            self.take(index, Slot::Value(block, position), true)?;
        }
        Ok(())
    }

    /// Gives a column its role; `false` if it has the role already.
    pub(super) fn take(
        &mut self,
        index: usize,
        slot: Slot,
        guessed: bool,
    ) -> Result<bool, RecordingError> {
        let column = &self.columns[index];
        if let Some(taken) = self.slots[index] {
            if taken.role() == slot.role() {
                return Ok(false);
            }
            return Err(RecordingError::TwoRoles {
                file: self.file.to_owned(),
                column: column.name.clone(),
                first: taken.role(),
                second: slot.role(),
            });
        }
        refuse_unusable(self.file, column)?;
        if matches!(column.kind, Kind::Date(_)) && matches!(slot, Slot::Value(..)) {
            return Err(RecordingError::Unusable {
                file: self.file.to_owned(),
                column: column.name.clone(),
                reason: "a date or time".to_owned(),
            });
        }
        self.slots[index] = Some(slot);
        let role = match slot {
            Slot::Word | Slot::Value(Block::Padding, _) => return Ok(true),
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
}

pub(super) fn refuse_unusable(file: &Path, column: &Column) -> Result<(), RecordingError> {
    match &column.kind {
        Kind::Unusable(reason) => Err(RecordingError::Unusable {
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
) -> Result<(), RecordingError> {
    let mut count = std::collections::HashMap::new();
    for column in columns {
        *count.entry(column.name.as_str()).or_insert(0) += 1;
    }
    let twice = columns.iter().zip(slots).find(|(column, slot)| {
        let used = matches!(slot, Some(Slot::Value(..) | Slot::Word));
        used && count[column.name.as_str()] > 1
    });
    match twice {
        Some((column, _)) => Err(RecordingError::SameName {
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
