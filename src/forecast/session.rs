//! The loop of prediction and feedback, for a batch of channels and paths.

use std::ops::Range;

use candle_core::Tensor;
use ndarray::{Array2, Array3};

use super::Temperature;
use super::predicted::Predicted;
use crate::codec::Bin;
use crate::density::{DigitTree, locate};
use crate::model::{KvCache, Model, ModelError};

/// Tokens (sequences times positions) that are read at once; bounds the memory of a prefill.
pub const TOKENS_AT_ONCE: usize = 8192;

/// Probability that may stay unrefined in the density of a number that is written digit by digit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance(f64);

impl Tolerance {
    /// Everything is refined.
    pub const EXACT: Self = Self(0.0);

    /// A tolerance from 0 to 1.
    pub fn new(tolerance: f64) -> Option<Self> {
        (0.0..=1.0).contains(&tolerance).then_some(Self(tolerance))
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(1e-3)
    }
}

/// What a model has read of a batch of sequences, and its prediction of each one's next value.
pub struct Session<'m> {
    model: &'m Model,
    temperature: Temperature,
    tolerance: Tolerance,
    cache: KvCache,
    /// Probabilities of the next value's first symbol, `[batch, symbols]`.
    first: Vec<f32>,
    /// Where the next value's first symbol will stand.
    end: usize,
}

impl<'m> Session<'m> {
    /// Reads a context of bins `[rows, channels]` and returns the session behind it, with the
    /// densities `[wanted rows, channels, 1000]` of some of the rows, each given the rows before
    /// it. A prompt that begins with its first number leaves the first row's density uniform.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn start(
        model: &'m Model,
        context: &Array2<Bin>,
        temperature: Temperature,
        tolerance: Tolerance,
        wanted: Range<usize>,
    ) -> Result<(Self, Array3<f32>), ModelError> {
        let (rows, channels) = context.dim();
        let tokens = model.tokens();
        let prompts: Vec<Vec<u32>> = context
            .columns()
            .into_iter()
            .map(|column| {
                let mut prompt = tokens.prefix().to_vec();
                column.iter().for_each(|&bin| tokens.push(&mut prompt, bin));
                prompt
            })
            .collect();
        let length = tokens.tokens(rows);
        let mut session = Self {
            model,
            temperature,
            tolerance,
            cache: model.decoder().cache(channels, length)?,
            first: Vec::new(),
            end: length,
        };
        let mut predicted = Predicted::new(tokens, wanted, rows, channels);
        let chunk = (TOKENS_AT_ONCE / channels.max(1)).clamp(1, length.max(1));
        for start in (0..length).step_by(chunk) {
            let end = (start + chunk).min(length);
            let ids: Vec<u32> = prompts
                .iter()
                .flat_map(|prompt| &prompt[start..end])
                .copied()
                .collect();
            let hidden = model.decoder().forward(&ids, &mut session.cache)?;
            for place in 0..tokens.places().len() {
                let reads = predicted.reads_within(tokens, place, start..end);
                if reads.is_empty() {
                    continue;
                }
                let positions: Vec<u32> =
                    reads.iter().map(|&(_, at)| (at - start) as u32).collect();
                let mass = session.probabilities(&hidden, &positions, place)?;
                predicted.keep(place, &reads, &mass);
            }
        }
        session.cache.freeze(0)?;
        session.first = predicted.next();
        let masses = predicted.densities(context, &|row, trees| {
            session.refine(trees, tokens.tokens(row))
        })?;
        Ok((session, masses))
    }

    /// A session of `paths` continuations of every sequence, neighbours in the batch, with room for
    /// `steps` more values each. The context's keys and values are shared.
    ///
    /// # Errors
    /// [`ModelError`] if memory runs out.
    pub fn fork(&self, paths: usize, steps: usize) -> Result<Self, ModelError> {
        let tokens = self.model.tokens();
        let symbols = tokens.places()[0].symbols.len();
        let first = self
            .first
            .chunks(symbols)
            .flat_map(|mass| std::iter::repeat_n(mass, paths))
            .flatten()
            .copied()
            .collect();
        // Of the last value that is drawn, the digits before the last are read for a moment.
        let capacity = steps * tokens.stride() + tokens.draw_length();
        Ok(Self {
            model: self.model,
            temperature: self.temperature,
            tolerance: self.tolerance,
            cache: self.cache.fork(self.end, paths, capacity)?,
            first,
            end: self.end,
        })
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.cache.batch()
    }

    /// Probabilities of the next value's bins, `[batch, 1000]` row by row.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn next(&mut self) -> Result<Vec<f32>, ModelError> {
        if self.model.tokens().places().len() == 1 {
            return Ok(self.first.clone());
        }
        let mut trees: Vec<DigitTree> = self.first.chunks(10).map(DigitTree::new).collect();
        let room = self.cache.room();
        self.cache.freeze(room)?;
        self.refine(&mut trees, self.end)?;
        Ok(trees.iter().flat_map(DigitTree::mass).collect())
    }

    /// Draws every sequence's next value: the bin, and the fraction of it, at which the cumulated
    /// probability reaches the sequence's level in `[0, 1)`. Nothing is read yet.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn draw(&mut self, levels: &[f64]) -> Result<Vec<(Bin, f64)>, ModelError> {
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
                let mut ids = Vec::new();
                for &(number, _) in &drawn {
                    ids.push(tokens.places()[place].symbols[number % symbols]);
                    ids.extend_from_slice(&tokens.places()[place + 1].before);
                }
                let last = (ids.len() / drawn.len() - 1) as u32;
                let hidden = self.model.decoder().forward(&ids, &mut self.cache)?;
                mass = self.probabilities(&hidden, &[last], place + 1)?;
            }
        }
        self.cache.truncate(self.end);
        let bin = |number| Bin::new(number).expect("symbols of all places are one of 1000 numbers");
        Ok(drawn
            .into_iter()
            .map(|(number, level)| (bin(number), level))
            .collect())
    }

    /// Reads one more value of every sequence.
    ///
    /// # Errors
    /// [`ModelError`] if there is no room left or the model fails.
    pub fn advance(&mut self, values: &[Bin]) -> Result<(), ModelError> {
        let tokens = self.model.tokens();
        let mut ids = Vec::with_capacity(values.len() * tokens.stride());
        values.iter().for_each(|&bin| tokens.push(&mut ids, bin));
        let hidden = self.model.decoder().forward(&ids, &mut self.cache)?;
        let last = (tokens.stride() - 1) as u32;
        self.first = self.probabilities(&hidden, &[last], 0)?;
        self.end += tokens.stride();
        Ok(())
    }

    /// Refines the trees of the value whose first symbol stands at a position behind what is shared,
    /// one tree a sequence, until the tolerance is met.
    fn refine(&self, trees: &mut [DigitTree], at: usize) -> Result<(), ModelError> {
        let tokens = self.model.tokens();
        for length in 1..tokens.places().len() {
            let open: Vec<Vec<usize>> = trees
                .iter()
                .map(|tree| tree.unrefined(length, self.tolerance.0 / 2.0))
                .collect();
            let branches = open.iter().map(Vec::len).max().unwrap_or(0);
            if branches == 0 {
                continue;
            }
            // Sequences with fewer open branches repeat their first; its result is the same.
            let branch =
                |open: &[usize], i: usize| open.get(i).or(open.first()).copied().unwrap_or(0);
            let mut ids = Vec::new();
            for open in &open {
                for i in 0..branches {
                    let digits = branch(open, i) * 10usize.pow(3 - length as u32);
                    let number = Bin::new(digits).expect("digits begin one of 1000 numbers");
                    tokens.push_symbols(&mut ids, number, 0..length);
                    ids.extend_from_slice(&tokens.places()[length].before);
                }
            }
            let width = ids.len() / (branches * open.len());
            let mut cache = self.cache.fork(at, branches, width)?;
            let hidden = self.model.decoder().forward(&ids, &mut cache)?;
            let mass = self.probabilities(&hidden, &[width as u32 - 1], length)?;
            let mut mass = mass.chunks(10);
            for (tree, open) in trees.iter_mut().zip(&open) {
                for (i, next) in mass.by_ref().take(branches).enumerate() {
                    if !open.is_empty() {
                        tree.refine(length, branch(open, i), next);
                    }
                }
            }
        }
        Ok(())
    }

    /// Probabilities `[batch * positions, symbols]` of the symbols at a place, read at some
    /// positions of `[batch, length, hidden]`.
    fn probabilities(
        &self,
        hidden: &Tensor,
        positions: &[u32],
        place: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let positions = Tensor::from_slice(positions, positions.len(), hidden.device())?;
        let rows = hidden.index_select(&positions, 1)?.flatten_to(1)?;
        let (decoder, head) = (self.model.decoder(), self.model.head());
        head.probabilities(decoder, &rows, place, self.temperature.get())
    }
}
