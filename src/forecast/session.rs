//! The loop of prediction and feedback, for a batch of channels and paths.

use std::ops::Range;

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use ndarray::{Array2, Array3};

use super::Temperature;
use super::predicted::Predicted;
use crate::codec::Bin;
use crate::density::{DigitTree, locate};
use crate::model::{Model, ModelError, Sequences, Wanted};

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
    sequences: Box<dyn Sequences<'m> + 'm>,
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
            sequences: model.network().sequences(channels, length)?,
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
            let reads: Vec<_> = (0..tokens.places().len())
                .map(|place| predicted.reads_within(tokens, place, start..end))
                .enumerate()
                .filter(|(_, reads)| !reads.is_empty())
                .collect();
            let wanted: Vec<Wanted> = reads
                .iter()
                .map(|(place, reads)| Wanted {
                    place: *place,
                    positions: reads.iter().map(|&(_, at)| (at - start) as u32).collect(),
                })
                .collect();
            let logits = session.sequences.read(&ids, &wanted)?;
            for ((place, reads), logits) in reads.iter().zip(&logits) {
                predicted.keep(*place, reads, &probabilities(logits, temperature)?);
            }
        }
        session.sequences.freeze(0)?;
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
            sequences: self.sequences.fork(self.end, paths, capacity)?,
            first,
            end: self.end,
        })
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.sequences.batch()
    }

    /// Probabilities of the next value's bins, `[batch, 1000]` row by row.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn next_densities(&mut self) -> Result<Vec<f32>, ModelError> {
        if self.model.tokens().places().len() == 1 {
            return Ok(self.first.clone());
        }
        let mut trees: Vec<DigitTree> = self.first.chunks(10).map(DigitTree::new).collect();
        let room = self.sequences.room();
        self.sequences.freeze(room)?;
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
                let length = ids.len() / drawn.len();
                mass = read_last(
                    &mut *self.sequences,
                    &ids,
                    length,
                    place + 1,
                    self.temperature,
                )?;
            }
        }
        self.sequences.truncate(self.end);
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
        let stride = tokens.stride();
        self.first = read_last(&mut *self.sequences, &ids, stride, 0, self.temperature)?;
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
            let mut forked = self.sequences.fork(at, branches, width)?;
            let mass = read_last(&mut *forked, &ids, width, length, self.temperature)?;
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
}

/// Reads `length` tokens of every sequence; the probabilities `[batch, symbols]` of the symbol that
/// follows them.
fn read_last(
    sequences: &mut dyn Sequences,
    ids: &[u32],
    length: usize,
    place: usize,
    temperature: Temperature,
) -> Result<Vec<f32>, ModelError> {
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
