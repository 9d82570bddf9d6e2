//! What a session asks of a language model, whoever computes it.

use std::sync::Arc;

use candle_core::Tensor;

use super::memory::tokens_at_once;
use super::{Branch, Decoder, KvCache, ModelError, NumberHead};
use crate::kernel;

/// A language model that reads batches of sequences.
pub trait LanguageModel: Send + Sync {
    /// Begins `batch` sequences with room for `capacity` tokens each before their memory must grow.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the memory cannot be had.
    fn sequences(
        self: Arc<Self>,
        batch: usize,
        capacity: usize,
    ) -> Result<Box<dyn Sequences>, ModelError>;

    /// Logits `[length, vocab_size]` in F32 over the whole vocabulary after every token of one
    /// sequence; a diagnostic.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if memory runs out.
    fn vocabulary_logits(&self, ids: &[u32]) -> Result<Tensor, ModelError>;

    /// Tokens that the model can read.
    fn window(&self) -> usize;

    /// Bytes that one token of one sequence takes while it is remembered.
    fn bytes_a_position(&self) -> usize;

    /// Tokens (sequences times positions) that are best read at once: enough for fast products, few
    /// enough to bound the memory.
    fn tokens_at_once(&self) -> usize;
}

/// Where the symbols of a place are to be predicted: the positions within the tokens that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Place of the symbol within a number.
    pub place: usize,
    /// Positions, counted from the first token that is read.
    pub positions: Vec<u32>,
}

/// A batch of sequences and what the model remembers of them.
pub trait Sequences: Send {
    /// How many there are.
    fn batch(&self) -> usize;

    /// Reads `ids` `[batch, length]`, row by row, and returns for each of the wanted places the
    /// logits `[batch * positions, symbols]` in F32, sequence by sequence.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the ids do not fit or memory runs out.
    fn read(&mut self, ids: &[u32], wanted: &[Wanted]) -> Result<Vec<Tensor>, ModelError>;

    /// Sequences that continue some of these, each with room for `capacity` more tokens before its
    /// memory must grow. Continuations of one sequence should be neighbours.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if there is no such sequence or position, or the memory cannot be had.
    fn fork(&self, branches: &[Branch], capacity: usize) -> Result<Box<dyn Sequences>, ModelError>;

    /// Forgets the last `count` tokens of every sequence.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the model cannot go back but by reading again, and fails at that.
    fn forget(&mut self, count: usize) -> Result<(), ModelError>;
}

/// Our decoder and its head over numbers.
pub(super) struct Own {
    pub(super) decoder: Decoder,
    pub(super) head: NumberHead,
}

struct OwnSequences {
    own: Arc<Own>,
    cache: KvCache,
}

impl LanguageModel for Own {
    fn sequences(
        self: Arc<Self>,
        batch: usize,
        capacity: usize,
    ) -> Result<Box<dyn Sequences>, ModelError> {
        let cache = self.decoder.cache(batch, capacity)?;
        Ok(Box::new(OwnSequences { own: self, cache }))
    }

    fn vocabulary_logits(&self, ids: &[u32]) -> Result<Tensor, ModelError> {
        let mut cache = self.decoder.cache(1, ids.len())?;
        let hidden = self.decoder.forward(ids, &mut cache)?.squeeze(0)?;
        Ok(self.decoder.vocabulary_logits(&hidden)?)
    }

    fn window(&self) -> usize {
        self.decoder.config().window
    }

    fn bytes_a_position(&self) -> usize {
        self.decoder.cache_bytes_a_position()
    }

    fn tokens_at_once(&self) -> usize {
        tokens_at_once(self.decoder.config())
    }
}

impl Sequences for OwnSequences {
    fn batch(&self) -> usize {
        self.cache.batch()
    }

    fn read(&mut self, ids: &[u32], wanted: &[Wanted]) -> Result<Vec<Tensor>, ModelError> {
        let Own { decoder, head } = &*self.own;
        let cache = &mut self.cache;
        let work = ids.len() * decoder.config().multiplications_a_token();
        kernel::among_threads(work, || {
            let hidden = decoder.forward(ids, cache)?;
            wanted
                .iter()
                .map(|wanted| {
                    let count = wanted.positions.len();
                    let positions = Tensor::from_slice(&wanted.positions, count, hidden.device())?;
                    let rows = hidden.index_select(&positions, 1)?.flatten_to(1)?;
                    Ok(head.logits(decoder, &rows, wanted.place)?)
                })
                .collect()
        })
    }

    fn fork(&self, branches: &[Branch], capacity: usize) -> Result<Box<dyn Sequences>, ModelError> {
        Ok(Box::new(OwnSequences {
            own: self.own.clone(),
            cache: self.cache.fork(branches, capacity)?,
        }))
    }

    fn forget(&mut self, count: usize) -> Result<(), ModelError> {
        self.cache.forget(count);
        Ok(())
    }
}
