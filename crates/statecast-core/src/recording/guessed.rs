//! Roles that are guessed from the names of columns and from what they hold.

use std::collections::HashMap;

use super::assignment::{Assignment, refuse_unusable};
use super::cells::Block;
use super::company::{followed, set_aside, spellings};
use super::conventions::{
    Convention, is_bare_action, is_environment, is_probability, is_seed, is_vague_episode, rank,
};
use super::flag_names::is_end_of_episode;
use super::labels::Claim;
use super::padding::is_padding;
use super::source::{Kind, Precision};
use super::table::{COUNTER, Slot};
use super::time_names::{
    Part, is_written_time, part_of_stamp, part_of_time, parts_by_letters, time_rank,
};
use super::{RecordingError, RoleSelection};

/// Columns without a known name that are looked at for a counter: those stand in front.
const MAX_COUNTERS: usize = 4;

impl Assignment<'_, '_> {
    pub(super) fn guess(&mut self, selection: &RoleSelection) -> Result<(), RecordingError> {
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
        if selection.transitions && self.roles.log_probability.columns.is_empty() {
            let called = |index: usize| {
                let column = &self.columns[index];
                column.kind == Kind::Number && is_probability(column.family())
            };
            let found: Vec<usize> = self.free_where(called).collect();
            // Several are those of all actions.
            if let [index] = found[..] {
                self.take(index, Slot::Value(Block::LogProbability, 0), true)?;
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
                self.warn_of_vague_names();
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

    /// Says which columns are states like others though they are called like some of control.
    fn warn_of_vague_names(&mut self) {
        let names = set_aside(self.columns, &self.called);
        if !names.is_empty() {
            self.roles.warnings.push(format!(
                "{} may be called like a state or an action, but nothing is called like the rest of a recording of \
                 control, so every number is a state; name them with `state=` and `action=` if that is wrong",
                names.join(", ")
            ));
        }
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
    pub(super) fn guess_cuts(&mut self, selection: &RoleSelection) -> Result<(), RecordingError> {
        if selection.time.is_none() {
            self.guess_times();
        }
        let of_control = [Convention::Action, Convention::Reward];
        let controlled = of_control
            .iter()
            .all(|&role| self.called.contains(&Some(role)));
        for index in 0..self.columns.len() {
            let column = &self.columns[index];
            let vague = is_vague_episode(column.family());
            let claim = match (self.called[index], &column.kind) {
                (_, Kind::Number | Kind::Text) if controlled && is_environment(column.family()) => {
                    Claim::Environment
                }
                (Some(Convention::Episode), Kind::Number | Kind::Text) if vague => Claim::Vague,
                (Some(Convention::Episode), Kind::Number | Kind::Text) => Claim::Named,
                (Some(Convention::Series), Kind::Number | Kind::Text) => Claim::Perhaps,
                // Runs of one seed may number their episodes alike.
                (_, Kind::Number) if is_seed(column.family()) => Claim::Words,
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
        // Beside a flag of ends of the system, one of ends of episodes tells where they were cut off.
        let slots = &self.slots;
        let taken = |block| {
            slots
                .iter()
                .any(|slot| matches!(slot, Some(Slot::Value(of, _)) if *of == block))
        };
        let open = taken(Block::Terminated) && !taken(Block::Truncated);
        let over = self
            .free(Convention::Terminated)
            .filter(|&index| self.columns[index].kind == Kind::Number)
            .find(|&index| is_end_of_episode(self.columns[index].family()));
        if let Some(index) = over.filter(|_| open) {
            self.take(index, Slot::Value(Block::Truncated, 0), true)?;
        }
        let padding = self
            .free(Convention::Bookkeeping)
            .filter(|&index| self.columns[index].kind == Kind::Number)
            .find(|&index| is_padding(self.columns[index].family()));
        if let Some(index) = padding {
            self.take(index, Slot::Value(Block::Padding, 0), true)?;
        }
        Ok(())
    }

    /// Whatever may be the time: one of them will be.
    pub(super) fn guess_times(&mut self) {
        for (index, column) in self.columns.iter().enumerate() {
            let rank = match (&column.kind, self.called[index]) {
                (Kind::Number | Kind::Text | Kind::Date(_), Some(Convention::Time)) => {
                    time_rank(column.family())
                }
                (Kind::Date(_), _) => (0, usize::MAX),
                (Kind::Unnamed, _) => (2, usize::MAX),
                _ => continue,
            };
            self.slots[index].get_or_insert(Slot::Time(rank));
        }
        if !self.guess_stamp() {
            self.guess_parts();
        }
        for (index, column) in self.columns.iter().enumerate() {
            if column.kind == Kind::Text && is_written_time(column.family()) {
                self.slots[index].get_or_insert(Slot::Time((0, usize::MAX)));
            }
        }
    }

    /// Seconds and nanoseconds of one stamp, as in exports of ROS; whether there are such.
    fn guess_stamp(&mut self) -> bool {
        let parts: Vec<(usize, Part, String)> = (0..self.columns.len())
            .filter(|&index| self.columns[index].kind == Kind::Number)
            .filter_map(|index| {
                let (part, stamp) = part_of_stamp(self.columns[index].family())?;
                Some((index, part, stamp))
            })
            .collect();
        let seconds = parts
            .iter()
            .filter(|(_, part, _)| *part == Part::StampSeconds);
        let mut pairs = seconds.filter_map(|(seconds, _, stamp)| {
            let nanos = parts
                .iter()
                .find(|(_, part, other)| *part == Part::StampNanos && other == stamp)?;
            let free = |index: usize| !matches!(self.slots[index], Some(Slot::Value(..)));
            (free(*seconds) && free(nanos.0)).then_some((*seconds, nanos.0))
        });
        let Some((seconds, nanos)) = pairs.next() else {
            return false;
        };
        self.slots[seconds] = Some(Slot::Part(Part::StampSeconds));
        self.slots[nanos] = Some(Slot::Part(Part::StampNanos));
        true
    }

    /// Numbers under unknown names, of which one may turn out to count rows backwards.
    pub(super) fn guess_counters(&mut self) {
        let unknown: Vec<usize> = self.free_numbers(None).take(MAX_COUNTERS).collect();
        for index in unknown {
            self.slots[index] = Some(Slot::Time((COUNTER, index)));
        }
    }

    /// Columns that are the time together: year and month with what is finer, or hours beside days.
    fn guess_parts(&mut self) {
        let lettered = parts_by_letters(self.columns.iter().map(|column| column.name.as_str()));
        let free: Vec<(usize, Part)> = (0..self.columns.len())
            .filter(|&index| self.slots[index].is_none())
            .filter_map(|index| {
                let column = &self.columns[index];
                let part = lettered[index].or_else(|| part_of_time(column.family()))?;
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
    fn pair_successors(&mut self) -> Result<(), RecordingError> {
        let mut followers: HashMap<String, usize> = HashMap::new();
        for index in self.free_numbers(Some(Convention::Successor)) {
            for (state, _) in followed(&self.columns[index].name) {
                followers.entry(state).or_insert(index);
            }
        }
        let follower = |state: &String| {
            let mut names = spellings(state).into_iter();
            names.find_map(|name| followers.get(&name).copied())
        };
        let found: Option<Vec<usize>> = self.roles.state.columns.iter().map(follower).collect();
        match found {
            Some(found) => self.take_all(&found, Block::Successor),
            None => Ok(()),
        }
    }
}
