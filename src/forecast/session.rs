//! The loop of prediction and feedback, for a batch of channels and paths.

use candle_core::Tensor;
use ndarray::{Array2, Array3};

use super::Temperature;
use crate::codec::{BIN_COUNT, Bin};
use crate::model::{KvCache, Model, ModelError};

/// Tokens (sequences times positions) that are read at once; bounds the memory of a prefill.
const TOKENS_AT_ONCE: usize = 8192;

/// What a model has read of a batch of sequences, and its prediction of each one's next value.
pub struct Session<'m> {
    model: &'m Model,
    temperature: Temperature,
    cache: KvCache,
    next: Vec<f32>,
}

impl<'m> Session<'m> {
    /// Reads a context of bins `[rows, channels]` and returns the session behind it, with the
    /// densities `[rows, channels, 1000]` of every row given the rows before it. A prompt that
    /// begins with its first number leaves the first row's density uniform.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn start(
        model: &'m Model,
        context: &Array2<Bin>,
        temperature: Temperature,
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
        let uniform = 1.0 / BIN_COUNT as f32;
        let mut masses = Array3::from_elem((rows, channels, BIN_COUNT), uniform);
        let mut session = Self {
            model,
            temperature,
            cache: model.decoder().cache(channels, length)?,
            next: Vec::new(),
        };
        let chunk = (TOKENS_AT_ONCE / channels.max(1)).clamp(1, length.max(1));
        let read_positions: Vec<(usize, usize)> = (0..=rows)
            .filter_map(|t| Some((t, tokens.read_position(t)?)))
            .collect();
        for start in (0..length).step_by(chunk) {
            let end = (start + chunk).min(length);
            let ids: Vec<u32> = prompts
                .iter()
                .flat_map(|prompt| &prompt[start..end])
                .copied()
                .collect();
            let hidden = model.decoder().forward(&ids, &mut session.cache)?;
            let reads: Vec<_> = read_positions
                .iter()
                .filter(|(_, position)| (start..end).contains(position))
                .collect();
            if reads.is_empty() {
                continue;
            }
            let positions: Vec<u32> = reads.iter().map(|(_, p)| (p - start) as u32).collect();
            let mass = session.probabilities(&hidden, &positions)?;
            for (i, mass) in mass.chunks(BIN_COUNT).enumerate() {
                let (channel, (t, _)) = (i / reads.len(), reads[i % reads.len()]);
                if *t < rows {
                    let mut row = masses.slice_mut(ndarray::s![*t, channel, ..]);
                    row.iter_mut().zip(mass).for_each(|(to, &from)| *to = from);
                } else {
                    session.next.extend_from_slice(mass);
                }
            }
        }
        session.cache = session.cache.freeze()?;
        Ok((session, masses))
    }

    /// A session of `paths` continuations of every sequence, neighbours in the batch, with room for
    /// `steps` more values each. The context's keys and values are shared.
    ///
    /// # Errors
    /// [`ModelError`] if memory runs out.
    pub fn fork(&self, paths: usize, steps: usize) -> Result<Self, ModelError> {
        let next = self
            .next
            .chunks(BIN_COUNT)
            .flat_map(|mass| std::iter::repeat_n(mass, paths))
            .flatten()
            .copied()
            .collect();
        Ok(Self {
            model: self.model,
            temperature: self.temperature,
            cache: self
                .cache
                .fork(paths, steps * self.model.tokens().stride())?,
            next,
        })
    }

    /// Probabilities of the next value's bins, `[batch, 1000]` row by row.
    pub fn next(&self) -> &[f32] {
        &self.next
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.cache.batch()
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
        self.next = self.probabilities(&hidden, &[last])?;
        Ok(())
    }

    /// Probabilities `[batch * positions, 1000]` at some positions of `[batch, length, hidden]`.
    fn probabilities(&self, hidden: &Tensor, positions: &[u32]) -> Result<Vec<f32>, ModelError> {
        let positions = Tensor::from_slice(positions, positions.len(), hidden.device())?;
        let rows = hidden.index_select(&positions, 1)?.flatten_to(1)?;
        let (decoder, head) = (self.model.decoder(), self.model.head());
        head.probabilities(decoder, &rows, self.temperature.get())
    }
}
