//! Keys and values of what a model has read, shared by the continuations of one context.

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
        let layers = (0..config.layers)
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

    /// Keys and values `[batch, kv_heads, len, head_dim]` of a layer's first `len` positions.
    pub(super) fn first(&self, layer: usize, len: usize) -> Result<(Tensor, Tensor)> {
        let (keys, values) = &self.layers[layer];
        Ok((keys.narrow(2, 0, len)?, values.narrow(2, 0, len)?))
    }
}

/// What a batch of sequences has read: blocks shared with other caches, then a block of its own.
///
/// Row `i` of the batch continues row `i / (batch / b)` of a shared block of batch `b`: the
/// continuations of one context are neighbours.
pub struct KvCache {
    shared: Vec<Arc<Block>>,
    own: Block,
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
            config: config.clone(),
            dtype,
            device: device.clone(),
        })
    }

    /// Ends this cache's growth, so that continuations can share it.
    ///
    /// # Errors
    /// If the memory of an empty block cannot be had.
    pub fn freeze(mut self) -> Result<Self> {
        let (batch, config) = (self.own.batch, &self.config);
        let empty = Block::new(config, self.dtype, &self.device, batch, 0)?;
        let written = std::mem::replace(&mut self.own, empty);
        if written.len > 0 {
            self.shared.push(Arc::new(written));
        }
        Ok(self)
    }

    /// A cache of `paths` continuations of every sequence, each with room for `capacity` more
    /// positions. What was [frozen](Self::freeze) is shared, not copied.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn fork(&self, paths: usize, capacity: usize) -> Result<Self> {
        debug_assert_eq!(self.own.len, 0, "only a frozen cache is forked");
        let batch = self.own.batch * paths;
        Ok(Self {
            shared: self.shared.clone(),
            own: Block::new(&self.config, self.dtype, &self.device, batch, capacity)?,
            config: self.config.clone(),
            dtype: self.dtype,
            device: self.device.clone(),
        })
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.own.batch
    }

    /// Positions that have been read.
    pub fn positions(&self) -> usize {
        self.shared.iter().map(|block| block.len).sum::<usize>() + self.own.len
    }

    /// Positions that can still be read.
    pub fn room(&self) -> usize {
        self.own.capacity - self.own.len
    }

    /// Bytes that one position of one sequence takes.
    pub fn bytes_a_position(config: &DecoderConfig, dtype: DType) -> usize {
        2 * config.layers * config.kv_heads * config.head_dim * dtype.size_in_bytes()
    }

    pub(super) fn shared(&self) -> impl Iterator<Item = (&Block, usize)> {
        self.shared.iter().map(|block| (block.as_ref(), block.len))
    }

    pub(super) fn own(&self) -> &Block {
        &self.own
    }

    /// Positions in this cache's own block.
    pub(super) fn own_len(&self) -> usize {
        self.own.len
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
