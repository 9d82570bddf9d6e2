//! Keys and values of what a model has read, shared by the continuations of one context.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use candle_core::{DType, Device, Result, Tensor};

use super::DecoderConfig;
use super::processor::with_floats;
use crate::kernel::{KeyBlock, KeyPrecision, Visible};

/// Positions by which a cache grows when it is full: as many as it had, within these bounds.
const GROWTH: Range<usize> = 16..256;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheFormat {
    /// As tensors, for the tensor library.
    Tensors(DType),
    /// Packed for our kernels.
    Packed(PackedFormat),
}

/// A precision in which the kernels take keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedFormat(pub(super) KeyPrecision);

impl CacheFormat {
    fn bytes(self) -> usize {
        match self {
            Self::Tensors(dtype) => dtype.size_in_bytes(),
            Self::Packed(PackedFormat(precision)) => precision.bytes(),
        }
    }
}

/// Keys and values of consecutive positions, preallocated.
pub(super) struct Block {
    layers: Layers,
    rows: usize,
    capacity: usize,
    /// Positions that other caches read and that must not be overwritten.
    lent: AtomicUsize,
}

/// Layer by layer.
enum Layers {
    /// Keys and values `[rows, kv_heads, capacity, head_dim]`.
    Tensors(Vec<(Tensor, Tensor)>),
    Packed(Vec<RwLock<KeyBlock>>),
}

impl Block {
    fn new(
        config: &DecoderConfig,
        format: CacheFormat,
        device: &Device,
        rows: usize,
        capacity: usize,
    ) -> Result<Arc<Self>> {
        let layers = 0..config.layers.len();
        let (layers, capacity) = match format {
            CacheFormat::Tensors(dtype) => {
                let shape = (rows, config.kv_heads, capacity, config.head_dim);
                let zeros = || Tensor::zeros(shape, dtype, device);
                let layers = layers.map(|_| Ok((zeros()?, zeros()?)));
                (Layers::Tensors(layers.collect::<Result<_>>()?), capacity)
            }
            CacheFormat::Packed(PackedFormat(precision)) => {
                let (heads, width) = (rows * config.kv_heads, config.head_dim);
                let block = || KeyBlock::new(precision, heads, capacity, width);
                let layers: Vec<_> = layers.map(|_| RwLock::new(block())).collect();
                (Layers::Packed(layers), KeyBlock::room_for(capacity))
            }
        };
        Ok(Arc::new(Self {
            layers,
            rows,
            capacity,
            lent: AtomicUsize::new(0),
        }))
    }

    /// Sequences that were read into it.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// A layer's keys and values `[rows, kv_heads, capacity, head_dim]`, if they are tensors.
    pub(super) fn tensors(&self, layer: usize) -> Result<(&Tensor, &Tensor)> {
        match &self.layers {
            Layers::Tensors(layers) => Ok((&layers[layer].0, &layers[layer].1)),
            Layers::Packed(_) => candle_core::bail!("the keys are packed"),
        }
    }

    /// A layer's keys and values, if they are packed.
    pub(super) fn packed(&self, layer: usize) -> Result<RwLockReadGuard<'_, KeyBlock>> {
        match &self.layers {
            Layers::Packed(layers) => {
                Ok(layers[layer].read().unwrap_or_else(PoisonError::into_inner))
            }
            Layers::Tensors(_) => candle_core::bail!("the keys are tensors"),
        }
    }

    /// Writes a layer's keys and values `[rows, kv_heads, new, head_dim]` to the positions from
    /// `first` on.
    fn write(&self, layer: usize, first: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        match &self.layers {
            Layers::Tensors(layers) => {
                let (own_keys, own_values) = &layers[layer];
                own_keys.slice_set(&keys.to_dtype(own_keys.dtype())?, 2, first)?;
                own_values.slice_set(&values.to_dtype(own_values.dtype())?, 2, first)
            }
            Layers::Packed(layers) => {
                let mut block = layers[layer]
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                with_floats(keys, |keys| {
                    with_floats(values, |values| block.write(first, keys, values))
                })?
            }
        }
    }
}

/// A block, and the part that each sequence of a cache sees.
pub(super) struct Segment {
    pub(super) block: Arc<Block>,
    pub(super) visible: Vec<Visible>,
}

/// One of several continuations: of the first `position` tokens of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Index of the sequence.
    pub sequence: usize,
    /// Number of its tokens that are continued.
    pub position: usize,
}

/// Keys and values of a batch of sequences: parts of shared blocks, then an own block.
pub struct KvCache {
    shared: Vec<Segment>,
    own: Arc<Block>,
    /// Positions of the own block that have been read.
    len: usize,
    /// Length of the context for which it was created; some rotary positions depend on it.
    planned: usize,
    config: DecoderConfig,
    format: CacheFormat,
    device: Device,
}

impl KvCache {
    /// Creates an empty cache with room for `capacity` positions of `batch` sequences; it grows if
    /// more are read.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn new(
        config: &DecoderConfig,
        format: CacheFormat,
        device: &Device,
        batch: usize,
        capacity: usize,
    ) -> Result<Self> {
        Ok(Self {
            shared: Vec::new(),
            own: Block::new(config, format, device, batch, capacity)?,
            len: 0,
            planned: capacity,
            config: config.clone(),
            format,
            device: device.clone(),
        })
    }

    /// Creates a cache whose sequences continue those of this one, each with room for `capacity`
    /// more positions. Nothing is copied: both read the same blocks.
    ///
    /// # Errors
    /// If there is no such sequence or position, or memory runs out.
    pub fn fork(&self, branches: &[Branch], capacity: usize) -> Result<Self> {
        if let Some(branch) = branches
            .iter()
            .find(|b| b.sequence >= self.batch() || b.position > self.positions(b.sequence))
        {
            candle_core::bail!("no such branch: {branch:?}");
        }
        let mut left: Vec<usize> = branches.iter().map(|branch| branch.position).collect();
        let mut take = |seen: &dyn Fn(usize) -> Visible| -> Vec<Visible> {
            let branches = branches.iter().zip(&mut left);
            branches
                .map(|(branch, left)| {
                    let Visible { row, len } = seen(branch.sequence);
                    let len = len.min(*left);
                    *left -= len;
                    Visible { row, len }
                })
                .collect()
        };
        let mut shared: Vec<Segment> = self
            .shared
            .iter()
            .map(|segment| Segment {
                block: segment.block.clone(),
                visible: take(&|sequence| segment.visible[sequence]),
            })
            .collect();
        let visible = take(&|row| Visible { row, len: self.len });
        let lent = visible.iter().map(|seen| seen.len).max().unwrap_or(0);
        self.own.lent.fetch_max(lent, Ordering::Relaxed);
        shared.push(Segment {
            block: self.own.clone(),
            visible,
        });
        shared.retain(|segment| segment.visible.iter().any(|seen| seen.len > 0));
        Ok(Self {
            shared,
            own: self.empty_block(branches.len(), capacity)?,
            len: 0,
            planned: self.planned,
            config: self.config.clone(),
            format: self.format,
            device: self.device.clone(),
        })
    }

    /// Forgets the last `count` positions of every sequence, or all if there are fewer.
    pub fn forget(&mut self, count: usize) {
        let own = count.min(self.len);
        self.len -= own;
        let mut left = vec![count - own; self.batch()];
        for segment in self.shared.iter_mut().rev() {
            for (seen, left) in segment.visible.iter_mut().zip(&mut left) {
                let forgotten = seen.len.min(*left);
                seen.len -= forgotten;
                *left -= forgotten;
            }
        }
    }

    /// Forgets everything, and has room for `capacity` positions before it must grow.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn clear(&mut self, capacity: usize) -> Result<()> {
        self.shared.clear();
        self.len = 0;
        let lent = self.own.lent.load(Ordering::Relaxed) > 0;
        if lent || self.own.capacity < capacity {
            self.own = self.empty_block(self.batch(), capacity)?;
        }
        Ok(())
    }

    /// Returns the number of sequences.
    pub fn batch(&self) -> usize {
        self.own.rows
    }

    /// Returns the number of positions that a sequence has read.
    ///
    /// # Panics
    /// If there is no such sequence.
    pub fn positions(&self, sequence: usize) -> usize {
        let shared = self.shared.iter().map(|part| part.visible[sequence].len);
        shared.sum::<usize>() + self.len
    }

    /// Returns the length of the context for which the cache was created.
    pub(super) fn planned(&self) -> usize {
        self.planned
    }

    /// Returns the bytes per position and sequence.
    pub fn bytes_a_position(config: &DecoderConfig, format: CacheFormat) -> usize {
        2 * config.layers.len() * config.key_width() * format.bytes()
    }

    pub(super) fn format(&self) -> CacheFormat {
        self.format
    }

    pub(super) fn shared(&self) -> &[Segment] {
        &self.shared
    }

    pub(super) fn own(&self) -> &Block {
        &self.own
    }

    /// Positions of the own block that have been read.
    pub(super) fn own_len(&self) -> usize {
        self.len
    }

    pub(super) fn kv_heads(&self) -> usize {
        self.config.kv_heads
    }

    fn empty_block(&self, rows: usize, capacity: usize) -> Result<Arc<Block>> {
        Block::new(&self.config, self.format, &self.device, rows, capacity)
    }

    /// Makes room for `new` positions: where the own block is full, or its next positions are read
    /// by other caches, it becomes a shared one and a new one follows.
    pub(super) fn reserve(&mut self, new: usize) -> Result<()> {
        let free = self.own.capacity - self.len;
        if new <= free && self.len >= self.own.lent.load(Ordering::Relaxed) {
            return Ok(());
        }
        let capacity = self.own.capacity.clamp(GROWTH.start, GROWTH.end).max(new);
        let empty = self.empty_block(self.batch(), capacity)?;
        let block = std::mem::replace(&mut self.own, empty);
        let len = std::mem::take(&mut self.len);
        if len > 0 {
            let visible = (0..block.rows).map(|row| Visible { row, len }).collect();
            self.shared.push(Segment { block, visible });
        }
        Ok(())
    }

    /// Writes a layer's keys and values `[batch, kv_heads, new, head_dim]` after the existing ones.
    pub(super) fn write(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        self.own.write(layer, self.len, keys, values)
    }

    /// Counts positions as read, once all layers have written them.
    pub(super) fn advance(&mut self, new: usize) {
        self.len += new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Architecture, Checkpoint, ModelSource, Precision};

    fn cache(batch: usize, capacity: usize) -> KvCache {
        let checkpoint = Checkpoint::open(
            &ModelSource::Builtin,
            Precision::F32,
            crate::model::Device::Cpu,
        )
        .unwrap();
        let Architecture::Described(config) = &checkpoint.architecture else {
            panic!("the bundled model is described");
        };
        let format = CacheFormat::Tensors(DType::F32);
        KvCache::new(config, format, &Device::Cpu, batch, capacity).unwrap()
    }

    fn read(cache: &mut KvCache, count: usize) {
        cache.reserve(count).unwrap();
        cache.advance(count);
    }

    #[test]
    fn branches_see_what_they_continue() {
        let mut cache = cache(2, 10);
        read(&mut cache, 10);
        read(&mut cache, 3);
        assert_eq!(cache.positions(1), 13);
        let branch = |sequence, position| Branch { sequence, position };
        let mut forked = cache.fork(&[branch(0, 4), branch(1, 12)], 5).unwrap();
        assert_eq!((forked.positions(0), forked.positions(1)), (4, 12));
        read(&mut forked, 2);
        let again = forked
            .fork(&[branch(1, 13), branch(0, 6), branch(1, 3)], 1)
            .unwrap();
        let positions: Vec<_> = (0..3).map(|i| again.positions(i)).collect();
        assert_eq!(positions, [13, 6, 3]);
        assert!(cache.fork(&[branch(0, 14)], 1).is_err());
        assert!(cache.fork(&[branch(2, 1)], 1).is_err());
    }

    /// A stream must not keep what it has forgotten.
    #[test]
    fn a_cleared_cache_writes_its_block_again_unless_it_was_lent() {
        let mut cache = cache(1, 10);
        read(&mut cache, 10);
        read(&mut cache, 30);
        cache.clear(10).unwrap();
        assert_eq!((cache.positions(0), cache.shared().len()), (0, 0));
        let block: *const Block = cache.own();
        read(&mut cache, 8);
        cache.clear(10).unwrap();
        assert!(std::ptr::eq(block, cache.own()));
        read(&mut cache, 8);
        let end = Branch {
            sequence: 0,
            position: 8,
        };
        let forked = cache.fork(&[end], 1).unwrap();
        cache.clear(10).unwrap();
        assert!(!std::ptr::eq(block, cache.own()));
        assert_eq!((cache.positions(0), forked.positions(0)), (0, 8));
    }

    #[test]
    fn what_was_lent_is_not_written_again() {
        let mut cache = cache(1, 10);
        read(&mut cache, 8);
        let end = Branch {
            sequence: 0,
            position: 8,
        };
        let forked = cache.fork(&[end], 1).unwrap();
        cache.forget(3);
        assert_eq!((cache.positions(0), forked.positions(0)), (5, 8));
        read(&mut cache, 1);
        assert!(!std::ptr::eq(
            cache.own(),
            forked.shared()[0].block.as_ref()
        ));
        assert_eq!((cache.positions(0), forked.positions(0)), (6, 8));
        cache.forget(4);
        assert_eq!(cache.positions(0), 2);
    }
}
