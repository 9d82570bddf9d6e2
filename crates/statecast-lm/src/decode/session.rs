//! The loop of prediction and feedback, for a batch of channels and paths.

use std::ops::Range;

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use ndarray::{Array2, Array3};

use super::predicted::Predicted;
use super::trees::{GrowingTree, grow};
use super::{Temperature, Tolerance};
use crate::codec::Bin;
use crate::density::{DigitTree, locate};
use crate::model::{Branch, Model, ModelError, Sequences, Wanted, digit_paths_that_fit};

/// Fewest positions that are read at once of every sequence: each chunk goes through all keys.
const SHORTEST_CHUNK: usize = 16;

/// What a model has read of a batch of sequences, and its prediction of each one's next value.
///
/// A session goes on as observations come, goes back, and is continued along many paths at once,
/// without reading anything twice:
///
/// ```
/// use ndarray::Array2;
/// use statecast_lm::codec::{Bin, builtin_formats};
/// use statecast_lm::decode::{Session, Temperature, Tolerance};
/// use statecast_lm::model::{Device, Model, ModelSource, Precision};
///
/// let formats = builtin_formats()?;
/// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu)?;
/// let wave = Array2::from_shape_fn((60, 1), |(t, _)| {
///     Bin::quantise(5.0 + 3.0 * (0.3 * t as f64).sin()).bin
/// });
/// let (temperature, tolerance) = (Temperature::default(), Tolerance::default());
/// let (mut session, _) = Session::start(&model, &wave, temperature, tolerance, 0..0)?;
/// let before = session.next_densities()?;
/// session.advance(&[Bin::quantise(3.0).bin])?;
/// session.rollback(60)?;
/// let after = session.next_densities()?;
/// assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    model: Model,
    temperature: Temperature,
    tolerance: Tolerance,
    sequences: Box<dyn Sequences>,
    /// Values read, row by row of the batch.
    history: Vec<Bin>,
    /// Tokens read of every sequence, without those ahead.
    end: usize,
    /// Probabilities of the next value's first symbol, `[batch, symbols]`.
    first: Vec<f32>,
    /// Tokens after the history that [`draw`](Self::draw) has read of every sequence's next value.
    ahead: Vec<Vec<u32>>,
}

impl Session {
    /// Reads a context of bins `[rows, channels]` and returns the session after it, with the
    /// densities `[wanted rows, channels, 1000]` of some of the rows, each given the rows before
    /// it. A prompt that begins with its first number leaves the first row's density uniform.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn start(
        model: &Model,
        context: &Array2<Bin>,
        temperature: Temperature,
        tolerance: Tolerance,
        wanted: Range<usize>,
    ) -> Result<(Self, Array3<f32>), ModelError> {
        let (rows, channels) = context.dim();
        let mut session = Self::empty(model, channels, rows, temperature, tolerance)?;
        let densities = session.extend(context, wanted)?;
        Ok((session, densities))
    }

    /// A session of some channels that has read nothing, with room for so many rows before memory
    /// must grow.
    ///
    /// # Errors
    /// [`ModelError`] if memory runs out.
    pub fn empty(
        model: &Model,
        channels: usize,
        rows: usize,
        temperature: Temperature,
        tolerance: Tolerance,
    ) -> Result<Self, ModelError> {
        let capacity = model.tokens().tokens(rows).min(model.window());
        Ok(Self {
            model: model.clone(),
            temperature,
            tolerance,
            sequences: model.network().sequences(channels, capacity)?,
            history: Vec::new(),
            end: 0,
            first: uniform(model, channels),
            ahead: Vec::new(),
        })
    }

    /// Reads more observations `[rows, batch]` and returns the densities of some of these rows, as
    /// [`start`](Self::start) does.
    ///
    /// # Errors
    /// [`ModelError`] if the model's window ends, the model fails or memory runs out.
    pub fn extend(
        &mut self,
        observed: &Array2<Bin>,
        wanted: Range<usize>,
    ) -> Result<Array3<f32>, ModelError> {
        self.forget_ahead()?;
        let tokens = self.model.tokens();
        let (batch, before) = (self.batch(), self.rows());
        let rows = before + observed.nrows();
        self.check_window(rows)?;
        let (start, end) = (self.end, tokens.tokens(rows));
        let prompts: Vec<Vec<u32>> = observed
            .columns()
            .into_iter()
            .map(|column| {
                let mut prompt = self.unread_prefix().to_vec();
                column.iter().for_each(|&bin| tokens.push(&mut prompt, bin));
                prompt
            })
            .collect();
        let wanted = before + wanted.start..before + wanted.end;
        let mut predicted = Predicted::new(tokens, wanted, rows, batch);
        predicted.keep_first(before, &self.first);
        let at_once = self.model.network().tokens_at_once();
        let chunk = (at_once / batch.max(1)).max(SHORTEST_CHUNK).min(end);
        for start_of_chunk in (start..end).step_by(chunk.max(1)) {
            let range = start_of_chunk..end.min(start_of_chunk + chunk);
            let ids: Vec<u32> = prompts
                .iter()
                .flat_map(|prompt| &prompt[range.start - start..range.end - start])
                .copied()
                .collect();
            let reads: Vec<_> = (0..tokens.places().len())
                .map(|place| predicted.reads_within(tokens, place, range.clone()))
                .enumerate()
                .filter(|(_, reads)| !reads.is_empty())
                .collect();
            let wanted: Vec<Wanted> = reads
                .iter()
                .map(|(place, reads)| Wanted {
                    place: *place,
                    positions: reads
                        .iter()
                        .map(|&(_, at)| (at - range.start) as u32)
                        .collect(),
                })
                .collect();
            let logits = self.sequences.read(&ids, &wanted)?;
            for ((place, reads), logits) in reads.iter().zip(&logits) {
                predicted.keep(*place, reads, &probabilities(logits, self.temperature)?);
            }
        }
        self.history.extend(observed.iter());
        self.end = end;
        self.first = predicted.next();
        predicted.densities(tokens, observed, before, &|trees| self.grow(trees))
    }

    /// A session of `paths` continuations of every sequence, neighbours in the batch, with room for
    /// `steps` more values each before memory must grow. What was read is shared.
    ///
    /// # Errors
    /// [`ModelError`] if memory runs out.
    pub fn fork(&self, paths: usize, steps: usize) -> Result<Self, ModelError> {
        let tokens = self.model.tokens();
        let symbols = tokens.places()[0].symbols.len();
        let position = self.end;
        let branches: Vec<Branch> = (0..self.batch())
            .flat_map(|sequence| std::iter::repeat_n(Branch { sequence, position }, paths))
            .collect();
        // Of the last value that is drawn, the digits before the last are read for a moment.
        let capacity = steps * tokens.stride() + tokens.draw_length();
        Ok(Self {
            model: self.model.clone(),
            temperature: self.temperature,
            tolerance: self.tolerance,
            sequences: self.sequences.fork(&branches, capacity)?,
            history: repeated(&self.history, 1, paths),
            end: self.end,
            first: repeated(&self.first, symbols, paths),
            ahead: Vec::new(),
        })
    }

    /// Paths of so many steps that should be forked together: their keys and values take a third
    /// of what the weights take, so that weights are read often enough to be worth it and memory is
    /// that of the model.
    pub fn paths_at_once(&self, steps: usize) -> usize {
        let positions = steps * self.model.tokens().stride() * self.batch();
        let bytes = positions * self.model.network().bytes_a_position();
        digit_paths_that_fit(self.model.bytes(), bytes)
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.sequences.batch()
    }

    /// Values that were read of every sequence.
    pub fn rows(&self) -> usize {
        self.history.len() / self.batch()
    }

    /// Probabilities of the next value's bins, `[batch, 1000]` row by row.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn next_densities(&mut self) -> Result<Vec<f32>, ModelError> {
        if self.model.tokens().places().len() == 1 {
            return Ok(self.first.clone());
        }
        let at = self.end;
        let mut trees: Vec<GrowingTree> = self
            .first
            .chunks(10)
            .enumerate()
            .map(|(sequence, first)| GrowingTree {
                tree: DigitTree::new(first),
                sequence,
                at,
                observed: None,
            })
            .collect();
        self.grow(&mut trees)?;
        Ok(trees.iter().flat_map(|tree| tree.tree.mass()).collect())
    }

    /// Draws every sequence's next value: the bin, and the fraction of it, at which the cumulated
    /// probability reaches the sequence's level in `[0, 1)`.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn draw(&mut self, levels: &[f64]) -> Result<Vec<(Bin, f64)>, ModelError> {
        self.forget_ahead()?;
        let tokens = self.model.tokens();
        let places = tokens.places().len();
        let mut drawn: Vec<(usize, f64)> = levels.iter().map(|&level| (0, level)).collect();
        let mut mass = self.first.clone();
        for place in 0..places {
            let symbols = tokens.places()[place].symbols.len();
            for ((number, level), mass) in drawn.iter_mut().zip(mass.chunks(symbols)) {
                let (symbol, fraction) = locate(mass, *level);
                (*number, *level) = (*number * symbols + symbol, fraction);
            }
            if place + 1 < places {
                self.ahead.resize(drawn.len(), Vec::new());
                let mut ids = Vec::new();
                for (&(number, _), ahead) in drawn.iter().zip(&mut self.ahead) {
                    let from = ahead.len();
                    ahead.push(tokens.places()[place].symbols[number % symbols]);
                    ahead.extend_from_slice(&tokens.places()[place + 1].before);
                    ids.extend_from_slice(&ahead[from..]);
                }
                mass = read_last(&mut *self.sequences, &ids, place + 1, self.temperature)?;
            }
        }
        let bin = |number| Bin::new(number).expect("symbols of all places are one of 1000 numbers");
        Ok(drawn
            .into_iter()
            .map(|(number, level)| (bin(number), level))
            .collect())
    }

    /// Reads one more value of every sequence. Of values that have just been [drawn](Self::draw),
    /// only the last symbol is left to read.
    ///
    /// # Errors
    /// [`ModelError`] if the model's window ends or the model fails.
    pub fn advance(&mut self, values: &[Bin]) -> Result<(), ModelError> {
        let tokens = self.model.tokens();
        self.check_window(self.rows() + 1)?;
        let begin = self.unread_prefix();
        let written: Vec<Vec<u32>> = values
            .iter()
            .map(|&bin| {
                let mut ids = begin.to_vec();
                tokens.push(&mut ids, bin);
                ids
            })
            .collect();
        let mut starts = written.iter().zip(&self.ahead);
        if self.ahead.len() != written.len() || !starts.all(|(ids, read)| ids.starts_with(read)) {
            self.forget_ahead()?;
        }
        let ahead = self.ahead.first().map_or(0, Vec::len);
        let ids: Vec<u32> = written
            .iter()
            .flat_map(|ids| &ids[ahead..])
            .copied()
            .collect();
        self.first = read_last(&mut *self.sequences, &ids, 0, self.temperature)?;
        self.ahead.clear();
        self.end = self.model.tokens().tokens(self.rows() + 1);
        self.history.extend(values);
        Ok(())
    }

    /// Goes back to what it was after its first `rows` values, at the price of one token. Does
    /// nothing if there are no more.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn rollback(&mut self, rows: usize) -> Result<(), ModelError> {
        self.forget_ahead()?;
        if rows >= self.rows() {
            return Ok(());
        }
        let (tokens, batch) = (self.model.tokens(), self.batch());
        let end = tokens.tokens(rows);
        self.sequences.forget(self.end - end.saturating_sub(1))?;
        self.history.truncate(rows * batch);
        self.end = end;
        let last: Option<Vec<u32>> = (0..batch)
            .map(|sequence| {
                let mut ids = tokens.prefix().to_vec();
                if let Some(row) = rows.checked_sub(1) {
                    tokens.push(&mut ids, self.history[row * batch + sequence]);
                }
                ids.last().copied()
            })
            .collect();
        self.first = match last {
            Some(ids) => read_last(&mut *self.sequences, &ids, 0, self.temperature)?,
            None => uniform(&self.model, batch),
        };
        Ok(())
    }

    /// Values of every sequence that fit into the model's window and leave room for one to be drawn.
    pub fn most_rows(&self) -> usize {
        let tokens = self.model.tokens();
        let window = self.model.window().saturating_sub(tokens.draw_length());
        tokens.rows_in(window)
    }

    /// Values that it can read of every sequence before its window is full.
    pub fn room(&self) -> usize {
        self.most_rows().saturating_sub(self.rows())
    }

    /// Another session that has read the last `rows` values only.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn later(&self, rows: usize) -> Result<Self, ModelError> {
        let batch = self.batch();
        let mut later = Self::empty(&self.model, batch, rows, self.temperature, self.tolerance)?;
        later.read_again(&self.last(rows))?;
        Ok(later)
    }

    /// Forgets all but the last `rows` values, which it reads again.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn begin_again(&mut self, rows: usize) -> Result<(), ModelError> {
        let batch = self.batch();
        let last = self.last(rows);
        *self = Self::empty(
            &self.model,
            batch,
            self.most_rows(),
            self.temperature,
            self.tolerance,
        )?;
        self.read_again(&last)
    }

    fn read_again(&mut self, values: &Array2<Bin>) -> Result<(), ModelError> {
        match values.is_empty() {
            true => Ok(()),
            false => self.extend(values, 0..0).map(|_| ()),
        }
    }

    /// The last `rows` values of every sequence, `[rows, batch]`.
    fn last(&self, rows: usize) -> Array2<Bin> {
        let first = self.rows().saturating_sub(rows);
        let last = &self.history[first * self.batch()..];
        let shape = (last.len() / self.batch(), self.batch());
        Array2::from_shape_fn(shape, |(t, i)| last[t * shape.1 + i])
    }

    /// What stands before the first value, if it was not read yet.
    fn unread_prefix(&self) -> &[u32] {
        match self.end {
            0 => self.model.tokens().prefix(),
            _ => &[],
        }
    }

    fn check_window(&self, rows: usize) -> Result<(), ModelError> {
        let window = self.model.window();
        match self.model.tokens().tokens(rows) > window {
            true => Err(ModelError::Window { rows, window }),
            false => Ok(()),
        }
    }

    /// Forgets the digits that a draw has read.
    fn forget_ahead(&mut self) -> Result<(), ModelError> {
        let ahead = self.ahead.first().map_or(0, Vec::len);
        self.ahead.clear();
        match ahead {
            0 => Ok(()),
            count => self.sequences.forget(count),
        }
    }

    fn grow(&self, trees: &mut [GrowingTree]) -> Result<(), ModelError> {
        let tokens = self.model.tokens();
        let (sequences, temperature) = (&*self.sequences, self.temperature);
        grow(sequences, tokens, temperature, self.tolerance, trees)
    }
}

/// Every item of rows of so many items, `count` times.
fn repeated<T: Copy>(items: &[T], width: usize, count: usize) -> Vec<T> {
    items
        .chunks(width)
        .flat_map(|row| std::iter::repeat_n(row, count))
        .flatten()
        .copied()
        .collect()
}

/// Probabilities of a first symbol of which nothing is known.
fn uniform(model: &Model, batch: usize) -> Vec<f32> {
    let symbols = model.tokens().places()[0].symbols.len();
    vec![1.0 / symbols as f32; batch * symbols]
}

/// Reads the same number of tokens of every sequence; the probabilities `[batch, symbols]` of the
/// symbol that follows them.
pub(super) fn read_last(
    sequences: &mut dyn Sequences,
    ids: &[u32],
    place: usize,
    temperature: Temperature,
) -> Result<Vec<f32>, ModelError> {
    let length = ids.len() / sequences.batch();
    let wanted = Wanted {
        place,
        positions: vec![length as u32 - 1],
    };
    let logits = sequences.read(ids, &[wanted])?;
    // One wanted place, one tensor.
    probabilities(&logits[0], temperature)
}

/// Softmax of logits `[rows, symbols]`, divided by the temperature, row by row.
fn probabilities(logits: &Tensor, temperature: Temperature) -> Result<Vec<f32>, ModelError> {
    let symbols = logits.dim(1)?;
    let mass: Vec<f32> = if temperature.get() == 1.0 {
        softmax_last_dim(logits)?
    } else {
        softmax_last_dim(&(logits / temperature.get())?)?
    }
    .flatten_all()?
    .to_vec1()?;
    let finite = |row: &[f32]| (row.iter().sum::<f32>() - 1.0).abs() < 1e-2;
    if mass.chunks(symbols).all(finite) {
        Ok(mass)
    } else {
        Err(ModelError::NotFinite)
    }
}
