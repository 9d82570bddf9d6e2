//! Which column is what: chosen by the user, or guessed from the names.

use std::fmt;
use std::path::Path;

use globset::{Glob, GlobMatcher};

use super::TrajectoryError;
use super::conventions::{Convention, convention, rank};
use super::source::{Column, Kind, Source, list};
use super::table::{Block, Slot};

/// Which columns play which role, by name or glob (`obs_*`, `q[12]`); a name that exists is never
/// read as a glob, and the name of an NPZ array stands for all its columns.
///
/// What is left empty is guessed from the names. A chosen column is never guessed to be anything
/// else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleSelection {
    /// The state columns.
    pub state: Vec<String>,
    /// The action columns.
    pub action: Vec<String>,
    /// The reward column.
    pub reward: Option<String>,
    /// The column whose value says which rows belong together.
    pub episode: Option<String>,
    /// Whether to read what only the judgement and the training of policies need: the state after
    /// the last step of an episode, and the log density of each action under the policy that took it.
    pub transitions: bool,
}

/// The columns of one role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssignedRole {
    /// Names of the columns; none where the file does not have the role.
    pub columns: Vec<String>,
    /// Whether they were guessed from their names.
    pub guessed: bool,
}

/// A column that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredColumn {
    /// Name of the column or array.
    pub name: String,
    /// Why it was left out, in a few words.
    pub reason: String,
}

/// What every column of a file was taken for.
///
/// Displayed, it is a few lines for a terminal, without a line end after the last:
///
/// ```text
/// state: obs_x, obs_x_dot (guessed)
/// action: act_push (guessed); reward: reward (guessed); episode: episode (guessed)
/// ignored: t (time or index); next_x, next_x_dot (next state)
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// The states, at least one.
    pub state: AssignedRole,
    /// The actions, if any.
    pub action: AssignedRole,
    /// The reward, if any: one column.
    pub reward: AssignedRole,
    /// The episode label, if any: one column.
    pub episode: AssignedRole,
    /// The flag of a step that ended the run for good, if any: one column.
    pub terminated: AssignedRole,
    /// The flag of a step after which the recording stopped, if any: one column.
    pub truncated: AssignedRole,
    /// The flag of a row that starts an episode, if any: one column.
    pub restart: AssignedRole,
    /// The states after each step, if they were asked for and are there.
    pub next_state: AssignedRole,
    /// The log density of the actions, if it was asked for and is there: one column.
    pub log_probability: AssignedRole,
    /// The columns that were not read, in the order of the file.
    pub ignored: Vec<IgnoredColumn>,
    /// What else the user should know about how the file was understood.
    pub notes: Vec<String>,
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state: {}", self.state)?;
        let others = [
            ("action", &self.action),
            ("reward", &self.reward),
            ("episode", &self.episode),
            ("terminated", &self.terminated),
            ("truncated", &self.truncated),
            ("restart", &self.restart),
            ("next state", &self.next_state),
            ("log probability", &self.log_probability),
        ];
        let others: Vec<String> = others
            .into_iter()
            .filter(|(_, role)| !role.columns.is_empty())
            .map(|(name, role)| format!("{name}: {role}"))
            .collect();
        if !others.is_empty() {
            write!(f, "\n{}", others.join("; "))?;
        }
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for IgnoredColumn { name, reason } in &self.ignored {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, names)) => names.push(name),
                None => reasons.push((reason, vec![name])),
            }
        }
        if !reasons.is_empty() {
            let ignored: Vec<String> = reasons
                .into_iter()
                .map(|(reason, names)| format!("{} ({reason})", shorten(&names)))
                .collect();
            write!(f, "\nignored: {}", ignored.join("; "))?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for AssignedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        f.write_str(&shorten(&names))?;
        if self.guessed {
            f.write_str(" (guessed)")?;
        }
        Ok(())
    }
}

/// A list that fits a terminal line: long ones lose their middle.
fn shorten(names: &[&str]) -> String {
    match names {
        [first, second, third, .., last] if names.len() > 8 => {
            format!("{first}, {second}, {third}, … {last} [{}]", names.len())
        }
        _ => names.join(", "),
    }
}

/// Gives the columns their roles; the slots are parallel to `columns`.
pub(super) fn resolve(
    file: &Path,
    columns: &[Column],
    selection: &RoleSelection,
) -> Result<(Roles, Vec<Option<Slot>>), TrajectoryError> {
    let mut assignment = Assignment {
        file,
        columns,
        slots: vec![None; columns.len()],
        roles: Roles::default(),
    };
    assignment.choose(selection)?;
    assignment.guess(selection)?;
    if assignment.roles.state.columns.is_empty() {
        return Err(TrajectoryError::NoState {
            file: file.to_owned(),
            columns: names(columns),
        });
    }
    refuse_same_names(file, columns, &assignment.slots)?;
    assignment.explain_ignored();
    Ok((assignment.roles, assignment.slots))
}

/// Finds the columns of the actions to come; the slots are parallel to the columns of `source`.
pub(super) fn resolve_actions(
    file: &Path,
    source: &dyn Source,
    action_names: &[String],
) -> Result<Vec<Option<Slot>>, TrajectoryError> {
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
    let mut slots = vec![None; columns.len()];
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
        refuse_unusable(file, &columns[index])?;
        slots[index] = Some(Slot::Value(Block::Action, position));
    }
    refuse_same_names(file, columns, &slots)?;
    Ok(slots)
}

/// The one column of labels.
pub(super) fn resolve_labels(
    file: &Path,
    source: &dyn Source,
    column: &str,
) -> Result<Vec<Option<Slot>>, TrajectoryError> {
    let columns = source.columns();
    let mut slots = vec![None; columns.len()];
    let Some(index) = columns.iter().position(|known| known.name == column) else {
        return Err(TrajectoryError::NoMatch {
            file: file.to_owned(),
            role: "label",
            pattern: column.to_owned(),
            columns: names(columns),
        });
    };
    refuse_unusable(file, &columns[index])?;
    slots[index] = Some(Slot::Label);
    refuse_same_names(file, columns, &slots)?;
    Ok(slots)
}

struct Assignment<'a> {
    file: &'a Path,
    columns: &'a [Column],
    slots: Vec<Option<Slot>>,
    roles: Roles,
}

impl Assignment<'_> {
    fn choose(&mut self, selection: &RoleSelection) -> Result<(), TrajectoryError> {
        for (block, patterns) in [
            (Block::State, &selection.state),
            (Block::Action, &selection.action),
        ] {
            let mut position = 0;
            for pattern in patterns {
                for index in self.matches(pattern, block.name())? {
                    if self.take(index, Slot::Value(block, position), false)? {
                        position += 1;
                    }
                }
            }
        }
        for (slot, pattern) in [
            (Slot::Value(Block::Reward, 0), &selection.reward),
            (Slot::Label, &selection.episode),
        ] {
            let Some(pattern) = pattern else { continue };
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

    fn guess(&mut self, selection: &RoleSelection) -> Result<(), TrajectoryError> {
        let singles = [
            (
                Convention::Reward,
                Slot::Value(Block::Reward, 0),
                selection.reward.is_none(),
            ),
            (
                Convention::Episode,
                Slot::Label,
                selection.episode.is_none(),
            ),
            (
                Convention::Terminated,
                Slot::Value(Block::Terminated, 0),
                true,
            ),
            (
                Convention::Truncated,
                Slot::Value(Block::Truncated, 0),
                true,
            ),
            (Convention::Restart, Slot::Value(Block::Restart, 0), true),
            (
                Convention::LogProbability,
                Slot::Value(Block::LogProbability, 0),
                selection.transitions,
            ),
        ];
        for (role, slot, open) in singles {
            let usable =
                |kind: &Kind| *kind == Kind::Number || (slot == Slot::Label && *kind == Kind::Text);
            let best = self
                .free(role)
                .filter(|&index| usable(&self.columns[index].kind))
                .min_by_key(|&index| rank(role, self.columns[index].family()));
            if let Some(index) = best.filter(|_| open) {
                self.take(index, slot, true)?;
            }
        }
        if selection.action.is_empty() {
            let actions: Vec<usize> = self.free_numbers(Some(Convention::Action)).collect();
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
                let others: Vec<usize> = self.free_numbers(None).collect();
                self.take_all(&others, Block::State)?;
            } else {
                self.take_all(&named, Block::State)?;
            }
        }
        if selection.transitions {
            self.pair_successors()?;
        }
        Ok(())
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
        self.slots[index] = Some(slot);
        let role = match slot {
            Slot::Label => &mut self.roles.episode,
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

    fn explain_ignored(&mut self) {
        let chosen_states = !self.roles.state.guessed;
        for (column, slot) in self.columns.iter().zip(&self.slots) {
            if slot.is_some() {
                continue;
            }
            let reason = match (&column.kind, convention(column.family())) {
                (Kind::Blank, _) => "empty",
                (Kind::Unusable(reason), _) => reason,
                (_, Some(Convention::Index)) => "time or index",
                (_, Some(Convention::Successor)) => "next state",
                (_, Some(Convention::Bookkeeping)) => "bookkeeping",
                (_, Some(Convention::LogProbability)) => "log probability",
                (Kind::Text, _) => "text",
                (Kind::Unnamed, _) => "no name",
                (_, None) if chosen_states => "not chosen",
                (_, None) => "not named like a state",
                (_, Some(_)) => "not chosen",
            };
            // A nameless column without values is a comma too many at the line ends.
            if column.name.is_empty() && column.kind == Kind::Blank {
                continue;
            }
            self.roles.ignored.push(IgnoredColumn {
                name: column.name.clone(),
                reason: reason.to_owned(),
            });
        }
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
    let twice = columns
        .iter()
        .zip(slots)
        .find(|(column, slot)| slot.is_some() && count[column.name.as_str()] > 1);
    match twice {
        Some((column, _)) => Err(TrajectoryError::SameName {
            file: file.to_owned(),
            column: column.name.clone(),
        }),
        None => Ok(()),
    }
}

fn names(columns: &[Column]) -> String {
    let named: Vec<&str> = columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    list(named.into_iter())
}
