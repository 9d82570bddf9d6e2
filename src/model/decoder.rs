//! The decoder: token ids to hidden states at every position.

use candle_core::{DType, Device, Result, Tensor};

use super::config::Rope;
use super::layer::{Layer, Norm, Rotation};
use super::linear::Table;
use super::names::Names;
use super::{DecoderConfig, KvCache, ModelError, Weights};

/// A decoder with its weights. It keeps no state: what was read is in a [`KvCache`].
pub struct Decoder {
    config: DecoderConfig,
    embedding: Table,
    positions: Option<Tensor>,
    layers: Vec<Layer>,
    norm: Norm,
    /// The output head, if it is not the embedding table.
    head: Option<Table>,
    dtype: DType,
    device: Device,
}

impl Decoder {
    /// Takes the tensors that the configuration calls for.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] for a missing or misshapen tensor.
    pub fn load(config: DecoderConfig, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let names = Names::of(config.layout, config.placement, weights);
        let (vocab, hidden) = (config.vocab_size, config.hidden_size);
        let layers = (0..config.layers.len())
            .map(|i| Layer::load(&config, &names, weights, i))
            .collect::<std::result::Result<_, _>>()?;
        let norm = Norm::load(
            config.norm,
            config.layout,
            weights,
            &names.final_norm(),
            hidden,
        )?;
        Ok(Self {
            embedding: weights.table(&names.embedding(), vocab, hidden)?,
            positions: config
                .learned_positions
                .then(|| weights.get(&names.positions(), &[config.window, hidden]))
                .transpose()?,
            layers,
            norm,
            head: (!config.tied_head)
                .then(|| weights.table(&names.head(), vocab, hidden))
                .transpose()?,
            config,
            dtype: weights.dtype(),
            device: weights.device().clone(),
        })
    }

    /// The configuration that was loaded.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// An empty cache for this decoder, see [`KvCache::new`].
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        KvCache::new(&self.config, self.dtype, &self.device, batch, capacity)
    }

    /// Bytes that the cache takes for one position of one sequence.
    pub fn cache_bytes_a_position(&self) -> usize {
        KvCache::bytes_a_position(&self.config, self.dtype)
    }

    /// Reads `ids`, row by row `[batch, length]`, behind what the cache holds, and returns the
    /// hidden states `[batch, length, hidden_size]` before the final norm.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, the cache has too little room, or memory runs out.
    pub fn forward(&self, ids: &[u32], cache: &mut KvCache) -> Result<Tensor> {
        let batch = cache.batch();
        let length = ids.len() / batch;
        if length * batch != ids.len() || length > cache.room() {
            candle_core::bail!(
                "{} tokens for {batch} sequences with room for {} each",
                ids.len(),
                cache.room()
            );
        }
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let mut x = self.embedding.rows(&ids)?.reshape((batch, length, ()))?;
        if self.config.embedding_scale != 1.0 {
            x = (x * self.config.embedding_scale)?;
        }
        let start = cache.positions();
        if let Some(positions) = &self.positions {
            x = x.broadcast_add(&positions.narrow(0, start, length)?)?;
        }
        let rotations = self
            .config
            .ropes
            .iter()
            .map(|rope| self.rotation(rope, cache.planned(), start, length))
            .collect::<Result<Vec<_>>>()?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, &self.config, &rotations, cache, index)?;
        }
        cache.advance(length);
        Ok(x)
    }

    /// Final norm and output head over `vocabulary` rows of it: hidden states `[rows, hidden_size]`
    /// to logits `[rows, vocabulary]` in F32.
    pub(super) fn logits(&self, hidden: &Tensor, vocabulary: &Tensor) -> Result<Tensor> {
        let logits = self
            .norm
            .forward(&hidden.contiguous()?)?
            .matmul(&vocabulary.t()?)?
            .to_dtype(DType::F32)?;
        let logits = match self.config.logit_scale {
            1.0 => logits,
            scale => (logits * scale)?,
        };
        match self.config.logit_cap {
            Some(cap) => (logits / cap)?.tanh()? * cap,
            None => Ok(logits),
        }
    }

    /// Logits `[rows, vocab_size]` in F32 over the whole vocabulary, of hidden states
    /// `[rows, hidden_size]`; a diagnostic, forecasts use [`NumberHead`](super::NumberHead).
    ///
    /// # Errors
    /// If memory runs out.
    pub fn vocabulary_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        self.logits(hidden, &head.all(self.config.vocab_size, &self.device)?)
    }

    /// Rows of the output head.
    pub(super) fn head_rows(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        self.head.as_ref().unwrap_or(&self.embedding).rows(&ids)
    }

    fn rotation(
        &self,
        rope: &Rope,
        planned: usize,
        start: usize,
        length: usize,
    ) -> Result<Rotation> {
        let frequencies = rope.frequencies(planned);
        let factor = rope.attention_factor();
        let angles: Vec<f64> = (start..start + length)
            .flat_map(|position| frequencies.iter().map(move |f| position as f64 * f))
            .collect();
        let shape = (length, frequencies.len());
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&a| (factor * f(a)) as f32).collect();
            Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype)
        };
        Ok(Rotation {
            cos: table(f64::cos)?,
            sin: table(f64::sin)?,
            dim: rope.dim,
            interleaved: rope.interleaved,
        })
    }
}
