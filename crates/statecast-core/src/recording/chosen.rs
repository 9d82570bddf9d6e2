//! Roles that the user chooses, by names and patterns.

use globset::{Glob, GlobMatcher};

use super::assignment::{Assignment, names};
use super::cells::Block;
use super::labels::Claim;
use super::source::{Column, list};
use super::table::Slot;
use super::{RecordingError, RoleSelection};

impl Assignment<'_, '_> {
    pub(super) fn choose(&mut self, selection: &RoleSelection) -> Result<(), RecordingError> {
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
            let several = matches!(slot, Slot::Label(_))
                && self.columns.iter().all(|column| column.name != *pattern);
            let parts: Vec<&str> = match several {
                true => pattern.split(',').map(str::trim).collect(),
                false => vec![pattern],
            };
            for part in parts {
                let index = self.only_match(part, slot.role())?;
                self.take(index, slot, false)?;
            }
        }
        Ok(())
    }

    /// The one column that a pattern fits.
    fn only_match(&self, pattern: &str, role: &'static str) -> Result<usize, RecordingError> {
        let found = self.matches(pattern, role)?;
        match found.as_slice() {
            &[index] => Ok(index),
            found => Err(RecordingError::ManyMatches {
                file: self.file.to_owned(),
                role,
                pattern: pattern.to_owned(),
                columns: list(found.iter().map(|&index| self.columns[index].name.as_str())),
            }),
        }
    }

    /// Patterns of a list, of which those that are a name together once held a comma.
    pub(super) fn joined(&self, patterns: &[String]) -> Vec<String> {
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

    pub(super) fn matches(
        &self,
        pattern: &str,
        role: &'static str,
    ) -> Result<Vec<usize>, RecordingError> {
        let found = matching(self.columns, pattern).map_err(|fault| RecordingError::BadGlob {
            file: self.file.to_owned(),
            pattern: pattern.to_owned(),
            reason: fault.kind().to_string(),
            columns: names(self.columns),
        })?;
        if found.is_empty() {
            return Err(RecordingError::NoMatch {
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
