//! Keys and values of what a model has read, shared by the continuations of one context.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::DecoderConfig;

/// Keys and values of consecutive positions, preallocated: per layer two tensors
/// `[batch, kv_heads, capacity, head_dim]`, of which the first `len` positions are written.
pub(super) struct Block {
    layers: Vec<(Tensor, Tensor)>,
    batch: usize,
    capacity: usize,
    len: usize,
}

impl Block {
    fn new(
        config: &DecoderConfig,
        dtype: DType,
        device: &Device,
        batch: usize,
        capacity: usize,
    ) -> Result<Self> {
        let shape = (batch, config.kv_heads, capacity, config.head_dim);
        let zeros = || Tensor::zeros(shape, dtype, device);
        let layers = (0..config.layers.len())
            .map(|_| Ok((zeros()?, zeros()?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            batch,
            capacity,
            len: 0,
        })
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// Keys and values `[batch, kv_heads, range, head_dim]` of some of a layer's positions.
    pub(super) fn slice(&self, layer: usize, range: Range<usize>) -> Result<(Tensor, Tensor)> {
        let (keys, values) = &self.layers[layer];
        Ok((
            keys.narrow(2, range.start, range.len())?,
            values.narrow(2, range.start, range.len())?,
        ))
    }
}

/// The first `len` positions of a block that several caches use.
#[derive(Clone)]
struct Shared {
    block: Arc<Block>,
    len: usize,
}

/// What a batch of sequences has read: blocks shared with other caches, then a block of its own.
///
/// Row `i` of the batch continues row `i / (batch / b)` of a shared block of batch `b`: the
/// continuations of one context are neighbours.
pub struct KvCache {
    shared: Vec<Shared>,
    own: Block,
    /// Length of the context for which it was made; some rotary positions depend on it.
    planned: usize,
    config: DecoderConfig,
    dtype: DType,
    device: Device,
}

impl KvCache {
    /// An empty cache with room for `capacity` positions of `batch` sequences.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn new(
        config: &DecoderConfig,
        dtype: DType,
        device: &Device,
        batch: usize,
        capacity: usize,
    ) -> Result<Self> {
        Ok(Self {
            shared: Vec::new(),
            own: Block::new(config, dtype, device, batch, capacity)?,
            planned: capacity,
            config: config.clone(),
            dtype,
            device: device.clone(),
        })
    }

    /// Makes what was read shareable by [`fork`](Self::fork) and leaves room for `capacity` more
    /// positions.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn freeze(&mut self, capacity: usize) -> Result<()> {
        let (batch, config) = (self.own.batch, &self.config);
        let empty = Block::new(config, self.dtype, &self.device, batch, capacity)?;
        let written = std::mem::replace(&mut self.own, empty);
        if written.len > 0 {
            self.shared.push(Shared {
                len: written.len,
                block: Arc::new(written),
            });
        }
        Ok(())
    }

    /// A cache of `paths` continuations of every sequence's first `positions` positions, each with
    /// room for `capacity` more. What was [frozen](Self::freeze) is shared, not copied.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn fork(&self, positions: usize, paths: usize, capacity: usize) -> Result<Self> {
        debug_assert_eq!(self.own.len, 0, "only a frozen cache is forked");
        let batch = self.own.batch * paths;
        let mut left = positions;
        let mut shared = Vec::with_capacity(self.shared.len());
        for part in &self.shared {
            let len = part.len.min(left);
            left -= len;
            if len > 0 {
                let block = part.block.clone();
                shared.push(Shared { block, len });
            }
        }
        Ok(Self {
            shared,
            own: Block::new(&self.config, self.dtype, &self.device, batch, capacity)?,
            planned: self.planned,
            config: self.config.clone(),
            dtype: self.dtype,
            device: self.device.clone(),
        })
    }

    /// Forgets what was read behind the first `positions` positions, as far as it is not shared.
    pub fn truncate(&mut self, positions: usize) {
        let kept = positions.saturating_sub(self.shared_len());
        self.own.len = self.own.len.min(kept);
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.own.batch
    }

    /// Positions that have been read.
    pub fn positions(&self) -> usize {
        self.shared_len() + self.own.len
    }

    fn shared_len(&self) -> usize {
        self.shared.iter().map(|part| part.len).sum()
    }

    /// Length of the context for which the cache was made.
    pub(super) fn planned(&self) -> usize {
        self.planned
    }

    /// Positions that can still be read.
    pub fn room(&self) -> usize {
        self.own.capacity - self.own.len
    }

    /// Bytes that one position of one sequence takes.
    pub fn bytes_a_position(config: &DecoderConfig, dtype: DType) -> usize {
        2 * config.layers.len() * config.key_width() * dtype.size_in_bytes()
    }

    pub(super) fn shared(&self) -> impl Iterator<Item = (&Block, usize)> {
        self.shared
            .iter()
            .map(|part| (part.block.as_ref(), part.len))
    }

    pub(super) fn own(&self) -> &Block {
        &self.own
    }

    pub(super) fn kv_heads(&self) -> usize {
        self.config.kv_heads
    }

    /// Writes a layer's keys and values `[batch, kv_heads, new, head_dim]` behind what is there.
    pub(super) fn write(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (own_keys, own_values) = &self.own.layers[layer];
        own_keys.slice_set(keys, 2, self.own.len)?;
        own_values.slice_set(values, 2, self.own.len)
    }

    /// Counts positions as read, once all layers have written them.
    pub(super) fn advance(&mut self, new: usize) {
        self.own.len += new;
    }
}
