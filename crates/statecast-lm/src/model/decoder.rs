//! The decoder: token ids to hidden states at every position.

use candle_core::{DType, Device, Result, Tensor};

use super::cache::CacheFormat;
use super::layer::{Layer, Norm};
use super::linear::{Matrix, Packing, Table};
use super::names::Names;
use super::rotary::Rotary;
use super::{DecoderConfig, KvCache, ModelError, ModelWeights};

/// A decoder with its weights. It is stateless: what was read is in a [`KvCache`].
pub struct Decoder {
    config: DecoderConfig,
    embedding: Table,
    positions: Option<Tensor>,
    rotary: Vec<Rotary>,
    layers: Vec<Layer>,
    norm: Norm,
    /// The output head, if it is not the embedding table.
    head: Option<Table>,
    packing: Packing,
    dtype: DType,
    cache_format: CacheFormat,
    device: Device,
}

impl Decoder {
    /// Loads the tensors that the configuration requires.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] for a missing or misshapen tensor.
    pub fn load(
        mut config: DecoderConfig,
        weights: &ModelWeights,
    ) -> std::result::Result<Self, ModelError> {
        let names = Names::of(config.layout, config.placement, weights);
        // A head in the file takes precedence over tied embeddings in config.json.
        config.tied_head &= !weights.contains(&names.head());
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
            rotary: config.ropes.iter().cloned().map(Rotary::new).collect(),
            layers,
            norm,
            head: (!config.tied_head)
                .then(|| weights.table(&names.head(), vocab, hidden))
                .transpose()?,
            cache_format: weights.cache_format(config.head_dim),
            config,
            packing: weights.packing(),
            dtype: weights.dtype(),
            device: weights.device().clone(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Creates an empty cache for this decoder, see [`KvCache::new`].
    ///
    /// # Errors
    /// If memory runs out.
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        KvCache::new(
            &self.config,
            self.cache_format,
            &self.device,
            batch,
            capacity,
        )
    }

    /// Returns the bytes of the cache per position and sequence.
    pub fn cache_bytes_a_position(&self) -> usize {
        KvCache::bytes_a_position(&self.config, self.cache_format)
    }

    /// Reads `ids`, row by row `[batch, length]`, after the contents of the cache, and returns the
    /// hidden states `[batch, length, hidden_size]` before the final norm.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, the sequences differ in length, or memory runs
    /// out.
    pub fn forward(&self, ids: &[u32], cache: &mut KvCache) -> Result<Tensor> {
        let batch = cache.batch();
        let length = ids.len() / batch;
        if length * batch != ids.len() {
            candle_core::bail!("{} tokens for {batch} sequences", ids.len());
        }
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let x = self.embedded(&ids)?.reshape((batch, length, ()))?;
        self.states(&x, cache)
    }

    /// Returns embeddings `[ids, hidden_size]` of token ids.
    pub(super) fn embedded(&self, ids: &Tensor) -> Result<Tensor> {
        let x = self.embedding.rows(ids)?.to_dtype(self.dtype)?;
        match self.config.embedding_scale {
            1.0 => Ok(x),
            scale => x * scale,
        }
    }

    /// Reads embedded inputs `[batch, length, hidden_size]` after the contents of the cache;
    /// returns hidden states of that shape before the final norm.
    pub(super) fn states(&self, x: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        cache.reserve(length)?;
        let mut x = x.clone();
        let mut starts: Vec<usize> = (0..batch).map(|i| cache.positions(i)).collect();
        if starts.iter().all(|&start| start == starts[0]) {
            starts.truncate(1);
        }
        if let Some(table) = &self.positions {
            let positions = starts
                .iter()
                .map(|&start| table.narrow(0, start, length))
                .collect::<Result<Vec<_>>>()?;
            x = x.broadcast_add(&Tensor::stack(&positions, 0)?)?;
        }
        let rotations = self
            .rotary
            .iter()
            .map(|rotary| rotary.rotation(cache.planned(), &starts, length, &self.device))
            .map(|rotation| rotation?.to_dtype(self.dtype))
            .collect::<Result<Vec<_>>>()?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, &self.config, &rotations, cache, index)?;
        }
        cache.advance(length);
        Ok(x)
    }

    /// Returns hidden states `[rows, hidden_size]` after the final norm.
    pub(super) fn normed(&self, hidden: &Tensor) -> Result<Tensor> {
        self.norm.forward(&hidden.contiguous()?)
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Applies the final norm and some rows of the output head: hidden states `[rows, hidden_size]`
    /// to logits `[rows, head rows]` in F32.
    pub(super) fn logits(&self, hidden: &Tensor, head: &Matrix) -> Result<Tensor> {
        let logits = head.apply(&self.normed(hidden)?)?.to_dtype(DType::F32)?;
        let logits = match self.config.logit_scale {
            1.0 => logits,
            scale => (logits * scale)?,
        };
        match self.config.logit_cap {
            Some(cap) => (logits / cap)?.tanh()? * cap,
            None => Ok(logits),
        }
    }

    /// Returns logits `[rows, vocab_size]` in F32 over the whole vocabulary, of hidden states
    /// `[rows, hidden_size]`; a diagnostic, forecasts use [`NumberHead`](super::NumberHead).
    ///
    /// # Errors
    /// If memory runs out.
    pub fn vocabulary_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let all = head.all(self.config.vocab_size, &self.device)?;
        self.logits(hidden, &Matrix::Dense(all.to_dtype(self.dtype)?))
    }

    /// Rows of the output head.
    pub(super) fn head_rows(&self, ids: &[u32]) -> Result<Matrix> {
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let rows = self.head.as_ref().unwrap_or(&self.embedding).rows(&ids)?;
        Matrix::packed(&rows, self.packing)
    }
}
