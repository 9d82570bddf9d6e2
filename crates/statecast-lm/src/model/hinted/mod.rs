//! A decoder that reads values with hints of online experts. Its outputs are logits of the digits'
//! bins, of the residual's bins, and of a gate between components.
//!
//! A sequence is one channel. The input of a row is the residual and the value of the row before,
//! and the experts' hint on the row itself: [`RowInput`]. All parts are added to one embedding, so
//! that kernels, caches and forks are those of any decoder.

mod features;
mod settings;

use std::sync::Arc;

use candle_core::Tensor;

use super::linear::{Matrix, Table};
use super::memory::tokens_at_once;
use super::network::Own;
use super::{Architecture, Branch, Decoder, DecoderConfig, KvCache, ModelError, ModelWeights};
use crate::codec::{BIN_COUNT, Bin, TokenTable};
use crate::experts::Hint;
use crate::kernel::{self, LogSum};

use features::{FEATURES, push_features};
use settings::ReadingSettings;

/// Files of a model's hints.
pub(in crate::model) struct HintsCheckpoint {
    settings: ReadingSettings,
    /// Their own decoder, if it is not that of the digits.
    own: Option<(Architecture, ModelWeights)>,
}

impl HintsCheckpoint {
    /// Hints that are read by the decoder of the digits: the text of `reading.json`, and its name
    /// for errors.
    pub(super) fn parse(name: &str, settings: &[u8]) -> Result<Self, ModelError> {
        Ok(Self {
            settings: ReadingSettings::parse(name, settings)?,
            own: None,
        })
    }

    /// The same, read by a decoder of their own.
    pub(super) fn with_decoder(
        (name, settings): (&str, &[u8]),
        (config_name, config): (&str, &[u8]),
        weights: ModelWeights,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            own: Some((Architecture::parse(config_name, config)?, weights)),
            ..Self::parse(name, settings)?
        })
    }

    /// Weights of the decoder of their own.
    pub(super) fn weights(&self) -> Option<&ModelWeights> {
        self.own.as_ref().map(|(_, weights)| weights)
    }

    /// Configuration of the decoder of their own.
    pub(super) fn config(&self) -> Option<&DecoderConfig> {
        self.own.as_ref()?.0.described()
    }

    /// Loads the weights; those of hints that the decoder of the digits reads are among its own.
    pub(super) fn load(
        self,
        digits: &Decoder,
        tokens: &TokenTable,
        weights: &ModelWeights,
    ) -> Result<HintsNetwork, ModelError> {
        let Some((architecture, weights)) = self.own else {
            let hints = HintWeights::load(self.settings, digits, tokens, weights)?;
            return Ok(HintsNetwork { own: None, hints });
        };
        let Architecture::Described(config) = architecture else {
            return Err(weights.refuse("any", "is of a decoder that cannot read hints"));
        };
        let decoder = Decoder::load(*config, &weights)?;
        let hints = HintWeights::load(self.settings, &decoder, tokens, &weights)?;
        Ok(HintsNetwork {
            own: Some((decoder, weights)),
            hints,
        })
    }
}

/// The reader of hints: weights in addition to the digits' decoder, or to their own decoder.
pub(super) struct HintsNetwork {
    own: Option<(Decoder, ModelWeights)>,
    hints: HintWeights,
}

impl HintsNetwork {
    /// Weights of the decoder of their own.
    pub(super) fn weights(&self) -> Option<&ModelWeights> {
        self.own.as_ref().map(|(_, weights)| weights)
    }
}

/// The weights that reading hints adds to a decoder of numbers.
struct HintWeights {
    settings: ReadingSettings,
    /// Token of every number, and the one that stands where there is none.
    numbers: Vec<u32>,
    none: u32,
    /// What is added for the value of the row before, `[vocabulary, hidden]`.
    values: Table,
    /// `[hidden, features]`.
    hint: Matrix,
    /// What is added to every row, and to one that begins an episode, `[2, hidden]`.
    marks: Tensor,
    /// Rows of the decoder's head: here they answer for the bins of the residual.
    residual: Matrix,
    digits: Matrix,
    gate: Matrix,
    gate_bias: Vec<f32>,
    trust: f64,
}

impl HintWeights {
    /// Takes the tensors of `reading.safetensors` for a decoder whose numbers are one token each.
    fn load(
        settings: ReadingSettings,
        decoder: &Decoder,
        tokens: &TokenTable,
        weights: &ModelWeights,
    ) -> Result<Self, ModelError> {
        let (hidden, vocabulary) = (decoder.config().hidden_size, decoder.config().vocab_size);
        let ([place], [none]) = (tokens.places(), tokens.prefix()) else {
            let reason = "needs numbers of one token, and one token before the first";
            return Err(weights.refuse("hint.weight", reason));
        };
        let numbers = place.symbols.clone();
        let rows = |name: &str| -> Result<Matrix, ModelError> {
            let ids = Tensor::from_slice(&numbers, numbers.len(), weights.device())?;
            let table = weights.table(name, vocabulary, hidden)?;
            Ok(Matrix::packed(&table.rows(&ids)?, weights.packing())?)
        };
        let matrix = |name: &str, out: usize, input: usize| -> Result<Matrix, ModelError> {
            let weight = weights.get(name, &[out, input])?;
            Ok(Matrix::packed(&weight, weights.packing())?)
        };
        let components = settings.components();
        let gate_bias = weights.get("gate.bias", &[components])?;
        let marks = weights.get("marks", &[3, hidden])?;
        let (every, begins) = (marks.narrow(0, 0, 1)?, marks.narrow(0, 2, 1)?);
        let gate_bias: Vec<f32> = gate_bias.to_vec1()?;
        let trust = weights.get("trust", &[1])?.to_vec1::<f32>()?;
        if !gate_bias.iter().all(|bias| bias.is_finite()) {
            return Err(weights.refuse("gate.bias", "holds numbers that are not finite"));
        }
        if !(0.0..f32::INFINITY).contains(&trust[0]) {
            return Err(weights.refuse("trust", "is no number of at least 0"));
        }
        Ok(Self {
            values: weights.table("other_input", vocabulary, hidden)?,
            hint: matrix("hint.weight", hidden, FEATURES)?,
            marks: Tensor::cat(&[&every, &(&every + begins)?], 0)?,
            residual: decoder.head_rows(&numbers)?,
            digits: rows("other_head")?,
            gate: matrix("gate.weight", components, hidden)?,
            gate_bias,
            trust: f64::from(trust[0]),
            settings,
            numbers,
            none: *none,
        })
    }

    /// Ids of numbers, or of nothing.
    fn ids(&self, numbers: impl Iterator<Item = Option<Bin>>) -> Vec<u32> {
        let id = |bin: Bin| self.numbers[bin.index()];
        numbers.map(|bin| bin.map_or(self.none, id)).collect()
    }
}

/// Input of a row before its value.
#[derive(Debug, Clone, Copy)]
pub struct RowInput {
    /// Bin of the value of the row before, if there is one.
    value: Option<Bin>,
    /// Bin of its residual, if it had a hint.
    residual: Option<Bin>,
    /// The row's hint, and the position of the row before; `None` if the row begins an episode.
    /// Features are ten times as large and made where they are read.
    hint: Option<(Hint, Option<f64>)>,
}

/// The row before the next one.
#[derive(Debug, Clone, Copy)]
pub struct RowBefore {
    /// Position on the channel's axis.
    pub position: f64,
    /// Bin of its residual; `None` if it began an episode.
    pub residual: Option<Bin>,
}

impl RowInput {
    /// Returns a row with a hint.
    pub fn hinted(before: Option<RowBefore>, hint: &Hint) -> Self {
        Self {
            hint: Some((*hint, before.map(|row| row.position))),
            ..Self::beginning(before)
        }
    }

    /// Returns the first row of an episode.
    pub fn beginning(before: Option<RowBefore>) -> Self {
        Self {
            value: before.map(|row| Bin::quantise(row.position).bin),
            residual: before.and_then(|row| row.residual),
            hint: None,
        }
    }
}

/// A decoder and the weights with which it reads hints. A clone is another handle of the same
/// weights.
#[derive(Clone)]
pub struct HintedModel {
    digits: Arc<Own>,
    hints: Arc<HintsNetwork>,
}

impl HintedModel {
    pub(super) fn new(digits: Arc<Own>, hints: Arc<HintsNetwork>) -> Self {
        Self { digits, hints }
    }

    /// What reads hints, which may be the decoder of the digits.
    fn decoder(&self) -> &Decoder {
        let own = self.hints.own.as_ref();
        own.map_or(&self.digits.decoder, |(decoder, _)| decoder)
    }

    fn weights(&self) -> &HintWeights {
        &self.hints.hints
    }

    /// Returns the standard deviations of the gate's normals, in scales of a slot.
    pub fn spreads(&self) -> &[f64] {
        &self.weights().settings.spreads
    }

    /// Returns the fixed-share alpha of the gate's Bayesian weights.
    pub fn share(&self) -> f64 {
        self.weights().settings.share
    }

    /// Returns the factor of the Bayesian log weights in the gate.
    pub fn trust(&self) -> f64 {
        self.weights().trust
    }

    /// Returns the best number of rows per read over all sequences.
    pub fn rows_at_once(&self) -> usize {
        tokens_at_once(self.decoder().config())
    }

    /// Returns the window in rows.
    pub fn window(&self) -> usize {
        self.decoder().config().window
    }

    /// Returns the bytes per row and sequence in memory.
    pub fn bytes_a_row(&self) -> usize {
        self.decoder().cache_bytes_a_position()
    }

    /// Starts `batch` sequences with room for `capacity` rows each.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if memory runs out.
    pub fn sequences(self, batch: usize, capacity: usize) -> Result<HintedSequences, ModelError> {
        Ok(HintedSequences {
            cache: self.decoder().cache(batch, capacity)?,
            model: self,
        })
    }

    /// Embedded inputs `[rows, hidden]`.
    fn embedded(&self, inputs: &[RowInput]) -> Result<Tensor, ModelError> {
        let HintWeights {
            values,
            hint,
            marks,
            ..
        } = self.weights();
        let (rows, device) = (inputs.len(), self.decoder().device());
        let ids = |ids: Vec<u32>| Tensor::from_vec(ids, rows, device);
        let value = ids(self.weights().ids(inputs.iter().map(|row| row.value)))?;
        let residual = ids(self.weights().ids(inputs.iter().map(|row| row.residual)))?;
        let begins = inputs.iter().map(|row| u32::from(row.hint.is_none()));
        let mark = marks.index_select(&ids(begins.collect())?, 0)?;
        let mut said = Vec::with_capacity(rows * FEATURES);
        for input in inputs {
            match &input.hint {
                Some((hint, last)) => push_features(&mut said, hint, *last),
                None => said.resize(said.len() + FEATURES, 0.0),
            }
        }
        let dtype = mark.dtype();
        let said = Tensor::from_vec(said, (rows, FEATURES), device)?.to_dtype(dtype)?;
        let x = self.decoder().embedded(&residual)?;
        let x = (x + values.rows(&value)?.to_dtype(dtype)?)?;
        Ok(((x + mark)? + hint.apply(&said)?)?)
    }
}

/// Outputs for some rows: logits, row by row.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Of the bins of digits, 1000 a row.
    digits: Vec<f32>,
    digit_sums: Vec<LogSum>,
    /// Of the bins of the residual, 1000 a row.
    residual: Vec<f32>,
    residual_sums: Vec<LogSum>,
    /// Of the gate's components.
    gate: Vec<f32>,
}

/// Logits of the bins of one value.
#[derive(Debug, Clone, Copy)]
pub struct Logits<'a> {
    /// One a bin.
    pub values: &'a [f32],
    /// The largest, and the logarithm of the sum of the exponentials of all less it.
    pub sum: LogSum,
}

/// Outputs for one row.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Of the bins of digits.
    pub digits: Logits<'a>,
    /// Of the bins of the residual.
    pub residual: Logits<'a>,
    /// Of the gate's components.
    pub gate: &'a [f32],
}

impl Answers {
    /// Returns the outputs for one row.
    pub fn row(&self, row: usize) -> Answer<'_> {
        let components = self.gate.len() / self.digit_sums.len().max(1);
        let bins = BIN_COUNT * row..BIN_COUNT * (row + 1);
        Answer {
            digits: Logits {
                values: &self.digits[bins.clone()],
                sum: self.digit_sums[row],
            },
            residual: Logits {
                values: &self.residual[bins],
                sum: self.residual_sums[row],
            },
            gate: &self.gate[components * row..components * (row + 1)],
        }
    }
}

/// A batch of sequences and what the model remembers of them.
pub struct HintedSequences {
    model: HintedModel,
    cache: KvCache,
}

impl HintedSequences {
    /// How many there are.
    pub fn batch(&self) -> usize {
        self.cache.batch()
    }

    /// Reads the same number of rows of every sequence, sequence by sequence, and answers to all.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if memory runs out, [`ModelError::NotFinite`] if the weights
    /// overflow.
    pub fn read(&mut self, inputs: &[RowInput]) -> Result<Answers, ModelError> {
        let model = self.model.clone();
        let weights = model.weights();
        self.hidden(inputs, |hidden| {
            let logits = |matrix: &Matrix| -> Result<Vec<f32>, ModelError> {
                let logits = matrix.apply(hidden)?.to_dtype(candle_core::DType::F32)?;
                let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
                match logits.iter().all(|logit| logit.is_finite()) {
                    true => Ok(logits),
                    false => Err(ModelError::NotFinite),
                }
            };
            let mut gate = logits(&weights.gate)?;
            for row in gate.chunks_mut(weights.gate_bias.len()) {
                row.iter_mut()
                    .zip(&weights.gate_bias)
                    .for_each(|(logit, bias)| *logit += bias);
            }
            let (digits, residual) = (logits(&weights.digits)?, logits(&weights.residual)?);
            Ok(Answers {
                digit_sums: kernel::log_sums(&digits, BIN_COUNT),
                residual_sums: kernel::log_sums(&residual, BIN_COUNT),
                digits,
                residual,
                gate,
            })
        })
    }

    /// Reads rows as [`read`](Self::read) does, whose answers nobody needs.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn remember(&mut self, inputs: &[RowInput]) -> Result<(), ModelError> {
        self.hidden(inputs, |_| Ok(()))
    }

    /// Reads rows, and does something with their hidden states `[rows, hidden]` after the last
    /// norm.
    fn hidden<T: Send>(
        &mut self,
        inputs: &[RowInput],
        then: impl FnOnce(&Tensor) -> Result<T, ModelError> + Send,
    ) -> Result<T, ModelError> {
        let (model, cache) = (&self.model, &mut self.cache);
        let decoder = model.decoder();
        let work = inputs.len() * decoder.config().multiplications_a_token();
        let batch = cache.batch();
        kernel::among_threads(work, || {
            let x = model.embedded(inputs)?;
            let x = x.reshape((batch, inputs.len() / batch, ()))?;
            let hidden = decoder.states(&x, cache)?.flatten_to(1)?;
            then(&decoder.normed(&hidden)?)
        })
    }

    /// Rows that every sequence remembers.
    pub fn rows(&self) -> usize {
        self.cache.positions(0)
    }

    /// Forgets all rows; there is room for `capacity` before memory must grow.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if memory runs out.
    pub fn forget_all(&mut self, capacity: usize) -> Result<(), ModelError> {
        Ok(self.cache.clear(capacity)?)
    }

    /// `count` continuations of every sequence, those of one sequence beside each other, each with
    /// room for `capacity` more rows before its memory must grow.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if memory runs out.
    pub fn fork(&self, count: usize, capacity: usize) -> Result<Self, ModelError> {
        let branch = |sequence| Branch {
            sequence,
            position: self.cache.positions(sequence),
        };
        let branches = (0..self.batch()).flat_map(|s| std::iter::repeat_n(branch(s), count));
        Ok(Self {
            model: self.model.clone(),
            cache: self.cache.fork(&branches.collect::<Vec<_>>(), capacity)?,
        })
    }

    /// Forgets the last row of every sequence.
    pub fn forget_last(&mut self) {
        self.cache.forget(1);
    }
}
