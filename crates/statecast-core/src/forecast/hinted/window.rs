//! What a model remembers of a recording that may be longer than its window.

use std::collections::VecDeque;

use crate::forecast::ForecastError;
use crate::model::{Answers, HintedModel, HintedSequences, RowInput};

/// Fewest rows that are read at once of every channel.
const MIN_ROWS: usize = 16;

/// The rows in a model's memory. Once they fill its window it begins again with the later half of
/// them, so that every row is answered with at least half a window before it.
pub(super) struct Window {
    model: HintedModel,
    sequences: HintedSequences,
    /// The last rows that were read, one input a sequence, from which it can begin again.
    recent: VecDeque<Vec<RowInput>>,
    /// Whether they are kept: those of paths are not, which are forked with room for all their
    /// steps.
    keeps: bool,
}

impl Window {
    /// Nothing read of some sequences, with room for so many rows before memory must grow.
    pub(super) fn new(
        model: HintedModel,
        batch: usize,
        rows: usize,
    ) -> Result<Self, ForecastError> {
        Ok(Self {
            sequences: model.clone().sequences(batch, rows.min(model.window()))?,
            recent: VecDeque::new(),
            keeps: true,
            model,
        })
    }

    pub(super) fn batch(&self) -> usize {
        self.sequences.batch()
    }

    /// Rows that are best read at once of every sequence.
    pub(super) fn rows_at_once(&self) -> usize {
        let rows = (self.model.rows_at_once() / self.batch()).max(MIN_ROWS);
        rows.min(self.model.window() / 2).max(1)
    }

    /// Reads rows of all sequences, sequence by sequence, no more than
    /// [`rows_at_once`](Self::rows_at_once), and answers to all.
    pub(super) fn read(&mut self, inputs: &[RowInput]) -> Result<Answers, ForecastError> {
        let rows = inputs.len() / self.batch();
        if self.keeps && self.sequences.rows() + rows > self.model.window() {
            self.begin_again(rows)?;
        }
        let answers = self.sequences.read(inputs)?;
        if self.keeps {
            let of = |row: usize| inputs[row..].iter().step_by(rows).copied().collect();
            self.recent.extend((0..rows).map(of));
            let old = self.recent.len().saturating_sub(self.model.window());
            self.recent.drain(..old);
        }
        Ok(answers)
    }

    /// Reads the later half of a window again, or as much of it as leaves room for so many rows.
    fn begin_again(&mut self, rows: usize) -> Result<(), ForecastError> {
        let window = self.model.window();
        let later = self.last((window / 2).min(window.saturating_sub(rows)), 0);
        self.sequences.forget_all(window)?;
        self.remember(&later)
    }

    /// The last `rows` rows before `skipped` last ones, or all if there are fewer, sequence by
    /// sequence.
    fn last(&self, rows: usize, skipped: usize) -> Vec<RowInput> {
        let end = self.recent.len().saturating_sub(skipped);
        let rows = self.recent.range(end.saturating_sub(rows)..end);
        let of = |sequence: usize| rows.clone().map(move |row| row[sequence]);
        (0..self.batch()).flat_map(of).collect()
    }

    /// Forgets the last row of every sequence.
    pub(super) fn forget_last(&mut self) {
        self.sequences.forget_last();
        self.recent.pop_back();
    }

    /// Forgets all rows.
    pub(super) fn forget_all(&mut self) -> Result<(), ForecastError> {
        self.recent.clear();
        Ok(self.sequences.forget_all(0)?)
    }

    /// `count` continuations of every sequence that can read `rows` more, but for `skipped` last
    /// rows. Where the window has no room for them it is read again from later on.
    pub(super) fn fork(
        &self,
        count: usize,
        rows: usize,
        skipped: usize,
    ) -> Result<Self, ForecastError> {
        let room = self.model.window().saturating_sub(rows);
        let sequences = match self.sequences.rows() - skipped > room {
            true => {
                let mut later = Self::new(self.model.clone(), self.batch(), room)?;
                later.remember(&self.last(room, skipped))?;
                later.sequences.fork(count, rows)?
            }
            false => {
                let mut forked = self.sequences.fork(count, rows)?;
                (0..skipped).for_each(|_| forked.forget_last());
                forked
            }
        };
        Ok(Self {
            model: self.model.clone(),
            sequences,
            recent: VecDeque::new(),
            keeps: false,
        })
    }

    fn remember(&mut self, inputs: &[RowInput]) -> Result<(), ForecastError> {
        if inputs.is_empty() {
            return Ok(());
        }
        Ok(self.sequences.remember(inputs)?)
    }
}
