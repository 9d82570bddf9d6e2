//! What a filled table becomes: a recording, sequences of labels, runs of a log, a plan.

use std::ops::Range;

use ndarray::{ArcArray2, Array1, Array2};

use super::cells::{Block, Cells};
use super::clock::Clock;
use super::episode::LARGEST;
use super::labels::Labels;
use super::table::{MissingPolicy, Table};
use super::time_names::time_rank;
use super::times::TimeAxis;
use super::uneven::say_varying;
use crate::impute::Imputation;

use super::{
    Episode, LabelledRun, LoggedRun, PlanError, Recording, RecordingError, Roles, Timeline,
};

/// Names of guessed states that turned out to be none.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) counters: Vec<String>,
    pub(super) identifiers: Vec<String>,
}

/// A table as a recording.
pub(super) struct Finished {
    pub(super) recording: Recording,
    pub(super) left_out: LeftOut,
    /// What is known of missing states, if there were any and they were filled.
    pub(super) imputation: Option<Imputation>,
}

/// Says how many actions and rewards are held, if any.
fn held(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 missing action or reward repeats the value before it".to_owned()),
        _ => Some(format!(
            "{count} missing actions and rewards repeat the values before them"
        )),
    }
}

/// Blocks whose gaps can be held.
const HELD: [Block; 4] = [
    Block::State,
    Block::Action,
    Block::Reward,
    Block::LogProbability,
];

impl Table {
    /// The checked episodes, and what else is known of them.
    pub(super) fn into_recording(mut self, roles: &mut Roles) -> Result<Finished, RecordingError> {
        let episodes = self.settle(roles)?;
        self.take_logarithms(roles);
        self.warn_of_rounded(roles);
        self.say_written(roles);
        self.warn_of_sentinels(roles);
        let mut episodes = self.chosen_episodes(episodes)?;
        let mut final_states: Vec<Option<Vec<f64>>> = episodes
            .iter()
            .map(|(_, range)| self.final_states.remove(&self.row_in_file[range.end - 1]))
            .collect();
        let mut times = self
            .times
            .take()
            .map(|(column, times)| (column, times.of_rows(&self.row_in_file)));
        if let (MissingPolicy::Model { held_out }, Some((column, times))) =
            (self.missing, &mut times)
        {
            self.put_in_skipped(&mut episodes, (column, times), held_out, roles);
        }
        let rows = self.row_in_file.len();
        match self.missing {
            MissingPolicy::Error => self.refuse_gaps(roles)?,
            MissingPolicy::Hold => {
                roles.held = self.hold_gaps(&HELD, &episodes, roles)?;
            }
            MissingPolicy::Model { .. } => {
                roles.held = self.hold_gaps(&HELD[1..], &episodes, roles)?;
                roles.notes.extend(held(roles.held));
                self.hold_words(&episodes, roles)?;
                self.blocks[Block::State as usize].forget_infinite();
            }
        }
        self.refuse_large()?;
        let levels = self.spread_words(&mut final_states, roles)?;
        self.refuse_many_states()?;
        let imputation = match self.missing {
            MissingPolicy::Model { held_out } => self.fill_gaps(&episodes, held_out, roles)?,
            MissingPolicy::Error | MissingPolicy::Hold => None,
        };
        self.refuse_large()?;
        let axis = |range: &Range<usize>| {
            let (_, times) = times.as_ref()?;
            Some(TimeAxis::new(
                times.values[range.clone()].to_vec(),
                times.scale,
            ))
        };
        let axes: Vec<Option<TimeAxis>> = episodes.iter().map(|(_, range)| axis(range)).collect();
        if let Some((column, times)) = &times {
            say_varying(axes.iter().flatten(), (column, times.unit), roles);
        }
        let timeline = |range: Range<usize>| {
            let (column, times) = times.as_ref()?;
            Timeline::of(column, times, &range.collect::<Vec<_>>())
        };
        let timelines: Vec<Option<Timeline>> = episodes
            .iter()
            .map(|(_, range)| timeline(range.clone()))
            .collect();
        let [
            states,
            actions,
            rewards,
            terminated,
            truncated,
            _,
            successors,
            log_probabilities,
            _,
        ] = self.blocks;
        let state_names = states.names.clone();
        let action_names = actions.names.clone();
        let reward_name = rewards.names.first().cloned();
        let states: ArcArray2<f64> = states.into_array(rows).into_shared();
        let actions: ArcArray2<f64> = actions.into_array(rows).into_shared();
        let fits = |state: &Vec<f64>| state.len() == state_names.len();
        let episodes = episodes
            .into_iter()
            .zip(timelines)
            .zip(axes)
            .zip(final_states)
            .map(|((((name, range), timeline), times), final_state)| {
                let rewards = reward_name
                    .is_some()
                    .then(|| Array1::from(rewards.values[range.clone()].to_vec()));
                let flags = |cells: &Cells| range.clone().map(|row| cells.is_set(row)).collect();
                let (terminated, truncated) = (flags(&terminated), flags(&truncated));
                let last = successors.finite_row(range.end - 1);
                let last = last.map(|state| state.to_vec()).or(final_state);
                let last = last.filter(fits).map(Array1::from);
                let taken = log_probabilities.column(range.clone());
                let episode = Episode::from_shared(
                    name, range, &states, &actions, rewards, terminated, truncated,
                )?;
                episode
                    .with_timeline(timeline)
                    .with_final_state(last)?
                    .with_log_probabilities(taken)
                    .map(|episode| episode.with_times(times))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let recording = Recording::new(state_names, action_names, reward_name, episodes)?;
        let recording = recording.with_word_levels(levels);
        let left_out = LeftOut {
            counters: self.counters,
            identifiers: self.identifiers,
        };
        Ok(Finished {
            recording,
            left_out,
            imputation,
        })
    }

    /// The rows of a run that do not follow the row before, by its clock.
    fn breaks(&self, rows: Range<usize>) -> Vec<usize> {
        let Some((_, times)) = &self.times else {
            return Vec::new();
        };
        let values = self.row_in_file[rows].iter().map(|&row| times.values[row]);
        TimeAxis::new(values.collect(), times.scale).breaks()
    }

    /// The words of every row, cut into episodes.
    pub(super) fn into_sequences(
        mut self,
        roles: &mut Roles,
    ) -> Result<Vec<LabelledRun>, RecordingError> {
        let episodes = self.settle(roles)?;
        self.refuse_gaps(roles)?;
        let Some(words) = &self.words else {
            return Ok(Vec::new());
        };
        let of_rows = words.of_rows();
        let label = |&row: &usize| words.word(of_rows[row]).to_owned();
        Ok(episodes
            .into_iter()
            .map(|(name, rows)| LabelledRun {
                name,
                breaks: self.breaks(rows.clone()),
                labels: self.row_in_file[rows].iter().map(label).collect(),
            })
            .collect())
    }

    /// The first state column, cut into episodes; gaps stay NaN.
    pub(super) fn into_runs(mut self, roles: &mut Roles) -> Result<Vec<LoggedRun>, RecordingError> {
        self.is_log = true;
        // Logs count steps; a clock of theirs may run on where the steps go back.
        self.clocks
            .sort_by_key(|clock| match time_rank(&clock.name()) {
                (1, place) => (0, place),
                (class, place) => (class + 1, place),
            });
        let episodes = self.settle(roles)?;
        self.say_written(roles);
        self.warn_of_sentinels(roles);
        if let Some(gap) = self.label_gap(roles) {
            return Err(self.missing_at(gap));
        }
        let steps = self.steps(roles);
        let states = &self.blocks[Block::State as usize];
        let width = states.names.len();
        let value = |row: usize| match states.values[row * width] {
            value if value.abs() <= LARGEST => value,
            _ => f64::NAN,
        };
        Ok(episodes
            .into_iter()
            .map(|(name, rows)| LoggedRun {
                name,
                steps: steps.as_ref().map(|steps| steps[rows.clone()].to_vec()),
                values: rows.map(value).collect(),
            })
            .collect())
    }

    /// The counter of steps that orders the rows, if one does.
    fn steps(&self, roles: &Roles) -> Option<Vec<f64>> {
        let counts = |clock: &&Clock| {
            let mut columns = clock.columns.iter();
            clock.columns == roles.time.columns && columns.all(|name| time_rank(name).0 == 1)
        };
        let clock = self.clocks.iter().find(counts)?;
        let steps = clock.numbers_of_rows()?;
        let rows = self.row_in_file.iter();
        rows.map(|&row| steps.get(row).copied()).collect()
    }

    /// The action block alone, `[rows, actions]`, and the times of its rows.
    pub(super) fn into_actions(
        mut self,
        roles: &mut Roles,
    ) -> Result<(Array2<f64>, Option<Timeline>), RecordingError> {
        let episodes = self.settle(roles)?;
        self.refuse_gaps(roles)?;
        self.refuse_large()?;
        if episodes.len() > 1 {
            return Err(RecordingError::Plan(PlanError::ManyRuns {
                file: self.file.clone(),
                row: self.row_in_file[episodes[1].1.start] + 1,
                plans: episodes.len(),
            }));
        }
        let rows = self.row_in_file.len();
        let times = self.times.as_ref();
        let timeline =
            times.and_then(|(column, times)| Timeline::of(column, times, &self.row_in_file));
        let [_, actions, ..] = self.blocks;
        Ok((actions.into_array(rows), timeline))
    }

    /// Rows of the table: at least one, and as many in every block.
    pub(super) fn checked_rows(&self) -> Result<usize, RecordingError> {
        let used = || self.blocks.iter().filter(|cells| !cells.names.is_empty());
        let labelled = self.labels.iter().chain(&self.words).map(|l| l.rows);
        let mut lengths = used().map(Cells::rows).chain(labelled);
        let rows = lengths.next().unwrap_or(0);
        if rows == 0 {
            return Err(RecordingError::NoRows {
                file: self.file.clone(),
            });
        }
        match lengths.find(|&length| length != rows) {
            Some(length) => Err(RecordingError::Corrupt {
                file: self.file.clone(),
                format: "a table",
                reason: format!("one column has {rows} rows and another {length}"),
            }),
            None => Ok(rows),
        }
    }

    /// The first row without a label of those that are used: row, column, what it is.
    fn label_gap(&self, roles: &Roles) -> Option<(usize, String, &'static str)> {
        let used = |labels: &&Labels| roles.episode.columns.contains(&labels.column);
        let used = self.labels.iter().filter(used).chain(&self.words);
        let gaps = used.filter_map(|l| Some((l.first_gap()?, l.column.clone(), "NaN or missing")));
        gaps.min_by_key(|(row, ..)| *row)
    }

    pub(super) fn missing_at(
        &self,
        (row, column, what): (usize, String, &'static str),
    ) -> RecordingError {
        let known = self.gaps.get(&row);
        RecordingError::Missing {
            file: self.file.clone(),
            row: row + 1,
            line: known.map(|(line, _)| *line),
            column,
            what: known.map_or(what, |(_, what)| what),
        }
    }

    /// Values whose squares are not finite would leave as results that are not.
    fn refuse_large(&self) -> Result<(), RecordingError> {
        for block in [Block::State, Block::Action, Block::Reward, Block::Successor] {
            let cells = &self.blocks[block as usize];
            let is_large = |value: &f64| value.abs() > self.largest;
            if let Some(index) = cells.values.iter().position(is_large) {
                let width = cells.names.len();
                return Err(RecordingError::TooLarge {
                    file: self.file.clone(),
                    row: self.row_in_file[index / width] + 1,
                    column: cells.names[index % width].clone(),
                    value: cells.values[index],
                    limit: self.largest,
                });
            }
        }
        Ok(())
    }

    fn refuse_gaps(&self, roles: &Roles) -> Result<(), RecordingError> {
        let first = Block::ALL
            .iter()
            .filter_map(|&block| {
                let cells = &self.blocks[block as usize];
                let (row, column, what) = cells.first_gap()?;
                Some((self.row_in_file[row], cells.names[column].clone(), what))
            })
            .chain(self.label_gap(roles))
            .min_by_key(|(row, ..)| *row);
        match first {
            Some(gap) => Err(self.missing_at(gap)),
            None => Ok(()),
        }
    }

    fn hold_gaps(
        &mut self,
        blocks: &[Block],
        episodes: &[(String, Range<usize>)],
        roles: &Roles,
    ) -> Result<usize, RecordingError> {
        let gap = self.labels.iter().find(|labels| {
            labels.first_gap() == Some(0) && roles.episode.columns.contains(&labels.column)
        });
        if let Some(labels) = gap {
            return Err(self.nothing_to_hold(0, &labels.column, "NaN or missing"));
        }
        let mut held = 0;
        for &block in blocks {
            held +=
                self.hold_columns(block, 0..self.blocks[block as usize].names.len(), episodes)?;
        }
        Ok(held)
    }

    /// Repeats the value before every gap of some columns of a block, and counts them.
    pub(super) fn hold_columns(
        &mut self,
        block: Block,
        columns: Range<usize>,
        episodes: &[(String, Range<usize>)],
    ) -> Result<usize, RecordingError> {
        let mut held = 0;
        for (_, range) in episodes {
            let cells = &mut self.blocks[block as usize];
            held += cells
                .hold(range, columns.clone())
                .map_err(|(row, column, what)| {
                    let name = &self.blocks[block as usize].names[column];
                    self.nothing_to_hold(row, name, what)
                })?;
        }
        Ok(held)
    }

    fn nothing_to_hold(&self, row: usize, column: &str, what: &'static str) -> RecordingError {
        RecordingError::NothingToHold {
            file: self.file.clone(),
            row: self.row_in_file[row] + 1,
            column: column.to_owned(),
            what,
        }
    }
}
