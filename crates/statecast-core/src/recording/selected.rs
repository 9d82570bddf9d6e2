//! What of a recording is wanted at all: some of its episodes, and no more states than a caller can use.

use std::ops::Range;

use super::RecordingError;
use super::cells::Block;
use super::table::Table;

/// Labels that a message names.
const SHOWN: usize = 20;

impl Table {
    /// Whether some episodes alone are wanted, so that a gap may be of one that is not.
    pub(super) fn keeps_some_episodes(&self) -> bool {
        !self.wanted_episodes.is_empty()
    }

    /// Leaves out the rows of episodes that are not wanted, so that nothing of them is checked or filled.
    pub(super) fn chosen_episodes(
        &mut self,
        episodes: Vec<(String, Range<usize>)>,
    ) -> Result<Vec<(String, Range<usize>)>, RecordingError> {
        let has = |wanted: &&String| episodes.iter().all(|(name, _)| name != *wanted);
        if let Some(label) = self.wanted_episodes.iter().find(has) {
            let known: Vec<&str> = episodes.iter().map(|(name, _)| name.as_str()).collect();
            return Err(RecordingError::NoEpisode {
                label: label.clone(),
                known: known[..known.len().min(SHOWN)].join(", "),
            });
        }
        if self.wanted_episodes.is_empty() {
            return Ok(episodes);
        }
        let wanted = |(name, _): &(String, _)| self.wanted_episodes.contains(name);
        let kept: Vec<(String, Range<usize>)> = episodes.into_iter().filter(wanted).collect();
        let rows: Vec<usize> = kept.iter().flat_map(|(_, rows)| rows.clone()).collect();
        let in_file = rows.iter().map(|&row| self.row_in_file[row]).collect();
        self.put_in_order(rows);
        self.row_in_file = in_file;
        let mut start = 0;
        let moved = kept.into_iter().map(|(name, rows)| {
            start += rows.len();
            (name, start - rows.len()..start)
        });
        Ok(moved.collect())
    }

    /// Refuses more states than the caller can use, before any of them is filled.
    pub(super) fn refuse_many_states(&self) -> Result<(), RecordingError> {
        let states = self.blocks[Block::State as usize].names.len();
        match self.most_states {
            Some(most) if states > most => Err(RecordingError::TooManyStates {
                file: self.file.clone(),
                states,
                most,
            }),
            _ => Ok(()),
        }
    }
}
